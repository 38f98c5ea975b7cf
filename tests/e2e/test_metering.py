"""What a client is billed for is what came to it whole, though nginx's workers and the meter are killed all the while.

The client (tests/load/metering.c) counts for each key the bodies of status 200 that it has read to their end. When it is done
and the meter has drained, the rows of usage must say the same. The one thing that nobody can know is a request that was
in flight in a worker when that was killed: its answer may have come, and not been counted. Each costs the client its
connection, so the number of connections lost bounds the difference, key by key.

METERING_FULL=1 takes a million requests, as fast as they are answered.
"""
import json
import os
import random
import signal
import subprocess
import threading
import time

import psycopg2
import pytest

from conftest import SIMULATE, clean
from stack import BTCF, ROOT, Stack, wait_for

FULL = os.environ.get('METERING_FULL') == '1'
CLIENT = os.path.join(os.path.dirname(BTCF), 'tests/load/metering')
REQUESTS, RATE, CONNECTIONS = (1_000_000, 0, 64) if FULL else (20_000, 2500, 32)
ACCOUNTS, KEYS_EACH = 4, 2
PATH = '/v1/price'


@pytest.fixture(scope='module', autouse=True)
def client_program():
    build, client = (os.path.relpath(path, ROOT) for path in (os.path.dirname(BTCF), CLIENT))
    subprocess.run(['make', '-s', f'BUILD={build}', client], cwd=ROOT, check=True, timeout=300)


@pytest.fixture(scope='module')
def stack():
    one = Stack(settings={**SIMULATE, 'nginx_workers': '2', 'meter_poll_ms': '50'}).start()
    try:
        yield one.wait_ready()
    finally:
        clean([one])


class Billing:
    """The keys that the client uses, and what the database says of them."""

    def __init__(self, stack):
        self.stack = stack
        self.btcf('plan', 'set', 'enterprise', '--rate', 'none')
        self.keys = []
        for account in range(ACCOUNTS):
            email = f'client{account}@example.org'
            self.btcf('user', 'add', email, '--plan', 'enterprise')
            self.keys += [json.loads(self.btcf('key', 'create', '--user', email, '--json')) for _ in range(KEYS_EACH)]
        self.connection = psycopg2.connect(f'host={stack.state}/run dbname=btcf user=btcf')
        self.connection.autocommit = True

    def btcf(self, *arguments):
        done = subprocess.run([BTCF, *arguments, '--state', self.stack.state], capture_output=True, text=True, timeout=30)
        assert done.returncode == 0, f'{arguments}: {done.stderr}'
        return done.stdout

    def await_known(self):
        """Every worker accepts every key."""
        def accepted():
            return all(self.stack.get(PATH, {'X-API-Key': key['key']}).status == 200 for key in self.keys for _ in '12')
        wait_for(accepted, 'the keys are published')

    def rows(self, sql):
        with self.connection.cursor() as cursor:
            cursor.execute(sql)
            found = dict(cursor.fetchall())
        return [int(found.get(key['id'], 0)) for key in self.keys]

    def billed(self):
        return self.rows('SELECT k.public_id, sum(billed) FROM usage u JOIN api_key k ON k.id = u.key_id GROUP BY 1')

    def units(self):
        return self.rows('SELECT k.public_id, sum(units) FROM usage u JOIN api_key k ON k.id = u.key_id GROUP BY 1')

    def unbilled(self, column):
        return self.rows(f'SELECT k.public_id, sum({column}) FROM usage_other u JOIN api_key k ON k.id = u.key_id'
                         ' GROUP BY 1')

    def settled(self):
        """Billed answers when nothing has come in for some drains."""
        def quiet():
            before = self.billed() + self.unbilled('bytes')
            time.sleep(0.5)  # ten polls of the meter
            return before == self.billed() + self.unbilled('bytes')
        wait_for(quiet, 'the last drain')
        return self.billed()


@pytest.fixture(scope='module')
def billing(stack):
    one = Billing(stack)
    one.await_known()
    yield one
    one.connection.close()


class Load:
    """The client at work; the tallies when it is done."""

    def __init__(self, stack, billing, requests, rate):
        command = [CLIENT, str(stack.port), str(CONNECTIONS), str(requests), str(rate), PATH]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                        text=True)
        self.answer = None
        keys = ''.join(key['key'] + '\n' for key in billing.keys)
        self.thread = threading.Thread(target=lambda: setattr(self, 'answer', self.process.communicate(keys)))
        self.thread.start()

    def is_running(self):
        return self.thread.is_alive()

    def tallies(self):
        """Columns: whole 200, 304, 404, other answers, lost connections; one value for each key."""
        self.thread.join(960)
        output, errors = self.answer
        assert self.process.returncode == 0, errors
        return [list(column) for column in zip(*([int(word) for word in line.split()] for line in output.splitlines()))]


def kill_one(pids):
    victim = random.choice(pids) if pids else None
    try:
        if victim is not None:
            os.kill(victim, signal.SIGKILL)
    except ProcessLookupError:
        return 0
    return 1 if victim is not None else 0


def differences(counted, billed):
    return [c - b for c, b in zip(counted, billed)]


def test_billed_is_what_came_whole(stack, billing):
    before = [billing.settled(), billing.units(), billing.unbilled('not_modified'), billing.unbilled('client_errors')]
    whole, not_modified, absent, other, lost = Load(stack, billing, REQUESTS // 4, 0).tallies()
    assert sum(whole) >= REQUESTS // 4 and not any(other) and not any(lost), (whole, other, lost)
    wait_for(lambda: sum(billing.billed()) - sum(before[0]) >= sum(whole), 'the last drain')
    after = [billing.settled(), billing.units(), billing.unbilled('not_modified'), billing.unbilled('client_errors')]
    grown = [differences(new, old) for new, old in zip(after, before)]
    assert grown == [whole, whole, not_modified, absent]


def test_billed_is_what_came_whole_while_workers_and_the_meter_are_killed(stack, billing):
    before = billing.settled()
    load = Load(stack, billing, REQUESTS, RATE)
    kills = {'worker': 0, 'meter': 0}
    while load.is_running():
        time.sleep(random.uniform(0.05, 0.4))  # when a kill falls is the point of the test
        kills['worker'] += kill_one(stack.worker_pids())
        kills['meter'] += kill_one([pid for pid in [stack.pid_of('btcf:meter')] if pid])
    whole, not_modified, absent, other, lost = load.tallies()
    assert not any(other), f'answers that are neither 200, 304 nor 404: {other}'
    assert min(kills.values()) >= 3, kills
    wait_for(lambda: stack.pid_of('btcf:meter'), 'the meter is back')
    wait_for(lambda: sum(billing.billed()) - sum(before) >= sum(whole) - sum(lost), 'the last drain')
    missing = differences(whole, differences(billing.settled(), before))
    print(f'{sum(whole)} whole bodies, {kills["worker"]} kills of workers, {kills["meter"]} of the meter:'
          f' {sum(missing)} answers not billed, at most {sum(lost)} were in flight in a killed worker')
    assert all(0 <= few <= bound for few, bound in zip(missing, lost)), (missing, lost)


def test_a_quota_used_up_elsewhere_stops_every_worker_within_seconds(stack, billing):
    """What another machine has booked, this one's workers cannot count by themselves: the meter and the publisher tell."""
    billing.btcf('plan', 'set', 'metered', '--rate', 'none', '--quota-day', '1000')
    billing.btcf('user', 'add', 'elsewhere@example.org', '--plan', 'metered')
    key = json.loads(billing.btcf('key', 'create', '--user', 'elsewhere@example.org', '--json'))['key']

    def statuses():
        return {stack.get(PATH, {'X-API-Key': key}).status for _ in range(16)}
    wait_for(lambda: statuses() == {200}, 'the key is published')

    def book_elsewhere():
        with billing.connection.cursor() as cursor:
            cursor.execute("UPDATE usage_total t SET units = 1000 FROM account a WHERE a.id = t.account_id"
                           " AND a.email = 'elsewhere@example.org' AND t.period = 'day'")
            return cursor.rowcount
    wait_for(book_elsewhere, 'the first usage is drained')
    wait_for(lambda: statuses() == {429}, 'no worker answers', 5)
    refused = stack.get(PATH, {'X-API-Key': key})
    assert refused.json()['code'] == 'quota-exceeded' and int(refused.headers['Retry-After']) > 0
    billing.btcf('user', 'plan', 'elsewhere@example.org', 'enterprise')
    wait_for(lambda: statuses() == {200}, 'the plan is raised', 5)
