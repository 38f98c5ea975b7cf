"""The job queue: runs the C program check_queue on a fresh database; each of its tests is one here."""
import os
import re
import subprocess

import pytest

from conftest import BTCF, ROOT, make

PROGRAM = BTCF.parent / 'tests/pg/check_queue'
NAMES = re.findall(r'QUEUE_TEST\((\w+)\),', (ROOT / 'tests/pg/check_queue.c').read_text())


@pytest.fixture(scope='module')
def output(shared_database):
    make(PROGRAM)
    done = subprocess.run([str(PROGRAM)], env={**os.environ, 'BTCF_DATABASE_URL': shared_database.url},
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=120)
    return done.stdout


def test_the_program_has_tests():
    assert len(NAMES) >= 13


@pytest.mark.parametrize('name', NAMES)
def test_queue(output, name):
    assert f'[       OK ] {name}\n' in output, output
