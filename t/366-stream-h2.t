# Streams over HTTP/2: windows hold them back without costing memory, resets and dead connections free their places.
use strict;
use warnings;

use BTCF;
use H2;
use SSE;
use Test::More;

plan(skip_all => q{the same in both runs: 366 has its own HTTP/2}) if over_h2();

my $seg = segment(create => {events => 4096});
$seg->event('price');
$seg->live;
my $routes = 'location = /v1/stream { btcf_stream; send_timeout 60s; btcf_stream_heartbeat 200ms; }
    location = /soon { btcf_stream; send_timeout 1s; } location = /metrics { btcf_metrics; }';
my $t = nginx(plain_listen => 'http2', http => 'btcf_stream_max 4;', routes => $routes);
my ($worker) = workers_of($t);
my $wide = '{"x":"' . 'x' x 900 . '"}';

sub ids { return [$_[0] =~ /^id: (\d+)$/mg] }

# as over HTTP/1.1
my $c = H2->open($t);
my $id = $c->get('/v1/stream');
ok($c->until(sub { $c->{data}{$id} =~ /^id: 1$/m }), 'a stream over HTTP/2');
is($c->{status}{$id}, 200, '... opens');
like($c->{data}{$id}, qr/\Aretry: \d+\n: welcome\n\nid: 1\nevent: price\ndata: \{/, '... with the same frames');
my $second = $c->get('/v1/stream?events=status');
$seg->event('status', '{}');
$seg->event('price', '{}');
ok($c->until(sub { $c->{data}{$id} =~ /^id: 3$/m && $c->{data}{$second} =~ /^id: 2$/m }), 'two streams on one connection');
unlike($c->{data}{$second}, qr/price/, '... each with its own events');
ok($c->until(sub { $c->{data}{$second} =~ /\n\n:\n\n/ }), '... and heartbeats');

# a reset frees the place
my @more = map { $c->get('/v1/stream') } 1 .. 3;
ok($c->until(sub { 3 == grep { defined $c->{status}{$_} } @more }), 'three more');
is(scalar(grep { $c->{status}{$_} eq '200' } @more), 2, '... of which one is too many');
$c->reset($second);
my $again = wait_for { my $next = $c->get('/v1/stream'); $c->until(sub { defined $c->{status}{$next} }) && $c->{status}{$next} eq '200' };
ok($again, 'a stream that the client resets frees its place at once');
$c->close;
my $d = H2->open($t, window => 0);
my @held;
my $free = wait_for {
    my $next = $d->get('/v1/stream', 'last-event-id', 3);
    push @held, $next if $d->until(sub { defined $d->{status}{$next} }) && $d->{status}{$next} eq '200';
    return @held == 3;
};
ok($free, 'so does a connection that is closed');

# a window of nothing
is(join('', map { $d->{data}{$_} } @held), '', 'nothing is sent into a window of 0');
my $reader = H2->open($t);
my $all = $reader->get('/v1/stream?events=status', 'last-event-id', 3);
$seg->event('price', $wide, 0, count => 500);
$seg->event('status', '{"a":1}');
ok($reader->until(sub { $reader->{data}{$all} =~ /"a":1/ }), 'events go on');
my $before = rss_kb($worker);
$seg->event('price', $wide, 0, count => 6000, every_us => 100) for 1 .. 2;
$seg->event('status', '{"b":1}');
ok($reader->until(sub { $reader->{data}{$all} =~ /"b":1/ }), '... for somebody else');
SKIP: {
    skip 'memory under sanitizers says nothing', 1 if $ENV{BTCF_NGINX} && !$ENV{BTCF_MODULE};
    cmp_ok(rss_kb($worker) - $before, '<', 256, '... and what is held back costs no memory');
}
$d->pump(0.1);
is(join('', map { $d->{data}{$_} } @held), '', '... is not sent');

# the window opens a little, then wide
$d->window($held[0], 100);
ok($d->until(sub { length $d->{data}{$held[0]} >= 100 }), 'a window of 100 bytes');
$d->pump(0.2);
is(length $d->{data}{$held[0]}, 100, '... takes 100 bytes');
$d->window(0, 1 << 20);
$d->window($held[0], 1 << 20);
ok($d->until(sub { $d->{data}{$held[0]} =~ /"b":1/ }), 'a wide one takes the rest');
my $text = $d->{data}{$held[0]};
like($text, qr/^event: (reset|dropped)$/m, '... which says what is missing');
my $ids = ids($text);
is_deeply($ids, [sort { $a <=> $b } @$ids], '... in order');
is(scalar(grep { !/\A(?:retry: \d+\n: welcome|:|(?:id: \d+\n)?event: \w+\ndata: \{.*\})\z/ } split /\n\n/, $text), 0, '... each frame whole');

# who never opens it is dropped
$d->reset($_) for @held;
my $stuck = H2->open($t, window => 0);
my $never = $stuck->get('/soon');
ok($stuck->until(sub { $stuck->{was_reset}{$never} || $stuck->{closed} }), 'a window that stays shut is given up after send_timeout');
is(scalar(() = error_log($t) =~ /does not read/g), 1, '... said once');

# reload
my @clients = map { H2->open($t) } 1 .. 3;
my @streams = map { $_->get('/v1/stream?events=status', 'last-event-id', 12504) } @clients[0 .. 2];
ok($clients[$_]->until(sub { $clients[$_]{data}{$streams[$_]} =~ /welcome/ }), "client $_") for 0 .. 2;
kill 'HUP', $t->{pid};
for my $i (0 .. 2) {
    ok($clients[$i]->until(sub { $clients[$i]{ended}{$streams[$i]} }), "client $i: the stream ends");
    like($clients[$i]{data}{$streams[$i]}, qr/^event: reconnect\nretry: \d+\ndata: \{"reason":"reload"\}\n\n\z/m, '... with a word');
}
ok(wait_for { !-d "/proc/$worker" }, 'and the old worker leaves');

finish();
