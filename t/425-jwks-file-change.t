# Key files change while nginx runs: new keys are in force within a second and without a reload, broken ones never.
use strict;
use warnings;

use BTCF;
use BTCF::Token;
use Test::More;
use Time::HiRes qw(time);

my $file = temp_dir() . '/keys.jwks';
my ($old, $new, $third) = map { token_key('HS256', kid => $_) } qw(old new third);
my $seg = segment();
forecast_docs($seg);
$seg->plans;
$seg->live;

# As an administrator should: the file is whole at every moment.
sub replace {
    spew("$file.new", $_[0]);
    rename "$file.new", $file or die $!;
}

replace(jwks($old));
my $t = nginx(server => 'btcf_limit off; btcf_limit_failures off;', routes => "location /v1/ { btcf_jwks_file $file issuer=me; btcf_auth required; btcf_document; }");

sub status_of {
    my ($key) = @_;
    my $token = token($key, {iss => 'me', sub => 'x', exp => time + 60, jti => 'r' . rand});
    return get($t, '/v1/forecasts/1d', Authorization => "Bearer $token")->{status};
}

sub soon {
    my ($key, $status, $name) = @_;
    my $begin = time;
    wait_for { status_of($key) == $status };
    is(status_of($key), $status, $name);
    cmp_ok(time - $begin, '<', 1.2, 'within a second');
}

# So many changes that were refused, as the log says.
sub refusals { my @lines = error_log($t) =~ /the keys of "\Q$file\E" are not used: .*/g; return scalar @lines }

sub refused_once {
    my ($count, $name) = @_;
    ok(wait_for(sub { refusals() == $count }), $name);
    sleep 1.2;    # two more looks
    is(refusals(), $count, 'said once');
    is(status_of($new), 200, 'and the keys in use stay');
}

my $seen = token($old, {iss => 'me', sub => 'x', exp => time + 60});
is(get($t, '/v1/forecasts/1d', Authorization => "Bearer $seen")->{status}, 200, 'a token of the first key');
is(status_of($new), 401, 'not of the next');

replace(jwks($old, $new));
soon($new, 200, 'a second key is added');
is(status_of($old), 200, 'the first goes on');

replace(jwks($new));
soon($old, 401, 'the first key is taken away');
is(get($t, '/v1/forecasts/1d', Authorization => "Bearer $seen")->{status}, 401, 'also for a token seen before');
is(refusals(), 0, 'nothing was refused so far');

replace(substr(jwks($third), 0, -20));
refused_once(1, 'half a file');
replace('');
refused_once(2, 'an empty file');
unlink $file;
refused_once(3, 'no file');
mkdir $file;
refused_once(4, 'a folder');
rmdir $file;
wait_for { refusals() == 5 };
replace(jwks($third));
soon($third, 200, 'then a good one again');
is(status_of($new), 401, 'which is all that counts');
unlike(error_log($t), qr/\Q$third->{jwk}{k}\E|\Q$new->{jwk}{k}\E/, 'no secret is in the log');

# In place, in two halves: what is being written is not read.
my $text = jwks($new, $third);
open(my $handle, '>', $file) or die $!;
syswrite($handle, substr($text, 0, 50));
syswrite($handle, substr($text, 50));
close $handle;
soon($new, 200, 'a file that is written over');
is(refusals(), 5, 'without a word about its first half');

utime 1, 1, $file;
spew("$file.x", jwks($old));
utime 1, 1, "$file.x";
rename "$file.x", $file;
soon($old, 200, 'another file of the same age');

my @workers = workers_of($t);
kill 'HUP', $t->{pid};
wait_for { my @now = workers_of($t); @now == 1 && $now[0] != $workers[0] };
is(status_of($old), 200, 'a reload reads the same');
replace('{');
kill 'HUP', $t->{pid};
ok(wait_for(sub { error_log($t) =~ /\[emerg\].*key file "\Q$file\E" cannot be used/ }), 'a reload with a broken file is refused');
is(status_of($old), 200, 'and what runs goes on');

expect_log(qr/\[emerg\].*key file "\Q$file\E" cannot be used/);
finish();
