# Internal redirects: a policy judges for itself, error pages keep status and headers, and the log knows who asked.
use strict;
use warnings;

use BTCF;
use Test::More;

my $seg = segment();
forecast_docs($seg);
$seg->plans;
my $user = $seg->account(7);
my $key = $seg->key(account => 7, scopes => ['read']);
my $test_key = $seg->key(account => 7, test => 1);
$seg->doc('/flood/page', fresh => '{}');
$seg->live;
my $upstream = nginx(routes => 'location / { add_header WWW-Authenticate "Teapot realm=x" always; return 401; }');
my $doc = 'rewrite ^ /v1/forecasts/1d break; btcf_document;';
my $t = nginx(server => qq(
    location = /optional { btcf_auth optional; rewrite ^ /strict last; }
    location = /off { btcf_auth off; rewrite ^ /strict last; }
    location = /off/named { btcf_auth off; error_page 418 = \@strict; return 418; }
    location = /off/try { btcf_auth off; try_files /nonexistent /strict; }
    location = /read { btcf_auth required; btcf_require_scope read; error_page 412 = /history; rewrite ^ /v1/forecasts/1d break; btcf_document; }
    location = /history { $doc btcf_auth required; btcf_require_scope history; }
    location = /strict { $doc btcf_auth required; }
    location \@strict { $doc btcf_auth required; }

    location = /own { $doc btcf_auth required; error_page 401 403 429 /page; }
    location = /own/scope { $doc btcf_auth required; btcf_require_scope history; error_page 403 \@page; }
    location = /page { btcf_auth off; btcf_problem off; default_type text/plain; return 200 "who: \$btcf_user \$btcf_auth"; }
    location \@page { btcf_auth off; btcf_problem off; default_type text/plain; return 403 "who: \$btcf_user \$btcf_auth"; }
    location = /guarded { $doc btcf_auth required; error_page 401 /guarded/page; }
    location = /guarded/page { btcf_auth required; $doc }
    location = /upstream { btcf_auth required; error_page 401 = /challenger; $doc }
    location = /challenger { btcf_auth off; proxy_pass http://127.0.0.1:$upstream->{plain}; }
    location = /intercepted { btcf_auth required; proxy_pass http://127.0.0.1:$upstream->{plain}; proxy_intercept_errors on; error_page 401 /page; }
    location /flood/ { btcf_auth required; btcf_limit_failures rate=1r/h burst=1; error_page 429 /flood/page; btcf_document; }
    location = /added { $doc btcf_auth required; add_header X-Extra yes always; }
    location = /early { btcf_auth optional; set \$was "\$btcf_auth \$btcf_user"; rewrite ^ /late last; }
    location = /late { btcf_auth required; add_header X-Was "\$was" always; add_header X-Is "\$btcf_auth" always; $doc }
));

# the second policy judges for itself
for my $path ('/optional', '/off', '/off/named', '/off/try') {
    is(get($t, $path)->{status}, 401, "$path leads to a location that asks for a credential");
    is(get($t, $path, 'X-API-Key' => $key)->{status}, 200, '... and takes one');
}
is(get($t, '/read', 'X-API-Key' => $key)->{status}, 200, 'what one location lets in');
is(get($t, '/read', 'X-API-Key' => $key, 'If-Match' => '"x"')->{status}, 403, '... another one need not, after an error');

# pages of error_page
my $res = get($t, '/own', 'X-Request-Id' => 'r1');
is($res->{status}, 401, 'error_page 401: the status stays');
is($res->{body}, 'who:  missing', '... and the page is the operator\'s');
is_deeply($res->{all}{'www-authenticate'}, ['Bearer realm="btcf"'], '... with one challenge');
$res = get($t, '/own/scope', 'X-API-Key' => $key, 'X-Request-Id' => 'r2');
is($res->{status}, 403, 'error_page 403 to a named location');
is($res->{body}, "who: $user scope", '... which knows who was refused, and why');
ok(!exists $res->{all}{'www-authenticate'}, '... without a challenge');
$res = get($t, '/own', 'X-API-Key' => $test_key, 'Btcf-Simulate' => '429', 'X-Request-Id' => 'r3');
is($res->{status}, 429, 'error_page 429');
is($res->{body}, "who: $user key", '... is not simulated twice');
$res = get($t, '/guarded');
is($res->{status}, 401, 'an error page that asks for a credential itself');
is(json($res->{body})->{code}, 'unauthenticated', '... ends in the problem');
is_deeply($res->{all}{'www-authenticate'}, ['Bearer realm="btcf"'], '... with one challenge');
$res = get($t, '/upstream', 'X-Request-Id' => 'r4');
is($res->{status}, 401, 'an error page of an upstream that has a challenge of its own');
is_deeply($res->{all}{'www-authenticate'}, ['Teapot realm=x'], '... keeps that one');
$res = get($t, '/intercepted', 'X-API-Key' => $key);
is($res->{status}, 401, 'an upstream\'s own 401, intercepted');
is_deeply($res->{all}{'www-authenticate'}, ['Teapot realm=x'], '... keeps its challenge');
is_deeply(get($t, '/intercepted')->{all}{'www-authenticate'}, ['Bearer realm="btcf"'], '... and ours is alone when it is ours');
$res = get($t, '/added');
is_deeply($res->{all}{$_}, [$res->{headers}{$_}], "one $_ on a 401 with add_header")
    for qw(www-authenticate x-extra x-request-id cache-control content-type);
$res = get($t, '/added', 'X-API-Key' => $test_key, 'Btcf-Simulate' => '503');
is_deeply($res->{all}{$_}, [$res->{headers}{$_}], "one $_ on a 503") for qw(retry-after x-extra btcf-sandbox);

# variables that were read before
$res = get($t, '/early');
is($res->{headers}{'x-was'}, 'guest ', 'read in the rewrite phase, under the policy there');
is($res->{headers}{'x-is'}, 'missing', '... and anew, under that of the next location');
$res = get($t, '/early', 'X-API-Key' => $key);
is($res->{headers}{'x-was'}, "key $user", 'a key, before the access phase');
is($res->{headers}{'x-is'}, 'key', '... and after it');

my %log;
wait_for { %log = map { $_->{request_id} => $_ } access_log($t); exists $log{r4} };
is($log{r1}{auth}, 'missing', 'the log, after error_page: why not');
is($log{r1}{status}, 401, '... and what was answered');
is($log{r2}{user}, $user, '... after a named location: who');
is($log{r2}{key}, substr($key, 10, 12), '... by which key');
is($log{r2}{auth}, 'scope', '... and why not');
is($log{r3}{auth}, 'key', '... or that it was good');

# requests in flight under two policies do not get into each other
my $one = raw_talk($t);
my $two = raw_talk($t);
syswrite($one, "GET /strict HTTP/1.1\r\nHost: x\r\nX-API-Key: $test_key\r\nBtcf-Simulate: slow\r\n\r\n");
syswrite($two, "GET /optional HTTP/1.1\r\nHost: x\r\n\r\n");
is((read_responses($two, 'GET'))[0]{status}, 401, 'one without a key, while one with a key waits');
syswrite($two, "GET /strict HTTP/1.1\r\nHost: x\r\nX-API-Key: $key\r\n\r\nGET /strict HTTP/1.1\r\nHost: x\r\n\r\n");
my @second = read_responses($two, 'GET', 'GET');
is($second[0]{status}, 200, '... one with a key');
is($second[1]{status}, 401, '... and the next on its connection, without');
is((read_responses($one, 'GET'))[0]{status}, 404, '... then the one that waited: of a sandbox that is empty');

# an address that has failed too often is not let in by the page of its refusal, and its credential not looked at
my @bad = ('X-API-Key' => BTCF::Segment::make_key(0));
is(get($t, '/flood/page', @bad)->{status}, 401, 'a bad key');
$res = get($t, '/flood/page', @bad, 'X-Request-Id' => 'flood');
is($res->{status}, 429, '... is too many here, also for the page');
is(json($res->{body})->{code}, 'address-limited', '... which is no way in');
is_deeply($res->{all}{'retry-after'}, [$res->{headers}{'retry-after'}], '... with one Retry-After');
$res = get($t, '/flood/page', 'X-API-Key' => $key);
is($res->{status}, 429, '... nor is a good key looked at then');
wait_for { %log = map { $_->{request_id} => $_ } access_log($t); exists $log{flood} };
is($log{flood}{auth}, 'off', '... which the log says');

finish();
