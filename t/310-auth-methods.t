# No method, and no way of asking, gets past btcf_auth required; and an early answer leaves the connection in order.
use strict;
use warnings;

use BTCF;
use Test::More;

my $seg = segment();
forecast_docs($seg);
$seg->plans;
$seg->account(7);
my $key = $seg->key(account => 7);
my $test_key = $seg->key(account => 7, test => 1);
my $narrow = $seg->key(account => 7, scopes => ['stream']);
$seg->doc('/sandbox/v1/forecasts/1d', class => 'forecast', fresh => '{"sandbox":true}');
$seg->live;
my $t = nginx(routes => q(
    btcf_auth required;
    btcf_require_scope read;
    location = /v1/forecasts { btcf_forecasts; }
    location /v1/ { btcf_document; }
    location /proxied { proxy_pass http://127.0.0.1:9; }
));

my @methods = qw(GET HEAD POST PUT DELETE OPTIONS PATCH PROPFIND MKCOL LOCK COPY FOO get);
push @methods, 'TRACE' if !over_h2();
for my $method (@methods) {
    for my $path ('/v1/forecasts/1d', '/v1/forecasts', '/proxied', '/v1/nothing') {
        my $res = request($t, $method, $path);
        # TRACE is refused by nginx before any location is asked
        like($res->{status}, $method eq 'TRACE' ? qr/^405$/ : $method eq 'get' ? qr/^40[01]$/ : qr/^401$/,
            "$method $path without a credential");
    }
}
is(request($t, 'POST', '/v1/forecasts/1d', 'X-API-Key' => $key)->{status}, 405, 'with one the method is judged');
is(request($t, 'OPTIONS', '/v1/forecasts/1d', 'X-API-Key' => $key)->{status}, 405, '... OPTIONS, too');

# an early answer: the body is read away, and the next request is understood
my $get = "GET /v1/forecasts/1d HTTP/1.1\r\nHost: x\r\nX-API-Key: $key\r\n\r\n";
my $smuggled = "GET /v1/forecasts/7d HTTP/1.1\r\nHost: x\r\n\r\n";
my %bodies = (
    'a body' => ["Content-Length: " . length($smuggled) . "\r\n", $smuggled],
    'chunks' => ["Transfer-Encoding: chunked\r\n", sprintf("%x\r\n%s\r\n0\r\n\r\n", length $smuggled, $smuggled)],
    'no body' => ['', ''],
);
for my $what (sort keys %bodies) {
    my ($headers, $body) = @{$bodies{$what}};
    my $socket = raw_talk($t);
    syswrite($socket, "POST /v1/forecasts/1d HTTP/1.1\r\nHost: x\r\n$headers\r\n$body$get");
    my @res = read_responses($socket, 'POST', 'GET');
    is($res[0]{status}, 401, "401 to a POST with $what");
    is($res[1] && $res[1]{status}, 200, '... and the next request on the connection is answered')
        or diag(explain(\@res));
    is($res[1] && json($res[1]{body})->{horizon}, '1d', '... as it was asked');
}
my $socket = raw_talk($t);
syswrite($socket, "POST /v1/forecasts/1d HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n");
my ($res) = read_responses($socket, 'POST');
is($res->{status}, 401, 'a client that waits for 100 is told no at once');

# which answers keep the connection
my %kept = (
    401 => ['/v1/forecasts/1d', ''],
    403 => ['/v1/forecasts/1d', "X-API-Key: $narrow\r\n"],
    404 => ['/v1/nothing', "X-API-Key: $key\r\n"],
    429 => ['/v1/forecasts/1d', "X-API-Key: $test_key\r\nBtcf-Simulate: 429\r\n"],
    503 => ['/v1/forecasts/1d', "X-API-Key: $test_key\r\nBtcf-Simulate: 503\r\n"],
    304 => ['/v1/forecasts/1d', "X-API-Key: $key\r\nIf-None-Match: *\r\n"],
);
for my $status (sort keys %kept) {
    my ($path, $headers) = @{$kept{$status}};
    $socket = raw_talk($t);
    syswrite($socket, "GET $path HTTP/1.1\r\nHost: x\r\n$headers\r\n");
    my ($first) = read_responses($socket, 'GET');
    is($first->{status}, $status, "a $status");
    syswrite($socket, $get);
    my ($second) = read_responses($socket, 'GET');
    is($second && $second->{status}, 200, '... keeps the connection');
}
$socket = raw_talk($t);
syswrite($socket, "GET /v1/forecasts/1d HTTP/1.1\r\nHost: x\r\nX-API-Key: $key\r\nX-API-Key: $key\r\n\r\n");
my ($first) = read_responses($socket, 'GET');
is($first->{headers}{connection}, 'close', 'a 400 closes it');

finish();
