#!/usr/bin/python3
"""How fast is `btcf import`, beside what psql does with the same rows in the same run?

    tests/load/import_bench.py [--rows 5000000] [--rounds 2]

The peer is the obvious way: COPY into a temporary table, then INSERT .. ON CONFLICT DO UPDATE, both inside one
PostgreSQL, with the settings that it ships with. Each run starts from an empty table in a fresh database; the two take
turns, and the best of each counts. btcf also parses, checks every row and finds duplicates; psql does none of that.

The rows are a quarter of real minutes, repeated and shifted into a decade. Ends with status 1 when the ratio of the
rates is below 0.9, the peak of btcf's memory above 64 MB, or a second import changes anything.
"""
import argparse
import os
import re
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, os.path.join(ROOT, 'tests', 'pg'))
import conftest  # noqa: E402  the private server of the PostgreSQL tests

SAMPLE = os.path.join(conftest.SHARED, 'data', 'btcusd-1m-sample.csv')
SHIFT_S = 91 * 86400  # the sample spans less
FIRST_COPY = -21      # copies lie between 2014 and 2024
RATIO_MIN, PEAK_MAX_KB = 0.9, 64 << 10

PSQL = r"""
\set ON_ERROR_STOP on
CREATE TEMPORARY TABLE given (time bigint, open float8, high float8, low float8, close float8, volume float8);
\copy given FROM '{path}' (FORMAT csv, HEADER true)
INSERT INTO archive_candle (symbol, source, quote, interval_s, open_time, open, high, low, close, volume)
    SELECT 'BTC-USD', 'file', 'USD', 60, time * 1000, open, high, low, close, volume FROM given
    ON CONFLICT (symbol, interval_s, source, quote, open_time) DO UPDATE
    SET open = excluded.open, high = excluded.high, low = excluded.low, close = excluded.close, volume = excluded.volume;
"""


def write_rows(path, count):
    with open(SAMPLE) as sample:
        header, *rows = sample.read().splitlines()
    rows = [(int(time_s), rest) for time_s, rest in (row.split(',', 1) for row in rows)]
    written, copy = 0, FIRST_COPY
    with open(path, 'w') as out:
        out.write(header + '\n')
        while written < count:
            part = rows[:count - written]
            out.writelines(f'{time_s + copy * SHIFT_S},{rest}\n' for time_s, rest in part)
            written += len(part)
            copy += 1


def timed(command, **options):
    start = time.monotonic()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, **options)
    peak_kb = 0
    while process.poll() is None:
        try:
            with open(f'/proc/{process.pid}/status') as status:
                text = status.read()
            if text.startswith('Name:\tbtcf'):  # not before its exec
                peak_kb = int((re.search(r'VmHWM:\s+(\d+)', text) or [0, 0])[1])
        except FileNotFoundError:
            break
        time.sleep(0.02)
    output = process.communicate()[0]
    if process.returncode != 0:
        sys.exit(f'{command[0]} ended with status {process.returncode}: {output}')
    return time.monotonic() - start, peak_kb, output


def run_psql(server, script):
    with conftest.new_database(server, 'template0') as database:
        database.btcf('migrate', 'up')
        seconds, _, _ = timed(['psql', '-X', '-q', '-d', database.url, '-f', script])
        return seconds, database.one('SELECT count(*) FROM archive_candle')


def run_btcf(server, path):
    with conftest.new_database(server, 'template0') as database:
        database.btcf('migrate', 'up')
        command = [str(conftest.BTCF), 'import', path, '--interval', '1m', '--database-url', database.url]
        seconds, peak_kb, _ = timed(command)
        rows = database.one('SELECT count(*) FROM archive_candle')
        again_s, _, again = timed(command)
        return seconds, rows, peak_kb, again_s, again


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--rows', type=int, default=5000000)
    parser.add_argument('--rounds', type=int, default=2)
    options = parser.parse_args()
    if not os.path.exists(SAMPLE):
        print(f'SKIPPED: {SAMPLE} is absent, so the speed of imports was not measured')
        return 0
    with tempfile.TemporaryDirectory(prefix='btcf-bench-') as directory, conftest.private_server(durable=True) as server:
        os.chmod(directory, 0o755)
        path, script = f'{directory}/minutes.csv', f'{directory}/psql.sql'
        write_rows(path, options.rows)
        with open(script, 'w') as file:
            file.write(PSQL.format(path=path))
        psql, btcf = [], []
        for _ in range(options.rounds):
            psql.append(run_psql(server, script))
            btcf.append(run_btcf(server, path))
    assert {rows for _, rows in psql} == {rows for _, rows, *_ in btcf} == {options.rows}
    psql_s, btcf_s = min(s for s, _ in psql), min(s for s, *_ in btcf)
    peak_kb = max(run[2] for run in btcf)
    again_s, again = btcf[-1][3:]
    print(f'import of {options.rows} one-minute rows, best of {options.rounds}')
    print(f'  psql COPY + INSERT .. ON CONFLICT  {psql_s:7.1f} s  {options.rows / psql_s:9.0f} rows/s')
    print(f'  btcf import                        {btcf_s:7.1f} s  {options.rows / btcf_s:9.0f} rows/s  peak {peak_kb / 1024:.1f} MB')
    print(f'  ratio of rates                     {psql_s / btcf_s:7.2f}    (at least {RATIO_MIN})')
    print(f'  the same file again                {again_s:7.1f} s  {again.splitlines()[0].split(": ", 2)[-1]}')
    good = psql_s / btcf_s >= RATIO_MIN and peak_kb <= PEAK_MAX_KB and ' 0 inserted, 0 changed,' in again
    return 0 if good else 1


if __name__ == '__main__':
    sys.exit(main())
