# The worker's wall clock chooses: fresh, stale and saying so, or not at all.
use strict;
use warnings;

use BTCF;
use Test::More;

my $seg = segment();
my %pair = (fresh => '{"stale":false}', stale => '{"stale":true}');
$seg->doc('/v1/forecasts/1h', class => 'forecast', %pair, stale_in => 90_500, expires_in => 120_000, etag => 1);
$seg->doc('/v1/forecasts/4h', class => 'forecast', %pair, stale_in => -2000, expires_in => 120_000, etag => 2, published_in => -9000);
$seg->doc('/v1/forecasts/1d', class => 'forecast', %pair, stale_in => -3000, expires_in => -1, etag => 3);
$seg->doc('/v1/same', fresh => '{"a":1}', stale_in => -1, expires_in => 60_000, etag => 4);
$seg->doc('/v1/short', class => 'forecast', %pair, stale_in => 1500, expires_in => 3000, etag => 5);
$seg->live;
my $t = nginx(server => 'location /strict/ { rewrite ^/strict(/.*)$ $1 break; btcf_document; btcf_stale error; }');
my $began = Time::HiRes::time();

my $res = get($t, '/v1/forecasts/1h');
is($res->{body}, '{"stale":false}', 'fresh');
like($res->{headers}{'cache-control'}, qr/^public, max-age=(8\d|90)$/, '... for as long as it stays so');

$res = get($t, '/v1/forecasts/4h');
is($res->{status}, 200, 'stale is still 200');
is($res->{body}, '{"stale":true}', '... and says that it is');
is($res->{headers}{'cache-control'}, 'public, max-age=0', '... and is not to be kept');
is($res->{headers}{etag}, '"0000000000001002"', '... under a tag of its own');
is(get($t, '/v1/forecasts/4h', 'If-None-Match' => '"0000000000000002"')->{status}, 200, 'the fresh tag does not revalidate it');
my $published = 'Sun, 06 Nov 1994 08:49:37 GMT';
is(get($t, '/v1/forecasts/4h', 'If-Modified-Since' => $published)->{status}, 200, 'nor does the date of publication');
is(get($t, '/v1/forecasts/4h', 'If-Modified-Since' => $res->{headers}{'last-modified'})->{status}, 304, '... but its own date does');

$res = get($t, '/v1/forecasts/1d');
is($res->{status}, 503, 'expired is 503');
like($res->{headers}{'retry-after'}, qr/^[1-9]\d*$/, '... with Retry-After');
is($res->{headers}{'cache-control'}, 'no-store', '... never kept');
my $problem = json($res->{body});
is($problem->{code}, 'forecast-expired', '... its code');
is($problem->{status}, 503, '... its status');
ok(!exists $res->{headers}{etag}, '... no tag');
is(get($t, '/v1/forecasts/1d', 'If-None-Match' => '*')->{status}, 503, '... whatever the client has');
is(head_of($t, '/v1/forecasts/1d')->{status}, 503, '... and for HEAD');

is(get($t, '/v1/same')->{body}, '{"a":1}', 'a document with one variant serves it stale');
is(get($t, '/v1/same')->{headers}{'cache-control'}, 'public, max-age=0', '... not to be kept either');

is(get($t, '/strict/v1/forecasts/1h')->{status}, 200, 'btcf_stale error: fresh is served');
$res = get($t, '/strict/v1/forecasts/4h');
is($res->{status}, 503, '... stale is not');
is(json($res->{body})->{code}, 'forecast-stale', '... with a code of its own');

# one document through its life, with nobody publishing; the worker's clock and ours are the same
my %seen;
my $over = wait_for {
    my $r = get($t, '/v1/short');
    my $age = Time::HiRes::time() - $began;
    my $what = $r->{status} == 200 ? $r->{body} : $r->{status};
    $seen{$what} = $age if !$seen{$what};
    $r->{status} == 503;
};
ok($over, 'a document expires by itself');
ok($seen{'{"stale":false}'} && $seen{'{"stale":true}'} && $seen{'{"stale":true}'} > $seen{'{"stale":false}'}
    && $seen{503} > $seen{'{"stale":true}'}, 'fresh, then stale, then expired') or diag(explain(\%seen));
$seg->doc('/v1/short', class => 'forecast', %pair, stale_in => 60_000, expires_in => 90_000, etag => 6);
is(get($t, '/v1/short')->{body}, '{"stale":false}', 'and a publication brings it back');

my %docs = map { $_->{path} => $_->{doc} } access_log($t);
is($docs{'/v1/forecasts/4h'}, 'stale', 'the log says stale');
is($docs{'/v1/forecasts/1d'}, 'expired', '... and expired');

finish();
