"""har-log and qr-vol on real candles against the same definitions written in numpy and SciPy: measures and the pattern of the week
by plain loops over pandas-free arrays, the scale by a general minimiser, quantile regressions by HiGHS's simplex method.
"""
import csv

import numpy as np
import pytest
from scipy.optimize import linprog, minimize

from conftest import btcf

LEVELS = np.array([.005, .01, .025, .05, *np.arange(.1, .901, .05), .95, .975, .99, .995])
HOUR, DAY, WEEK = 3600, 86400, 604800
MEMORY = 169


def load(path, step):
    with open(path, newline='') as file:
        rows = {int(row['time']): [float(row[name]) for name in ('open', 'high', 'low', 'close')] for row in csv.DictReader(file)}
    times = np.arange(min(rows), max(rows) + 1, step)
    values, filled = np.empty((len(times), 4)), np.zeros(len(times), bool)
    for i, time in enumerate(times):
        filled[i] = time not in rows
        values[i] = rows.get(time, [values[i - 1, 3]] * 4)
    return times + step, np.log(values), filled


def variances(logs, filled):
    """Half Garman-Klass, half squared return; after a gap from the candle's own open; filled: mean of the week of candles before."""
    opened, high, low, close = logs.T
    move = np.diff(close, prepend=close[0])
    after_gap = np.r_[False, filled[:-1]] & ~filled
    move[after_gap] = (close - opened)[after_gap]
    garman_klass = np.maximum(0.5 * (high - low) ** 2 - (2 * np.log(2) - 1) * (close - opened) ** 2, 0)
    out = 0.5 * (garman_klass + move ** 2)
    there = ~filled
    there[0] = False
    own = out.copy()
    for i in np.flatnonzero(~there):
        before = slice(max(i - MEMORY + 1, 0), i)
        out[i] = own[before][there[before]].mean() if there[before].any() else 0.0
    return out


def learn_season(times, values, step):
    cells = WEEK // step
    cell, day = (times - 1) % WEEK // step, (times - 1) % WEEK // DAY
    roots = np.sqrt(values)
    total, count = np.zeros(cells), np.zeros(cells)
    for i in range(cells, len(values)):
        total[cell[i]] += roots[i] / roots[i - cells:i].mean()
        count[cell[i]] += 1
    kind = (np.arange(cells) % (cells // 7)) + 100 * np.isin(np.arange(cells) // (cells // 7), (2, 3))
    coarse = np.array([total[kind == k].sum() / count[kind == k].sum() for k in kind])
    factor = ((total + 26 * coarse) / (count + 26)) ** 2
    return factor / factor.mean(), lambda closes: (closes - 1) % WEEK // step


class Rows:
    """Everything that a fit at the last of the given points sees."""

    def __init__(self, times, logs, filled, step, steps):
        self.step, self.steps = step, steps
        windows, weeks = ((1, 4, 14, 60, 365), 156) if step == DAY else ((1, 6, 24, 168, 720), 52)
        values, close = variances(logs, filled), logs[:, 3]
        known = weeks * WEEK // step
        self.factor, self.cell = learn_season(times[-known:], values[-known:], step)
        ahead = self.factor[self.cell(times)]
        adjusted = np.cumsum(np.r_[0, values / ahead])
        self.measures = np.full((len(times), 5), np.nan)
        for k, window in enumerate(windows):
            self.measures[window - 1:, k] = np.sqrt((adjusted[window:] - adjusted[:-window]) / window)
        longest = self.measures[:, -1:]
        self.measures = np.clip(self.measures, longest / 30, longest * 30)
        sums = np.cumsum(np.r_[0, ahead])
        origins = np.arange(windows[-1] + MEMORY, len(times) - steps)
        self.origins = origins[~filled[origins] & ~filled[origins + steps]]
        scale = np.sqrt(sums[self.origins + steps + 1] - sums[self.origins + 1])
        self.sizes = abs(close[self.origins + steps] - close[self.origins]) / scale

    def newest(self, window):
        """Rows whose origin is one of the last `window` points that have an outcome."""
        keep = self.origins >= len(self.measures) - self.steps - window
        return self.measures[self.origins[keep]], self.sizes[keep]

    def scale_after(self, time):
        closes = time + self.step * np.arange(1, self.steps + 1)
        return np.sqrt(self.factor[self.cell(closes)].sum())


def har_log(rows, now, is_daily):
    x, y = rows.newest(3000 if is_daily else 26280)
    logs = np.log(x)
    mean = logs.mean(0)
    design = np.c_[np.ones(len(y)), logs - mean]
    penalty = 0.02 * np.r_[0, np.ones(5)]

    def loss(beta):
        size = y * np.exp(-design @ beta)
        return ((size + design @ beta).mean() + 0.5 * (penalty * beta) @ beta,
                design.T @ (1 - size) / len(y) + penalty * beta)

    start = np.r_[np.log(y.mean()), np.zeros(5)]
    beta = minimize(loss, start, jac=True, method='BFGS', options=dict(gtol=1e-10, maxiter=1000)).x
    residuals = (y * np.exp(-design @ beta))[-(2000 if is_daily else 8760):]
    return np.exp(beta @ np.r_[1, np.log(now) - mean]) * np.quantile(residuals, 2 * LEVELS[13:] - 1)


def qr_vol(rows, now, is_daily):
    x, y = rows.newest(2000 if is_daily else 8760)
    sizes = []
    for level in 2 * LEVELS[13:] - 1:
        # The dual: as many rows as measures, and bounds that the simplex method handles as such.
        dual = linprog(-y, A_eq=x.T, b_eq=(1 - level) * x.sum(0), bounds=(0, 1), method='highs')
        sizes.append(max(-dual.eqlin.marginals @ now, 0))
    return np.sort(sizes)


CASES = [('1d', '1d', '2023-08-20', '4d'), ('1d', '7d', '2024-11-09', '4d'), ('1h', '4h', '2021-03-07', '3d')]


@pytest.mark.parametrize('interval, horizon, begin, every', CASES)
def test_quantiles_are_those_of_scipy(interval, horizon, begin, every, request, tmp_path):
    step = DAY if interval == '1d' else HOUR
    path = request.getfixturevalue('daily_file' if interval == '1d' else 'hourly_file')
    out = tmp_path / 'forecasts.csv'
    end = str(np.datetime64(begin) + 9)
    done = btcf('backtest', '--candles', path, '--interval', interval, '--from', begin, '--to', end, '--step', every,
                '--horizons', horizon, '--models', 'har-log,qr-vol', '--out', out)
    assert done.returncode == 0, done.stderr
    times, logs, filled = load(path, step)
    steps = (DAY if horizon[-1] == 'd' else HOUR) * int(horizon[:-1]) // step
    seen, cache = 0, {}
    with open(out, newline='') as file:
        for row in csv.DictReader(file):
            refit = {'har-log': 7, 'qr-vol': 14}[row['model']] * DAY
            origin = int(row['origin'])
            fitted, at = np.searchsorted(times, origin // refit * refit), np.searchsorted(times, origin)
            key = (row['model'], fitted)
            if key not in cache:
                cut = slice(0, fitted + 1)
                cache[key] = Rows(times[cut], logs[cut], filled[cut], step, steps)
            rows = cache[key]
            wanted = forecast(row['model'], rows, (times[:at + 1], logs[:at + 1], filled[:at + 1]))
            got = np.log([float(row[f'q{level:g}']) for level in LEVELS]) - logs[at, 3]
            np.testing.assert_allclose(got[13:], wanted, rtol=1e-5, err_msg=f"{row['model']} {origin}")
            np.testing.assert_allclose(got, -got[::-1], atol=1e-9)
            seen += 1
    assert seen >= 4


def forecast(model, rows, past):
    """With what was learned at the refit instant, and measures at the origin under the pattern of the week learned then."""
    times, logs, filled = past
    windows = (1, 4, 14, 60, 365) if rows.step == DAY else (1, 6, 24, 168, 720)
    adjusted = variances(logs[-2000:], filled[-2000:]) / rows.factor[rows.cell(times[-2000:])]
    now = np.sqrt([adjusted[-window:].mean() for window in windows])
    now = np.clip(now, now[-1] / 30, now[-1] * 30)
    law = {'har-log': har_log, 'qr-vol': qr_vol}[model]
    return law(rows, now, rows.step == DAY) * rows.scale_after(times[-1])
