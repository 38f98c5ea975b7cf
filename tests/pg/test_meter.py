"""The role meter: counters of edge become usage rows exactly once, whoever is killed when.

edge is made and counted in by edge_writer.c with the functions that nginx workers use; the meter is the real process.
METER_KILLS= sets how often it is killed at a random point.
"""
import contextlib
import json
import os
import pathlib
import random
import shutil
import signal
import subprocess
import time

import psycopg2
import pytest

from conftest import BTCF, make, wait_for
from world import role, shm_dir

WRITER = BTCF.parent / 'tests/pg/edge_writer'
KILLS = int(os.environ.get('METER_KILLS', '120'))
CLASSES = ('forecast', 'market', 'stream', 'control')
DAY_S = 86400
QUICK = {'meter_poll_ms': 20}
NOON_S = int(time.time()) // DAY_S * DAY_S + DAY_S // 2


@pytest.fixture(scope='module', autouse=True)
def writer_program():
    make(WRITER)


@pytest.fixture(autouse=True)
def shared_directory():
    """A directory that both the writer and the account of the meter may use."""
    shutil.rmtree(shm_dir(), ignore_errors=True)
    os.mkdir(shm_dir())
    os.chmod(shm_dir(), 0o755)
    if os.geteuid() == 0:
        shutil.chown(shm_dir(), 'postgres', 'postgres')
    yield
    shutil.rmtree(shm_dir(), ignore_errors=True)


class Writer:
    """Counts in edge as nginx does; see edge_writer.c."""

    def __init__(self, keys=64, directory=None):
        self.process = subprocess.Popen([str(WRITER)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.directory = directory or shm_dir()
        self.instance = self.tell('open', self.directory, keys)
        if os.geteuid() == 0:
            shutil.chown(f'{self.directory}/edge.v1', 'postgres', 'postgres')

    def send(self, *words):
        self.process.stdin.write(' '.join(str(word) for word in words) + '\n')
        self.process.stdin.flush()

    def answer(self):
        word, _, rest = self.process.stdout.readline().strip().partition(' ')
        assert word == 'ok', rest
        return rest.strip()

    def tell(self, *words):
        self.send(*words)
        return self.answer()

    def use(self, row, times=1, usage_class='forecast', units=1, status=200, now_s=None):
        self.tell('use', row, now_s or int(time.time()), CLASSES.index(usage_class), status, units, times)

    def bank(self, row, bank):
        words = [int(word) for word in self.tell('read', row, bank).split()]
        return {'day': words[0], 'billed': words[1:5], 'units': words[5:9], 'other': words[9:]}

    def kill(self):
        self.process.kill()
        self.process.communicate()


@contextlib.contextmanager
def writer(**options):
    one = Writer(**options)
    try:
        yield one
    finally:
        one.kill()


@contextlib.contextmanager
def meter(database, tmp_path, **settings):
    with role(database, 'meter', tmp_path, **{**QUICK, **settings}) as process:
        yield process


class Gate:
    """Accounts and keys, as the accounts library would store them."""

    def __init__(self, database):
        self.database = database

    def account(self, row, plan='free'):
        self.database.sql('INSERT INTO usage_row (row) VALUES (%s)', (row,))
        account = self.database.one(
            'INSERT INTO account (public_id, number, row, email, plan, created_ms)'
            ' VALUES (md5(%s::text), %s, %s, %s, %s, 0) RETURNING id', (row, row, row, f'{row}@example.org', plan))
        self.database.sql('UPDATE usage_row SET account_id = %s WHERE row = %s', (account, row))
        return account

    def keys(self, account, first_row, count=1):
        """`count` keys with consecutive rows; the ids in order of the rows."""
        self.database.sql('INSERT INTO usage_row (row, account_id) SELECT r, %s FROM generate_series(%s, %s) r',
                          (account, first_row, first_row + count - 1))
        rows = self.database.sql(
            "INSERT INTO api_key (public_id, account_id, name, is_test, digest, scopes, row, created_ms)"
            " SELECT lpad(r::text, 12, '0'), %s, 'k', false, sha256(r::text::bytea), '{read}', r, 0"
            ' FROM generate_series(%s, %s) r RETURNING id, row', (account, first_row, first_row + count - 1))
        self.database.sql('UPDATE usage_row u SET key_id = k.id FROM api_key k WHERE k.row = u.row'
                          ' AND u.account_id = %s AND u.row >= %s', (account, first_row))
        return [key for key, _ in sorted(rows, key=lambda pair: pair[1])]

    def billed(self, key):
        """{(day, class): (billed, units)}"""
        return {(day, name): (billed, units) for day, name, billed, units in self.database.sql(
            'SELECT day, class, billed, units FROM usage WHERE key_id = %s', (key,))}

    def total(self, what='billed'):
        return int(self.database.one(f'SELECT coalesce(sum({what}), 0) FROM usage'))


@pytest.fixture
def gate(database):
    return Gate(database)


def log_of(tmp_path):
    return [json.loads(line) for line in (tmp_path / 'meter.log').read_text().splitlines() if line.startswith('{')]


def events(tmp_path, name):
    return [line for line in log_of(tmp_path) if line['event'] == name]


def assert_books_agree(database, gate, edge, keys):
    """Every counter of every row stands in the database, on the day that its bank names, once."""
    for row, key in enumerate(keys):
        booked = gate.billed(key)
        counted = {}
        for bank in (edge.bank(row, 0), edge.bank(row, 1)):
            for name, billed, units in zip(CLASSES, bank['billed'], bank['units']):
                if billed:
                    counted[(bank['day'], name)] = (billed, units)
        assert booked == counted, f'row {row}'
    other = database.sql('SELECT coalesce(sum(bytes), 0), coalesce(sum(latency_us), 0) FROM usage_other')[0]
    words = [edge.bank(row, bank)['other'] for row in range(len(keys)) for bank in (0, 1)]
    assert other == (sum(word[4] for word in words), sum(word[5] for word in words))


def test_usage_is_booked_by_key_day_and_class(database, gate, tmp_path):
    account = gate.account(row=9)
    first, second = gate.keys(account, first_row=0, count=2)
    with writer() as edge:
        edge.use(0, 3, 'forecast', units=2, now_s=NOON_S)
        edge.use(0, 1, 'market', units=5, now_s=NOON_S)
        edge.use(0, 4, 'forecast', units=1, now_s=NOON_S - DAY_S)
        edge.use(1, 7, 'stream', units=1, now_s=NOON_S)
        edge.use(9, 2, 'control', units=1, now_s=NOON_S)
        for status in (304, 404, 404, 503, 429, 429, 429):
            edge.use(1, 1, status=status, now_s=NOON_S)
        edge.tell('head', 1, NOON_S, 0, 1, 2)
        with meter(database, tmp_path):
            wait_for(lambda: gate.total() == 17, 'usage')
        day = NOON_S // DAY_S
        assert gate.billed(first) == {(day, 'forecast'): (3, 6), (day, 'market'): (1, 5), (day - 1, 'forecast'): (4, 4)}
        assert gate.billed(second) == {(day, 'stream'): (7, 7)}
        assert gate.billed(0) == {(day, 'control'): (2, 2)}, 'with tokens'
        assert database.sql('SELECT not_modified, client_errors, server_errors, limited, bytes, latency_us'
                            ' FROM usage_other WHERE key_id = %s', (second,)) == [(3, 2, 1, 3, 1600, 16000)]
        assert database.sql("SELECT period, units FROM usage_total WHERE account_id = %s AND number IN (%s, %s)"
                            ' ORDER BY period, number', (account, day, day - 1))[:2] == [('day', 4), ('day', 20)]
        assert database.one("SELECT sum(units) FROM usage_total WHERE period = 'month'") == 24


def test_usage_is_shown_to_operators(database, gate, tmp_path):
    first, second = gate.account(row=9), gate.account(row=10)
    gate.keys(first, first_row=0)
    with writer() as edge:
        edge.use(0, 3, units=2, now_s=NOON_S)
        edge.use(9, 1, now_s=NOON_S - DAY_S)
        edge.use(10, 5, 'market', now_s=NOON_S)
        with meter(database, tmp_path):
            wait_for(lambda: gate.total() == 9, 'usage')
    today, yesterday = (time.strftime('%Y-%m-%d', time.gmtime(at_s)) for at_s in (NOON_S, NOON_S - DAY_S))

    def shown(*arguments):
        return [(line['day'], line['key'], line['class'], line['billed'], line['units'])
                for line in json.loads(database.btcf('usage', '--json', *arguments).stdout)]
    assert shown() == [(today, '000000000000', 'forecast', 3, 6), (today, '', 'market', 5, 5),
                       (yesterday, '', 'forecast', 1, 1)]
    assert shown('--user', '9@example.org', '--day', yesterday) == [(yesterday, '', 'forecast', 1, 1)]
    assert shown('--user', '10@example.org', '--day', yesterday) == []
    table = database.btcf('usage', '--day', today).stdout.splitlines()
    assert len(table) == 3 and table[1].split()[2:] == ['000000000000', 'forecast', '3', '6']
    assert 'a date like' in database.btcf('usage', '--day', 'today', status=2).stderr
    assert database.btcf('usage', '--user', 'nobody@example.org', status=1).stderr


def test_nothing_is_lost_or_counted_twice_while_the_meter_is_killed(database, gate, tmp_path):
    rows, rng = 40, random.Random(11)
    account = gate.account(row=63, plan='enterprise')
    keys = gate.keys(account, first_row=0, count=rows)
    committed = set()
    with writer() as edge:
        began = time.monotonic()
        edge.tell('fill', 0, 1, int(time.time()))
        with meter(database, tmp_path):
            wait_for(lambda: gate.total() == 1, 'the first transaction')
            start_s = time.monotonic() - began
        for kill in range(KILLS):
            edge.send('storm', rows, 60, kill)
            with meter(database, tmp_path, meter_poll_ms=10) as process:
                time.sleep(rng.uniform(0.1, 1.6) * start_s)  # where in its work this falls is the point of the test
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
            edge.answer()
            committed.add(database.one('SELECT coalesce(max(drain), 0) FROM meter_file'))
        assert len(committed) > KILLS / 4, 'the meter died before it had done anything'
        with meter(database, tmp_path):
            counted = sum(sum(edge.bank(row, bank)['billed']) for row in range(rows) for bank in (0, 1))
            wait_for(lambda: gate.total() >= counted, 'the last drain')
            assert_books_agree(database, gate, edge, keys)
            assert database.one("SELECT sum(units) FROM usage_total WHERE period = 'day'") == gate.total('units')
    print(f'{KILLS} kills, {max(committed)} transactions, {counted} answers')


def test_a_day_that_ends_while_the_meter_is_away_is_booked_as_it_was(database, gate, tmp_path):
    key, = gate.keys(gate.account(row=9), first_row=0)
    midnight = NOON_S // DAY_S * DAY_S
    with writer() as edge:
        edge.use(0, 5, now_s=midnight - 2 * DAY_S - 10)
        with meter(database, tmp_path):
            wait_for(lambda: gate.total() == 5, 'the day before yesterday')
        edge.use(0, 7, now_s=midnight - 1)
        edge.use(0, 11, now_s=midnight)
        edge.use(0, 13, now_s=midnight - 1)
        with meter(database, tmp_path):
            wait_for(lambda: gate.total() == 36, 'both sides of midnight')
        day = midnight // DAY_S
        assert gate.billed(key) == {(day - 3, 'forecast'): (5, 5), (day - 1, 'forecast'): (20, 20),
                                    (day, 'forecast'): (11, 11)}


def test_a_larger_edge_takes_over_and_the_old_one_is_drained_to_its_end(database, gate, tmp_path):
    account = gate.account(row=300)
    old_key, = gate.keys(account, first_row=0)
    new_key, = gate.keys(account, first_row=200)
    old_file = None
    with meter(database, tmp_path), writer(keys=8) as old:
        old.use(0, 3)
        wait_for(lambda: gate.total() == 3, 'the first file')
        with writer(keys=400) as new:
            old_file = pathlib.Path(shm_dir()) / f'edge.v1.old-{old.instance}'
            assert old_file.exists() and old.instance != new.instance
            old.use(0, 10)
            new.use(200, 20)
            new.use(0, 1)
            wait_for(lambda: gate.total() == 34, 'both files')
            assert old_file.exists(), 'somebody may still count there'
            old.use(0, 100)
            old.kill()
            wait_for(lambda: not old_file.exists(), 'the old file is removed')
            wait_for(lambda: database.one('SELECT count(*) FROM meter_file') == 1, 'its cursors are removed')
            assert gate.total() == 134
            assert [billed for billed, _ in gate.billed(old_key).values()] == [114]
            assert [billed for billed, _ in gate.billed(new_key).values()] == [20]


def test_an_old_edge_that_nobody_writes_is_found_by_a_new_meter(database, gate, tmp_path):
    gate.keys(gate.account(row=300), first_row=0)
    with writer(keys=8) as old, writer(keys=400):
        old.use(0, 42)
        old.kill()
        with meter(database, tmp_path):
            wait_for(lambda: not list(pathlib.Path(shm_dir()).glob('edge.v1.old-*')), 'the old file is removed')
            assert gate.total() == 42


def test_rows_of_nobody_wait_for_their_owner(database, gate, tmp_path):
    gate.keys(gate.account(row=9), first_row=0)
    with writer() as edge:
        edge.use(5, 6)
        edge.use(0, 1)
        with meter(database, tmp_path):
            wait_for(lambda: gate.total() == 1, 'the row that has an owner')
            wait_for(lambda: database.sql("SELECT detail FROM component WHERE name = 'meter'")
                     == [('1 rows of usage wait for an owner',)], 'the component row')
            assert events(tmp_path, 'meter.rows_of_nobody')
        gate.keys(gate.account(row=10), first_row=5)
        with meter(database, tmp_path):
            wait_for(lambda: gate.total() == 7, 'the row that has found one')


def test_garbage_in_edge_bills_nobody_else_and_never_wraps(database, gate, tmp_path):
    account = gate.account(row=63)
    honest, *rest = gate.keys(account, first_row=0, count=40)
    today = NOON_S // DAY_S
    with writer() as edge, meter(database, tmp_path) as process:
        edge.use(0, 5, now_s=NOON_S)
        edge.use(1, 5, now_s=NOON_S)
        wait_for(lambda: gate.total() == 10, 'honest usage')
        bank = today % 2
        edge.tell('set', 1, bank, 1, 2)  # went back
        for seed in range(2, 40):
            edge.tell('noise', seed, seed)
        edge.use(0, 1, now_s=NOON_S)
        wait_for(lambda: gate.billed(honest)[(today, 'forecast')] == (6, 6), 'honest usage goes on')
        for round_number in range(10):  # sums reach their cap, and the honest are booked all the same
            for seed in range(2, 40):
                edge.tell('noise', seed, seed + 1000 * (round_number + 1))
                edge.tell('set', seed, bank, 14, (1 << 63) * (round_number % 2))
            edge.use(0, 1, now_s=NOON_S)
            wait_for(lambda n=round_number: gate.billed(honest)[(today, 'forecast')] == (7 + n, 7 + n), 'honest usage')
        assert process.poll() is None
        assert gate.billed(rest[0])[(today, 'forecast')] == (5, 5), 'a counter that went back takes nothing away'
        assert database.one('SELECT min(least(billed, units)) FROM usage') >= 0
        assert database.one('SELECT min(least(bytes, latency_us, limited)) FROM usage_other') >= 0
        assert database.one('SELECT max(day) FROM usage') <= today + 1
        assert database.one('SELECT max(billed) FROM usage') <= 11 * 4 * 60 * 1_000_000, 'the bound for a minute'
    assert events(tmp_path, 'meter.counters_not_believed') and not events(tmp_path, 'meter.interrupted')


def test_a_second_meter_waits_until_the_first_is_gone(database, gate, tmp_path):
    gate.keys(gate.account(row=9), first_row=0)
    other = tmp_path / 'other'
    other.mkdir()
    with writer() as edge, meter(database, tmp_path) as first:
        edge.use(0, 1)
        wait_for(lambda: gate.total() == 1, 'the first one drains')
        with meter(database, other):
            wait_for(lambda: events(other, 'meter.waits'), 'the second one waits')
            edge.use(0, 1)
            wait_for(lambda: gate.total() == 2, 'the first one drains')
            os.killpg(first.pid, signal.SIGKILL)
            wait_for(lambda: events(other, 'meter.first'), 'the second one takes its place')
            edge.use(0, 1)
            wait_for(lambda: gate.total() == 3, 'the second one drains')


def test_two_meters_without_a_common_lock_count_once(database, gate, tmp_path):
    """The lock is for order; this is the fencing number, which has to hold without it."""
    keys = gate.keys(gate.account(row=63, plan='enterprise'), first_row=0, count=20)
    other, twin = tmp_path / 'other', shm_dir() + '-twin'
    other.mkdir()
    os.mkdir(twin)
    try:
        with writer() as edge:
            os.link(f'{shm_dir()}/edge.v1', f'{twin}/edge.v1')
            if os.geteuid() == 0:
                shutil.chown(twin, 'postgres', 'postgres')
            with meter(database, tmp_path, meter_poll_ms=10), meter(database, other, meter_poll_ms=10, shm_dir=twin):
                for seed in range(4):
                    edge.tell('storm', 20, 500, seed)
                counted = sum(sum(edge.bank(row, bank)['billed']) for row in range(20) for bank in (0, 1))
                wait_for(lambda: gate.total() >= counted, 'the last drain')
                assert_books_agree(database, gate, edge, keys)
        assert any('another meter' in line['message'] for line in log_of(tmp_path) + log_of(other)), 'they never met'
    finally:
        shutil.rmtree(twin, ignore_errors=True)


def test_principals_of_third_parties_are_booked_by_their_names(database, tmp_path):
    with writer() as edge, meter(database, tmp_path):
        edge.tell('principal', 'https://issuer.example', 'alice', NOON_S, 0, 2, 3)
        edge.tell('principal', 'https://issuer.example', 'caf\u00e9%1"\\', NOON_S, 1, 1, 1)
        edge.tell('principal', 'https://issuer.example', 'x' * 250, NOON_S, 0, 1, 4)
        wait_for(lambda: database.one('SELECT count(*) FROM usage_principal') == 3, 'three principals')
        day = NOON_S // DAY_S
        rows = {row[0]: row[1:] for row in database.sql('SELECT principal, day, class, billed, units FROM usage_principal')}
        assert rows.pop('https://issuer.example alice') == (day, 'forecast', 3, 6)
        assert rows.pop('https://issuer.example caf%C3%A9%251"\\') == (day, 'market', 1, 1)
        (name, row), = rows.items()
        assert name.startswith('https://issuer.example xxxx') and row == (day, 'forecast', 4, 4)


def test_a_quota_that_is_used_up_blocks_until_the_plan_is_raised(database, gate, tmp_path):
    database.sql("UPDATE plan SET quota_day = 100, quota_month = 150 WHERE name = 'free'")
    account, other = gate.account(row=9), gate.account(row=10)
    gate.keys(account, first_row=0, count=2)

    def blocked(one=account):
        return database.sql('SELECT blocked_until_s, blocked_period FROM account WHERE id = %s', (one,))[0]
    listener = psycopg2.connect(database.url)
    listener.autocommit = True
    listener.cursor().execute('LISTEN gate')
    with writer() as edge, meter(database, tmp_path):
        now_s = int(time.time())
        day_end = (now_s // DAY_S + 1) * DAY_S
        edge.use(0, 99)
        wait_for(lambda: gate.total() == 99, 'almost all of it')
        assert blocked() == (0, 'day')
        edge.use(1, 1)
        wait_for(lambda: blocked() == (day_end, 'day'), 'the block, over both keys', 5)
        listener.poll()
        assert len(listener.notifies) == 1, 'the gate was woken once'
        database.sql("UPDATE account SET plan = 'premium' WHERE id = %s", (account,))
        wait_for(lambda: blocked() == (0, 'day'), 'the block is lifted', 5)
        database.sql("UPDATE account SET plan = 'free' WHERE id = %s", (account,))
        edge.use(0, 50)
        month = time.gmtime(now_s)
        month_end = int(time.mktime((month.tm_year, month.tm_mon + 1, 1, 0, 0, 0, 0, 0, 0))) - time.timezone
        wait_for(lambda: blocked() == (month_end, 'month'), 'the block for the month', 5)
        assert blocked(other) == (0, 'day')
    listener.close()


def test_last_use_is_noted_without_waking_the_gate(database, gate, tmp_path):
    key, idle = gate.keys(gate.account(row=9), first_row=0, count=2)
    changed = database.one('SELECT changed::text FROM api_key WHERE id = %s', (key,))
    with writer() as edge, meter(database, tmp_path):
        now_s = int(time.time())
        edge.use(0, 1, now_s=now_s)
        wait_for(lambda: database.one('SELECT last_used_s FROM api_key WHERE id = %s', (key,)) == now_s, 'the use')
        assert database.one('SELECT last_used_s FROM api_key WHERE id = %s', (idle,)) is None
        assert database.one('SELECT changed::text FROM api_key WHERE id = %s', (key,)) == changed


def test_usage_waits_while_postgresql_is_away(database, server, gate, tmp_path):
    gate.keys(gate.account(row=9), first_row=0)
    with writer() as edge, meter(database, tmp_path) as process:
        edge.use(0, 1)
        wait_for(lambda: gate.total() == 1, 'usage before')
        database.connection.close()
        server.stop()
        try:
            edge.use(0, 10)
            wait_for(lambda: events(tmp_path, 'meter.interrupted'), 'the absence is noticed')
        finally:
            server.start()
        wait_for(lambda: gate.total() == 11, 'usage after')
        assert process.poll() is None and len(events(tmp_path, 'role.started')) == 1


def test_usage_waits_while_the_server_may_only_be_read(database, server, gate, tmp_path):
    gate.keys(gate.account(row=9), first_row=0)
    server.admin(f'ALTER DATABASE {database.name} SET default_transaction_read_only = on')
    with writer() as edge, meter(database, tmp_path):
        edge.use(0, 3)
        wait_for(lambda: events(tmp_path, 'meter.interrupted'), 'the refusal')
        assert gate.total() == 0
        server.admin(f'ALTER DATABASE {database.name} SET default_transaction_read_only = off')
        wait_for(lambda: gate.total() == 3, 'usage after')


def test_ten_thousand_active_rows_are_drained_in_well_under_a_second(database, gate, tmp_path):
    gate.keys(gate.account(row=19999), first_row=0, count=10000)
    with writer(keys=10000) as edge:
        with meter(database, tmp_path):
            edge.tell('fill', 0, 10000, int(time.time()))
            wait_for(lambda: gate.total() == 10000, 'rows that are new')
        edge.tell('fill', 0, 10000, int(time.time()))
        with meter(database, tmp_path):
            wait_for(lambda: events(tmp_path, 'meter.edge_found') and gate.total() > 10000, 'the first rows')
            began = time.monotonic()
            wait_for(lambda: gate.total() == 20000, 'the last rows')
            took = time.monotonic() - began
        assert took < 3, 'on a machine that does other things too'
    print(f'{took:.3f} s from the first of 10,000 rows to the last')
