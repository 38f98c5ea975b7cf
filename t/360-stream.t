# A stream from its first byte on: headers, what a client begins with, what it may ask for, and what is refused.
use strict;
use warnings;

use BTCF;
use SSE;
use Test::More;

my $seg = segment(create => {events => 64});
$seg->event('price', '{"p":1}');
$seg->event('candle', '{"c":"1h"}', 3600);
$seg->event('candle', '{"c":"4h"}', 14_400);
$seg->event('price', '{"p":2}');
$seg->event('forecast', '{"f":"1d"}', 86_400);
$seg->event('candle', '{"c":"1h again"}', 3600);
$seg->live;
my $t = nginx(
    server => 'gzip on; gzip_types *; gzip_min_length 1;',
    routes => 'location = /v1/stream { btcf_stream; }
        location = /beat { btcf_stream; btcf_stream_heartbeat 100ms; }
        location = /brief { btcf_stream; btcf_stream_lifetime 300ms; }
        location = /ssi { ssi on; ssi_types *; root ' . temp_dir() . '; }'
);

my $s = SSE->open($t, '/v1/stream', 'Accept-Encoding' => 'gzip');
is($s->{status}, 200, 'a stream opens');
is($s->{headers}{'content-type'}, 'text/event-stream', '... of events');
is($s->{headers}{'cache-control'}, 'no-store', '... that nobody keeps');
is($s->{headers}{'x-accel-buffering'}, 'no', '... and no proxy holds back');
is($s->{headers}{'transfer-encoding'}, 'chunked', '... in chunks');
ok(!exists $s->{headers}{'content-encoding'}, '... not compressed, though gzip is on and asked for');
unlike($s->{top}, qr/^(Content-Length|ETag|Accept-Ranges|Last-Modified):/mi, '... without what belongs to a document');

my $first = $s->frame;
cmp_ok($first->{retry}, '>=', 1000, 'the first frame says when to come back');
cmp_ok($first->{retry}, '<=', 4000, '... within some seconds');
is(SSE::names($s->take(4)), 'candle:3 price:4 forecast:5 candle:6', 'then comes the newest of each kind, in order');

$seg->event('status', "{\"two\":\n\r1}");
my $event = $s->next;
is_deeply($event, {id => 7, event => 'status', data => "{\"two\":\n1}"}, 'an event comes as it happens, line by line');

# what a client may ask for
$s = SSE->open($t, '/v1/stream?events=status%2Cforecast');
is(SSE::names($s->take(2)), 'forecast:5 status:7', 'only the events that were asked for, and a comma may be escaped');
$seg->event('price');
$seg->event('status', '{}');
is(SSE::names($s->next), 'status:9', '... also of those that come');
ok(!$s->more(0.2), '... and nothing else');
for my $case (
    ['events=', 'invalid-parameter'], ['events=price,', 'invalid-parameter'], ['events=prices', 'invalid-parameter'],
    ['events=price,price', 'invalid-parameter'], ['events=price&events=price', 'invalid-parameter'],
    ['last_event_id=x', 'invalid-parameter'], ['last_event_id=-1', 'invalid-parameter'], ['last_event_id=', 'invalid-parameter'],
    ['last_event_id=1&last_event_id=2', 'invalid-parameter'], ['last_event_id=99999999999999999999', 'invalid-parameter'],
    ['event=price', 'unknown-parameter'],
) {
    my ($args, $code) = @$case;
    my $res = get($t, "/v1/stream?$args");
    is("$res->{status} " . json($res->{body})->{code}, "400 $code", "?$args");
}
my $res = get($t, '/v1/stream', 'Last-Event-ID' => 'tomorrow');
is($res->{status}, 400, 'a Last-Event-ID that no stream has sent');
like(json($res->{body})->{detail}, qr/tomorrow/, '... is quoted');

# methods and versions
$res = head_of($t, '/v1/stream');
is("$res->{status} $res->{headers}{'content-type'}", '200 text/event-stream', 'HEAD: the headers');
is($res->{body}, '', '... and no stream');
for my $method (qw(POST PUT DELETE OPTIONS)) {
    $res = request($t, $method, '/v1/stream');
    is("$res->{status} $res->{headers}{allow}", '405 GET, HEAD', "$method: 405");
}
is(request($t, 'GET', '/v1/stream', body => 'x=1')->{status}, 400, 'a stream takes no body');
$s = SSE->open($t, '/v1/stream?events=status', version => '1.0');
ok(!$s->{chunked}, 'HTTP/1.0: no chunks');
is(SSE::names($s->next), 'status:9', '... but the events');
$s->close;
spew(temp_dir() . '/ssi', '<!--# include virtual="/v1/stream" -->');
unlike(get($t, '/ssi')->{body}, qr/event:|retry:/, 'a subrequest gets none');

# time
$s = SSE->open($t, '/beat?events=status', 'Last-Event-ID' => 9);
$s->frame;
my @beats = map { $s->frame } 1 .. 3;
is(scalar(grep { defined && exists $_->{comment} && keys %$_ == 1 } @beats), 3, 'heartbeats, while nothing else comes');
$s = SSE->open($t, '/brief?events=status', 'Last-Event-ID' => 9);
$event = $s->skip_to('reconnect');
is($event->{data}, '{"reason":"lifetime"}', 'a stream lives as long as it may');
like($event->{retry}, qr/^\d{4}$/, '... and is told when to come back');
ok($s->is_closed && $s->{whole}, '... and ends properly');
syswrite($s->{socket}, "GET /v1/stream?events=x HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
my ($after) = read_responses($s->{socket}, 'GET');
is($after->{status}, 400, '... its connection stays good for another request');

# many clients
my @many = map { SSE->open($t, '/v1/stream?events=status', 'Last-Event-ID' => 9) } 1 .. 20;
$_->frame for @many;
$seg->event('status', '{"all":1}');
is(scalar(grep { my $e = $_->next; $e && $e->{id} == 10 } @many), 20, 'twenty clients get the same event');

finish();
