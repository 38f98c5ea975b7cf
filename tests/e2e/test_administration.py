"""What an operator does on the command line, as clients meet it: without a reload, within moments."""
import itertools
import json

import pytest

from stack import wait_for

PATH = '/v1/forecasts/1d'
SOON_S = 2  # a second is promised; the other one is for a busy machine

numbers = itertools.count(1)


class Client:
    """An account of its own, with a key and a token."""

    def __init__(self, stack, plan='enterprise'):
        self.stack = stack
        self.address = f'client{next(numbers)}@example.org'
        stack.btcf('user', 'add', self.address, '--plan', plan)
        self.key = self.new_key()
        self.token = self.new_token()

    def new_key(self, *arguments):
        return json.loads(self.stack.btcf('key', 'create', '--user', self.address, *arguments, '--json'))

    def new_token(self, *arguments):
        return json.loads(self.stack.btcf('token', 'issue', '--user', self.address, *arguments, '--json'))

    def status_of_key(self, key=None):
        return self.stack.get(PATH, {'X-API-Key': (key or self.key)['key']}).status

    def status_of_token(self, token=None):
        # None: no key beside it; two credentials at once are refused.
        return self.stack.get(PATH, {'X-API-Key': None, 'Authorization': f'Bearer {(token or self.token)["token"]}'}).status

    def soon(self, key, token):
        """Both statuses, as they are soon."""
        wait_for(lambda: (self.status_of_key(), self.status_of_token()) == (key, token), f'{key} and {token}', SOON_S)


@pytest.fixture
def client(simulated):
    one = Client(simulated)
    one.soon(200, 200)
    return one


def test_logout_ends_tokens_and_leaves_keys(client):
    client.stack.btcf('user', 'logout', client.address)
    client.soon(200, 401)
    client.token = client.new_token()
    client.soon(200, 200)


def test_a_revoked_session_takes_its_tokens_and_no_others(client):
    other, sister = client.new_token(), client.new_token('--session', client.token['session'])
    client.stack.btcf('token', 'revoke', '--session', client.token['session'])
    client.soon(200, 401)
    assert (client.status_of_token(sister), client.status_of_token(other)) == (401, 200)


def test_a_suspended_account_is_refused_until_it_is_resumed(client):
    client.stack.btcf('user', 'suspend', client.address)
    client.soon(401, 401)
    client.stack.btcf('user', 'resume', client.address)
    client.soon(200, 200)


def test_rotating_a_key_keeps_both_for_the_overlap(client):
    new = json.loads(client.stack.btcf('key', 'rotate', client.key['id'], '--overlap', '1h', '--json'))
    wait_for(lambda: client.status_of_key(new) == 200, 'the new key', SOON_S)
    assert client.status_of_key() == 200
    client.stack.btcf('key', 'revoke', client.key['id'])
    client.soon(401, 200)
    assert client.status_of_key(new) == 200


def test_a_key_works_from_its_networks_alone(client):
    here, elsewhere = client.new_key('--networks', '127.0.0.0/8,::1'), client.new_key('--networks', '192.0.2.0/24')
    wait_for(lambda: client.status_of_key(here) == 200, 'a key for here', SOON_S)
    wait_for(lambda: client.status_of_key(elsewhere) == 403, 'a key for elsewhere', SOON_S)


def test_tokens_of_the_old_signing_key_stay_good_when_the_next_one_signs(client):
    client.stack.btcf('token', 'rotate-key')
    new = client.new_token()
    wait_for(lambda: client.status_of_token(new) == 200, 'a token of the next key', SOON_S)
    assert client.status_of_token() == 200
    assert len(client.stack.get('/.well-known/jwks.json').json()['keys']) == 3


def test_a_ticket_is_no_token(client):
    assert client.status_of_token(client.new_token('--ticket')) == 401


def test_a_change_of_plan_holds_at_once(simulated):
    simulated.btcf('plan', 'set', 'small', '--rate', '0.01', '--burst', '3')
    client = Client(simulated, 'small')
    wait_for(lambda: client.status_of_key() == 429, 'the burst is used up', SOON_S)
    simulated.btcf('plan', 'set', 'small', '--rate', 'none')
    client.soon(200, 200)
    simulated.btcf('plan', 'set', 'small', '--scopes', 'stream')
    client.soon(403, 403)
    simulated.btcf('user', 'plan', client.address, 'enterprise')
    client.soon(200, 200)
