"""What the benchmarks of this folder run: an nginx of one worker on one core, and the publisher of the tests."""
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
BUILD = os.path.join(ROOT, os.environ.get('BUILD', 'build'))
MODULE = f'{BUILD}/ngx_http_btcf_module.so'
AWAKE = f'{BUILD}/tests/load/awake.so'
SERVER_CORE = 0
BODY_BYTES = 1502
PATH = '/v1/forecasts/1d'
START_LIMIT_S = 10

COMMON = '''
daemon off; {user} worker_processes 1; worker_cpu_affinity {affinity}; pid {dir}/pid; error_log {dir}/error.log;
worker_rlimit_nofile 20000;
events {{ worker_connections 9000; }}
http {{
    client_body_temp_path {dir}/b; proxy_temp_path {dir}/p; fastcgi_temp_path {dir}/f; scgi_temp_path {dir}/s;
    uwsgi_temp_path {dir}/u;
    access_log off;
'''


def free_port():
    with socket.socket() as s:
        s.bind(('127.0.0.1', 0))
        return s.getsockname()[1]


def make(target):
    subprocess.run(['make', '-s', '-C', ROOT, target], check=True, stdout=subprocess.DEVNULL)


def build():
    make('module')
    make(os.path.relpath(f'{BUILD}/tests/lib/segment', ROOT))  # the rules of the Makefile are for relative paths
    hammer = os.path.join(BUILD, 'tests/load/hammer')
    os.makedirs(os.path.dirname(hammer), exist_ok=True)
    compiler = ['gcc', '-O2', '-Wall', '-Wextra', '-Werror']
    subprocess.run([*compiler, '-o', hammer, f'{ROOT}/tests/load/hammer.c'], check=True)
    subprocess.run([*compiler, '-shared', '-fPIC', '-o', AWAKE, f'{ROOT}/tests/load/lib/awake.c'], check=True)
    return hammer


def forecast():
    """A body of the size of a real one."""
    head = '{"id":"01J","symbol":"BTC-USD","horizon":"1d","stale":false,"quantiles":{'
    filler = ','.join(f'"0.{i:03}":{60000 + 37 * i}.25' for i in range(5, 400))
    return (head + filler)[:BODY_BYTES - 4] + '0}}\n'


class Publisher:
    """A publisher of one forecast; `do` takes any other line that tests/lib/segment.c knows."""

    def __init__(self, directory, body, create=None, before_live=()):
        self.process = subprocess.Popen([f'{BUILD}/tests/lib/segment'], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        text=True)
        self.do({'do': 'create', 'dir': directory, **(create or {})})
        self.do({'do': 'doc', 'key': PATH, 'class': 'forecast', 'fresh': body, 'stale': body.replace('false', 'true'),
                 'gzip': True, 'stale_in': 3000000, 'expires_in': 9000000, 'etag': 42})
        for line in before_live:
            self.do(line)
        self.do({'do': 'live'})

    def do(self, command):
        self.process.stdin.write(json.dumps(command) + '\n')
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        if answer != 'ok\n':
            sys.exit(f'publisher: {answer}')

    def stop(self):
        self.process.stdin.close()
        self.process.wait(START_LIMIT_S)


class Nginx:
    def __init__(self, directory, template, module=None, **values):
        """`template` is filled with dir, root, port, affinity, user and `values`."""
        os.makedirs(directory, exist_ok=True)
        self.port = free_port()
        affinity = format(1 << SERVER_CORE, 'b')
        user = 'user root;' if os.geteuid() == 0 else ''
        text = template.format(dir=directory, root=ROOT, port=self.port, affinity=affinity, user=user, **values)
        if module:
            text = f'load_module {module};\n' + text
        with open(f'{directory}/nginx.conf', 'w') as f:
            f.write(text)
        self.process = subprocess.Popen(['/usr/sbin/nginx', '-p', directory, '-e', f'{directory}/error.log', '-c',
                                         f'{directory}/nginx.conf'])
        end = time.monotonic() + START_LIMIT_S
        while not self.is_up():
            if time.monotonic() > end or self.process.poll() is not None:
                sys.exit(open(f'{directory}/error.log').read())
            time.sleep(0.02)

    def is_up(self):
        """Listens, and has its worker."""
        try:
            socket.create_connection(('127.0.0.1', self.port), 1).close()
        except OSError:
            return False
        with open(f'/proc/{self.process.pid}/task/{self.process.pid}/children') as f:
            children = f.read().split()
        self.worker = int(children[0]) if children else 0
        return self.worker != 0

    def cpu_ns(self):
        with open(f'/proc/{self.worker}/schedstat') as f:
            return int(f.read().split()[0])

    def get(self, method='GET', headers=None):
        connection = http.client.HTTPConnection('127.0.0.1', self.port, timeout=5)
        connection.request(method, PATH, headers=headers or {})
        response = connection.getresponse()
        return response.status, response.getheaders(), response.read()

    def stop(self):
        self.process.send_signal(signal.SIGQUIT)
        try:
            self.process.wait(START_LIMIT_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
