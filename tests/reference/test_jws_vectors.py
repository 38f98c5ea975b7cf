"""Every JWS conformance vector beside the checkout, through `btcf token verify --jws`.

Wycheproof's signatures and key sets, the RFC 7520 cookbook and the examples of RFC 7515, 7519 and 8037. Their payloads
are texts, not claims: what is asked here is the signature level alone. A key that names no algorithm gets the one that
the vector names, as an operator would with --alg.

One vector contradicts itself: Wycheproof's Figure20 (RFC 7520 4.2) is a PS384 token beside a key that says PS256. With us a
key has one algorithm, so the key as it stands must refuse it; --alg PS384, an operator's word on what the key is for,
must accept it. Both are tested.
"""
import base64
import glob
import json
import os

import pytest

from conftest import SHARED, btcf

FOLDER = os.path.join(SHARED, 'vectors', 'jws')
ABSENT = f'NOT MEASURED: {FOLDER} is not here (BTCF_SHARED names its parent)'
SUPPORTED = {'HS256', 'HS384', 'HS512', 'RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384',
             'ES512', 'EdDSA', 'Ed25519'}
CONTRADICTION = 'Figure20'


def load(name):
    with open(os.path.join(FOLDER, name)) as file:
        return json.load(file)


def wycheproof(prefix):
    """(name, key or key set, --alg or None, token, expected validity) of both Wycheproof files."""
    for path in sorted(glob.glob(os.path.join(FOLDER, f'{prefix}*.json'))):
        for group in load(path)['testGroups']:
            keys = group.get('public') or group['private']
            for test in group['tests']:
                name = f'{group["comment"]}-{test["tcId"]}-{test["comment"]}'
                alg = 'PS384' if test['comment'] == CONTRADICTION else None
                yield name, keys, alg, test['jws'], test['result'] == 'valid'


def cookbook():
    for path in sorted(glob.glob(os.path.join(FOLDER, 'rfc7520_cookbook', '*.json'))):
        vector = load(path)
        if 'output' in vector:
            source = vector['input']
            yield vector['title'], source['key'], source['alg'], vector['output']['compact'], True


def examples():
    for vector in load('rfc7515_rfc8037_examples.json'):
        if 'jws' in vector:
            is_valid = vector['alg'] != 'none'
            key = vector['jwk'] or {'kty': 'oct', 'k': 'A' * 43}
            yield vector['source'], key, vector['alg'] if is_valid else None, vector['jws'], is_valid


def is_supported(token):
    header = token.split('.')[0]
    return json.loads(base64.urlsafe_b64decode(header + '=' * (-len(header) % 4)))['alg'] in SUPPORTED


def vectors():
    if not os.path.isdir(FOLDER):
        return [pytest.param(None, None, None, None, marks=pytest.mark.skip(reason=ABSENT), id='absent')]
    rows = [*wycheproof('wycheproof_json_web_signature'), *wycheproof('wycheproof_json_web_key'), *cookbook(),
            *examples()]
    return [pytest.param(keys, alg, token, is_valid and is_supported(token), id=name)
            for name, keys, alg, token, is_valid in rows]


def verify(tmp_path, keys, alg, token):
    path = tmp_path / 'keys.json'
    path.write_text(json.dumps(keys))
    text = token if isinstance(token, str) else json.dumps(token)
    return btcf('token', 'verify', '--jwks', path, *(['--alg', alg] if alg else []), '--jws', '--', text)


@pytest.mark.parametrize('keys,alg,token,is_valid', vectors())
def test_the_vector_gets_its_verdict(tmp_path, keys, alg, token, is_valid):
    result = verify(tmp_path, keys, alg, token)
    if is_valid:
        assert (result.returncode, result.stdout) == (0, 'valid\n'), result.stderr
    else:
        # The token was judged, or none of its keys could be used.
        assert result.returncode in (1, 2) and 'valid\n' != result.stdout
        assert result.stdout.startswith('invalid: ') if result.returncode == 1 else keys_refused(result.stderr)


def keys_refused(complaint):
    return 'keys.json: ' in complaint


@pytest.mark.skipif(not os.path.isdir(FOLDER), reason=ABSENT)
def test_a_key_that_says_ps256_refuses_the_ps384_token_of_figure20(tmp_path):
    (_, keys, _, token, _), = [row for row in wycheproof('wycheproof_json_web_signature')
                               if row[0].endswith(CONTRADICTION)]
    assert verify(tmp_path, keys, None, token).stdout == 'invalid: wrong-alg\n'


@pytest.mark.skipif(not os.path.isdir(FOLDER), reason=ABSENT)
def test_there_are_as_many_vectors_as_the_folder_says():
    rows = [*wycheproof('wycheproof_json_web_signature')]
    assert len(rows) == 191 and sum(row[4] for row in rows) > 20
    assert len([*wycheproof('wycheproof_json_web_key')]) == 13
    assert len([*cookbook()]) == 5


@pytest.mark.skipif(not os.path.isdir(FOLDER), reason=ABSENT)
def test_a_batch_says_the_same_as_one_call_each(tmp_path):
    group = load('wycheproof_json_web_signature.dev.json')['testGroups'][0]
    tokens = [test['jws'] for test in group['tests'] if isinstance(test['jws'], str) and '\n' not in test['jws']]
    path = tmp_path / 'keys.json'
    path.write_text(json.dumps(group['private']))
    with open(tmp_path / 'tokens', 'w+') as file:
        file.write(''.join(token + '\n' for token in tokens))
        file.seek(0)
        result = btcf('token', 'verify', '--jwks', path, '--jws', '--batch', stdin=file)
    single = [verify(tmp_path, group['private'], None, token).stdout for token in tokens]
    assert result.returncode == 0 and result.stdout.splitlines(keepends=True) == single
