# Methods, bodies and parameters: HEAD is GET without a body; anything else is refused and leaves the connection usable.
use strict;
use warnings;

use BTCF;
use Test::More;

my $seg = segment();
forecast_docs($seg);
$seg->live;
my $t = nginx();

for my $path ('/v1/forecasts/1d', '/v1/forecasts', '/v1/forecasts?horizons=1h,1d', '/healthz', '/readyz') {
    my $get = get($t, $path);
    my $head = head_of($t, $path);
    is($head->{body}, '', "HEAD $path has no body");
    delete $_->{headers}{'x-request-id'}, delete $_->{headers}{date} for $get, $head;
    delete $_->{headers}{'cache-control'} for $get, $head;    # a second may have passed
    is_deeply($head->{headers}, $get->{headers}, '... and the headers of GET');
}

for my $method (qw(POST PUT DELETE PATCH OPTIONS PROPFIND)) {
    my $res = request($t, $method, '/v1/forecasts/1d', body => 'x' x 100);
    is($res->{status}, 405, "$method is refused");
    is($res->{headers}{allow}, 'GET, HEAD', '... naming what is allowed');
    is(json($res->{body})->{code}, 'method-not-allowed', '... as a problem');
}
my $trace = raw($t, "TRACE / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
like($trace, qr{^HTTP/1.1 405 .*\r\nAllow: GET, HEAD\r\n.*"code":"method-not-allowed"}s, 'TRACE, which nginx refuses itself');

# the body of a request that is refused, or does not need one, is read and thrown away
for my $case (['POST', 405, "Content-Length: 30\r\n\r\n" . 'GET /evil HTTP/1.1\r\n\r\n012345'],
    ['GET', 200, "Content-Length: 30\r\n\r\n" . 'x' x 30],
    ['POST', 405, "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"],
    ['GET', 200, "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"]) {
    my ($method, $status, $rest) = @$case;
    $rest = substr($rest, 0, index($rest, "\r\n\r\n") + 4 + 30) if $rest =~ /^Content-Length/;
    my $socket = raw_talk($t);
    syswrite($socket, "$method /v1/forecasts/1d HTTP/1.1\r\nHost: x\r\n$rest"
        . "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n");
    my @responses = read_responses($socket, $method, 'GET');
    is($responses[0]{status}, $status, "$method with a body");
    is($responses[1]{status}, 200, '... and the next request on the connection is understood');
}
my $socket = raw_talk($t);
syswrite($socket, "POST /v1/forecasts/1d HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n");
my ($res) = read_responses($socket, 'POST');
is($res->{status}, 405, 'a client that waits for 100 is told at once');

for my $case (['/v1/forecasts/1d?x=1', 'x'], ['/v1/forecasts/1d?a&b=2', 'a'], ['/v1/forecasts/1d?&&z', 'z'],
    ['/v1/forecasts?horizon=1d', 'horizon'], ['/v1/forecasts?horizons=1d&q=%22', 'q'], ['/v1/forecasts/1d?="', ''],
    ['/v1/forecasts/1d?a%0Ab"c=1', 'a%0Ab%22c'], ['/v1/forecasts/1d?' . 'y' x 300, 'y' x 64]) {
    my ($path, $name) = @$case;
    $res = get($t, $path);
    is($res->{status}, 400, 'unknown parameter in ' . substr($path, 0, 40));
    my $problem = json($res->{body});
    is($problem->{code}, 'unknown-parameter', '... its code');
    is($problem->{detail}, qq(unknown query parameter "$name"), '... and its name');
    is($problem->{instance}, $path =~ /^([^?]+)/ ? $1 : '', '... but not the query');
}
is(get($t, '/v1/forecasts/1d?')->{status}, 200, 'an empty query is none');
is(get($t, '/v1/forecasts/1d?&')->{status}, 200, '... nor is a separator');
is(get($t, '/healthz?x=1')->{status}, 200, 'probes may send what they like');

finish();
