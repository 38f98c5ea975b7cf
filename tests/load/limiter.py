#!/usr/bin/python3
"""How exact the limiter is under overload, and what an overloaded client costs its neighbours.

    tests/load/limiter.py [--seconds 60] [--rounds 7] [--rate 500]

1. Accuracy. Twenty keys of one account, two workers, as many requests as the machine can do (ten times the plan and more).
   Admitted is what edge has billed. It must not be above burst + rate * time, with the time from before the client is started
   until after it has ended; and not below 99% of burst + rate * the time in which the client sends.
2. Neighbours. One worker. A client sends ten times its plan, at 30% of what the worker can do; the other is within its plan.
   Its p99, the best of the rounds, must be below 2 ms.

Exits with 1 when a bound is missed. `--seconds 5 --rounds 0` is the short form that t/349-limit-accuracy.t runs.
"""
import argparse
import os
import re
import struct
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), 'lib'))
from credentials import api_key, write_lines  # noqa: E402
from servers import COMMON, MODULE, PATH, Nginx, Publisher, build, forecast  # noqa: E402

HERE = os.path.dirname(os.path.abspath(__file__))
BURST = 100
USAGE_KIND, USAGE_FIRST_ROW, KEYS = 17, 100, 20
CONNECTIONS = 32
P99_BAR_MS = 2.0
NEIGHBOUR_PAUSE_MS = 2
FLOOD_CONNECTIONS = 64
SHARE_OF_CAPACITY, TIMES_THE_PLAN = 0.3, 10

SERVER = COMMON.replace('worker_processes 1; worker_cpu_affinity {affinity};', '{workers}') + '''
    btcf_shm_dir {dir}; include {root}/conf/http.conf; btcf_auth required;
    server {{ listen 127.0.0.1:{port}; keepalive_requests 100000000; location /v1/ {{ btcf_document; }} }}
}}
'''


def gate(rate, flood_rate):
    """Account 1 has twenty keys, account 2 is flooded, account 3 is the neighbour, account 4 has no limit."""
    plans = {1: rate, 2: flood_rate, 3: 100000, 4: 0}
    lines, keys = [], {}
    for number, plan_rate in plans.items():
        lines.append({'do': 'plan', 'number': number, 'name': f'plan{number}', 'rate': plan_rate, 'burst': BURST,
                      'scopes': ['read'], 'streams': 0})
        lines.append({'do': 'account', 'number': number, 'row': number, 'id': f'{number:032x}', 'plan': number})
        keys[number] = [api_key() for _ in range(KEYS if number == 1 else 1)]
        for i, text in enumerate(keys[number]):
            row = USAGE_FIRST_ROW * number + i
            lines.append({'do': 'key', 'text': text, 'account': number, 'row': row, 'id': row, 'scopes': ['read']})
    return lines, keys


def billed(directory, rows):
    """Answers billed to these usage rows of edge.v1, over both days and all classes."""
    with open(f'{directory}/edge.v1', 'rb') as f:
        data = f.read()
    count = struct.unpack_from('<I', data, 20)[0]
    for i in range(count):
        kind, _, offset, _, stride, _ = struct.unpack_from('<IIQQII', data, 256 + 32 * i)
        if kind == USAGE_KIND:
            return sum(sum(struct.unpack_from('<4Q', data, offset + row * stride + bank * 120 + 8))
                       for row in rows for bank in (0, 1))
    sys.exit('edge.v1 has no usage')


class World:
    def __init__(self, directory, workers, rate, flood_rate):
        self.directory = directory
        lines, self.keys = gate(rate, flood_rate)
        self.publisher = Publisher(directory, forecast(), before_live=lines)
        self.nginx = Nginx(directory, SERVER, MODULE, workers=workers)

    def requests(self, account):
        path = f'{self.directory}/requests.{account}'
        write_lines(path, 'X-API-Key', self.keys[account])
        return path

    def wrk(self, account, seconds, connections, pause_ms=None):
        script = 'paced.lua' if pause_ms else 'cycle.lua'
        environment = dict(os.environ, REQUESTS=self.requests(account), LIB=f'{HERE}/lib', PAUSE_MS=str(pause_ms))
        return subprocess.Popen(['wrk', '-t1', f'-c{connections}', f'-d{seconds}s', '-s', f'{HERE}/lib/{script}',
                                 f'http://127.0.0.1:{self.nginx.port}{PATH}'], stdout=subprocess.PIPE, text=True,
                                env=environment)

    def stop(self):
        self.nginx.stop()
        self.publisher.stop()


def result(process):
    """(answers, refused, p99 in ms) of a client that has been started."""
    out, _ = process.communicate()
    found = re.search(r'RESULT (\d+) (\d+) (\d+) ([\d.]+) ([\d.]+)', out)
    if not found or int(found.group(3)):
        sys.exit(f'the client failed:\n{out}')
    return int(found.group(1)), int(found.group(2)), float(found.group(5)) / 1000


def accuracy(directory, seconds, rate):
    world = World(directory, 'worker_processes 2;', rate, rate)
    begun = time.monotonic()
    answers, _, _ = result(world.wrk(1, seconds, CONNECTIONS))
    took = time.monotonic() - begun
    world.stop()
    admitted = billed(directory, range(USAGE_FIRST_ROW, USAGE_FIRST_ROW + KEYS))
    most, least = BURST + rate * took, 0.99 * (BURST + rate * seconds)
    is_good = least <= admitted <= most
    print(f'accuracy: {answers} requests in {took:.2f} s, {answers / took / rate:.1f} times the plan of {rate} a second; '
          f'admitted {admitted}, at most {most:.0f}, at least {least:.0f}: {"ok" if is_good else "MISSED"}')
    return is_good


def neighbours(directory, rounds, seconds=3):
    world = World(f'{directory}/a', 'worker_processes 1;', 1, 1)
    capacity = result(world.wrk(4, seconds, CONNECTIONS))[0] / seconds
    world.stop()
    flood = SHARE_OF_CAPACITY * capacity
    world = World(f'{directory}/b', 'worker_processes 1;', 1, flood / TIMES_THE_PLAN)
    alone, beside = [], []
    for _ in range(rounds):
        alone.append(result(world.wrk(3, seconds, 1, NEIGHBOUR_PAUSE_MS))[2])
        flooding = world.wrk(2, seconds + 1, FLOOD_CONNECTIONS, FLOOD_CONNECTIONS / flood * 1000)
        beside.append(result(world.wrk(3, seconds, 1, NEIGHBOUR_PAUSE_MS))[2])
        answers, refused, _ = result(flooding)
    world.stop()
    is_good = min(beside) < P99_BAR_MS
    print(f'neighbours: the worker does {capacity:.0f} a second; flooded with {answers / (seconds + 1):.0f}, of which '
          f'{100 * refused / answers:.0f}% refused; the other\'s p99 {min(beside):.2f} ms, alone {min(alone):.2f} ms '
          f'(best of {rounds}): {"ok" if is_good else "MISSED"}')
    return is_good


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('--seconds', type=int, default=60)
    parser.add_argument('--rounds', type=int, default=7)
    parser.add_argument('--rate', type=int, default=500)
    arguments = parser.parse_args()
    build()
    shm = '/dev/shm' if os.access('/dev/shm', os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix='btcf-limiter-', dir=shm) as directory:
        os.makedirs(f'{directory}/a')
        os.makedirs(f'{directory}/b')
        is_good = accuracy(directory, arguments.seconds, arguments.rate)
        if arguments.rounds:
            is_good = neighbours(directory, arguments.rounds) and is_good
    return 0 if is_good else 1


if __name__ == '__main__':
    sys.exit(main())
