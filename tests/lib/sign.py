#!/usr/bin/python3
"""Makes keys and signatures for tests of tokens, with an implementation that is not ours.

Each line of standard input is a JSON object, each is answered by one line:

    {"do": "key", "alg": "ES256"}                   the public key as a JWK, "n" its number here, "pem" as text
    {"do": "sign", "n": 0, "input": "aaa.bbb"}      base64url of the signature in the form that JWS has it
"""
import base64
import json
import sys

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa, utils

CURVES = {'ES256': (ec.SECP256R1(), 'P-256', 32, hashes.SHA256()), 'ES384': (ec.SECP384R1(), 'P-384', 48, hashes.SHA384()),
          'ES512': (ec.SECP521R1(), 'P-521', 66, hashes.SHA512())}
keys = []


def text_of(octets):
    return base64.urlsafe_b64encode(octets).rstrip(b'=').decode()


def number_text(number, size=None):
    return text_of(number.to_bytes(size or (number.bit_length() + 7) // 8, 'big'))


def make_key(alg):
    if alg in CURVES:
        curve, name, size, _ = CURVES[alg]
        key = ec.generate_private_key(curve)
        point = key.public_key().public_numbers()
        jwk = {'kty': 'EC', 'crv': name, 'x': number_text(point.x, size), 'y': number_text(point.y, size)}
    elif alg == 'EdDSA':
        key = ed25519.Ed25519PrivateKey.generate()
        raw = key.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
        jwk = {'kty': 'OKP', 'crv': 'Ed25519', 'x': text_of(raw)}
    else:
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        public = key.public_key().public_numbers()
        jwk = {'kty': 'RSA', 'n': number_text(public.n), 'e': number_text(public.e)}
    return key, {**jwk, 'alg': alg}


def signature(key, alg, octets):
    if alg in CURVES:
        _, _, size, digest = CURVES[alg]
        r, s = utils.decode_dss_signature(key.sign(octets, ec.ECDSA(digest)))
        return r.to_bytes(size, 'big') + s.to_bytes(size, 'big')
    if alg == 'EdDSA':
        return key.sign(octets)
    digest = {'256': hashes.SHA256, '384': hashes.SHA384, '512': hashes.SHA512}[alg[2:]]()
    if alg.startswith('PS'):
        return key.sign(octets, padding.PSS(padding.MGF1(digest), digest.digest_size), digest)
    return key.sign(octets, padding.PKCS1v15(), digest)


def answer(command):
    if command['do'] == 'key':
        key, jwk = make_key(command['alg'])
        keys.append((key, command['alg']))
        pem = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        return {'n': len(keys) - 1, 'jwk': jwk, 'pem': pem.decode()}
    key, alg = keys[command['n']]
    return {'signature': text_of(signature(key, alg, command['input'].encode()))}


for line in sys.stdin:
    print(json.dumps(answer(json.loads(line))), flush=True)
