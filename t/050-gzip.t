# The stored gzip variant is chosen by Accept-Encoding; nginx's own gzip never touches a document.
use strict;
use warnings;

use BTCF;
use IO::Uncompress::Gunzip qw(gunzip);
use Test::More;

my $body = '{"stale":false,"x":"' . 'abc' x 500 . '"}';
(my $stale = $body) =~ s/false/true/;
my $seg = segment();
$seg->doc('/v1/a', fresh => $body, stale => $stale, gzip => JSON::PP::true(), stale_in => 60_000, expires_in => 90_000);
$seg->doc('/v1/b', fresh => $body, stale => $stale, gzip => JSON::PP::true(), stale_in => -1000, expires_in => 90_000);
$seg->doc('/v1/plain', fresh => $body);
$seg->live;

my @cases = (
    [undef, 0], ['', 0], ['gzip', 1], ['GZIP', 1], ['x-gzip', 1], ['*', 1], ['deflate', 0], ['br', 0], ['identity', 0],
    ['deflate, gzip', 1], ['br;q=1.0, gzip;q=0.8, *;q=0.1', 1], ['gzip;q=0', 0], ['gzip;q=0.0', 0], ['gzip; q=0.000', 0],
    ['gzip;q=0.001', 1], ['gzip ; q=0.5', 1], ["gzip;\tq=1", 1], ['gzip;Q=1', 1], ['*;q=0', 0], ['*;q=0, gzip', 1],
    ['gzip;q=0, *', 0], ['identity;q=1, gzip;q=0.5', 0], ['identity;q=0.5, gzip;q=0.5', 1], ['identity;q=0', 0],
    ['identity;q=0, gzip', 1], ['gzip;q=2', 0], ['gzip;q=', 0], ['gzip;q', 0], ['gzip;x=1', 0], ['gzipped', 0], ['gzi', 0],
    [',, gzip ,', 1], [';q=1', 0], ['gzip;q=1.', 1],
);

# with nginx's own gzip as eager as it can be
for my $own ('gzip off;', 'gzip on; gzip_types *; gzip_min_length 1; gzip_vary on; gzip_proxied any;') {
    my $t = nginx(server => $own);
    for my $case (@cases) {
        my ($accept, $gzip) = @$case;
        my $res = get($t, '/v1/a', defined $accept ? ('Accept-Encoding' => $accept) : ());
        my $name = defined $accept ? "'$accept'" : 'no Accept-Encoding';
        is($res->{headers}{'content-encoding'} || 'identity', $gzip ? 'gzip' : 'identity', "$name ($own)");
        my $text = $res->{body};
        gunzip(\$res->{body} => \$text) if $gzip;
        ok($text eq $body, '... and the body is right');
        is_deeply($res->{all}{vary}, ['Authorization, X-API-Key, Accept-Encoding'], '... Vary once');
        is($res->{headers}{etag}, $gzip ? '"0000000000000001-gz"' : '"0000000000000001"', '... the tag of this form');
    }
    my $res = get($t, '/v1/b', 'Accept-Encoding' => 'gzip');
    gunzip(\$res->{body} => \my $text);
    is($text, $stale, 'the stale variant has a gzip form too');
    is($res->{headers}{etag}, '"0000000000001001-gz"', '... and tag');
    $res = get($t, '/v1/plain', 'Accept-Encoding' => 'gzip');
    ok(!exists $res->{headers}{'content-encoding'}, 'a document stored without gzip is sent as it is');
    is($res->{body}, $body, '... whole');
    is_deeply($res->{all}{vary}, ['Authorization, X-API-Key, Accept-Encoding'], '... Vary once');
    is(head_of($t, '/v1/a', 'Accept-Encoding' => 'gzip')->{headers}{'content-encoding'}, 'gzip', 'HEAD alike');
    ok(!exists get($t, '/v1/forecasts/x', 'Accept-Encoding' => 'gzip')->{headers}{etag}, 'an error has no tag');
}

finish();
