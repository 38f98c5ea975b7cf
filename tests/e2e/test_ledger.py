"""The public ledger, checked as a stranger would: with nothing but what it answers and a hash function."""
import hashlib
import json

from stack import wait_for


def sha(data):
    return hashlib.sha256(data).digest()


def leaf(text):
    return sha(b'\0' + text.encode())


def root(leaves):
    if len(leaves) == 1:
        return leaves[0]
    split = 1
    while split < len(leaves) - split:
        split *= 2
    return sha(b'\1' + root(leaves[:split]) + root(leaves[split:]))


def seal(feed, entry):
    return hashlib.sha256(f'btcf-ledger-1\n{feed}\n{entry["seq"]}\n{entry["batch"]}\n{entry["root"]}\n{entry["previous"]}\n'
                          .encode()).hexdigest()


def test_the_chain_holds_from_its_first_entry_to_its_head(stack):
    wait_for(lambda: len(stack.get('/v1/ledger/entries').json()['entries']) >= 7, 'seven entries', 60, 0.5)
    assert stack.get('/v1/ledger').status == 200
    entries, path = [], '/v1/ledger?limit=3'
    while path:
        page = stack.get(path).json()
        entries += page['entries']
        path = page['next_cursor'] and f'/v1/ledger/entries?limit=3&cursor={page["next_cursor"]}'
    entries.reverse()
    assert [one['seq'] for one in entries] == list(range(1, len(entries) + 1))
    previous = '0' * 64
    for entry in entries:
        assert entry['previous'] == previous
        assert seal(page['feed'], entry) == entry['hash']
        previous = entry['hash']


def test_a_forecast_is_in_the_entry_that_it_names(stack):
    body = stack.get('/v1/forecasts/7d').json()
    proof = stack.get(f'/v1/ledger/forecasts/{body["id"]}').json()
    assert proof['seq'] == body['ledger']['seq']
    assert proof['hash'] == body['ledger']['hash'] == seal(proof['feed'], proof)
    at = leaf(proof['text'])
    for step in proof['path']:
        sibling = bytes.fromhex(step['hash'])
        at = sha(b'\1' + (sibling + at if step['side'] == 'left' else at + sibling))
    assert at.hex() == proof['root']
    fields = dict(line.split('=', 1) for line in proof['text'].splitlines())
    assert fields['id'] == body['id'] and fields['horizon_s'] == '604800'
    assert abs(float(fields['origin_price']) - body['origin_price']) < 0.01
    assert len(fields['quantiles'].split(',')) == 25


def test_an_entry_shows_all_its_leaves(stack):
    entry = stack.get('/v1/ledger/entries/1')
    body = entry.json()
    assert root([leaf(one['text']) for one in body['forecasts']]).hex() == body['root']
    assert len(body['forecasts']) == 8
    assert 'immutable' in entry.headers['Cache-Control']
    assert entry.headers['X-Request-Id']


def problem(answer):
    return answer.status, json.loads(answer.body)['code']


def test_wrong_questions_get_problems_that_say_so(stack):
    assert problem(stack.get('/v1/ledger/entries/0')) == (404, 'not-found')
    assert problem(stack.get('/v1/ledger/entries/999999999')) == (404, 'not-found')
    assert problem(stack.get('/v1/ledger/entries/x')) == (404, 'not-found')
    assert problem(stack.get('/v1/ledger/forecasts/fc_nothing')) == (404, 'not-found')
    assert problem(stack.get('/v1/ledger/nothing')) == (404, 'not-found')
    assert problem(stack.get('/v1/ledger/entries?limit=0')) == (400, 'invalid-request')
    assert problem(stack.get('/v1/ledger/entries?limit=501')) == (400, 'invalid-request')
    assert problem(stack.get('/v1/ledger/entries?cursor=1')) == (400, 'invalid-request')
    assert problem(stack.get('/v1/ledger/entries?limit=1&limit=2')) == (400, 'invalid-request')
    assert problem(stack.get('/v1/ledger/entries?x=1')) == (400, 'unknown-parameter')
    assert problem(stack.get('/v1/ledger/entries?limit=%ff')) == (400, 'invalid-request')
    answer = stack.get('/v1/ledger/entries', method='DELETE')
    assert problem(answer) == (405, 'method-not-allowed')
    assert answer.headers['Allow'] == 'GET, HEAD'
    named = json.loads(stack.get('/v1/ledger/entries/0').body)
    assert named['instance'] == '/v1/ledger/entries/0' and named['request_id']


def test_an_identity_is_checked_before_anything_is_passed_on(stack):
    answer = stack.get('/v1/ledger/entries', {'X-API-Key': 'btcf_live_nonsense'})
    assert problem(answer) == (401, 'invalid-credential')


def test_without_the_engine_it_is_503_and_reads_go_on(make_stack, history):
    stack = make_stack(settings={'mode': 'replay', 'replay_days': '1', 'walk_forward_days': '0'}, history=history)
    stack.start()
    stack.wait_ready()
    assert stack.get('/v1/ledger/entries').status == 200
    pid = stack.pid_of('btcf:api-0')
    assert pid
    import os
    import signal
    os.kill(pid, signal.SIGKILL)
    for _ in range(20):  # the other process answers, and the socket holds what the dead one would have taken
        assert stack.get('/v1/ledger/entries').status == 200
    os.kill(stack.postgres_pid(), signal.SIGINT)
    wait_for(lambda: stack.get('/v1/ledger/entries', timeout=20).status == 503, '503 without PostgreSQL', 30, 0.2)
    answer = stack.get('/v1/ledger/entries', timeout=20)
    if answer.status == 503:
        assert answer.headers['Retry-After']
        assert json.loads(answer.body)['code'] in ('unavailable', 'upstream-unavailable')
    assert stack.get('/v1/forecasts/1d').status == 200
    wait_for(lambda: stack.get('/v1/ledger/entries', timeout=20).status == 200, 'the ledger again', 60, 0.3)
