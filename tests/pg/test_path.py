"""The path from a closed candle to rows: forecasts, ledger, scores, scoreboard, made by real worker processes."""
import hashlib
import os
import random
import signal
import struct
import time

import pytest

from conftest import HOUR_MS, run_btcf, wait_for
from world import BEGIN_MS, FEED, HORIZONS_S, World, batches, role

@pytest.fixture
def world(database):
    return World(database)


def test_a_closed_candle_becomes_a_batch_with_one_served_forecast_per_horizon(world, database, tmp_path):
    with role(database, 'worker-fast', tmp_path):
        wait_for(lambda: batches(database) == 1, 'the first batch')
        world.advance()
        wait_for(lambda: batches(database) == 2, 'the second batch')
    served = database.sql('SELECT horizon_s FROM forecast f JOIN batch b ON b.id = f.batch_id WHERE served'
                          ' AND b.issued_at = %s ORDER BY 1', (world.close_ms,))
    assert [row[0] for row in served] == HORIZONS_S
    models = {row[0] for row in database.sql('SELECT DISTINCT model FROM forecast')}
    assert {'rw-gauss', 'rw-emp', 'ewma-emp', 'ensemble'} <= models
    origin, degraded, sources = database.sql('SELECT origin_price, degraded, sources FROM batch ORDER BY id DESC'
                                             ' LIMIT 1')[0]
    assert origin == pytest.approx(world.closes[world.close_ms])
    assert degraded
    assert sources == [{'quote': 'USD', 'source': 'test'}]
    # Curves ascend and hold the origin price between their ends.
    for quantiles, price in database.sql('SELECT quantiles, origin_price FROM forecast'):
        assert len(quantiles) == 25 and quantiles == sorted(quantiles)
        assert quantiles[0] < price < quantiles[-1]
    assert database.one("SELECT count(*) FROM job WHERE kind = 'forecast' AND state = 'done'") == 2


def test_before_there_is_evidence_the_baseline_is_served(world, database, tmp_path):
    with role(database, 'worker-fast', tmp_path):
        wait_for(lambda: batches(database) == 1, 'the first batch')
    assert {row[0] for row in database.sql('SELECT DISTINCT method FROM forecast WHERE served')} == {'baseline'}


def test_forecasts_cannot_be_changed(world, database, tmp_path):
    with role(database, 'worker-fast', tmp_path):
        wait_for(lambda: batches(database) == 1, 'the first batch')
    for statement in ('UPDATE forecast SET mean = 1', 'DELETE FROM forecast', 'UPDATE ledger_entry SET hash = $$x$$'):
        with pytest.raises(Exception, match='append-only'):
            database.sql(statement)


def test_scores_arrive_with_the_truth_and_match_an_independent_computation(world, database, tmp_path):
    with role(database, 'worker-fast', tmp_path), role(database, 'worker-heavy', tmp_path, walk_forward_days=0):
        wait_for(lambda: batches(database) == 1, 'the first batch')
        assert database.one('SELECT count(*) FROM score') == 0
        world.advance()
        wait_for(lambda: database.one('SELECT count(*) FROM score WHERE horizon_s = 3600') >= 4, 'scores at 1h')
        wait_for(lambda: batches(database) == 2, 'the second batch')
        world.advance(3)
        wait_for(lambda: database.one('SELECT count(*) FROM score WHERE horizon_s = 14400') >= 4, 'scores at 4h')
        wait_for(lambda: database.one("SELECT count(*) FROM accuracy WHERE origin = 'live' AND horizon_s = 14400") >= 4,
                 'the scoreboard at 4h')
    levels = [.025, .05, .1, .2, .3, .4, .5, .6, .7, .8, .9, .95, .975]
    all_levels = [.005, .01, .025, .05] + [round(.05 * i, 2) for i in range(2, 19)] + [.95, .975, .99, .995]
    rows = database.sql('SELECT f.quantiles, f.origin_price, f.target_at, s.actual, s.crps, s.covered, s.median_error'
                        ' FROM score s JOIN forecast f ON f.id = s.forecast_id')
    assert len(rows) >= 8
    for quantiles, origin, target_at, actual, crps, covered, median_error in rows:
        assert actual == pytest.approx(world.closes[target_at])
        at = dict(zip(all_levels, quantiles))
        loss = sum(2 * (level - (actual < at[level])) * (actual - at[level]) for level in levels) / len(levels)
        assert crps == pytest.approx(100 * loss / origin, rel=1e-9)
        for bit, (low, high) in enumerate([(.25, .75), (.1, .9), (.05, .95), (.025, .975)]):
            assert bool(covered >> bit & 1) == (at[low] <= actual <= at[high])
        assert median_error == pytest.approx(100 * (actual - at[.5]) / origin)
    # The baseline measured against itself has no skill, exactly.
    assert database.sql("SELECT DISTINCT crps = crps_baseline FROM score WHERE model = 'rw-gauss'") == [(True,)]


def test_no_forecast_is_scored_before_its_target_is_known(world, database, tmp_path):
    with role(database, 'worker-fast', tmp_path):
        wait_for(lambda: batches(database) == 1, 'the first batch')
        world.advance(5)
        wait_for(lambda: database.one('SELECT count(*) FROM score') > 0, 'the first scores')
        wait_for(lambda: database.one("SELECT count(*) FROM job WHERE state IN ('queued', 'running')") == 0, 'rest')
    assert database.one('SELECT count(*) FROM score WHERE target_at > %s', (world.close_ms,)) == 0
    assert database.one('SELECT count(*) FROM forecast f WHERE target_at <= %s AND NOT EXISTS'
                        ' (SELECT 1 FROM score s WHERE s.forecast_id = f.id)', (world.close_ms,)) == 0


def test_a_worker_killed_at_any_time_leaves_all_of_a_batch_or_nothing(world, database, tmp_path):
    rounds = random.Random(3)
    for _ in range(12):
        with role(database, 'worker-fast', tmp_path) as process:
            world.advance()
            time.sleep(rounds.uniform(0.05, 0.8))
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    before = batches(database)
    with role(database, 'worker-fast', tmp_path):
        world.advance()
        wait_for(lambda: database.one('SELECT max(issued_at) FROM batch') == world.close_ms, 'a batch after the kills')
    assert batches(database) > before
    assert database.sql('SELECT count(*) FROM batch b WHERE NOT EXISTS (SELECT 1 FROM ledger_entry l WHERE'
                        ' l.batch_id = b.id)') == [(0,)]
    per_batch = {row[0] for row in database.sql('SELECT count(f.id) FROM batch b LEFT JOIN forecast f ON'
                                                ' f.batch_id = b.id GROUP BY b.id')}
    assert len(per_batch) == 1
    assert database.one('SELECT max(seq) FROM ledger_entry') == batches(database)
    assert run_btcf(database, 'ledger', 'verify').returncode == 0


def test_walk_forward_fills_the_scoreboard_with_labelled_scores_that_saw_no_future(world, database, tmp_path):
    with role(database, 'worker-fast', tmp_path):
        wait_for(lambda: batches(database) == 1, 'the first batch')
    with role(database, 'worker-heavy', tmp_path, walk_forward_days=6):
        wait_for(lambda: database.sql("SELECT 1 FROM component WHERE name = 'walk_forward' AND state = 'done'"),
                 'the walk-forward', 120)
        wait_for(lambda: database.one("SELECT count(*) FROM job WHERE kind = 'walk_forward' AND state = 'done'") == 1,
                 'its end')
        wait_for(lambda: database.one("SELECT count(*) FROM accuracy WHERE origin = 'walk_forward'"), 'the scoreboard')
    assert database.one("SELECT max(target_at) FROM score WHERE origin = 'walk_forward'") <= BEGIN_MS
    n = dict(database.sql("SELECT horizon_s, n FROM accuracy WHERE model = 'ensemble' AND origin = 'walk_forward'"
                          ' AND window_s = 365 * 86400'))
    assert n[3600] == 24 and n[86400] == 21  # origins every 6 h over 6 days; the last ones aim beyond the begin
    assert 2592000 not in n
    rows = database.sql("SELECT target_at, actual FROM score WHERE origin = 'walk_forward'")
    assert all(actual == pytest.approx(world.closes[target_at]) for target_at, actual in rows)


def test_the_ledger_tells_which_entry_was_touched(world, database, tmp_path):
    with role(database, 'worker-fast', tmp_path):
        for count in range(1, 4):
            wait_for(lambda: batches(database) == count, f'batch {count}')
            world.advance()
    good = run_btcf(database, 'ledger', 'verify')
    assert f'{FEED}' in good.stdout
    database.sql('ALTER TABLE forecast DISABLE TRIGGER forecast_immutable')
    batch = database.one('SELECT batch_id FROM ledger_entry WHERE seq = 2')
    database.sql('UPDATE forecast SET mean = mean + 0.01 WHERE served AND horizon_s = 3600 AND batch_id = %s', (batch,))
    bad = run_btcf(database, 'ledger', 'verify', check=False)
    assert bad.returncode == 1
    assert 'entry 2' in bad.stderr and 'changed' in bad.stderr
    database.sql('UPDATE forecast SET mean = mean - 0.01 WHERE served AND horizon_s = 3600 AND batch_id = %s', (batch,))
    database.sql('ALTER TABLE ledger_entry DISABLE TRIGGER ledger_immutable')
    last = database.one('SELECT max(seq) FROM ledger_entry')
    database.sql('DELETE FROM ledger_entry WHERE seq = %s', (last,))
    cut = run_btcf(database, 'ledger', 'verify', check=False)
    assert cut.returncode == 1 and 'head' in cut.stderr


def closes_hash(database):
    """Of all hours, as the ledger hashes the data of a batch."""
    closes = [row[0] for row in database.sql('SELECT close FROM candle WHERE feed = %s AND interval_s = 3600 ORDER BY'
                                             ' open_time', (FEED,))]
    return hashlib.sha256(struct.pack(f'<{len(closes)}d', *closes)).hexdigest()


def newest_hash(database):
    return database.one('SELECT data_hash FROM batch WHERE feed = %s ORDER BY issued_at DESC LIMIT 1', (FEED,))


def test_a_worker_that_follows_the_market_sees_every_revision(database, tmp_path):
    """What it keeps between jobs is never older than the table: a candle long ago is corrected, one is lost."""
    world = World(database, hours=24 * 120)  # less than any model would like, so batches are made from all of it
    with role(database, 'worker-fast', tmp_path):
        wait_for(lambda: batches(database) == 1, 'the first batch')
        assert newest_hash(database) == closes_hash(database)
        world.advance()
        wait_for(lambda: batches(database) == 2, 'a batch that followed')
        assert newest_hash(database) == closes_hash(database)
        database.sql("UPDATE candle SET close = close * 1.01, high = high * 1.01, revision = 2,"
                     " change = nextval('change_seq') WHERE feed = %s AND interval_s = 3600 AND open_time = %s",
                     (FEED, BEGIN_MS - 1000 * HOUR_MS))
        world.advance()
        wait_for(lambda: batches(database) == 3, 'a batch after the correction')
        assert newest_hash(database) == closes_hash(database)

        # A change that the change numbers hide is found between two jobs, within KEEP_REFRESH_MS.
        database.sql('UPDATE candle SET close = close * 1.02, high = high * 1.02, change = change - 1 WHERE feed = %s AND'
                     ' interval_s = 3600 AND open_time = %s', (FEED, BEGIN_MS - 500 * HOUR_MS))
        def is_found():
            count = batches(database)
            world.advance()
            wait_for(lambda: batches(database) == count + 1, 'the next batch')
            return newest_hash(database) == closes_hash(database)
        wait_for(is_found, 'the hidden change')
