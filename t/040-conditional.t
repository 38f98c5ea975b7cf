# Conditional requests by RFC 9110: the tag alone decides where there is one; 304 keeps the headers that caches need.
use strict;
use warnings;

use BTCF;
use Test::More;

my $seg = segment();
forecast_docs($seg, gzip => JSON::PP::true(), published_in => -5000);
$seg->doc('/v1/big', fresh => '{"x":"' . 'a' x 2000 . '"}', gzip => JSON::PP::true(), etag => 171);
$seg->live;
my $t = nginx();

my $path = '/v1/forecasts/1d';
my $full = get($t, $path);
my ($tag, $date) = @{$full->{headers}}{'etag', 'last-modified'};
my $old = 'Sun, 06 Nov 1994 08:49:37 GMT';
my $new = 'Wed, 01 Jan 2099 00:00:00 GMT';

my @cases = (
    ['the tag', 304, 'If-None-Match' => $tag],
    ['the tag, weak', 304, 'If-None-Match' => "W/$tag"],
    ['a list with it', 304, 'If-None-Match' => qq("a", $tag, "b")],
    ['a list with it, weak, last, odd blanks', 304, 'If-None-Match' => qq("a,b" ,\t"c",,W/$tag)],
    ['the star', 304, 'If-None-Match' => '*'],
    ['another tag', 200, 'If-None-Match' => '"0000000000000000"'],
    ['a list without it', 200, 'If-None-Match' => '"a", W/"b"'],
    ['the tag without quotes', 200, 'If-None-Match' => substr($tag, 1, 16)],
    ['half of the tag', 200, 'If-None-Match' => substr($tag, 0, 9) . '"'],
    ['an unclosed tag', 200, 'If-None-Match' => substr($tag, 0, 17)],
    ['the tag of the other encoding', 200, 'If-None-Match' => substr($tag, 0, 17) . '-gz"'],
    ['an empty list', 200, 'If-None-Match' => ','],
    ['the tag, though modified since', 304, 'If-None-Match' => $tag, 'If-Modified-Since' => $old],
    ['another tag, though not modified since', 200, 'If-None-Match' => '"x"', 'If-Modified-Since' => $new],
    ['the date', 304, 'If-Modified-Since' => $date],
    ['a later date', 304, 'If-Modified-Since' => $new],
    ['an earlier date', 200, 'If-Modified-Since' => $old],
    ['no date at all', 200, 'If-Modified-Since' => 'yesterday'],
    ['a match', 200, 'If-Match' => $tag],
    ['a match by the star', 200, 'If-Match' => '*'],
    ['a match in a list', 200, 'If-Match' => qq("x", $tag)],
    ['no match', 412, 'If-Match' => '"x"'],
    ['a weak match, which is none', 412, 'If-Match' => "W/$tag"],
    ['a match comes before none', 412, 'If-Match' => '"x"', 'If-None-Match' => $tag],
    ['a match, and not modified', 304, 'If-Match' => $tag, 'If-None-Match' => $tag],
    ['unmodified since', 200, 'If-Unmodified-Since' => $new],
    ['modified since', 412, 'If-Unmodified-Since' => $old],
);
for my $case (@cases) {
    my ($name, $status, @headers) = @$case;
    my $res = get($t, $path, @headers);
    is($res->{status}, $status, $name);
    is($res->{body}, $status == 304 ? '' : $full->{body}, '... body') if $status != 412;
    is(head_of($t, $path, @headers)->{status}, $status, '... and HEAD alike');
}

my $res = get($t, $path, 'If-None-Match' => $tag);
is($res->{headers}{etag}, $tag, '304 carries the tag');
like($res->{headers}{'cache-control'}, qr/^public, max-age=\d+$/, '... Cache-Control');
is_deeply($res->{all}{vary}, ['Authorization, X-API-Key, Accept-Encoding'], '... Vary once');
like($res->{headers}{'x-request-id'}, qr/^[0-9a-f]{32}$/, '... an id');
ok(!exists $res->{headers}{'content-length'}, '... no length');
ok(!exists $res->{headers}{'content-type'}, '... no type');

# the same for the stored gzip form, which has a tag of its own
my $gz = get($t, '/v1/big', 'Accept-Encoding' => 'gzip');
is($gz->{headers}{etag}, '"00000000000000ab-gz"', 'gzip has a tag of its own');
$res = get($t, '/v1/big', 'Accept-Encoding' => 'gzip', 'If-None-Match' => $gz->{headers}{etag});
is($res->{status}, 304, '... which revalidates it');
is($res->{headers}{etag}, $gz->{headers}{etag}, '... and comes back');
$res = get($t, '/v1/big', 'Accept-Encoding' => 'gzip', 'If-None-Match' => '"00000000000000ab"');
is($res->{status}, 200, 'the tag of the identity form does not');

# a selection has a tag that follows its parts
my $some = get($t, '/v1/forecasts?horizons=1h,1d');
is(get($t, '/v1/forecasts?horizons=1h,1d', 'If-None-Match' => $some->{headers}{etag})->{status}, 304, 'a selection revalidates');
isnt(get($t, '/v1/forecasts?horizons=1d,1h')->{headers}{etag}, $some->{headers}{etag}, '... and another order is another');
forecast_docs($seg, etag => 200);
is(get($t, '/v1/forecasts?horizons=1h,1d', 'If-None-Match' => $some->{headers}{etag})->{status}, 200, '... until a part changes');

# several conditions on one connection: 304 leaves it usable
my $socket = raw_talk($t);
syswrite($socket, "GET $path HTTP/1.1\r\nHost: x\r\nIf-None-Match: *\r\n\r\n" x 3);
is(join(' ', map { $_->{status} } read_responses($socket, ('GET') x 3)), '304 304 304', 'three in one write');

finish();
