# A stream ends when what it was opened with ends, within about a second, and says so.
use strict;
use warnings;

use BTCF;
use SSE;
use Test::More;
use Time::HiRes qw(time);

plan(skip_all => q{the same in both runs: 366 has its own HTTP/2}) if over_h2();

my $seg = segment(create => {events => 64});
$seg->plans;
$seg->event('price');
$seg->account(1, plan => 'premium');
$seg->account(2, plan => 'premium');
$seg->account(3, plan => 'professional');
my $key = $seg->key(account => 1);
my $other = $seg->key(account => 1);
my $theirs = $seg->key(account => 2);
my @third = map { $seg->key(account => 3) } 1 .. 2;
$seg->live;
my $t = nginx(
    routes => 'location = /v1/stream { btcf_stream; btcf_auth optional; btcf_require_scope stream; btcf_limit off; }
        location = /metrics { btcf_metrics; }'
);

sub stream { my ($key) = @_; return SSE->open($t, '/v1/stream', $key ? ('X-API-Key' => $key) : ()) }

sub ends {
    my ($s, $reason, $name) = @_;
    my $begin = time;
    my $event = $s->skip_to('end');
    is($event ? $event->{data} : 'no end', qq({"reason":"$reason"}), $name);
    ok($s->is_closed && $s->{whole}, '... and the answer is complete');
    cmp_ok(time - $begin, '<', 2.5, '... at once');
}

# a key is disabled: its streams end, others go on
my ($mine, $same, $second, $guest) = map { stream($_) } $key, $key, $other, undef;
is(join(' ', map { $_->{status} } $mine, $same, $second, $guest), '200 200 200 200', 'keys and guests may stream');
ok($_->next, '... and get events') for $mine, $same, $second, $guest;
$seg->key(text => $key, account => 1, enabled => 0);
ends($mine, 'credential-revoked', 'a disabled key ends its stream');
ends($same, 'credential-revoked', '... all of them');
$seg->event('price');
ok($second->next, '... another key of the account goes on');
ok($guest->next, '... and so do guests');
is(stream($key)->{status}, 401, '... and no new one is opened');

# an account is disabled
$seg->account(1, plan => 'premium', enabled => 0);
ends($second, 'credential-revoked', 'an account that is disabled');

# a key runs out while its stream is open
my $expires = int(time) + 3;
my $brief = stream($seg->key(account => 2, expires => $expires));
is($brief->{status}, 200, 'a key that will run out');
my $event = $brief->skip_to('end');
is($event->{data}, '{"reason":"credential-expired"}', '... ends its stream when it does');
cmp_ok(time, '>=', $expires, '... and not before');

# the plan falls: as many streams end as are too many
my @many = map { stream($third[$_ % 2]) } 0 .. 9;
is(join(' ', map { $_->{status} } @many), join(' ', (200) x 10), 'ten streams of a plan of twenty');
$seg->account(3, plan => 'premium');
sub open_ones { return grep { $_->is_closed(0.01) ? 0 : 1 } @many }
ok(wait_for { open_ones() == 5 }, 'in a plan of five, five are left') or diag(scalar open_ones());
my $closed = 0;
for my $s (grep { $_->is_closed(0.01) } @many) {
    my $event = $s->skip_to('end');
    $closed++ if $event && $event->{data} eq '{"reason":"plan"}';
}
is($closed, 5, '... and the others were told why');
is(stream($third[0])->{status}, 429, '... and there is no room for another');
$seg->plan('premium', scopes => ['read']);
ok(wait_for { open_ones() == 0 }, 'a plan without streams ends all of them');
is(stream($theirs)->{status}, 403, '... and opens none');

# streams are counted as they come and go
$guest->close;
finish();
