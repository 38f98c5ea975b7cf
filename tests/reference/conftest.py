"""Reference tests: btcf's command line against numbers that other programs made, on the data beside the checkout.

$BTCF_SHARED (default: ../shared) holds candles and the scorer. Without it those tests skip and say so; the tests on
made-up candles always run.
"""
import os
import subprocess

import pytest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SHARED = os.path.abspath(os.environ.get('BTCF_SHARED') or os.path.join(ROOT, '..', 'shared'))
BTCF = os.path.join(ROOT, os.environ.get('BUILD', 'build'), 'btcf')
RUN_LIMIT_S = 240


def btcf(*arguments, stdin=subprocess.DEVNULL, **options):
    """Runs btcf to its end; the result has returncode, stdout and stderr."""
    return subprocess.run([BTCF, *map(str, arguments)], capture_output=True, text=True, timeout=RUN_LIMIT_S,
                          stdin=stdin, **options)


def shared_file(*names):
    path = os.path.join(SHARED, *names)
    if not os.path.exists(path):
        pytest.skip(f'NOT MEASURED: {path} is not here (BTCF_SHARED names its folder)')
    return path


@pytest.fixture(scope='session')
def hourly_file():
    return shared_file('data', 'btcusd-1h.csv')


@pytest.fixture(scope='session')
def daily_file():
    return shared_file('data', 'btcusd-1d.csv')


@pytest.fixture(scope='session')
def scorer():
    return shared_file('evaluate', 'score.py')
