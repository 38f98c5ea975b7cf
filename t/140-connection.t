# Connections: pipelining, keep-alive after refusals, and closing when nothing after can be understood.
use strict;
use warnings;

use BTCF;
use Test::More;

my $seg = segment();
forecast_docs($seg);
$seg->doc('/v1/big', fresh => 'B' x 15_000, type => 'text');
$seg->live;
my $t = nginx(plain_listen => 'sndbuf=4k');    # so that a body waits in the worker for its reader

sub req { my ($path, @more) = @_; return join("\r\n", "GET $path HTTP/1.1", 'Host: x', @more, '', '') }

my $socket = raw_talk($t);
my @paths = map { ('/v1/forecasts/1d', '/nothing', '/v1/big', '/v1/forecasts?horizons=1h', '/healthz', '/v1/forecasts/1d?x=1') } 1 .. 10;
syswrite($socket, join '', map { req($_) } @paths);
my @res = read_responses($socket, ('GET') x @paths);
is(join(' ', map { $_ ? $_->{status} : 'closed' } @res), '200 404 200 200 200 400 closed', 'pipelined until a 400, which closes');

for my $case (['/nothing', 404], ['/v1/forecasts/1d', 304, 'If-None-Match: *'], ['/v1/forecasts/1d', 412, 'If-Match: "x"'],
    ['/v1/nowhere', 404]) {
    my ($path, $status, @headers) = @$case;
    my $socket = raw_talk($t);
    syswrite($socket, req($path, @headers) . req('/healthz'));
    my @res = read_responses($socket, 'GET', 'GET');
    is(join(' ', map { $_->{status} } @res), "$status 200", "the connection survives $status");
}

# a slow reader keeps the version it began with, however many come after
$socket = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $t->{plain}) or die;
setsockopt($socket, Socket::SOL_SOCKET(), Socket::SO_RCVBUF(), 8192);
my $n = 20;
syswrite($socket, req('/v1/big') x $n);
ok(wait_for { IO::Select->new($socket)->can_read(0) }, 'the first answer has begun');
$seg->doc('/v1/big', fresh => chr(ord('C') + $_ % 20) x 15_000, type => 'text') for 1 .. 50;
@res = read_responses($socket, ('GET') x $n);
is(scalar(@res), $n, 'all answers came');
my @torn = grep { !$_ || $_->{body} !~ /^(.)\g1{14999}$/ } @res;
is(scalar(@torn), 0, 'each is one version, whole');

# nothing is sent twice, and HTTP/1.0 closes
my $old = raw($t, "GET /v1/forecasts/1d HTTP/1.0\r\n\r\n");
is(() = $old =~ /"horizon"/g, 1, 'HTTP/1.0: one body, then the end');

finish();
