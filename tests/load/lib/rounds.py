"""Interleaved rounds: every target once per round, in rotated order, so that a disturbance meets all of them alike.

The figure is the scheduler's run time of the worker, user and system, per request. The second lowest round counts,
because disturbance only adds.
"""
import os
import re
import subprocess
import sys

from servers import AWAKE, BODY_BYTES

CLIENT_CORE = 1
CONNECTIONS = 64
HERE = os.path.dirname(os.path.abspath(__file__))


class Wrk:
    """wrk with one thread. `requests`: a file of header lines, one request each, sent in turn; `expect`: the status;
    `awake`: never sleeps (awake.c says what for)."""

    def __init__(self, path, headers=(), requests=None, expect=200, connections=CONNECTIONS, scheme='http', awake=False):
        self.path, self.headers, self.requests = path, headers, requests
        self.expect, self.connections, self.scheme, self.awake = expect, connections, scheme, awake
        self.latencies = []

    def run(self, server, seconds):
        command = ['taskset', '-c', str(CLIENT_CORE), 'wrk', '-t1', f'-c{self.connections}', f'-d{seconds}s',
                   '--timeout', '10s', '-s', f'{HERE}/cycle.lua']
        for header in self.headers:
            command += ['-H', header]
        environment = dict(os.environ, REQUESTS=self.requests or '', **({'LD_PRELOAD': AWAKE} if self.awake else {}))
        out = subprocess.run(command + [f'{self.scheme}://127.0.0.1:{server.port}{self.path}'], capture_output=True,
                             text=True, check=True, env=environment).stdout
        found = re.search(r'RESULT (\d+) (\d+) (\d+) ([\d.]+) ([\d.]+) (\d+)', out)
        count, refused, broken, size = (int(found.group(i)) for i in (1, 2, 3, 6))
        if broken or (refused != 0) != (self.expect >= 400) or (size < BODY_BYTES) != (self.expect >= 300):
            sys.exit(f'unexpected answers: {refused} of {count} refused, {broken} broken, {size} bytes each\n{out}')
        self.latencies.append((float(found.group(4)), float(found.group(5))))
        return count


class Hammer:
    """Our own client, for what wrk cannot send."""

    def __init__(self, program, path, method, headers=()):
        self.program = program
        self.request = '\r\n'.join([f'{method} {path} HTTP/1.1', 'Host: localhost', *headers, '', ''])

    def run(self, server, seconds):
        out = subprocess.run(['taskset', '-c', str(CLIENT_CORE), self.program, str(server.port), str(CONNECTIONS),
                              str(seconds)], input=self.request, capture_output=True, text=True, check=True).stdout
        return int(out)


def measure(targets, rounds, seconds):
    """name -> list of (CPU us per request, requests per second); a target is (name, server, client)."""
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
