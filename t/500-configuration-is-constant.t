# No request changes the configuration for another one: whatever special requests have been through a location, a plain one
# gets the same answer as before, and so do clients that are slow to send.
use strict;
use warnings;

use BTCF;
use Test::More;

my $seg = segment();
forecast_docs($seg);
$seg->plans;
$seg->account(1);
my $key = $seg->key(account => 1);
my $test_key = $seg->key(account => 1, test => 1);
$seg->doc('/sandbox/v1/forecasts/1d', class => 'forecast', fresh => '{"sandbox":true}');
$seg->live;
my $t = nginx();

my $path = '/v1/forecasts/1d';

# without what is different on each answer: ids, clocks, and what is left of a rate
sub answer {
    my (@headers) = @_;
    my $res = get($t, $path, @headers);
    delete $res->{headers}{$_} for 'x-request-id', 'date', 'cache-control', grep { /ratelimit/ } keys %{$res->{headers}};
    return [$res->{status}, $res->{headers}, $res->{body}];
}
my %before = (guest => answer(), key => answer('X-API-Key' => $key));

my @special = (
    ['a key' => ('X-API-Key' => $key)],
    ['a test key' => ('X-API-Key' => $test_key)],
    ['a test key that wants a fault' => ('X-API-Key' => $test_key, 'Btcf-Simulate' => '503')],
    ['a stale document' => ('X-API-Key' => $test_key, 'Btcf-Simulate' => 'stale')],
    ['a key that is none' => ('X-API-Key' => 'btcf_live_x')],
    ['two credentials' => ('X-API-Key' => $key, Authorization => 'Bearer a.b.c')],
    ['a forged token' => (Authorization => 'Bearer eyJhbGciOiJub25lIn0.e30.')],
    ['no body wanted' => ('If-None-Match' => '*')],
    ['compressed' => ('Accept-Encoding' => 'gzip')],
    ['an origin' => (Origin => 'https://elsewhere.example')],
    ['a trace of its own' => (traceparent => '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01')],
);
for my $special (@special) {
    my ($name, @headers) = @$special;
    get($t, $path, @headers);
    request($t, 'POST', $path, body => 'x', @headers);
    is_deeply(answer(), $before{guest}, "$name: a guest gets what guests got before");
    is_deeply(answer('X-API-Key' => $key), $before{key}, '... and a key what keys got');
}

# A handler that waits (Btcf-Simulate: slow) while its client goes on sending: nothing happens twice.
my $slow = raw_talk($t);
syswrite($slow, "GET $path HTTP/1.1\r\nHost: x\r\nX-API-Key: $test_key\r\nBtcf-Simulate: slow\r\n\r\n");
for my $byte (split //, "GET $path HTTP/1.1\r\nHost: x\r\n\r\n") {
    syswrite($slow, $byte);
    select undef, undef, undef, 0.01;    # a client that dribbles, not a wait for something
}
my @res = read_responses($slow, 'GET', 'GET');
is_deeply([map { $_->{status} } @res], [200, 200], 'a client that dribbles while its answer waits gets each answer once');
is($res[0]{body}, '{"sandbox":true}', '... in order');
like(get($t, '/metrics')->{body}, qr/^btcf_auth_total\{outcome="key"\} (\d+)$/m, '... and is counted');

finish();
