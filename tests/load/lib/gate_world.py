"""The world of the gate's benchmarks: 1,000 accounts with a key each, tokens of all kinds, and the servers that check them."""
import hashlib
import json
import os
import subprocess
import sys

from credentials import Signer, api_key, write_lines
from servers import COMMON, MODULE, PATH, Nginx, Publisher, forecast, free_port

USERS = 1000
UNSEEN = {'HS256': 40000, 'RS256': 4000, 'ES256': 4000, 'EdDSA': 4000}
RATE_PER_S, BURST = 1000000, 1000000

GATE = '''
    btcf_shm_dir {dir}; btcf_edge keys=4096 accounts=4096 principals=65536 addresses=65536; include {root}/conf/http.conf;
    btcf_auth optional; btcf_plan bench; btcf_token_cache {cache};
    btcf_limit_failures rate=1000000r/s burst=1000000;
    {issuers}
    server {{
        listen 127.0.0.1:{port} backlog=4096; {listen} keepalive_requests 100000000;
        location = /required {{ btcf_auth required; btcf_document; }}
        include {root}/conf/routes.conf;
    }}
}}
'''

REFERENCE = COMMON + '''
    server_tokens off; keepalive_requests 100000000; default_type application/json;
    client_header_timeout 15s; client_body_timeout 15s; send_timeout 15s; reset_timedout_connection on;
    map_hash_max_size 65536; map_hash_bucket_size 256;
    map $http_x_api_key $user {{ default ""; include {dir}/keys.map; }}
    limit_req_zone $user zone=users:10m rate=1000000r/s; limit_req_status 429;
    open_file_cache max=16; open_file_cache_valid 3600s; open_file_cache_errors on;
    server {{
        listen 127.0.0.1:{port} backlog=4096; {listen} root {dir};
        location = ''' + PATH + ''' {{ {headers} return 200 '{body}'; }}
        location = /apikey {{
            if ($user = "") {{ return 401; }}
            limit_req zone=users burst=1000000 nodelay;
            try_files /none @body;
        }}
        location @body {{ {headers} return 200 '{body}'; }}
    }}
}}
'''


def public_id(i):
    """Ids are as good as random everywhere: the tables rely on it."""
    return hashlib.md5(str(i).encode()).hexdigest()


class World:
    """The tables, the credentials and the servers of one run."""

    def __init__(self, directory):
        self.directory, self.running = directory, []
        self.lines = {}
        self.before_live = [{'do': 'plan', 'number': 0, 'name': 'guest', 'rate': RATE_PER_S, 'burst': BURST,
                             'scopes': ['read', 'stream'], 'streams': 1},
                            {'do': 'plan', 'number': 1, 'name': 'bench', 'rate': RATE_PER_S, 'burst': BURST,
                             'quota_day': 10 ** 12, 'quota_month': 10 ** 13, 'scopes': ['read', 'stream'], 'streams': 1},
                            {'do': 'plan', 'number': 2, 'name': 'tiny', 'rate': 0.001, 'burst': 1,
                             'scopes': ['read'], 'streams': 0}]
        self.make_keys()
        self.make_tokens()

    def path(self, name):
        return f'{self.directory}/{name}'

    def make_keys(self):
        texts = []
        for i in range(USERS + 1):
            text = api_key()
            self.before_live.append({'do': 'account', 'number': i, 'row': i, 'id': public_id(i),
                                     'plan': 1 if i < USERS else 2})
            self.before_live.append({'do': 'key', 'text': text, 'account': i, 'row': 2048 + i, 'id': i + 1,
                                     'scopes': ['read', 'stream']})
            texts.append(text)
        self.lines['limited key'] = write_lines(self.path('limited'), 'X-API-Key', [texts.pop()])
        self.lines['key'] = write_lines(self.path('key'), 'X-API-Key', texts)
        self.lines['unknown key'] = write_lines(self.path('unknown'), 'X-API-Key',
                                                [api_key() for _ in range(USERS)])
        with open(self.path('keys.map'), 'w') as f:
            f.writelines(f'"{text}" user-{i};\n' for i, text in enumerate(texts))

    def make_tokens(self):
        own = Signer('ES256', 'btcf', aud='btcf')
        self.own_jwks = json.dumps({'keys': [own.jwk()]})
        self.lines['own token'] = write_lines(self.path('own'), 'Authorization', [
            f'Bearer {own.token(public_id(i), sid=public_id(-i), jti=str(i))}' for i in range(USERS)])
        for name in UNSEEN:
            signer = Signer(name, f'https://{name.lower()}.example')
            with open(self.path(f'{name}.jwks'), 'w') as f:
                json.dump({'keys': [signer.jwk()]}, f)
            tokens = [f'Bearer {signer.token(f"user-{i % USERS:06}", jti=str(i))}' for i in range(UNSEEN[name])]
            self.lines[f'{name} unseen'] = write_lines(self.path(f'{name}.unseen'), 'Authorization', tokens)
            self.lines[f'{name} seen'] = write_lines(self.path(f'{name}.seen'), 'Authorization', tokens[:USERS])
        self.lines['bad form'] = write_lines(self.path('form'), 'Authorization', [
            f'Bearer {token[len("Bearer "):-8]}=!{i:06}' for i, token in enumerate(tokens[:USERS])])

    def start(self):
        """Ours with a normal and with the smallest cache, and bare nginx with the header lines that ours sends."""
        body = forecast()
        self.make_certificate()
        jwks = {'do': 'doc', 'key': '/.well-known/jwks.json', 'class': 'static', 'fresh': self.own_jwks}
        self.running.append(Publisher(self.directory, body, create={'keys': 4096, 'accounts': 4096},
                                      before_live=[*self.before_live, jwks]))
        issuers = ' '.join(f'btcf_jwks_file {self.path(name)}.jwks issuer=https://{name.lower()}.example;' for name in UNSEEN)
        self.ours = self.nginx('', COMMON + GATE, MODULE, cache=4096, issuers=issuers)
        self.share('cold', 'pub.v1')
        self.cold = self.nginx('cold', COMMON + GATE, MODULE, cache=64, issuers=issuers)
        headers = self.answer(self.ours, self.lines['key'])
        own = {'server', 'date', 'content-type', 'content-length', 'connection'}
        same = ' '.join(f"add_header {n} '{v}' always;" for n, v in headers if n.lower() not in own)
        self.share('bare', 'keys.map')
        self.bare = self.nginx('bare', REFERENCE, body=body, headers=same)
        lengths = [sum(len(n) + len(v) for n, v in h) for h in (headers, self.answer(self.bare, self.lines['key']))]
        if abs(lengths[0] - lengths[1]) > 4:  # digits of what remains
            sys.exit(f'the answers differ: header bytes {lengths}')

    def share(self, name, *files):
        os.makedirs(self.path(name))
        for file in files:
            os.link(self.path(file), self.path(f'{name}/{file}'))

    def make_certificate(self):
        subprocess.run(['openssl', 'req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes',
                        '-keyout', self.path('key.pem'), '-out', self.path('cert.pem'), '-subj', '/CN=localhost',
                        '-days', '1'], check=True, stderr=subprocess.DEVNULL)

    def nginx(self, name, template, module=None, **values):
        secure_port = free_port()
        listen = (f'listen 127.0.0.1:{secure_port} ssl http2 backlog=4096; ssl_certificate {self.path("cert.pem")};'
                  f' ssl_certificate_key {self.path("key.pem")}; http2_max_concurrent_streams 128;')
        server = Nginx(self.path(name) if name else self.directory, template, module, listen=listen, **values)
        server.secure_port = secure_port
        self.running.append(server)
        return server

    def answer(self, server, lines):
        with open(lines) as f:
            name, value = f.readline().rstrip('\n').split(': ', 1)
        status, headers, _ = server.get(headers={name: value})
        if status != 200:
            sys.exit(f'{name}: status {status}')
        return headers

    def stop(self):
        for thing in reversed(self.running):
            thing.stop()
