"""Each model's quantiles on real candles against the same definition written in numpy, at origins spread over history.

Nothing here is shared with the C code: numpy's own quantiles, standard deviation and logarithms, a plain loop for the
exponential scale from the first candle on, SciPy's normal law.
"""
import csv

import numpy as np
import pytest
from scipy import stats

from conftest import btcf

LEVELS = np.array([.005, .01, .025, .05, *np.arange(.1, .901, .05), .95, .975, .99, .995])
HOUR, DAY = 3600, 86400
LAMBDA = 0.97


def load_log_closes(path, step):
    """Instants at which candles close, and log closes on the full grid; a missing candle repeats the last close."""
    with open(path, newline='') as file:
        rows = {int(row['time']): float(row['close']) for row in csv.DictReader(file)}
    times = np.arange(min(rows), max(rows) + 1, step)
    closes, last = np.empty(len(times)), np.nan
    for i, time in enumerate(times):
        last = rows.get(time, last)
        closes[i] = last
    return times + step, np.log(closes)


def ewma_scale(log_closes):
    """scale[i]: known at point i. The start is forgotten long before the first origin that is compared."""
    returns = np.diff(log_closes)
    variance, scale = np.mean(returns[:500] ** 2), np.full(len(log_closes), np.nan)
    for i, value in enumerate(returns):
        variance = LAMBDA * variance + (1 - LAMBDA) * value ** 2
        scale[i + 1] = np.sqrt(variance)
    return scale


def expected(log_closes, scale, at, steps, windows):
    """Quantiles of the log return for each model at the origin `at` (index of the last known point)."""
    past = log_closes[:at + 1]
    returns, long_returns = np.diff(past), past[steps:] - past[:-steps]
    residuals = long_returns / scale[:len(long_returns)]
    return {
        'rw-gauss': returns[-windows['rw-gauss']:].std() * np.sqrt(steps) * stats.norm.ppf(LEVELS),
        'rw-emp': np.quantile(long_returns[-windows['rw-emp']:], LEVELS),
        'ewma-emp': scale[at] * np.quantile(residuals[-windows['ewma-emp']:], LEVELS),
    }


@pytest.fixture(params=['1h', '1d'])
def case(request):
    if request.param == '1h':
        return dict(interval='1h', step=HOUR, path=request.getfixturevalue('hourly_file'), horizons='1h,4h,1d',
                    every='40d', begin='2018-10-01', windows={'rw-gauss': 168, 'rw-emp': 2160, 'ewma-emp': 8760})
    return dict(interval='1d', step=DAY, path=request.getfixturevalue('daily_file'), horizons='1d,7d,30d',
                every='90d', begin='2017-10-01', windows={'rw-gauss': 365, 'rw-emp': 500, 'ewma-emp': 1000})


def test_every_models_quantiles_are_those_of_numpy(case, tmp_path):
    out = tmp_path / 'forecasts.csv'
    done = btcf('backtest', '--candles', case['path'], '--interval', case['interval'], '--from', case['begin'], '--to',
                '2025-03-01', '--step', case['every'], '--horizons', case['horizons'], '--out', out)
    assert done.returncode == 0, done.stderr
    times, log_closes = load_log_closes(case['path'], case['step'])
    scale, place = ewma_scale(log_closes), {time: i for i, time in enumerate(times)}
    seen = {}
    with open(out, newline='') as file:
        for row in csv.DictReader(file):
            at, steps = place[int(row['origin'])], int(row['horizon_s']) // case['step']
            assert float(row['origin_price']) == pytest.approx(np.exp(log_closes[at]), rel=1e-11)
            assert float(row['actual']) == pytest.approx(np.exp(log_closes[at + steps]), rel=1e-11)
            wanted = expected(log_closes, scale, at, steps, case['windows'])
            if row['model'] not in wanted:
                continue
            got = np.log([float(row[f'q{level:g}']) for level in LEVELS]) - log_closes[at]
            # The recursion's start, which is not numpy's, still weighs 1e-6 on the oldest residual.
            np.testing.assert_allclose(got, wanted[row['model']], rtol=2e-5, atol=1e-10, err_msg=str(row['origin']))
            seen[row['model']] = seen.get(row['model'], 0) + 1
    assert set(seen) == {'rw-gauss', 'rw-emp', 'ewma-emp'} and min(seen.values()) >= 80
