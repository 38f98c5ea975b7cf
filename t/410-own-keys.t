# The keys of our engine change while tokens are in use: no good token is refused, none of a removed key accepted.
use strict;
use warnings;

use BTCF;
use BTCF::Token;
use JSON::PP ();
use Test::More;
use Time::HiRes qw(time);

my $SESSION = '5e' x 16;
my ($old, $new) = (token_key('ES256', kid => 'old'), token_key('ES256', kid => 'new'));
my $seg = segment();
forecast_docs($seg);
$seg->plans;
my $account = $seg->account(1);
my $version = 1;

sub publish { $seg->doc('/.well-known/jwks.json', class => 'static', etag => $version++, fresh => $_[0]) }

publish(jwks($old));
$seg->live;
my $t = nginx(workers => 2, server => 'btcf_limit off; btcf_limit_failures off;', routes => <<'EOR');
    location /v1/ { btcf_auth required; btcf_document; }
    location = /.well-known/jwks.json { btcf_auth off; btcf_document; }
EOR

sub ask { return get($t, '/v1/forecasts/1d', Authorization => "Bearer $_[0]")->{status} }

# Statuses of so many requests, each with another token: none of them is in a cache.
sub ask_often {
    my ($key, $count) = @_;
    my %statuses;
    $statuses{ask(own_token($key, $account, $SESSION, jti => "n$_"))}++ for 1 .. $count;
    return join(' ', sort keys %statuses);
}

sub soon {
    my ($name, $status, $code) = @_;
    my $begin = time;
    ok(wait_for(sub { $code->() == $status }, 5), $name);
    cmp_ok(time - $begin, '<', 1, 'within a second');
}

my $seen = own_token($old, $account, $SESSION);
is(ask($seen), 200, 'a token of the old key') for 1 .. 8;
is(ask(own_token($new, $account, $SESSION)), 401, 'none yet of the new');

publish(jwks($old, $new));
is(ask_often($new, 20), 200, 'published is in force at once: never a wrong 401 for a token never seen');
is(ask_often($old, 20), 200, 'nor for one of the old key');
is(ask($seen), 200, 'nor for one that was seen');

publish(jwks($new));
my $later = own_token($old, $account, $SESSION, jti => 'later');
soon('the old key is gone', 401, sub { ask($later) });
soon('also for a token that was seen', 401, sub { ask($seen) });
is(ask_often($old, 20), 401, 'in every worker');
is(ask_often($new, 20), 200, 'tokens of the new key go on');

my $unread = token_key('ES256', kid => 'unread');
for my $broken ('not JSON', '{"keys":[]}', '{"keys":[{"kty":"oct","k":"AAAA"}]}', '{"keys":[],"keys":[]}') {
    publish($broken);
    is(ask_often($new, 4), 200, 'keys that cannot be used change nothing');
}
my $said = () = error_log($t) =~ /the keys of "\/\.well-known\/jwks\.json" are not used/g;
ok($said >= 4 && $said <= 4 * 2, 'a worker says so once for each that it sees') or diag($said);
publish(jwks($unread, $new));
is(ask_often($unread, 4), 200, 'and the next that can are used');

my $document = get($t, '/.well-known/jwks.json');
is_deeply(json($document->{body}), json(jwks($unread, $new)), 'the public is shown the very same keys');

# The engine goes on in a new file with the same keys: nothing is to be learnt anew.
my $good = own_token($new, $account, $SESSION);
is(ask($good), 200, 'a token') for 1 .. 8;
$seg->kill;
is(ask($good), 200, 'a dead engine changes nothing');
is(ask_often($new, 4), 200, 'nor for tokens never seen');

my $next = segment();
forecast_docs($next);
$next->plans;
$next->account(1);
$next->live;    # without keys yet
wait_for { (() = error_log($t) =~ /attached segment/g) >= 4 };
is(ask_often($new, 10), 200, 'a new file without keys: those in use stay');
$next->doc('/.well-known/jwks.json', class => 'static', etag => 1, fresh => jwks($new));
is(ask_often($new, 10), 200, 'a new file with keys');
soon('whose word counts', 401, sub { ask(own_token($unread, $account, $SESSION)) });
$next->do({do => 'retire', key => '/.well-known/jwks.json'});
soon('keys that are withdrawn as a whole', 503, sub { ask(own_token($new, $account, $SESSION)) });
soon('take the tokens with them that were seen', 503, sub { ask($good) });

finish();
