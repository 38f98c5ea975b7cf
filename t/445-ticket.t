# Tickets: half a minute, one stream, and no log ever has one. And streams end when the credential that opened them does.
use strict;
use warnings;

use BTCF;
use BTCF::Token;
use SSE;
use Test::More;

my $key = token_key('ES256', kid => 'k1');
my $seg = segment();
forecast_docs($seg);
$seg->plans;
my $account = $seg->account(1, plan => 'enterprise');
$seg->doc('/.well-known/jwks.json', class => 'static', fresh => jwks($key));
$seg->event('price', '{"p":1}');
$seg->live;
my $t = nginx(server => 'btcf_limit off; btcf_limit_failures off; access_log ' . temp_dir() . '/combined.log combined;', routes => <<'EOR');
    btcf_auth required;
    add_header X-User "$btcf_user|$btcf_session|$btcf_auth" always;
    location = /v1/stream { btcf_stream; btcf_stream_heartbeat 100ms; btcf_require_scope stream; }
    location = /v1/open { btcf_auth off; btcf_stream; }
    location /v1/ { btcf_document; }
EOR

my @sessions = map { sprintf '%02x', $_ } 0x10 .. 0x40;
my @tickets;

sub ticket {
    my (%more) = @_;
    push @tickets, own_ticket($key, $account, shift(@sessions) x 16, %more);
    return $tickets[-1];
}

# The status of an answer that ends, or of a stream, which is left.
sub status_of {
    my ($path, @headers) = @_;
    return SSE->open($t, $path, @headers)->{status};
}

sub refused { my ($name, $path, $status, @headers) = @_; is(get($t, $path, @headers)->{status}, $status || 401, $name) }

my $s = SSE->open($t, '/v1/stream?ticket=' . ticket());
is($s->{status}, 200, 'a ticket opens a stream');
is($s->{headers}{'x-user'}, "$account|" . '10' x 16 . '|ticket', 'in the name of its account');
ok($s->next, 'in which events come');
is(status_of('/v1/stream?events=price&ticket=' . ticket() . '&last_event_id=1'), 200, 'among other parameters');

refused('a ticket anywhere else is a parameter that nobody knows', '/v1/forecasts/1d?ticket=' . ticket());
refused('a ticket is no bearer token', '/v1/stream', 401, Authorization => 'Bearer ' . ticket());
my $access = own_token($key, $account, 'ac' x 16);
refused('a token is no ticket', "/v1/stream?ticket=$access");
refused('not even one of a ticket\'s life and scope', '/v1/stream?ticket=' . ticket(aud => 'btcf', scope => 'stream'));
refused('nor one for both', '/v1/stream?ticket=' . ticket(aud => ['btcf:stream', 'btcf']));
refused('nor one for nobody', '/v1/stream?ticket=' . ticket(aud => undef));
is(status_of('/v1/stream', Authorization => "Bearer $access"), 200, 'although it opens a stream as a bearer');
refused('nor is it one then', "/v1/stream?ticket=$access");
refused('two tickets', '/v1/stream?ticket=' . ticket() . '&ticket=' . ticket(), 400);
refused('a ticket and a token', '/v1/stream?ticket=' . ticket(), 400, Authorization => "Bearer $access");
refused('a ticket and a key', '/v1/stream?ticket=' . ticket(), 400, 'X-API-Key' => $seg->key(account => 1));
refused('an empty ticket', '/v1/stream?ticket=');
refused('half a ticket', '/v1/stream?ticket=' . substr(ticket(), 0, 100));
refused('a ticket without the scope', '/v1/stream?ticket=' . ticket(scope => 'read'), 403);
refused('an expired ticket', '/v1/stream?ticket=' . ticket(iat => time - 60, exp => time - 30));
refused('a ticket that lives too long', '/v1/stream?ticket=' . ticket(exp => time + 60));
refused('a ticket that says nothing of when it began', '/v1/stream?ticket=' . ticket(iat => undef));
$seg->revoke('77' x 16);
refused('a ticket of a session that has ended', '/v1/stream?ticket=' . ticket(sid => '77' x 16));
is(status_of('/v1/open?ticket=' . ticket()), 200, 'where nobody is asked it is not looked at');

# What opened a stream keeps it open.
sub ends {
    my ($name, $path, $headers, $code) = @_;
    my $stream = SSE->open($t, $path, %$headers);
    is($stream->{status}, 200, "$name: a stream");
    my $other = SSE->open($t, '/v1/stream?ticket=' . ticket());
    $code->();
    ok(wait_for(sub { $stream->fill(0.1); $stream->{raw} =~ /credential-(revoked|expired)/ }, 3), "$name: it ends, and says why");
    $other->fill(0.2);
    unlike($other->{raw}, qr/credential-/, "$name: another goes on") if $name !~ /all|account/;
}

my $session = $sessions[0] x 16;
ends('the session of a ticket', '/v1/stream?ticket=' . ticket(), {}, sub { $seg->revoke($session) });
my $token = own_token($key, $account, 'e1' x 16);
ends('the session of a token', '/v1/stream', {Authorization => "Bearer $token"}, sub { $seg->revoke('e1' x 16) });
ends('a token by its expiry', '/v1/stream', {Authorization => 'Bearer ' . own_token($key, $account, 'e2' x 16, exp => time - 3)}, sub { });
my $stream_key = $seg->key(account => 1);
ends('a key', '/v1/stream', {'X-API-Key' => $stream_key}, sub { $seg->key(text => $stream_key, account => 1, enabled => 0) });
ends('all tokens of an account', '/v1/stream?ticket=' . ticket(), {}, sub { $seg->account(1, plan => 'enterprise', valid_after => time) });
my $later = own_token($key, $account, 'e3' x 16, iat => time + 1);
ends('an account', '/v1/stream', {Authorization => "Bearer $later"}, sub { $seg->account(1, plan => 'enterprise', enabled => 0) });

my $combined = slurp(temp_dir() . '/combined.log');
my @lines = split /\n/, $combined;
cmp_ok(scalar(@lines), '>=', 20, 'requests were logged, with their queries');
stop_nginx($t);
$combined = slurp(temp_dir() . '/combined.log');
like($combined, qr{GET /v1/stream\?events=price&ticket=\*+&last_event_id=1 }, 'without the ticket');
for my $log (['access', $combined], ['error', error_log($t)]) {
    my @found = grep { index($log->[1], (split /\./, $_)[2]) >= 0 } @tickets;
    is(scalar(@found), 1, "the $log->[0] log has no ticket, but one sent to where there are none") if $log->[0] eq 'access';
    is(scalar(@found), 0, "the $log->[0] log has no ticket") if $log->[0] eq 'error';
}

finish();
