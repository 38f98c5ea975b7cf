# Internal redirects and other modules' headers: one id, one of each header, and the log knows what was served.
use strict;
use warnings;

use BTCF;
use Test::More;

my $seg = segment();
forecast_docs($seg);
$seg->doc('/v1/old', class => 'forecast', fresh => '{}', stale_in => -2, expires_in => -1);
$seg->live;
my $t = nginx(server => q(
    add_header X-Extra yes always;
    location = /v1/old { btcf_document; error_page 503 @fallback; }
    location @fallback { btcf_problem off; default_type application/json; return 503 '{"fallback":true}'; }
    location = /again { error_page 404 = /v1/forecasts/1d; return 404; }
    location = /named { error_page 418 = @doc; return 418; }
    location @doc { rewrite ^ /v1/forecasts/1h break; btcf_document; }
    location = /try { try_files /nonexistent /v1/forecasts/4h; }
    location = /twice { error_page 404 /nothing/again; return 404; }
));

my $res = get($t, '/v1/old', 'X-Request-Id' => 'r1');
is($res->{status}, 503, 'error_page wins');
is($res->{body}, '{"fallback":true}', '... with its own body');
is_deeply($res->{all}{'x-request-id'}, ['r1'], '... and one id');
is_deeply($res->{all}{'x-extra'}, ['yes'], '... and add_header once');

$res = get($t, '/again', 'X-Request-Id' => 'r2');
is($res->{status}, 200, 'an error page that is a document');
is(json($res->{body})->{horizon}, '1d', '... that one');
is_deeply($res->{all}{$_}, [$res->{headers}{$_}], "... one $_") for qw(etag vary cache-control x-request-id last-modified);

$res = get($t, '/named', 'X-Request-Id' => 'r3');
is(json($res->{body})->{horizon}, '1h', 'through a named location');
$res = get($t, '/try', 'X-Request-Id' => 'r4');
is(json($res->{body})->{horizon}, '4h', 'through try_files');
$res = get($t, '/twice', 'X-Request-Id' => 'r5');
is($res->{status}, 404, 'an error page that is missing');
is(json($res->{body})->{code}, 'not-found', '... is a problem after all');
is_deeply($res->{all}{'cache-control'}, ['no-store'], '... once');
is_deeply($res->{all}{'x-request-id'}, ['r5'], '... with one id');

my %line;
wait_for { %line = map { $_->{request_id} => $_ } access_log($t); exists $line{r5} };
is($line{r1}{doc}, 'expired', 'the log knows what was refused before the redirect');
is($line{r1}{route}, 'forecast', '... and its route');
is($line{r2}{doc}, 'fresh', '... what was served after one');
like($line{r3}{generation}, qr/^\d+$/, '... its generation');
is($line{r5}{problem}, 'not-found', '... and the problem');

# the counters too: each of these was one request
my ($n) = get($t, '/metrics')->{body} =~ /^btcf_http_requests_total\{route="forecast",code="200"\} (\d+)$/m;
is($n, 3, 'counted once each');

finish();
