"""Rows behind the gate made by hand, and the gate as workers read it from shared memory."""
import hashlib
import json
import secrets
import subprocess
import time

from conftest import BTCF, make
from world import shm_dir

READER = BTCF.parent / 'tests/pg/read_gate'
DOCUMENT_READER = BTCF.parent / 'tests/pg/read_document'


def build_readers():
    make(READER, DOCUMENT_READER)


def gate(*question):
    """What the published gate answers: a dict, a bool, "absent"; None when there is no file."""
    done = subprocess.run([str(READER), f'{shm_dir()}/pub.v1', *map(str, question)], capture_output=True, text=True,
                          timeout=10)
    assert done.returncode in (0, 3), f'{question}: {done.returncode} {done.stderr}'
    return json.loads(done.stdout) if done.returncode == 0 else None


def is_open(digest):
    """Would a request with this key be let in?"""
    key = gate('key', digest)
    return isinstance(key, dict) and key['enabled']


class Rows:
    """Accounts, keys and sessions, as the engine's commands would store them."""

    def __init__(self, database):
        self.database = database
        self.sql, self.one = database.sql, database.one
        self.next_row = self.one('SELECT coalesce(max(row), -1) + 1 FROM usage_row')
        self.next_number = self.one('SELECT coalesce(max(number), -1) + 1 FROM account')

    def usage_row(self):
        self.next_row += 1
        self.sql('INSERT INTO usage_row (row) VALUES (%s)', (self.next_row - 1,))
        return self.next_row - 1

    def account(self, plan='free', number=None):
        """Returns (id, public id, number)."""
        if number is None:
            number, self.next_number = self.next_number, self.next_number + 1
        public_id = secrets.token_hex(16)
        row = self.usage_row()
        id = self.one('INSERT INTO account (public_id, number, row, email, plan, created_ms) VALUES (%s, %s, %s, %s, %s, 0)'
                      ' RETURNING id', (public_id, number, row, public_id + '@example.org', plan))
        return id, public_id, number

    def key(self, account_id, networks=(), expires_s=None, scopes=('read',), is_test=False):
        """Returns (id, digest)."""
        digest = hashlib.sha256(secrets.token_bytes(16)).hexdigest()
        id = self.one("INSERT INTO api_key (public_id, account_id, name, is_test, digest, scopes, networks, expires_s, row,"
                      " created_ms) VALUES (%s, %s, 'k', %s, decode(%s, 'hex'), %s, %s, %s, %s, 0) RETURNING id",
                      (secrets.token_hex(6), account_id, is_test, digest, list(scopes), list(networks), expires_s,
                       self.usage_row()))
        return id, digest

    def revoke(self, key_id):
        self.sql("UPDATE api_key SET state = 'revoked', revoked_ms = 1 WHERE id = %s", (key_id,))

    def session(self, account_id, revoked=False, until_s=None):
        """Returns (id, public id)."""
        public_id = secrets.token_hex(16)
        until_s = int(time.time()) + 900 if until_s is None else until_s
        return self.one('INSERT INTO session (public_id, account_id, created_ms, token_until_s, revoked_ms)'
                        ' VALUES (%s, %s, 0, %s, %s) RETURNING id', (public_id, account_id, until_s,
                                                                     1 if revoked else None)), public_id
