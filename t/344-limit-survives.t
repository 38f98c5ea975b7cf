# Limits survive whatever happens around them: reloads, larger tables, killed workers, engine restarts, binary upgrades.
use strict;
use warnings;

use BTCF;
use Edge;
use Test::More;

plan(skip_all => 'the upgrade is tested once, over HTTP/1') if over_h2();

my $seg;

sub publish {
    $seg = segment();
    $seg->plans;
    $seg->plan('tiny', rate => 0.001, burst => 2, quota_day => 100);
    $seg->plan('guest', rate => 0.001, burst => 2);
    $seg->account($_, plan => 'tiny') for 1, 2;
    $seg->account(500, plan => 'tiny');
    my %text = @_;
    my %key = map { $_ => $seg->key(account => $_, $text{$_} ? (text => $text{$_}) : ()) } 1, 2, 500;
    $seg->doc('/v1/price', class => 'market', fresh => '{"price":1}', etag => 5);
    $seg->live;
    return %key;
}

my $routes = 'btcf_auth optional; location /v1/ { btcf_document; } location = /metrics { btcf_auth off; btcf_metrics; }';
my $small = 'btcf_edge keys=1500 accounts=100;';
my %options = (daemon => 1, workers => 2, routes => $routes, http => $small);
my %key = publish();
my $t = nginx(%options);
my $edge = Edge->new(temp_dir() . '/shm');

sub ask { my ($n) = @_; return get($t, '/v1/price', $n ? ('X-API-Key' => $key{$n}) : ())->{status} }

is(join(' ', map { ask(1) } 1 .. 3), '200 200 429', 'an account has used up its rate');
is(join(' ', map { ask(500) } 1 .. 3), '200 200 429', 'so has one beyond the tables');
is(join(' ', map { ask(0) } 1 .. 3), '200 200 429', 'so has a guest');
wait_for { $edge->limit(1)->{day} == 2 };

sub still {
    my ($when) = @_;
    is(join(' ', map { ask($_) } 1, 500, 0), '429 429 429', "$when: the limits stand");
    is($edge->limit(1)->{day}, 2, "$when: the quota stands");
}

sub reload {
    my ($http) = @_;
    my @before = workers_of($t);
    spew("$t->{dir}/nginx.conf", BTCF::config($t, %options, http => $http || $small));
    kill 'HUP', $t->{pid};
    wait_for {
        my %now = map { $_ => 1 } workers_of($t);
        !grep({ $now{$_} } @before) && keys %now == 2;
    };
}

still('at first');
reload();
still('after a reload');

my $instance = $edge->instance;
reload('btcf_edge keys=2000 accounts=501 addresses=200000;');
isnt($edge->instance, $instance, 'larger tables are another file');
is($edge->room('limit'), 501, '... with the room that was asked for');
is(join(' ', map { ask($_) } 1, 0), '429 429', '... in which the limits stand');
is($edge->limit(1)->{day}, 2, '... and the quota');
my ($old) = glob(temp_dir() . '/shm/edge.v1.old-*');
like($old, qr/edge\.v1\.old-$instance$/, 'the file before stays for the meter');
is(Edge->new(temp_dir() . '/shm', "edge.v1.old-$instance")->usage(0)->{billed}, 0, '... and can be read');
reload('btcf_edge keys=10 accounts=10;');
is($edge->room('limit'), 501, 'nothing ever shrinks');
is(ask(500), 200, 'an account that has a row now begins with its own');

for my $worker (workers_of($t)) {
    kill 'KILL', $worker;
}
wait_for { workers_of($t) == 2 };
expect_log('exited on signal 9');
is(join(' ', map { ask($_) } 1, 0), '429 429', 'after all workers were killed the limits stand');

$seg->kill;
is(ask(1), 429, 'with the engine dead they stand');
publish(%key);
ok((wait_for { get($t, '/metrics')->{body} =~ /^btcf_engine_up 1$/m }), 'another engine');
is(join(' ', map { ask($_) } 1, 0), '429 429', '... does not change them');
is(ask(2), 200, '... nor for those who have something left');

my $before = $t->{pid};
kill 'USR2', $before;
ok((wait_for { -s "$t->{dir}/nginx.pid.oldbin" && -s "$t->{dir}/nginx.pid" }), 'a new master');
my ($new) = slurp("$t->{dir}/nginx.pid") =~ /(\d+)/;
wait_for { slurp("/proc/$new/task/$new/children") =~ /\d/ };
is(join(' ', map { ask($_) } (1, 0) x 4), join(' ', ('429') x 8), 'of both masters');
$t->{pid} = $new;
kill 'QUIT', $before;
wait_for { !-d "/proc/$before" || slurp("/proc/$before/status") =~ /^State:\s+Z/m };
is(join(' ', map { ask($_) } 1, 0), '429 429', 'and of the new one alone');
is($edge->limit(1)->{day}, 2, 'the quota stands');

kill 'QUIT', $new;
wait_for { !-d "/proc/$new" || slurp("/proc/$new/status") =~ /^State:\s+Z/m };
$t->{pid} = 0;

finish();
