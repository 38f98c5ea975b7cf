"""`btcf backtest` as a command, on made-up candles: what it writes, what it refuses and how it says so, and that a
failure leaves no file behind."""
import csv
import datetime
import os
import random
import signal
import subprocess
import time
import xml.etree.ElementTree

import pytest

from conftest import BTCF, btcf

HOUR, DAY = 3600, 86400
BEGIN = int(datetime.datetime(2021, 1, 1, tzinfo=datetime.timezone.utc).timestamp())
HEADER = 'time,open,high,low,close,volume'
DEADLINE_S = 60


def candle_lines(count, step=HOUR, begin=BEGIN, seed=1):
    draw, price, lines = random.Random(seed), 10000.0, []
    for i in range(count):
        last, price = price, price * (1 + 0.006 * draw.gauss(0, 1))
        lines.append(f'{begin + i * step},{last:.2f},{max(last, price):.2f},{min(last, price):.2f},{price:.2f},1.5')
    return lines


def write(path, lines, header=HEADER):
    path.write_text('\n'.join([header, *lines]) + '\n')
    return path


@pytest.fixture
def candles(tmp_path):
    return write(tmp_path / 'candles.csv', candle_lines(2000))


NAIVE = 'rw-gauss,rw-emp,ewma-emp,ensemble'


def run(candles, *more, begin='2021-03-01', end='2021-03-11', horizons='1h,1d', interval='1h', **options):
    files = [word for path in (candles if isinstance(candles, list) else [candles]) for word in ('--candles', path)]
    if '--models' not in more:
        more = ('--models', NAIVE, *more)
    return btcf('backtest', *files, '--interval', interval, '--from', begin, '--to', end, '--horizons', horizons,
                *more, **options)


def read(path):
    with open(path, newline='') as file:
        return list(csv.DictReader(file))


def test_writes_every_model_origin_and_horizon_in_order(candles, tmp_path):
    out = tmp_path / 'out.csv'
    done = run(candles, '--step', '12h', '--out', out)
    assert done.returncode == 0, done.stderr
    rows = read(out)
    keys = [(int(row['origin']), int(row['horizon_s'])) for row in rows]
    assert keys == sorted(keys) and len(rows) == 20 * 2 * 4
    assert {row['model'] for row in rows} == {'rw-gauss', 'rw-emp', 'ewma-emp', 'ensemble'}
    origins = sorted({int(row['origin']) for row in rows})
    assert origins[0] == BEGIN + 59 * DAY and origins[-1] == BEGIN + 69 * DAY - DAY // 2  # half-open
    for row in rows:
        prices = [float(value) for name, value in row.items() if name.startswith('q')]
        assert len(prices) == 25 and prices == sorted(prices)
        assert int(row['target']) == int(row['origin']) + int(row['horizon_s'])
    assert sorted(os.listdir(tmp_path)) == ['candles.csv', 'out.csv']


def test_the_result_does_not_depend_on_the_number_of_workers(candles, tmp_path):
    outs = []
    for workers in (1, 2, 7):
        out = tmp_path / f'{workers}.csv'
        done = run(candles, '--workers', workers, '--out', out)
        assert done.returncode == 0, done.stderr
        outs.append((out.read_bytes(), done.stdout))
    assert outs[0] == outs[1] == outs[2] and len(outs[0][0]) > 100000


def test_later_candles_do_not_change_a_byte_of_earlier_forecasts(tmp_path):
    lines, outs = candle_lines(2000), []
    cut = 60 * 24  # candles up to 2021-03-02 00:00
    garbled = lines[:cut] + candle_lines(len(lines) - cut, begin=BEGIN + cut * HOUR, seed=99)
    for name, content in (('clean', lines), ('garbled', garbled)):
        out = tmp_path / f'{name}-out.csv'
        done = run(write(tmp_path / f'{name}.csv', content), '--out', out, begin='2021-03-01', end='2021-03-02T01:00:00Z')
        assert done.returncode == 0, done.stderr
        outs.append([{k: v for k, v in row.items() if k != 'actual'} for row in read(out)])
    assert outs[0] == outs[1] and len(outs[0]) == 25 * 2 * 4


def test_a_missing_candle_counts_as_the_last_close(tmp_path):
    lines = candle_lines(2000)
    missing = 60 * 24 + 5
    out = tmp_path / 'out.csv'
    done = run(write(tmp_path / 'gap.csv', lines[:missing] + lines[missing + 1:]), '--out', out, horizons='1h')
    assert done.returncode == 0, done.stderr
    close = float(lines[missing - 1].split(',')[4])
    target = BEGIN + (missing + 1) * HOUR
    actuals = {float(row['actual']) for row in read(out) if int(row['target']) == target}
    assert actuals == {close}


def test_no_row_is_written_without_an_actual(candles, tmp_path):
    out = tmp_path / 'out.csv'
    done = run(candles, '--out', out, end='2030-01-01')
    assert done.returncode == 0, done.stderr
    last_close = BEGIN + 2000 * HOUR
    assert max(int(row['target']) for row in read(out)) == last_close


def test_days_are_made_from_hours_when_no_file_is_daily(candles, tmp_path):
    hours, daily_lines = candle_lines(24 * 700), []
    for i in range(0, len(hours), 24):
        day = [line.split(',') for line in hours[i:i + 24]]
        daily_lines.append(','.join([day[0][0], day[0][1], str(max(float(d[2]) for d in day)),
                                     str(min(float(d[3]) for d in day)), day[-1][4], '36']))
    outs = []
    for name, content in (('hours', hours), ('days', daily_lines)):
        out = tmp_path / f'{name}-out.csv'
        done = run(write(tmp_path / f'{name}.csv', content), '--out', out, interval='1d', begin='2022-10-01',
                   end='2022-11-01', horizons='1d,7d')
        assert done.returncode == 0, done.stderr
        outs.append(out.read_bytes())
    assert outs[0] == outs[1] and outs[0].count(b'\n') > 100


def test_a_later_file_goes_on_where_an_earlier_one_ends_and_wins_where_both_are(tmp_path):
    lines = candle_lines(2000)
    wrong = candle_lines(1200, seed=5)
    first = write(tmp_path / 'first.csv', lines[:1000] + wrong[1000:1200])
    second = write(tmp_path / 'second.csv', lines[1000:])
    outs = []
    for name, files in (('both', [first, second]), ('one', write(tmp_path / 'all.csv', lines))):
        out = tmp_path / f'{name}-out.csv'
        done = run(files, '--out', out)
        assert done.returncode == 0, done.stderr
        outs.append(out.read_bytes())
    assert outs[0] == outs[1]


def test_all_registered_models_walk_when_none_is_named(candles, tmp_path):
    out = tmp_path / 'out.csv'
    done = btcf('backtest', '--candles', candles, '--interval', '1h', '--from', '2021-03-20', '--to', '2021-03-21',
                '--horizons', '1h,1d', '--step', '12h', '--out', out)
    assert done.returncode == 0, done.stderr
    assert {'rw-gauss', 'garch-t', 'har-log', 'qr-vol', 'ensemble'} <= {row['model'] for row in read(out)}


def test_only_the_models_asked_for_are_written(candles, tmp_path):
    out = tmp_path / 'out.csv'
    done = run(candles, '--models', 'ensemble,rw-emp', '--out', out)
    assert done.returncode == 0, done.stderr
    assert {row['model'] for row in read(out)} == {'ensemble', 'rw-emp'}
    assert 'rw-gauss' not in done.stdout and 'ensemble' in done.stdout


BAD_ROWS = [
    ('1,2,3', 'columns'),
    ('{time},a,2,3,4,5', 'number'),
    ('{time},nan,nan,nan,nan,1', ''),
    ('{time},-1,-1,-1,-1,1', ''),
    ('{time},10,9,11,10,1', ''),
    ('{off_grid},10,11,9,10,1', ''),
    ('{repeated},10,11,9,10,1', ''),
]


@pytest.mark.parametrize('row, why', BAD_ROWS, ids=[row for row, _ in BAD_ROWS])
def test_a_bad_row_ends_the_run_and_is_named_by_file_and_line(tmp_path, row, why):
    lines = candle_lines(1500)
    lines[700] = row.format(time=BEGIN + 700 * HOUR, off_grid=BEGIN + 700 * HOUR + 7, repeated=BEGIN + 699 * HOUR)
    path, out = write(tmp_path / 'bad.csv', lines), tmp_path / 'out.csv'
    done = run(path, '--out', out)
    assert done.returncode == 2
    assert f'{path}:702: ' in done.stderr and why in done.stderr
    assert os.listdir(tmp_path) == ['bad.csv']


WRONG_OPTIONS = [
    (dict(begin='yesterday'), '--from'),
    (dict(end='2021-13-01'), '--to'),
    (dict(end='2021-03-01'), 'before'),
    (dict(horizons='1h,,1d'), '--horizons'),
    (dict(horizons='90m'), '--horizons'),
    (dict(horizons='1d,1h'), 'ascend'),
    (dict(horizons='0h'), '--horizons'),
    (dict(interval='4h'), '--interval'),
    (dict(interval='soon'), '--interval'),
    (dict(begin='2031-01-01', end='2032-01-01'), 'no origin'),
]


@pytest.mark.parametrize('wrong, named', WRONG_OPTIONS, ids=[str(wrong) for wrong, _ in WRONG_OPTIONS])
def test_a_wrong_option_is_named_and_nothing_is_written(candles, tmp_path, wrong, named):
    done = run(candles, '--out', tmp_path / 'out.csv', **wrong)
    assert done.returncode == 2
    assert named in done.stderr
    assert os.listdir(tmp_path) == ['candles.csv']


@pytest.mark.parametrize('more, named', [
    (['--models', 'oracle'], 'oracle'), (['--models', 'rw-emp,rw-emp'], 'twice'), (['--step', '30m'], '--step'),
    (['--workers', '0'], '--workers'), (['--workers', 'many'], '--workers'), (['--sideways', '1'], '--sideways'),
    (['stray'], 'stray'),
])
def test_wrong_extra_words_are_named(candles, more, named):
    done = run(candles, *more)
    assert done.returncode == 2
    assert named in done.stderr


def test_what_is_missing_is_named(candles):
    given = {'--candles': str(candles), '--interval': '1h', '--from': '2021-03-01', '--to': '2021-03-02',
             '--horizons': '1h'}
    for absent in given:
        done = btcf('backtest', *[word for name in given if name != absent for word in (name, given[name])])
        assert done.returncode == 2
        assert absent in done.stderr


def test_files_that_do_not_serve_are_refused(candles, tmp_path):
    done = run(tmp_path / 'absent.csv')
    assert done.returncode == 2 and 'absent.csv' in done.stderr
    done = run(write(tmp_path / 'daily.csv', candle_lines(100, DAY)))
    assert done.returncode == 2 and '1h' in done.stderr
    done = run(write(tmp_path / 'four.csv', candle_lines(300, 4 * HOUR)))
    assert done.returncode == 2 and 'four.csv' in done.stderr
    done = run(write(tmp_path / 'empty.csv', []))
    assert done.returncode == 2 and 'empty.csv' in done.stderr


def test_an_output_that_cannot_be_made_is_an_error_that_names_it(candles, tmp_path):
    done = run(candles, '--out', tmp_path / 'nowhere' / 'out.csv')
    assert done.returncode != 0 and 'nowhere' in done.stderr


def test_an_older_result_survives_a_failure_and_is_replaced_by_a_success(candles, tmp_path):
    out = tmp_path / 'out.csv'
    out.write_text('older\n')
    assert run(candles, '--out', out, begin='2021-01-01', end='2021-01-01T05:00:00Z', horizons='1d',
               interval='1d').returncode != 0
    assert out.read_text() == 'older\n'
    assert run(candles, '--out', out).returncode == 0
    assert out.read_text().startswith('model,origin,horizon_s,')


def start_long(tmp_path, path):
    """A walk of some minutes, at work when this returns."""
    process = subprocess.Popen([BTCF, 'backtest', '--candles', path, '--interval', '1h', '--from', '2022-01-01', '--to',
                                '2022-02-01', '--horizons', '1h,4h,12h,1d', '--models', NAIVE,
                                '--out', tmp_path / 'out.csv'],
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL)
    deadline = time.monotonic() + DEADLINE_S
    partial = tmp_path / 'out.csv.partial'
    while not (partial.exists() and has_record(partial)):
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.01)
    return process


def has_record(partial):
    """The first record's mark is the word behind the header's page."""
    with open(partial, 'rb') as file:
        file.seek(4096)
        return file.read(8).strip(b'\0') != b''


@pytest.mark.parametrize('sent', [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_whatever_ends_it_the_same_command_goes_on_from_there(tmp_path, sent):
    path = write(tmp_path / 'candles.csv', candle_lines(15000))
    process = start_long(tmp_path, path)
    children = open(f'/proc/{process.pid}/task/{process.pid}/children').read().split()
    process.send_signal(sent)
    _, stderr = process.communicate(timeout=DEADLINE_S)
    if sent != signal.SIGKILL:
        assert process.returncode == 1 and b'stopped' in stderr and b'goes on' in stderr
    assert sorted(os.listdir(tmp_path)) == ['candles.csv', 'out.csv.partial']
    deadline = time.monotonic() + DEADLINE_S
    while children and any(os.path.exists(f'/proc/{child}') for child in children):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    again = run(path, '--out', tmp_path / 'out.csv', begin='2022-01-01', end='2022-02-01', horizons='1h,4h,12h,1d')
    assert again.returncode == 0 and 'going on with' in again.stderr
    fresh = run(path, '--out', tmp_path / 'fresh.csv', begin='2022-01-01', end='2022-02-01', horizons='1h,4h,12h,1d')
    assert fresh.returncode == 0 and 'going on with' not in fresh.stderr
    assert (tmp_path / 'out.csv').read_bytes() == (tmp_path / 'fresh.csv').read_bytes()
    assert again.stdout == fresh.stdout
    assert sorted(os.listdir(tmp_path)) == ['candles.csv', 'fresh.csv', 'out.csv']


def test_records_of_another_question_or_torn_ones_are_not_believed(candles, tmp_path):
    partial = tmp_path / 'out.csv.partial'
    process = start_long(tmp_path, write(tmp_path / 'long.csv', candle_lines(15000)))
    process.kill()
    process.communicate(timeout=DEADLINE_S)
    kept = partial.read_bytes()
    done = run(candles, '--out', tmp_path / 'out.csv')  # other candles
    assert done.returncode == 0 and 'going on with' not in done.stderr and not partial.exists()
    whole = (tmp_path / 'out.csv').read_bytes()
    assert run(candles, '--out', tmp_path / 'again.csv').returncode == 0
    assert (tmp_path / 'again.csv').read_bytes() == whole
    torn = bytearray(kept)
    torn[4096 + 8 + 3] ^= 1  # a bit of the first record's curves
    partial.write_bytes(torn)
    again = run(tmp_path / 'long.csv', '--out', tmp_path / 'out.csv', begin='2022-01-01', end='2022-02-01',
                horizons='1h,4h,12h,1d')
    fresh = run(tmp_path / 'long.csv', '--out', tmp_path / 'fresh.csv', begin='2022-01-01', end='2022-02-01',
                horizons='1h,4h,12h,1d')
    assert again.returncode == fresh.returncode == 0
    assert (tmp_path / 'out.csv').read_bytes() == (tmp_path / 'fresh.csv').read_bytes()


def test_two_runs_do_not_write_one_file(tmp_path):
    path = write(tmp_path / 'candles.csv', candle_lines(15000))
    process = start_long(tmp_path, path)
    process.send_signal(signal.SIGSTOP)
    try:
        done = run(path, '--out', tmp_path / 'out.csv', begin='2022-01-01', end='2022-02-01')
        assert done.returncode != 0 and 'another backtest' in done.stderr
        assert (tmp_path / 'out.csv.partial').exists()
    finally:
        process.send_signal(signal.SIGCONT)
        process.kill()
        process.communicate(timeout=DEADLINE_S)


@pytest.mark.parametrize('name', ['report.html', 'report.svg'])
def test_a_report_is_a_whole_document(candles, tmp_path, name):
    report = tmp_path / name
    done = run(candles, '--report', report)
    assert done.returncode == 0, done.stderr
    text = report.read_text()
    svg = text[text.index('<svg'):text.index('</svg>') + len('</svg>')]
    assert xml.etree.ElementTree.fromstring(svg).get('aria-label').startswith('BTC forecasts: 1 h candles')
    assert 'ensemble' in text and '1 d ahead' in text
    assert sorted(os.listdir(tmp_path)) == ['candles.csv', name]


def test_a_report_of_another_kind_is_refused_before_any_work(candles, tmp_path):
    done = run(candles, '--report', tmp_path / 'report.pdf')
    assert done.returncode == 2 and '--report' in done.stderr
