# Test keys: answered from the sandbox, marked, and with whatever fault they ask for.
use strict;
use warnings;

use BTCF;
use IO::Select;
use Test::More;
use Time::HiRes qw(time);

my $seg = segment();
forecast_docs($seg);
$seg->doc('/v1/status', class => 'status', fresh => '{"live":true}');
$seg->doc('/v1/only-live', class => 'status', fresh => '{}');
for my $horizon ('1h', '1d') {
    $seg->doc("/sandbox/v1/forecasts/$horizon", class => 'forecast', fresh => qq({"box":"$horizon","stale":false}),
        stale => qq({"box":"$horizon","stale":true}), gzip => JSON::PP::true(), stale_in => 60_000, expires_in => 120_000, etag => 7);
}
$seg->doc('/sandbox/v1/forecasts', class => 'forecast', fresh => '{"forecasts":[]}', stale => '{"forecasts":["stale"]}',
    stale_in => 60_000, expires_in => 120_000);
$seg->plans;
$seg->account(7);
my $key = $seg->key(account => 7, test => 1);
my $live = $seg->key(account => 7);
my $refused = $seg->key(account => 7, test => 1, enabled => 0);
$seg->live;
my $t = nginx(server => q(
    location /answers { return 200 "live"; }
    location = /v1/must { rewrite ^ /v1/forecasts/1d break; btcf_document; btcf_auth required; btcf_stale error; }
));
my @key = ('X-API-Key' => $key);

my $res = get($t, '/v1/forecasts/1d', @key);
is($res->{status}, 200, 'a document');
is(json($res->{body})->{box}, '1d', '... of the sandbox');
is($res->{headers}{'btcf-sandbox'}, 'true', '... which says so');
like($res->{headers}{'cache-control'}, qr/^private, max-age=[1-9]/, '... privately');
$res = get($t, '/v1/forecasts/1d', 'X-API-Key' => $live);
is(json($res->{body})->{horizon}, '1d', 'a live key gets the real one');
ok(!exists $res->{headers}{'btcf-sandbox'}, '... unmarked');
is(get($t, '/v1/forecasts', @key)->{body}, '{"forecasts":[]}', 'the list of forecasts');
is(get($t, '/v1/forecasts?horizons=1d,1h', @key)->{body},
    '{"forecasts":[{"box":"1d","stale":false},{"box":"1h","stale":false}]}', '... and a selection of it');
is(get($t, '/v1/forecasts/1d', @key, 'If-None-Match' => get($t, '/v1/forecasts/1d', @key)->{headers}{etag})->{status}, 304, 'a 304');
is(head_of($t, '/v1/forecasts/1d', @key)->{headers}{'btcf-sandbox'}, 'true', 'HEAD');

for my $path ('/v1/only-live', '/v1/forecasts/7d', '/v1/forecasts?horizons=7d', '/v1/' . 'x' x 200, '/v1/forecasts?horizons=14d,30d') {
    $res = get($t, $path, @key);
    is($res->{status}, 404, substr($path, 0, 30) . ' is not in the sandbox');
    is(json($res->{body})->{code}, 'sandbox-absent', '... which has a name');
    is_deeply($res->{all}{'btcf-sandbox'}, ['true'], '... and is marked');
}
$res = get($t, '/v1/forecasts/1d', 'X-API-Key' => $refused);
is($res->{status}, 401, 'a test key that is refused');
ok(!exists $res->{headers}{'btcf-sandbox'}, '... is told no more than any other');

# faults
$res = get($t, '/v1/forecasts/1d', @key, 'Btcf-Simulate' => '429');
is($res->{status}, 429, 'too many requests');
is(json($res->{body})->{code}, 'rate-limited', '... as it is in earnest');
is_deeply($res->{all}{'retry-after'}, ['1'], '... with one Retry-After');
is_deeply($res->{all}{'btcf-sandbox'}, ['true'], '... marked');
$res = get($t, '/v1/forecasts/1d', @key, 'Btcf-Simulate' => '503');
is($res->{status}, 503, 'unavailable');
is(json($res->{body})->{code}, 'unavailable', '... as it is in earnest');
is_deeply($res->{all}{'retry-after'}, ['5'], '... with one Retry-After');
$res = get($t, '/v1/forecasts/1d', @key, 'Btcf-Simulate' => 'stale', 'Accept-Encoding' => 'identity');
is($res->{status}, 200, 'stale');
is(json($res->{body})->{stale}, JSON::PP::true(), '... says so');
is($res->{headers}{'cache-control'}, 'private, max-age=0', '... and is not to be kept');
is(get($t, '/v1/forecasts?horizons=1h', @key, 'Btcf-Simulate' => 'stale')->{body}, '{"forecasts":[{"box":"1h","stale":true}]}',
    '... in a selection as well');
is(get($t, '/v1/forecasts', @key, 'Btcf-Simulate' => 'stale')->{body}, '{"forecasts":["stale"]}', '... and in the list');
is(json(get($t, '/v1/must', @key, 'Btcf-Simulate' => 'stale')->{body})->{code}, 'forecast-stale', '... where that is an error');

my $begin = time;
my $slow = raw_talk($t);
syswrite($slow, "GET /v1/forecasts/1d HTTP/1.1\r\nHost: x\r\nX-API-Key: $key\r\nBtcf-Simulate: slow\r\n\r\n");
is(get($t, '/v1/status', 'X-API-Key' => $live)->{status}, 200, 'while one waits, others are answered');
ok(time - $begin < 1.5, '... at once');
syswrite($slow, "GET /v1/forecasts/1h HTTP/1.1\r\nHost: x\r\nX-API-Key: $key\r\n\r\n");
my @res = read_responses($slow, 'GET', 'GET');
my $took = time - $begin;
ok($took >= 1.9 && $took < 8, 'slow takes two seconds') or diag($took);
is(json($res[0]{body})->{box}, '1d', '... and is then answered');
is(json($res[1]{body})->{box}, '1h', '... and what came meanwhile after it');
my $left = raw_talk($t);
syswrite($left, "GET /v1/forecasts/1d HTTP/1.1\r\nHost: x\r\nX-Request-Id: left\r\nX-API-Key: $key\r\nBtcf-Simulate: slow\r\n\r\n");
ok(!IO::Select->new($left)->can_read(0.3), 'another one waits');
close $left;
my @line;
wait_for { @line = grep { $_->{request_id} eq 'left' } access_log($t) };
is($line[0]{status}, 499, '... and is noticed to leave');

for my $what ('', 'fast', '4290', 'Stale', "x' \"<y>") {
    $res = get($t, '/v1/forecasts/1d', @key, 'Btcf-Simulate' => $what);
    is($res->{status}, 400, "\"$what\" is not known");
    is(json($res->{body})->{code}, 'unknown-simulation', '... which has a name');
}
for my $others (['X-API-Key' => $live], []) {
    is(get($t, '/v1/forecasts/1d', @$others, 'Btcf-Simulate' => $_)->{status}, 200, "nobody else can ask for $_")
        for qw(429 503 stale nonsense);
}

finish();
