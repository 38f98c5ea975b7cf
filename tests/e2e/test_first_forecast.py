"""From nothing to answered requests: what a newcomer sees within the first minutes."""
import gzip
import json
import os
import re

from stack import KEY, wait_for

HORIZONS = ('1h', '4h', '12h', '1d', '3d', '7d', '14d', '30d')


def scored(stack, horizon):
    """Live scores of a horizon on the scoreboard: the largest count over models."""
    answer = stack.get('/v1/accuracy')
    if answer.status != 200:
        return 0
    lines = answer.json()['horizons'].get(horizon, [])
    return max((line['n'] for line in lines if line['origin'] == 'live'), default=0)


def test_first_forecast_comes_within_a_minute_of_the_start(stack):
    line = stack.said('the first forecast is served')
    assert float(re.search(r'\((\d+\.\d) s\)', line).group(1)) < 60


def test_every_horizon_answers_with_a_whole_distribution(stack):
    for horizon in HORIZONS:
        answer = stack.get(f'/v1/forecasts/{horizon}')
        assert answer.status == 200, answer
        body = answer.json()
        levels = [float(level) for level in body['quantiles']]
        values = list(body['quantiles'].values())
        assert body['horizon'] == horizon
        assert len(levels) == 25 and levels == sorted(levels)
        assert values == sorted(values) and values[0] > 0
        assert values[0] <= body['median'] <= values[-1]
        assert 0 <= body['prob_up'] <= 1
        assert body['issued_at'] < body['target_at']


def test_bodies_say_that_they_come_from_a_replay(stack):
    # At this speed a forecast is stale within a second or two, so on a busy machine one has to look twice.
    body = wait_for(lambda: next((one for one in [stack.get('/v1/forecasts/1d').json()] if not one['stale']), None),
                    'a forecast that is not stale')
    assert body['degraded'] is True
    assert body['sources'], body
    assert body['feed']['kind'] == 'replay', body
    assert stack.get('/v1/status').json()['status'] == 'degraded'


def test_list_holds_all_horizons_and_picks(stack):
    assert [one['horizon'] for one in stack.get('/v1/forecasts').json()['forecasts']] == list(HORIZONS)
    picked = stack.get('/v1/forecasts?horizons=1h,1d').json()['forecasts']
    assert [one['horizon'] for one in picked] == ['1h', '1d']


def test_forecasts_are_scored_as_their_targets_pass(stack):
    wait_for(lambda: scored(stack, '1h') >= 20, 'twenty scored 1h forecasts on /v1/accuracy', 60, 0.5)


def test_a_known_tag_gets_304_and_no_body(stack):
    for _ in range(5):  # the replay publishes every second: between the two requests the tag may have changed
        first = stack.get('/v1/forecasts/30d')
        second = stack.get('/v1/forecasts/30d', {'If-None-Match': first.headers['ETag']})
        if second.status == 304:
            break
    assert second.status == 304
    assert second.body == b''
    assert second.headers['ETag'] == first.headers['ETag']


def test_gzip_variant_is_the_same_document_under_a_tag_of_its_own(stack):
    for _ in range(5):
        plain = stack.get('/v1/forecasts/30d')
        packed = stack.get('/v1/forecasts/30d', {'Accept-Encoding': 'gzip'})
        if gzip.decompress(packed.body) == plain.body:
            break
    assert packed.headers['Content-Encoding'] == 'gzip'
    assert gzip.decompress(packed.body) == plain.body
    assert packed.headers['ETag'] != plain.headers['ETag']


def test_head_has_the_headers_of_get_and_no_body(stack):
    answer = stack.get('/v1/forecasts/1d', method='HEAD')
    assert answer.status == 200
    assert answer.body == b''
    assert int(answer.headers['Content-Length']) > 1000


def test_errors_are_problem_documents(stack):
    for path, method, status in (('/v1/forecasts/2d', 'GET', 404), ('/v1/forecasts/1d', 'DELETE', 405),
                                 ('/v1/forecasts?horizon=1d', 'GET', 400)):
        answer = stack.get(path, method=method)
        assert answer.status == status, answer
        assert answer.headers['Content-Type'].startswith('application/problem+json')
        assert answer.json()['code'] and answer.json()['request_id']


def test_health_and_readiness_are_told_apart(stack):
    assert stack.get('/healthz').status == 200
    assert stack.get('/readyz').status == 200


def test_it_prints_addresses_that_answer(stack):
    urls = set(re.findall(r'http://127\.0\.0\.1:\d+(/\S*)', stack.text().split('Ctrl-C')[0].replace("'", '')))
    assert {'/v1/forecasts', '/v1/forecasts/1d', '/v1/accuracy', '/v1/status'} <= urls
    for path in urls:
        assert stack.get(path).status == 200, path


def first_keys(stack):
    """The first live and the first test key that it has printed."""
    keys = KEY.findall(stack.text())
    return next(key for key in keys if 'live' in key), next(key for key in keys if 'test' in key)


def test_it_prints_a_first_key_that_is_listed_and_serves(stack):
    live, test = first_keys(stack)
    assert stack.said(f"curl -s -H 'X-API-Key: {live}' http://127.0.0.1:{stack.port}/v1/forecasts/1d")
    listed = json.loads(stack.btcf('key', 'list', '--user', 'operator@localhost', '--json'))
    assert [(key['id'], key['kind']) for key in listed] == [(live[10:22], 'live'), (test[10:22], 'test')]
    assert json.loads(stack.btcf('user', 'list', '--json'))[0]['plan'] == 'enterprise'
    answer = stack.get('/v1/forecasts/1d', {'X-API-Key': live})
    assert answer.status == 200 and 'private' in answer.headers['Cache-Control']
    assert stack.get('/v1/forecasts/1d', {'X-API-Key': live[:-1] + ('0' if live[-1] != '0' else '1')}).status == 401


def test_a_revoked_key_is_refused_within_a_second(stack):
    key = json.loads(stack.btcf('key', 'create', '--user', 'operator@localhost', '--json'))
    wait_for(lambda: stack.get('/v1/forecasts/1d', {'X-API-Key': key['key']}).status == 200, 'the new key is known', 1)
    stack.btcf('key', 'revoke', key['id'])
    wait_for(lambda: stack.get('/v1/forecasts/1d', {'X-API-Key': key['key']}).status == 401, 'the key is refused', 1)


def test_the_first_key_and_the_secret_are_in_no_file_that_others_read(stack):
    needles = [key[23:66].encode() for key in first_keys(stack)]
    with open(os.path.join(stack.state, 'secret.key'), 'rb') as file:
        needles.append(file.read().strip())
    read = 0
    for folder, _, files in os.walk(stack.state):
        for name in files:
            path = os.path.join(folder, name)
            if name == 'secret.key':
                assert os.stat(path).st_mode & 0o777 == 0o600
                continue
            try:
                with open(path, 'rb') as file:
                    text = file.read()
            except OSError:  # a socket, or a file that PostgreSQL has removed meanwhile
                continue
            read += 1
            assert not any(needle in text for needle in needles), path
    assert read > 100


def test_the_stack_has_keys_to_sign_tokens_from_the_start(stack):
    token = stack.btcf('token', 'issue', '--user', 'operator@localhost').strip()
    assert len(token.split('.')) == 3


def test_nothing_runs_as_root(stack):
    seen = set()
    for pid, name in stack.processes().items():
        try:
            with open(f'/proc/{pid}/status', encoding='utf-8') as file:
                uids = next(line for line in file if line.startswith('Uid:')).split()[1:]
        except OSError:
            continue  # it ended meanwhile, as PostgreSQL's helpers do all the time
        assert '0' not in uids, (pid, name)
        seen.add(name)
    assert all(any(name.startswith(server) for name in seen) for server in ('postgres', 'nginx', 'btcf')), seen


def test_simulator_serves_without_any_file_and_says_so(simulated):
    body = simulated.get('/v1/forecasts/1d').json()
    assert body['degraded'] is True
    assert body['feed']['kind'] == 'simulated', body
