"""What outcomes teach: learned once each, in order, with the scores; begun by the walk-forward; applied to what is issued."""
import os
import random
import signal
import time

import pytest

from conftest import HOUR_MS, wait_for
from world import BEGIN_MS, FEED, World, batches, role


@pytest.fixture
def world(database):
    return World(database)


def issue_hours(world, database, hours):
    """The market goes on hour by hour, each forecast from."""
    for _ in range(hours):
        world.advance()
        wait_for(lambda: database.one('SELECT max(issued_at) FROM batch WHERE feed = %s', (FEED,)) == world.close_ms,
                 'the next batch')


def learned(database, horizon_s=3600):
    """(outcomes, target of the newest) of the stored calibration."""
    rows = database.sql('SELECT updates, as_of FROM calibration WHERE feed = %s AND horizon_s = %s', (FEED, horizon_s))
    return rows[0] if rows else (0, 0)


def scored(database, horizon_s=3600):
    """(outcomes, target of the newest) of the live scores."""
    return database.sql("SELECT count(DISTINCT issued_at), coalesce(max(target_at), 0) FROM score WHERE feed = %s AND"
                        " horizon_s = %s AND origin = 'live'", (FEED, horizon_s))[0]


def test_each_outcome_is_learned_once_with_its_score(world, database, tmp_path):
    with role(database, 'worker-fast', tmp_path):
        wait_for(lambda: batches(database) == 1, 'the first batch')
        issue_hours(world, database, 6)
        wait_for(lambda: scored(database) == (6, world.close_ms), 'six scores at 1h')
        wait_for(lambda: scored(database, 14400)[0] == 3, 'three at 4h')
    assert learned(database) == scored(database)
    assert learned(database, 14400) == scored(database, 14400)
    assert learned(database, 86400)[0] == 0
    # The ensembles that were issued say what was applied to them, others say nothing.
    applied = database.sql("SELECT (calibration->>'outcomes')::bigint FROM forecast WHERE model = 'ensemble'"
                           ' AND horizon_s = 3600 AND feed = %s ORDER BY issued_at', (FEED,))
    counts = [row[0] for row in applied]
    assert counts == sorted(counts) and counts[0] == 0 and counts[-1] >= 3
    assert database.one("SELECT count(*) FROM forecast WHERE model <> 'ensemble' AND calibration <> '{}'") == 0


def test_a_worker_that_is_killed_learns_nothing_twice_and_skips_nothing(world, database, tmp_path):
    chance = random.Random(11)
    for _ in range(6):
        with role(database, 'worker-fast', tmp_path) as process:
            world.advance()
            time.sleep(chance.uniform(0.2, 0.9))
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        assert learned(database) == scored(database)
    with role(database, 'worker-fast', tmp_path):
        issue_hours(world, database, 2)
        wait_for(lambda: scored(database)[1] == world.close_ms, 'the scores after the kills')
    assert learned(database) == scored(database)


def test_the_walk_forward_begins_the_calibration_and_live_scores_go_on_with_it(world, database, tmp_path):
    with role(database, 'worker-fast', tmp_path):
        wait_for(lambda: batches(database) == 1, 'the first batch')
        issue_hours(world, database, 2)
        wait_for(lambda: scored(database)[0] == 2, 'two live scores')
    with role(database, 'worker-heavy', tmp_path, walk_forward_days=4):
        wait_for(lambda: database.one("SELECT count(*) FROM job WHERE kind = 'walk_forward' AND state = 'done'") == 1,
                 'the walk-forward', 120)
    walked = database.one("SELECT count(DISTINCT issued_at) FROM score WHERE origin = 'walk_forward' AND horizon_s = 3600")
    assert walked == 16
    assert learned(database) == (walked + 2, BEGIN_MS + 2 * HOUR_MS)
    with role(database, 'worker-fast', tmp_path):
        issue_hours(world, database, 2)
        wait_for(lambda: scored(database)[0] == 4, 'four live scores')
    assert learned(database) == (walked + 4, BEGIN_MS + 4 * HOUR_MS)


def test_a_damaged_state_begins_anew_and_stops_nothing(world, database, tmp_path):
    with role(database, 'worker-fast', tmp_path):
        wait_for(lambda: batches(database) == 1, 'the first batch')
        issue_hours(world, database, 2)
        wait_for(lambda: learned(database)[0] == 2, 'two outcomes')
    database.sql(r"UPDATE calibration SET content = '\xdeadbeef' WHERE horizon_s = 3600")
    with role(database, 'worker-fast', tmp_path):
        issue_hours(world, database, 2)
        wait_for(lambda: scored(database)[0] == 4, 'four live scores')
    assert learned(database)[0] == 2
