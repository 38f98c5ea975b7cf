#!/usr/bin/python3
"""Readers of a running btcf: a steady rate of GETs over keep-alive connections, each answer checked.

    tests/e2e/readers.py --port 8080 --rate 200 --seconds 60          prints a report as JSON; BTCF_KEY has the API key

What counts as what:
  failed     no answer, or one that is neither 200 nor 304 nor among `allowed`, also after the one retry that HTTP grants
             an idempotent request on a connection that died
  retried    requests that needed that retry, by reason
  torn       a body that is not JSON, has another length than announced, does not gunzip, or an ETag that has stood on
             another body of the same address
  backwards  a forecast that was issued before one seen earlier by the same reader at the same address
"""
import argparse
import collections
import dataclasses
import gzip
import hashlib
import http.client
import json
import os
import random
import threading
import time

PATHS = ('/v1/forecasts/1h', '/v1/forecasts/1d', '/v1/forecasts/30d', '/v1/forecasts', '/v1/forecasts?horizons=1h,1d',
         '/v1/status', '/v1/accuracy')
CONNECTION_ERRORS = (ConnectionError, http.client.HTTPException, TimeoutError, OSError)
EXAMPLES_MAX = 20


@dataclasses.dataclass
class Report:
    requests: int = 0
    ok: int = 0
    not_modified: int = 0
    allowed: int = 0
    stale: int = 0
    failed: int = 0
    torn: int = 0
    backwards: int = 0
    retried: collections.Counter = dataclasses.field(default_factory=collections.Counter)
    statuses: collections.Counter = dataclasses.field(default_factory=collections.Counter)
    examples: list = dataclasses.field(default_factory=list)
    slowest_ms: float = 0.0

    def example(self, text):
        if len(self.examples) < EXAMPLES_MAX:
            self.examples.append(text)

    def assert_clean(self):
        """The promise of the read path, with the evidence when it is broken."""
        assert self.requests > 0, 'the readers read nothing'
        assert (self.failed, self.torn, self.backwards) == (0, 0, 0), self


class Reader(threading.Thread):
    """One connection's worth of readers."""

    def __init__(self, readers, number):
        super().__init__(name=f'reader-{number}', daemon=True)
        self.readers = readers
        self.random = random.Random(number)
        self.connection = None
        self.tags = {}       # address -> last ETag, for conditional requests
        self.issued = {}     # address -> newest issue seen

    def run(self):
        period = self.readers.threads / self.readers.rate
        due = time.monotonic() + self.random.random() * period
        while not self.readers.stopping.is_set():
            delay = due - time.monotonic()
            if delay > 0:
                time.sleep(delay)
            due = max(due + period, time.monotonic() - 1)  # after a hang, catch up for a second, not for a minute
            self.read(self.random.choice(self.readers.paths))
        if self.connection:
            self.connection.close()

    def read(self, path):
        headers = {'X-API-Key': self.readers.key} if self.readers.key else {}
        if self.random.random() < 0.3:
            headers['Accept-Encoding'] = 'gzip'
        if self.random.random() < 0.2 and path in self.tags:
            headers['If-None-Match'] = self.tags[path]
        begin = time.monotonic()
        answer = self.ask(path, headers)
        self.readers.note_duration((time.monotonic() - begin) * 1000)
        if answer is not None:
            self.judge(path, *answer)

    def ask(self, path, headers):
        """(status, headers, body), or None after the failure has been counted."""
        for attempt in (1, 2):
            try:
                if self.connection is None:
                    self.connection = http.client.HTTPConnection(self.readers.host, self.readers.port,
                                                                 timeout=self.readers.timeout_s)
                self.connection.request('GET', path, headers=headers)
                response = self.connection.getresponse()
                body = response.read()
                if response.getheader('Connection', '').lower() == 'close':
                    self.connection.close()
                return response.status, response.headers, body
            except CONNECTION_ERRORS as error:
                self.connection.close()
                self.connection = None
                if attempt == 2:
                    self.readers.count_failure(f'{path}: {error!r} twice')
                    return None
                self.readers.count_retry(type(error).__name__)
        return None

    def judge(self, path, status, headers, body):
        with self.readers.lock:
            report = self.readers.report
            report.requests += 1
            report.statuses[status] += 1
            if status == 304:
                report.not_modified += 1
            elif status in self.readers.allowed:
                report.allowed += 1
            elif status != 200:
                report.failed += 1
                report.example(f'{path}: {status} {body[:200]!r}')
            else:
                report.ok += 1
                self.judge_body(report, path, headers, body)

    def judge_body(self, report, path, headers, body):
        tag = headers.get('ETag')
        fault = self.readers.tag_fault(path, headers, body)
        try:
            text = gzip.decompress(body) if headers.get('Content-Encoding') == 'gzip' else body
            document = json.loads(text)
        except (ValueError, OSError, EOFError) as error:
            fault = fault or f'{error!r}'
        if fault:
            report.torn += 1
            report.example(f'{path} {tag}: torn: {fault}: {body[:80]!r}')
            return
        self.tags[path] = tag
        forecasts = document.get('forecasts', [document]) if isinstance(document, dict) else []
        report.stale += any(one.get('stale') for one in forecasts)
        issued = min((one['issued_at'] for one in forecasts if 'issued_at' in one), default=None)
        if issued is None:
            return
        if issued < self.issued.get(path, ''):
            report.backwards += 1
            report.example(f'{path}: {issued} after {self.issued[path]}')
        self.issued[path] = max(issued, self.issued.get(path, ''))


class Readers:
    """Threads that read until stop() and then say what they saw."""

    def __init__(self, port, host='127.0.0.1', rate=200, threads=10, paths=PATHS, allowed=(), timeout_s=10, key=None):
        self.host, self.port, self.rate, self.threads, self.key = host, port, rate, threads, key
        self.paths, self.allowed, self.timeout_s = paths, frozenset(allowed), timeout_s
        self.report = Report()
        self.lock = threading.Lock()
        self.stopping = threading.Event()
        self.bodies = {}   # (address, encoding, ETag) -> digest of the body it stood on
        self.running = [Reader(self, number) for number in range(threads)]

    def __enter__(self):
        for reader in self.running:
            reader.start()
        return self

    def __exit__(self, *_):
        self.stop()

    def stop(self):
        self.stopping.set()
        for reader in self.running:
            reader.join(timeout=3 * self.timeout_s)
        return self.report

    def note_duration(self, ms):
        with self.lock:
            self.report.slowest_ms = max(self.report.slowest_ms, ms)

    def count_retry(self, reason):
        with self.lock:
            self.report.retried[reason] += 1

    def count_failure(self, text):
        with self.lock:
            self.report.requests += 1
            self.report.failed += 1
            self.report.example(text)

    def tag_fault(self, path, headers, body):
        """Why headers and body do not belong together, or None. Called with the lock held."""
        if headers.get('Content-Length') is not None and int(headers['Content-Length']) != len(body):
            return f'{len(body)} bytes, announced {headers["Content-Length"]}'
        if headers.get('ETag') is None:
            return 'no ETag'
        key = (path, headers.get('Content-Encoding'), headers['ETag'])
        digest = hashlib.sha1(body).digest()
        return None if self.bodies.setdefault(key, digest) == digest else 'this ETag stood on another body'


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--port', type=int, default=8080)
    parser.add_argument('--host', default='127.0.0.1')
    parser.add_argument('--rate', type=float, default=200)
    parser.add_argument('--threads', type=int, default=10)
    parser.add_argument('--seconds', type=float, default=60)
    arguments = parser.parse_args()
    with Readers(arguments.port, arguments.host, arguments.rate, arguments.threads,
                 key=os.environ.get('BTCF_KEY')) as readers:
        time.sleep(arguments.seconds)
        report = readers.stop()
    print(json.dumps(dataclasses.asdict(report), indent=2))
    return 0 if report.failed + report.torn + report.backwards == 0 and report.requests > 0 else 1


if __name__ == '__main__':
    raise SystemExit(main())
