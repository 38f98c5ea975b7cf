# Streams that were opened with a token or a ticket: what ends them, and what does not.
use strict;
use warnings;

use BTCF;
use BTCF::Token;
use SSE;
use Test::More;
use Time::HiRes qw(time);

plan(skip_all => q{the same in both runs: 366 has its own HTTP/2}) if over_h2();

my $key = token_key('ES256', kid => 'k1');
my $seg = segment(create => {events => 64});
$seg->plans;
$seg->event('price');
my $account = $seg->account(1, plan => 'professional');
my $other = $seg->account(2, plan => 'professional');
$seg->doc('/.well-known/jwks.json', class => 'static', fresh => jwks($key));
my $test_key = $seg->key(account => 1, test => 1);
$seg->live;
my $t = nginx(
    routes => 'location = /v1/stream { btcf_stream; btcf_auth required; btcf_require_scope stream; btcf_limit off; }'
);

sub session { return sprintf('%02x', $_[0]) x 16 }

sub stream {
    my ($session, %claims) = @_;
    return SSE->open($t, '/v1/stream', Authorization => 'Bearer ' . own_token($key, $account, session($session), %claims));
}

sub with_ticket {
    my ($session, $seconds) = @_;
    my $ticket = own_ticket($key, $account, session($session), exp => int(time) + ($seconds || 30));
    return SSE->open($t, "/v1/stream?ticket=$ticket");
}

sub ends {
    my ($s, $reason, $name) = @_;
    my $begin = time;
    my $event = $s->skip_to('end');
    is($event ? $event->{data} : 'no end', qq({"reason":"$reason"}), $name);
    cmp_ok(time - $begin, '<', 2.5, '... at once');
}

my ($one, $two, $ticket) = (stream(1), stream(2), with_ticket(1));
is(join(' ', map { $_->{status} } $one, $two, $ticket), '200 200 200', 'tokens and tickets open streams');
$seg->revoke(session(1));
ends($one, 'credential-revoked', 'a session that is revoked ends the stream of its token');
ends($ticket, 'credential-revoked', '... and that of its ticket');
$seg->event('price');
is(SSE::names($two->take(2)), 'price:1 price:2', '... but not that of another session');
is(with_ticket(1)->{status}, 401, '... and no ticket of it opens another');

my $until = int(time) + 3;
my $brief = stream(3, exp => $until);
is($brief->{status}, 200, 'a token that will run out');
$ticket = with_ticket(3, 2);
is($ticket->{status}, 200, '... and a ticket that will do so earlier');
my $event = $brief->skip_to('end');
is($event->{data}, '{"reason":"credential-expired"}', 'the token ends its stream when it runs out');
cmp_ok(time, '>=', $until, '... not before');
$seg->event('price');
ok((grep { $_ && $_->{id} == 3 } $ticket->take(3)), 'a ticket only opens: its stream goes on');

$seg->account(1, plan => 'professional', valid_after => int(time) + 60);
ends($two, 'credential-revoked', 'all tokens of the account are called back: a stream of a token');
ends($ticket, 'credential-revoked', '... and that of a ticket');

my $res = get($t, '/v1/stream', 'X-API-Key' => $test_key);
is("$res->{status} " . json($res->{body})->{code}, '404 sandbox-absent', 'nothing happens in the sandbox: no stream for a test key');

finish();
