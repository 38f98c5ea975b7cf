"""Role ingest: honest, lying and dying exchanges; replay and simulation; a database that goes away."""
import os
import signal
import subprocess
import time

import pytest

from conftest import BTCF, HOUR_MS, wait_for
from exchange import HOUR, Exchange, candle

T0 = 1700002800  # 2023-11-14T23:00:00Z
CLOSES = 'SELECT (open_time / 1000)::bigint, close FROM candle WHERE interval_s = 3600 ORDER BY open_time'


class Ingest:
    """`btcf engine --role=ingest` with settings of its own."""

    def __init__(self, database, directory, **settings):
        os.chmod(directory, 0o777)
        base = {'state_dir': str(directory), 'shm_dir': '/dev/shm/btcf-test-unused', 'user': 'postgres',
                'provider_poll_ms': 200, 'provider_timeout_ms': 1000}
        command = [str(BTCF), 'engine', '--role=ingest']
        for name, value in {**base, **settings}.items():
            command += ['--set', f'{name}={value}']
        self.log = directory / 'ingest.log'
        with open(self.log, 'ab') as log:
            self.process = subprocess.Popen(command, env={**os.environ, 'BTCF_DATABASE_URL': database.url}, stdout=log,
                                            stderr=log, stdin=subprocess.DEVNULL)

    def text(self):
        return self.log.read_text(errors='replace')

    def stop(self, how=signal.SIGTERM):
        if self.process.poll() is None:
            self.process.send_signal(how)
        try:
            return self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise AssertionError(f'did not stop: {self.text()[-2000:]}')


@pytest.fixture
def start(database, tmp_path):
    started = []

    def begin(**settings):
        started.append(Ingest(database, tmp_path, **settings))
        return started[-1]

    yield begin
    for one in started:
        one.stop()


@pytest.fixture
def exchanges():
    pair = Exchange('coinbase'), Exchange('kraken')
    yield pair
    for one in pair:
        one.close()


def live(exchanges, **more):
    coinbase, kraken = exchanges
    return {'mode': 'live', 'provider_url_coinbase': coinbase.url, 'provider_url_kraken': kraken.url, **more}


def last_closed_hour():
    return int(time.time()) // HOUR * HOUR - HOUR


def has_newest(database, source=None):
    return database.sql("SELECT 1 FROM candle WHERE interval_s = 3600 AND open_time = %s AND source = coalesce(%s, source)",
                        (last_closed_hour() * 1000, source))


def states(database):
    return dict(database.sql('SELECT provider, state FROM provider_state'))


def import_history(database, tmp_path, hours, missing=()):
    """Hours from T0 on; a closed-form price, so that what arrives can be checked."""
    path = tmp_path / 'history.csv'
    path.write_text(''.join('{},{},{},{},{},{}\n'.format(T0 + HOUR * i, *candle(T0 + HOUR * i))
                            for i in range(hours) if i not in missing))
    database.btcf('import', str(path), '--interval', '1h')


def import_recent(database, tmp_path):
    """Sixty hours that end five hours ago, so that a live feed has little left to fetch."""
    path = tmp_path / 'recent.csv'
    first = last_closed_hour() - 64 * HOUR
    path.write_text(''.join('{},{},{},{},{},{}\n'.format(first + HOUR * i, *candle(first + HOUR * i)) for i in range(60)))
    database.btcf('import', str(path), '--interval', '1h')


def forecast_hours(database):
    """Closes, in hours since T0, that have a forecast job, in the order in which they were added."""
    return [(close_ms // 1000 - T0) // HOUR
            for close_ms, in database.sql("SELECT (payload->>'issued_at')::bigint FROM job WHERE kind = 'forecast' ORDER BY id")]


def finish_jobs(database):
    database.sql("UPDATE job SET state = 'done' WHERE state = 'queued'")


def test_two_honest_exchanges_fill_the_past_and_agree(database, start, exchanges):
    start(**live(exchanges))
    wait_for(lambda: has_newest(database), 'the newest hour')
    rows = database.sql(CLOSES)
    assert len(rows) >= 600 * 24 - 1
    assert all(close == candle(open_s)[3] for open_s, close in rows)
    assert database.one('SELECT max(open_time) FROM candle WHERE interval_s = 3600') == last_closed_hour() * 1000
    assert database.one('SELECT count(*) FROM candle WHERE source_count = 2 AND interval_s = 3600') > 0
    wait_for(lambda: states(database) == {'coinbase': 'ok', 'kraken': 'ok'}, 'both noted as well')
    wait_for(lambda: database.one("SELECT last_price FROM provider_state WHERE provider = 'coinbase'") == 61234.5, 'price')
    assert database.sql('SELECT feed, degraded, is_active FROM feed') == [('live', False, True)]
    # One forecast, of the newest close: what is older than an hour is history.
    assert database.sql("SELECT unique_key FROM job WHERE kind = 'forecast'") == [
        (f'live@{(last_closed_hour() + HOUR) * 1000}',)]


def test_days_and_four_hours_are_built_on_utc_boundaries(database, start, exchanges, tmp_path):
    import_recent(database, tmp_path)
    start(**live(exchanges))
    wait_for(lambda: has_newest(database), 'the newest hour')
    day = database.sql('SELECT open_time, open, high, low, close, volume FROM candle WHERE interval_s = 86400 '
                       'ORDER BY open_time DESC LIMIT 1')[0]
    assert day[0] % (24 * HOUR_MS) == 0
    hours = [candle(day[0] // 1000 + HOUR * i) for i in range(24)]
    assert day[1:] == (hours[0][0], max(h[1] for h in hours), min(h[2] for h in hours), hours[23][3], 24 * 12.5)
    assert database.one('SELECT count(*) FROM candle WHERE interval_s = 14400 AND open_time %% 14400000 <> 0', ()) == 0
    newest_four = database.one('SELECT max(open_time) FROM candle WHERE interval_s = 14400')
    assert newest_four + 4 * HOUR_MS <= (last_closed_hour() + HOUR) * 1000
    # Imported hours and fetched ones together, each with its source.
    assert dict(database.sql('SELECT source, count(*) FROM candle WHERE interval_s = 3600 GROUP BY source')) == {
        'file': 60, 'coinbase': 5}


@pytest.mark.parametrize('mode', ['dead', 'garbage', 'error', 'huge', 'slow', 'impossible', 'stale', 'redirect'])
def test_goes_on_with_the_other_when_one_exchange_is(database, start, exchanges, tmp_path, mode):
    import_recent(database, tmp_path)
    exchanges[0].mode = mode
    start(**live(exchanges))
    wait_for(lambda: has_newest(database, 'kraken'), f'the newest hour, with coinbase {mode}')
    assert all(close == candle(open_s)[3] for open_s, close in database.sql(CLOSES))
    wait_for(lambda: states(database).get('coinbase') in ('failing', 'open'), 'coinbase noted as failing')
    assert database.one("SELECT last_error FROM provider_state WHERE provider = 'coinbase'")
    exchanges[0].mode = 'honest'
    wait_for(lambda: states(database)['coinbase'] == 'ok', 'coinbase trusted again', 90)


def test_a_price_that_only_one_exchange_reports_is_refused(database, start, exchanges, tmp_path):
    """The liar is found by the last known close; its hour is the other's."""
    import_recent(database, tmp_path)
    ingest = start(**live(exchanges))
    wait_for(lambda: has_newest(database), 'the newest hour')
    ingest.stop()
    newest = last_closed_hour() * 1000
    database.sql('DELETE FROM candle WHERE open_time >= %s', (newest - 2 * HOUR_MS,))
    database.sql("DELETE FROM job")
    exchanges[0].mode = 'lies'
    start(**live(exchanges))
    wait_for(lambda: has_newest(database, 'kraken'), 'the newest hour from the honest one')
    assert database.sql(CLOSES)[-1][1] == candle(database.sql(CLOSES)[-1][0])[3]
    wait_for(lambda: database.one("SELECT refused FROM provider_state WHERE provider = 'coinbase'") > 0, 'the lie counted')


def test_the_hour_that_is_still_open_is_never_stored(database, start, exchanges, tmp_path):
    import_recent(database, tmp_path)
    start(**live(exchanges))
    wait_for(lambda: has_newest(database), 'the newest hour')
    assert database.one('SELECT count(*) FROM candle WHERE open_time + interval_s::bigint * 1000 > %s',
                        (int(time.time() * 1000),)) == 0


def test_no_exchange_at_all_is_told_and_waited_for(database, start, exchanges, tmp_path):
    import_recent(database, tmp_path)
    for one in exchanges:
        one.mode = 'error'
    ingest = start(**live(exchanges))
    wait_for(lambda: database.sql("SELECT 1 FROM component WHERE name = 'ingest' AND state = 'failed'"), 'told')
    assert 'no provider' in database.one("SELECT detail FROM component WHERE name = 'ingest'")
    assert 'status 503' in ingest.text()
    for one in exchanges:
        one.mode = 'honest'
    wait_for(lambda: has_newest(database), 'the newest hour after all', 90)
    wait_for(lambda: database.sql("SELECT 1 FROM component WHERE name = 'ingest' AND state = 'ok'"), 'told as well')
    assert ingest.process.poll() is None


def test_auto_takes_what_can_be_had(database, start, exchanges, tmp_path):
    """No exchange and nothing imported: simulation. Imported: replay. An exchange: live."""
    auto = {**live(exchanges), 'mode': 'auto', 'replay_speed': 1}
    active = 'SELECT provider, degraded FROM feed WHERE is_active'
    for one in exchanges:
        one.mode = 'error'
    ingest = start(**auto)
    wait_for(lambda: database.sql(active) == [('simulate', True)], 'a simulation')
    assert 'not real' in database.one('SELECT note FROM feed WHERE is_active')
    assert 'no exchange' in database.one('SELECT note FROM feed WHERE is_active')
    ingest.stop()
    import_history(database, tmp_path, 200)
    ingest = start(**auto)
    wait_for(lambda: database.sql(active) == [('replay', True)], 'a replay')
    ingest.stop()
    exchanges[1].mode = 'honest'
    start(**auto)
    wait_for(lambda: database.sql(active) == [('live', False)], 'live')


def test_a_fast_replay_has_a_forecast_for_every_hour_in_order(database, start, tmp_path):
    import_history(database, tmp_path, 120)
    start(mode='replay', replay_days=2, replay_speed=36000)  # ten hours a second

    def ended():
        finish_jobs(database)
        return database.sql("SELECT 1 FROM feed WHERE state = 'ended'")

    wait_for(ended, 'the end of the history')
    # The start, 48 hours before the end, and each close after it.
    assert forecast_hours(database) == list(range(72, 121))
    assert database.sql('SELECT (market0_ms / 1000 - %s) / 3600 FROM feed', (T0,)) == [(120,)]
    assert [close for _, close in database.sql(CLOSES)] == [candle(T0 + HOUR * i)[3] for i in range(120)]
    wait_for(lambda: database.sql("SELECT 1 FROM component WHERE state = 'ended'"), 'said so')


def test_a_replay_never_shows_its_future(database, start, tmp_path):
    import_history(database, tmp_path, 120)
    start(mode='replay', replay_days=2, replay_speed=7200)
    end = time.monotonic() + 8
    while time.monotonic() < end:
        finish_jobs(database)
        newest, market = database.sql(
            'SELECT (SELECT max(open_time + interval_s::bigint * 1000) FROM candle), '
            "market0_ms + (%s - wall0_ms) * speed FROM feed", (int(time.time() * 1000),))[0] if database.sql(
                'SELECT 1 FROM feed') else (0, 0)
        assert not newest or newest <= market + HOUR_MS / 10
    assert len(forecast_hours(database)) > 3


def test_a_replay_waits_for_its_forecasts(database, start, tmp_path):
    """Nobody does the jobs, so the clock is held back instead of leaving hours behind."""
    import_history(database, tmp_path, 400)
    start(mode='replay', replay_days=5, replay_speed=360000)
    wait_for(lambda: len(forecast_hours(database)) >= 3, 'three hours')
    hours = forecast_hours(database)
    assert hours == list(range(280, 280 + len(hours))) and len(hours) < 20


def test_a_gap_in_the_history_is_filled_flat_and_marked(database, start, tmp_path):
    import_history(database, tmp_path, 120, missing={20, 21, 90, 91, 92})
    start(mode='replay', replay_days=2, replay_speed=36000)

    def ended():
        finish_jobs(database)
        return database.sql("SELECT 1 FROM feed WHERE state = 'ended'")

    wait_for(ended, 'the end of the history')
    filled = database.sql('SELECT (open_time / 1000 - %s) / 3600, open, high, low, close, volume FROM candle '
                          'WHERE is_filled AND interval_s = 3600 ORDER BY open_time', (T0,))
    flat = {hour: candle(T0 + HOUR * (hour_before))[3] for hour, hour_before in
            ((20, 19), (21, 19), (90, 89), (91, 89), (92, 89))}
    assert [(int(hour), *rest) for hour, *rest in filled] == [(h, p, p, p, p, 0) for h, p in flat.items()]
    # Nobody forecast from an hour of which nothing was known.
    assert not {91, 92, 93} & set(forecast_hours(database))


def test_a_second_start_goes_on_where_the_market_stood(database, start, tmp_path):
    import_history(database, tmp_path, 400)
    settings = {'mode': 'replay', 'replay_days': 10, 'replay_speed': 3600}
    ingest = start(**settings)
    wait_for(lambda: finish_jobs(database) or len(forecast_hours(database)) >= 4, 'four hours')
    assert ingest.stop() == 0
    state, stood = database.sql('SELECT state, market0_ms FROM feed')[0]
    assert state == 'paused'
    before = forecast_hours(database)
    time.sleep(2.5)  # two and a half hours of market time, were it not standing still
    start(**settings)
    wait_for(lambda: finish_jobs(database) or len(forecast_hours(database)) >= len(before) + 3, 'three hours more')
    after = forecast_hours(database)
    assert after == list(range(before[0], before[0] + len(after)))
    assert database.one('SELECT count(*) FROM feed') == 1
    assert database.one('SELECT market0_ms FROM feed') >= stood


def test_a_kill_loses_no_hour_either(database, start, tmp_path):
    import_history(database, tmp_path, 400)
    settings = {'mode': 'replay', 'replay_days': 10, 'replay_speed': 3600}
    ingest = start(**settings)
    wait_for(lambda: finish_jobs(database) or len(forecast_hours(database)) >= 4, 'four hours')
    ingest.stop(signal.SIGKILL)
    wait_for(lambda: not database.one("SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'btcf ingest%%'", ()),
             'its role gone as well')
    before = len(forecast_hours(database))
    time.sleep(2.5)
    start(**settings)
    wait_for(lambda: finish_jobs(database) or len(forecast_hours(database)) >= before + 3, 'three hours more')
    after = forecast_hours(database)
    assert after == list(range(after[0], after[0] + len(after)))


def test_another_import_begins_another_replay(database, start, tmp_path):
    import_history(database, tmp_path, 200)
    ingest = start(mode='replay', replay_days=2, replay_speed=1)
    wait_for(lambda: database.sql("SELECT 1 FROM feed WHERE is_active AND feed = 'replay:1'"), 'the first')
    ingest.stop()
    import_history(database, tmp_path, 300)
    start(mode='replay', replay_days=2, replay_speed=1)
    wait_for(lambda: database.sql("SELECT 1 FROM feed WHERE is_active AND feed = 'replay:2'"), 'the second')


def test_a_simulation_is_the_same_for_the_same_seed(database, start):
    ingest = start(mode='simulate', simulate_seed=7, replay_speed=3600)
    wait_for(lambda: database.sql("SELECT 1 FROM feed WHERE is_active AND feed = 'simulate:7' AND degraded"), 'the feed')
    wait_for(lambda: finish_jobs(database) or database.one("SELECT count(*) FROM job WHERE kind = 'forecast'") >= 3, 'hours')
    ingest.stop()
    first = database.sql('SELECT open, high, low, close FROM candle WHERE interval_s = 3600 ORDER BY open_time LIMIT 14401')
    assert len(first) == 14401
    database.sql('TRUNCATE feed CASCADE')
    start(mode='simulate', simulate_seed=7, replay_speed=3600)
    wait_for(lambda: finish_jobs(database) or database.one('SELECT count(*) FROM candle WHERE interval_s = 3600') >= 14401,
             'the same history and an hour more')
    assert database.sql('SELECT open, high, low, close FROM candle WHERE interval_s = 3600 '
                        'ORDER BY open_time LIMIT 14401') == first


def test_a_database_that_goes_away_is_waited_for(database, start, tmp_path, server):
    import_history(database, tmp_path, 400)
    ingest = start(mode='replay', replay_days=10, replay_speed=3600)
    wait_for(lambda: finish_jobs(database) or len(forecast_hours(database)) >= 2, 'two hours')
    database.connection.close()
    server.stop()
    wait_for(lambda: 'ingest.round' in ingest.text(), 'the failure in the log')
    server.start()
    before = len(forecast_hours(database))
    wait_for(lambda: finish_jobs(database) or len(forecast_hours(database)) >= before + 2, 'two hours more')
    assert ingest.process.poll() is None
    hours = forecast_hours(database)
    assert hours == list(range(hours[0], hours[0] + len(hours)))


def test_a_database_that_does_not_answer_is_given_up_and_asked_again(database, start, tmp_path):
    """A stopped backend keeps its socket open and says nothing: only a deadline of the client's own helps."""
    import_history(database, tmp_path, 400)
    ingest = start(mode='replay', replay_days=10, replay_speed=3600, database_timeout_ms=500)
    wait_for(lambda: finish_jobs(database) or len(forecast_hours(database)) >= 2, 'two hours')
    backend = database.one("SELECT pid FROM pg_stat_activity WHERE application_name = 'btcf ingest' AND datname = %s",
                           (database.name,))
    os.kill(backend, signal.SIGSTOP)
    try:
        wait_for(lambda: 'did not answer within' in ingest.text(), 'the deadline in the log')
        before = len(forecast_hours(database))
        wait_for(lambda: finish_jobs(database) or len(forecast_hours(database)) >= before + 2, 'two hours more')
    finally:
        os.kill(backend, signal.SIGCONT)
    hours = forecast_hours(database)
    assert hours == list(range(hours[0], hours[0] + len(hours)))


def test_modes_that_cannot_be_had_say_so(database, tmp_path, start):
    ingest = start(mode='replay')
    wait_for(lambda: 'import candles of BTC-USD first' in ingest.text(), 'told in the log')
    ingest.stop()
    import_history(database, tmp_path, 100)
    ingest = start(mode='replay', replay_start='2031-01-01T00:00:00Z')
    wait_for(lambda: 'lies outside of the imported history' in ingest.text(), 'told in the log')
