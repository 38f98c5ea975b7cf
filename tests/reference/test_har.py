"""`btcf fit --model har` and `har-log` against R's lm and a Newey-West estimator in R, on daily realised variance of BTC with
its missing days; and the forecasts against the equation run forward in numpy.
"""
import csv
import json

import numpy as np
import pytest

from conftest import btcf, shared_file

DIGITS = 10  # of the reference file, which has 12


def fit(model, order, *more):
    done = btcf('fit', '--model', model, '--series', shared_file('reference', 'rv_daily.csv'), '--column', 'rv_pct2',
                '--order', order, '--json', *more)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def wanted(target, week, month):
    with open(shared_file('reference', 'har_rv_ols.csv'), newline='') as file:
        return [row for row in csv.DictReader(file) if (row['target'], row['week'], row['month']) == (target, week, month)]


@pytest.mark.parametrize('model, target', [('har', 'rv'), ('har-log', 'log rv')])
@pytest.mark.parametrize('week, month', [('5', '22'), ('7', '30')])
def test_coefficients_and_both_standard_errors_agree_to_ten_digits(model, target, week, month):
    estimate, rows = fit(model, f'{week},{month}'), wanted(target, week, month)
    columns = {'estimate': estimate['parameters'], 'se_ols': estimate['se']['hessian'], 'se_nw5': estimate['se']['robust']}
    assert len(rows) == len(estimate['parameters']) == 4
    for row in rows:
        for field, column in columns.items():
            assert column[row['param']] == pytest.approx(float(row[field]), rel=10 ** -DIGITS), (row['param'], field)
    assert estimate['n'] == int(rows[0]['n'])
    assert estimate['sigma2'] == pytest.approx(float(rows[0]['resid_sd']) ** 2, rel=10 ** -DIGITS)


def test_forecasts_run_the_equation_forward():
    estimate = fit('har', '5,22', '--horizon', '30')
    beta = estimate['parameters']
    with open(shared_file('reference', 'rv_daily.csv'), newline='') as file:
        path = [float(row['rv_pct2']) for row in list(csv.DictReader(file))[-22:]]
    for _ in range(30):
        path.append(beta['const'] + beta['d'] * path[-1] + beta['w'] * np.mean(path[-5:]) + beta['m'] * np.mean(path[-22:]))
    forecast = estimate['forecast']
    np.testing.assert_allclose(forecast['mean'], path[22:], rtol=1e-9)
    widths = np.subtract(forecast['high_95'], forecast['low_95'])
    assert widths[0] == pytest.approx(2 * 1.959963984540054 * np.sqrt(estimate['sigma2']), rel=1e-9)
    assert all(a < b for a, b in zip(widths, widths[1:]))


@pytest.mark.parametrize('order', ['22,5', '5', '5,5', 'a,b', '5,2000', '5,22,66'])
def test_an_order_that_is_no_pair_of_windows_is_refused(order):
    done = btcf('fit', '--model', 'har', '--series', shared_file('reference', 'rv_daily.csv'), '--column', 'rv_pct2', '--order',
                order)
    assert done.returncode != 0
    assert 'windows' in done.stderr
