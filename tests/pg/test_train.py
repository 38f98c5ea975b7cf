"""Training by real worker processes: what is stored, that forecasts use it, and that no failure of it stops them."""
import os
import random
import signal
import time

import pytest

from conftest import HOUR_MS, wait_for
from world import BEGIN_MS, FEED, World, batches, role

DAY_MS = 24 * HOUR_MS


@pytest.fixture
def world(database):
    return World(database)


def trained(database, at_ms=None):
    """Train jobs that are done."""
    return database.one("SELECT count(*) FROM job WHERE kind = 'train' AND state = 'done'"
                        + (f" AND payload->>'at' = '{at_ms}'" if at_ms else ''))


def registry(database):
    """{(model, step): (fitted_ms, has_content)} of the newest rows."""
    rows = database.sql('SELECT DISTINCT ON (model, step_s) model, step_s, fitted_ms, content IS NOT NULL'
                        ' FROM model_version ORDER BY model, step_s, fitted_ms DESC')
    return {(model, step_s): (fitted_ms, has) for model, step_s, fitted_ms, has in rows}


def newest_forecasts(database):
    return database.sql('SELECT f.model, f.horizon_s, f.trained_at, f.model_version, f.weights FROM forecast f JOIN batch b ON'
                        ' b.id = f.batch_id WHERE b.feed = %s AND b.issued_at = (SELECT max(issued_at) FROM batch WHERE'
                        ' feed = %s)', (FEED, FEED))


def test_states_are_stored_and_forecasts_say_which_they_come_from(world, database, tmp_path):
    with role(database, 'worker-heavy', tmp_path, walk_forward_days=0):
        wait_for(lambda: trained(database) == 1, 'training')
    states = registry(database)
    assert states and {step for _, step in states} == {3600, 86400}
    assert all(fitted_ms <= world.close_ms for fitted_ms, _ in states.values())
    for parameters, points, trained_from, fitted_ms, data_hash, fit_ms in database.sql(
            'SELECT parameters, points, trained_from, fitted_ms, data_hash, fit_ms FROM model_version'
            ' WHERE content IS NOT NULL'):
        assert points > 0 and trained_from < fitted_ms and len(data_hash) == 16 and fit_ms > 0
        assert all(isinstance(value, (int, float)) for value in parameters.values())
    with pytest.raises(Exception, match='append-only'):
        database.sql('UPDATE model_version SET fit_ms = 0')
    with role(database, 'worker-fast', tmp_path):
        wait_for(lambda: batches(database) == 1, 'a batch')
    trained_at = {(model, horizon_s): at for model, horizon_s, at, _, _ in newest_forecasts(database)}
    for model, horizon_s, at, version, weights in newest_forecasts(database):
        key = (model, 86400 if horizon_s >= 3 * 86400 else 3600)
        if key in states and states[key][1]:
            assert at == states[key][0] and '+' in version
        elif model == 'ensemble':
            assert at == min(trained_at[member, horizon_s] for member in weights)
        else:
            assert at == world.close_ms


def test_what_is_due_is_trained_again_within_the_day_and_an_hour_changes_nothing(world, database, tmp_path):
    with role(database, 'worker-heavy', tmp_path, walk_forward_days=0):
        wait_for(lambda: trained(database) == 1, 'training')
        before = database.one('SELECT max(fitted_ms) FROM model_version')
        world.advance(1)
        world.advance(31 * 24 - 1)
        wait_for(lambda: trained(database, world.close_ms) == 1, 'training a month later')
    assert trained(database, BEGIN_MS + HOUR_MS) == 0
    assert database.one('SELECT max(fitted_ms) FROM model_version') > before
    # Every model that learns is refitted at least once a month.
    assert all(fitted_ms > before - 31 * DAY_MS for fitted_ms, _ in registry(database).values())


def test_a_training_that_is_killed_goes_on_where_it_was(world, database, tmp_path):
    chance = random.Random(5)
    for _ in range(4):
        with role(database, 'worker-heavy', tmp_path, walk_forward_days=0) as process:
            time.sleep(chance.uniform(0.1, 0.6))
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    with role(database, 'worker-heavy', tmp_path, walk_forward_days=0):
        wait_for(lambda: trained(database) == 1, 'training after the kills')
    assert database.sql('SELECT 1 FROM model_version GROUP BY feed, release, model, step_s, fitted_ms'
                        ' HAVING count(*) > 1') == []
    assert database.one("SELECT attempts FROM job WHERE kind = 'train'") >= 1


def test_training_out_of_turn_fits_at_the_newest_close_and_is_used_at_once(world, database, tmp_path):
    world.advance(5)
    database.sql("INSERT INTO job (kind, lane, unique_key, payload, created_ms) VALUES ('train', 'heavy', 'test',"
                 " jsonb_build_object('feed', %s::text, 'at', %s, 'cause', 'drift'), 0)", (FEED, world.close_ms))
    with role(database, 'worker-heavy', tmp_path, walk_forward_days=0):
        wait_for(lambda: trained(database) == 2, 'both trainings')
    assert {at for at, has in registry(database).values() if has} == {world.close_ms}
    with role(database, 'worker-fast', tmp_path):
        wait_for(lambda: batches(database) == 1, 'a batch')
    learned = {model for model, _ in registry(database)}
    assert {at for model, _, at, _, _ in newest_forecasts(database) if model in learned} == {world.close_ms}


def test_a_damaged_state_is_left_out_and_no_forecast_waits_for_it(world, database, tmp_path):
    with role(database, 'worker-heavy', tmp_path, walk_forward_days=0):
        wait_for(lambda: trained(database) == 1, 'training')
    good = registry(database)
    model, step_s = next(key for key, (_, has) in sorted(good.items()) if has and key[1] == 3600)
    database.sql('INSERT INTO model_version (feed, model, step_s, fitted_ms, release, state_version, cause, fit_ms, content,'
                 " created_wall_ms) SELECT feed, model, step_s, fitted_ms + 1, release, state_version, 'drift', 1,"
                 r" '\xdeadbeef', 0 FROM model_version WHERE model = %s AND step_s = %s", (model, step_s))
    with role(database, 'worker-fast', tmp_path):
        wait_for(lambda: batches(database) == 1, 'a batch in spite of the damage')
        world.advance()
        wait_for(lambda: batches(database) == 2, 'the next batch')
    assert 'states.unreadable' in (tmp_path / 'worker-fast.log').read_text()
    assert any(name == model for name, *_ in newest_forecasts(database))


def test_forecasts_do_not_wait_for_training(world, database, tmp_path):
    """Without any state the first forecast fits by itself; a heavy lane that is busy with nothing else changes nothing."""
    with role(database, 'worker-fast', tmp_path):
        wait_for(lambda: batches(database) == 1, 'a batch without any training')
        assert database.one('SELECT count(*) FROM model_version') == 0
        world.advance()
        wait_for(lambda: batches(database) == 2, 'the second batch')
