# What upstreams are told of who asks: nothing that a client sends may come in its place, nothing of another request.
use strict;
use warnings;

use BTCF;
use IO::Socket::INET;
use Test::More;

# two upstreams that answer with what they were told
sub serve {
    my ($read) = @_;
    my $listener = IO::Socket::INET->new(LocalAddr => '127.0.0.1', Listen => 16, ReuseAddr => 1) or die $!;
    my $port = $listener->sockport;
    background {
        while (my $client = $listener->accept) {
            my $text = $read->($client);
            print {$client} "Status: 200 OK\r\n" if $text =~ /\0/;
            print {$client} "HTTP/1.0 200 OK\r\n" if $text !~ /\0/;
            print {$client} "Content-Type: text/plain\r\n\r\n", $text;
            close $client;
        }
    };
    close $listener;
    return $port;
}

my $scgi = serve(sub {
    my ($client) = @_;
    my ($text, $bytes) = ('');
    while ($text !~ /^(\d+):/ || length($text) < length($1) + 1 + $1) {
        sysread($client, $bytes, 65536) or return '';
        $text .= $bytes;
    }
    return $text =~ s/^\d+://r;
});
my $http = serve(sub {
    my ($client) = @_;
    my ($text, $bytes) = ('');
    while ($text !~ /\r\n\r\n/) {
        sysread($client, $bytes, 65536) or return '';
        $text .= $bytes;
    }
    return $text;
});

sub scgi_of {
    my @words = split /\0/, $_[0]{body}, -1;
    pop @words;    # what is behind the last zero
    return {@words};
}
sub http_of {
    my %told;
    while ($_[0]{body} =~ /^([^:\r]+): ?(.*)\r$/mg) { push @{$told{lc $1}}, $2 }
    return \%told;
}

my $seg = segment();
$seg->plans;
my $user = $seg->account(7, plan => 'professional');
my $other = $seg->account(8);
my $key = $seg->key(account => 7, scopes => ['history', 'read']);
my $second = $seg->key(account => 8);
$seg->live;
my $root = root_dir();
my $t = nginx(http => 'btcf_limit off;', server => qq(
    location /scgi { include $root/conf/scgi_params.btcf; scgi_pass 127.0.0.1:$scgi; btcf_auth optional; }
    location /scgi/off { include $root/conf/scgi_params.btcf; scgi_pass 127.0.0.1:$scgi; btcf_auth off; }
    location /http {
        proxy_pass http://127.0.0.1:$http; btcf_auth optional;
        proxy_set_header Btcf-User \$btcf_user;
        proxy_set_header Btcf-Plan \$btcf_plan;
        proxy_set_header X-API-Key "";
        proxy_set_header Authorization "";
    }
));

my @forged = ('Btcf-User' => 'forged', 'BTCF-PLAN' => 'forged', 'btcf-key' => 'forged', 'X-Btcf-User' => 'forged');
my @names = map { "BTCF_$_" } qw(AUTH USER KEY SESSION ISSUER PLAN SCOPES);

# the engine, by SCGI
my $told = scgi_of(get($t, '/scgi/a?b=c', 'X-API-Key' => $key, @forged, 'X-Request-Id' => 'r1'));
is_deeply([@$told{@names}], ['key', $user, substr($key, 10, 12), '', '', 'professional', 'read history'], 'who it is');
is($told->{BTCF_REQUEST_ID}, 'r1', '... and which request');
is($told->{REQUEST_URI}, '/scgi/a?b=c', '... and what is asked');
ok(!exists $told->{$_}, "... but no $_") for qw(HTTP_X_API_KEY HTTP_AUTHORIZATION);
unlike(join("\n", values %$told), qr/\Q$key\E/, '... so the key goes nowhere');
is(scalar(grep { $_ eq 'forged' } @$told{@names}), 0, '... and what the client claims is not believed');
$told = scgi_of(get($t, '/scgi/a', @forged));
is_deeply([@$told{@names}], ['guest', '', '', '', '', 'guest', 'read stream'], 'a guest who claims to be somebody');
$told = scgi_of(get($t, '/scgi/a', Authorization => "Bearer $key", @forged));
is($told->{BTCF_USER}, $user, 'a bearer');
ok(!exists $told->{HTTP_AUTHORIZATION}, '... whose header ends here');
$told = scgi_of(get($t, '/scgi/off', 'X-API-Key' => $key, @forged));
is_deeply([@$told{@names}], ['off', '', '', '', '', '', ''], 'nobody, where auth is off');

# a proxy
$told = http_of(get($t, '/http', 'X-API-Key' => $key, @forged));
is_deeply($told->{'btcf-user'}, [$user], 'a proxied service is told once who it is');
is_deeply($told->{'btcf-plan'}, ['professional'], '... and of what plan');
ok(!exists $told->{$_}, "... but no $_") for qw(x-api-key authorization);
$told = http_of(get($t, '/http', @forged));
ok(!exists $told->{'btcf-user'}, 'of a guest it is told nothing, whatever he claims');
is_deeply($told->{'btcf-plan'}, ['guest'], '... but that he is one');

# one connection, several users
my $socket = raw_talk($t);
my @seen;
for my $header ("X-API-Key: $key\r\n", '', "X-API-Key: $second\r\n", "Authorization: Basic dTpw\r\n", "X-API-Key: $key\r\n") {
    syswrite($socket, "GET /scgi/a HTTP/1.1\r\nHost: x\r\n$header\r\n");
    my ($res) = read_responses($socket, 'GET');
    push @seen, scgi_of($res)->{BTCF_USER};
}
is_deeply(\@seen, [$user, '', $other, '', $user], 'nothing is left over from the request before');

# they are there before the access phase, too
my $maps = nginx(http => q(
    map $btcf_user $who { default "known"; "" "unknown"; }
    limit_req_zone $btcf_user zone=z:1m rate=1r/m;
    ), server => q(
    btcf_limit off;
    location = /map { btcf_auth optional; if ($who = known) { return 200 "yes"; } return 200 "no"; }
    location = /zone { btcf_auth optional; limit_req zone=z; rewrite ^ /healthz break; btcf_health live; }
));
is(get($maps, '/map')->{body}, 'no', 'in a map, in the rewrite phase: a guest');
is(get($maps, '/map', 'X-API-Key' => $key)->{body}, 'yes', '... and somebody');
my @statuses = map { get($maps, '/zone', 'X-API-Key' => $_)->{status} } $key, $second, $key, $second;
is_deeply(\@statuses, [200, 200, 503, 503], "nginx's own limit_req, by user");
is(get($maps, '/zone')->{status}, 200, '... does not count guests');

finish();
