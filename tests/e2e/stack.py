"""A real `btcf up` in a temporary state directory, and what tests ask of it."""
import atexit
import http.client
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BTCF = os.path.join(ROOT, os.environ.get('BUILD', 'build'), 'btcf')
SHARED = os.environ.get('BTCF_SHARED', os.path.join(os.path.dirname(ROOT), 'shared'))
HISTORY = os.path.join(SHARED, 'data', 'btcusd-1h.csv')
KEY = re.compile(r'btcf_(?:live|test)_[0-9A-Za-z]{12}_[0-9A-Za-z]{49}')
SERVERS = ('postgres', 'nginx', 'btcf')


def free_port():
    with socket.socket() as listener:
        listener.bind(('127.0.0.1', 0))
        return listener.getsockname()[1]


def wait_for(condition, what, deadline_s=30.0, step_s=0.05):
    """The first true value of `condition`; fails with `what` when the deadline passes."""
    end = time.monotonic() + deadline_s
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < end, f'after {deadline_s} s still not: {what}'
        time.sleep(step_s)


def make_state_dir():
    """A directory that every account can reach, as a home directory of mode 700 would not be."""
    path = tempfile.mkdtemp(prefix='btcf-e2e-', dir='/tmp')
    os.chmod(path, 0o755)
    atexit.register(shutil.rmtree, path, ignore_errors=True)
    return path


def is_alive(pid):
    """Runs, and is not merely waiting for its parent to look at it."""
    try:
        with open(f'/proc/{pid}/stat', encoding='utf-8', errors='replace') as stat:
            return stat.read().rpartition(')')[2].split()[0] != 'Z'
    except OSError:
        return False


def collect(stream, lines):
    for line in stream:
        lines.append(line.rstrip('\n'))


class Answer:
    def __init__(self, response):
        self.status = response.status
        self.headers = response.headers
        self.body = response.read()

    def json(self):
        return json.loads(self.body)

    def __repr__(self):
        return f'{self.status} {self.body[:300]!r}'


class Stack:
    """btcf up with its state; a second start() on the same object resumes it."""

    def __init__(self, state=None, port=None, args=(), settings=None, history=None, environment=None):
        self.state = state or os.path.join(make_state_dir(), 'state')
        self.port = port or free_port()
        self.args = list(args)
        self.settings = dict(settings or {})
        self.history = history
        self.environment = environment or {}
        self.process = None
        self.output = []
        self.started = None
        self.key = None  # the first live key, once it has been printed: guests may not ask as often as tests do

    def command(self):
        command = [BTCF, 'up', '--state', self.state, '--port', str(self.port), *self.args]
        if self.history:
            command += ['--history', self.history]
        for name, value in self.settings.items():
            command += ['--set', f'{name}={value}']
        return command

    def start(self, **popen):
        self.output = []
        self.started = time.monotonic()
        self.process = subprocess.Popen(self.command(), cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                        stderr=subprocess.STDOUT, text=True, errors='replace',
                                        env={**os.environ, **self.environment},
                                        **{'start_new_session': True, **popen})
        threading.Thread(target=collect, args=(self.process.stdout, self.output), daemon=True).start()
        return self

    def text(self):
        return '\n'.join(self.output)

    def said(self, words):
        return next((line for line in self.output if words in line), None)

    def wait_said(self, words, deadline_s=60):
        def look():
            assert self.process.poll() is None or self.said(words), f'btcf up has ended:\n{self.text()}'
            return self.said(words)
        try:
            return wait_for(look, f'"{words}"', deadline_s)
        except AssertionError as error:
            raise AssertionError(f'{error}\n{self.text()}\n{self.log("engine.log")[-3000:]}') from None

    def wait_ready(self, deadline_s=60):
        self.wait_said('the first forecast is served', deadline_s)
        self.wait_said('Ctrl-C')  # keys and addresses stand before it
        self.key = next((key for key in KEY.findall(self.text()) if 'live' in key), self.key)
        return self

    def run_to_end(self, deadline_s=60):
        """For starts that must fail: (status, everything it said)."""
        self.start()
        try:
            status = self.process.wait(deadline_s)
        finally:
            self.kill_all()
        wait_for(lambda: self.process.stdout.closed or True, 'output')
        time.sleep(0.1)  # the collecting thread has the last line
        return status, self.text()

    # --- reading ---

    def get(self, path, headers=None, method='GET', timeout=5):
        connection = http.client.HTTPConnection('127.0.0.1', self.port, timeout=timeout)
        try:
            merged = {'X-API-Key': self.key, **(headers or {})}
            connection.request(method, path, headers={name: value for name, value in merged.items() if value is not None})
            return Answer(connection.getresponse())
        finally:
            connection.close()

    def try_get(self, path, **options):
        """As get, or None while nobody answers."""
        try:
            return self.get(path, **options)
        except (OSError, http.client.HTTPException):
            return None

    def btcf(self, *arguments):
        """What another command says of this state, as the account that everything runs as, or as root."""
        done = subprocess.run([BTCF, *arguments, '--state', self.state], cwd=ROOT, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=60,
                              env={**os.environ, **self.environment})
        assert done.returncode == 0, f'{arguments}: {done.returncode}\n{done.stdout}{done.stderr}'
        return done.stdout

    def log(self, name):
        try:
            with open(os.path.join(self.state, 'log', name), encoding='utf-8', errors='replace') as file:
                return file.read()
        except OSError:
            return ''

    def setting(self, name):
        """What run/btcf.conf says."""
        with open(os.path.join(self.state, 'run', 'btcf.conf'), encoding='utf-8') as file:
            for line in file:
                key, equals, value = line.partition('=')
                if equals and key.strip() == name:
                    return value.strip().strip('"')
        raise KeyError(name)

    def pub_path(self):
        return os.path.join(self.setting('shm_dir'), 'pub.v1')

    # --- processes ---

    def processes(self):
        """{pid: name} of every live process that works in this state directory, whoever its parent is."""
        found = {}
        for entry in os.listdir('/proc'):
            if not entry.isdigit():
                continue
            try:
                cwd = os.readlink(f'/proc/{entry}/cwd')
                with open(f'/proc/{entry}/comm', encoding='utf-8') as comm:
                    name = comm.read().strip()
            except OSError:
                continue
            inside = cwd == self.state or cwd.startswith(self.state + '/')
            if inside and name.startswith(SERVERS) and is_alive(int(entry)):
                found[int(entry)] = name
        return found

    def pid_of(self, name):
        """The one process of this name that started first (a master before its workers)."""
        pids = sorted(pid for pid, comm in self.processes().items() if comm == name[:15])
        return pids[0] if pids else None

    def engine_pid(self):
        return self.pid_of('btcf:supervisor')

    def nginx_pid(self):
        try:
            with open(os.path.join(self.state, 'nginx', 'nginx.pid'), encoding='utf-8') as file:
                return int(file.read())
        except (OSError, ValueError):
            return None

    def worker_pids(self):
        master = self.nginx_pid()
        return [pid for pid in self.processes() if parent_of(pid) == master]

    def postgres_pid(self):
        try:
            with open(os.path.join(self.state, 'postgres', 'postmaster.pid'), encoding='utf-8') as file:
                return int(file.readline())
        except (OSError, ValueError):
            return None

    # --- ending ---

    def stop(self, number=signal.SIGTERM, deadline_s=40):
        """Asks it to stop and returns its exit status."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self.process.wait(deadline_s)

    def kill_all(self):
        """Whatever a test did: nothing of this stack survives it."""
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait(5)
        for pid in self.processes():
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        wait_for(lambda: not self.processes(), f'{self.state} is deserted', 10)

    def assert_deserted(self, deadline_s=5):
        wait_for(lambda: not self.processes(), 'no process is left', deadline_s)
        assert not is_listening(self.port)


def parent_of(pid):
    try:
        with open(f'/proc/{pid}/stat', encoding='utf-8', errors='replace') as stat:
            return int(stat.read().rpartition(')')[2].split()[1])
    except OSError:
        return None


def is_listening(port):
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(('127.0.0.1', port)) == 0
