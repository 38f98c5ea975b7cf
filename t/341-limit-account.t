# An account's allowance: shared by its keys and by all workers, charged once per request, changed without reload, and
# only watched in a dry run.
use strict;
use warnings;

use BTCF;
use Test::More;
use Time::HiRes qw(time);

my $seg = segment();
$seg->plans;
$seg->plan('fifty', rate => 50, burst => 20);
$seg->plan('tiny', rate => 0.01, burst => 3);
$seg->account(1, plan => 'fifty');
$seg->account($_, plan => 'tiny') for 2 .. 9;
my @keys = map { $seg->key(account => 1) } 1 .. 20;
my %key = map { $_ => $seg->key(account => $_) } 2 .. 9;
$seg->doc('/v1/price', class => 'market', fresh => '{"price":1}', etag => 5);
$seg->live;

my $t = nginx(workers => 2, http => 'limit_req_zone $btcf_user zone=stock:1m rate=1r/m;', routes => <<'EOC');
btcf_auth optional;
add_header X-Status $btcf_limit_status always;
location /v1/ { btcf_document; }
location = /redirected { error_page 429 = @told; btcf_document; rewrite ^ /v1/price break; }
location @told { btcf_auth required; add_header X-Told yes always; add_header X-Status $btcf_limit_status always; return 429; }
location = /named { try_files /nothing @named; }
location @named { rewrite ^ /v1/price break; btcf_document; }
location = /dry { btcf_limit dry_run; rewrite ^ /v1/price break; btcf_document; }
location = /unlimited { btcf_limit off; rewrite ^ /v1/price break; btcf_document; }
location = /twice { btcf_cost 2; rewrite ^ /v1/price break; btcf_document; }
location = /many { btcf_cost 1000; rewrite ^ /v1/price break; btcf_document; }
location = /free { btcf_cost 0; rewrite ^ /v1/price break; btcf_document; }
location = /stock { limit_req zone=stock; rewrite ^ /v1/price break; btcf_document; }
location = /metrics { btcf_auth off; btcf_metrics; }
EOC

sub status { my ($path, $n) = @_; return get($t, $path, 'X-API-Key' => $key{$n})->{status} }

# Two connections, likely on both workers; twenty keys in turn; ten times the plan.
my @sockets = map { raw_talk($t) } 1 .. 4;
my ($begun, $admitted, $sent) = (time, 0, 0);
while (time - $begun < 1.5) {
    for my $i (0 .. $#sockets) {
        syswrite($sockets[$i], "GET /v1/price HTTP/1.1\r\nHost: a\r\nX-API-Key: $keys[($sent + $i) % 20]\r\n\r\n");
    }
    for my $socket (@sockets) {
        my ($res) = read_responses($socket, 'GET');
        $sent++;
        $admitted++ if $res->{status} == 200;
    }
}
my $most = 20 + int((time - $begun) * 50);
ok($sent > 4 * $most, "many more were sent than the plan has: $sent");
ok($admitted <= $most, "never more than burst + rate x time is admitted: $admitted of $most");
ok($admitted >= $most - 5, '... and hardly less');

# a connection survives its refusals
syswrite($sockets[0], "GET /v1/price HTTP/1.1\r\nHost: a\r\nX-API-Key: $key{2}\r\n\r\n" x 5);
is_deeply([map { $_->{status} } read_responses($sockets[0], ('GET') x 5)], [200, 200, 200, 429, 429], '429 keeps the connection');

# once per request
is(status('/redirected', 3), 200, 'a request') for 1 .. 3;
my $res = get($t, '/redirected', 'X-API-Key' => $key{3});
is($res->{status}, 429, 'refused, and sent on by error_page to where the same limit holds');
is($res->{headers}{'x-told'}, 'yes', '... is answered there');
is($res->{headers}{'x-status'}, 'rejected', '... and keeps its status');
is(scalar @{$res->{all}{$_} || []}, 1, "... with one $_") for qw(ratelimit ratelimit-policy retry-after x-ratelimit-reset);
is($res->{headers}{'x-ratelimit-remaining'}, 0, '... charged no more');
$res = get($t, '/named', 'X-API-Key' => $key{4});
is($res->{headers}{'x-ratelimit-remaining'}, 2, 'a request that try_files sends on is charged once');

# costs
is(get($t, '/twice', 'X-API-Key' => $key{4})->{headers}{'x-ratelimit-remaining'}, 0, 'a cost of two');
is(status('/free', 4), 200, 'what is free passes without an allowance');
is(status('/unlimited', 4), 200, 'so does what is not limited');
is(status('/many', 5), 200, 'what costs more than the burst takes all of it');
is(status('/v1/price', 5), 429, '... and there is nothing left');

# dry run
for my $i (1 .. 5) {
    $res = get($t, '/dry', 'X-API-Key' => $key{6});
    is($res->{status}, 200, 'a dry run refuses nobody');
    is($res->{headers}{'x-status'}, $i <= 3 ? 'passed' : 'dry-run', '... but says who it would have been');
    ok(!exists $res->{headers}{ratelimit}, '... and tells clients nothing');
}
is(status('/v1/price', 6), 429, 'it charges');

# beside nginx's own
is(status('/stock', 7), 200, 'limit_req sees who asks');
is(status('/stock', 7), 503, '... and still fires beside ours');
is(status('/stock', 8), 200, '... by user');

# a change of plan
is(status('/v1/price', 9), 200, 'a token of the plan') for 1 .. 3;
is(status('/v1/price', 9), 429, 'the plan is used up');
$seg->account(9, plan => 'fifty');
my $changed = time;
ok((wait_for { status('/v1/price', 9) == 200 } 3), 'another plan is in force');
ok(time - $changed < 1, sprintf('... within a second: %.2f s', time - $changed));
$seg->plan('fifty', rate => 0.01, burst => 1);
$changed = time;
ok((wait_for { get($t, '/v1/price', 'X-API-Key' => $keys[0])->{headers}{'ratelimit-policy'} eq '"fifty";q=1;w=100' } 3),
    'so is a change of the plan itself');
ok(time - $changed < 1, sprintf('... within a second: %.2f s', time - $changed));

my %count;
wait_for {
    %count = get($t, '/metrics')->{body} =~ /^btcf_limit_total\{outcome="([\w-]+)"\} (\d+)$/mg;
    $count{'dry-run'} == 2;
};
is($count{'dry-run'}, 2, 'the dry run is counted');
ok($count{rejected} >= $sent - $admitted, "refusals are: $count{rejected}");

finish();
