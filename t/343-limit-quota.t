# Quotas of a day and a month: counted by the workers themselves, by units of whole answers, and told by the database.
use strict;
use warnings;

use BTCF;
use Edge;
use Test::More;

# A quota that begins anew under the test would prove nothing.
wait_for { time % 86400 < 86400 - 30 } 40;

my $seg = segment();
$seg->plans;
$seg->plan('daily', rate => 100, burst => 1000, quota_day => 5);
$seg->plan('monthly', rate => 100, burst => 1000, quota_month => 5, quota_day => 1000);
$seg->plan('roomy', rate => 100, burst => 1000, quota_day => 50);
$seg->account(1, plan => 'daily');
$seg->account(2, plan => 'monthly');
$seg->account(3, plan => 'roomy', blocked_until => time + 5000);
$seg->account(4, plan => 'roomy', blocked_until => time + 90_000, blocked_period => 'month');
$seg->account(5, plan => 'roomy', blocked_until => time - 1);
$seg->account(6, plan => 'daily');
$seg->account(7, plan => 'daily');
my %key = map { $_ => $seg->key(account => $_) } 1 .. 7;
my $second = $seg->key(account => 1);
$seg->doc('/v1/price', class => 'market', fresh => '{"price":1}', etag => 5);
$seg->live;

my $t = nginx(workers => 2, routes => <<'EOC');
btcf_auth optional;
add_header X-Status $btcf_limit_status always;
location /v1/ { btcf_document; }
location = /dear { btcf_cost 4; rewrite ^ /v1/price break; btcf_document; }
location = /free { btcf_cost 0; rewrite ^ /v1/price break; btcf_document; }
location = /dry { btcf_limit dry_run; rewrite ^ /v1/price break; btcf_document; }
EOC
my $edge = Edge->new(temp_dir() . '/shm');

sub ask { my ($n, $path) = @_; return get($t, $path || '/v1/price', 'X-API-Key' => $key{$n}) }

# What was answered is counted a moment later; the next request waits for that here.
sub use_up {
    my ($n, $units, $path) = @_;
    my $before = $edge->limit($n)->{month};
    is(ask($n, $path)->{status}, 200, "account $n has a quota left");
    wait_for { $edge->limit($n)->{month} == $before + $units };
}

use_up(1, 1) for 1 .. 5;
my $res = ask(1);
is($res->{status}, 429, 'the quota of the day is used up');
is(json($res->{body})->{code}, 'quota-exceeded', '... and says so');
is($res->{headers}{'x-status'}, 'quota', '... in the log as well');
my $midnight = 86400 - time % 86400;
ok(abs($res->{headers}{'retry-after'} - $midnight) <= 2, "Retry-After is midnight: $res->{headers}{'retry-after'} of $midnight");
is($res->{headers}{ratelimit}, qq("daily-day";r=0;t=$res->{headers}{'retry-after'}), 'so is RateLimit');
is($res->{headers}{'x-ratelimit-limit'}, 5, 'it names the limit');
is(get($t, '/v1/price', 'X-API-Key' => $second)->{status}, 429, 'for every key of the account');
is(ask(1, '/free')->{status}, 200, 'what is free needs no quota');
is($edge->limit(1)->{day}, 5, 'refusals are not counted');
$res = ask(1, '/dry');
is($res->{status}, 200, 'a dry run refuses nobody');
is($res->{headers}{'x-status'}, 'quota-dry-run', '... but says so');

use_up(2, 1) for 1 .. 5;
$res = ask(2);
is($res->{status}, 429, 'the quota of the month is used up');
like($res->{headers}{ratelimit}, qr/^"monthly-month";r=0;t=\d+$/, '... which is the one that is told');
my (undef, undef, undef, undef, $month, $year) = gmtime;
require Time::Local;
my $next = Time::Local::timegm(0, 0, 0, 1, ($month + 1) % 12, $year + 1900 + ($month == 11));
ok(abs($res->{headers}{'retry-after'} - ($next - time)) <= 2, '... until the next one');

use_up(6, 4, '/dear');
use_up(6, 4, '/dear');
is(ask(6)->{status}, 429, 'units are what is counted: the last answer may go beyond');

is(head_of($t, '/v1/price', 'X-API-Key' => $key{7})->{status}, 200, 'HEAD is answered') for 1 .. 6;
is(get($t, '/v1/price', 'X-API-Key' => $key{7}, 'If-None-Match' => '*')->{status}, 304, 'not modified') for 1 .. 6;
is(get($t, '/v1/nothing', 'X-API-Key' => $key{7})->{status}, 404, 'not found') for 1 .. 6;
like(ask(7)->{headers}{ratelimit}, qr/^"daily-day";r=4;/, 'none of these takes from a quota');

# what the database knows, of other nodes for instance
$res = ask(3);
is($res->{status}, 429, 'an account that the database has blocked');
ok(abs($res->{headers}{'retry-after'} - 5000) <= 5, '... until when it says');
like($res->{headers}{ratelimit}, qr/^"roomy-day";r=0;/, '... for the day');
$res = ask(4);
is($res->{status}, 429, 'a month that the database has blocked');
like($res->{headers}{ratelimit}, qr/^"roomy-month";r=0;/, '... for the month');
is(ask(5)->{status}, 200, 'what is over is over');
$seg->account(3, plan => 'roomy', blocked_until => 0);
ok((wait_for { ask(3)->{status} == 200 } 3), 'and what is lifted is lifted');
$seg->account(1, plan => 'roomy');
like(ask(1)->{headers}{ratelimit}, qr/^"roomy-day";r=43;/, 'a larger plan goes on from what was used');

finish();
