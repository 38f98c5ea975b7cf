# What is billed: an answer that went out whole, once, at its cost; everything else is counted and not billed.
use strict;
use warnings;

use BTCF;
use Edge;
use Socket qw(SOL_SOCKET SO_RCVBUF);
use Test::More;

my $seg = segment(create => {doc_bytes => 250_000});
$seg->plans;
$seg->plan('free', rate => 100, burst => 1000, quota_day => 1000, quota_month => 9000);
my $account = 0;
my (%key, %row);
for my $name (qw(plain dear head same missing forecast both abort late h10 proxy short control test)) {
    $seg->account(++$account, plan => 'free');
    $key{$name} = $seg->key(account => $account, row => 100 + $account, test => $name eq 'test');
    $row{$name} = [$account, 100 + $account];
}
$seg->doc('/v1/price', class => 'market', fresh => '{"price":1}', etag => 5);
$seg->doc('/v1/dear', class => 'market', fresh => '{"price":2}', etag => 6, cost => 7);
$seg->doc('/v1/large', class => 'market', fresh => '"' . 'x' x 240_000 . '"', etag => 7);
$seg->doc('/sandbox/v1/price', class => 'market', fresh => '{"price":3}', etag => 8);
forecast_docs($seg);
$seg->live;

my $up = nginx(routes => 'location / { btcf_document; }');
my $t = nginx(plain_listen => 'sndbuf=16k', routes => <<"EOC");
btcf_auth optional;
location /v1/ { btcf_document; }
location = /v1/forecasts { btcf_forecasts; }
location /five/ { btcf_cost 5; rewrite ^/five(.*) \$1 break; btcf_document; }
location /none/ { btcf_cost 0; rewrite ^/none(.*) \$1 break; btcf_document; }
location /arg/ { btcf_cost \$http_x_cost; rewrite ^/arg(.*) \$1 break; btcf_document; }
location /again { error_page 404 = \@again; return 404; }
location \@again { rewrite ^ /v1/price break; btcf_document; }
location /proxy/ { proxy_pass http://127.0.0.1:$up->{plain}/; proxy_http_version 1.1; proxy_buffers 4 4k; proxy_buffer_size 4k;
    proxy_max_temp_file_size 0; }
location /control/ { btcf_route control; proxy_pass http://127.0.0.1:$up->{plain}/; }
location /teapot { proxy_pass http://127.0.0.1:$up->{plain}; }
EOC
my $edge = Edge->new(temp_dir() . '/shm');

sub used { return $edge->usage($row{$_[0]}[1]) }

# The request is counted when the answer has been sent, which a client may see before.
sub settled {
    my ($name, $field, $expected) = @_;
    wait_for { used($name)->{$field} == $expected };
    return used($name)->{$field};
}

is(get($t, '/v1/price', 'X-API-Key' => $key{plain})->{status}, 200, 'an answer');
is(settled('plain', 'billed', 1), 1, 'is billed');
my $used = used('plain');
is($used->{units}, 1, 'at one unit');
is($used->{class}{market}{billed}, 1, 'as market data');
ok($used->{bytes} > 200 && $used->{bytes} < 2000, "with its bytes: $used->{bytes}");
is($edge->limit($row{plain}[0])->{day}, 1, 'the quota of the day has it');
is($edge->limit($row{plain}[0])->{month}, 1, 'the quota of the month has it');

get($t, '/v1/dear', 'X-API-Key' => $key{dear});
is(settled('dear', 'units', 7), 7, 'a document says what it costs');
get($t, '/five/v1/dear', 'X-API-Key' => $key{dear});
is(settled('dear', 'units', 12), 12, 'a location says it better');
get($t, '/arg/v1/dear', 'X-API-Key' => $key{dear}, 'X-Cost' => 30);
is(settled('dear', 'units', 42), 42, 'so does a variable');
get($t, '/arg/v1/dear', 'X-API-Key' => $key{dear}, 'X-Cost' => 'many');
is(settled('dear', 'units', 43), 43, 'of which what is no number is one');
get($t, '/none/v1/dear', 'X-API-Key' => $key{dear});
is(settled('dear', 'billed', 5), 5, 'what is free is billed');
is(used('dear')->{units}, 43, 'at nothing');
is($edge->limit($row{dear}[0])->{day}, 43, 'the quota goes by units');

head_of($t, '/v1/price', 'X-API-Key' => $key{head});
is(settled('head', 'not_modified', 1), 1, 'HEAD is counted');
is(used('head')->{billed}, 0, 'and not billed');
get($t, '/v1/price', 'X-API-Key' => $key{head}, 'If-None-Match' => '*');
is(settled('head', 'not_modified', 2), 2, '304 is counted');
is(used('head')->{billed} + $edge->limit($row{head}[0])->{day}, 0, 'and not billed');

get($t, '/v1/nothing', 'X-API-Key' => $key{missing});
get($t, '/teapot', 'X-API-Key' => $key{missing});
is(settled('missing', 'client_errors', 2), 2, '4xx are counted');
is(used('missing')->{billed}, 0, 'and not billed');

get($t, '/v1/forecasts?horizons=1d,1h', 'X-API-Key' => $key{forecast});
get($t, '/v1/forecasts/1d', 'X-API-Key' => $key{forecast});
is(settled('forecast', 'units', 2), 2, 'a selection costs what its dearest part does');
is(used('forecast')->{class}{forecast}{billed}, 2, 'as forecasts');

is(get($t, '/again', 'X-API-Key' => $key{both})->{body}, '{"price":1}', 'a request that error_page sends elsewhere');
is(settled('both', 'billed', 1) + used('both')->{client_errors}, 1, 'is counted once');
get($t, '/control/v1/dear', 'X-API-Key' => $key{control});
is(settled('control', 'billed', 1), 1, 'any answer is billed, not documents alone');
is(used('control')->{class}{control}{billed}, 1, 'by the route of its location');

is(get($t, '/v1/price', 'X-API-Key' => $key{test})->{body}, '{"price":3}', 'a test key');
is(settled('test', 'billed', 1), 1, 'is counted');
is(used('test')->{units} + $edge->limit($row{test}[0])->{day}, 0, 'and costs nothing');

my $res = get($t, '/proxy/v1/large', 'X-API-Key' => $key{proxy});
is(length $res->{body}, 240_002, 'a large answer of an upstream');
is(settled('proxy', 'billed', 1), 1, 'is billed when it was whole');

# over plain HTTP/1, also when the rest goes over HTTP/2
my $text = raw($t, "GET /v1/price HTTP/1.0\r\nX-API-Key: $key{h10}\r\n\r\n");
like($text, qr/\{"price":1\}$/, 'HTTP/1.0 without a length');
is(settled('h10', 'billed', 1), 1, 'is billed');

# A client with small buffers that reads some of it and goes.
sub leaves {
    my ($path, $key, $bytes) = @_;
    my $socket = raw_talk($t);
    setsockopt($socket, SOL_SOCKET, SO_RCVBUF, 4096);
    syswrite($socket, "GET $path HTTP/1.1\r\nHost: a\r\nX-API-Key: $key\r\n\r\n");
    my $read = 0;
    while ($read < $bytes) {
        my $n = sysread($socket, my $buffer, 4096) or last;
        $read += $n;
    }
    return $socket;
}

close leaves('/v1/large', $key{abort}, 5000);
is(settled('abort', 'client_errors', 1), 1, 'an answer that was not taken is counted');
is(used('abort')->{billed} + $edge->limit($row{abort}[0])->{day}, 0, 'and not billed');
close leaves('/proxy/v1/large', $key{abort}, 5000);
is(settled('abort', 'client_errors', 2), 2, 'nor is that of an upstream');
is(used('abort')->{billed}, 0, 'and not billed');

my $slow = leaves('/v1/large', $key{late}, 5000);
is(used('late')->{billed} + used('late')->{client_errors}, 0, 'nothing is said while it is under way');
my $rest = 0;
while ($rest < 230_000) {
    my $n = sysread($slow, my $buffer, 65536) or last;
    $rest += $n;
}
is(settled('late', 'billed', 1), 1, 'a slow reader is billed in the end');
close $slow;

# an upstream that dies in the middle
my $listener = IO::Socket::INET->new(LocalAddr => '127.0.0.1', Listen => 5) or die;
my $port = $listener->sockport;
my $short = nginx(routes => "btcf_auth optional; location / { proxy_pass http://127.0.0.1:$port; proxy_buffering off; }");
my $child = fork;
if (!$child) {
    my $peer = $listener->accept;
    sysread($peer, my $request, 65536);
    syswrite($peer, "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n" . 'x' x 500);
    POSIX::_exit(0);
}
my $half = raw($short, "GET /x HTTP/1.1\r\nHost: a\r\nX-API-Key: $key{short}\r\n\r\n");
like($half, qr/^HTTP\/1.1 200/, 'half an answer');
waitpid $child, 0;
is(settled('short', 'client_errors', 1), 1, 'is counted');
is(used('short')->{billed}, 0, 'and not billed');

finish();
