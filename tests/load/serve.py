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
import json
import os
import shutil
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), 'lib'))
from rounds import Hammer, Wrk, low, measure, median  # noqa: E402
from servers import COMMON, MODULE, PATH, Nginx, Publisher, build, forecast  # noqa: E402

BAR_200 = 0.95      # core ratio against `return 200`
BAR_OTHER = 1.0     # 304 and HEAD against our own 200
NOISE = 0.02        # what two runs of the same target differ by on a shared machine

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
        ours = Nginx(directory, OURS, module=MODULE)
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
            ('return 200', reference, Wrk(PATH)),
            ('forecast 200', ours, Wrk(PATH)),
            ('forecast 304', ours, Wrk(PATH, [f'If-None-Match: {dict(headers)["ETag"]}'], expect=304)),
            ('return 200, own client', reference, Hammer(hammer, PATH, 'GET')),
            ('forecast 200, own client', ours, Hammer(hammer, PATH, 'GET')),
            ('forecast HEAD', ours, Hammer(hammer, PATH, 'HEAD')),
        ]
        good = report(measure(targets, arguments.rounds, arguments.seconds), arguments.json)
    finally:
        for thing in reversed(running):
            thing.stop()
        shutil.rmtree(directory)
    return 0 if good else 1


if __name__ == '__main__':
    sys.exit(main())
