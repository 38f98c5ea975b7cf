# No token, no ticket and no key is written to any log, good or bad, at any level. nginx's own debug log has what clients
# send, line by line as it is read, before anybody knows what it means: those lines are its, and only those may have it.
use strict;
use warnings;

use BTCF;
use BTCF::Token;
use Test::More;

my $NGINX_INPUT = qr{\[debug\] \d+#\d+: \*\d+ http (?:header: "(?:Authorization|X-API-Key): |request line: |uri: |args: )};

my $key = token_key('ES256', kid => 'k1');
my $foreign = token_key('HS256', kid => 'h');
spew(temp_dir() . '/keys.jwks', jwks($foreign));
my $seg = segment();
forecast_docs($seg);
$seg->plans;
my $account = $seg->account(1, plan => 'enterprise');
my $api_key = $seg->key(account => 1);
$seg->doc('/.well-known/jwks.json', class => 'static', fresh => jwks($key));
$seg->event('price', '{"p":1}');
$seg->live;
my $file = temp_dir() . '/keys.jwks';
my $t = nginx(log_level => 'debug', server => 'btcf_limit_failures rate=1r/s burst=1000;', routes => <<"EOR");
    btcf_auth required;
    btcf_jwks_file $file issuer=them;
    location /v1/ { btcf_document; }
    location = /v1/stream { btcf_stream; }
    location = /moved { error_page 401 = /v1/forecasts/1h; btcf_document; }
    location = /metrics { btcf_auth off; btcf_metrics; }
EOR

my ($n, @secrets) = (0);

# What must not be seen: the part of a credential that makes it one.
sub secret_of {
    my ($text) = @_;
    return $text =~ /\.([^.]{20,})$/ ? $1 : substr($text, -20);
}

sub send_it {
    my ($path, $name, $value) = @_;
    push @secrets, secret_of($value);
    my %lines = (Authorization => "Authorization: Bearer $value\r\n", 'X-API-Key' => "X-API-Key: $value\r\n", ticket => '');
    $path .= "?ticket=$value" if $name eq 'ticket';
    raw($t, "GET $path HTTP/1.1\r\nHost: x\r\n$lines{$name}Connection: close\r\n\r\n", $name eq 'ticket' ? 0.3 : 5);
}

my $now = time;
my $session = 'ab' x 16;
my %tokens = (good => own_token($key, $account, $session), expired => own_token($key, $account, $session, exp => $now - 60),
    unknown => own_token($key, '00' x 16, $session), 'of another kind' => own_ticket($key, $account, $session),
    'of third parties' => token($foreign, {iss => 'them', sub => 'alice', exp => $now + 60}),
    'of an unknown key' => own_token(token_key('ES256', kid => 'x'), $account, $session),
    'with a bad signature' => own_token(token_key('ES256', kid => 'k1'), $account, $session));
for my $name (sort keys %tokens) {
    for my $path ('/v1/forecasts/1d', '/nothing', '/moved') {
        send_it($path, 'Authorization', $tokens{$name});
    }
}
send_it('/v1/forecasts/1d', 'X-API-Key', $_) for $api_key, $api_key =~ s/.$/-/r, 'btcf_live_' . 'x' x 60;
send_it('/v1/stream', 'ticket', $_)
    for own_ticket($key, $account, $session), $tokens{expired}, $tokens{good};
send_it('/metrics', 'Authorization', $tokens{good});
stop_nginx($t);

my %bad;
my @log = split /\n/, error_log($t);
for my $line (grep { !/$NGINX_INPUT/ } @log) {
    for my $secret (@secrets) {
        $bad{$line} = 1 if index($line, $secret) >= 0;
    }
}
is(scalar(keys %bad), 0, 'the error log has none') or diag(join "\n", (sort keys %bad)[0 .. 5]);
cmp_ok(scalar(grep { /\[debug\]/ } @log), '>', 1000, 'at debug level');
cmp_ok(scalar(grep { /btcf: token refused: / } @log), '>', 10, 'where refusals are told by a word');
is(scalar(grep { my $secret = $_; grep { index($_, $secret) >= 0 } split /\n/, slurp("$t->{dir}/access.log") } @secrets), 0, 'nor has the access log');
is(scalar(grep { index(join('', @log), $_) >= 0 } $foreign->{jwk}{k}), 0, 'nor is the secret of an issuer written anywhere');

finish();
