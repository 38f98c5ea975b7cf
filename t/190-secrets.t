# What a client keeps secret does not get into logs or bodies, even when it is put where it does not belong.
use strict;
use warnings;

use BTCF;
use Test::More;

my $CANARY = 'c4n4ry';
my $seg = segment();
forecast_docs($seg);
$seg->live;
my $t = nginx(log_level => 'notice');

my $bodies = '';
for my $path ('/v1/forecasts/1d', "/v1/forecasts/1d?key=$CANARY", "/v1/forecasts?horizons=1d&token=$CANARY", "/nothing?$CANARY-x=1&a=$CANARY",
    "/v1/stream?ticket=$CANARY", "/v1/admin/x?$CANARY") {
    my $res = get($t, $path, 'Authorization' => "Bearer $CANARY", 'X-API-Key' => "btcf_live_$CANARY", Cookie => "s=$CANARY");
    $bodies .= $res->{body} . join(' ', %{$res->{headers}});
}
raw($t, "GET /nothing?x=$CANARY HTTP/1.1\r\nHost: x\r\nAuthorization: $CANARY\r\nConnection: close\r\n\r\n");
raw($t, "POST /v1/forecasts/1d HTTP/1.1\r\nHost: x\r\nContent-Length: 6\r\nConnection: close\r\n\r\n$CANARY");
wait_for { (access_log($t)) >= 8 };
stop_nginx($t);

cmp_ok(scalar(access_log($t)), '>=', 8, 'the requests were logged');
unlike(slurp("$t->{dir}/access.log"), qr/$CANARY/, 'the access log has no secret');
unlike(error_log($t), qr/$CANARY/, 'nor has the error log');
unlike($bodies =~ s/unknown query parameter \\"[^"]*\\"//gr, qr/$CANARY/, 'nor an answer');

finish();
