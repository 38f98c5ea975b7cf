# /metrics is valid Prometheus text, counts what happened, and carries what the engine says about itself.
use strict;
use warnings;

use BTCF;
use Test::More;

my $seg = segment();
forecast_docs($seg);
$seg->doc('/v1/price', class => 'market', fresh => '{"p":1}');
$seg->doc('/v1/status', class => 'status', fresh => '{}');
$seg->doc('/v1/stale', class => 'market', fresh => '{}', stale => '{"s":1}', stale_in => -1, expires_in => 90_000);
$seg->doc('/v1/expired', class => 'forecast', fresh => '{}', stale_in => -2, expires_in => -1);
$seg->doc('/metrics', class => 'internal', type => 'text',
    fresh => "# HELP btcf_engine_jobs_total Jobs done.\n# TYPE btcf_engine_jobs_total counter\nbtcf_engine_jobs_total 42\n");
$seg->live;
my $t = nginx(workers => 2, server => 'location /elsewhere { return 204; }');

sub metrics {
    my $res = get($t, '/metrics');
    die "metrics: $res->{status}" if $res->{status} != 200;
    return $res->{body};
}
sub number { my ($text, $sample) = @_; return $text =~ /^\Q$sample\E (\S+)$/m ? $1 : 0 }

# promtool is the judge of the format
my $text = metrics();
SKIP: {
    skip('promtool is not installed (package prometheus)', 1) if !-x '/usr/bin/promtool';
    spew(temp_dir() . '/metrics', $text);
    my $out = `promtool check metrics < '@{[temp_dir()]}/metrics' 2>&1`;
    is($? . $out, '0', 'promtool has nothing to say');
}
is(get($t, '/metrics')->{headers}{'content-type'}, 'text/plain; version=0.0.4; charset=utf-8', 'type');
is(get($t, '/metrics')->{headers}{'cache-control'}, 'no-store', 'not to be kept');
like($text, qr/\n\z/, 'the last line ends');
unlike($text, qr/\r/, 'no carriage returns');
like($text, qr/^btcf_engine_jobs_total 42$/m, 'the engine\'s own');
is(number($text, 'btcf_segment_up'), 1, 'the segment is there');
like($text, qr/^btcf_build_info\{version="[\d.]+",nginx="[\d.]+",abi="1\.\d+"\} 1$/m, 'build');
like($text, qr/^btcf_forecast_age_seconds\{horizon="30d"\} \d+$/m, 'age of a forecast');

# what happened between two scrapes
my @requests = (
    [5, 'forecast', 200, '/v1/forecasts/1d'], [2, 'market', 200, '/v1/price'], [3, 'status', 200, '/v1/status'],
    [2, 'market', 200, '/v1/stale'], [4, 'forecast', 503, '/v1/expired'], [3, 'other', 404, '/v1/none'],
    [2, 'control', 404, '/v1/admin/x'], [2, 'health', 200, '/healthz'], [1, 'other', 204, '/elsewhere'],
    [2, 'forecast', 304, '/v1/forecasts/1h', 'If-None-Match' => '*'], [1, 'other', 400, '/v1/price?x=1'],
);
my $before = metrics();
my %expected;
my $bytes = 0;
for my $row (@requests) {
    my ($n, $route, $code, $path, @headers) = @$row;
    for (1 .. $n) {
        my $res = get($t, $path, @headers);
        is($res->{status}, $code, "$path $code") if $res->{status} != $code;
        $bytes += length $res->{body} if $route eq 'forecast';
    }
    $expected{"$route $code"} += $n;
}
# a request is counted after its last byte has gone, so the last may still be on its way
my ($after, %got);
wait_for {
    $after = metrics();
    %got = ();
    while ($after =~ /^(btcf_http_requests_total\{route="(\w+)",code="(\d+)"\}) (\d+)$/mg) {
        my $n = $4 - number($before, $1);
        $got{"$2 $3"} = $n if $n && $2 ne 'metrics';
    }
    join(',', map { "$_=$got{$_}" } sort keys %got) eq join(',', map { "$_=$expected{$_}" } sort keys %expected);
} 3;
is_deeply(\%got, \%expected, 'every request was counted where it belongs');

my %look = (fresh => 12, stale => 2, expired => 4, absent => 3);
for my $outcome (sort keys %look) {
    my $sample = qq(btcf_document_lookups_total{outcome="$outcome"});
    is(number($after, $sample) - number($before, $sample), $look{$outcome}, "look-ups: $outcome");
}
my $sent = number($after, 'btcf_http_response_bytes_total{route="forecast"}') - number($before, 'btcf_http_response_bytes_total{route="forecast"}');
cmp_ok($sent, '>', $bytes, 'bytes sent include the bodies');
cmp_ok($sent, '<', $bytes + 11 * 800, '... and little else');

# histograms: buckets ascend, the last is the count, and the sum is sane
for my $route (qw(forecast market status static health metrics control other)) {
    my (@le, @n);
    while ($after =~ /^btcf_http_request_duration_seconds_bucket\{route="$route",le="([^"]+)"\} (\d+)$/mg) {
        push @le, $1;
        push @n, $2;
    }
    is($le[-1], '+Inf', "$route: the last bucket");
    is(join(' ', @n), join(' ', sort { $a <=> $b } @n), '... buckets are cumulative');
    is(join(' ', @le[0 .. $#le - 1]), join(' ', sort { $a <=> $b } @le[0 .. $#le - 1]), '... bounds ascend');
    is($n[-1], number($after, qq(btcf_http_request_duration_seconds_count{route="$route"})), '... and end in the count');
    my $requests = 0;
    $requests += $1 while $after =~ /^btcf_http_requests_total\{route="$route",code="\d+"\} (\d+)$/mg;
    is($n[-1], $requests, '... which is that of the requests');
    cmp_ok(number($after, qq(btcf_http_request_duration_seconds_sum{route="$route"})), '<', 5, '... in little time');
}

# the engine's heart
is(number($after, 'btcf_engine_up'), 1, 'the engine beats');
$seg->do({do => 'health', bits => 1});
is(number(metrics(), 'btcf_degraded'), 1, 'degraded');
$seg->kill;
ok(wait_for { number(metrics(), 'btcf_engine_up') == 0 }, 'a dead engine is noticed');
is(get($t, '/readyz')->{status}, 200, '... and readiness does not care');
like(get($t, '/readyz')->{body}, qr/"engine":"silent"/, '... but mentions it');

finish();
