# A binary upgrade (USR2, then QUIT to the old master): two masters share edge, and no count is lost.
use strict;
use warnings;

use BTCF;
use Test::More;

plan(skip_all => 'the upgrade is tested once, over HTTP/1') if over_h2();

my $seg = segment();
forecast_docs($seg);
$seg->live;
my $t = nginx(daemon => 1);    # nginx upgrades only a daemon
my $old = $t->{pid};

sub total { return get($t, '/metrics')->{body} =~ /^btcf_http_requests_total\{route="forecast",code="200"\} (\d+)$/m ? $1 : 0 }
get($t, '/v1/forecasts/1d') for 1 .. 10;
ok(wait_for { total() == 10 }, 'ten were counted');
my $inode = (stat temp_dir() . '/shm/edge.v1')[1];

kill 'USR2', $old;
ok(wait_for { -s "$t->{dir}/nginx.pid.oldbin" && -s "$t->{dir}/nginx.pid" }, 'a new master starts');
my ($new) = slurp("$t->{dir}/nginx.pid") =~ /(\d+)/;
isnt($new, $old, '... of its own');
ok(wait_for { slurp("/proc/$new/task/$new/children") =~ /\d/ }, '... with workers');
is((stat temp_dir() . '/shm/edge.v1')[1], $inode, 'edge is the same file');
get($t, '/v1/forecasts/1d') for 1 .. 20;
ok(wait_for { total() == 30 }, 'both masters\' workers count into it');

sub gone { my ($pid) = @_; return !-d "/proc/$pid" || slurp("/proc/$pid/status") =~ /^State:\s+Z/m }
$t->{pid} = $new;
kill 'QUIT', $old;
ok(wait_for { gone($old) }, 'the old one ends');
get($t, '/v1/forecasts/1d') for 1 .. 5;
ok(wait_for { total() == 35 }, 'and nothing is lost when the old one goes');
kill 'QUIT', $new;
ok(wait_for { gone($new) }, 'the new one ends too');
$t->{pid} = 0;

finish();
