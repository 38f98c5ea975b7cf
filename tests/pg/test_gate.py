"""The gate in shared memory follows the tables: the role publish against a real database, read as workers read it."""
import json
import os
import pathlib
import secrets
import shutil
import signal
import subprocess
import time

import psycopg2
import pytest

from conftest import new_database, wait_for
from gate import DOCUMENT_READER, Rows, build_readers, gate, is_open
from world import role, shm_dir

EFFECTIVE_S = 1.0  # a change reaches every worker within a second of its commit
EXPIRY_S = 4102444800  # 2100-01-01


@pytest.fixture(scope='module', autouse=True)
def readers():
    build_readers()


@pytest.fixture(autouse=True)
def no_files_left():
    shutil.rmtree(shm_dir(), ignore_errors=True)
    yield
    shutil.rmtree(shm_dir(), ignore_errors=True)


@pytest.fixture
def rows(database):
    return Rows(database)


def tables():
    return gate('tables')


def wait_until_published():
    return wait_for(tables, 'the first file')


def soon(condition, what):
    """True within the time that the product promises."""
    return wait_for(condition, what, EFFECTIVE_S)


def jwks():
    done = subprocess.run([str(DOCUMENT_READER), f'{shm_dir()}/pub.v1', '/.well-known/jwks.json'], capture_output=True,
                          text=True, timeout=10)
    return json.loads(done.stdout)['keys'] if done.returncode == 0 else None


def kill(publisher):
    os.killpg(publisher.pid, signal.SIGKILL)
    publisher.wait()


def log_of(tmp_path):
    return (tmp_path / 'publish.log').read_text()


def last_run(tmp_path):
    """The log since the publisher was started last."""
    return log_of(tmp_path).split('engine.started')[-1]


def test_plans_are_published_though_nothing_else_exists(database, tmp_path):
    with role(database, 'publish', tmp_path):
        wait_until_published()
        assert gate('plan', 'premium') == {'name': 'premium', 'number': 2, 'scopes': 0b1011111,
                                           'period_ns': 50_000_000, 'burst': 200, 'streams_max': 5, 'quota_day': 50000,
                                           'quota_month': 1000000}
        assert gate('plan', 'admin')['period_ns'] == 0 and gate('plan', 'admin')['scopes'] == 0xff
        assert gate('plan', 'gold') == 'absent'
        assert jwks() == []


def test_what_a_key_may_do_is_what_its_row_says(rows, tmp_path):
    account, public_id, number = rows.account('premium')
    live = rows.key(account, scopes=('read', 'history', 'nonsense'), expires_s=EXPIRY_S)
    test = rows.key(account, is_test=True)
    near = rows.key(account, networks=('192.0.2.0/24', '2001:db8::/32', '198.51.100.7'))
    with role(rows.database, 'publish', tmp_path):
        wait_until_published()
        row = rows.one('SELECT row FROM api_key WHERE id = %s', (live[0],))
        assert gate('key', live[1]) == {'id': live[0], 'account': number, 'row': row, 'enabled': True, 'test': False,
                                        'scopes': 0b101, 'expires_s': EXPIRY_S, 'networks': False}
        assert gate('key', test[1])['test'] and gate('key', test[1])['expires_s'] == 0
        assert gate('account', number)['id'] == public_id and gate('subject', public_id)['number'] == number
        assert gate('account', number)['plan'] == 2 and gate('account', number)['enabled']
        answers = {address: gate('allows', near[1], address) for address in
                   ('192.0.2.255', '192.0.3.0', '198.51.100.7', '198.51.100.8', '2001:db8::1', '2001:db9::1')}
        assert answers == {'192.0.2.255': True, '192.0.3.0': False, '198.51.100.7': True, '198.51.100.8': False,
                           '2001:db8::1': True, '2001:db9::1': False}
        assert gate('allows', live[1], '203.0.113.9')
        assert gate('key', secrets.token_hex(32)) == 'absent'


def test_every_change_is_effective_within_a_second(rows, tmp_path):
    account, _, number = rows.account()
    old = rows.key(account)
    session, session_id = rows.session(account)
    with role(rows.database, 'publish', tmp_path):
        wait_until_published()
        new = rows.key(account)
        soon(lambda: is_open(new[1]), 'the new key')
        expiry = int(time.time()) + 3600
        rows.sql('UPDATE api_key SET expires_s = %s, replaced_by = %s WHERE id = %s', (expiry, new[0], old[0]))
        soon(lambda: gate('key', old[1])['expires_s'] == expiry, 'the end of the rotated key')
        rows.revoke(new[0])
        soon(lambda: not is_open(new[1]), 'the revocation of the key')
        assert is_open(old[1])

        rows.sql("UPDATE api_key SET networks = '{10.0.0.0/8}' WHERE id = %s", (old[0],))
        soon(lambda: not gate('allows', old[1], '192.0.2.1'), 'the list of networks')
        assert gate('allows', old[1], '10.1.2.3')
        rows.sql("UPDATE api_key SET networks = '{}' WHERE id = %s", (old[0],))
        soon(lambda: gate('allows', old[1], '192.0.2.1'), 'no list of networks')

        assert not gate('revoked', session_id)
        rows.sql('UPDATE session SET revoked_ms = 1 WHERE id = %s', (session,))
        soon(lambda: gate('revoked', session_id), 'the end of the session')

        now_s = int(time.time())
        rows.sql('UPDATE account SET tokens_valid_after_s = %s WHERE id = %s', (now_s, account))
        soon(lambda: gate('account', number)['tokens_valid_after_s'] == now_s, 'the end of all tokens')
        rows.sql("UPDATE account SET plan = 'enterprise' WHERE id = %s", (account,))
        soon(lambda: gate('account', number)['plan'] == 4, 'the new plan')
        rows.sql('UPDATE account SET blocked_until_s = %s, blocked_period = %s WHERE id = %s',
                 (now_s + 60, 'month', account))
        soon(lambda: gate('account', number)['blocked_until_s'] == now_s + 60, 'the block')
        assert gate('account', number)['blocked_period'] == 2
        rows.sql("UPDATE account SET state = 'suspended' WHERE id = %s", (account,))
        soon(lambda: not gate('account', number)['enabled'], 'the suspension')
        rows.sql("UPDATE plan SET rate_per_s = 50, burst = 7 WHERE name = 'free'")
        soon(lambda: gate('plan', 'free')['burst'] == 7, 'the plan')
        assert gate('plan', 'free')['period_ns'] == 20_000_000
        rows.sql("INSERT INTO plan (name, number, rate_per_s, burst, streams_max, keys_max, scopes, price_month_cents)"
                 " VALUES ('tiny', 9, 0.5, 1, 0, 1, '{read}', 1)")
        soon(lambda: gate('plan', 'tiny') != 'absent', 'a plan of one\'s own')
        assert gate('plan', 'tiny')['period_ns'] == 2_000_000_000


def test_the_published_signing_keys_are_those_that_may_verify(database, tmp_path):
    def add(kid, state, created_ms):
        database.sql("INSERT INTO signing_key (kid, algorithm, public_jwk, private_sealed, state, created_ms) VALUES"
                     " (%s, 'ES256', %s, %s, %s, %s)",
                     (kid, json.dumps({'kty': 'EC', 'crv': 'P-256', 'x': kid, 'y': 'y', 'd': 'private'}), b'sealed', state,
                      created_ms))

    def published():
        return [key['kid'] for key in jwks()]
    add('b', 'active', 2)
    with role(database, 'publish', tmp_path):
        wait_until_published()
        assert jwks() == [{'kty': 'EC', 'crv': 'P-256', 'x': 'b', 'y': 'y', 'kid': 'b', 'alg': 'ES256', 'use': 'sig'}]
        add('a', 'retired', 1)
        add('c', 'next', 3)
        soon(lambda: published() == ['a', 'b', 'c'], 'all three')
        database.sql("UPDATE signing_key SET state = 'removed' WHERE kid = 'a'")
        soon(lambda: published() == ['b', 'c'], 'the removal')


def test_a_session_is_forgotten_when_its_last_token_has_expired(rows, tmp_path):
    account = rows.account()[0]
    _, over = rows.session(account, revoked=True, until_s=int(time.time()) - 3600)
    with role(rows.database, 'publish', tmp_path):
        wait_until_published()
        assert not gate('revoked', over)
        _, brief = rows.session(account, revoked=True, until_s=int(time.time()) - 58)
        _, longer = rows.session(account, revoked=True)
        soon(lambda: gate('revoked', longer), 'the revocation')
        wait_for(lambda: not gate('revoked', brief), 'that it is forgotten', 10)
        assert gate('revoked', longer)


def test_what_was_revoked_while_the_publisher_was_dead_is_refused_by_its_first_file(rows, tmp_path):
    account, _, number = rows.account()
    kept, lost = rows.key(account), rows.key(account)
    _, early = rows.session(account, revoked=True)
    late = rows.session(account)
    with role(rows.database, 'publish', tmp_path) as publisher:
        wait_until_published()
        before = tables()
        kill(publisher)
        rows.revoke(lost[0])
        rows.sql('UPDATE session SET revoked_ms = 1 WHERE id = %s', (late[0],))
        new = rows.key(account)
        assert is_open(lost[1]), 'nobody is there to publish'
    seen = {}

    def new_file():
        """Asks only of a file that is the new one: whatever it says, it says from the beginning."""
        answer = is_open(lost[1]), is_open(new[1]), gate('revoked', late[1])
        return seen.setdefault('first', answer) if tables()['changes'] > before['changes'] else None
    with role(rows.database, 'publish', tmp_path):
        wait_for(new_file, 'the new file')
        assert seen['first'] in ((False, True, True), (True, False, False)), 'a mixture'
        assert (is_open(lost[1]), is_open(new[1]), gate('revoked', late[1])) == (False, True, True)
        assert is_open(kept[1]) and gate('revoked', early) and gate('account', number)['enabled']
    assert 'taken over in' in last_run(tmp_path)


def test_a_transaction_that_commits_late_is_not_missed(rows, tmp_path):
    account = rows.account()[0]
    first, second = rows.key(account), rows.key(account)
    with role(rows.database, 'publish', tmp_path) as publisher:
        wait_until_published()
        slow = psycopg2.connect(rows.database.url)
        try:
            slow.cursor().execute("UPDATE api_key SET state = 'revoked' WHERE id = %s", (first[0],))
            for i in range(3):  # higher transaction numbers, seen and applied earlier
                plan = ('premium', 'free', 'premium')[i]
                rows.sql('UPDATE account SET plan = %s WHERE id = %s', (plan, account))
            rows.revoke(second[0])
            soon(lambda: not is_open(second[1]), 'the revocation that commits first')
            position = tables()['position']
            assert is_open(first[1])
            slow.commit()
            soon(lambda: not is_open(first[1]), 'the revocation that commits late')
            wait_for(lambda: tables()['position'] > position, 'that the position moves on', 5)
            slow.cursor().execute("UPDATE api_key SET state = 'active' WHERE id = %s", (first[0],))
            rows.sql("UPDATE api_key SET state = 'active' WHERE id = %s", (second[0],))
            soon(lambda: is_open(second[1]), 'the key that commits first')
            kill(publisher)
            slow.commit()
        finally:
            slow.close()
    with role(rows.database, 'publish', tmp_path):
        wait_for(lambda: is_open(first[1]), 'the key that committed while nobody looked', 10)


def test_tables_of_another_database_are_not_taken_over(rows, server, migrated, tmp_path):
    account, public_id, _ = rows.account()
    key = rows.key(account)
    with role(rows.database, 'publish', tmp_path):
        wait_until_published()
        assert is_open(key[1])
        database_id = tables()['database']
    with new_database(server, migrated) as other:
        others = Rows(other)
        foreign = others.key(others.account()[0])
        with role(other, 'publish', tmp_path):
            wait_for(lambda: tables()['database'] != database_id, 'the tables of the other database')
            assert gate('key', key[1]) == 'absent' and gate('subject', public_id) == 'absent'
            assert is_open(foreign[1])


def test_a_database_that_is_replaced_while_in_use_is_noticed(rows, server, tmp_path):
    account = rows.account()[0]
    kept = rows.key(account)
    database = rows.database
    backup = f'{database.name}_backup'
    with role(database, 'publish', tmp_path):
        wait_until_published()
        database.connection.close()
        server.admin(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{database.name}'")
        wait_for(lambda: try_admin(server, f'CREATE DATABASE {backup} TEMPLATE {database.name}'), 'the backup')
        later = rows.key(account)
        soon_after = 15  # the publisher had lost its connection
        wait_for(lambda: is_open(later[1]), 'the key made after the backup', soon_after)
        database.connection.close()
        server.admin(f'DROP DATABASE {database.name} WITH (FORCE)')
        server.admin(f'ALTER DATABASE {backup} RENAME TO {database.name}')
        wait_for(lambda: not is_open(later[1]), 'that the later key is unknown', soon_after)
        assert is_open(kept[1])


def try_admin(server, statement):
    try:
        server.admin(statement)
    except psycopg2.errors.ObjectInUse:
        return False
    return True


def test_a_position_from_the_databases_future_is_not_believed(rows, tmp_path):
    account = rows.account()[0]
    first, second = rows.key(account), rows.key(account)
    with role(rows.database, 'publish', tmp_path) as publisher:
        wait_until_published()
        kill(publisher)
    # An older state of the same server cannot be made quickly; the same file with a later position is the same thing.
    path = pathlib.Path(shm_dir()) / 'pub.v1'
    content = bytearray(path.read_bytes())
    place = content.index(bytes.fromhex(tables()['database'])) + 16
    content[place:place + 8] = (1 << 40).to_bytes(8, 'little')
    with open(path, 'r+b') as file:
        file.write(content)
    assert tables()['position'] == 1 << 40
    rows.revoke(first[0])
    with role(rows.database, 'publish', tmp_path):
        wait_for(lambda: tables()['position'] < 1 << 40, 'a new file')
        assert not is_open(first[1]) and is_open(second[1])
    assert '"loaded in' in last_run(tmp_path)


def test_tables_grow_when_they_are_full(rows, tmp_path):
    settings = {'gate_keys_max': 4, 'gate_accounts_max': 2, 'gate_sessions_max': 4}
    account = rows.account()[0]
    keys = [rows.key(account)]
    with role(rows.database, 'publish', tmp_path, **settings):
        wait_until_published()
        assert tables()['keys'] == 4 and tables()['accounts'] == 2
        for i in range(40):
            if i % 10 == 9:
                account = rows.account(number=100 * i)[0]
            keys.append(rows.key(account, networks=['10.0.0.0/8'] if i % 2 else []))
        sessions = [rows.session(account, revoked=True)[1] for _ in range(100)]
        wait_for(lambda: gate('revoked', sessions[-1]) and is_open(keys[-1][1]), 'the last of them', 10)
        assert all(is_open(key[1]) for key in keys) and all(gate('revoked', session) for session in sessions)
        assert tables()['keys'] >= 41 and tables()['accounts'] > 3900
        rows.revoke(keys[3][0])
        soon(lambda: not is_open(keys[3][1]), 'a revocation in the new file')
    with role(rows.database, 'publish', tmp_path, **settings):
        wait_for(lambda: 'taken over' in last_run(tmp_path) and 'publish.live' in last_run(tmp_path), 'the restart', 10)
        assert [is_open(key[1]) for key in keys] == [i != 3 for i in range(41)]
    assert log_of(tmp_path).count('role.started') == 2, 'growth needs no restart'


def test_a_full_load_makes_room_first(rows, tmp_path):
    account = rows.account(number=5000)[0]
    keys = [rows.key(account) for _ in range(30)]
    with role(rows.database, 'publish', tmp_path, gate_keys_max=4, gate_accounts_max=4):
        wait_until_published()
        assert all(is_open(key[1]) for key in keys)
    assert 'gate_grows' not in log_of(tmp_path)


def test_documents_that_wait_do_not_hold_a_revocation_up(rows, tmp_path):
    account = rows.account()[0]
    keys = [rows.key(account) for _ in range(5)]
    with role(rows.database, 'publish', tmp_path):
        wait_until_published()
        blocker = psycopg2.connect(rows.database.url)
        try:
            blocker.cursor().execute('LOCK TABLE accuracy, component IN ACCESS EXCLUSIVE MODE')
            waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
            for key, digest in keys:
                wait_for(lambda: rows.one(waiting), 'that documents wait', 10)
                rows.revoke(key)
                soon(lambda: not is_open(digest), 'the revocation')
        finally:
            blocker.close()
        wait_for(lambda: not rows.one(waiting), 'that documents go on', 10)


def test_while_postgresql_is_away_the_gate_stays_as_it_is(rows, server, tmp_path):
    key = rows.key(rows.account()[0])
    with role(rows.database, 'publish', tmp_path):
        before = wait_until_published()
        rows.database.connection.close()
        server.stop()
        try:
            wait_for(lambda: 'database_away' in log_of(tmp_path), 'that the publisher notices')
            assert is_open(key[1]) and tables() == before
        finally:
            server.start()
        rows.revoke(key[0])
        wait_for(lambda: not is_open(key[1]), 'the revocation after the absence', 15)


def test_a_row_that_cannot_be_published_is_refused_and_holds_nothing_up(rows, tmp_path):
    account = rows.account()[0]
    sound = rows.key(account)
    with role(rows.database, 'publish', tmp_path):
        wait_until_published()
        broken = [rows.key(account), rows.key(account), rows.key(account)]
        soon(lambda: is_open(broken[2][1]), 'the keys')
        for (key, _), networks in zip(broken, (['10.0.0.0/33'], ['somewhere'], ['10.0.0.0/8'] * 9)):
            rows.sql('UPDATE api_key SET networks = %s WHERE id = %s', (networks, key))
        rows.sql("UPDATE api_key SET scopes = '{read,stream}' WHERE id = %s", (sound[0],))
        soon(lambda: gate('key', sound[1])['scopes'] == 3, 'the change after them')
        assert not any(is_open(key[1]) for key in broken)
    assert log_of(tmp_path).count('publish.gate_row') == 3


def test_rows_of_a_restored_dump_are_loaded_and_not_taken_for_changes(rows, tmp_path):
    """Their transaction numbers are another server's, here later than any of this one."""
    account = rows.account()[0]
    keys = [rows.key(account) for _ in range(3)]
    rows.sql('ALTER TABLE api_key DISABLE TRIGGER USER')
    rows.sql("UPDATE api_key SET changed = '1000000000'")
    rows.sql('ALTER TABLE api_key ENABLE TRIGGER USER')
    with role(rows.database, 'publish', tmp_path):
        wait_until_published()
        assert all(is_open(key[1]) for key in keys)
        rows.revoke(keys[0][0])
        soon(lambda: not is_open(keys[0][1]), 'a revocation')
        changes = tables()['changes']
        rows.sql("SELECT pg_notify('gate', '')")
        rows.revoke(keys[1][0])
        soon(lambda: not is_open(keys[1][1]), 'another one')
        assert tables()['changes'] == changes + 1
