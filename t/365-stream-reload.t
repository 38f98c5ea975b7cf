# Reloads with open streams: each client is told, comes back, and has lost nothing and got nothing twice; workers leave.
use strict;
use warnings;

use BTCF;
use SSE;
use Test::More;
use Time::HiRes qw(time);

plan(skip_all => q{the same in both runs: 366 has its own HTTP/2}) if over_h2();

my $RELOADS = 20;
my $CLIENTS = 12;

my $seg = segment(create => {events => 4096});
$seg->event('price');
$seg->live;
my $t = nginx(workers => 2, routes => 'location = /v1/stream { btcf_stream; }');

# Clients that listen, come back when they are told to, and write down what they got; one publishes all the time.
my $stop = temp_dir() . '/stop';

sub client {
    my ($file) = @_;
    my ($last, %seen) = (1, told => 0, cut => 0, twice => 0, holes => 0, got => 0);
    while (!-e $stop) {
        my $s = SSE->open($t, '/v1/stream', 'Last-Event-ID' => $last);
        while (my $event = $s->next(0.5) || (-e $stop || $s->{eof} || $s->{whole} ? undef : {event => 'none'})) {
            last if $event->{event} eq 'reconnect' && ++$seen{told};
            $seen{holes}++ if $event->{event} eq 'reset' || $event->{event} eq 'dropped';
            next if !$event->{id};
            $seen{twice}++ if $event->{id} <= $last;
            $seen{holes}++ if $event->{id} > $last + 1;
            $seen{got}++;
            $last = $event->{id};
        }
        $seen{cut}++ if !$s->{whole} && $s->{eof};
        $s->close;
    }
    spew($file, join ' ', $last, map { $seen{$_} } qw(told cut twice holes got));
}

my @pids = map { my $file = temp_dir() . "/client.$_"; background { client($file) } } 1 .. $CLIENTS;
my $slowest = 0;
for my $n (1 .. $RELOADS) {
    my %old = map { $_ => 1 } workers_of($t);
    my $begin = time;
    kill 'HUP', $t->{pid};
    wait_for { my @now = workers_of($t); @now == 2 && !grep { $old{$_} } @now } or fail("reload $n");
    $seg->event('price', undef, 0, count => 10, every_us => 5000);
    wait_for { !grep { -d "/proc/$_" } keys %old } or fail("the workers of reload $n leave");
    $slowest = time - $begin if time - $begin > $slowest;
}
cmp_ok($slowest, '<', 6, sprintf('old workers leave in time: %.1f s at most', $slowest));
$seg->event('price', undef, 0, count => 5);
sleep 1;
spew($stop, '');
waitpid($_, 0) for @pids;
my %sum = map { $_ => 0 } qw(told cut twice holes got);
my @last;
for my $i (1 .. $CLIENTS) {
    my ($last, @n) = split ' ', slurp(temp_dir() . "/client.$i");
    push @last, $last;
    $sum{$_} += shift @n for qw(told cut twice holes got);
}
my $all = 1 + 10 * $RELOADS + 5;
is(join(' ', @last), join(' ', ($all) x $CLIENTS), 'every client has got as far as the last event');
is($sum{got}, $CLIENTS * ($all - 1), '... having got each event');
is("$sum{twice} twice, $sum{holes} holes", '0 twice, 0 holes', '... once');
cmp_ok($sum{told}, '>=', $CLIENTS * $RELOADS * 0.9, "... and was told of the reloads ($sum{told})");
is($sum{cut}, 0, '... always');

# a hard end of patience
my $hard = nginx(main => 'worker_shutdown_timeout 10ms;', routes => 'location = /v1/stream { btcf_stream; }');
my @open = map { SSE->open($hard, '/v1/stream') } 1 .. 5;
$_->frame for @open;
my ($old) = workers_of($hard);
kill 'HUP', $hard->{pid};
ok((wait_for { !-d "/proc/$old" } 3), 'worker_shutdown_timeout ends streams, too');
is(scalar(grep { $_->is_closed } @open), 5, '... all of them');

# stopping
@open = map { SSE->open($hard, '/v1/stream') } 1 .. 5;
$_->frame for @open;
my $begin = time;
stop_nginx($hard, 'QUIT');
cmp_ok(time - $begin, '<', 5, 'a graceful end takes less than the five seconds of a unit');

finish();
