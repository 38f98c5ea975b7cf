# Tokens of third parties: every algorithm, the key by kid alone, the keys by issuer, audience and clock.
use strict;
use warnings;

use BTCF;
use BTCF::Token;
use Test::More;

my $ISSUER = 'https://id.example/';
my $dir = temp_dir();
my @ALGS = qw(HS256 HS384 HS512 RS256 RS384 RS512 PS256 PS384 PS512 ES256 ES384 ES512 EdDSA);
my %keys = map { $_ => token_key($_, kid => "k-$_") } @ALGS;
my ($first, $second, $unnamed) = (token_key('ES256', kid => '1'), token_key('ES256', kid => '2'), token_key('ES256'));
my $secret = $keys{HS256};

spew("$dir/public.jwks", jwks(map { $keys{$_} } grep { !/^HS/ } @ALGS));
spew("$dir/secret.jwks", jwks(map { $keys{$_} } grep { /^HS/ } @ALGS));
spew("$dir/two.jwks", jwks($first, $second));
spew("$dir/unnamed.jwks", jwks($unnamed));
spew("$dir/rsa.jwks", jwks({jwk => {%{$keys{RS256}{jwk}}, alg => 'RS256'}}));

my $seg = segment();
forecast_docs($seg);
$seg->plans;
$seg->live;
my $document = 'btcf_auth required; btcf_document; add_header X-User "$btcf_user|$btcf_issuer|$btcf_plan|$btcf_session" always;';
my $t = nginx(server => 'btcf_limit off; btcf_limit_failures off;', routes => <<"EOR");
    btcf_jwks_file $dir/public.jwks;
    location /v1/ { $document }
    location = /v1/forecasts/1h { btcf_jwks_file $dir/secret.jwks issuer=$ISSUER; $document }
    location = /v1/forecasts/4h {
        btcf_jwks_file $dir/two.jwks issuer=$ISSUER audience=btcf leeway=0s;
        btcf_jwks_file $dir/unnamed.jwks issuer=https://other.example/ leeway=60s;
        btcf_require_scope read;
        $document
    }
    location = /v1/forecasts/3d { btcf_jwks_file $dir/unnamed.jwks; btcf_plan premium; $document }
    location = /v1/forecasts/7d { btcf_jwks_file $dir/rsa.jwks algorithm=RS256; $document }
EOR

sub ask {
    my ($path, $token) = @_;
    return get($t, "/v1/forecasts/$path", Authorization => "Bearer $token");
}

sub claims {
    my (%more) = @_;
    my %claims = (iss => $ISSUER, sub => 'alice', exp => time + 60, aud => 'btcf', scope => 'read', %more);
    delete @claims{grep { !defined $claims{$_} } keys %claims};
    return \%claims;
}

sub status_is {
    my ($path, $token, $status, $name) = @_;
    is(ask($path, $token)->{status}, $status, $name);
}

subtest 'algorithms' => sub {
    for my $alg (@ALGS) {
        my $path = $alg =~ /^HS/ ? '1h' : '1d';
        my $token = token($keys{$alg}, claims());
        status_is($path, $token, 200, "$alg: good");
        status_is($path, $token, 200, "$alg: still good");
        (my $forged = $token) =~ s/\.(.)([^.]*)$/'.' . ($1 eq 'A' ? 'B' : 'A') . $2/e;
        status_is($path, $forged, 401, "$alg: another signature");
        status_is($path, token($keys{$alg}, claims(), header => {alg => $alg eq 'ES256' ? 'RS256' : 'ES256'}), 401,
            "$alg: under another name");
    }
    status_is('1d', token($keys{EdDSA}, claims(), header => {alg => 'Ed25519'}), 200, 'Ed25519 has two names');
    status_is('1d', token($keys{HS256}, claims()), 401, 'a secret of another location');
    status_is('7d', token($keys{RS256}, claims(), header => {alg => 'RS256', kid => undef}), 200, 'algorithm=');
};

subtest 'the key' => sub {
    status_is('4h', token($first, claims()), 200, 'by its kid');
    status_is('4h', token($second, claims()), 200, 'the other, too');
    status_is('4h', token($first, claims(), header => {kid => '2'}), 401, 'no other key is tried than the one named');
    status_is('4h', token($first, claims(), header => {kid => '3'}), 401, 'a kid that nobody has');
    status_is('4h', token($first, claims(), header => {kid => undef}), 401, 'no kid, where there are two keys');
    status_is('3d', token($unnamed, claims()), 200, 'no kid, where there is one');
    status_is('3d', token($unnamed, claims(), header => {kid => 'x'}), 401, 'a kid for a key that has none');
    status_is('4h', token($first, claims(), header => {kid => $_}), 401, "a kid that is a trick: $_")
        for '../../etc/passwd', "1' OR '1'='1", "1\0", '', 'x' x 500;
};

subtest 'issuer and principal' => sub {
    my $res = ask('4h', token($first, claims()));
    is($res->{headers}{'x-user'}, "alice|$ISSUER|free|", 'subject, issuer and the default plan');
    is(ask('3d', token($unnamed, claims(iss => 'anyone')))->{headers}{'x-user'}, 'alice|anyone|premium|',
        'a set without a name takes any issuer; btcf_plan');
    status_is('4h', token($unnamed, claims(iss => 'https://other.example/')), 200, 'each issuer has its own keys');
    status_is('4h', token($first, claims(iss => 'https://other.example/')), 401, 'and no others');
    status_is('4h', token($first, claims(iss => 'https://third.example/')), 401, 'an issuer that is not accepted');
    status_is('4h', token($first, claims(iss => undef)), 401, 'none');
    status_is('3d', token($unnamed, claims(iss => undef)), 401, 'not even where any is accepted');
    status_is('3d', token($unnamed, claims(sub => undef)), 401, 'no subject');
    status_is('3d', token($unnamed, claims(sub => $_)), 401, 'a subject that would end a line') for "a\nb", "a\rX: y", "a\x7f", '';
    status_is('3d', token($unnamed, claims(iss => 'a b')), 401, 'an issuer with a blank, which is what separates it');
    status_is('3d', token($unnamed, claims(sub => 'u' x 1000)), 200, 'a subject longer than the cache keeps');
    is(ask('3d', token($unnamed, claims(sub => 'CN=John Smith')))->{headers}{'x-user'}, "CN=John Smith|$ISSUER|premium|",
        'a subject with a blank');
    status_is('3d', token($unnamed, claims(sid => 'whatever')), 200, 'a session that is none of ours');
};

subtest 'audience, scope and clock' => sub {
    my $now = time;
    status_is('4h', token($first, claims(aud => ['x', 'btcf', 'y'])), 200, 'one of several audiences');
    status_is('4h', token($first, claims(aud => $_)), 401, 'another audience') for 'x', ['x', 'y'], [], 'BTCF', undef;
    status_is('4h', token($first, claims(aud => {btcf => 1})), 401, 'an audience that is an object');
    status_is('4h', token($first, claims(scope => 'x read y')), 200, 'one of several scopes');
    status_is('4h', token($first, claims(scope => $_)), 403, 'a scope that is not enough') for 'x', 'reader', undef, 'history';
    status_is('4h', token($first, claims(exp => $now - 1)), 401, 'expired, without leeway');
    status_is('4h', token($unnamed, claims(iss => 'https://other.example/', exp => $now - 40)), 200, 'not yet, with it');
    status_is('1h', token($secret, claims(exp => $now - 20)), 200, 'half a minute when nothing is said');
    status_is('1h', token($secret, claims(exp => $now - 40)), 401, 'and no more');
    status_is('1h', token($secret, claims(exp => undef)), 401, 'a token that never expires');
    status_is('1h', token($secret, claims(nbf => $now + 40)), 401, 'not yet');
    status_is('1h', token($secret, claims(iat => $now + 40)), 401, 'issued in the future');
    status_is('1h', token($secret, claims(), header => {typ => $_}), 401, "typ $_") for 'stream', 'logout+jwt', 'dpop+jwt';
    status_is('1h', token($secret, claims(), header => {typ => $_}), 200, "typ $_") for 'JWT', 'at+jwt', 'application/at+jwt';
};

finish();
