# Forged tokens: every known way to talk a verifier into something. Each is put beside a good token that differs in nothing
# else, so that it is refused for what it is.
use strict;
use warnings;

use BTCF;
use BTCF::Token;
use JSON::PP ();
use MIME::Base64 ();
use Test::More;

my $dir = temp_dir();
my $rsa = token_key('RS256', kid => 'r');
my $ec = token_key('ES256', kid => 'e');
my $ed = token_key('EdDSA', kid => 'd');
my $hmac = token_key('HS256', kid => 'h');
my $attacker = token_key('RS256', kid => 'r');
spew("$dir/public.jwks", jwks($rsa, $ec, $ed));
spew("$dir/secret.jwks", jwks($hmac));

my $seg = segment();
forecast_docs($seg);
$seg->plans;
$seg->live;
my $t = nginx(server => 'btcf_limit off; btcf_limit_failures off; large_client_header_buffers 4 32k;', routes => <<"EOR");
    location /v1/ { btcf_jwks_file $dir/public.jwks; btcf_auth required; btcf_document; }
    location = /v1/forecasts/1h { btcf_jwks_file $dir/secret.jwks audience=btcf; btcf_auth required; btcf_document; }
    location = /v1/forecasts/4h { btcf_jwks_file $dir/public.jwks; btcf_auth optional; btcf_document; }
EOR

my $now = time;
my %claims = (iss => 'i', sub => 'alice', exp => $now + 600, aud => 'btcf');
my $CLAIMS = JSON::PP->new->canonical->encode(\%claims);

sub status_of {
    my ($token, $path) = @_;
    return get($t, '/v1/forecasts/' . ($path || '1d'), Authorization => "Bearer $token")->{status};
}

sub accepted { my ($name, $token, $path) = @_; is(status_of($token, $path), 200, "accepted: $name") }

sub refused {
    my ($name, $token, $path) = @_;
    is(status_of($token, $path), 401, "refused: $name");
    is(status_of($token, '4h'), 401, "refused where guests are served: $name") if !$path;
}

subtest 'no algorithm' => sub {
    accepted('a good one', token($rsa, $CLAIMS));
    for my $alg (qw(none None NONE nOnE), '', 'null') {
        my $head = b64(qq({"alg":"$alg","kid":"r"})) . '.' . b64($CLAIMS);
        refused("alg \"$alg\" without a signature", "$head.");
        refused("alg \"$alg\" with one", "$head." . sign_text($rsa, $head));
    }
    refused("alg $_", token($rsa, $CLAIMS, header => qq({"alg":$_,"kid":"r"}))) for qw(null 1 true ["RS256"] {});
    refused('no alg', token($rsa, $CLAIMS, header => '{"kid":"r"}'));
};

subtest 'another algorithm' => sub {
    # The public key as an HMAC secret: as PEM, as the JWK's text, as the modulus.
    my $jwk = JSON::PP->new->canonical->encode($rsa->{jwk});
    my $modulus = MIME::Base64::decode_base64($rsa->{jwk}{n} =~ tr{-_}{+/}r);
    my %secrets = (PEM => $rsa->{pem}, 'PEM without its last line end' => $rsa->{pem} =~ s/\n$//r, JWK => $jwk, modulus => $modulus);
    for my $what (sort keys %secrets) {
        for my $alg (qw(HS256 HS384 HS512)) {
            my $forger = {alg => $alg, secret => $secrets{$what}, kid => 'r'};
            refused("$alg with the public key as $what", token($forger, $CLAIMS));
            refused("the same, called RS256", token($forger, $CLAIMS, header => {alg => 'RS256'}));
        }
    }
    refused("an $_ token of the same key", token({%$rsa, alg => 'RS256'}, $CLAIMS, header => {alg => $_})) for qw(PS256 RS384 RS512);
    refused('the key of another algorithm', token($ec, $CLAIMS, header => {kid => 'd'}));
    refused('a lower-case name', token($rsa, $CLAIMS, header => {alg => 'rs256'}));
    my $head = b64('{"alg":"ES256","kid":"e"}') . '.' . b64($CLAIMS);
    refused('ECDSA with r = s = 0 (CVE-2022-21449)', "$head." . b64("\0" x 64));
    refused('ECDSA in DER', "$head." . b64("\x30\x06\x02\x01\x01\x02\x01\x01"));
    refused('an empty signature', "$head.");
};

subtest 'a key that the token brings' => sub {
    my $jwk = JSON::PP->new->canonical->encode($attacker->{jwk});
    my %brought = (jwk => $jwk, jku => '"https://evil.example/keys"', x5u => '"https://evil.example/cert"', x5c => '["AAAA"]');
    for my $name (sort keys %brought) {
        refused("$name", token($attacker, $CLAIMS, header => qq({"alg":"RS256","kid":"r","$name":$brought{$name}})));
        refused("$name, signed by the right key", token($rsa, $CLAIMS, header => qq({"alg":"RS256","kid":"r","$name":$brought{$name}})));
    }
    accepted('x5t, which brings nothing', token($rsa, $CLAIMS, header => '{"alg":"RS256","kid":"r","x5t":"AAAA"}'));
};

subtest 'a header that asks for more' => sub {
    my @asks = ('"crit":["exp"],"exp":1', '"crit":[]', '"b64":false', '"b64":true', '"zip":"DEF"', '"enc":"A128GCM"', '"crit":["b64"],"b64":false');
    refused($_, token($rsa, $CLAIMS, header => qq({"alg":"RS256","kid":"r",$_}))) for @asks;
};

subtest 'one text, two meanings' => sub {
    refused("twice in the header: $_", token($rsa, $CLAIMS, header => qq({"alg":"RS256","kid":"r",$_})))
        for '"alg":"RS256"', '"kid":"r"', '"\u0061lg":"none"';
    refused("twice in the claims: $_", token($rsa, substr($CLAIMS, 0, -1) . ",$_}"))
        for '"exp":9999999999', '"sub":"bob"', '"iss":"i"', '"aud":"x"';
    my $good = token($rsa, $CLAIMS);
    my ($head, $body, $signature) = split /\./, $good;
    my $padding = '=' x (-length($body) % 4 || 1);
    refused('padding', "$head.$body$padding.$signature");
    refused('padding of the signature', "$good==");
    refused('base64 of the other alphabet', "$head.$body." . ($signature =~ tr{-_}{+/}r)) if $signature =~ /[-_]/;
    # 256 bytes are 342 characters, of which the last has four bits that say nothing.
    my $spare = substr($signature, -1) =~ tr{AQgw}{BRhx}r;
    isnt(substr($signature, -1), $spare, 'spare bits');
    refused('spare bits that are set', "$head.$body." . substr($signature, 0, -1) . $spare);
    refused('a fourth part', "$good.$signature");
    refused('a part before', ".$good");
    refused('two parts', "$head.$body");
    refused('one', $head);
    refused('a blank inside', "$head. $body.$signature");
    refused('JSON with something behind it', token($rsa, "$CLAIMS x"));
    refused('an array of claims', token($rsa, "[$CLAIMS]"));
    refused('claims that are not JSON', token($rsa, 'alice'));
    refused('no claims', token($rsa, ''));
    refused('claims that are not UTF-8', token($rsa, substr($CLAIMS, 0, -1) . ",\"x\":\"\xff\"}"));
    accepted('members that nobody knows', token($rsa, substr($CLAIMS, 0, -1) . ',"x":{"exp":1,"y":[1,2,{}]}}'));
};

subtest 'numbers' => sub {
    my $with = sub { my ($exp) = @_; return '{"iss":"i","sub":"alice","aud":"btcf","exp":' . $exp . '}' };
    accepted('a good one', token($rsa, $with->($now + 600)));
    accepted('a fraction', token($rsa, $with->($now + 600 . '.5')));
    refused("exp $_", token($rsa, $with->($_))) for '1e400', '9e99', '1e18', '99999999999999999999', '9223372036854775808', '-1', '-0', '0',
        '"9999999999"', 'true', 'null', '[9999999999]', 'NaN', 'Infinity', '0x7fffffff', '09999999999', '253402300800', ($now - 60) . '.999';
};

subtest 'audience' => sub {
    my $with = sub { my ($aud) = @_; return '{"iss":"i","sub":"alice","exp":' . ($now + 600) . ($aud eq '' ? '' : ",\"aud\":$aud") . '}' };
    accepted("aud $_", token($hmac, $with->($_)), '1h') for '"btcf"', '["btcf"]', '["a","btcf"]';
    refused("aud $_", token($hmac, $with->($_)), '1h') for '', '"btcf2"', '"btc"', '[]', '["a"]', '[["btcf"]]', '[1,"btcf"]', '{"btcf":1}', 'null',
        '"btcf\u0000"', '["a","b","c","d","e","f","g","h","btcf"]';
};

subtest 'sizes' => sub {
    my $filled = sub { my ($size) = @_; return substr($CLAIMS, 0, -1) . ',"x":"' . 'y' x $size . '"}' };
    accepted('as long as it may be', token($hmac, $filled->(5800)), '1h');
    refused('longer', token($hmac, $filled->(7000)), '1h');
    accepted('a header as long as it may be', token($hmac, $CLAIMS, header => {x => 'y' x 900}), '1h');
    refused('longer', token($hmac, $CLAIMS, header => {x => 'y' x 1100}), '1h');
    refused('nested too deeply', token($hmac, substr($CLAIMS, 0, -1) . ',"x":' . '[' x 20 . ']' x 20 . '}'), '1h');
    refused('too many members', token($hmac, substr($CLAIMS, 0, -1) . join('', map { ",\"x$_\":1" } 1 .. 70) . '}'), '1h');
};

subtest 'bytes around it' => sub {
    my $good = token($rsa, $CLAIMS);
    for my $value ("Bearer $good x", "Bearer $good,", "Bearer \"$good\"", "Bearer", 'Bearer ', "Bearer $good\t$good", "Token $good", $good, "Bearer$good") {
        my $res = get($t, '/v1/forecasts/1d', Authorization => $value);
        isnt($res->{status}, 200, 'refused: ' . ($value =~ s/\Q$good\E/TOKEN/gr));
    }
    is(get($t, '/v1/forecasts/1d', Authorization => "BEARER $good")->{status}, 200, 'accepted: BEARER TOKEN');
    for my $method (qw(GET HEAD POST PUT DELETE OPTIONS PATCH)) {
        is(request($t, $method, '/v1/forecasts/1d', Authorization => "Bearer $good-")->{status}, 401, "$method asks like the others");
    }
};

finish();
