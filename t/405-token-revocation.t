# What is revoked is refused by every worker within a second, although it was verified before, and stays so.
use strict;
use warnings;

use BTCF;
use BTCF::Token;
use Test::More;
use Time::HiRes qw(time);

my $WORKERS = 2;
my $REQUESTS = 40;    # on connections of their own: enough to meet every worker
my $key = token_key('ES256', kid => 'k1');
my $seg = segment();
forecast_docs($seg);
$seg->plans;
my $account = $seg->account(1);
my $other = $seg->account(2);
$seg->doc('/.well-known/jwks.json', class => 'static', fresh => jwks($key));
$seg->live;
my $t = nginx(workers => $WORKERS, server => 'btcf_limit off; btcf_limit_failures off;', routes => 'add_header X-Auth "$btcf_auth $pid" always; location /v1/ { btcf_auth required; btcf_document; }');

# Statuses and workers met by so many requests with a token.
sub ask_all {
    my ($token) = @_;
    my (%statuses, %pids);
    for (1 .. $REQUESTS) {
        my $res = get($t, '/v1/forecasts/1d', Authorization => "Bearer $token");
        my (undef, $pid) = split ' ', $res->{headers}{'x-auth'} || '';
        $statuses{$res->{status}}++;
        $pids{$pid || 0}++;
    }
    return (join(' ', sort keys %statuses), scalar keys %pids);
}

sub all_say {
    my ($token, $status, $name) = @_;
    my ($statuses, $pids) = ask_all($token);
    is($statuses, $status, $name);
    return $pids;
}

# The time from now until a hundred requests in a row, over all workers, were refused.
sub refused_within_a_second {
    my ($token, $name) = @_;
    my ($begin, $in_a_row, $last) = (time, 0, time);
    while ($in_a_row < 2 * $REQUESTS && time - $begin < 10) {
        my $res = get($t, '/v1/forecasts/1d', Authorization => "Bearer $token");
        if ($res->{status} == 401) {
            $in_a_row++;
        } else {
            ($in_a_row, $last) = (0, time);
        }
    }
    cmp_ok($last - $begin, '<', 1, $name);
    is($in_a_row, 2 * $REQUESTS, 'and stays refused');
}

my ($first, $second) = ('a1' x 16, 'b2' x 16);
my $token = own_token($key, $account, $first);
my $sibling = own_token($key, $account, $second);
my $foreign = own_token($key, $other, 'c3' x 16);
cmp_ok(all_say($token, 200, 'a token is good everywhere'), '>=', $WORKERS, 'all workers were asked');
all_say($_, 200, 'so are others') for $sibling, $foreign;

$seg->revoke($first);
refused_within_a_second($token, 'a session is revoked');
refused_within_a_second(own_token($key, $account, $first), 'with it every other token of the session, even one never seen');
all_say($sibling, 200, 'another session of the account goes on');

sleep 1;    # so that a token of this second is newer than the ones before
my $now = int time;
$seg->account(1, valid_after => $now);
refused_within_a_second($sibling, 'all tokens of an account are revoked');
refused_within_a_second(own_token($key, $account, 'd4' x 16, iat => $now), 'one issued in the very second, too');
all_say(own_token($key, $account, 'd4' x 16, iat => $now + 1), 200, 'one issued later is good');
all_say($foreign, 200, 'other accounts go on');

$seg->account(2, enabled => 0);
refused_within_a_second($foreign, 'an account is disabled');
$seg->account(2);
all_say($foreign, 200, 'and enabled again: nothing was forgotten');

kill 'HUP', $t->{pid};
my @before = workers_of($t);
wait_for { my @now = workers_of($t); @now == $WORKERS && !grep { my $pid = $_; grep { $_ == $pid } @before } @now };
all_say($_, 401, 'after a reload: still refused') for $token, $sibling;
all_say($foreign, 200, 'still good');

# An engine without the old one's file makes its own, in which accounts have other numbers.
$seg->kill;
unlink temp_dir() . '/shm/pub.v1';
my $next = segment();
forecast_docs($next);
$next->plans;
$next->account(1, valid_after => $now);
$next->account(5, id => $other);    # under another number
$next->revoke($first);
$next->doc('/.well-known/jwks.json', class => 'static', fresh => jwks($key));
$next->live;
wait_for { (() = error_log($t) =~ /attached segment/g) >= 3 * $WORKERS };
all_say($_, 401, 'with another file: still refused') for $token, $sibling;
all_say($foreign, 200, 'an account is found under its new number');

finish();
