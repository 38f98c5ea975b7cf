# Who comes back gets exactly what was missed, once and in order; what is gone is said; ids go on over publishers.
use strict;
use warnings;

use BTCF;
use SSE;
use Test::More;

plan(skip_all => q{the same in both runs: 366 has its own HTTP/2}) if over_h2();

my $RING = 320;    # more than a worker remembers by itself
my $seg = segment(create => {events => $RING});
$seg->event('price', undef, 0, count => 40);
$seg->event('status', '{"odd":1}');
$seg->live;
my $t = nginx(routes => 'location = /v1/stream { btcf_stream; }');

sub ids { return [map { defined $_->{id} ? $_->{id} : $_->{event} } @_] }

my $s = SSE->open($t, '/v1/stream', 'Last-Event-ID' => 10);
is_deeply(ids($s->take(31)), [11 .. 41], 'exactly the events missed, in order');
ok(!$s->more(0.1), '... and no more');
$seg->event('price', undef, 0, count => 3);
is_deeply(ids($s->take(3)), [42 .. 44], '... and on it goes, none twice');

$s = SSE->open($t, '/v1/stream?last_event_id=41');
is_deeply(ids($s->take(3)), [42 .. 44], 'the position may be a parameter');
$s = SSE->open($t, '/v1/stream?last_event_id=1', 'Last-Event-ID' => 43);
is_deeply(ids($s->take(1)), [44], '... and the header is stronger, since it is newer');
$s = SSE->open($t, '/v1/stream?last_event_id=1', 'Last-Event-ID' => '');
is_deeply(ids($s->take(2)), [2, 3], '... unless it is empty');
$s = SSE->open($t, '/v1/stream?events=status', 'Last-Event-ID' => 5);
is_deeply(ids($s->take(1)), [41], 'of the events that were asked for');
$s = SSE->open($t, '/v1/stream', 'Last-Event-ID' => 44);
ok(!$s->more(0.1), 'nothing missed, nothing sent');
$s = SSE->open($t, '/v1/stream', 'Last-Event-ID' => 0);
is_deeply(ids($s->take(44)), [1 .. 44], 'before the first event is a position, too');

# the ring moves on
$seg->event('price', undef, 0, count => 956);    # 1000 in all: 681 to 1000 are there
$s = SSE->open($t, '/v1/stream', 'Last-Event-ID' => 10);
my $reset = $s->next;
is_deeply($reset, {event => 'reset', data => '{"oldest":681}'}, 'what is gone is said, with what there is');
is_deeply(ids($s->take(320)), [681 .. 1000], '... which follows');
$s = SSE->open($t, '/v1/stream', 'Last-Event-ID' => 680);
is_deeply(ids($s->take(320)), [681 .. 1000], 'the last position from which nothing is missed');
$s = SSE->open($t, '/v1/stream', 'Last-Event-ID' => 679);
is_deeply(ids($s->take(2)), ['reset', 681], '... and the first from which something is');

# a publisher dies and another is born while clients listen
my @clients = map { SSE->open($t, '/v1/stream', 'Last-Event-ID' => 1000) } 1 .. 5;
$_->frame for @clients;
$seg->event('price');
$seg->kill;
$seg = segment(create => {events => $RING});
$seg->event('status', '{"born":1}');
$seg->live;
$seg->event('price', undef, 0, count => 2);
is_deeply([map { ids($_->take(4)) } @clients], [([1001 .. 1004]) x 5], 'a publisher is replaced: nothing lost, nothing twice');
$s = SSE->open($t, '/v1/stream', 'Last-Event-ID' => 999);
is_deeply(ids($s->take(5)), [1000 .. 1004], '... nor for those who come back meanwhile');

# ids that begin anew: an engine on a machine that has forgotten everything
unlink temp_dir() . '/shm/pub.v1' or die;
$seg->kill;
$seg = segment(create => {events => $RING});
$seg->event('price', undef, 0, count => 3);
$seg->live;
is_deeply([map { ids($_->take(4)) } @clients], [(['reset', 1 .. 3]) x 5], 'ids begin anew: said to those who listen');
$s = SSE->open($t, '/v1/stream', 'Last-Event-ID' => 1004);
is_deeply(ids($s->take(4)), ['reset', 1 .. 3], '... and to those who come back');
$seg->event('status', '{}');
is_deeply([map { ids($_->take(1)) } @clients, $s], [([4]) x 6], '... and on it goes');

# no segment, no stream
my $without = nginx(shm => temp_dir() . '/none', routes => 'location = /v1/stream { btcf_stream; }');
my $res = get($without, '/v1/stream');
is("$res->{status} " . json($res->{body})->{code}, '503 no-data', 'no segment: 503');
ok($res->{headers}{'retry-after'}, '... with Retry-After');

finish();
