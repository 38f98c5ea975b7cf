# X-Request-Id and traceparent: taken when they are well formed, made up otherwise, and the same in answer and log.
use strict;
use warnings;

use BTCF;
use Test::More;

my $seg = segment();
forecast_docs($seg);
$seg->live;
my $t = nginx(workers => 2);
my $path = '/v1/forecasts/1d';
my %path_of;

for my $id ('a', 'A-z_09', 'x' x 64, 'f81d4fae-7dec-11d0-a765-00a0c91e6bf6') {
    is(get($t, $path, 'X-Request-Id' => $id)->{headers}{'x-request-id'}, $id, "taken: $id");
}
for my $id ('', 'x' x 65, 'a b', 'a"b', "a\\b", 'ü', 'a.b', 'a,b', '<x>') {
    like(get($t, $path, 'X-Request-Id' => $id)->{headers}{'x-request-id'}, qr/^[0-9a-f]{32}$/, "replaced: '$id'");
}
is(get($t, '/nothing', 'x-ReQuEsT-iD' => 'mine')->{headers}{'x-request-id'}, 'mine', 'on errors too, in any case');
is(json(get($t, '/nothing', 'X-Request-Id' => 'mine')->{body})->{request_id}, 'mine', '... and in their body');

my (%ids, %prefixes);
for (1 .. 300) {
    my $id = get($t, '/healthz')->{headers}{'x-request-id'};
    $ids{$id}++;
    $prefixes{substr($id, 0, 16)}++;
}
is(scalar(keys %ids), 300, 'ids never repeat');
cmp_ok(scalar(keys %prefixes), '<=', 2, 'each worker has a prefix of its own');

# the counter is an odometer: it must carry
my $socket = raw_talk($t);
my @counters;
for my $batch (1 .. 30) {
    syswrite($socket, "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n" x 20);
    push @counters, map { hex substr($_->{headers}{'x-request-id'}, 24) } read_responses($socket, ('GET') x 20);
}
my $gaps = grep { $counters[$_] != $counters[$_ - 1] + 1 } 1 .. $#counters;
is($gaps, 0, 'consecutive over 600 requests on one connection');

my $trace = '4bf92f3577b34da6a3ce929d0e0e4736';
my $span = '00f067aa0ba902b7';
my $res = get($t, $path, traceparent => "00-$trace-$span-01");
like($res->{headers}{traceparent}, qr/^00-$trace-[0-9a-f]{16}-01$/, 'the trace goes on');
unlike($res->{headers}{traceparent}, qr/$span/, '... with a span of ours');
like(get($t, $path, traceparent => "01-$trace-$span-01-more")->{headers}{traceparent}, qr/^00-$trace-/, 'a later version');
for my $bad ("00-$trace-$span-01-more", "ff-$trace-$span-01", "00-@{['0' x 32]}-$span-01", "00-$trace-@{['0' x 16]}-01",
    uc "00-$trace-$span-01", "00-$trace-$span", "00-$trace-$span-0x", '', 'x' x 55, "01-$trace-$span-01x", "00_${trace}_${span}_01") {
    ok(!exists get($t, $path, traceparent => $bad)->{headers}{traceparent}, "not taken: $bad");
}
ok(!exists get($t, $path)->{headers}{traceparent}, 'who does not trace gets no trace');

get($t, $path, 'X-Request-Id' => 'logged-1', traceparent => "00-$trace-$span-01");
get($t, '/nothing?q=1', 'X-Request-Id' => 'logged-2');
my @lines;
wait_for { @lines = grep { $_->{request_id} =~ /^logged/ } access_log($t); @lines == 2 };
is($lines[0]{status}, 200, 'the log has the request by its id');
like($lines[0]{traceparent}, qr/^00-$trace-/, '... and its trace');
is($lines[0]{doc}, 'fresh', '... its document');
like($lines[0]{generation}, qr/^[1-9]\d*$/, '... generation');
is($lines[0]{route}, 'forecast', '... route');
is($lines[1]{problem}, 'not-found', 'an error has its code');
like($lines[1]{traceparent}, qr/^00-[0-9a-f]{32}-[0-9a-f]{16}-00$/, '... and a trace of our own');
is($lines[1]{path}, '/nothing', '... and its path without the query');

finish();
