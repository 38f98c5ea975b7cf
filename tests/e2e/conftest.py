"""Whole stacks: every test here talks to a real `btcf up` with its own PostgreSQL, engine and nginx.

FAULTS_FULL=1 takes the counts of the record (200 engine kills, a minute without PostgreSQL) instead of CI's small ones.
"""
import os
import shutil

import pytest

from stack import BTCF, HISTORY, Stack

FULL = os.environ.get('FAULTS_FULL') == '1'

# A replay so fast that hours pass in a second: forecasts come due and are scored while a test watches.
FAST_REPLAY = {'mode': 'replay', 'replay_speed': '3600', 'replay_days': '60', 'walk_forward_days': '10'}
SIMULATE = {'mode': 'simulate', 'replay_speed': '3600', 'walk_forward_days': '10'}


def pytest_configure(config):
    if not os.access(BTCF, os.X_OK):
        pytest.exit(f'{BTCF} is not built: run `make all` first', returncode=2)


@pytest.fixture(scope='session')
def history():
    if not os.path.exists(HISTORY):
        pytest.skip(f'NO HISTORY: {HISTORY} is absent, so nothing that replays candles was tested')
    return HISTORY


def clean(stacks):
    for one in stacks:
        shm_dir = None
        try:
            shm_dir = one.setting('shm_dir')
        except (OSError, KeyError):
            pass
        one.kill_all()
        if os.path.basename(os.path.dirname(one.state)).startswith('btcf-e2e-'):
            shutil.rmtree(os.path.dirname(one.state), ignore_errors=True)
        if shm_dir and shm_dir.startswith('/dev/shm/btcf-'):
            shutil.rmtree(shm_dir, ignore_errors=True)


@pytest.fixture
def make_stack():
    """Stacks that end with the test; arguments are Stack's."""
    stacks = []

    def make(**options):
        stacks.append(Stack(**options))
        return stacks[-1]

    yield make
    clean(stacks)


@pytest.fixture(scope='module')
def stack(history):
    """One running replay for all tests of a module that only read."""
    one = Stack(history=history, settings=FAST_REPLAY).start()
    try:
        yield one.wait_ready()
    finally:
        clean([one])


@pytest.fixture(scope='module')
def simulated():
    """The same without any file."""
    one = Stack(settings=SIMULATE).start()
    try:
        yield one.wait_ready()
    finally:
        clean([one])
