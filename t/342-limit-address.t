# Guests by address, IPv6 by /64; bad credentials by address; strict locations; and nobody's X-Forwarded-For but that of
# whom the operator trusts.
use strict;
use warnings;

use BTCF;
use Test::More;

my $seg = segment();
$seg->plans;
$seg->plan('guest', rate => 0.01, burst => 3);
$seg->account(1, plan => 'premium');
my $key = $seg->key(account => 1);
$seg->doc('/v1/price', class => 'market', fresh => '{"price":1}', etag => 5);
$seg->live;

my $routes = <<'EOC';
btcf_auth optional;
add_header X-Status $btcf_limit_status always;
location /v1/ { btcf_document; }
location = /strict { btcf_auth off; btcf_limit_address rate=1r/m burst=2 name=login all; rewrite ^ /v1/price break; btcf_document; }
location = /strict-too { btcf_auth optional; btcf_limit_address rate=1r/m burst=2 name=login all; rewrite ^ /v1/price break; btcf_document; }
location = /other { btcf_limit_address rate=1r/m burst=2 name=other; rewrite ^ /v1/price break; btcf_document; }
location = /off { btcf_limit_address off; rewrite ^ /v1/price break; btcf_document; }
location = /required { btcf_auth required; rewrite ^ /v1/price break; btcf_document; }
location = /dry { btcf_limit dry_run; rewrite ^ /v1/price break; btcf_document; }
location = /lenient { btcf_limit_failures off; rewrite ^ /v1/price break; btcf_document; }
EOC
my $trusting = nginx(routes => $routes, server => 'set_real_ip_from 127.0.0.1; real_ip_header X-Forwarded-For;');

sub from { my ($address, $path, @headers) = @_; return get($trusting, $path || '/v1/price', 'X-Forwarded-For' => $address, @headers) }
sub statuses { my ($n, @request) = @_; return join ' ', map { from(@request)->{status} } 1 .. $n }

is(statuses(4, '192.0.2.1'), '200 200 200 429', 'a guest has what the plan "guest" gives');
my $res = from('192.0.2.1');
is(json($res->{body})->{code}, 'address-limited', 'and is told why it has no more');
is($res->{headers}{'x-status'}, 'address', 'as is the log');
is($res->{headers}{ratelimit}, qq("guest";r=0;t=$res->{headers}{'retry-after'}), 'and when to come again');
is(statuses(1, '192.0.2.2'), '200', 'its neighbour is somebody else');

is(statuses(2, '2001:db8:1:2::1'), '200 200', 'IPv6');
is(statuses(2, '2001:db8:1:2:ffff::7'), '200 429', 'goes by the /64');
is(statuses(1, '2001:db8:1:3::1'), '200', 'so another /64 is somebody else');
is(statuses(1, '::ffff:192.0.2.1'), '429', 'and an IPv4 address is the same in the clothes of IPv6');

is(from('192.0.2.1', '/v1/price', 'X-API-Key' => $key)->{status}, 200, 'who has a key is not limited by the address');
is(statuses(2, '192.0.2.1', '/off'), '200 200', 'nor are guests where that is off');

# a strict location, apart from the rest
is(statuses(3, '192.0.2.3', '/strict'), '200 200 429', 'a strict location');
is(from('192.0.2.3', '/strict')->{headers}{'ratelimit-policy'}, '"login";q=2;w=120', '... says its own name');
is(statuses(1, '192.0.2.3', '/strict-too'), '429', '... shares with those that say the same');
is(from('192.0.2.3', '/strict-too', 'X-API-Key' => $key)->{status}, 429, '... also for those who bring a key');
is(statuses(1, '192.0.2.3', '/other'), '200', '... and not with another name');
is(statuses(1, '192.0.2.3'), '200', '... nor with the rest of the service');
is(statuses(6, '192.0.2.4', '/dry'), '200 200 200 200 200 200', 'a dry run refuses nobody');
is(from('192.0.2.4', '/dry')->{headers}{'x-status'}, 'address-dry-run', '... but says so');

# bad credentials
my $bad = $key;
substr($bad, 30, 1) = substr($bad, 30, 1) eq 'a' ? 'b' : 'a';
my %seen;
$seen{from('192.0.2.5', '/v1/price', 'X-API-Key' => $bad)->{status}}++ for 1 .. 25;
is($seen{401}, 20, 'twenty bad keys are looked at');
is($seen{429}, 5, '... the next are not');
is(from('192.0.2.5', '/v1/price', 'Authorization' => 'Bearer a.b.c')->{status}, 429, 'nor are tokens');
is(from('192.0.2.5', '/v1/price', 'X-API-Key' => $key)->{status}, 429, 'nor, for a while, good ones');
is(from('192.0.2.5')->{status}, 200, 'guests of that address are served');
is(from('192.0.2.5', '/lenient', 'X-API-Key' => $key)->{status}, 200, 'and everybody where that is off');
is(from('192.0.2.6', '/v1/price', 'X-API-Key' => $key)->{status}, 200, 'other addresses are not concerned');
$res = from('192.0.2.5', '/v1/price', 'X-API-Key' => $bad);
ok($res->{headers}{'retry-after'} >= 1 && $res->{headers}{'retry-after'} <= 6, 'it is over when one is earned back');
from('192.0.2.7', '/required') for 1 .. 25;
is(from('192.0.2.7', '/required', 'X-API-Key' => $key)->{status}, 200, 'to send no credential is no bad one');

# whom nobody told to believe X-Forwarded-For
my $plain = nginx(routes => $routes);
my @got = map { get($plain, '/other', 'X-Forwarded-For' => "198.51.100.$_", 'X-Real-IP' => "198.51.100.$_")->{status} } 1 .. 4;
is("@got", '200 200 429 429', 'an address that is only claimed is no address');

finish();
