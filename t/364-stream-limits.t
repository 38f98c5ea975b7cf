# How many streams: of an account over all workers, of a guest's address, of a worker; places come back however they end.
use strict;
use warnings;

use BTCF;
use SSE;
use Test::More;

plan(skip_all => q{the same in both runs: 366 has its own HTTP/2}) if over_h2();

my $seg = segment(create => {events => 64});
$seg->plans;
$seg->plan('small', streams => 6, rate => 0);
$seg->plan('guest', streams => 3, rate => 0);
$seg->plan('none', streams => 0, rate => 0);
$seg->event('price');
$seg->account(1, plan => 'small');
$seg->account(2, plan => 'small');
$seg->account(3, plan => 'none');
my @keys = map { $seg->key(account => 1) } 1 .. 3;
my $other = $seg->key(account => 2);
my $none = $seg->key(account => 3);
$seg->live;
my $t = nginx(
    workers => 2,
    http => 'btcf_stream_max 12;',
    routes => 'location = /v1/stream { btcf_stream; btcf_auth optional; btcf_limit off; }
        location = /any { btcf_stream; } location = /metrics { btcf_metrics; }'
);

sub stream { my ($key) = @_; return SSE->open($t, '/v1/stream', $key ? ('X-API-Key' => $key) : ()) }
sub counted { my ($name) = @_; return get($t, '/metrics')->{body} =~ /^btcf_$name(?:\{[^}]*\})? (\d+)$/m ? $1 : -1 }

sub gauge { return counted('streams') }

# what a refusal says
sub refusal {
    my ($s) = @_;
    my $length = $s->{headers}{'content-length'};
    $s->fill(1) while defined $length && length $s->{raw} < $length && !$s->{eof};
    return "$s->{status} " . ($s->{status} == 200 ? 'open' : json($s->{raw})->{code});
}

# an account, whatever key and worker
my @open = map { stream($keys[$_ % 3]) } 0 .. 5;
is(join(' ', map { $_->{status} } @open), join(' ', (200) x 6), 'as many as the plan says, over all keys');
is(refusal(stream($keys[$_])), '429 stream-limit', "... not one more (key $_)") for 0 .. 2;
is(refusal(stream($other)), '200 open', 'another account has its own');
is(refusal(stream($none)), '429 stream-limit', 'a plan without streams has none');
is(refusal(stream()), '200 open', 'guests are counted apart');
ok(wait_for { gauge() == 6 }, 'the metrics know how many are open') or diag(gauge());
cmp_ok(counted('streams_refused_total'), '==', 4, '... and how many were refused');

# places come back
(shift @open)->close;
ok(wait_for { my $s = stream($keys[0]); push @open, $s if $s->{status} == 200; $s->{status} == 200 }, 'a place that was left is free');
my $abandoned = shift @open;
setsockopt($abandoned->{socket}, Socket::SOL_SOCKET(), Socket::SO_LINGER(), pack('ii', 1, 0));
$abandoned->close;
ok(wait_for { my $s = stream($keys[0]); push @open, $s if $s->{status} == 200; $s->{status} == 200 }, '... also when it was left by a reset');
is(refusal(stream($keys[0])), '429 stream-limit', '... one place for each');

# a killed worker
my @workers = workers_of($t);
expect_log(qr/worker process \d+ exited on signal 9/);
kill 'KILL', @workers;
ok(wait_for { my @now = workers_of($t); @now == 2 && $now[0] != $workers[0] && $now[0] != $workers[1] }, 'both workers are killed');
ok($_->is_closed, '... with the streams they had') for @open;
ok(wait_for { gauge() == 0 }, '... and are not open any more, by the metrics');
my $again;
ok((wait_for { $again = stream($keys[0]); $again->{status} == 200 } 15), 'what killed workers held is free within some seconds');
@open = ($again);
my $all = wait_for {
    my $s = stream($keys[1]);
    push @open, $s if $s->{status} == 200;
    return @open == 6;
} 15;
ok($all, '... all of it');
is(refusal(stream($keys[2])), '429 stream-limit', '... and not more');

# guests, by address
$_->close for @open;
my $guests = wait_for {
    @open = map { stream() } 1 .. 3;
    return 3 == grep { $_->{status} == 200 } @open;
};
ok($guests, 'as many guests as the plan for guests says');
is(refusal(stream()), '429 stream-limit', '... of one address');
my $socket = IO::Socket::INET->new(LocalAddr => '127.0.0.2', PeerAddr => '127.0.0.1', PeerPort => $t->{plain}) or die;
syswrite($socket, "GET /v1/stream HTTP/1.1\r\nHost: x\r\n\r\n");
ok(IO::Select->new($socket)->can_read(5), 'another address');
sysread($socket, my $bytes, 65536);
like($bytes, qr{^HTTP/1.1 200}, '... has its own');
close $socket;
$_->close for @open;

# a worker, whoever they are
my (@many, $refused);
for (1 .. 30) {
    my $s = SSE->open($t, '/any');
    $s->{status} == 200 ? push @many, $s : ($refused = $s);
}
cmp_ok(scalar(@many), '<=', 24, 'not more than two workers may have');
cmp_ok(scalar(@many), '>=', 12, '... but that many');
is(refusal($refused), '503 streams-full', '... beyond it 503');
like($refused->{headers}{'retry-after'}, qr/^\d+$/, '... with a time to come back');
is(get($t, '/metrics')->{status}, 200, '... and other requests are served');
is(scalar(grep { $_->next } @many), scalar @many, 'all of them get events');

finish();
