# nginx under valgrind, with keys, tokens and streams, over twenty reloads: no process of it reads what is not there, writes
# where it may not, or loses memory.
#
#     prove -It/lib tests/valgrind/reloads.t        or tests/run valgrind
use strict;
use warnings;

use BTCF;
use BTCF::Token;
use IO::Socket::INET;
use POSIX qw(:sys_wait_h);
use Test::More;
use Time::HiRes qw(sleep);

my $RELOADS = 20;
my $SECONDS = 60;    # for one reload; valgrind is slow

plan skip_all => 'valgrind is not installed' if !-x '/usr/bin/valgrind';

my $seg = segment();
forecast_docs($seg);
$seg->plans;
$seg->account(1);
my $key = $seg->key(account => 1);
$seg->live;

my $dir = temp_dir() . '/v';
mkdir $dir;
mkdir "$dir/tmp";
my $self = {dir => $dir, port => free_port(), plain => free_port()};
# Keys are OpenSSL's memory, outside of the pool: a cycle that did not give them back would lose them here.
my %keys = map { $_ => token_key($_, kid => $_) } qw(RS256 ES256 EdDSA);
spew("$dir/keys.jwks", jwks(values %keys));
my $token = token($keys{RS256}, {iss => 'them', sub => 'alice', scope => 'read', exp => time + 3600});
spew("$dir/nginx.conf", BTCF::config($self, http => "btcf_jwks_file $dir/keys.jwks;", routes => 'include ' . root_dir() . '/conf/routes.conf;'));

my $master = fork // die "fork: $!";
if ($master == 0) {
    open STDERR, '>>', "$dir/stderr";
    open STDOUT, '>&', \*STDERR;
    # Debian's nginx has pools: what they hand out is seen as one block, so it is leaks and stray pointers that are found here,
    # and in the sanitized build, where pools are mallocs, overruns.
    no warnings "exec";    # what follows is for when it fails
    exec 'valgrind', '--quiet', '--keep-debuginfo=yes', '--leak-check=full', '--show-leak-kinds=definite', '--errors-for-leak-kinds=definite',
        "--log-file=$dir/valgrind.%p", '/usr/sbin/nginx', '-p', $dir, '-e', "$dir/error.log", '-c', "$dir/nginx.conf";
    POSIX::_exit(127);
}

sub children { return split ' ', slurp("/proc/$master/task/$master/children") }

sub ask {
    my ($path, @headers) = @_;
    my $socket = IO::Socket::INET->new(PeerAddr => "127.0.0.1:$self->{plain}", Timeout => 10) or return 0;
    print {$socket} join("\r\n", "GET $path HTTP/1.1", 'Host: x', 'Connection: close', @headers, '', '');
    my $answer = $path eq '/v1/stream' ? readline($socket) : do { local $/; readline($socket) };
    return ($answer // '') =~ m{^HTTP/1.1 (\d+)} ? $1 : 0;
}

ok(wait_for(sub { ask('/v1/forecasts/1d') == 200 }, $SECONDS), 'nginx serves under valgrind')
    or BAIL_OUT(slurp("$dir/stderr") . error_log($self));

my ($wrong, $left) = (0, 0);
for my $reload (1 .. $RELOADS) {
    my %expected = ('/v1/forecasts/1d' => [200, "X-API-Key: $key"], '/v1/forecasts' => [200], '/v1/stream' => [200, "X-API-Key: $key"],
        '/v1/forecasts/4h' => [401, 'Authorization: Bearer eyJhbGciOiJFUzI1NiJ9.e30.AA'], '/metrics' => [200], '/v1/forecasts/7d' => [200, "Authorization: Bearer $token"]);
    for my $path (sort keys %expected) {
        my ($status, @headers) = @{$expected{$path}};
        $wrong++ if ask($path, @headers) != $status;
    }
    my %old = map { $_ => 1 } children();
    kill 'HUP', $master;
    $left++ if !wait_for(sub { my @now = children(); @now && !grep { $old{$_} } @now }, $SECONDS);
    wait_for(sub { ask('/healthz') == 200 }, $SECONDS);
}
is($wrong, 0, "every answer of $RELOADS reloads is right");
is($left, 0, 'every old worker leaves');

kill 'QUIT', $master;
my $gone = wait_for(sub { waitpid($master, WNOHANG) != 0 }, $SECONDS);
kill 'KILL', $master if !$gone;
ok($gone, 'nginx ends');
my @logs = glob "$dir/valgrind.*";
cmp_ok(scalar @logs, '>', $RELOADS, 'valgrind has seen every process');
# nginx itself leaves a worker's event arrays and its environment to the end of the process: a leak is ours when our module is
# on its way; anything else that valgrind says counts, whoever did it.
my @said = grep { !/definitely lost/ || /ngx_http_btcf_module\.so/ } grep { /\S/ }
    map { split /^==\d+== \n/m, slurp($_) } @logs;
is(scalar @said, 0, 'and has nothing to say of us') or diag(@said > 3 ? @said[0 .. 2] : @said);

finish();
