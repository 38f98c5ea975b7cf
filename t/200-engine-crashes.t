# A publisher that writes flat out and is killed again and again: readers see whole versions that never go back.
use strict;
use warnings;

use BTCF;
use Test::More;

my $KILLS = 15;

my $seg = segment();
$seg->do({do => 'churn', key => '/v1/price', from => 1, count => 1});
$seg->live;
my $t = nginx(workers => 2);

# each reader: bodies are one number over and over, and a connection (one worker) never sees it go back
sub reader {
    my ($stop) = @_;
    my ($reads, $torn, $backwards, $failed, $last, $socket) = (0, 0, 0, 0, 0);
    while (!-e $stop) {
        $socket ||= raw_talk($t);
        syswrite($socket, "GET /v1/price HTTP/1.1\r\nHost: x\r\n\r\n") or undef $socket, next;
        my ($res) = read_responses($socket, 'GET');
        if (!$res) { undef $socket; next }
        if ($res->{status} != 200) { $failed++; next }
        my ($n) = $res->{body} =~ /^(\d{9}),/;
        $torn++ if !$n || $res->{body} ne "$n," x 200;
        $backwards++ if $n && $n < $last;
        $last = $n;
        $reads++;
    }
    return "$reads $torn $backwards $failed $last";
}

my $stop = temp_dir() . '/stop';
my @pids = map { my $i = $_; background { spew(temp_dir() . "/reader.$i", reader($stop)) } } 1 .. 3;

my $next = 2;
for my $n (1 .. $KILLS) {
    $seg->send({do => 'churn', key => '/v1/price', from => $next, count => 400_000});
    my $end = Time::HiRes::time() + 0.05 + rand(0.1);
    wait_for { Time::HiRes::time() > $end };
    $seg->kill;
    my ($now) = get($t, '/v1/price')->{body} =~ /^(\d+)/;
    cmp_ok($now, '>=', $next, 'publications were seen') if $now < $next;
    $next += 400_000;
    $seg = segment();
    $seg->do({do => 'churn', key => '/v1/price', from => $next++, count => 1});
    $seg->live;
}
ok(wait_for { (get($t, '/v1/price')->{body} =~ /^0*(\d+),/)[0] == $next - 1 }, 'the last publisher is being read');
spew($stop, '');
waitpid($_, 0) for @pids;

my @sum = (0) x 4;
for my $i (1 .. 3) {
    my @n = split ' ', slurp(temp_dir() . "/reader.$i");
    $sum[$_] += $n[$_] for 0 .. 3;
}
cmp_ok($sum[0], '>', 1000, 'there were readers');
is($sum[1], 0, 'no body was torn');
is($sum[2], 0, 'none went back');
is($sum[3], 0, 'no read failed');
my $metrics = get($t, '/metrics')->{body};
my %n = $metrics =~ /^btcf_segment_(\w+)_total (\d+)$/mg;
diag("$sum[0] reads over $KILLS killed publishers; copies $n{copies}, retries $n{copy_retries}, busy $n{copy_busy}, corrupt $n{copy_corrupt}, remaps $n{remaps}");
cmp_ok($n{copies}, '>', 100, 'versions were copied');
is($n{copy_corrupt}, 0, 'none was damaged');
cmp_ok($n{remaps}, '>=', $KILLS, 'every new segment was attached');

finish();
