# What was verified is remembered, by each worker, within bounds: and is never taken for more than it was.
use strict;
use warnings;

use BTCF;
use BTCF::Token;
use JSON::PP ();
use Test::More;
use Time::HiRes qw(time);

my $ENTRIES = 1000;    # rounded up to 1024
my $SANITIZED = $ENV{BTCF_NGINX} && !$ENV{BTCF_MODULE};
my $DISTINCT = over_h2() || $SANITIZED ? 5_000 : 100_000;    # they go over HTTP/1.1 in either case
my $BATCH = $SANITIZED ? 1 : 100;                            # the sanitizer has a word for how nginx reads pipelines
my $dir = temp_dir();
my ($secret, $other) = map { token_key('HS256', kid => 'h') } 1 .. 2;
my ($first, $second) = map { token_key('ES256', kid => 'e') } 1 .. 2;
spew("$dir/$_->[0].jwks", jwks($_->[1])) for ['secret', $secret], ['other', $other], ['first', $first], ['second', $second];
my $seg = segment();
forecast_docs($seg);
$seg->plans;
$seg->doc('/.well-known/jwks.json', class => 'static', fresh => jwks($first));
my $account = $seg->account(1);
$seg->live;
my $t = nginx(http => "btcf_token_cache $ENTRIES;", server => 'btcf_limit off; btcf_limit_failures off; keepalive_requests 1000000;',
    routes => <<"EOR");
    btcf_auth required;
    location /v1/ { btcf_jwks_file $dir/secret.jwks; btcf_document; add_header X-User \$btcf_user; }
    location = /v1/forecasts/1h { btcf_jwks_file $dir/other.jwks; btcf_document; }
    location = /v1/forecasts/4h { btcf_jwks_file $dir/secret.jwks audience=there leeway=0s; btcf_document; }
    location = /v1/forecasts/3d { btcf_token off; btcf_document; }
    location = /v1/forecasts/7d { btcf_jwks_file $dir/secret.jwks leeway=0s; btcf_document; }
    location = /metrics { btcf_auth off; btcf_metrics; }
EOR

sub status_of {
    my ($token, $path) = @_;
    return get($t, '/v1/forecasts/' . ($path || '1d'), Authorization => "Bearer $token")->{status};
}

sub metric {
    my ($name) = @_;
    my ($value) = get($t, '/metrics')->{body} =~ /^\Q$name\E (\d+)$/m;
    return $value;
}

sub looked_up { return metric(qq(btcf_token_lookups_total{outcome="$_[0]"})) }

sub foreign { my (%more) = @_; return {iss => 'i', sub => 'alice', exp => int(time) + 60, %more} }

subtest 'hits and misses' => sub {
    my $token = token($secret, foreign());
    my %before = map { $_ => looked_up($_) } qw(hit miss);
    is(status_of($token), 200, 'the first time') and is(status_of($token), 200, 'and again') for 1 .. 3;
    is(looked_up('miss') - $before{miss}, 1, 'it was verified once');
    is(looked_up('hit') - $before{hit}, 5, 'and found five times');
    my $hits = looked_up('hit');
    is(status_of("$token-"), 401, 'a token that begins like it');
    is(status_of(substr $token, 0, -1), 401, 'one that is a part of it');
    my ($signed) = token($secret, foreign(sub => 'mallory')) =~ /^(.*)\./;
    my ($signature) = $token =~ /([^.]*)$/;
    is(status_of("$signed.$signature"), 401, 'and one that ends like it, where the cache looks for it,');
    is(looked_up('hit'), $hits, 'are others');
    is(status_of($token), 200, 'and do not push it out') and is(looked_up('hit'), $hits + 1, 'of the cache');
};

subtest 'policies' => sub {
    my $token = token($secret, foreign());
    is(status_of($token), 200, 'verified in one location');
    is(status_of($token, '1h'), 401, 'it is not in another with other keys');
    is(status_of($token, '4h'), 401, 'nor where another audience is asked for');
    my $own = own_token($first, $account, '5e' x 16);
    is(status_of($own), 200, 'one of our own');
    is(status_of($own, '3d'), 401, 'is not where such are not accepted');
    is(status_of($own), 200, 'and still is where they are');
};

subtest 'time' => sub {
    my $token = token($secret, foreign(exp => int(time) + 2));
    is(status_of($token, '7d'), 200, 'a token of two seconds');
    my $begin = time;
    ok(wait_for(sub { status_of($token, '7d') == 401 }), 'expires in the cache');
    cmp_ok(time - $begin, '<', 3.2, 'in time');
    is(status_of($token), 200, 'where clocks may differ it goes on a little');
    my $early = token($secret, foreign(nbf => int(time) + 2));
    is(status_of($early, '7d'), 401, 'one that begins later');
    ok(wait_for(sub { status_of($early, '7d') == 200 }), 'does so');
};

# All through one connection: it is about the cache, not about connections.
sub ask_many {
    my ($from, $to) = @_;
    my $socket = raw_talk($t);
    my ($exp, $head) = (int(time) + 600, b64('{"alg":"HS256","kid":"h"}') . '.');
    my %statuses;
    for (my $at = $from; $at < $to; $at += $BATCH) {
        my $text = '';
        for my $n ($at .. $at + $BATCH - 1) {
            my $part = $head . b64(qq({"iss":"i","sub":"user-$n","exp":$exp}));
            $text .= "HEAD /v1/forecasts/1d HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer $part." . sign_text($secret, $part) . "\r\n\r\n";
        }
        syswrite($socket, $text);
        my ($buffer, $got) = ('', 0);
        while ($got < $BATCH) {
            sysread($socket, my $bytes, 65536) or last;
            $buffer .= $bytes;
            while ($buffer =~ s/^HTTP\/1\.1 (\d+)(.*?)\r\n\r\n//s) {
                my ($status, $headers) = ($1, $2);
                my ($user) = $headers =~ /X-User: (\S+)/;
                $statuses{defined $user && $user eq 'user-' . ($at + $got) ? $status : "$status of somebody else"}++;
                $got++;
            }
        }
    }
    return \%statuses;
}

subtest 'bounds' => sub {
    is_deeply(ask_many(0, 4 * $ENTRIES), {200 => 4 * $ENTRIES}, 'more tokens than entries: all good, each its own');
    my ($pid) = workers_of($t);
    my $before = rss_kb($pid);
    is_deeply(ask_many(4 * $ENTRIES, 4 * $ENTRIES + $DISTINCT), {200 => $DISTINCT}, "$DISTINCT more");
    cmp_ok(rss_kb($pid) - $before, '<', 300, 'take no more memory') if !$SANITIZED;
    cmp_ok(metric('btcf_token_evictions_total'), '>=', $DISTINCT - 1024, 'those that had to go were counted');
};

subtest 'a flood of others' => sub {
    my $token = token($secret, foreign());
    is(status_of($token), 200, 'a token that is used');
    my $hits = looked_up('hit');
    is(status_of(token($other, foreign(sub => "x$_"))), 401, 'forged ones get nowhere') for 1 .. 20;
    is(status_of($token), 200, 'it is used again');
    is(looked_up('hit') - $hits, 1, 'and was not pushed out by forged ones');
};

finish();
