# A body that comes too slowly ends its request with 408, where nginx's own timeout would wait for ever.
use strict;
use warnings;

use BTCF;
use Test::More;
use Time::HiRes qw(time sleep);

my $seg = segment();
$seg->live;

my $up = nginx(routes => 'location / { client_body_timeout 60s; proxy_pass http://127.0.0.1:1; }',
    server => 'location = /echo { if ($request_method = POST) { return 200 "came"; } return 200 "none"; }');
my $mute = IO::Socket::INET->new(LocalAddr => '127.0.0.1', Listen => 5) or die;    # takes connections and says nothing
my $routes = <<"EOC";
client_body_timeout 60s;
proxy_next_upstream off;
location /deadline { btcf_body_timeout 1s; proxy_pass http://127.0.0.1:$up->{plain}/echo; }
location /stream { btcf_body_timeout 1s; proxy_request_buffering off; proxy_pass http://127.0.0.1:@{[$mute->sockport]}; }
location /rate { btcf_body_min_rate 100; proxy_pass http://127.0.0.1:$up->{plain}/echo; }
location /off { proxy_pass http://127.0.0.1:$up->{plain}/echo; }
location /control { btcf_route control; lingering_timeout 500ms; proxy_pass http://127.0.0.1:$up->{plain}/echo; }
location = /metrics { btcf_metrics; }
EOC
my $t = nginx(routes => $routes);

# control routes have a deadline of their own, which is over when the rest of this test is
my $control = raw_talk($t);
syswrite($control, "POST /control HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nx");

# Sends bytes one by one until the other side answers or the time is over: (answer, seconds).
sub dribble {
    my ($socket, $seconds, $make) = @_;
    my ($begun, $answer) = (time, '');
    my $select = IO::Select->new($socket);
    while (time - $begun < $seconds) {
        syswrite($socket, $make->()) or last;
        next if !$select->can_read(0.1);
        while ($select->can_read(0.5)) {
            my $n = sysread($socket, my $bytes, 65536) or last;
            $answer .= $bytes;
        }
        last;
    }
    return ($answer, time - $begun);
}

sub post {
    my ($path, $seconds, $head, $make) = @_;
    my $socket = raw_talk($t);
    syswrite($socket, "POST $path HTTP/1.1\r\nHost: a\r\n$head\r\n\r\n");
    my ($answer, $took) = dribble($socket, $seconds, $make);
    return ($answer, $took, $socket);
}

my $by_byte = sub { 'x' };
my $by_chunk = sub { "1\r\nx\r\n" };

for my $case (['with a length', 'Content-Length: 1000', $by_byte], ['in chunks', 'Transfer-Encoding: chunked', $by_chunk]) {
    my ($what, $head, $make) = @$case;
    my ($answer, $took, $socket) = post('/deadline', 10, $head, $make);
    like($answer, qr{^HTTP/1\.1 408 }, "a body $what that dribbles is answered 408");
    like($answer, qr/"code":"body-timeout"/, 'with a problem');
    like($answer, qr/^Connection: close\r$/m, 'that ends the connection');
    ok($took >= 0.9 && $took < 4, sprintf('in its time: %.1f s', $took));
    my $closed = wait_for { !defined(syswrite($socket, 'x')) || (IO::Select->new($socket)->can_read(0) && !sysread($socket, my $b, 1)) };
    ok($closed, 'the connection is closed');
}

# a client that sends the head alone
my $silent = raw_talk($t);
syswrite($silent, "POST /deadline HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n");
my ($response) = read_responses($silent, 'POST');
is($response->{status}, 408, 'a body of which nothing comes');

# what comes in time is none of its business
my $socket = raw_talk($t);
for my $i (1 .. 3) {
    syswrite($socket, "POST /deadline HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nx");
    sleep 0.2;
    syswrite($socket, 'yz');
    my ($res) = read_responses($socket, 'POST');
    is($res->{status}, 200, "body $i on one connection comes in time");
}
sleep 1.2;
syswrite($socket, "GET /deadline HTTP/1.1\r\nHost: a\r\n\r\n");
my ($res) = read_responses($socket, 'GET');
is($res && $res->{status}, 200, 'the connection lives on after the time of its bodies');

my ($answer, $took) = post('/stream', 10, 'Content-Length: 1000', $by_byte);
unlike($answer, qr/200/, 'unbuffered: nothing good is answered');
ok($took < 4, 'but the request ends');

($answer, $took) = post('/off', 2.5, 'Content-Length: 1000', $by_byte);
is($answer, '', 'where nothing is set a client may dribble on');

# A rate: ten bytes a second are too few, a thousand are not.
($answer, $took) = post('/rate', 12, 'Content-Length: 60000', $by_byte);
like($answer, qr{^HTTP/1\.1 408 }, 'below the rate');
ok($took >= 4.5 && $took < 9, sprintf('when the five seconds are over: %.1f s', $took));
($answer, $took) = post('/rate', 6.5, 'Content-Length: 60000', sub { 'x' x 100 });
is($answer, '', 'above the rate it may go on');

# HTTP/2: frames by hand
my $h2 = nginx(routes => $routes, plain_listen => 'http2');

sub frame { my ($type, $flags, $stream, $payload) = @_; return substr(pack('N', length $payload), 1) . pack('CCN', $type, $flags, $stream) . $payload }

sub h2_post {
    my ($path) = @_;
    my $peer = raw_talk($h2);
    my $head = "\x83\x86\x04" . chr(length $path) . $path . "\x01\x09localhost";
    syswrite($peer, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" . frame(4, 0, 0, '') . frame(1, 4, 1, $head));
    my $begun = time;
    my ($text, $over) = ('', 0);
    while (!$over && time - $begun < 10) {
        syswrite($peer, frame(0, 0, 1, 'x')) or last;
        while (IO::Select->new($peer)->can_read(0.1)) {
            my $n = sysread($peer, my $bytes, 65536) or last;
            $text .= $bytes;
            last if ($over = $text =~ /body-timeout/);
        }
    }
    return ($text, time - $begun, $peer);
}

my ($frames, $seconds, $peer) = h2_post('/deadline');
like($frames, qr/\x03408/, 'HTTP/2: 408');
like($frames, qr/"code":"body-timeout"/, 'with a problem');
ok($seconds >= 0.9 && $seconds < 4, sprintf('in its time: %.1f s', $seconds));
my ($again) = do {
    syswrite($peer, frame(1, 5, 3, "\x82\x86\x04\x09/deadline\x01\x09localhost"));
    my $text = '';
    wait_for {
        IO::Select->new($peer)->can_read(0.1) and sysread($peer, $text, 65536, length $text);
        $text =~ /none/;
    } 5;
    $text;
};
like($again, qr/none/, 'the connection and its other streams live on');

my ($late) = read_responses($control, 'POST');
is($late->{status}, 408, 'a control route');
is(json($late->{body})->{code}, 'body-timeout', 'has a deadline without being told');
my ($logged) = grep { $_->{path} eq '/control' } access_log($t);
ok($logged->{seconds} > 14.5 && $logged->{seconds} < 19, "of 15 seconds: $logged->{seconds}");

my $count = 0;
wait_for { ($count) = get($t, '/metrics')->{body} =~ /^btcf_body_timeouts_total (\d+)$/m; $count == 7 } 3;
is($count, 7, 'each is counted');

finish();
