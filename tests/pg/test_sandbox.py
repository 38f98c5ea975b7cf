"""The sandbox: made by a worker, published beside the real documents, marked in every body, and always the same."""
import json
import shutil
import subprocess

import pytest

from conftest import new_database, wait_for
from gate import DOCUMENT_READER, build_readers
from world import role, shm_dir

HORIZONS = '1h 4h 12h 1d 3d 7d 14d 30d'.split()
PATHS = ['/v1/forecasts', *(f'/v1/forecasts/{h}' for h in HORIZONS), '/v1/price', '/v1/candles/1h', '/v1/candles/4h',
         '/v1/candles/1d', '/v1/models', '/v1/accuracy', '/v1/data-quality', '/v1/status']


@pytest.fixture(scope='module', autouse=True)
def readers():
    build_readers()


@pytest.fixture(autouse=True)
def no_files_left():
    shutil.rmtree(shm_dir(), ignore_errors=True)
    yield
    shutil.rmtree(shm_dir(), ignore_errors=True)


def read(path, variant='fresh'):
    done = subprocess.run([str(DOCUMENT_READER), f'{shm_dir()}/pub.v1', path, variant], capture_output=True, text=True,
                          timeout=10)
    return done.stdout if done.returncode == 0 else None


def sandbox():
    """All bodies, or None while one is missing."""
    bodies = {path: read('/sandbox' + path) for path in PATHS}
    return bodies if all(bodies.values()) else None


def made(database):
    return database.one("SELECT count(*) FROM job WHERE kind = 'sandbox' AND state = 'done'") == 1


def publish(database, tmp_path):
    with role(database, 'publish', tmp_path):
        return wait_for(sandbox, 'the sandbox', 30)


def test_the_sandbox_is_made_once_marked_everywhere_and_the_same_for_everyone(database, server, migrated, tmp_path):
    with role(database, 'worker-heavy', tmp_path), role(database, 'publish', tmp_path):
        first = wait_for(sandbox, 'the sandbox', 60)
        assert read('/v1/forecasts/1d') is None and read('/v1/price') is None, 'real documents come from real feeds'
    assert made(database)
    assert publish(database, tmp_path) == first, 'another start'
    with new_database(server, migrated) as other:
        with role(other, 'worker-heavy', tmp_path):
            wait_for(lambda: made(other), 'another sandbox')
        assert publish(other, tmp_path) == first, 'another installation'

    for path, text in first.items():
        body = json.loads(text)
        for part in body['forecasts'] if path == '/v1/forecasts' else [body]:
            assert part['sandbox'] is True, path
            assert part['degraded'] is False and part['feed']['kind'] == 'sandbox', path
            assert 'not a market' in part['notice'], path
            assert part.get('stale', False) is False and part.get('stale_at', '2100') >= '2100', path
    one = json.loads(first['/v1/forecasts/1d'])
    assert (one['issued_at'], one['target_at']) == ('2025-01-01T00:00:00Z', '2025-01-02T00:00:00Z')
    assert one['method'] == 'ensemble' and one['model']['weights'] and one['expires_at'] >= '2100'
    assert one['quantiles']['0.005'] < one['median'] < one['quantiles']['0.995']
    assert one['baseline']['quantiles'] != one['quantiles']
    assert json.loads(first['/v1/price'])['price'] == one['origin_price']
    assert json.loads(first['/v1/candles/1h'])['candles'][-1]['close'] == one['origin_price']
    assert json.loads(first['/v1/status'])['status'] == 'ok'
    assert {m['name'] for m in json.loads(first['/v1/models'])['models']} >= {'ensemble', 'rw-gauss'}


def test_real_bodies_say_nothing_of_a_sandbox_and_are_not_touched_by_it(database, tmp_path):
    database.sql("INSERT INTO feed (feed, symbol, state, market0_ms, wall0_ms, speed, is_active, degraded, provider) VALUES"
                 " ('live', 'BTC-USD', 'running', 0, 0, 1, true, false, 'live')")
    with role(database, 'publish', tmp_path):
        before = wait_for(lambda: read('/v1/accuracy'), 'a document')
        with role(database, 'worker-heavy', tmp_path):
            wait_for(sandbox, 'the sandbox')
        assert 'sandbox' not in before and read('/v1/accuracy') == before
        assert database.one('SELECT feed FROM feed WHERE is_active') == 'live'
        assert database.one("SELECT count(*) FROM job WHERE kind <> 'sandbox'") == 0, 'work of its own'
