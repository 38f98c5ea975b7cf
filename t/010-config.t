# What the configuration accepts and refuses, with the message, and that testing it leaves no trace.
use strict;
use warnings;

use BTCF;
use Test::More;

my @cases = (
    ['the shipped files', {}, 0, qr/test is successful/],
    ['no module directive at all', {routes => 'location / { return 204; }'}, 0, qr/successful/],
    ['btcf_document expected', {routes => 'location / { btcf_document expected; }'}, 0, qr/successful/],
    ['btcf_document with a stranger', {routes => 'location / { btcf_document other; }'}, 1, qr/invalid parameter "other"/],
    ['btcf_document outside of a location', {server => 'btcf_document;'}, 1, qr/"btcf_document" directive is not allowed here/],
    ['two handlers in a location', {routes => 'location / { btcf_document; btcf_metrics; }'}, 1,
        qr/"btcf_metrics" directive conflicts with another handler/],
    ['the same handler twice', {routes => 'location / { btcf_health live; btcf_health ready; }'}, 1, qr/conflicts/],
    ['btcf_health without an argument', {routes => 'location / { btcf_health; }'}, 1, qr/invalid number of arguments/],
    ['btcf_health with a stranger', {routes => 'location / { btcf_health dead; }'}, 1, qr/invalid parameter "dead"/],
    ['btcf_forecasts with an argument', {routes => 'location / { btcf_forecasts x; }'}, 1, qr/invalid number of arguments/],
    ['btcf_stale with a stranger', {server => 'btcf_stale never;'}, 1, qr/invalid value "never"/],
    ['btcf_stale twice', {server => 'btcf_stale serve; btcf_stale error;'}, 1, qr/"btcf_stale" directive is duplicate/],
    ['btcf_route with a stranger', {server => 'btcf_route nowhere;'}, 1, qr/invalid value "nowhere"/],
    ['btcf_problem that is no flag', {server => 'btcf_problem maybe;'}, 1, qr/it must be "on" or "off"/],
    ['btcf_subrequests that is no flag', {server => 'btcf_subrequests 1;'}, 1, qr/it must be "on" or "off"/],
    ['btcf_shm_dir in a server', {server => 'btcf_shm_dir /x;'}, 1, qr/"btcf_shm_dir" directive is not allowed here/],
    ['btcf_shm_dir twice', {http => 'btcf_shm_dir /x;'}, 1, qr/"btcf_shm_dir" directive is duplicate/],
    ['a folder that does not exist', {shm => temp_dir() . '/nowhere'}, 0, qr/successful/],
);

for my $case (@cases) {
    my ($name, $options, $status, $message) = @$case;
    my ($got, $out) = config_fails(%$options);
    is($got, $status, "$name: " . ($status ? 'refused' : 'accepted')) or diag($out);
    like($out, $message, '... and says so');
}

ok(!-e temp_dir() . '/shm/edge.v1', 'nginx -t does not create edge');

# flags and choices are inherited, and a location may differ
my $seg = segment();
$seg->doc('/v1/a', fresh => '{"stale":false}', stale => '{"stale":true}', stale_in => -1000, expires_in => 60_000);
$seg->live;
my $t = nginx(
    http => 'btcf_stale error;',
    routes => 'location /v1/ { btcf_document; }
        location /v1/b/ { btcf_stale serve; location ~ ^/v1/b/c$ { rewrite ^ /v1/a break; btcf_document; } }
        location /plain/ { btcf_problem off; location /plain/again { btcf_problem on; return 404; } return 404; }
        location /anonymous { btcf_request_id off; return 404; }',
);
is(get($t, '/v1/a')->{status}, 503, 'inherited from http');
is(get($t, '/v1/b/c')->{status}, 200, 'inherited from the location around it');
like(get($t, '/plain/x')->{headers}{'content-type'}, qr{^text/html}, 'problem off');
is(get($t, '/plain/again')->{headers}{'content-type'}, 'application/problem+json', '... and on again inside');
my $res = get($t, '/anonymous');
ok(!exists $res->{headers}{'x-request-id'}, 'no request id where it is off');
like(json($res->{body})->{request_id}, qr/^[0-9a-f]{32}$/, '... but a problem names it all the same');
ok(-e temp_dir() . '/shm/edge.v1', 'a running nginx has created edge');

finish();
