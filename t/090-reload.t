# Reloads under load: no request fails, counters go on, old workers leave, and nothing is said in the log.
use strict;
use warnings;

use BTCF;
use Test::More;

my $RELOADS = 20;

my $seg = segment();
forecast_docs($seg);
$seg->live;
my $t = nginx(workers => 2);

# clients in processes of their own, each on keep-alive connections, each retrying an idempotent GET once
sub client {
    my ($stop) = @_;
    my ($requests, $retries, $failures, $socket) = (0, 0, 0);
    while (!-e $stop) {
        for my $try (1 .. 2) {
            $socket ||= raw_talk($t);
            my $sent = syswrite($socket, "GET /v1/forecasts/1d HTTP/1.1\r\nHost: x\r\n\r\n");
            my ($res) = $sent ? read_responses($socket, 'GET') : ();
            undef $socket if !$res || ($res->{headers}{connection} || '') eq 'close';
            if ($res && $res->{status} == 200 && $res->{body} eq '{"id":"f3","horizon":"1d","stale":false}') {
                $requests++;
                last;
            }
            $try == 1 ? $retries++ : $failures++;
        }
    }
    return "$requests $retries $failures";
}

my $stop = temp_dir() . '/stop';
my @pids;
for my $i (1 .. 4) {
    push @pids, background { spew(temp_dir() . "/client.$i", client($stop)) };
}

sub total {
    return get($t, '/metrics')->{body} =~ /^btcf_http_requests_total\{route="forecast",code="200"\} (\d+)$/m ? $1 : 0;
}
my $last = 0;
my $shrunk = 0;
for my $n (1 .. $RELOADS) {
    my %old = map { $_ => 1 } workers_of($t);
    kill 'HUP', $t->{pid};
    my $replaced = wait_for { my @now = workers_of($t); @now == 2 && !grep { $old{$_} } @now };
    ok($replaced, "reload $n") if !$replaced || $n == $RELOADS;
    my $total = total();
    $shrunk++ if $total < $last;
    $last = $total;
}
spew($stop, '');
waitpid($_, 0) for @pids;
my ($requests, $retries, $failures) = (0, 0, 0);
for my $i (1 .. 4) {
    my @n = split ' ', slurp(temp_dir() . "/client.$i");
    $requests += $n[0];
    $retries += $n[1];
    $failures += $n[2];
}
cmp_ok($requests, '>', 100, 'there was load');
is($failures, 0, 'no request failed');
diag("$requests requests over $RELOADS reloads, $retries retried on a new connection");
is($shrunk, 0, 'counters never go back');
ok((wait_for { total() == $requests } 3), 'every request was counted once, by workers that are gone too');
ok(wait_for { slurp("/proc/$t->{pid}/task/$t->{pid}/children") =~ /^(\d+ ?){2}$/ }, 'old workers have left');

# other settings come into force, and another folder
my $other = temp_dir() . '/other';
mkdir $other;
my $conf = slurp("$t->{dir}/nginx.conf");
$conf =~ s{btcf_shm_dir \S+;}{btcf_shm_dir $other;};
spew("$t->{dir}/nginx.conf", $conf);
kill 'HUP', $t->{pid};
ok(wait_for { get($t, '/v1/forecasts/1d')->{status} == 503 }, 'another folder, without a segment');
ok(-e "$other/edge.v1", '... gets an edge');
spew("$t->{dir}/nginx.conf", $conf =~ s/worker_processes 2/worker_processes nonsense/r);
kill 'HUP', $t->{pid};
expect_log(qr/\[emerg\].*"worker_processes" directive invalid value/);
ok(wait_for { error_log($t) =~ /\[emerg\]/ }, 'a broken configuration is refused');
is(get($t, '/healthz')->{status}, 200, '... and the running one goes on');

finish();
