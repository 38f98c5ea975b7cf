# Workers may be killed at any moment: others take over, counters stay, the segment is untouched.
use strict;
use warnings;

use BTCF;
use Test::More;

my $KILLS = 20;

my $seg = segment();
$seg->doc('/v1/x', class => 'market', fresh => 'x' x 500, type => 'text');
$seg->live;
my $t = nginx(workers => 2);
expect_log(qr/\[alert\] \d+#\d+: worker process \d+ exited on signal 9/);

my ($good, $retried, $failed) = (0, 0, 0);
sub ask {
    for my $try (1 .. 2) {
        my $res = get($t, '/v1/x');
        if ($res->{status} == 200 && $res->{body} eq 'x' x 500) {
            $good++;
            return;
        }
        $retried++ if $try == 1;
    }
    $failed++;
}

for my $n (1 .. $KILLS) {
    my @workers = workers_of($t);
    ask() for 1 .. 3;
    kill 'KILL', $workers[$n % @workers];
    ask() for 1 .. 5;
    wait_for { my @now = workers_of($t); @now == 2 && !grep { $_ == $workers[$n % @workers] } @now }
        or fail("a worker for the one killed ($n)");
}
is($failed, 0, 'no request failed twice');
is($good, 8 * $KILLS, 'all were answered');
diag("$KILLS kills, $good answers, $retried retried once");
my ($count) = get($t, '/metrics')->{body} =~ /^btcf_http_requests_total\{route="market",code="200"\} (\d+)$/m;
cmp_ok($count, '>=', $good - $KILLS, 'counters survive their worker');
cmp_ok($count, '<=', $good + $retried, '... and do not invent');
unlike(error_log($t), qr/locked/, 'no lock was left behind');

finish();
