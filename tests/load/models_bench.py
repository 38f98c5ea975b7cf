#!/usr/bin/python3
"""What do models cost, beside R's in the same run: estimates by fGarch and forecast, refits and updates of our own.

    tests/load/models_bench.py [NAME ...]

R is timed inside R, around the fit alone, after one fit that warms it up; the best of its rounds counts, of ours the median.
Rounds of both take turns in time. Bars: GARCH-t at n = 1974 within 3 ms and 100 times faster than fGarch; the choices of ARIMA
and ETS 5 times faster than forecast's; boosted trees for fifteen quantiles on 3000 x 24 within 500 ms; an update of all models
and horizons within 20 ms, a refit of all within 2 s. Ends with status 1 when one is missed. Without Rscript (`conf/packages.sh
bench`) or the data beside the checkout ($BTCF_SHARED) the comparison is skipped, and says so.
"""
import os
import shutil
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
BUILD = os.path.join(ROOT, os.environ.get('BUILD', 'build'))
SHARED = os.path.abspath(os.environ.get('BTCF_SHARED') or os.path.join(ROOT, '..', 'shared'))
PROGRAM = os.path.join(BUILD, 'tests/load/models_bench')
R_ROUNDS, OUR_ROUNDS, R_LIMIT_S = 3, 50, 120
UPDATE_MS, REFIT_MS, TREES_MS = 20.0, 2000.0, 500.0
TREES_ROWS, TREES_WIDTH, TREES_ROUNDS = 3000, 24, 5

DEM2GBP, BTC = ('data', 'dem2gbp.csv'), ('reference', 'series_btc_ret_pct.csv')
LOG_BTC, CO2 = ('reference', 'series_btc_log_last1000.csv'), ('reference', 'series_co2.csv')
GARCH = 'garchFit(~{formula}, data=x, cond.dist="{law}", include.mean=TRUE, trace=FALSE)'

# name, our estimator and its options, series, R's library and expression, at most so many ms, at least so many times faster
FITS = [
    ('garch-t', ['garch-t'], DEM2GBP, 'fGarch', GARCH.format(formula='garch(1,1)', law='std'), 3.0, 100.0),
    ('garch', ['garch'], DEM2GBP, 'fGarch', GARCH.format(formula='garch(1,1)', law='norm'), None, None),
    ('garch-skt', ['garch-skt'], DEM2GBP, 'fGarch', GARCH.format(formula='garch(1,1)', law='sstd'), None, None),
    ('aparch-t', ['aparch-t'], DEM2GBP, 'fGarch', GARCH.format(formula='aparch(1,1)', law='std'), None, None),
    ('arima 1000', ['arima'], LOG_BTC, 'forecast', 'auto.arima(x)', None, 5.0),
    ('garch-t 3742', ['garch-t'], BTC, 'fGarch', GARCH.format(formula='garch(1,1)', law='std'), None, None),
    ('ets 1000', ['ets'], LOG_BTC, 'forecast', 'ets(x)', None, 5.0),
    ('ets 12 x 39', ['ets', '', 12], CO2, 'forecast', 'ets(ts(x, frequency=12))', None, 5.0),
    ('theta 1000', ['theta'], LOG_BTC, 'forecast', 'thetaf(x)', None, None),
]

# What an issue asks: horizons to a day in hours on hourly candles, longer ones in days on daily candles.
UPDATES = [('btcusd-1h.csv', 3600, '1,4,12,24'), ('btcusd-1d.csv', 86400, '3,7,14,30')]

R_PROGRAM = """
suppressMessages(library({library}))
x <- read.csv("{path}")
x <- x[[ncol(x)]]
fit <- function() suppressWarnings({expression})
invisible(fit())
times <- sapply(seq_len({rounds}), function(i) {{ begin <- proc.time()[["elapsed"]]
  repeats <- 0
  repeat {{ invisible(fit()); repeats <- repeats + 1; took <- proc.time()[["elapsed"]] - begin; if (took > 0.2) break }}
  took / repeats }})
cat(min(times) * 1000, "\\n")
"""


def shared_file(*names):
    path = os.path.join(SHARED, *names)
    return path if os.path.exists(path) else None


def ask(*arguments):
    """Lines of the C program, split into words."""
    done = subprocess.run([PROGRAM, *map(str, arguments)], stdout=subprocess.PIPE, text=True, check=True)
    return [line.split() for line in done.stdout.splitlines()]


def time_r(library, expression, path):
    program = R_PROGRAM.format(library=library, path=path, expression=expression, rounds=R_ROUNDS)
    done = subprocess.run(['Rscript', '--vanilla', '-e', program], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          timeout=R_LIMIT_S, check=False)
    if done.returncode != 0:
        raise RuntimeError(f'Rscript: {done.stderr.strip().splitlines()[-1:]}')
    return float(done.stdout.split()[-1])


def compare_fits(names):
    if not shutil.which('Rscript'):
        print('SKIPPED: no Rscript (conf/packages.sh bench installs it): nothing was compared')
        return 0
    missed = 0
    print(f'{"fit":14} {"ours ms":>9} {"R ms":>9} {"times":>7}')
    for name, ours, series, library, expression, most_ms, least_ratio in FITS:
        path = shared_file(*series)
        if names and name not in names:
            continue
        if path is None:
            print(f'{name:14} SKIPPED: {"/".join(series)} is not beside the checkout')
            continue
        first = float(ask('fit', ours[0], path, OUR_ROUNDS, *ours[1:])[0][2])
        theirs = time_r(library, expression, path)
        mine = min(first, float(ask('fit', ours[0], path, OUR_ROUNDS, *ours[1:])[0][2]))
        is_late = (most_ms is not None and mine > most_ms) or (least_ratio is not None and theirs / mine < least_ratio)
        missed += is_late
        print(f'{name:14} {mine:9.3f} {theirs:9.2f} {theirs / mine:7.0f}{"   MISSED" if is_late else ""}')
    return missed


def measure_trees(names):
    if names and 'trees' not in names:
        return 0
    took = float(ask('trees', TREES_ROWS, TREES_WIDTH, TREES_ROUNDS)[0][2])
    is_late = took > TREES_MS
    print(f'{"trees":14} {took:9.3f}{"   MISSED" if is_late else ""}   15 quantiles, {TREES_ROWS} x {TREES_WIDTH}')
    return is_late


def measure_updates(names):
    if names and 'update' not in names:
        return 0
    refits, updates = {}, {}
    for file, step_s, steps in UPDATES:
        path = shared_file('data', file)
        if path is None:
            print(f'update         SKIPPED: data/{file} is not beside the checkout')
            return 0
        for name, refit, _, update in ask('update', path, step_s, steps, OUR_ROUNDS):
            refits[name] = refits.get(name, 0.0) + float(refit)
            updates[name] = updates.get(name, 0.0) + float(update)
    print(f'\n{"eight horizons":14} {"refit ms":>9} {"update ms":>9}')
    for name, refit in refits.items():
        print(f'{name:14} {refit:9.2f} {updates[name]:9.3f}')
    refit, update = sum(refits.values()), sum(updates.values())
    is_late = refit > REFIT_MS or update > UPDATE_MS
    print(f'{"all models":14} {refit:9.2f} {update:9.3f}{"   MISSED" if is_late else ""}')
    return is_late


def main():
    subprocess.run(['make', '-s', '-C', ROOT, f'BUILD={os.path.relpath(BUILD, ROOT)}',
                    os.path.relpath(PROGRAM, ROOT)], check=True)
    missed = compare_fits(sys.argv[1:]) + measure_trees(sys.argv[1:]) + measure_updates(sys.argv[1:])
    return 1 if missed else 0


if __name__ == '__main__':
    sys.exit(main())
