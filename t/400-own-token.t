# Tokens of our own engine: what a good one gives, and each way in which one is not good.
use strict;
use warnings;

use BTCF;
use BTCF::Token;
use Test::More;

my $SESSION = '5e' x 16;
my $key = token_key('ES256', kid => 'k1');
my $seg = segment();
forecast_docs($seg);
$seg->plans;
my $account = $seg->account(1, plan => 'premium');
my $admin = $seg->account(2, plan => 'admin', admin => 1);
my $disabled = $seg->account(3, enabled => 0);
$seg->live;
my $t = nginx(server => 'btcf_limit off; btcf_limit_failures off;', routes => <<'EOR');
    add_header X-User "$btcf_user|$btcf_session|$btcf_issuer|$btcf_plan|$btcf_auth" always;
    location /v1/ { btcf_auth required; btcf_document; }
    location = /v1/forecasts/1h { btcf_auth required; btcf_require_scope history; btcf_document; }
    location = /v1/forecasts/4h { btcf_auth required; btcf_require_scope admin; btcf_document; }
    location = /v1/forecasts/3d { btcf_auth required; btcf_token off; btcf_document; }
EOR

sub ask {
    my ($token, $path) = @_;
    return get($t, $path || '/v1/forecasts/1d', Authorization => "Bearer $token");
}

sub refused {
    my ($name, $status, $token) = @_;
    is(ask($token)->{status}, $status, "$name: $status");
    is(ask($token)->{status}, $status, "$name: and $status again");
}

refused('before there are keys, nothing can be judged', 503, own_token($key, $account, $SESSION));

$seg->doc('/.well-known/jwks.json', class => 'static', fresh => jwks($key));
my $res = ask(own_token($key, $account, $SESSION));
is($res->{status}, 200, 'a good token is accepted as soon as its key is published');
is($res->{headers}{'x-user'}, "$account|$SESSION|btcf|premium|token", 'it names account, session, issuer and plan');
my $token = own_token($key, $account, $SESSION);
is(ask($token)->{headers}{'x-user'}, "$account|$SESSION|btcf|premium|token", 'a token seen for the first time')
    and is(ask($token)->{headers}{'x-user'}, "$account|$SESSION|btcf|premium|token", 'and from the cache: the same');
is(get($t, '/v1/forecasts/1d', Authorization => "bearer $token")->{status}, 200, 'the scheme has no case');

subtest 'scopes' => sub {
    is(ask($token, '/v1/forecasts/1h')->{status}, 403, 'a scope that the token does not have');
    my $wide = own_token($key, $account, $SESSION, scope => 'read history admin unheard-of');
    is(ask($wide, '/v1/forecasts/1h')->{status}, 200, 'one that it has');
    is(ask($wide, '/v1/forecasts/4h')->{status}, 403, 'admin is not for everybody, whatever the token says');
    is(ask(own_token($key, $admin, $SESSION, scope => 'admin'), '/v1/forecasts/4h')->{status}, 200, 'but for administrators');
    is(ask(own_token($key, $admin, $SESSION), '/v1/forecasts/4h')->{status}, 403, 'with a token that says so');
    $seg->account(1, plan => 'free');
    is(ask($wide, '/v1/forecasts/1h')->{status}, 403, 'nor more than the plan allows, which is looked at each time');
    $seg->account(1, plan => 'premium');
    is(ask($wide, '/v1/forecasts/1h')->{status}, 200, 'and again');
    is(ask(own_token($key, $account, $SESSION, scope => undef), '/v1/forecasts/1h')->{status}, 403, 'no scope at all');
};

subtest 'who' => sub {
    refused('an account that never was', 401, own_token($key, '00' x 16, $SESSION));
    refused('a disabled account', 401, own_token($key, $disabled, $SESSION));
    refused('a subject in upper case', 401, own_token($key, uc $account, $SESSION));
    refused('no subject', 401, own_token($key, undef, $SESSION));
    refused('no session', 401, own_token($key, $account, undef));
    refused('half a session', 401, own_token($key, $account, '5e' x 8));
    refused('another issuer', 401, own_token($key, $account, $SESSION, iss => 'BTCF'));
    refused('no issuer', 401, own_token($key, $account, $SESSION, iss => undef));
    is(ask($token, '/v1/forecasts/3d')->{status}, 401, 'a location where our own tokens are not accepted');
};

subtest 'when' => sub {
    my $now = time;
    refused('expired', 401, own_token($key, $account, $SESSION, exp => $now - 10));
    is(ask(own_token($key, $account, $SESSION, exp => $now - 1))->{status}, 200, 'our clocks may differ a little');
    refused('no expiry', 401, own_token($key, $account, $SESSION, exp => undef));
    refused('not yet', 401, own_token($key, $account, $SESSION, nbf => $now + 60));
    refused('issued in the future', 401, own_token($key, $account, $SESSION, iat => $now + 60));
    refused('issued at no time', 401, own_token($key, $account, $SESSION, iat => undef));
};

subtest 'what for' => sub {
    refused('a ticket', 401, own_ticket($key, $account, $SESSION));
    refused('a ticket with the life and the scopes of a token', 401, own_token($key, $account, $SESSION, aud => 'btcf:stream'));
    refused('no audience', 401, own_token($key, $account, $SESSION, aud => undef));
    refused('an empty list of audiences', 401, own_token($key, $account, $SESSION, aud => []));
    refused("an audience of $_", 401, own_token($key, $account, $SESSION, aud => $_)) for '', 'btc', 'btcf:', 'BTCF', 'https://btcf';
    refused('two audiences', 401, own_token($key, $account, $SESSION, aud => $_))
        for ['btcf', 'btcf:stream'], ['btcf:stream', 'btcf'], ['btcf', 'btcf'];
    is(ask(own_token($key, $account, $SESSION, aud => ['btcf']))->{status}, 200, 'a list of the one');
    my $claims = own_claims($account, $SESSION);
    is(ask(token($key, $claims))->{status}, 200, 'no typ');
    is(ask(token($key, $claims, header => {typ => $_}))->{status}, 200, "typ $_") for 'JWT', 'at+jwt', 'application/at+JWT';
    refused("typ $_", 401, token($key, $claims, header => {typ => $_})) for 'stream', 'logout+jwt';
};

subtest 'whose' => sub {
    my $other = token_key('ES256', kid => 'k1');
    refused('signed by somebody else', 401, own_token($other, $account, $SESSION));
    my $stranger = token_key('ES256', kid => 'k2');
    refused('by a key that nobody knows', 401, own_token($stranger, $account, $SESSION));
    my $text = own_token($key, $account, $SESSION);
    substr($text, -10, 1) = substr($text, -10, 1) eq 'A' ? 'B' : 'A';
    refused('with one character changed', 401, $text);
};

my $problem = ask('a.b.c');
is($problem->{status}, 401, 'not a token');
is(scalar @{$problem->{all}{'www-authenticate'} || []}, 1, 'is told how to come');
like($problem->{headers}{'www-authenticate'} || '', qr/Bearer/, 'with a token');

finish();
