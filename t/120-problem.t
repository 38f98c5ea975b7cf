# Every error is a problem (RFC 9457): ours, nginx's own down to a request line that is none, and an upstream's absence.
use strict;
use warnings;

use BTCF;
use Test::More;

my $seg = segment();
forecast_docs($seg);
$seg->live;

my $dead = free_port();
my $silent = IO::Socket::INET->new(LocalAddr => '127.0.0.1', Listen => 1) or die;
my $nonsense = IO::Socket::INET->new(LocalAddr => '127.0.0.1', Listen => 5) or die;
background { while (my $c = $nonsense->accept) { sysread($c, my $x, 4096); print $c "HTTP/1.1 200 OK\r\nb\0d\r\n\r\n"; close $c } };
my $t = nginx(
    http => 'large_client_header_buffers 2 2k; client_header_buffer_size 1k; underscores_in_headers on;
        limit_req_zone $uri zone=z:1m rate=1r/m;',
    server => qq(
        location /denied { deny all; }
        location /small { client_max_body_size 10; proxy_pass http://127.0.0.1:$dead; }
        location /dead { btcf_route control; proxy_pass http://127.0.0.1:$dead; }
        location /silent { proxy_read_timeout 300ms; proxy_pass http://127.0.0.1:@{[$silent->sockport]}; }
        location /nonsense { proxy_pass http://127.0.0.1:@{[$nonsense->sockport]}; }
        location /loop { rewrite ^ /loop; }
        location /limited { limit_req zone=z; limit_req_status 429; return_nothing_here_placeholder; }
        location /code/ { location /code/418 { return 418; } location /code/431 { return 431; } location /code/503 { return 503; }
            location /code/500 { return 500; } location /code/507 { return 507; } location /code/401 { return 401; }
            location /code/451 { return 451; } }
        location /file { root $ENV{PWD}/nowhere; }
        location /own { error_page 404 \@own; return 404; }
        location \@own { default_type text/plain; return 404 "mine"; }
        location /text { return 404 "text of the operator"; }
        location /redirect { return 301 /elsewhere; }
    ) =~ s/return_nothing_here_placeholder;/btcf_document;/r,
);
expect_log(qr/\[crit\].*(directory index|nowhere)/);

sub is_problem {
    my ($res, $status, $code, $name) = @_;
    is($res->{status}, $status, "$name: status");
    is($res->{headers}{'content-type'}, 'application/problem+json', '... type');
    is($res->{headers}{'content-length'}, length $res->{body}, '... length') if defined $res->{headers}{'content-length'};
    is($res->{headers}{'cache-control'}, 'no-store', '... not kept');
    my $problem = eval { json($res->{body}) } || {};
    is($problem->{code}, $code, '... code') or diag($res->{body});
    is($problem->{status}, $status, '... status in the body');
    is($problem->{type}, "urn:btcf:problem:$code", '... type in the body');
    ok(length($problem->{$_}), "... $_") for qw(title detail request_id);
    ok(exists $problem->{instance}, '... instance');
    is($problem->{request_id}, $res->{headers}{'x-request-id'}, '... the id of the header');
    is($res->{headers}{'retry-after'}, $status == 503 ? 5 : undef, '... Retry-After');
    return $problem;
}

is(is_problem(get($t, '/nothing'), 404, 'not-found', 'an unknown path')->{instance}, '/nothing', '... names the path');
is_problem(get($t, '/denied'), 403, 'forbidden', 'deny');
is_problem(request($t, 'POST', '/small', body => 'x' x 11), 413, 'content-too-large', 'a large body');
is_problem(request($t, 'POST', '/v1/forecasts/1d', body => 'x'), 405, 'method-not-allowed', 'a method of ours');
is_problem(get($t, '/loop'), 500, 'internal-error', 'a loop of rewrites');
is_problem(get($t, '/file/x'), 404, 'not-found', 'a missing file');
is_problem(get($t, '/dead'), 503, 'upstream-unavailable', 'an upstream that is not there');
is_problem(get($t, '/silent'), 503, 'upstream-unavailable', 'an upstream that says nothing');
is_problem(get($t, '/nonsense'), 503, 'upstream-unavailable', 'an upstream that talks nonsense');
is_problem(get($t, '/code/503'), 503, 'unavailable', 'return 503');
is_problem(get($t, '/code/500'), 500, 'internal-error', 'return 500');
is_problem(get($t, '/code/507'), 507, 'insufficient-storage', 'return 507');
is_problem(get($t, '/code/431'), 431, 'header-too-large', 'return 431');
is_problem(get($t, '/code/401'), 401, 'unauthorized', 'return 401');
get($t, '/limited');
is_problem(get($t, '/limited'), 429, 'too-many-requests', 'nginx\'s own limit works beside our handler');
is(head_of($t, '/nothing')->{body}, '', 'HEAD of an error has no body');
is(head_of($t, '/nothing')->{headers}{'content-type'}, 'application/problem+json', '... but its type');

# statuses that nobody has words for keep what nginx makes of them
is(get($t, '/code/418')->{status}, 418, 'an unknown status is passed on');
is(get($t, '/code/451')->{status}, 451, '... and another');

# what an operator or an upstream says himself is left alone
is(get($t, '/text')->{body}, 'text of the operator', 'text by return');
is(get($t, '/own')->{body}, 'mine', 'a page by error_page');
is(get($t, '/redirect')->{status}, 301, 'a redirect is no error');

# paths that JSON or a terminal could trip over
for my $case (['/a%22b%5Cc', '/a%22b%5Cc'], ['/a"b', '/a%22b'], ["/\xc3\xa9", '/%C3%A9'], ['/a?secret=1', '/a'],
    ['/' . 'l' x 900, '/' . 'l' x 255]) {
    my ($path, $instance) = @$case;
    my $res = raw($t, "GET $path HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    my ($body) = $res =~ /\r\n\r\n(.*)/s;
    is(json($body)->{instance}, $instance, 'instance of ' . substr(unpack('H*', $path), 0, 20));
    unlike($res, qr/secret/, '... without the query');
}

# raw bytes: whatever arrives, a problem goes back, or nothing
my @raw = (
    ['no HTTP at all', "hello\r\n\r\n", 400, 'bad-request'],
    ['binary', "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400, 'bad-request'],
    ['an unknown version', "GET / HTTP/3.7\r\nHost: x\r\n\r\n", 505, 'version-not-supported'],
    ['a version that is none', "GET / HTTP/x\r\nHost: x\r\n\r\n", 400, 'bad-request'],
    ['no host', "GET / HTTP/1.1\r\n\r\n", 400, 'bad-request'],
    ['two hosts', "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400, 'bad-request'],
    ['an invalid host', "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", 400, 'bad-request'],
    ['a length that is none', "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: x\r\n\r\n", 400, 'bad-request'],
    ['two lengths', "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nx", 400, 'bad-request'],
    ['length and chunks', "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400, 'bad-request'],
    ['an unknown coding', "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: rot13\r\n\r\n", 501, 'not-implemented'],
    ['a path out of the root', "GET /../x HTTP/1.1\r\nHost: x\r\n\r\n", 400, 'bad-request'],
    ['a NUL in the path', "GET /a%00b HTTP/1.1\r\nHost: x\r\n\r\n", 400, 'bad-request'],
    ['a long request line', 'GET /' . 'x' x 3000 . " HTTP/1.1\r\nHost: x\r\n\r\n", 414, 'uri-too-long'],
    ['a long header', "GET / HTTP/1.1\r\nHost: x\r\nX-Long: " . 'x' x 3000 . "\r\n\r\n", 431, 'header-too-large'],
    ['many headers', "GET / HTTP/1.1\r\nHost: x\r\n" . join('', map { "X-$_: " . 'y' x 500 . "\r\n" } 1 .. 20) . "\r\n", 431, 'header-too-large'],
    ['a large body announced', "POST /v1/x HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999\r\nExpect: 100-continue\r\n\r\n", 413, 'content-too-large'],
    ['a body that is no chunk', "POST /small HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", 400, 'bad-request'],
);
for my $case (@raw) {
    my ($name, $bytes, $status, $code) = @$case;
    my $socket = raw_talk($t);
    syswrite($socket, $bytes);
    shutdown($socket, 1) if $status == 400;
    my ($res) = read_responses($socket, 'GET');
    ok($res, "$name: an answer") or next;
    is_problem($res, $status, $code, $name);
    unlike($res->{line} . $res->{body}, qr/<html>|nginx/, '... and not a word of HTML');
}
like(raw($t, "GET /nothing\r\n"), qr/^\{"type":.*"code":"not-found".*\}\n$/s, 'HTTP/0.9 gets the bare problem');
is(raw($t, "GET /nothing HTTP/1.0\r\n\r\n") =~ /^HTTP\/1\.1 404 .*problem\+json/s, 1, 'HTTP/1.0 too');

my @logged = grep { ($_->{problem} || '') eq 'header-too-large' } access_log($t);
is($logged[0]{status}, 431, 'the log has the status that was sent');

finish();
