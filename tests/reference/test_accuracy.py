"""The whole pipeline, candles to scores, against the project's scorer on two years of development data.

The bars are figures that were measured with other software before a line of btcf existed: if the pipeline leaked the
future, skill would be too good; if it lost something, too bad.
"""
import json
import subprocess
import sys

import pytest

from conftest import RUN_LIMIT_S, btcf

HOUR, DAY = 3600, 86400


def backtest(tmp_path_factory, candles, interval, begin, horizons, step):
    out = tmp_path_factory.mktemp('backtest') / 'forecasts.csv'
    done = btcf('backtest', '--candles', candles, '--interval', interval, '--from', begin, '--to', '2025-04-01',
                '--horizons', horizons, '--step', step, '--models', 'rw-gauss,rw-emp,ewma-emp,ensemble', '--out', out)
    assert done.returncode == 0, done.stderr
    return out, done.stdout


def score(scorer, candles, step, window, forecasts, *more):
    done = subprocess.run([sys.executable, scorer, '--candles', candles, '--step', str(step), '--window', str(window),
                           '--from', '2023-04-01', '--to', '2025-04-01', '--json', *map(str, more), str(forecasts)],
                          capture_output=True, text=True, timeout=RUN_LIMIT_S)
    assert done.returncode == 0, done.stderr
    return {(row['model'], row['horizon_s']): row for row in json.loads(done.stdout)}


@pytest.fixture(scope='module')
def daily(tmp_path_factory, daily_file, scorer):
    # From 31 days before the first target on, so that it has an origin at every horizon.
    out, table = backtest(tmp_path_factory, daily_file, '1d', '2023-03-01', '1d,3d,7d,14d,30d', '1d')
    return score(scorer, daily_file, DAY, 365, out), out, table


@pytest.fixture(scope='module')
def hourly(tmp_path_factory, hourly_file, scorer):
    out, table = backtest(tmp_path_factory, hourly_file, '1h', '2023-03-24', '1h,4h,12h,1d,7d', '6h')
    return score(scorer, hourly_file, HOUR, 168, out), out, table


def test_rw_gauss_is_the_scorers_base_at_every_horizon_of_both_intervals(daily, hourly):
    for scores in (daily[0], hourly[0]):
        rows = [row for (model, _), row in scores.items() if model == 'rw-gauss']
        assert len(rows) == 5
        for row in rows:
            assert abs(row['skill']) < 0.005, row
            assert row['dm_p'] == 1.0, row


def test_rw_emp_gains_what_it_should_at_one_day(daily):
    row = daily[0]['rw-emp', DAY]
    assert row['n'] == 731
    assert row['skill'] == pytest.approx(1.2, abs=0.3)


def test_ewma_emp_gains_what_it_should_at_one_hour(hourly):
    row = hourly[0]['ewma-emp', HOUR]
    assert row['n'] == 2924
    assert row['skill'] == pytest.approx(3.7, abs=0.3)


def test_other_horizons_agree_with_the_figures_measured_before(daily, hourly):
    # Method, horizon: skill in the forecasting notes' tables (a few origins differ at the long horizons).
    for model, horizon_s, skill in (('rw-emp', 3 * DAY, 0.39), ('rw-emp', 7 * DAY, 0.68), ('ewma-emp', DAY, 2.14),
                                    ('ewma-emp', 3 * DAY, 0.69), ('ewma-emp', 7 * DAY, -0.62)):
        assert daily[0][model, horizon_s]['skill'] == pytest.approx(skill, abs=0.3)
    for model, horizon_s, skill in (('rw-emp', HOUR, 1.59), ('rw-emp', 4 * HOUR, 0.95), ('rw-emp', DAY, 0.76),
                                    ('ewma-emp', 4 * HOUR, 2.16), ('ewma-emp', DAY, 0.18),
                                    ('ewma-emp', 7 * DAY, -0.69)):
        assert hourly[0][model, horizon_s]['skill'] == pytest.approx(skill, abs=0.3)


# What the ensemble must gain over the baseline (percent CRPS) and the most that its coverage may be off (points, the mean
# over four intervals; at long horizons 1.5 binomial standard errors on the independent windows are more than 1.5).
HOURLY_GOALS = {HOUR: (5.8, 0.8), 4 * HOUR: (5.0, 0.8), DAY: (2.9, 0.8)}
DAILY_GOALS = {7 * DAY: (0.7, 1.5), 14 * DAY: (-0.5, 2.5), 30 * DAY: (-0.5, 3.5)}


def check_goals(scores, goals):
    for horizon_s, (skill, error) in goals.items():
        row = scores['ensemble', horizon_s]
        assert row['skill'] >= skill, row
        assert row['caverr'] <= error, row
        assert row['ks_p'] > 0.01, row
        assert row['mase'] == pytest.approx(1.0, abs=1e-9), row


def test_the_ensemble_gains_what_it_should_to_a_day(hourly):
    check_goals(hourly[0], HOURLY_GOALS)
    for horizon_s in HOURLY_GOALS:
        row = hourly[0]['ensemble', horizon_s]
        assert row['dm_p'] < 0.01 and row['w90'] < row['w90_base'], row


def test_the_ensemble_does_not_lose_at_weeks(daily):
    check_goals(daily[0], DAILY_GOALS)


def test_the_printed_table_is_the_scorers(hourly, hourly_file, scorer):
    # The table covers every origin; so must the scorer: targets of the origins from 2023-03-24 on.
    _, out, table = hourly
    lines = [line.split() for line in table.splitlines()]
    done = subprocess.run([sys.executable, scorer, '--candles', hourly_file, '--step', str(HOUR), '--window', '168',
                           '--from', '2023-03-24', '--to', '2025-04-02', '--json', str(out)], capture_output=True,
                          text=True, timeout=RUN_LIMIT_S)
    wanted = {(row['model'], row['horizon_s']): row for row in json.loads(done.stdout)}
    assert len(lines) - 1 == len(wanted) == 20
    for line in lines[1:]:
        printed = dict(zip(lines[0], line))
        row = wanted[printed['model'], int(printed['horizon_s'])]
        assert int(printed['n']) == row['n']
        for column, tolerance in (('crps', 6e-5), ('skill', 0.006), ('dm_p', 6e-5), ('cov50', 0.006), ('cov80', 0.006),
                                  ('cov90', 0.006), ('cov95', 0.006), ('caverr', 0.006), ('w90', 6e-4),
                                  ('w90_base', 6e-4), ('mase', 6e-4), ('ks_p', 2e-3)):
            assert float(printed[column]) == pytest.approx(row[column], abs=tolerance), (printed, column)
        if printed['dir'] != '-':
            for column in ('dir', 'dir_lo', 'dir_hi'):
                assert float(printed[column]) == pytest.approx(row[column], abs=0.06), (printed, column)


def test_one_day_from_hours_beats_the_daily_base(hourly_file, daily_file, scorer, tmp_path_factory):
    out, _ = backtest(tmp_path_factory, hourly_file, '1h', '2023-03-31', '1d', '1d')
    row = score(scorer, daily_file, DAY, 365, out, '--every', DAY, '--horizons', DAY)['ensemble', DAY]
    assert row['n'] == 731
    assert row['skill'] >= 4.0 and row['dm_p'] < 0.01
    assert row['caverr'] <= 1.2 and row['ks_p'] > 0.01, row
