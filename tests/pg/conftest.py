"""Fixtures for tests that need PostgreSQL: a private server for the session, a fresh migrated database per test.

The server listens on a Unix socket in a directory of its own, never on TCP. PostgreSQL refuses to run as root, so as
root it runs as the account postgres. Whatever was started is stopped, also when a test fails.
"""
import contextlib
import itertools
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile
import time

import psycopg2
import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
BTCF = pathlib.Path(os.environ.get('BUILD', ROOT / 'build')).resolve() / 'btcf'
SHARED = pathlib.Path(os.environ.get('BTCF_SHARED') or ROOT.parent / 'shared')
DEADLINE_S = 60
HOUR_MS = 3600 * 1000


def make(*programs):
    """Builds programs of the tests. They and the folder are named as `make all` names them: another name for the folder
    would be other flags, and everything would be compiled again."""
    folder, *paths = [os.path.relpath(path, ROOT) for path in (BTCF.parent, *programs)]
    subprocess.run(['make', '-s', f'BUILD={folder}', *paths], cwd=ROOT, check=True, timeout=300)


def as_server_account(command):
    """The command as an account that PostgreSQL accepts."""
    if os.geteuid() != 0:
        return command
    return ['setpriv', '--reuid=postgres', '--regid=postgres', '--init-groups', '--'] + command


def bin_dir():
    dirs = sorted(pathlib.Path('/usr/lib/postgresql').glob('*/bin/initdb'))
    assert dirs, 'PostgreSQL is not installed: run conf/packages.sh'
    return dirs[-1].parent


def wait_for(condition, what, deadline_s=DEADLINE_S):
    """Polls until condition() is true and returns its value; fails loudly at the deadline."""
    end = time.monotonic() + deadline_s
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        time.sleep(0.05)
    raise AssertionError(f'{what}: not within {deadline_s} s')


class Server:
    """A private PostgreSQL server."""

    def __init__(self, directory, durable=False):
        self.durable = durable  # tests need not wait for the disk, measurements do
        self.directory = pathlib.Path(directory)
        self.data = self.directory / 'data'
        self.process = None
        self.run([str(bin_dir() / 'initdb'), '-D', str(self.data), '-A', 'trust', '-U', 'btcf', '-E', 'UTF8',
                  '--locale=C', '--no-sync'])

    def run(self, command):
        subprocess.run(as_server_account(command), check=True, stdout=subprocess.DEVNULL, cwd=self.directory)

    def start(self):
        with open(self.directory / 'log', 'ab') as log:
            self.process = subprocess.Popen(
                as_server_account([str(bin_dir() / 'postgres'), '-D', str(self.data), '-k', str(self.directory), '-c',
                                   'listen_addresses=', '-c', f'fsync={"on" if self.durable else "off"}', '-c',
                                   'max_connections=50']),
                stdout=log, stderr=log, stdin=subprocess.DEVNULL, start_new_session=True)
        wait_for(self.answers, 'PostgreSQL answers')

    def answers(self):
        assert self.process.poll() is None, (self.directory / 'log').read_text(errors='replace')[-2000:]
        try:
            psycopg2.connect(self.url('postgres')).close()
            return True
        except psycopg2.OperationalError:
            return False

    def stop(self):
        """Fast shutdown: connections are cut, nothing is lost."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                os.killpg(self.process.pid, signal.SIGKILL)
                self.process.wait()

    def admin(self, statement):
        connection = psycopg2.connect(self.url('postgres'))
        connection.autocommit = True
        connection.cursor().execute(statement)
        connection.close()

    def url(self, database):
        return f'host={self.directory} user=btcf dbname={database}'


@contextlib.contextmanager
def private_server(durable=False):
    directory = tempfile.mkdtemp(prefix='btcf-pg-')
    os.chmod(directory, 0o755)
    if os.geteuid() == 0:
        shutil.chown(directory, 'postgres', 'postgres')
    server = Server(directory, durable)
    try:
        server.start()
        yield server
    finally:
        server.stop()
        shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture(scope='session')
def server():
    with private_server() as server:
        yield server


class Database:
    """One fresh database, migrated; sql() runs a statement and returns its rows."""

    def __init__(self, server, name):
        self.server, self.name, self.url = server, name, server.url(name)
        self.connection = None

    def sql(self, text, parameters=None):
        if self.connection is None or self.connection.closed:
            self.connection = psycopg2.connect(self.url)
            self.connection.autocommit = True
        try:
            with self.connection.cursor() as cursor:
                cursor.execute(text, parameters)
                return cursor.fetchall() if cursor.description else []
        except psycopg2.OperationalError:
            self.connection.close()
            raise

    def one(self, text, parameters=None):
        return self.sql(text, parameters)[0][0]

    def btcf(self, *arguments, environment=None, check=True, status=0, stdin=''):
        return run_btcf(self, *arguments, environment=environment, check=check, status=status, stdin=stdin)


def run_btcf(database, *arguments, environment=None, check=True, status=0, stdin=''):
    """Runs btcf to its end; unless check is false, its exit status must be `status`."""
    done = subprocess.run([str(BTCF), *arguments], env={**os.environ, 'BTCF_DATABASE_URL': database.url,
                                                        **(environment or {})},
                          input=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=120)
    if check:
        assert done.returncode == status, f'{arguments}: {done.returncode}\n{done.stdout}{done.stderr}'
    return done


database_numbers = itertools.count(1)


@contextlib.contextmanager
def new_database(server, template):
    """A copy of `template` that is dropped at the end."""
    name = f'test_{os.getpid()}_{next(database_numbers)}'
    server.admin(f'CREATE DATABASE {name} TEMPLATE {template}')
    database = Database(server, name)
    try:
        yield database
    finally:
        if database.connection is not None:
            database.connection.close()
        if server.process.poll() is None:
            server.admin(f'DROP DATABASE {name} WITH (FORCE)')


@pytest.fixture(scope='session')
def migrated(server):
    """The name of a migrated database that others are copied from: quicker than migrating each."""
    with new_database(server, 'template0') as database:
        database.btcf('migrate', 'up')
        yield database.name


@pytest.fixture
def database(server, migrated):
    with new_database(server, migrated) as database:
        yield database


@pytest.fixture(scope='module')
def shared_database(server, migrated):
    """One database for all tests of a file that do not disturb one another."""
    with new_database(server, migrated) as database:
        yield database


@pytest.fixture
def empty_database(server):
    """Without our schema."""
    with new_database(server, 'template0') as database:
        yield database
