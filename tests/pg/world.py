"""A world made by hand for tests of the path from candle to document, and roles of the engine as processes.

The feed is a geometric random walk of hourly candles, seeded, with a history long enough for every model. Candles are
inserted as ingest would; the roles find out by themselves what is due.
"""
import contextlib
import math
import os
import random
import signal
import subprocess
import time

from conftest import BTCF, HOUR_MS

BEGIN_MS = 1743465600000  # 2025-04-01T00:00:00Z
HISTORY_HOURS = 24 * 900
HORIZONS_S = [3600, 14400, 43200, 86400, 259200, 604800, 1209600, 2592000]
FEED = 'replay:77'


def shm_dir():
    """Where this test run's shared files are."""
    return f'/dev/shm/btcf-test-{os.getpid()}'


class World:
    """A feed with a history that ends at BEGIN_MS and goes on one candle at a time."""

    def __init__(self, database, hours=HISTORY_HOURS):
        self.database = database
        self.random = random.Random(7)
        self.price = 60000.0
        self.closes = {}
        now_ms = int(time.time() * 1000)
        # Slow enough that the clock stays near the begin while a test inserts candles by hand.
        database.sql("INSERT INTO feed (feed, symbol, state, market0_ms, wall0_ms, speed, is_active, degraded, provider,"
                     " begin_ms) VALUES (%s, 'BTC-USD', 'running', %s, %s, 1, true, true, 'test', %s)",
                     (FEED, BEGIN_MS, now_ms, BEGIN_MS))
        self.insert(BEGIN_MS - hours * HOUR_MS, hours)
        for interval_s in (14400, 86400):
            database.sql('INSERT INTO candle (feed, interval_s, open_time, open, high, low, close, volume, quote, source,'
                         ' known_wall_ms) SELECT feed, %(s)s, open_time / (%(s)s * 1000::bigint) * %(s)s * 1000,'
                         ' (array_agg(open ORDER BY open_time))[1], max(high), min(low),'
                         ' (array_agg(close ORDER BY open_time DESC))[1], sum(volume), quote, source, 0 FROM candle'
                         ' WHERE interval_s = 3600 GROUP BY 1, 3, quote, source', {'s': interval_s})
        self.close_ms = BEGIN_MS

    def insert(self, first_ms, count):
        rows = []
        for i in range(count):
            opened = self.price
            self.price *= math.exp(self.random.gauss(0, 0.006))
            self.closes[first_ms + (i + 1) * HOUR_MS] = self.price
            rows.append(f"('{FEED}',3600,{first_ms + i * HOUR_MS},{opened!r},{max(opened, self.price)!r},"
                        f"{min(opened, self.price)!r},{self.price!r},1,'USD','test',0)")
        for i in range(0, len(rows), 2000):
            self.database.sql('INSERT INTO candle (feed, interval_s, open_time, open, high, low, close, volume, quote,'
                              ' source, known_wall_ms) VALUES ' + ','.join(rows[i:i + 2000]))

    def advance(self, hours=1):
        """The market goes on: clock and candles, in one look of anybody else."""
        for _ in range(hours):
            self.insert(self.close_ms, 1)
            self.close_ms += HOUR_MS
        self.database.sql('UPDATE feed SET market0_ms = %s, wall0_ms = %s',
                          (self.close_ms, int(time.time() * 1000)))
        self.database.sql("SELECT pg_notify('candle', '')")


@contextlib.contextmanager
def role(database, name, tmp_path, **settings):
    """One role of the engine as a process of its own; killed at the end if it does not stop."""
    state = tmp_path / 'state'
    (state / 'run').mkdir(parents=True, exist_ok=True)
    log = open(tmp_path / f'{name}.log', 'ab')
    environment = {**os.environ, 'BTCF_DATABASE_URL': database.url, 'BTCF_STATE_DIR': str(state),
                   'BTCF_SHM_DIR': shm_dir(), 'BTCF_USER': 'postgres',
                   **{f'BTCF_{key.upper()}': str(value) for key, value in settings.items()}}
    os.chmod(tmp_path, 0o755)
    if os.geteuid() == 0:
        subprocess.run(['chown', '-R', 'postgres:', str(state)], check=True)
        for parent in list(tmp_path.parents)[:2]:
            os.chmod(parent, 0o755)
    process = subprocess.Popen([str(BTCF), 'engine', f'--role={name}'], env=environment, stdin=subprocess.DEVNULL,
                               stdout=log, stderr=log, start_new_session=True)
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            raise AssertionError(f'{name} did not end on SIGTERM')
        finally:
            log.close()
        assert 'Sanitizer' not in (tmp_path / f'{name}.log').read_text(errors='replace')


def batches(database):
    """Of the world's feed; the heavy lane makes one of the sandbox, too."""
    return database.one('SELECT count(*) FROM batch WHERE feed = %s', (FEED,))
