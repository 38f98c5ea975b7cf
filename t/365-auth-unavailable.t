# Tables that are absent, damaged or too old let nobody in by a credential; guests are served all the same.
use strict;
use warnings;

use BTCF;
use Digest::SHA qw(sha256);
use Test::More;

sub is_unavailable {
    my ($t, $path, $key, $name) = @_;
    my $res = get($t, $path, 'X-API-Key' => $key);
    is($res->{status}, 503, $name);
    is(json($res->{body})->{code}, 'auth-unavailable', '... because credentials cannot be checked');
    is_deeply($res->{all}{'retry-after'}, ['5'], '... for now');
}

my $dir = temp_dir();
my $routes = 'btcf_auth_max_stale 2s; include ' . root_dir() . '/conf/routes.conf;';
my $doc = '/v1/forecasts/1d';

# no file, then one without a gate, then one with
mkdir "$dir/late";
my $late = nginx(shm => "$dir/late", routes => $routes);
my $key = BTCF::Segment::make_key(0);
is_unavailable($late, $doc, $key, 'there is no segment');
is(get($late, $doc, 'X-API-Key' => 'nonsense')->{status}, 401, '... but nonsense is nonsense');
my $bare = segment(dir => "$dir/late", create => {gate => JSON::PP::false()});
forecast_docs($bare);
$bare->live;
ok(wait_for { get($late, $doc)->{status} == 200 }, 'a segment without a gate serves guests');
is_unavailable($late, $doc, $key, '... and nobody else');
$bare->kill;
my $full = segment(dir => "$dir/late");
forecast_docs($full);
$full->plans;
$full->account(7);
$full->key(text => $key, account => 7);
$full->live;
ok(wait_for { get($late, $doc, 'X-API-Key' => $key)->{status} == 200 }, 'its successor has one');

# an engine that falls silent
my $seg = segment();
forecast_docs($seg);
$seg->plans;
$seg->account(7);
$key = $seg->key(account => 7);
$seg->live;
my $t = nginx(routes => $routes);
is(get($t, $doc, 'X-API-Key' => $key)->{status}, 200, 'tables that are fresh');
my $beats = 0;
wait_for { $seg->beat; get($t, $doc, 'X-API-Key' => $key)->{status} == 200 and ++$beats > 250 };
is($beats, 251, 'as long as the heart beats they stay so');
ok(wait_for { get($t, $doc, 'X-API-Key' => $key)->{status} == 503 }, 'they are too old when it has stopped');
is_unavailable($t, $doc, $key, '... for a good key');
is(get($t, $doc)->{status}, 200, '... not for guests');
kill 'HUP', $t->{pid};
my @old = workers_of($t);
ok(wait_for { my @new = workers_of($t); @new && !grep { $_ == $old[0] } @new }, 'a worker that starts now');
is_unavailable($t, $doc, $key, '... does not take them for new');
ok(wait_for { $seg->beat; get($t, $doc, 'X-API-Key' => $key)->{status} == 200 }, 'one sign of life, and they are believed again');

# damage, in the file that is in use
sub damage {
    my ($needle, $offset) = @_;
    my $file = slurp("$dir/shm/pub.v1");
    my $at = index($file, $needle);
    die 'not found' if $at < 0;
    open(my $f, '+<:raw', "$dir/shm/pub.v1") or die $!;
    seek($f, $at + $offset, 0);
    my $byte = substr($file, $at + $offset, 1) ^ "\xff";
    print $f $byte;
    close $f;
}
my $whole = $seg->key(account => 7);
damage(sha256($key), 36);
$seg->beat;
is_unavailable($t, $doc, $key, 'the entry of a key is damaged');
is(get($t, $doc, 'X-API-Key' => $whole)->{status}, 200, '... which is no harm to others');
damage(pack('H*', $seg->account(7)), 32);
is_unavailable($t, $doc, $whole, 'the entry of an account is damaged');
is(get($t, $doc)->{status}, 200, '... guests are served');
unlike(error_log($t), qr/\[(alert|crit|emerg)\]/, '... and nothing has crashed');

finish();
