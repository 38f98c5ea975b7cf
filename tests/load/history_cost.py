#!/usr/bin/python3
"""What longer history costs: the same forecasts, made with 1, 2, 4 and 8 years of hourly candles before them.

    tests/load/history_cost.py [--origins 40] [--json FILE]

Each row walks the last `origins` origins (every 6 hours) of the development data at all horizons to 7 d, once with every single model and
once with the ensemble, whose calibration warms up over at most a year before. Models use bounded windows, so the cost per origin
should stop growing with the longest of them. CPU seconds are those of all processes; one core each, niced by nobody.
"""
import argparse
import csv
import json
import os
import resource
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BTCF = os.environ.get('BTCF_BIN', os.path.join(ROOT, 'build', 'btcf'))
HISTORY = os.path.join(os.environ.get('BTCF_SHARED', os.path.join(ROOT, '..', 'shared')), 'data', 'btcusd-1h.csv')
YEARS = (1, 2, 4, 8)
HOUR_S, YEAR_S, ORIGIN_S = 3600, 365 * 86400, 6 * 3600
MODELS = 'rw-gauss,rw-emp,ewma-emp,garch,garch-t,gjr-t,garch-fhs,har-log,qr-vol,qgb,arima,ets,theta'


def cut(rows, years, path):
    """The last `years` of the candles as a file; how many years there were."""
    begin = int(rows[-1][0]) - years * YEAR_S
    kept = [row for row in rows if int(row[0]) >= begin]
    with open(path, 'w', newline='', encoding='utf-8') as file:
        csv.writer(file).writerows([['time', 'open', 'high', 'low', 'close', 'volume'], *kept])
    return len(kept) * HOUR_S / YEAR_S


def walk(path, end_s, origins, models):
    """CPU seconds and peak memory (MiB) of one walk."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([BTCF, 'backtest', '--candles', path, '--interval', '1h', '--from', str(end_s - origins * ORIGIN_S), '--to', str(end_s),
                    '--horizons', '1h,4h,12h,1d,3d,7d', '--step', '6h', '--models', models, '--workers', '1'],
                   check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, after.ru_maxrss / 1024


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--origins', type=int, default=40)
    parser.add_argument('--json')
    options = parser.parse_args()
    if not os.path.exists(HISTORY):
        print(f'SKIPPED: {HISTORY} is absent', file=sys.stderr)
        return 0
    with open(HISTORY, newline='', encoding='utf-8') as file:
        rows = [row[:6] for row in csv.reader(file)][1:]
    end_s = int(rows[-1][0]) // ORIGIN_S * ORIGIN_S - 7 * 86400
    table = []
    print(f'{"years":>6} {"candles":>8} {"models ms/origin":>17} {"ensemble s":>11} {"peak MiB":>9}')
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, 'candles.csv')
        for years in YEARS:
            held = cut(rows, years, path)
            single, _ = walk(path, end_s, options.origins, MODELS)
            whole, peak = walk(path, end_s, options.origins, 'ensemble')
            table.append({'years': round(held, 2), 'candles': int(held * YEAR_S / HOUR_S), 'models_ms_per_origin': round(1000 * single / options.origins, 2),
                          'ensemble_s': round(whole, 2), 'peak_mib': round(peak, 1)})
            print('{years:>6} {candles:>8} {models_ms_per_origin:>17} {ensemble_s:>11} {peak_mib:>9}'.format(**table[-1]), flush=True)
    if options.json:
        with open(options.json, 'w', encoding='utf-8') as file:
            json.dump(table, file, indent=1)
    return 0


if __name__ == '__main__':
    sys.exit(main())
