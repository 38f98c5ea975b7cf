# What the directives about tokens accept and refuse, with the message; what levels inherit.
use strict;
use warnings;

use BTCF;
use BTCF::Token;
use Test::More;

my $dir = temp_dir();
my ($a, $b, $secret) = (token_key('ES256', kid => 'a'), token_key('ES256', kid => 'b'), token_key('HS256', kid => 'h'));
my $odd = {jwk => {kty => 'EC', crv => 'secp256k1', x => 'AAAA', y => 'AAAA', kid => 'odd'}};
my $private = {jwk => {%{$a->{jwk}}, d => 'AAAA'}};
my %files = (a => jwks($a), b => jwks($b), mixed => jwks($a, $secret), twice => jwks($a, {jwk => {%{$b->{jwk}}, kid => 'a'}}),
    odd => jwks($a, $odd), only_odd => jwks($odd), private => jwks($private), weak => jwks({jwk => {kty => 'oct', k => 'AAAA'}}),
    empty => '', text => 'keys', none => '{"keys":[]}', single => '{' . substr(jwks($a), 10, -2));
spew("$dir/$_", $files{$_}) for keys %files;
symlink "$dir/a", "$dir/link";

sub file { return {routes => "location / { btcf_jwks_file $dir/$_[0]; }"} }

my @cases = (
    ['a key set', file('a'), 0, qr/test is successful/],
    ['all of its parameters', file('a issuer=https://x/ audience=y algorithm=ES256 leeway=10s'), 0, qr/successful/],
    ['a key alone', file('single'), 0, qr/successful/],
    ['a link', file('link'), 0, qr/successful/],
    ['no such file', file('nothing'), 1, qr/key file "\Q$dir\E\/nothing" cannot be read \(2: No such file or directory\) in .*nginx\.conf:\d+/],
    ['a folder', file('tmp'), 1, qr/key file "\Q$dir\E\/tmp" cannot be used: the key file cannot be read/],
    ['an empty file', file('empty'), 1, qr/cannot be used: the key set is not JSON/],
    ['a text', file('text'), 1, qr/cannot be used: the key set is not JSON/],
    ['no keys', file('none'), 1, qr/cannot be used: the key set is empty/],
    ['secrets beside public keys', file('mixed'), 1, qr/secrets beside public keys/],
    ['one kid for two keys', file('twice'), 1, qr/two keys of the set have the same kid/],
    ['no key that serves', file('only_odd'), 1, qr/of a kind or curve that we do not know/],
    ['one that does not', file('odd'), 0, qr/1 keys of "\Q$dir\E\/odd" are left out, the first because/],
    ['private keys', file('private'), 0, qr/has private keys, which verifying does not need/],
    ['a secret too short', file('weak'), 1, qr/the secret is shorter than the hash/],
    ['another algorithm than the keys have', file('a algorithm=RS256'), 1, qr/a key is not for the algorithm asked for/],
    ['an algorithm that nobody has', file('a algorithm=none'), 1, qr/invalid parameter "algorithm=none"/],
    ['no algorithm', file('a algorithm='), 1, qr/invalid parameter "algorithm="/],
    ['too much leeway', file('a leeway=61s'), 1, qr/invalid parameter "leeway=61s"/],
    ['a leeway that is no time', file('a leeway=x'), 1, qr/invalid parameter "leeway=x"/],
    ['a stranger', file('a key=x'), 1, qr/invalid parameter "key=x"/],
    ['another stranger', file('a issuer'), 1, qr/invalid parameter "issuer"/],
    ['no path', {routes => 'location / { btcf_jwks_file; }'}, 1, qr/invalid number of arguments/],
    ['two without names', {routes => "location / { btcf_jwks_file $dir/a; btcf_jwks_file $dir/b; }"}, 1,
        qr/needs "issuer=" where there are several: "\Q$dir\E\/a" and "\Q$dir\E\/b"/],
    ['one without', {routes => "location / { btcf_jwks_file $dir/a issuer=x; btcf_jwks_file $dir/b; }"}, 1, qr/needs "issuer="/],
    ['two of one name', {routes => "location / { btcf_jwks_file $dir/a issuer=x; btcf_jwks_file $dir/b issuer=x; }"}, 1,
        qr/issuer "x" has two key files: "\Q$dir\E\/a" and "\Q$dir\E\/b"/],
    ['two of one name on two levels', {server => "btcf_jwks_file $dir/a issuer=x;",
        routes => "location / { btcf_jwks_file $dir/b issuer=x; }"}, 0, qr/successful/],
    ['our own name', file('a issuer=btcf'), 1, qr/issuer "btcf" of "btcf_jwks_file" is our own/],
    ['our own name, where we are not', {routes => "location / { btcf_jwks_file $dir/a issuer=btcf; btcf_token off; }"}, 0, qr/successful/],
    ['our own, given another', {http => 'btcf_token_issuer x;', %{file('a issuer=btcf')}}, 0, qr/successful/],
    ['btcf_token_issuer', {http => 'btcf_token_issuer https://x/ leeway=0s;'}, 0, qr/successful/],
    ['of no name', {http => 'btcf_token_issuer "";'}, 1, qr/"btcf_token_issuer" directive needs a name/],
    ['twice', {http => 'btcf_token_issuer x; btcf_token_issuer y;'}, 1, qr/"btcf_token_issuer" directive is duplicate/],
    ['with a parameter of third parties', {http => 'btcf_token_issuer x algorithm=ES256;'}, 1, qr/invalid parameter "algorithm=ES256"/],
    ['with an audience', {http => 'btcf_token_issuer x audience=y;'}, 1, qr/invalid parameter "audience=y"/],
    ['with another name', {http => 'btcf_token_issuer x issuer=y;'}, 1, qr/invalid parameter "issuer=y"/],
    ['in a server', {server => 'btcf_token_issuer x;'}, 1, qr/directive is not allowed here/],
    ['btcf_token that is no flag', {server => 'btcf_token maybe;'}, 1, qr/it must be "on" or "off"/],
    ['btcf_token twice', {server => 'btcf_token on; btcf_token on;'}, 1, qr/"btcf_token" directive is duplicate/],
    ['btcf_token_cache', {http => 'btcf_token_cache 64;'}, 0, qr/successful/],
    ['too small', {http => 'btcf_token_cache 63;'}, 1, qr/"btcf_token_cache" must be between 64 and 1048576/],
    ['too large', {http => 'btcf_token_cache 1048577;'}, 1, qr/"btcf_token_cache" must be between 64 and 1048576/],
    ['no number', {http => 'btcf_token_cache many;'}, 1, qr/invalid number/],
    ['negative', {http => 'btcf_token_cache -1;'}, 1, qr/invalid number/],
    ['in a server', {server => 'btcf_token_cache 64;'}, 1, qr/directive is not allowed here/],
);

for my $case (@cases) {
    my ($name, $options, $status, $message) = @$case;
    my ($got, $out) = config_fails(%$options);
    is($got, $status, "$name: " . ($status ? 'refused' : 'accepted')) or diag($out);
    like($out, $message, '... and says so');
    unlike($out, qr/\Q$secret->{jwk}{k}\E/, '... without a secret') if $name =~ /secret/;
}

SKIP: {
    skip 'only root can become somebody else', 2 if $> != 0;
    spew("$dir/closed", jwks($a));
    chmod 0600, "$dir/closed";
    my ($got, $out) = config_fails(main => '', %{file('closed')});
    is($got, 0, 'root reads what others may not');
    like($out, qr/successful/, 'and goes on');
}

# What is inherited: 0, 1 and 2 issuers per level, replaced as a whole.
my $seg = segment();
forecast_docs($seg);
$seg->plans;
$seg->live;
my $t = nginx(http => "btcf_jwks_file $dir/a issuer=a; btcf_token_issuer us;", server => 'btcf_limit off; btcf_limit_failures off; btcf_auth required;',
    routes => <<"EOR");
    location = /v1/forecasts/1h { btcf_document; }
    location = /v1/forecasts/4h { btcf_jwks_file $dir/b issuer=b; btcf_document; }
    location /v1/forecasts/1d { btcf_jwks_file $dir/a issuer=a; btcf_jwks_file $dir/b issuer=b; btcf_document;
        location = /v1/forecasts/1d { btcf_document; } }
EOR
my %expected = ('1h' => [200, 401], '4h' => [401, 200], '1d' => [200, 200]);
for my $path (sort keys %expected) {
    my @got = map {
        my ($name, $key) = @$_;
        get($t, "/v1/forecasts/$path", Authorization => 'Bearer ' . token($key, {iss => $name, sub => 'x', exp => time + 60}))->{status}
    } ['a', $a], ['b', $b];
    is_deeply(\@got, $expected{$path}, "$path: the issuers of its level, and no others");
}

finish();
