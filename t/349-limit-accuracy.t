# The short form of the accuracy benchmark: two workers, overloaded, admit what the plan earns, and never more.
use strict;
use warnings;

use BTCF;
use Test::More;

plan(skip_all => 'wrk speaks HTTP/1') if over_h2();
plan(skip_all => 'needs the packaged nginx') if $ENV{BTCF_NGINX};
plan(skip_all => 'wrk is not installed') if !grep { -x "$_/wrk" } split /:/, $ENV{PATH};

my $out = `'@{[root_dir()]}/tests/load/limiter.py' --seconds 5 --rounds 0 2>&1`;
is($?, 0, 'admitted is within 1% of burst + rate x time, and not above') or diag($out);
my ($times) = $out =~ /([\d.]+) times the plan/;
cmp_ok($times || 0, '>=', 10, 'at ten times the plan or more');

done_testing();
