# The master does not grow by reloads: everything of a configuration belongs to its cycle.
use strict;
use warnings;

use BTCF;
use Test::More;

plan(skip_all => 'pools are not pools in the sanitizer build, so memory says nothing; it looks for leaks itself')
    if $ENV{BTCF_NGINX} && !$ENV{BTCF_MODULE};
plan(skip_all => 'memory is measured once, over HTTP/1') if over_h2();

my ($WARM, $RELOADS, $GROWTH_KB_MAX) = (50, 200, 64);

my $seg = segment();
forecast_docs($seg);
$seg->live;
my $t = nginx(log_level => 'warn');

sub reload {
    my %old = map { $_ => 1 } workers_of($t);
    kill 'HUP', $t->{pid};
    return wait_for { my @now = split ' ', slurp("/proc/$t->{pid}/task/$t->{pid}/children"); @now == 1 && !$old{$now[0]} };
}
sub mappings { return scalar(() = slurp("/proc/$t->{pid}/maps") =~ /edge\.v1/g) }
sub files { return scalar(() = glob("/proc/$t->{pid}/fd/*")) }

my ($warm_kb, $warm_files, $failed) = (0, 0, 0);
for my $n (1 .. $RELOADS) {
    reload() or $failed++;
    ($warm_kb, $warm_files) = (rss_kb($t->{pid}), files()) if $n == $WARM;
}
is($failed, 0, 'every reload replaced the worker');
my $growth = rss_kb($t->{pid}) - $warm_kb;
diag("master: $warm_kb KB after $WARM reloads, $growth KB more after $RELOADS");
cmp_ok($warm_kb, '>', 0, 'the memory was measured');
cmp_ok($growth, '<', $GROWTH_KB_MAX, "less than $GROWTH_KB_MAX KB from reload $WARM to $RELOADS");
is(files(), $warm_files, 'no descriptor was left open');
is(mappings(), 1, 'edge is mapped once');
is(get($t, '/v1/forecasts/1d')->{status}, 200, 'and it still serves');

finish();
