# btcf_require_scope and btcf_require: what they ask, what they inherit, and what the configuration may not say.
use strict;
use warnings;

use BTCF;
use Test::More;

my $seg = segment();
forecast_docs($seg);
$seg->plans;
$seg->account(7, plan => 'premium');
$seg->account(8, plan => 'free');
$seg->account(9, plan => 'admin');
$seg->account(10, plan => 'admin', admin => 1);
my @all = qw(read stream history account.read jobs webhooks admin);
my $reader = $seg->key(account => 7, scopes => ['read']);
my $premium = $seg->key(account => 7, scopes => \@all);
my $free = $seg->key(account => 8, scopes => \@all);
my $pretender = $seg->key(account => 9, scopes => \@all);
my $admin = $seg->key(account => 10, scopes => \@all);
$seg->live;
my $doc = 'rewrite ^ /v1/forecasts/1d break; btcf_document;';
my $t = nginx(http => 'btcf_limit off; btcf_limit_failures off;', routes => qq(
    btcf_auth required;
    btcf_require_scope read;
    location = /inherited { $doc }
    location = /off { $doc btcf_require_scope off; }
    location = /history { $doc btcf_require_scope history; }
    location = /both { $doc btcf_require_scope read history; }
    location = /three { $doc btcf_require_scope stream history jobs; }
    location = /admin { $doc btcf_require_scope admin; }
    location = /foreign { $doc btcf_require_scope forecasts:read; }
    location = /guests { $doc btcf_auth optional; btcf_require_scope read stream; }
    location = /guests/history { $doc btcf_auth optional; btcf_require_scope read history; }
    location = /require { $doc btcf_require \$http_x_ok; }
    location = /require/both { $doc btcf_require \$http_x_ok; btcf_require \$http_x_too error=401; }
    location = /require/list { $doc btcf_require \$http_x_ok \$http_x_too; }
    location = /require/alone { $doc btcf_auth off; btcf_require \$http_x_ok error=401; }
    location = /require/guest { $doc btcf_auth optional; btcf_require \$http_x_ok error=401; }
    location = /require/joined { $doc btcf_require "\$http_x_ok\$http_x_too"; }
    location /nested {
        btcf_require \$http_x_a \$http_x_b \$http_x_c;
        location = /nested/same { $doc }
        location = /nested/own { $doc btcf_require \$http_x_d; }
        location = /nested/none { $doc btcf_require off; }
    }
));

sub asks {
    my ($path, $key, $status, $code, @headers) = @_;
    my $res = get($t, $path, $key ? ('X-API-Key' => $key) : (), @headers);
    is($res->{status}, $status, "$path: $status" . ($code ? " $code" : ''));
    is($res->{status} >= 400 ? json($res->{body})->{code} : '', $code, '... for that reason') if $code;
    return $res;
}

asks('/inherited', $reader, 200);
asks('/inherited', '', 401, 'unauthenticated');
asks('/history', $reader, 403, 'insufficient-scope');
asks('/both', $reader, 403, 'insufficient-scope');
asks('/off', $reader, 200);
asks($_, $premium, 200) for '/history', '/both';
asks('/three', $premium, 403, 'insufficient-scope');    # the key may, the plan may not
asks('/history', $free, 403, 'insufficient-scope');
asks('/admin', $pretender, 403, 'insufficient-scope');  # key and plan may, the account may not
asks('/three', $pretender, 200);
asks('/admin', $admin, 200);
asks('/foreign', $admin, 403, 'insufficient-scope');    # no key has a scope of a third party
asks('/guests', '', 200);
asks('/guests/history', '', 401, 'unauthenticated');
asks('/guests/history', $premium, 200);
ok(!exists asks('/history', $reader, 403)->{headers}{'www-authenticate'}, 'a 403 is no challenge');

# a change of plan is seen by the next request
$seg->account(8, plan => 'premium');
asks('/history', $free, 200);
$seg->plan('premium', scopes => ['read']);
asks('/history', $free, 403, 'insufficient-scope');

# variables
asks('/require', $reader, 403, 'denied');
asks('/require', $reader, 403, 'denied', 'X-Ok' => '0');
asks('/require', $reader, 200, '', 'X-Ok' => $_) for '1', '00', 'no', '-';
asks('/require/both', $reader, 403, 'denied', 'X-Too' => 1);
asks('/require/both', $reader, 401, 'invalid-credential', 'X-Ok' => 1);
asks('/require/both', $reader, 200, '', 'X-Ok' => 1, 'X-Too' => 1);
asks('/require/list', $reader, 403, 'denied', 'X-Ok' => 1);
asks('/require/list', $reader, 200, '', 'X-Ok' => 1, 'X-Too' => 1);
asks('/require/joined', $reader, 403, 'denied', 'X-Ok' => 0);
asks('/require/joined', $reader, 200, '', 'X-Ok' => 0, 'X-Too' => 0);
asks('/require/alone', '', 200, '', 'X-Ok' => 1);
my $res = asks('/require/alone', '', 401, 'unauthenticated');
is_deeply($res->{all}{'www-authenticate'}, ['Bearer realm="btcf"'], '... with a challenge');
asks('/require/guest', '', 401, 'unauthenticated');
asks('/require/guest', '', 200, '', 'X-Ok' => 1);
asks('/require/guest', BTCF::Segment::make_key(0), 401, 'invalid-credential', 'X-Ok' => 1);

# every one of an inherited list counts, and one's own list replaces it
my @abc = ('X-A' => 1, 'X-B' => 1, 'X-C' => 1);
asks('/nested/same', $reader, 200, '', @abc);
for my $i (0 .. 2) {
    my @two = @abc;
    splice @two, 2 * $i, 2;
    asks('/nested/same', $reader, 403, 'denied', @two);
}
asks('/nested/own', $reader, 403, 'denied', @abc);
asks('/nested/own', $reader, 200, '', 'X-D' => 1);
asks('/nested/none', $reader, 200);

# one request's judgement is not another's
for my $i (1 .. 3) {
    asks('/require', $reader, 200, '', 'X-Ok' => 1);
    asks('/require', $reader, 403, 'denied');
}

# a guest who may not is a guest, not a bad credential: whoever shares his address is not kept out for it
my $shared = nginx(http => 'btcf_limit_failures rate=1r/h burst=2; btcf_limit_address rate=1r/h burst=6;',
    routes => "btcf_auth optional; location = /x { $doc btcf_require \$http_x_ok; }");
is_deeply([map { get($shared, '/x')->{status} } 1 .. 7], [(403) x 6, 429], 'guests who are denied are charged as guests');
is(get($shared, '/x', 'X-API-Key' => $admin, 'X-Ok' => 1)->{status}, 200, '... and harm nobody else at their address');

my $many = join ' ', map { "scope$_" } 1 .. 49;
for my $case (
    ['btcf_auth maybe', qr/invalid value "maybe"/],
    ['btcf_auth', qr/invalid number of arguments in "btcf_auth"/],
    ['btcf_auth optional; btcf_auth off', qr/"btcf_auth" directive is duplicate/],
    ['btcf_auth_max_stale soon', qr/"btcf_auth_max_stale" directive invalid value/],
    ['btcf_require_scope', qr/invalid number of arguments/],
    ['btcf_auth off; btcf_require_scope read', qr/asks for nothing where "btcf_auth" is off/],
    ['btcf_require_scope read; btcf_require_scope stream', qr/"btcf_require_scope" directive is duplicate/],
    ['btcf_require_scope "a b"', qr/invalid scope "a b"/],
    ['btcf_require_scope ""', qr/invalid scope ""/],
    ["btcf_require_scope $many", qr/too many scopes/],
    ['btcf_require', qr/invalid number of arguments/],
    ['btcf_require error=401', qr/invalid parameter "error=401"/],
    ['btcf_require $http_x error=404', qr/invalid parameter "error=404"/],
    ['btcf_require $http_x; btcf_require off', qr/"btcf_require" directive is duplicate/],
    ['btcf_require off; btcf_require $http_x', qr/"btcf_require" directive is duplicate/],
    ['btcf_require $nonexistent', qr/unknown "nonexistent" variable/],
    ['btcf_plan', qr/invalid number of arguments/],
    ['btcf_plan a; btcf_plan b', qr/"btcf_plan" directive is duplicate/],
    )
{
    my ($status, $out) = config_fails(server => "location = /x { $case->[0]; }");
    is($status, 1, substr($case->[0], 0, 60) . ': refused');
    like($out, $case->[1], '... and says why');
}
for my $context ('http', 'server', 'location', 'limit_except') {
    my $text = 'btcf_auth optional; btcf_auth_max_stale 1h; btcf_require_scope read; btcf_require $http_x; btcf_plan $http_y; btcf_cors *;';
    my %options = ($context eq 'http' ? (http => $text) : $context eq 'server' ? (server => $text)
        : (server => 'location = /x { ' . ($context eq 'location' ? $text : "limit_except GET { $text }") . ' }'));
    my ($status, $out) = config_fails(routes => '', %options);
    is($status, 0, "all of them in $context") or diag($out);
}

finish();
