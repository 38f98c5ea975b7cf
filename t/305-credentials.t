# What a client may send in place of a credential: refused, never understood by half, never a 5xx.
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
my $t = nginx(log_level => 'notice', http => 'btcf_limit_failures off; btcf_limit off;', server => 'location /v1/must/ { rewrite ^/v1/must/(.*) /v1/$1 break; btcf_document; btcf_auth required; }');

sub status_of {
    my ($headers, $path) = @_;
    my $text = raw($t, "GET $path HTTP/1.1\r\nHost: x\r\nConnection: close\r\n${headers}\r\n");
    my ($status) = $text =~ m{^HTTP/1.1 (\d+)};
    my ($code) = $text =~ /"code":"([^"]+)"/;
    return ($status || 0, $code || '');
}

my $token = 'eyJhbGciOiJub25lIn0.eyJzdWIiOiJ4In0.';
(my $typo = $key) =~ s/(.)$/$1 eq 'a' ? 'b' : 'a'/e;
my $huge = 'a' x 7000;

# name, headers, status where auth is optional, where it is required
my @cases = (
    ['an empty key', 'X-API-Key:', 401, 401],
    ['blanks for a key', 'X-API-Key:    ', 401, 401],
    ['a word', 'X-API-Key: hello', 401, 401],
    ['a typing error', "X-API-Key: $typo", 401, 401],
    ['a key cut short', 'X-API-Key: ' . substr($key, 0, 71), 401, 401],
    ['a key with more behind', "X-API-Key: ${key}x", 401, 401],
    ['a key in capitals', 'X-API-Key: ' . uc $key, 401, 401],
    ['a key in quotes', qq(X-API-Key: "$key"), 401, 401],
    ['two keys in one', "X-API-Key: $key, $key", 401, 401],
    ['a scheme where none belongs', "X-API-Key: Bearer $key", 401, 401],
    ['a token for a key', "X-API-Key: $token", 401, 401],
    ['a long one', "X-API-Key: $huge", 401, 401],
    ['no ASCII', "X-API-Key: \xc3\xa4\xff\x80", 401, 401],
    ['a tab inside', 'X-API-Key: ' . substr($key, 0, 20) . "\t" . substr($key, 20), 401, 401],
    ['an empty Authorization', 'Authorization:', 401, 401],
    ['one byte', 'Authorization: B', 401, 401],
    ['a scheme alone', 'Authorization: Bearer', 401, 401],
    ['a scheme and blanks', 'Authorization: Bearer    ', 401, 401],
    ['a tab behind the scheme', "Authorization: Bearer\t$key", 401, 401],
    ['a comma behind the scheme', "Authorization: Bearer, $key", 200, 401],
    ['a key without a scheme', "Authorization: $key", 401, 401],
    ['a token without a scheme', "Authorization: $token", 401, 401],
    ['a prefix of a key', 'Authorization: Bearer btcf_', 401, 401],
    ['two bearers in one', "Authorization: Bearer $key, Bearer $key", 401, 401],
    ['a bearer and blanks', "Authorization: Bearer $key $key", 401, 401],
    ['a long bearer', "Authorization: Bearer $huge", 401, 401],
    ['a long scheme', "Authorization: $huge x", 200, 401],
    ['a bearer of dots', 'Authorization: Bearer ...', 401, 401],
    ['a bearer that is no ASCII', "Authorization: Bearer \xff\xfe\x80", 401, 401],
    ['an underscore for a dash', "X_API_Key: $key", 200, 401],
    ['a name that is longer', "X-API-Keys: $key", 200, 401],
    ['a name that is shorter', "X-API-Ke: $key", 200, 401],
    ['another scheme', 'Authorization: Basic dTpw', 200, 401],
    ['another scheme beside a key', "Authorization: Basic dTpw\r\nX-API-Key: $key", 200, 200],
    ['a good key', "X-API-Key: $key", 200, 200],
    ['a good key, name in capitals', "X-API-KEY: $key", 200, 200],
    ['a good key with blanks around', "x-api-key:   $key  ", 200, 200],
    ['a good bearer', "AUTHORIZATION: BEARER $key", 200, 200],
    ['two keys', "X-API-Key: $key\r\nX-API-Key: $key", 400, 400],
    ['a good key and an empty one', "X-API-Key: $key\r\nX-API-Key:", 400, 400],
    ['a key and a bearer', "X-API-Key: $key\r\nAuthorization: Bearer $key", 400, 400],
    ['a key and a token', "X-API-Key: $key\r\nAuthorization: Bearer $token", 400, 400],
    ['a key and half a bearer', "Authorization: Bearer\r\nX-API-Key: $key", 400, 400],
    ['two bearers', "Authorization: Bearer $key\r\nAuthorization: Bearer $key", 400, 400],
    ['two schemes', "Authorization: Basic dTpw\r\nAuthorization: Bearer $key", 400, 400],
    ['a zero byte', "X-API-Key: a\0b", 400, 400],
);

for my $case (@cases) {
    my ($name, $headers, @expected) = @$case;
    my @paths = ('/v1/forecasts/1d', '/v1/must/forecasts/1d');
    for my $i (0, 1) {
        my ($status, $code) = status_of("$headers\r\n", $paths[$i]);
        is($status, $expected[$i], "$name: $expected[$i]" . ($i ? ' where one is required' : ''));
        if ($status == 401) {
            like($code, $expected[0] == 200 ? qr/^unauthenticated$/ : qr/^invalid-credential$/, '... and why');
        }
    }
}

# two headers of one name that nginx itself refuses before we are asked are plain bad requests
is((status_of("X-API-Key: $key\r\nX-API-Key: $key\r\n", '/v1/forecasts/1d'))[1], 'two-credentials', 'two keys are called that');
is((status_of("X-API-Key: $key\r\nAuthorization: Bearer $key\r\n", '/v1/forecasts/1d'))[1], 'two-credentials', 'a key and a bearer, too');

# the error of RFC 6750 is for those who sent a bearer
my $res = get($t, '/v1/forecasts/1d', Authorization => "Bearer $typo");
is_deeply($res->{all}{'www-authenticate'}, ['Bearer realm="btcf", error="invalid_token"'], 'a bearer is told that it is invalid');
$res = get($t, '/v1/forecasts/1d', 'X-API-Key' => $typo);
is_deeply($res->{all}{'www-authenticate'}, ['Bearer realm="btcf"'], '... whoever sent none is not');
$res = get($t, '/v1/forecasts/1d', 'X-API-Key' => $key, Authorization => "Bearer $key");
ok(!exists $res->{all}{'www-authenticate'}, '... and a 400 is no challenge');

# a header that a request may hold anywhere, on another part of nginx's list, too
my $many = join '', map { "X-Filler-$_: $_\r\n" } 1 .. 90;
is((status_of("${many}X-API-Key: $key\r\n", '/v1/must/forecasts/1d'))[0], 200, 'a key behind ninety headers');
is((status_of("X-API-Key: $key\r\n${many}X-API-Key: $key\r\n", '/v1/must/forecasts/1d'))[0], 400, '... and two around them');

# at level info nginx itself quotes headers that it does not like; from notice on, which we ship, no log has a secret
unlike(error_log($t) . slurp("$t->{dir}/access.log"), qr/\Q@{[substr $key, 24, 30]}\E/, 'no secret in any log');

finish();
