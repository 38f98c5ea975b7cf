# btcf_cors: preflight requests, answers, errors; and that nothing else gets by without a credential.
use strict;
use warnings;

use BTCF;
use Test::More;

my $seg = segment();
forecast_docs($seg);
$seg->plans;
$seg->account(7);
my $key = $seg->key(account => 7);
$seg->live;
my $doc = 'rewrite ^ /v1/forecasts/1d break; btcf_document; btcf_auth required;';
my $t = nginx(server => qq(
    location = /some { $doc btcf_cors https://app.example http://localhost:3000 max_age=10m; }
    location = /any { $doc btcf_cors *; }
    location = /cookies { $doc btcf_cors https://app.example credentials; }
    location = /none { $doc }
    location /outer/ { btcf_cors *; location /outer/off { $doc btcf_cors off; } location /outer/on { $doc } }
    location = /except { btcf_cors *; btcf_auth required; limit_except GET { deny all; } $doc }
    location = /page { $doc btcf_cors *; error_page 401 /page/own; }
    location = /page/own { btcf_auth off; return 200 own; }
) =~ s/btcf_auth required; limit/limit/r);
my $app = 'https://app.example';
my @preflight = ('Access-Control-Request-Method' => 'GET', 'Access-Control-Request-Headers' => 'x-api-key');

# preflight
my $res = request($t, 'OPTIONS', '/some', Origin => $app, @preflight);
is($res->{status}, 204, 'a preflight request is answered');
is($res->{headers}{'access-control-allow-origin'}, $app, '... for its origin');
like($res->{headers}{'access-control-allow-headers'}, qr/X-API-Key/, '... allowing the key');
like($res->{headers}{'access-control-allow-methods'}, qr/GET/, '... and methods');
is($res->{headers}{'access-control-max-age'}, '600', '... for ten minutes');
is_deeply($res->{all}{vary}, ['Origin'], '... varying by origin');
is($res->{body}, '', '... with no body');
ok(!exists $res->{headers}{'access-control-allow-credentials'}, '... and no cookies');
is(request($t, 'OPTIONS', '/some', Origin => 'http://localhost:3000', @preflight)->{status}, 204, 'another origin of the list');
$res = request($t, 'OPTIONS', '/any', Origin => $app, @preflight);
is($res->{headers}{'access-control-allow-origin'}, '*', 'any origin');
ok(!exists $res->{headers}{vary}, '... the same for all');
is($res->{headers}{'access-control-max-age'}, '3600', '... for an hour');
is(request($t, 'OPTIONS', '/cookies', Origin => $app, @preflight)->{headers}{'access-control-allow-credentials'}, 'true', 'cookies');
is(request($t, 'OPTIONS', '/except', Origin => $app, @preflight)->{status}, 204, 'under limit_except');

# what is no preflight of ours
my @cases = (
    ['/some', 'a strange origin', Origin => 'https://evil.example', @preflight],
    ['/some', 'an origin with more behind', Origin => "$app.evil.example", @preflight],
    ['/some', 'an origin in capitals', Origin => uc $app, @preflight],
    ['/some', 'the origin null', Origin => 'null', @preflight],
    ['/some', 'no origin', @preflight],
    ['/some', 'no method', Origin => $app],
    ['/none', 'no btcf_cors', Origin => $app, @preflight],
    ['/outer/off', 'btcf_cors off inside', Origin => $app, @preflight],
);
for my $case (@cases) {
    my ($path, $name, @headers) = @$case;
    is(request($t, 'OPTIONS', $path, @headers)->{status}, 401, "OPTIONS with $name is asked for a credential");
}
is(request($t, 'GET', '/some', Origin => $app, @preflight)->{status}, 401, 'GET that looks like a preflight, too');

# answers
$res = get($t, '/some', Origin => $app, 'X-API-Key' => $key);
is($res->{status}, 200, 'an answer');
is($res->{headers}{'access-control-allow-origin'}, $app, '... may be read by the page');
like($res->{headers}{'access-control-expose-headers'}, qr/RateLimit-Policy.*Retry-After.*X-Request-Id/, '... with its headers');
is(join(', ', @{$res->{all}{vary}}), 'Authorization, X-API-Key, Accept-Encoding, Origin', '... varying by origin as well')
    or diag(explain($res->{all}));
$res = get($t, '/some', 'X-API-Key' => $key);
ok(!exists $res->{headers}{'access-control-allow-origin'}, 'without an origin');
like(join(', ', @{$res->{all}{vary}}), qr/Origin/, '... caches are told all the same');
$res = get($t, '/some', Origin => 'https://evil.example', 'X-API-Key' => $key);
ok(!exists $res->{headers}{'access-control-allow-origin'}, 'a strange origin is not told anything');
$res = get($t, '/outer/on', Origin => $app, 'X-API-Key' => $key);
is($res->{headers}{'access-control-allow-origin'}, '*', 'inherited');
for my $path ('/some', '/page') {
    $res = get($t, $path, Origin => $app);
    is($res->{status} . ' ' . scalar @{$res->{all}{'access-control-allow-origin'} || []}, $path eq '/some' ? '401 1' : '401 0',
        $path eq '/some' ? 'an error may be read' : 'a page in another location goes by the policy there');
}
$res = get($t, '/any', Origin => $app);
is_deeply($res->{all}{'access-control-allow-origin'}, ['*'], 'an error for any origin');
is(json($res->{body})->{code}, 'unauthenticated', '... says what is wrong');

# configuration
for my $case (
    ['btcf_cors', qr/invalid number of arguments/],
    ['btcf_cors app.example', qr/invalid parameter "app.example"/],
    ['btcf_cors https://app.example/', qr/invalid parameter "https:\/\/app.example\/"/],
    ['btcf_cors https://', qr/invalid parameter/],
    ['btcf_cors * https://app.example', qr/needs origins, or "\*" alone/],
    ['btcf_cors credentials', qr/needs origins/],
    ['btcf_cors * credentials', qr/cannot allow credentials to any origin/],
    ['btcf_cors * max_age=soon', qr/invalid parameter "max_age=soon"/],
    ['btcf_cors off *', qr/invalid parameter "off"/],
    ['btcf_cors *; btcf_cors off', qr/is duplicate/],
    )
{
    my ($status, $out) = config_fails(server => "location = /x { $case->[0]; }");
    is($status, 1, "$case->[0]: refused");
    like($out, $case->[1], '... and says why');
}

finish();
