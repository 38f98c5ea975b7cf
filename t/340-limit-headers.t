# What clients are told of their limits: names, values, on which answers, once each, and how long to wait.
use strict;
use warnings;

use BTCF;
use Test::More;

my $seg = segment();
$seg->plans;
$seg->plan('tiny', rate => 0.01, burst => 3);
$seg->plan('daily', rate => 10, burst => 100, quota_day => 50, quota_month => 5000);
$seg->plan('unlimited', rate => 0);
$seg->account(1, plan => 'tiny');
$seg->account(2, plan => 'daily');
$seg->account(3, plan => 'unlimited');
$seg->account(4, plan => 'tiny');
$seg->account(5, plan => 'tiny');
$seg->account(6, plan => 'premium');
my %key = map { $_ => $seg->key(account => $_) } 1 .. 6;
$seg->doc('/v1/price', class => 'market', fresh => '{"price":1}', etag => 5);
$seg->live;

my $t = nginx(routes => <<'EOC');
location /v1/ { btcf_document; btcf_auth optional; }
location /draft/ { rewrite ^/draft(.*) $1 break; btcf_document; btcf_auth optional; btcf_limit_headers draft; }
location /legacy/ { rewrite ^/legacy(.*) $1 break; btcf_document; btcf_auth optional; btcf_limit_headers legacy; }
location /none/ { rewrite ^/none(.*) $1 break; btcf_document; btcf_auth optional; btcf_limit_headers off; }
location /plain/ { rewrite ^/plain(.*) $1 break; btcf_document; btcf_auth optional; btcf_problem off; btcf_request_id off; }
location /bare { btcf_document; btcf_auth off; rewrite ^ /v1/price break; }
EOC

my @names = qw(ratelimit ratelimit-policy x-ratelimit-limit x-ratelimit-remaining x-ratelimit-reset retry-after);

# The limit's headers of an answer, each of which must be there at most once.
sub told {
    my ($res) = @_;
    for my $name (@names) {
        my $count = @{$res->{all}{$name} || []};
        fail("$name is there $count times") if $count > 1;
    }
    return {map { defined $res->{headers}{$_} ? ($_ => $res->{headers}{$_}) : () } @names};
}

my $res = get($t, '/v1/price', 'X-API-Key' => $key{1});
is($res->{status}, 200, 'a key is let in');
is_deeply(told($res), {
    'ratelimit' => '"tiny";r=2;t=100', 'ratelimit-policy' => '"tiny";q=3;w=300',
    'x-ratelimit-limit' => 3, 'x-ratelimit-remaining' => 2, 'x-ratelimit-reset' => 100,
}, 'a success says what is left');

$res = get($t, '/v1/price', 'X-API-Key' => $key{1}, 'If-None-Match' => $res->{headers}{etag});
is($res->{status}, 304, 'not modified');
is(told($res)->{ratelimit}, '"tiny";r=1;t=200', 'a 304 costs a token as well, and says so');

$res = head_of($t, '/v1/price', 'X-API-Key' => $key{1});
is(told($res)->{ratelimit}, '"tiny";r=0;t=300', 'so does HEAD');

$res = get($t, '/v1/price', 'X-API-Key' => $key{1});
is($res->{status}, 429, 'then it is too much');
is(json($res->{body})->{code}, 'rate-limited', 'a problem says why');
my $wait = $res->{headers}{'retry-after'};
ok($wait == 100 || $wait == 99, "Retry-After counts to the next token: $wait");
is_deeply(told($res), {
    'ratelimit' => qq("tiny";r=0;t=$wait), 'ratelimit-policy' => '"tiny";q=3;w=300', 'retry-after' => $wait,
    'x-ratelimit-limit' => 3, 'x-ratelimit-remaining' => 0, 'x-ratelimit-reset' => $wait,
}, 'all say the same instant');

$res = get($t, '/draft/v1/price', 'X-API-Key' => $key{4});
is_deeply([sort keys %{told($res)}], [qw(ratelimit ratelimit-policy)], 'the draft alone');
$res = get($t, '/legacy/v1/price', 'X-API-Key' => $key{4});
is_deeply([sort keys %{told($res)}], [qw(x-ratelimit-limit x-ratelimit-remaining x-ratelimit-reset)], 'the legacy alone');
$res = get($t, '/none/v1/price', 'X-API-Key' => $key{4});
is_deeply(told($res), {}, 'nothing');
$res = get($t, '/none/v1/price', 'X-API-Key' => $key{4});
is($res->{status}, 429, 'the last one took the last token');
is_deeply([keys %{told($res)}], ['retry-after'], 'but Retry-After comes with every 429');

get($t, '/v1/price', 'X-API-Key' => $key{5}) for 1 .. 3;
$res = get($t, '/plain/v1/price', 'X-API-Key' => $key{5});
is($res->{status}, 429, 'refused where errors are pages');
is(scalar keys %{told($res)}, 6, 'the headers do not depend on btcf_problem');

$res = get($t, '/v1/absent', 'X-API-Key' => $key{6});
is($res->{status}, 404, 'a 404');
is_deeply(told($res), {}, 'says nothing of limits');
$res = get($t, '/v1/price', 'X-API-Key' => $key{6});
is(told($res)->{'x-ratelimit-remaining'}, 198, 'but took a token');

# of several windows the one with the least left is told
$res = get($t, '/v1/price', 'X-API-Key' => $key{2});
my ($left, $seconds) = told($res)->{ratelimit} =~ /^"daily-day";r=(\d+);t=(\d+)$/;
is($left, 49, 'the day, of which less is left than of the rate');
ok($seconds > 0 && $seconds <= 86400, 'until midnight');
is(told($res)->{'ratelimit-policy'}, '"daily";q=100;w=10, "daily-day";q=50;w=86400, "daily-month";q=5000', 'all windows');
is(told($res)->{'x-ratelimit-limit'}, 50, 'the same window in the old words');

$res = get($t, '/v1/price', 'X-API-Key' => $key{3});
is_deeply(told($res), {}, 'who has no limit is told of none');

# guests
$res = get($t, '/v1/price');
is(told($res)->{ratelimit}, '"guest";r=29;t=1', 'a guest has the plan "guest"');
$res = get($t, '/bare');
is($res->{status}, 200, 'where nobody asks');
is_deeply(told($res), {}, 'nothing is limited or told');

finish();
