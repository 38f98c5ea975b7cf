"""`btcf import`: every format, every kind of bad row, nothing lost around it, nothing changed by doing it again."""
import os
import re
import subprocess
import time

import pytest

from conftest import BTCF, SHARED

HEADER = 'time,open,high,low,close,volume\n'
T0 = 1554076800  # 2019-04-01T00:00:00Z
STORED = 'SELECT open_time / 1000, open, high, low, close, volume FROM archive_candle ORDER BY open_time'


def row(minute, values='10.5,12.25,9.125,11.0625,5'):
    return f'{T0 + 60 * minute},{values}\n'


def run(database, tmp_path, content, *options, interval='1m', status=0):
    path = tmp_path / 'candles.csv'
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return database.btcf('import', str(path), '--interval', interval, *options, status=status)


def counts(done):
    """(inserted, changed, unchanged, bad)"""
    return tuple(int(n) for n in re.search(r'(\d+) inserted, (\d+) changed, (\d+) unchanged, (\d+) bad', done.stdout).groups())


def minutes(database):
    return [(t - T0) // 60 for t, *_ in database.sql(STORED)]


CANDLE = (10.5, 12.25, 9.125, 11.0625, 5.0)  # four distinct prices: a swapped column shows
FORMATS = {
    'native with header': (HEADER + f'{T0},10.5,12.25,9.125,11.0625,5\n', 'file', 'USD'),
    'native without header': (f'{T0},10.5,12.25,9.125,11.0625,5\n', 'file', 'USD'),
    'native in milliseconds': (f'{T0}000,10.5,12.25,9.125,11.0625,5\n', 'file', 'USD'),
    'native in RFC 3339': ('2019-04-01T00:00:00Z,10.5,12.25,9.125,11.0625,5\n', 'file', 'USD'),
    'bitstamp': (f'timestamp,open,high,low,close,volume\n{T0},10.5,12.25,9.125,11.0625,5\n', 'file', 'USD'),
    'kraken': (f'{T0},10.5,12.25,9.125,11.0625,5,123\n', 'kraken', 'USD'),
    'binance in milliseconds': (f'{T0}000,10.5,12.25,9.125,11.0625,5,{T0}059999,55,7,1,2,0\n', 'binance', 'USDT'),
    'binance in microseconds': (f'{T0}000000,10.5,12.25,9.125,11.0625,5,{T0}059999999,55,7,1,2,0\n', 'binance', 'USDT'),
    'binance with header': ('open_time,open,high,low,close,volume,close_time,quote_volume,count,taker_buy_volume,'
                            f'taker_buy_quote_volume,ignore\n{T0}000,10.5,12.25,9.125,11.0625,5,1,2,3,4,5,0\n',
                            'binance', 'USDT'),
    'cryptodatadownload': ('https://www.CryptoDataDownload.com\nunix,date,symbol,open,high,low,close,Volume BTC,Volume USD\n'
                           f'{T0},2019-04-01 00:00:00,BTC/USD,10.5,12.25,9.125,11.0625,5,55\n', 'cryptodatadownload', 'USD'),
    'cryptodatadownload, volumes swapped': (
        'https://www.CryptoDataDownload.com\nunix,date,symbol,open,high,low,close,Volume BTC,Volume USD\n'
        f'{T0}000,2019-04-01 00:00:00,BTC/USD,10.5,12.25,9.125,11.0625,55,5\n', 'cryptodatadownload', 'USD'),
}


@pytest.mark.parametrize('name', FORMATS)
def test_reads_every_format(database, tmp_path, name):
    content, source, quote = FORMATS[name]
    assert counts(run(database, tmp_path, content)) == (1, 0, 0, 0)
    assert database.sql(STORED) == [(T0, *CANDLE)]
    assert database.sql('SELECT symbol, source, quote, interval_s FROM archive_candle') == [('BTC-USD', source, quote, 60)]


def test_names_come_from_the_options(database, tmp_path):
    run(database, tmp_path, row(0), '--symbol', 'ETH-EUR', '--quote', 'USDT', '--source', 'elsewhere')
    assert database.sql('SELECT symbol, source, quote FROM archive_candle') == [('ETH-EUR', 'elsewhere', 'USDT')]


BAD = {
    'wrong number of columns': f'{T0 + 60},10,12,9,11\n',
    'a value is not a number': f'{T0 + 60},NaN,12,9,11,5\n',
    'a price is zero or negative': f'{T0 + 60},-10,12,-12,11,5\n',
    'the volume is negative': f'{T0 + 60},10,12,9,11,-5\n',
    'high is below low': f'{T0 + 60},10,9,12,11,5\n',
    'open or close lies outside low to high': f'{T0 + 60},10,12,9,13,5\n',
    "the time is not on the interval's grid": f'{T0 + 61},10,12,9,11,5\n',
    'the time has appeared before': row(0),
    'the candle is not closed yet': '3999999960,10,12,9,11,5\n',
    'the time is before Bitcoin existed': '600000000,10,12,9,11,5\n',
    'the time cannot be read': 'yesterday,10,12,9,11,5\n',
    'the line is longer than 4096 bytes': f'{T0 + 60},10,12,9,11,{"5" * 5000}\n',
}


@pytest.mark.parametrize('reason', BAD)
def test_reports_a_bad_row_and_loses_nothing_around_it(database, tmp_path, reason):
    done = run(database, tmp_path, HEADER + row(0) + BAD[reason] + row(2) + row(3))
    assert counts(done) == (3, 0, 0, 1)
    assert f'candles.csv:3: {reason}' in done.stderr
    assert f'1 x {reason}' in done.stdout
    assert minutes(database) == [0, 2, 3]


def test_a_first_row_that_is_bad_does_not_hide_the_format(database, tmp_path):
    done = run(database, tmp_path, f'{T0},10,12,9,11,5,9\n' + row(1) + row(2))
    assert 'candles.csv:1: wrong number of columns' in done.stderr
    assert minutes(database) == [1, 2]


@pytest.mark.parametrize('last', ['1554076920,10.5,12', '1554076920,10.5,12.25,9.125,11.0625,5.12', '15540'])
def test_a_last_line_without_an_end_is_not_trusted(database, tmp_path, last):
    done = run(database, tmp_path, HEADER + row(0) + row(1) + last)
    assert 'candles.csv:4: the last line has no line end and may be cut short' in done.stderr
    assert minutes(database) == [0, 1]


def test_a_last_line_is_trusted_when_only_an_unused_column_can_be_cut(database, tmp_path):
    assert counts(run(database, tmp_path, f'{T0},10.5,12.25,9.125,11.0625,5,12')) == (1, 0, 0, 0)


def test_byte_order_mark_carriage_returns_and_empty_lines_are_fine(database, tmp_path):
    text = (HEADER + row(0) + '\n' + row(1)).replace('\n', '\r\n')
    assert counts(run(database, tmp_path, b'\xef\xbb\xbf' + text.encode())) == (2, 0, 0, 0)


def test_newest_first_is_fine(database, tmp_path):
    run(database, tmp_path, HEADER + ''.join(row(minute) for minute in range(5000, 0, -1)))
    assert minutes(database) == list(range(1, 5001))


def test_the_first_bad_rows_are_shown_and_all_are_counted(database, tmp_path):
    done = run(database, tmp_path, row(0) + row(0) * 1000)
    assert counts(done) == (1, 0, 0, 1000)
    assert len(done.stderr.splitlines()) == 21


def test_again_changes_nothing_and_a_correction_changes_its_row_only(database, tmp_path):
    text = HEADER + ''.join(row(minute) for minute in range(3000))
    assert counts(run(database, tmp_path, text)) == (3000, 0, 0, 0)
    before = database.sql('SELECT xmin, * FROM archive_candle ORDER BY open_time')
    assert counts(run(database, tmp_path, text)) == (0, 0, 3000, 0)
    assert database.sql('SELECT xmin, * FROM archive_candle ORDER BY open_time') == before
    assert counts(run(database, tmp_path, text.replace(row(7), row(7, '10.5,12.25,9.125,11.0625,6')) + row(3000))) == (1, 1, 2999, 0)
    assert database.one('SELECT sum(volume) FROM archive_candle') == 3001 * 5 + 1


def test_many_chunks_arrive_whole(database, tmp_path):
    assert counts(run(database, tmp_path, HEADER + ''.join(row(minute) for minute in range(250001)))) == (250001, 0, 0, 0)
    assert database.one('SELECT count(*) FROM archive_candle') == 250001


def test_reads_standard_input(database):
    done = database.btcf('import', '-', '--interval', '1m', stdin=HEADER + row(0) + row(1))
    assert counts(done) == (2, 0, 0, 0)


def watch_peak_kb(process):
    """Highest resident set of a process until it ends. (getrusage would count what it had before its exec.)"""
    peak_kb = 0
    while process.poll() is None:
        try:
            with open(f'/proc/{process.pid}/status') as status:
                text = status.read()
        except FileNotFoundError:
            break
        match = re.search(r'VmHWM:\s+(\d+) kB', text)
        if match and re.search(r'^Name:\s+btcf$', text, re.M):
            peak_kb = int(match.group(1))
        time.sleep(0.005)
    return peak_kb


def test_a_line_of_a_gigabyte_costs_no_memory(database, tmp_path):
    path = tmp_path / 'long.csv'
    with open(path, 'wb') as file:
        file.write((HEADER + row(0)).encode())
        file.seek(1 << 30, os.SEEK_CUR)  # a gigabyte of zero bytes, without a disk's worth of them
        file.write(('\n' + row(2)).encode())
    process = subprocess.Popen([BTCF, 'import', str(path), '--interval', '1m', '--database-url', database.url],
                               stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    peak_kb = watch_peak_kb(process)
    assert process.wait() == 0
    assert 'long.csv:3: the line is longer than 4096 bytes' in process.stderr.read()
    assert 0 < peak_kb <= 64 << 10, f'{peak_kb} kB'
    assert minutes(database) == [0, 2]


@pytest.mark.parametrize('content', ['', 'hello\nworld\n', '1,2,3\n', '\x00\x01\x02' * 100],
                         ids=['nothing', 'words', 'three columns', 'bytes'])
def test_what_is_no_candle_file_is_refused(database, tmp_path, content):
    done = run(database, tmp_path, content, status=2)
    assert 'not in a format that btcf knows' in done.stderr


def test_wrong_use_is_told(database, tmp_path):
    assert 'cannot open' in database.btcf('import', str(tmp_path / 'none'), '--interval', '1h', status=2).stderr
    assert 'is not a file' in database.btcf('import', str(tmp_path), '--interval', '1h', status=2).stderr
    assert 'not an interval' in run(database, tmp_path, row(0), interval='1y', status=2).stderr
    assert 'not a symbol' in run(database, tmp_path, row(0), '--symbol', 'BITCOIN', status=2).stderr
    assert 'source and quote' in run(database, tmp_path, row(0), '--source', "x'; --", status=2).stderr


def test_an_interrupted_import_is_completed_by_the_next(database, tmp_path):
    """SIGKILL at any time leaves whole chunks; nothing is twice afterwards."""
    path = tmp_path / 'big.csv'
    path.write_text(HEADER + ''.join(row(minute) for minute in range(400000)))
    process = subprocess.Popen([BTCF, 'import', str(path), '--interval', '1m', '--database-url', database.url],
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        while process.poll() is None and database.one('SELECT count(*) FROM archive_candle') == 0:
            pass
    finally:
        process.kill()
        process.wait()
    some = database.one('SELECT count(*) FROM archive_candle')
    assert some > 0 and some % 100000 == 0
    inserted, changed, unchanged, bad = counts(database.btcf('import', str(path), '--interval', '1m'))
    assert (inserted + unchanged, changed, bad) == (400000, 0, 0)
    assert database.one('SELECT count(*) FROM archive_candle') == 400000


def test_the_development_history_arrives_whole(database):
    path = os.path.join(SHARED, 'data', 'btcusd-1h.csv')
    if not os.path.exists(path):
        pytest.skip(f'NO HISTORY: {path} is absent')
    assert counts(database.btcf('import', path, '--interval', '1h')) == (66684, 0, 0, 0)
    assert database.sql(STORED + ' DESC LIMIT 1')[0][0] == 1743462000
