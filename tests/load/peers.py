#!/usr/bin/python3
"""The gate among its peers, in one interleaved run: bare nginx, nginx's own keys and limits, Lua, HAProxy, auth_request,
FastAPI.

    tests/load/peers.py [--rounds 5] [--seconds 1] [--only NAMES] [--json FILE]

The peers are not ours and not in this repository: a folder beside the checkout has them ($BTCF_SHARED, default ../shared;
peers/perf in it, with a run.sh that says which packages it installs and how it measures). Without it nothing is measured,
and this says so and ends with 0. We are EXTRA targets there: a key, a token seen before, one never seen; and bare nginx
which is sent the same and sends our header lines, because those of the peers are fewer and its own reference sends none.
No bar is judged here: tests/load/gate.py does that with more rounds of fewer targets.
"""
import argparse
import os
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), 'lib'))
from gate_world import World  # noqa: E402
from rounds import CLIENT_CORE, CONNECTIONS  # noqa: E402
from servers import PATH, ROOT, SERVER_CORE, build  # noqa: E402

PEERS = os.path.join(os.environ.get('BTCF_SHARED', os.path.join(ROOT, '..', 'shared')), 'peers', 'perf')


def extras(world):
    """Environment of run.sh: EXTRA_..., EXTRA2_... and so on."""
    targets = [('btcf key', world.ours, 'key'), ('btcf token seen', world.ours, 'HS256 seen'),
               ('btcf token unseen', world.cold, 'HS256 unseen'), ('our lines, key', world.bare, 'key'),
               ('our lines, token', world.bare, 'HS256 seen')]
    environment = {}
    for i, (name, server, lines) in enumerate(targets, 1):
        prefix = f'EXTRA{i if i > 1 else ""}_'
        environment |= {f'{prefix}NAME': name, f'{prefix}URL': f'http://127.0.0.1:{server.port}{PATH}',
                        f'{prefix}HEADERS_FILE': world.lines[lines], f'{prefix}PIDS': str(server.process.pid)}
    return environment


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--rounds', type=int, default=5)
    parser.add_argument('--seconds', type=int, default=1, help='of each target in each round')
    parser.add_argument('--only', default='', help="comma list of the peers' names; ours always run")
    parser.add_argument('--json', help='writes the figures there')
    arguments = parser.parse_args()
    script = os.path.join(PEERS, 'run.sh')
    if not os.path.exists(script):
        print(f'SKIPPED: the peers are not here, {os.path.normpath(script)} does not exist: nothing was compared')
        return 0
    build()
    directory = tempfile.mkdtemp(prefix='btcf-peers-', dir='/dev/shm')
    os.chmod(directory, 0o755)
    world = World(directory)
    try:
        world.start()
        environment = dict(os.environ, **extras(world), ROUNDS=str(arguments.rounds), ROUNDS1='1', CONNS=str(CONNECTIONS),
                           ONLY=arguments.only, SRV_CPU=str(SERVER_CORE), CLI_CPU=str(CLIENT_CORE))
        if arguments.json:
            environment['OUT_JSON'] = os.path.abspath(arguments.json)
        return subprocess.run([script, str(arguments.seconds)], env=environment, check=False).returncode
    finally:
        world.stop()
        shutil.rmtree(directory)


if __name__ == '__main__':
    sys.exit(main())
