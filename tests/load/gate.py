#!/usr/bin/python3
"""What the gate costs: authentication, limits and metering, beside bare nginx and beside nginx's own map + limit_req.

    tests/load/gate.py [--rounds 7] [--seconds 1] [--parts core,awake,growth,secure,memory] [--only REGEX]
                       [--json FILE]

The reference is nginx's `return 200` that receives the same credential, ignores it, and sends the same header lines. The
peer nginx-apikey (map of keys, limit_req by user) sends them too. Targets cycle through 1,000 users; "unseen" ones
through thousands of tokens with the smallest cache there can be. How it is measured: lib/rounds.py.

core: each kind of answer (--only: those whose name has the pattern, and what they are compared with). awake: tokens never
seen, from a client that never sleeps. growth: 512 and 4,096 connections. secure: HTTPS and HTTP/2. memory: worker and
master, and what an idle connection holds. Exit status 1: below a bar; the bars are printed with their figures.
"""
import argparse
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), 'lib'))
from gate_world import World  # noqa: E402
from rounds import CLIENT_CORE, CONNECTIONS, Wrk, low, measure  # noqa: E402
from servers import BUILD, PATH, ROOT, SERVER_CORE, build, make  # noqa: E402

NOISE_US = 0.1          # what two runs of the same target differ by on a shared machine
P99_BAR = 1.1           # times nginx-apikey's best
GROWTH = (64, 512, 4096)
GROWTH_BAR = 0.03       # the core ratio may be lower than at 64 connections by this
PSS_BAR_KB = 8 * 1024   # worker and master, without what they share with the engine
IDLE_BAR_BYTES = 600
IDLE_CONNECTIONS = 4000


class Target:
    """What is measured, what it is compared with, and how much dearer it may be: in us, and as a core ratio."""

    def __init__(self, name, server, client, reference=None, over=None, ratio=None, primitive=None):
        self.name, self.server, self.client, self.reference = name, server, client, reference
        self.over, self.ratio, self.primitive = over, ratio, primitive

    def row(self):
        return self.name, self.server, self.client


def cycle(world, path, lines, **options):
    return Wrk(path, requests=world.lines[lines], **options)


def core_targets(world):
    ours, bare, cold = world.ours, world.bare, world.cold
    tag = dict(world.answer(ours, world.lines['key']))['ETag']
    other = tag[::-1]  # the 304 is compared with what the same request costs when it is answered in full
    # tokens differ in length, and nginx reads what it is sent: each kind is compared with bare nginx being sent the same
    bare_tokens = [Target(f'return 200, {name}', bare, cycle(world, PATH, f'{name} seen'))
                   for name in ('HS256', 'RS256', 'ES256', 'EdDSA')]
    unseen = [Target(f'{name} unseen', cold, cycle(world, PATH, f'{name} unseen'), f'return 200, {name}', primitive=name)
              for name in ('RS256', 'ES256', 'EdDSA')]
    return [
        Target('return 200, key', bare, cycle(world, PATH, 'key')),
        *bare_tokens,
        Target('return 200, own token', bare, cycle(world, PATH, 'own token')),
        Target('nginx-apikey', bare, cycle(world, '/apikey', 'key'), 'return 200, key'),
        Target('API key', ours, cycle(world, PATH, 'key'), 'return 200, key', 0.3, 0.95),
        Target('HS256 seen', ours, cycle(world, PATH, 'HS256 seen'), 'return 200, HS256', 0.6, 0.93),
        Target('own ES256 seen', ours, cycle(world, PATH, 'own token'), 'return 200, own token', 0.6, 0.93),
        Target('HS256 unseen', cold, cycle(world, PATH, 'HS256 unseen'), 'return 200, HS256', 1.2),
        *unseen,
        Target('200, other tag', ours, Wrk(PATH, [f'If-None-Match: {other}'], requests=world.lines['key']), 'API key'),
        Target('304, key', ours, Wrk(PATH, [f'If-None-Match: {tag}'], requests=world.lines['key'], expect=304),
               '200, other tag', NOISE_US),
        Target('401, no credential', ours, Wrk('/required', expect=401), 'API key', NOISE_US),
        Target('401, unknown key', ours, cycle(world, PATH, 'unknown key', expect=401), 'API key', NOISE_US),
        Target('401, bad form', ours, cycle(world, PATH, 'bad form', expect=401), 'return 200, EdDSA', 0.5),
        Target('429, key', ours, cycle(world, PATH, 'limited key', expect=429), 'API key', NOISE_US),
    ]


def primitives(world):
    """us that OpenSSL itself takes for one verification, measured by token_bench in this run."""
    make(os.path.relpath(f'{BUILD}/tests/load/token_bench', ROOT))
    us = {}
    for name in ('RS256', 'ES256', 'EdDSA'):
        with open(world.lines[f'{name} seen']) as f:
            token = f.readline().split()[-1]
        with open(world.path('token'), 'w') as f:
            f.write(token)
        out = subprocess.run(['taskset', '-c', str(SERVER_CORE), f'{BUILD}/tests/load/token_bench',
                              world.path(f'{name}.jwks'), world.path('token')], capture_output=True, text=True, check=True).stdout
        us[name] = float(out.split()[1]) / 1000
    return us


def judge(target, cpu, base, primitive_us):
    """The bar as text, and whether it is met."""
    if target.primitive:
        most = 1.1 * primitive_us[target.primitive] + 1
        return f'<= +{most:.1f}', cpu - base <= most
    if target.over is None:
        return '', True
    good = cpu - base <= target.over or (target.ratio is not None and base / cpu >= target.ratio)
    return f'<= +{target.over}' + (f' or {target.ratio}' if target.ratio else ''), good


def chosen(targets, pattern):
    """The targets whose names match, and those that they are compared with."""
    wanted = {t.name for t in targets if re.search(pattern, t.name)}
    by_name = {t.name: t for t in targets}
    for name in list(wanted):
        while (name := by_name[name].reference) is not None:
            wanted.add(name)
    return [t for t in targets if t.name in wanted]


def compare(targets, primitive_us, arguments):
    """Measures and prints them; whether all bars are met, and the CPU of each."""
    figures = measure([t.row() for t in targets], arguments.rounds, arguments.seconds)
    cpu = {name: low(rounds) for name, rounds in figures.items()}
    print(f'{"target":<22}{"CPU us":>8}{"over us":>9}{"ratio":>7}{"p50 us":>9}{"p99 us":>9}  bar')
    good = True
    for target in targets:
        base = cpu[target.reference or target.name]
        bar, met = judge(target, cpu[target.name], base, primitive_us)
        good &= met
        p50, p99 = (min(column) for column in zip(*target.client.latencies))
        print(f'{target.name:<22}{cpu[target.name]:8.2f}{cpu[target.name] - base:+9.2f}{base / cpu[target.name]:7.3f}'
              f'{p50:9.0f}{p99:9.0f}  {bar}{"" if met else "  MISSED"}')
    return good, cpu


def run_core(world, arguments):
    targets = chosen(core_targets(world), arguments.only)
    primitive_us = primitives(world)
    good, cpu = compare(targets, primitive_us, arguments)
    if not {'nginx-apikey', 'API key'} <= set(cpu):
        return good, cpu
    peer, key = cpu['nginx-apikey'], cpu['API key']
    p99 = {t.name: min(p99 for _, p99 in t.client.latencies) for t in targets}
    good &= key <= peer + NOISE_US and p99['API key'] <= P99_BAR * p99['nginx-apikey']
    print(f'API key against nginx-apikey: {key:.2f} to {peer:.2f} us; p99 best {p99["API key"]:.0f} to'
          f' {p99["nginx-apikey"]:.0f} us (bar {P99_BAR})')
    print('primitives us: ' + ', '.join(f'{name} {us:.1f}' for name, us in primitive_us.items()))
    return good, cpu


def run_awake(world, arguments):
    """Tokens never seen again, without what a sleeping client adds to the server's bill (awake.c)."""
    targets = []
    for name in ('RS256', 'ES256', 'EdDSA'):
        targets += [Target(f'return 200, {name}', world.bare, cycle(world, PATH, f'{name} seen', awake=True)),
                    Target(f'{name} unseen', world.cold, cycle(world, PATH, f'{name} unseen', awake=True),
                           f'return 200, {name}', primitive=name)]
    return compare(targets, primitives(world), arguments)


def run_growth(world, arguments):
    """Core ratio of a key request at each number of connections."""
    targets = [(f'{name} {n}', server, cycle(world, PATH, 'key', connections=n))
               for n in GROWTH for name, server in (('return 200', world.bare), ('API key', world.ours))]
    figures = measure(targets, arguments.rounds, max(arguments.seconds, 2))
    ratios = {n: low(figures[f'return 200 {n}']) / low(figures[f'API key {n}']) for n in GROWTH}
    for n in GROWTH:
        print(f'{n:5} connections: {low(figures[f"return 200 {n}"]):6.2f} {low(figures[f"API key {n}"]):6.2f} us,'
              f' core ratio {ratios[n]:.3f}')
    return all(ratios[n] >= ratios[GROWTH[0]] - GROWTH_BAR for n in GROWTH), ratios


class H2Load:
    """h2load with ten streams on each connection; one credential."""

    requests_per_run = 100000

    def __init__(self, path, header):
        self.path, self.header = path, header

    def run(self, server, seconds):
        out = subprocess.run(['taskset', '-c', str(CLIENT_CORE), 'h2load', '-n', str(self.requests_per_run), '-c', '10',
                              '-m', '10', '-H', self.header, f'https://127.0.0.1:{server.secure_port}{self.path}'],
                             capture_output=True, text=True, check=True).stdout
        if f'{self.requests_per_run} succeeded' not in out:
            sys.exit(out)
        return self.requests_per_run


class Secure:
    """A server behind its TLS port."""

    def __init__(self, server):
        self.port, self.cpu_ns = server.secure_port, server.cpu_ns


def run_secure(world, arguments):
    with open(world.lines['key']) as f:
        header = f.readline().rstrip('\n')
    targets = [(f'{name} {kind}', server, client)
               for name, nginx in (('return 200', world.bare), ('API key', world.ours))
               for kind, server, client in (
                   ('HTTPS', Secure(nginx), cycle(world, PATH, 'key', scheme='https')),
                   ('HTTP/2', nginx, H2Load(PATH, header)))]
    figures = measure(targets, arguments.rounds, arguments.seconds)
    good, rows = True, {}
    for kind in ('HTTPS', 'HTTP/2'):
        base, cpu = low(figures[f'return 200 {kind}']), low(figures[f'API key {kind}'])
        good &= cpu - base <= 0.3 or base / cpu >= 0.95
        rows[kind] = {'reference_us': base, 'ours_us': cpu}
        print(f'{kind:<8} {base:6.2f} {cpu:6.2f} us: {cpu - base:+.2f} (bar +0.3 or ratio 0.95), core ratio {base / cpu:.3f}')
    return good, rows


def memory_kb(pid):
    """PSS of a process in private memory and in files that are not the shared zones."""
    total, counts = 0, False
    with open(f'/proc/{pid}/smaps') as f:
        for line in f:
            if re.match(r'[0-9a-f]+-[0-9a-f]+ ', line):
                counts = not line.rstrip().endswith(('/pub.v1', '/edge.v1', '/edge.v1.tmp'))
            elif counts and line.startswith('Pss:'):
                total += int(line.split()[1])
    return total


def run_memory(world, arguments):
    server = world.ours
    both = sum(memory_kb(pid) for pid in (server.worker, server.process.pid))
    before = memory_kb(server.worker)
    with open(world.lines['key']) as f:
        request = f'GET {PATH} HTTP/1.1\r\nHost: x\r\n{f.readline().rstrip()}\r\n\r\n'.encode()
    idle = []
    for _ in range(IDLE_CONNECTIONS):
        connection = socket.create_connection(('127.0.0.1', server.port))
        connection.sendall(request)
        left = connection.recv(65536)
        while not left.endswith(b'\n'):
            left += connection.recv(65536)
        idle.append(connection)
    each = (memory_kb(server.worker) - before) * 1024 / IDLE_CONNECTIONS
    for connection in idle:
        connection.close()
    print(f'worker and master: {both / 1024:.1f} MiB without shared zones (bar {PSS_BAR_KB / 1024:.0f});'
          f' an idle keep-alive connection: {each:.0f} bytes (bar {IDLE_BAR_BYTES})')
    return both <= PSS_BAR_KB and each <= IDLE_BAR_BYTES, {'pss_kb': both, 'idle_bytes': each}


PARTS = {'core': run_core, 'awake': run_awake, 'growth': run_growth, 'secure': run_secure, 'memory': run_memory}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--rounds', type=int, default=7)
    parser.add_argument('--seconds', type=int, default=1)
    parser.add_argument('--parts', default=','.join(PARTS))
    parser.add_argument('--only', default='', help='core: a pattern of target names')
    parser.add_argument('--json', help='writes the figures there')
    arguments = parser.parse_args()
    build()
    directory = tempfile.mkdtemp(prefix='btcf-gate-', dir='/dev/shm')
    os.chmod(directory, 0o755)
    world = World(directory)
    good, figures = True, {}
    try:
        world.start()
        for part in arguments.parts.split(','):
            print(f'-- {part}')
            met, figures[part] = PARTS[part](world, arguments)
            good &= met
    finally:
        world.stop()
        shutil.rmtree(directory)
    if arguments.json:
        with open(arguments.json, 'w') as f:
            json.dump(figures, f, indent=1)
    print('all bars met' if good else 'a bar was MISSED')
    return 0 if good else 1


if __name__ == '__main__':
    sys.exit(main())
