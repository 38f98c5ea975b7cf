"""From rows to shared memory: the role publish against a real database, read back with the reader that nginx uses."""
import json
import os
import pathlib
import shutil
import signal
import subprocess
import time

import pytest

from conftest import BTCF, make, wait_for
from world import BEGIN_MS, World, batches, role, shm_dir

READER = BTCF.parent / 'tests/pg/read_document'
PATHS = ['/v1/forecasts', *(f'/v1/forecasts/{h}' for h in '1h 4h 12h 1d 3d 7d 14d 30d'.split()), '/v1/price',
         '/v1/candles/1h', '/v1/candles/4h', '/v1/candles/1d', '/v1/models', '/v1/accuracy', '/v1/accuracy/1h', '/v1/data-quality',
         '/v1/status', '/openapi.json', '/docs', '/metrics']


@pytest.fixture(scope='module', autouse=True)
def reader():
    make(READER)


@pytest.fixture(autouse=True)
def no_files_left():
    shutil.rmtree(shm_dir(), ignore_errors=True)
    yield
    shutil.rmtree(shm_dir(), ignore_errors=True)


@pytest.fixture
def world(database):
    return World(database)


def read(path, variant='fresh'):
    """The published body as text, or None when there is none."""
    done = subprocess.run([str(READER), f'{shm_dir()}/pub.v1', path, variant], capture_output=True, text=True, timeout=10)
    assert done.returncode in (0, 3), f'{path}: {done.returncode} {done.stderr}'
    return done.stdout if done.returncode == 0 else None


def document(path, variant='fresh'):
    text = read(path, variant)
    return json.loads(text) if text is not None else None


def header(name):
    """A line of the header as `btcf shm dump` shows it."""
    dump = subprocess.run([str(BTCF), 'shm', 'dump', '--dir', shm_dir()], capture_output=True, text=True, timeout=10)
    return next(line.split()[1] for line in dump.stdout.splitlines() if line.split()[:1] == [name])


def published_issue(issued_ms):
    body = document('/v1/forecasts/1d')
    return body is not None and body['issued_at'] == time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime(issued_ms / 1000))


def test_status_says_what_is_being_waited_for_before_there_is_anything(database, tmp_path):
    with role(database, 'publish', tmp_path):
        status = wait_for(lambda: document('/v1/status'), 'the first status')
        assert status['status'] == 'starting' and status['degraded']
        assert read('/v1/forecasts/1d') is None and read('/v1/price') is None
        database.sql("INSERT INTO component (name, state, detail, done, total, updated_wall_ms) VALUES"
                     " ('ingest', 'loading', 'history', 5, 10, 0)")
        wait_for(lambda: [c['done'] for c in document('/v1/status')['components']] == [5], 'the component')


def test_every_document_is_published_and_equals_its_rows(world, database, tmp_path):
    with role(database, 'worker-fast', tmp_path), role(database, 'publish', tmp_path):
        wait_for(lambda: published_issue(BEGIN_MS), 'the first forecasts')
        for path in PATHS:
            assert read(path), path
        one = read('/v1/forecasts/1d')
        row = database.sql('SELECT public_id, quantiles, method FROM forecast WHERE served AND horizon_s = 86400')[0]
        seq, head = database.sql('SELECT seq, hash FROM ledger_entry')[0]
        body = json.loads(one)
        assert (body['id'], body['method']) == (row[0], row[2])
        assert list(body['quantiles'].values()) == [pytest.approx(q, abs=0.006) for q in row[1]]
        assert body['ledger'] == {'seq': seq, 'hash': head}
        assert body['degraded'] and body['feed']['kind'] == 'replay' and 'not the live market' in body['notice']
        assert not body['stale'] and document('/v1/forecasts/1d', 'stale')['stale']
        members = [read(path) for path in PATHS[1:9]]
        assert read('/v1/forecasts') == '{"forecasts":[' + ','.join(members) + ']}'
        candles = document('/v1/candles/1h')['candles']
        assert candles[-1]['close'] == pytest.approx(world.closes[BEGIN_MS], abs=0.006)


def test_a_new_candle_is_a_new_forecast_within_seconds_and_rows_come_first(world, database, tmp_path):
    with role(database, 'worker-fast', tmp_path), role(database, 'publish', tmp_path):
        wait_for(lambda: published_issue(BEGIN_MS), 'the first forecasts')
        for _ in range(3):
            world.advance()
            wait_for(lambda: published_issue(world.close_ms), 'the next forecasts', 20)
            body = document('/v1/forecasts/1d')
            assert database.one('SELECT count(*) FROM forecast WHERE public_id = %s', (body['id'],)) == 1


def test_accuracy_shows_live_scores(world, database, tmp_path):
    with role(database, 'worker-fast', tmp_path), role(database, 'publish', tmp_path), \
            role(database, 'worker-heavy', tmp_path, walk_forward_days=0):
        wait_for(lambda: published_issue(BEGIN_MS), 'the first forecasts')
        for _ in range(2):
            world.advance()
            wait_for(lambda: published_issue(world.close_ms), 'the next forecasts')

        def scored():
            lines = document('/v1/accuracy')['horizons']['1h']
            return {line['model'] for line in lines if line['origin'] == 'live' and line['n'] == 2}
        wait_for(lambda: {'ensemble', 'rw-gauss', 'rw-emp', 'ewma-emp'} <= scored(), 'two live scores each')


def test_the_heart_beats_on_while_postgresql_is_away_and_work_goes_on_after(world, database, server, tmp_path):
    with role(database, 'worker-fast', tmp_path) as worker, role(database, 'publish', tmp_path) as publisher:
        wait_for(lambda: published_issue(BEGIN_MS), 'the first forecasts')
        body = read('/v1/forecasts/1d')
        instance, heartbeat = header('instance'), int(header('heartbeat'))
        database.connection.close()
        server.stop()
        try:
            wait_for(lambda: int(header('heartbeat')) >= heartbeat + 4, 'four heartbeats without PostgreSQL', 20)
            assert read('/v1/forecasts/1d') == body
        finally:
            server.start()
        world.advance()
        wait_for(lambda: published_issue(world.close_ms), 'forecasts after the absence', 30)
        assert header('instance') == instance, 'the publisher was restarted'
        assert worker.poll() is None and publisher.poll() is None
    for name in ('worker-fast', 'publish'):
        log = (tmp_path / f'{name}.log').read_text()
        assert log.count('role.started') == 1, log[-3000:]
        lines = [line for line in log.splitlines() if '"level":"error"' in line]
        assert len(lines) <= 3, lines


def test_a_killed_publisher_comes_back_with_the_same_documents(world, database, tmp_path):
    with role(database, 'worker-fast', tmp_path):
        with role(database, 'publish', tmp_path) as publisher:
            wait_for(lambda: published_issue(BEGIN_MS), 'the first forecasts')
            wait_for(lambda: database.one("SELECT count(*) FROM job WHERE state IN ('queued', 'running')") == 0, 'rest')
            body, instance = read('/v1/forecasts/7d'), header('instance')
            os.killpg(publisher.pid, signal.SIGKILL)
            publisher.wait()
            assert read('/v1/forecasts/7d') == body
        with role(database, 'publish', tmp_path):
            wait_for(lambda: header('instance') != instance, 'a new file')
            assert read('/v1/forecasts/7d') == body


@pytest.mark.skipif(b'__asan_init' in BTCF.read_bytes(), reason='memory means nothing under AddressSanitizer')
def test_memory_does_not_grow_with_publications(world, database, tmp_path):
    def rss_kb(process):
        children = pathlib.Path(f'/proc/{process.pid}/task/{process.pid}/children').read_text().split()
        status = pathlib.Path(f'/proc/{children[0]}/status').read_text()
        return int(next(line.split()[1] for line in status.splitlines() if line.startswith('VmRSS')))

    def rebuild(times):
        for i in range(times):
            database.sql("INSERT INTO component (name, state, detail, done, updated_wall_ms) VALUES ('x', 'ok', '', %s, 0)"
                         " ON CONFLICT (name) DO UPDATE SET done = excluded.done, change = nextval('change_seq')", (i,))
            wait_for(lambda: {'x': i}.items() <= {c['name']: c['done'] for c in document('/v1/status')['components']}.items(),
                     'the component', 10)
    with role(database, 'publish', tmp_path) as publisher:
        wait_for(lambda: document('/v1/status'), 'the first status')
        rebuild(10)
        before = rss_kb(publisher)
        rebuild(30)
        assert rss_kb(publisher) < before + 1024
