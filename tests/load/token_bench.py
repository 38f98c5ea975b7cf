#!/usr/bin/python3
"""What does a token cost that the worker has never seen, beside the bare primitive of OpenSSL in the same run?

    tests/load/token_bench.py

Everything about the token but nginx itself (tests/load/token_bench.c). Ends with status 1 when an asymmetric algorithm
costs more than 1.1 times its primitive and a microsecond, or HS256 more than 1.2 microseconds in all.
"""
import base64
import hashlib
import hmac
import json
import os
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
BUILD = os.path.join(ROOT, os.environ.get('BUILD', 'build'))
PROGRAM = os.path.join(BUILD, 'tests/load/token_bench')
SIGN = os.path.join(ROOT, 'tests/lib/sign.py')
ALGS = ('HS256', 'RS256', 'PS256', 'ES256', 'EdDSA')
SECRET = bytes(range(32))
RATIO, EXTRA_NS, HMAC_NS = 1.1, 1000, 1200


def text_of(octets):
    return base64.urlsafe_b64encode(octets).rstrip(b'=').decode()


def claims():
    now = int(time.time())
    return {'iss': 'btcf', 'aud': 'btcf', 'sub': 'a' * 32, 'sid': 'b' * 32, 'scope': 'read stream history', 'iat': now,
            'exp': now + 3600, 'jti': 'c' * 32}


class Signer:
    """tests/lib/sign.py, by its lines."""

    def __init__(self):
        self.process = subprocess.Popen([SIGN], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ask(self, **command):
        print(json.dumps(command), file=self.process.stdin, flush=True)
        return json.loads(self.process.stdout.readline())

    def token(self, alg):
        """A key set of one key, and a token of it."""
        head = json.dumps({'alg': alg, 'typ': 'JWT', 'kid': 'k1'}).encode()
        text = text_of(head) + '.' + text_of(json.dumps(claims()).encode())
        if alg == 'HS256':
            jwk = {'kty': 'oct', 'alg': alg, 'k': text_of(SECRET)}
            signature = text_of(hmac.new(SECRET, text.encode(), hashlib.sha256).digest())
        else:
            made = self.ask(do='key', alg=alg)
            jwk, signature = made['jwk'], self.ask(do='sign', n=made['n'], input=text)['signature']
        return json.dumps({'keys': [{**jwk, 'kid': 'k1'}]}), f'{text}.{signature}'

    def end(self):
        self.process.stdin.close()
        self.process.wait()


def measure(folder, alg, keys, token):
    paths = [os.path.join(folder, f'{alg}.{kind}') for kind in ('jwks', 'token')]
    for path, text in zip(paths, (keys, token)):
        with open(path, 'w') as file:
            file.write(text)
    name, primitive, path = subprocess.run([PROGRAM, *paths], stdout=subprocess.PIPE, text=True, check=True).stdout.split()
    return name, float(primitive), float(path)


def main():
    subprocess.run(['make', '-s', '-C', ROOT, f'BUILD={os.path.relpath(BUILD, ROOT)}',
                    os.path.relpath(PROGRAM, ROOT)], check=True)
    signer, missed = Signer(), 0
    print(f'{"algorithm":10} {"primitive us":>12} {"token us":>10} {"ratio":>6} {"bar us":>8}')
    with tempfile.TemporaryDirectory() as folder:
        for alg in ALGS:
            name, primitive, path = measure(folder, alg, *signer.token(alg))
            bar = HMAC_NS if alg == 'HS256' else RATIO * primitive + EXTRA_NS
            missed += path > bar
            print(f'{name:10} {primitive / 1000:12.2f} {path / 1000:10.2f} {path / primitive:6.2f} {bar / 1000:8.2f}'
                  f'{"" if path <= bar else "   MISSED"}')
    signer.end()
    return 1 if missed else 0


if __name__ == '__main__':
    sys.exit(main())
