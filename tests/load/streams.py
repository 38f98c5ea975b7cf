#!/usr/bin/python3
"""Thousands of streams of one worker: how soon events arrive, what a client costs, and whether any is lost over reloads.

    tests/load/streams.py [--clients 5000] [--seconds 20] [--reloads 20] [--json FILE]

One worker on one core, clients and publisher on the other. In order:

    idle      all clients connected, nothing published: memory of the worker per client (PSS)
    latency   ten events a second; one client in five never reads; from the publisher's clock to the reader's
    stuck     memory of the worker per client that does not read, once its socket is full
    hour      as many events as an hour of ten a second, at speed: growth of the worker's memory
    reloads   a reload after the other under a tenth of the clients, who come back when told: events lost or got twice

Memory is what the worker itself has allocated; sockets are the kernel's. Exit status 1: below the bars, which are printed.
"""
import argparse
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), 'lib'))
from servers import BUILD, COMMON, MODULE, ROOT, Nginx, Publisher, build, forecast  # noqa: E402

STUCK_SHARE = 0.2
EVENTS_PER_S = 10
EVENT_PAD = 200             # bytes, so that an event is as long as a real one
HOUR_EVENTS = 36000
RELOAD_EVERY_S = 3.5
WAIT_LIMIT_S = 120

BAR_P99_MS = 100
BAR_IDLE_KIB = 8
BAR_STUCK_KIB = 32
BAR_GROWTH_KIB = 1024

CONF = COMMON + '''
    btcf_shm_dir {shm}; include {root}/conf/http.conf;
    server {{
        listen 127.0.0.1:{port} sndbuf=4k backlog=4096;
        location = /v1/forecasts/1d {{ btcf_document; }}
        location = /v1/stream {{ btcf_stream; send_timeout 1h; }}
    }}
}}
'''


class Clients:
    def __init__(self, port, readers, stuck, rest_percent=100):
        self.count = readers + stuck
        self.process = subprocess.Popen([f'{BUILD}/tests/load/streams', str(port), str(readers), str(stuck),
                                         str(rest_percent)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ask(self, command):
        self.process.stdin.write(command + '\n')
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def wait_for(self, condition, what):
        end = time.monotonic() + WAIT_LIMIT_S
        while not condition(stats := self.ask('stats')):
            if time.monotonic() > end:
                sys.exit(f'{what}: {stats}')
            time.sleep(0.1)
        return stats

    def stop(self):
        self.process.stdin.close()
        self.process.wait()


def own_kib(pid):
    """Its share of anonymous memory: without the segment, which all workers map and nobody pays for twice."""
    with open(f'/proc/{pid}/smaps_rollup') as f:
        return int(re.search(r'^Pss_Anon:\s+(\d+)', f.read(), re.M).group(1))


def workers(master):
    with open(f'/proc/{master}/task/{master}/children') as f:
        return [int(pid) for pid in f.read().split()]


def publish(publisher, count, every_us=0, pad=EVENT_PAD):
    publisher.do({'do': 'event', 'type': 'price', 'count': count, 'every_us': every_us, 'pad': pad})


def measure_idle(nginx, clients):
    """All clients open and served: nothing but their memory is left of them."""
    nginx.get()
    before = own_kib(nginx.worker)
    connected = Clients(nginx.port, clients, 0)
    connected.wait_for(lambda s: s['open'] == clients, 'clients do not connect')
    time.sleep(2)
    after = own_kib(nginx.worker)
    connected.stop()
    return {'before_kib': before, 'after_kib': after, 'per_client_kib': (after - before) / clients}


def measure_latency(nginx, publisher, clients, seconds):
    stuck = int(clients * STUCK_SHARE)
    readers = clients - stuck
    some = Clients(nginx.port, readers, stuck)
    some.wait_for(lambda s: s['open'] == clients, 'clients do not connect')
    publish(publisher, EVENTS_PER_S, 1000000 // EVENTS_PER_S)
    some.wait_for(lambda s: s['oldest'] == s['newest'], 'readers do not get the last event')
    some.ask('clear')
    start = nginx.cpu_ns()
    publish(publisher, EVENTS_PER_S * seconds, 1000000 // EVENTS_PER_S)
    stats = some.wait_for(lambda s: s['oldest'] == s['newest'], 'readers do not get the last event')
    stats['worker_core_share'] = (nginx.cpu_ns() - start) / 1e9 / seconds
    stats['expected'] = readers * EVENTS_PER_S * seconds
    some.stop()
    return stats


def measure_stuck(nginx, publisher, clients):
    """All that a client costs which does not read; then an hour of events passes it by."""
    stuck = int(clients * STUCK_SHARE)
    nginx.get()
    before = own_kib(nginx.worker)
    some = Clients(nginx.port, 10, stuck)
    some.wait_for(lambda s: s['open'] == stuck + 10, 'clients do not connect')
    for _ in range(20):
        publish(publisher, 50, 2000, 450)
    some.wait_for(lambda s: s['oldest'] == s['newest'], 'readers do not get the last event')
    full = own_kib(nginx.worker)
    begin = time.monotonic()
    for _ in range(HOUR_EVENTS // 1000):
        publish(publisher, 1000, 200)
    some.wait_for(lambda s: s['oldest'] == s['newest'], 'readers do not get the last event')
    after = own_kib(nginx.worker)
    stats = some.ask('stats')
    some.stop()
    return {'per_client_kib': (full - before) / stuck, 'growth_kib': after - full, 'events': HOUR_EVENTS,
            'seconds': time.monotonic() - begin, 'lost': stats['lost'], 'repeated': stats['repeated']}


def measure_reloads(nginx, publisher, clients, reloads):
    some = Clients(nginx.port, clients, 0)
    some.wait_for(lambda s: s['open'] == clients, 'clients do not connect')
    last = some.wait_for(lambda s: s['oldest'] == s['newest'] > 0, 'clients do not begin')['newest']
    publish(publisher, 1)
    some.wait_for(lambda s: s['oldest'] == last + 1, 'clients do not go on')
    some.ask('clear')
    slowest = 0
    for _ in range(reloads):
        old, begin = workers(nginx.process.pid), time.monotonic()
        nginx.process.send_signal(signal.SIGHUP)
        publish(publisher, int(RELOAD_EVERY_S * EVENTS_PER_S), 1000000 // EVENTS_PER_S)
        while set(old) & set(workers(nginx.process.pid)):
            if time.monotonic() - begin > WAIT_LIMIT_S:
                sys.exit('an old worker does not leave')
            time.sleep(0.02)
        slowest = max(slowest, time.monotonic() - begin)
    stats = some.wait_for(lambda s: s['open'] == clients and s['oldest'] == s['newest'], 'clients do not come back')
    some.stop()
    stats['expected'] = clients * reloads * int(RELOAD_EVERY_S * EVENTS_PER_S)
    stats['slowest_s'] = slowest
    return stats


def report(figures):
    """Prints them beside the bars; True when all are met."""
    idle, latency, stuck, reloads = (figures[name] for name in ('idle', 'latency', 'stuck', 'reloads'))
    rows = [
        ('memory per idle client, KiB', idle['per_client_kib'], BAR_IDLE_KIB),
        ('publish to delivery, p99, ms', latency['p99_ms'], BAR_P99_MS),
        ('events that readers did not get', latency['expected'] - latency['events'], 0),
        ('memory per stuck client, KiB', stuck['per_client_kib'], BAR_STUCK_KIB),
        (f'growth over {stuck["events"]} events, KiB', stuck['growth_kib'], BAR_GROWTH_KIB),
        ('events lost over reloads', reloads['lost'] + reloads['expected'] - reloads['events'] - reloads['repeated'], 0),
        ('events got twice over reloads', reloads['repeated'], 0),
        ('streams cut without a word', reloads['cut'], 0),
        ('alerts in the error logs', sum(figures[name]['alerts'] for name in figures), 0),
    ]
    print(f'{"":<36}{"measured":>12}{"bar":>10}')
    for name, value, bar in rows:
        print(f'{name:<36}{value:>12.1f}{bar:>10}{"" if value <= bar else "   MISSED"}')
    print(f'p50 {latency["p50_ms"]} ms, p99.9 {latency["p999_ms"]} ms, worst {latency["max_ms"]} ms; the worker used'
          f' {latency["worker_core_share"]:.2f} of a core; {reloads["told"]} goodbyes over reloads, the slowest took'
          f' {reloads["slowest_s"]:.1f} s')
    return all(value <= bar for _, value, bar in rows)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--clients', type=int, default=5000)
    parser.add_argument('--seconds', type=int, default=20)
    parser.add_argument('--reloads', type=int, default=20)
    parser.add_argument('--json', help='writes the figures there')
    arguments = parser.parse_args()
    build()
    subprocess.run(['gcc', '-O2', '-Wall', '-Wextra', '-Werror', '-o', f'{BUILD}/tests/load/streams',
                    f'{ROOT}/tests/load/streams.c'], check=True)
    directory = tempfile.mkdtemp(prefix='btcf-streams-', dir='/dev/shm')
    os.chmod(directory, 0o755)
    running, figures = [], {}
    try:
        publisher = Publisher(directory, forecast(), create={'events': 4096})
        running.append(publisher)
        publish(publisher, 1)
        for name, measure in (
            ('idle', lambda nginx: measure_idle(nginx, arguments.clients)),
            ('latency', lambda nginx: measure_latency(nginx, publisher, arguments.clients, arguments.seconds)),
            ('stuck', lambda nginx: measure_stuck(nginx, publisher, arguments.clients)),
            ('reloads', lambda nginx: measure_reloads(nginx, publisher, arguments.clients // 10, arguments.reloads)),
        ):
            # a server of its own for each: memory that was given back once is not asked for again
            nginx = Nginx(f'{directory}/{name}', CONF.replace('{shm}', directory), module=MODULE)
            running.append(nginx)
            figures[name] = measure(nginx)
            running.pop().stop()
            with open(f'{directory}/{name}/error.log') as f:
                figures[name]['alerts'] = len(re.findall(r'\[(?:alert|crit|emerg)\]', f.read()))
        good = report(figures)
        if arguments.json:
            with open(arguments.json, 'w') as f:
                json.dump(figures, f, indent=1)
    finally:
        for thing in reversed(running):
            thing.stop()
        shutil.rmtree(directory)
    return 0 if good else 1


if __name__ == '__main__':
    sys.exit(main())
