"""`btcf migrate`: each migration once, in order, never over a schema that is not ours."""
import subprocess
import threading

from conftest import BTCF


def test_up_applies_everything_once(empty_database):
    assert 'pending' in empty_database.btcf('migrate', 'status').stdout
    assert 'applied' in empty_database.btcf('migrate', 'up').stdout
    assert empty_database.btcf('migrate', 'up').stdout == 'the schema is up to date\n'
    status = empty_database.btcf('migrate', 'status').stdout
    assert 'applied' in status and 'pending' not in status
    assert empty_database.one('SELECT count(*) FROM candle') == 0


def test_status_changes_nothing(empty_database):
    empty_database.btcf('migrate', 'status')
    assert empty_database.one("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'") == 0


def test_refuses_a_migration_that_was_applied_with_another_text(database):
    database.sql("UPDATE schema_migration SET sha256 = repeat('0', 64) WHERE number = 1")
    done = database.btcf('migrate', 'up', status=1)
    assert '0001_core was applied with another text' in done.stderr
    assert 'changed' in database.btcf('migrate', 'status').stdout


def test_refuses_a_schema_of_a_newer_btcf(database):
    database.sql("INSERT INTO schema_migration VALUES (9000, '9000_future', 'x', 1)")
    done = database.btcf('migrate', 'up', status=1)
    assert '9000_future, which this btcf does not know' in done.stderr


def test_refuses_a_schema_that_misses_a_migration_before_one_it_has(database):
    database.sql('DELETE FROM schema_migration WHERE number = 1')
    database.sql("INSERT INTO schema_migration VALUES (9000, '9000_future', 'x', 1)")
    assert 'skipped' in database.btcf('migrate', 'status').stdout
    assert '0001_core was never applied' in database.btcf('migrate', 'up', status=1).stderr


def test_a_migration_that_fails_leaves_nothing_behind(empty_database):
    empty_database.sql('CREATE TABLE score (in_the_way integer)')
    done = empty_database.btcf('migrate', 'up', status=1)
    assert '"score" already exists' in done.stderr
    assert empty_database.one("SELECT to_regclass('candle')") is None
    assert empty_database.one('SELECT count(*) FROM schema_migration') == 0


def test_two_at_once_take_turns(empty_database):
    commands = [subprocess.Popen([BTCF, 'migrate', 'up', '--database-url', empty_database.url], stdout=subprocess.PIPE,
                                 stderr=subprocess.PIPE, text=True) for _ in range(4)]
    outputs = [command.communicate(timeout=60) for command in commands]
    assert [command.returncode for command in commands] == [0] * 4, outputs
    assert sorted('up to date' in output for output, _ in outputs) == [False, True, True, True]


def test_waits_for_a_lock_longer_than_the_statement_timeout(empty_database):
    """The lock of another migration is waited for, not taken for a hung server."""
    empty_database.sql('SELECT pg_advisory_lock(1651794790)')
    timer = threading.Timer(4.0, lambda: empty_database.sql('SELECT pg_advisory_unlock(1651794790)'))
    timer.start()
    try:
        empty_database.btcf('migrate', 'up', '--set', 'database_timeout_ms=500')
    finally:
        timer.join()


def test_an_unreachable_server_is_told_plainly(tmp_path):
    done = subprocess.run([BTCF, 'migrate', 'up', '--database-url', f'host={tmp_path} dbname=x'], text=True,
                          capture_output=True, timeout=60)
    assert done.returncode == 1
    assert 'cannot connect to PostgreSQL' in done.stderr
