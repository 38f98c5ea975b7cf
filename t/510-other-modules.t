# Beside other modules and other versions of itself: the order of load_module changes nothing, and a reload may change the
# sizes of the shared rows while clients are being limited.
use strict;
use warnings;

use BTCF;
use Test::More;

my $seg = segment();
forecast_docs($seg);
$seg->plans;
$seg->plan('few', rate => 0.001, burst => 10);
$seg->account(1, plan => 'few');
my $key = $seg->key(account => 1);
$seg->live;

# A filter of somebody else, which Debian packages, before and after ours. The module of the tests is the first line.
my $other = '/usr/lib/nginx/modules/ngx_http_headers_more_filter_module.so';
SKIP: {
    skip 'the headers-more module is not installed, or nginx is not the packaged one', 6 if !-e $other || $ENV{BTCF_NGINX};
    my $ours = BTCF::module_line();
    for my $order ('behind', 'before') {
        my $t = nginx(main => "load_module $other;", server => 'more_set_headers "X-Other: yes";',
            ($order eq 'before' ? (edit => sub { $_[0] =~ s/\Q$ours\E\s+(load_module \S+;)/$1 $ours/r }) : ()));
        my $res = get($t, '/v1/forecasts/1d', 'X-API-Key' => 'btcf_live_wrong');
        is($res->{status}, 401, "another module $order ours: refused");
        is_deeply($res->{all}{'www-authenticate'}, ['Bearer realm="btcf"'], '... with one challenge');
        is(get($t, '/v1/forecasts/1d')->{headers}{'x-other'}, 'yes', '... and the other module does its work');
        stop_nginx($t);
    }
}

# Rows of another number: what was taken stays taken.
my $t = nginx(workers => 2);
is(get($t, '/v1/forecasts/1d', 'X-API-Key' => $key)->{status}, 200, "request $_ of ten") for 1 .. 6;
for my $sizes ('keys=8192 accounts=8192', 'keys=1024 accounts=1024', 'keys=4096 accounts=4096 addresses=8192') {
    spew("$t->{dir}/nginx.conf", slurp("$t->{dir}/nginx.conf") =~ s/(?:btcf_edge [^;]*; )?(btcf_shm_dir)/btcf_edge $sizes; $1/r);
    my @before = workers_of($t);
    kill 'HUP', $t->{pid};
    my %old = map { $_ => 1 } @before;
    ok(wait_for { my @now = workers_of($t); @now == 2 && !grep { $old{$_} } @now }, "a reload with $sizes");
    is(get($t, '/v1/forecasts/1d', 'X-API-Key' => $key)->{status}, 200, '... serves');
}
is(get($t, '/v1/forecasts/1d', 'X-API-Key' => $key)->{status}, 200, 'the tenth request');
is(get($t, '/v1/forecasts/1d', 'X-API-Key' => $key)->{status}, 429, 'and the eleventh is one too many, over all reloads');

finish();
