# A stream is billed once, when it was opened, and as a stream: however it ends, whatever it carried.
use strict;
use warnings;

use BTCF;
use Edge;
use SSE;
use Test::More;

plan(skip_all => q{the same in both runs: 366 has its own HTTP/2}) if over_h2();

my $seg = segment(create => {events => 64});
$seg->plans;
$seg->event('price');
$seg->account($_, plan => 'enterprise') for 1 .. 5;
my %key = map { $_ => $seg->key(account => $_, row => 100 + $_) } 1 .. 5;
$seg->live;
my $t = nginx(
    routes => 'btcf_auth optional;
        location = /v1/stream { btcf_stream; } location = /brief { btcf_stream; btcf_stream_lifetime 200ms; }
        location = /dear { btcf_stream; btcf_cost 20; } location = /metrics { btcf_metrics; }'
);
my $edge = Edge->new(temp_dir() . '/shm');

sub stream { my ($n, $path, @headers) = @_; return SSE->open($t, $path || '/v1/stream', 'X-API-Key' => $key{$n}, @headers) }

sub counted {
    my ($n, $field, $expected) = @_;
    wait_for { $edge->usage(100 + $n)->{$field} == $expected };
    return $edge->usage(100 + $n)->{$field};
}

my $s = stream(1);
$s->next;
$seg->event('price', undef, 0, count => 20);
is(scalar($s->take(20)), 20, 'a stream with twenty events');
is($edge->usage(101)->{billed}, 0, '... is counted when it ends');
$s->close;
is(counted(1, 'billed', 1), 1, '... though the client has cut it off');
is($edge->usage(101)->{class}{stream}{units}, 1, '... as one unit of class stream');
cmp_ok($edge->usage(101)->{latency_us}, '<', 100_000, '... and its life is no latency');

$s = stream(2, '/brief');
ok($s->is_closed && $s->{whole}, 'a stream that ends by itself');
is(counted(2, 'billed', 1), 1, '... once as well');
$s = stream(3, '/dear');
$s->next;
$s->close;
is(counted(3, 'units', 20), 20, 'it costs what its location says');
is(head_of($t, '/v1/stream', 'X-API-Key' => $key{4})->{status}, 200, 'HEAD');
is(get($t, '/v1/stream?events=x', 'X-API-Key' => $key{4})->{status}, 400, '... and a request that is refused');
is(counted(4, 'client_errors', 1), 1, '... are counted');
is($edge->usage(104)->{billed}, 0, '... and not billed');

finish();
