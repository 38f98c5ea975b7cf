"""Two exchanges on loopback that answer as Coinbase and Kraken do, and misbehave on request.

Prices are a function of the hour, so any window can be asked for; `mode` of each is one of the MODES.
"""
import datetime
import json
import threading
import time
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

HOUR = 3600
MODES = ('honest', 'dead', 'garbage', 'error', 'huge', 'slow', 'impossible', 'lies', 'stale', 'redirect')


def candle(open_s, factor=1.0):
    """open, high, low, close, volume: four distinct prices near 60,000."""
    base = (60000 + (open_s // HOUR) % 97) * factor
    return base, base + 30, base - 20, base + 10, 12.5


class Exchange:
    def __init__(self, kind):
        self.kind, self.mode, self.calls = kind, 'honest', 0
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = 'HTTP/1.1'

            def do_GET(self):
                outer.calls += 1
                outer.answer(self)

            def log_message(self, *arguments):
                pass

        self.server = ThreadingHTTPServer(('127.0.0.1', 0), Handler)
        self.server.daemon_threads = True
        self.url = f'http://127.0.0.1:{self.server.server_port}'
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()

    def answer(self, handler):
        url = urllib.parse.urlparse(handler.path)
        query = {name: values[0] for name, values in urllib.parse.parse_qs(url.query).items()}
        status, body = 200, None
        if self.mode == 'dead':
            handler.close_connection = True
            return
        if self.mode == 'garbage':
            body = b'<html>down for maintenance</html>'
        elif self.mode == 'error':
            status, body = 503, b'{"message":"busy"}'
        elif self.mode == 'redirect':
            status, body = 302, b''
        elif self.mode == 'huge':
            body = b'[' + b'1,' * (3 << 20) + b'1]'
        elif self.mode == 'slow':
            time.sleep(3)
        if body is None:
            body = json.dumps(getattr(self, self.kind)(url.path, query)).encode()
        handler.send_response(status)
        if status == 302:
            handler.send_header('Location', 'http://127.0.0.1:1/')
        handler.send_header('Content-Length', str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    def hours(self, since, until):
        """(open_s, open, high, low, close, volume), ascending, the hour that is still open too."""
        now = time.time()
        until = min(until, now - (30 * HOUR if self.mode == 'stale' else 0))
        for open_s in range(int(since) - int(since) % HOUR, int(until), HOUR):
            if open_s < since:
                continue
            o, h, l, c, v = candle(open_s, 1.5 if self.mode == 'lies' else 1.0)
            if self.mode == 'impossible':
                h, l = l, h
            yield open_s, o, h, l, c, v

    def coinbase(self, path, query):
        if path.endswith('/ticker'):
            return {'price': '61234.5', 'size': '0.1'}
        start, end = (datetime.datetime.fromisoformat(query[name].replace('Z', '+00:00')).timestamp()
                      for name in ('start', 'end'))
        assert end - start <= 300 * HOUR, 'more than 300 buckets'
        return [[t, l, h, o, c, v] for t, o, h, l, c, v in self.hours(start, end + 1)][::-1]

    def kraken(self, path, query):
        if path.endswith('/Ticker'):
            return {'error': [], 'result': {'XXBTZUSD': {'c': ['61230.1', '0.2']}}}
        rows = [[t, *(f'{x:.2f}' for x in (o, h, l, c)), '60000.0', f'{v}', 7]
                for t, o, h, l, c, v in self.hours(max(int(query['since']) + 1, time.time() - 720 * HOUR), time.time())]
        return {'error': [], 'result': {'XXBTZUSD': rows, 'last': rows[-1][0] if rows else 0}}
