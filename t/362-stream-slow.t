# A client that does not read costs no memory, is spared what is old when it reads again, and is dropped in the end.
use strict;
use warnings;

use BTCF;
use SSE;
use Test::More;

plan(skip_all => q{the same in both runs: 366 has its own HTTP/2}) if over_h2();

my $seg = segment(create => {events => 4096});
$seg->event('price');
$seg->live;
my $t = nginx(
    plain_listen => 'sndbuf=4k',    # what the kernel takes is not what is tested
    routes => 'location = /v1/stream { btcf_stream; send_timeout 60s; }
        location = /soon { btcf_stream; send_timeout 1s; }
        location = /metrics { btcf_metrics; }'
);

sub counter { my ($name) = @_; return get($t, '/metrics')->{body} =~ /^btcf_$name(?:\{[^}]*\})? (\d+)$/m ? $1 : -1 }

# what is published while a client does not read
my $wide = '{"x":"' . 'x' x 900 . '"}';
my $slow = SSE->stuck($t, '/v1/stream');
my $fast = SSE->open($t, '/v1/stream');
is(SSE::names($fast->next), 'price:1', 'somebody who reads');
my ($worker) = workers_of($t);
for my $round (1 .. 20) {
    $seg->event('price', $wide, 0, count => 40);
    $seg->event('candle', $wide, 3600, count => 5);
    $seg->event('candle', $wide, 14_400, count => 5);
    $seg->event('forecast', '{}', 3600 * $round);
    my @got = $fast->take(51);
    is(scalar(@got), 51, "round $round: every event") if @got != 51 || $round == 20;
}

# reading again
$slow->read_head;
my (@ids, %type, $dropped);
while (my $event = $slow->next(2)) {
    $dropped += json($event->{data})->{count} if $event->{event} eq 'dropped';
    next if !$event->{id};
    push @ids, $event->{id};
    $type{$event->{event}}++;
    last if $event->{id} == 1021;
}
is($ids[-1], 1021, 'it gets the newest event');
is_deeply(\@ids, [sort { $a <=> $b } @ids], '... in order');
is($type{forecast}, 20, '... no forecast is left out');
cmp_ok($type{price}, '<', 400, '... most prices are');
is($dropped + @ids, 1021, '... and exactly those were said to be');
my %last = map { $_ => 1 } @ids;
ok($last{1010} && $last{1015} && $last{1020}, '... never the newest of a kind: of the price and of both intervals');
$seg->event('price', '{}', 0, count => 3);
is(SSE::names($slow->take(3)), 'price:1022 price:1023 price:1024', 'who has caught up gets everything again');

# coming back is not being slow
my $back = SSE->stuck($t, '/v1/stream', 'Last-Event-ID' => 1);
ok(wait_for { IO::Select->new($back->{socket})->can_read(0) }, 'somebody comes back and reads slowly');
$seg->event('price', '{}', 0, count => 100);
$back->read_head;
@ids = map { $_->{id} || $_->{event} } $back->take(1023);
is_deeply(\@ids, [2 .. 1024], '... and gets all that was missed before, in order');

# dropped
my @stuck = map { SSE->stuck($t, '/soon', 'Last-Event-ID' => 1) } 1 .. 10;
ok(wait_for { error_log($t) =~ /does not read(?:.*does not read){9}/s }, 'ten clients that never read are dropped');
for my $s (@stuck) {
    $s->fill(0) while !$s->{eof};
}
is(scalar(grep { $_->{eof} } @stuck), 10, '... their connections are closed');

# memory: a hundred that do not read, and an hour of events
$_->close for $slow, $fast, $back;
my @many = map { SSE->stuck($t, '/v1/stream', 'Last-Event-ID' => 1024) } 1 .. 100;
ok(wait_for { IO::Select->new($many[-1]{socket})->can_read(0) }, 'a hundred clients that do not read');
$seg->event('price', $wide, 0, count => 500);
my $reader = SSE->open($t, '/v1/stream?events=status');
$seg->event('status', '{}');
$reader->skip_to('status');
my $start = rss_kb($worker);
$seg->event('price', $wide, 0, count => 9000, every_us => 100) for 1 .. 4;
$seg->event('status', '{}');
$reader->skip_to('status');
my $end = rss_kb($worker);
SKIP: {
    skip 'memory under sanitizers says nothing', 2 if $ENV{BTCF_NGINX} && !$ENV{BTCF_MODULE};
    cmp_ok($end - $start, '<', 512, "36,000 events later the worker has grown by less than half a MiB ($start to $end KiB)");
    cmp_ok($start, '<', 100 * 32 + 8192, '... and a client that does not read costs less than 32 KiB');
}

finish();
