# The segment may be late, go away, or be replaced by anything: workers keep what they have, and take what is good.
use strict;
use warnings;

use BTCF;
use File::Copy qw(copy);
use Test::More;

my $shm = temp_dir() . '/shm';
my $pub = "$shm/pub.v1";

sub put {    # a file under the name of the segment, the way an engine would: by rename
    my ($bytes) = @_;
    spew("$pub.new", $bytes);
    chmod 0644, "$pub.new";
    rename "$pub.new", $pub or die;
}
sub logged { my ($t, $pattern) = @_; return scalar(() = error_log($t) =~ /$pattern/g) }
sub value { my ($t) = @_; return get($t, '/v1/x')->{body} }

# nginx first
my $t = nginx();
my $res = get($t, '/v1/forecasts/1d');
is($res->{status}, 503, 'no segment yet');
is(json($res->{body})->{code}, 'no-data', '... says so');
ok($res->{headers}{'retry-after'} > 0, '... and when to come back');
is(get($t, '/v1/forecasts')->{status}, 503, 'nor a list');
is(get($t, '/v1/x')->{status}, 503, 'nobody can say that anything does not exist');
is(get($t, '/readyz')->{status}, 503, 'not ready');
is(get($t, '/healthz')->{status}, 200, 'but alive');
is(logged($t, 'there is no such file'), 1, 'one line in the log');

# a file that is not finished is no segment
my $seg = segment();
$seg->doc('/v1/x', fresh => 'one', type => 'text');
is(get($t, '/v1/x')->{status}, 503, 'an unfinished one is not seen');
$seg->live;
ok(wait_for { value($t) eq 'one' }, 'the segment is found without a reload');
is(get($t, '/v1/y')->{status}, 404, 'now a stranger is a stranger');
is(json(get($t, '/v1/forecasts/1d')->{body})->{code}, 'no-data', 'but what must come is awaited');
forecast_docs($seg);
is(get($t, '/readyz')->{status}, 200, 'ready once there is a forecast');

my $good = slurp($pub);
cmp_ok(length $good, '>', 4096, 'the segment has content');

# deleted
unlink $pub;
ok(wait_for { logged($t, 'there is no such file; keeping the one in use') == 1 }, 'a deleted file is noticed');
is(value($t), 'one', '... and its mapping kept');
is(get($t, '/readyz')->{status}, 200, '... and ready');
$seg->doc('/v1/x', fresh => 'two', type => 'text');
is(value($t), 'two', '... and even followed');

# everything that is not a good segment
my $flipped = $good;
substr($flipped, 20, 1) ^= "\x10";
my $older = $good;
substr($older, 12, 2) = pack('v', 0);
my $body = $good;
my $at = index($body, 'one');
substr($body, $at, 1) = 'X';
my $retired = $good;
substr($retired, 64, 4) = pack('V', 2);
my @bad = (
    ['an empty file', ''],
    ['half of a segment', substr($good, 0, length($good) / 2)],
    ['a segment short of a byte', substr($good, 0, -1)],
    ['a header and nothing else', substr($good, 0, 4096)],
    ['text', "hello\n" x 1000],
    ['zeros', "\0" x length $good],
    ['a flipped bit in the header', $flipped],
    ['an older ABI', $older],
    ['a damaged document', $body],
    ['a retired one', $retired],
);
for my $case (@bad) {
    my ($name, $bytes) = @$case;
    my $before = logged($t, 'keeping the one in use');
    put($bytes);
    ok(wait_for { logged($t, 'keeping the one in use') > $before }, "$name is refused");
    is(value($t), 'two', '... and the old one served');
}
my $lines = logged($t, 'keeping the one in use');
my $ticks = Time::HiRes::time();
wait_for { Time::HiRes::time() - $ticks > 2.5 };    # more than two looks at the same file
is(logged($t, 'keeping the one in use'), $lines, 'the same file is complained of once');
unlink $pub;
symlink '/etc/passwd', $pub;
is(value($t), 'two', 'a link is not followed');
unlink $pub;
mkdir $pub;
is(value($t), 'two', 'nor a folder opened');
rmdir $pub;

# a file that anybody may write to is nobody's segment
put($good);
chmod 0666, $pub;
my $refused = logged($t, 'others than its owner may write');
ok(wait_for { logged($t, 'others than its owner may write') > $refused || logged($t, 'may write') }, 'a file that anyone may write to is refused');
is(value($t), 'two', '... and the old one served');
unlink $pub;

# a new engine: its file takes over, at once when the old one is retired
$seg->do({do => 'close'});
my $next = segment();
$next->doc('/v1/x', fresh => 'three', type => 'text');
$next->doc('/v1/y', fresh => 'new', type => 'text');
$next->live;
ok(wait_for { value($t) eq 'three' }, 'a new file takes over');
is(get($t, '/v1/y')->{body}, 'new', '... with what is new in it');
is(get($t, '/v1/forecasts/1d')->{status}, 200, 'a forecast that it does not have yet is served until it expires');

$next->do({do => 'close'});
my $third = segment();
$third->doc('/v1/x', fresh => 'four', type => 'text');
$third->live;
my $began = Time::HiRes::time();
ok(wait_for { value($t) eq 'four' }, 'and another');
cmp_ok(Time::HiRes::time() - $began, '<', 0.7, 'a retired file is left at once, not at the next tick');
is(get($t, '/v1/y')->{status}, 404, 'what never expires and is not in the new file is gone');

# damage inside the file in use is met by checksums: the last good copy stays
is(value($t), 'four', 'a good copy');
open(my $f, '+<:raw', $pub) or die;
my $bytes = slurp($pub);
my $pos = index($bytes, 'four');
cmp_ok($pos, '>', 0, 'found in the file');
seek($f, $pos, 0);
print $f 'FOUR';
close $f;
is(value($t), 'four', 'damage after the copy is not seen');

finish();
