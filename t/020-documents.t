# A published document is served as it was published, with the headers of the contract.
use strict;
use warnings;

use BTCF;
use Test::More;

my $seg = segment();
forecast_docs($seg);
$seg->doc('/v1/status', class => 'status', fresh => '{"ok":true}', etag => 7);
$seg->doc('/docs', class => 'static', type => 'html', fresh => '<!doctype html>', etag => 8);
$seg->doc('/v1/secret', class => 'internal', fresh => 'x');
$seg->live;

my $t = nginx();

my $res = get($t, '/v1/forecasts/1d');
is($res->{status}, 200, 'a document is found');
is($res->{body}, '{"id":"f3","horizon":"1d","stale":false}', 'the bytes that were published');
is($res->{headers}{'content-type'}, 'application/json', 'type');
is($res->{headers}{'content-length'}, length $res->{body}, 'length');
is($res->{headers}{etag}, '"0000000000000067"', 'strong tag of the publication');
like($res->{headers}{'cache-control'}, qr/^public, max-age=(5\d|60)$/, 'cacheable until it goes stale');
is_deeply($res->{all}{vary}, ['Authorization, X-API-Key, Accept-Encoding'], 'Vary, exactly once');
like($res->{headers}{'last-modified'}, qr/^\w{3}, \d\d \w{3} \d{4} [\d:]{8} GMT$/, 'Last-Modified');
ok(!exists $res->{headers}{'accept-ranges'}, 'no ranges are offered');
like($res->{headers}{'x-request-id'}, qr/^[0-9a-f]{32}$/, 'a request id');

$res = get($t, '/v1/forecasts/1d', Range => 'bytes=0-3');
is($res->{status}, 200, 'a range is ignored');
is(length $res->{body}, 40, '... and the whole is sent');

is(get($t, '/v1/forecasts')->{body} =~ tr/{//, 9, 'the list has all horizons');
is(get($t, '/v1/status')->{headers}{'cache-control'}, 'public, max-age=60', 'what never goes stale');
is(get($t, '/docs')->{headers}{'content-type'}, 'text/html; charset=utf-8', 'a page');
is(get($t, '/v1/nothing')->{status}, 404, 'what was never published');
is(get($t, '/v1/secret')->{status}, 404, 'internal documents stay inside');
is(get($t, '/v1/forecasts/2d')->{status}, 404, 'no such horizon');
is(get($t, '/v1/' . 'x' x 200)->{status}, 404, 'a name longer than any key');

$seg->doc('/v1/status', class => 'status', fresh => '{"ok":false}', etag => 9);
is(get($t, '/v1/status')->{body}, '{"ok":false}', 'the next publication is seen at once');
$seg->do({do => 'retire', key => '/v1/status'});
is(get($t, '/v1/status')->{status}, 404, 'a retired document is gone');

finish();
