# btcf_auth with API keys: who gets in, who is told no, and that the answer says nothing about what exists.
use strict;
use warnings;

use BTCF;
use Test::More;

my $seg = segment();
forecast_docs($seg);
$seg->plans;
my $user = $seg->account(7, plan => 'premium');
$seg->account(8, plan => 'premium', enabled => 0);
my $key = $seg->key(account => 7, scopes => ['read', 'history']);
my %bad = (
    unknown => BTCF::Segment::make_key(0),
    disabled => $seg->key(account => 7, enabled => 0),
    expired => $seg->key(account => 7, expires => time - 1),
    'of a disabled account' => $seg->key(account => 8),
    'of an account that is not there' => $seg->key(account => 9),
);
my $soon = $seg->key(account => 7, expires => time + 3600);
my $elsewhere = $seg->key(account => 7, networks => ['10.0.0.0/8', '2001:db8::/32']);
my $here = $seg->key(account => 7, networks => ['10.0.0.0/8', '127.0.0.0/8']);
$seg->live;
my $t = nginx(server => q(
    set_real_ip_from 127.0.0.1; real_ip_header X-Real-IP;
    location = /v1/must { rewrite ^ /v1/forecasts/1d break; btcf_document; btcf_auth required; }
    location = /v1/off { rewrite ^ /v1/forecasts/1d break; btcf_document; btcf_auth off; }
));
my $doc = '/v1/forecasts/1d';

# guests
my $res = get($t, $doc);
is($res->{status}, 200, 'a guest is served where auth is optional');
like($res->{headers}{'cache-control'}, qr/^public, max-age=\d+$/, '... publicly');
$res = get($t, '/v1/must');
is($res->{status}, 401, 'no guest where it is required');
is(json($res->{body})->{code}, 'unauthenticated', '... which the problem says');
is_deeply($res->{all}{'www-authenticate'}, ['Bearer realm="btcf"'], '... and one challenge, with no error');
is($res->{headers}{'cache-control'}, 'no-store', '... not to be kept');

# keys
for my $way (['X-API-Key' => $key], ['Authorization' => "Bearer $key"], ['authorization' => "bEARER   $key"]) {
    for my $path ($doc, '/v1/must') {
        $res = get($t, $path, @$way);
        is($res->{status}, 200, "$way->[0] at $path");
        is(json($res->{body})->{horizon}, '1d', '... is the document');
        like($res->{headers}{'cache-control'}, qr/^private, max-age=\d+$/, '... privately');
        is_deeply($res->{all}{vary}, ['Authorization, X-API-Key, Accept-Encoding'], '... varying, once');
    }
}
is(get($t, '/v1/must', 'X-API-Key' => $soon)->{status}, 200, 'a key that will expire');
is(get($t, '/v1/must', 'X-API-Key' => $key, 'If-None-Match' => $res->{headers}{etag})->{status}, 304, 'a 304 needs a key');
like(get($t, $doc, 'X-API-Key' => $key, 'If-None-Match' => $res->{headers}{etag})->{headers}{'cache-control'}, qr/^private/,
    '... and is private as well');

# one refusal for all
my %seen;
for my $why (sort keys %bad) {
    for my $path ($doc, '/v1/must') {
        $res = get($t, $path, 'X-API-Key' => $bad{$why}, 'X-Request-Id' => 'same');
        is($res->{status}, 401, "a key that is $why");
        delete $res->{headers}{date};
        $seen{join "\n", $path, $res->{body}, map { "$_: $res->{headers}{$_}" } sort keys %{$res->{headers}}} = 1;
    }
}
is(scalar(keys %seen), 2, '... and nobody can tell one from the other')
    or diag(explain([keys %seen]));
is(json($res->{body})->{code}, 'invalid-credential', '... which is an invalid credential');
is(get($t, '/v1/off', 'X-API-Key' => $bad{unknown})->{status}, 200, 'nobody looks at it where auth is off');
like(get($t, '/v1/off', 'X-API-Key' => $key)->{headers}{'cache-control'}, qr/^public/, '... nor at a good one');
is(get($t, "$doc?api_key=$key")->{status}, 400, 'a key in the query is not looked at');

# networks, as realip has settled the address
is(get($t, $doc, 'X-API-Key' => $here)->{status}, 200, 'from one of its networks');
$res = get($t, $doc, 'X-API-Key' => $elsewhere);
is($res->{status}, 403, 'from none of them');
is(json($res->{body})->{code}, 'wrong-network', '... is its own problem');
is(get($t, $doc, 'X-API-Key' => $elsewhere, 'X-Real-IP' => '10.1.2.3')->{status}, 200, '... but behind a trusted proxy');
is(get($t, $doc, 'X-API-Key' => $elsewhere, 'X-Real-IP' => '2001:db8::7')->{status}, 200, '... over IPv6, too');
is(get($t, $doc, 'X-API-Key' => $here, 'X-Real-IP' => '11.0.0.1')->{status}, 403, '... and not from outside');

# changes are seen by the next request
$seg->key(text => $key, account => 7, enabled => 0);
is(get($t, $doc, 'X-API-Key' => $key)->{status}, 401, 'revoked');
$seg->key(text => $key, account => 7);
is(get($t, $doc, 'X-API-Key' => $key)->{status}, 200, '... and back');
$seg->account(7, enabled => 0);
is(get($t, $doc, 'X-API-Key' => $key)->{status}, 401, 'the account is disabled');
$seg->account(7);
my $new = $seg->key(account => 7);
is(get($t, $doc, 'X-API-Key' => $new)->{status}, 200, 'a key made while we run');

# the log names who it was, and never the credential
my @lines;
get($t, '/v1/must', 'X-API-Key' => $new, 'X-Request-Id' => 'last');
wait_for { @lines = access_log($t); $lines[-1]{request_id} eq 'last' };
is_deeply({map { $_ => $lines[-1]{$_} } qw(auth user key plan)},
    {auth => 'key', user => $user, key => substr($new, 10, 12), plan => 'premium'}, 'logged');
is($lines[0]{auth}, 'guest', '... guests as such');
is($lines[0]{plan}, 'guest', '... with their plan');
my ($missing) = grep { $_->{status} == 401 } @lines;
is($missing->{auth}, 'missing', '... and why not');
unlike(error_log($t) . slurp("$t->{dir}/access.log"), qr/\Q@{[substr $new, 24]}\E/, 'no secret in any log');

finish();
