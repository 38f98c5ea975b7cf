"""API keys, tokens and key files for benchmarks: made here, so that the code under test does not make its own input."""
import base64
import hashlib
import hmac
import json
import os
import secrets
import time
import zlib

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa, utils

BASE62 = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'
LIFETIME_S = 36000


def random_text(length):
    return ''.join(secrets.choice(BASE62) for _ in range(length))


def api_key():
    """The text of a key, as engine/crypto/api_key.h has it."""
    text = f'btcf_live_{random_text(12)}_{random_text(43)}'
    check, left = '', zlib.crc32(text.encode())
    for _ in range(6):
        left, digit = divmod(left, 62)
        check = BASE62[digit] + check
    return text + check


def base64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b'=').decode()


def number(value, size=None):
    return base64url(value.to_bytes(size or (value.bit_length() + 7) // 8, 'big'))


class Signer:
    """One key of an algorithm: signs tokens, and describes itself as a JWK."""

    def __init__(self, algorithm, issuer, **claims):
        """`claims` stand in every token of it."""
        self.algorithm, self.kid = algorithm, f'bench-{algorithm}'
        self.claims = {'iss': issuer, **claims}
        make = {'HS256': lambda: os.urandom(32), 'RS256': lambda: rsa.generate_private_key(65537, 2048),
                'ES256': lambda: ec.generate_private_key(ec.SECP256R1()), 'EdDSA': ed25519.Ed25519PrivateKey.generate}
        self.key = make[algorithm]()
        self.header = base64url(json.dumps({'alg': algorithm, 'typ': 'JWT', 'kid': self.kid}).encode())

    def sign(self, text):
        if self.algorithm == 'HS256':
            return hmac.new(self.key, text, hashlib.sha256).digest()
        if self.algorithm == 'RS256':
            return self.key.sign(text, padding.PKCS1v15(), hashes.SHA256())
        if self.algorithm == 'EdDSA':
            return self.key.sign(text)
        r, s = utils.decode_dss_signature(self.key.sign(text, ec.ECDSA(hashes.SHA256())))
        return r.to_bytes(32, 'big') + s.to_bytes(32, 'big')

    def token(self, subject, **claims):
        now = int(time.time())
        payload = {**self.claims, 'sub': subject, 'iat': now, 'exp': now + LIFETIME_S, 'scope': 'read stream', **claims}
        text = f'{self.header}.{base64url(json.dumps(payload).encode())}'
        return f'{text}.{base64url(self.sign(text.encode()))}'

    def jwk(self):
        common = {'kid': self.kid, 'alg': self.algorithm, 'use': 'sig'}
        if self.algorithm == 'HS256':
            return {'kty': 'oct', 'k': base64url(self.key), **common}
        public = self.key.public_key()
        if self.algorithm == 'RS256':
            numbers = public.public_numbers()
            return {'kty': 'RSA', 'n': number(numbers.n), 'e': number(numbers.e), **common}
        if self.algorithm == 'ES256':
            numbers = public.public_numbers()
            return {'kty': 'EC', 'crv': 'P-256', 'x': number(numbers.x, 32), 'y': number(numbers.y, 32), **common}
        raw = public.public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
        return {'kty': 'OKP', 'crv': 'Ed25519', 'x': base64url(raw), **common}


def write_lines(path, name, values):
    """A file of header lines for cycle.lua."""
    with open(path, 'w') as f:
        f.writelines(f'{name}: {value}\n' for value in values)
    return path
