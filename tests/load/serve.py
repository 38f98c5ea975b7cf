#!/usr/bin/python3
"""What serving a forecast costs, beside nginx's own `return 200` of as many bytes under the same header lines.

    tests/load/serve.py [--rounds 7] [--seconds 1] [--json FILE]

One worker on one core, the client on another, 64 keep-alive connections, no access log. All targets run once per round
in rotated order. The figure is the scheduler's run time of the worker, user and system, per request; the second lowest
round counts, because disturbance only adds. The core ratio is the reference's figure over the target's: how much of
nginx's own speed one core reaches. The reference sends constant text where we make an id and a max-age.

HEAD is measured with a client of our own (tests/load/hammer.c), since wrk waits for a body that does not come, and
against a 200 measured with the same client. Exit status 1: below the bars, which are printed.
"""
import argparse
import http.client
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.path.join(ROOT, os.environ.get('BUILD', 'build'))
CONNECTIONS = 64
SERVER_CORE, CLIENT_CORE = 0, 1
BODY_BYTES = 1502
PATH = '/v1/forecasts/1d'
START_LIMIT_S = 10

BAR_200 = 0.95      # core ratio against `return 200`
BAR_OTHER = 1.0     # 304 and HEAD against our own 200
NOISE = 0.02        # what two runs of the same target differ by on a shared machine

COMMON = '''
daemon off; {user} worker_processes 1; worker_cpu_affinity {affinity}; pid {dir}/pid; error_log {dir}/error.log;
events {{ worker_connections 1024; }}
http {{
    client_body_temp_path {dir}/b; proxy_temp_path {dir}/p; fastcgi_temp_path {dir}/f; scgi_temp_path {dir}/s;
    uwsgi_temp_path {dir}/u;
    access_log off;
'''

OURS = COMMON + '''
    btcf_shm_dir {dir}; include {root}/conf/http.conf;
    server {{ listen 127.0.0.1:{port}; keepalive_requests 100000000; include {root}/conf/routes.conf; }}
}}
'''

REFERENCE = COMMON + '''
    server_tokens off; keepalive_requests 100000000; default_type application/json;
    client_header_timeout 15s; client_body_timeout 15s; send_timeout 15s; reset_timedout_connection on;
    server {{
        listen 127.0.0.1:{port};
        location = ''' + PATH + ''' {{
            {headers}
            return 200 '{body}';
        }}
    }}
}}
'''


def free_port():
    with socket.socket() as s:
        s.bind(('127.0.0.1', 0))
        return s.getsockname()[1]


def make(target):
    subprocess.run(['make', '-s', '-C', ROOT, target], check=True, stdout=subprocess.DEVNULL)


def build():
    make('module')
    make(f'{BUILD}/tests/lib/segment')
    hammer = os.path.join(BUILD, 'tests/load/hammer')
    os.makedirs(os.path.dirname(hammer), exist_ok=True)
    subprocess.run(['gcc', '-O2', '-Wall', '-Wextra', '-Werror', '-o', hammer, f'{ROOT}/tests/load/hammer.c'], check=True)
    return hammer


def forecast():
    """A body of the size of a real one."""
    head = '{"id":"01J","symbol":"BTC-USD","horizon":"1d","stale":false,"quantiles":{'
    filler = ','.join(f'"0.{i:03}":{60000 + 37 * i}.25' for i in range(5, 400))
    return (head + filler)[:BODY_BYTES - 4] + '0}}\n'


class Publisher:
    def __init__(self, directory, body):
        self.process = subprocess.Popen([f'{BUILD}/tests/lib/segment'], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        text=True)
        self.do({'do': 'create', 'dir': directory})
        self.do({'do': 'doc', 'key': PATH, 'class': 'forecast', 'fresh': body, 'stale': body.replace('false', 'true'),
                 'gzip': True, 'stale_in': 3000000, 'expires_in': 9000000, 'etag': 42})
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
        while True:
            try:
                socket.create_connection(('127.0.0.1', self.port), 1).close()
                break
            except OSError:
                if time.monotonic() > end or self.process.poll() is not None:
                    sys.exit(open(f'{directory}/error.log').read())
                time.sleep(0.02)
        with open(f'/proc/{self.process.pid}/task/{self.process.pid}/children') as f:
            self.worker = int(f.read().split()[0])

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


class Wrk:
    def __init__(self, headers=()):
        self.headers = headers

    def run(self, server, seconds):
        command = ['taskset', '-c', str(CLIENT_CORE), 'wrk', '-t1', f'-c{CONNECTIONS}', f'-d{seconds}s']
        for header in self.headers:
            command += ['-H', header]
        out = subprocess.run(command + [f'http://127.0.0.1:{server.port}{PATH}'], capture_output=True, text=True,
                             check=True).stdout
        if 'Non-2xx' in out and not self.headers:
            sys.exit(f'wrk saw errors:\n{out}')
        return int(re.search(r'(\d+) requests in', out).group(1))


class Hammer:
    def __init__(self, program, method, headers=()):
        self.program = program
        self.request = '\r\n'.join([f'{method} {PATH} HTTP/1.1', 'Host: localhost', *headers, '', ''])

    def run(self, server, seconds):
        out = subprocess.run(['taskset', '-c', str(CLIENT_CORE), self.program, str(server.port), str(CONNECTIONS),
                              str(seconds)], input=self.request, capture_output=True, text=True, check=True).stdout
        return int(out)


def measure(targets, rounds, seconds):
    """name -> list of (CPU us per request, requests per second)"""
    figures = {name: [] for name, _, _ in targets}
    for i in range(rounds):
        for name, server, client in targets[i % len(targets):] + targets[:i % len(targets)]:
            before = server.cpu_ns()
            count = client.run(server, seconds)
            figures[name].append(((server.cpu_ns() - before) / 1000 / count, count / seconds))
    return figures


def low(rounds):
    return sorted(cpu for cpu, _ in rounds)[1 if len(rounds) > 1 else 0]


def median(values):
    return sorted(values)[len(values) // 2]


def same_headers(ours):
    """add_header lines that make nginx's own answer as long as ours, header by header."""
    own = {'server', 'date', 'content-type', 'content-length', 'connection'}
    return ' '.join(f"add_header {name} '{value}';" for name, value in ours if name.lower() not in own)


def report(figures, save):
    reference, ours = low(figures['return 200']), low(figures['forecast 200'])
    ours_hammer = low(figures['forecast 200, own client'])
    against = {'forecast 304': ours, 'forecast HEAD': ours_hammer}
    print(f'{"target":<26}{"CPU us/request":>16}{"core ratio":>12}{"against our 200":>17}{"requests/s":>12}')
    rows = {}
    for name, rounds in figures.items():
        cpu = low(rounds)
        base = low(figures['return 200, own client']) if name.endswith(('own client', 'HEAD')) else reference
        rows[name] = {'cpu_us': cpu, 'core_ratio': base / cpu, 'requests_s': median([r for _, r in rounds])}
        other = f'{against[name] / cpu:17.3f}' if name in against else ' ' * 17
        print(f'{name:<26}{cpu:16.2f}{base / cpu:12.3f}{other}{rows[name]["requests_s"]:12,.0f}')
    good = reference / ours >= BAR_200 and all(against[n] / low(figures[n]) >= BAR_OTHER - NOISE for n in against)
    print(f'bars: forecast 200 at least {BAR_200} of `return 200`; 304 and HEAD no dearer than the 200'
          f' (noise {NOISE}): {"met" if good else "MISSED"}')
    if save:
        with open(save, 'w') as f:
            json.dump(rows, f, indent=1)
    return good


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--rounds', type=int, default=7)
    parser.add_argument('--seconds', type=int, default=1)
    parser.add_argument('--json', help='writes the figures there')
    arguments = parser.parse_args()
    hammer = build()
    directory = tempfile.mkdtemp(prefix='btcf-serve-', dir='/dev/shm')
    os.chmod(directory, 0o755)
    body = forecast()
    running = []
    try:
        publisher = Publisher(directory, body)
        running.append(publisher)
        ours = Nginx(directory, OURS, module=f'{BUILD}/ngx_http_btcf_module.so')
        running.append(ours)
        status, headers, received = ours.get()
        if status != 200 or received != body.encode():
            sys.exit(f'unexpected answer: {status}')
        reference = Nginx(f'{directory}/reference', REFERENCE, body=body, headers=same_headers(headers))
        running.append(reference)
        lengths = [sum(len(n) + len(v) for n, v in s.get()[1]) for s in (ours, reference)]
        if lengths[0] != lengths[1] or ours.get(headers={'If-None-Match': dict(headers)['ETag']})[0] != 304:
            sys.exit(f'the answers differ: header bytes {lengths}')
        targets = [
            ('return 200', reference, Wrk()),
            ('forecast 200', ours, Wrk()),
            ('forecast 304', ours, Wrk([f'If-None-Match: {dict(headers)["ETag"]}'])),
            ('return 200, own client', reference, Hammer(hammer, 'GET')),
            ('forecast 200, own client', ours, Hammer(hammer, 'GET')),
            ('forecast HEAD', ours, Hammer(hammer, 'HEAD')),
        ]
        good = report(measure(targets, arguments.rounds, arguments.seconds), arguments.json)
    finally:
        for thing in reversed(running):
            thing.stop()
        shutil.rmtree(directory)
    return 0 if good else 1


if __name__ == '__main__':
    sys.exit(main())
