# Subrequests skip nginx's access checks, so they get nothing unless the operator says so.
use strict;
use warnings;

use BTCF;
use Test::More;

my $seg = segment();
forecast_docs($seg);
$seg->live;
my $dir = temp_dir();
mkdir "$dir/www";
spew("$dir/www/page.html", 'before <!--#include virtual="/v1/forecasts/1d" --> between <!--#include virtual="/open" --> after');
my $t = nginx(server => qq(
    location /page.html { root $dir/www; ssi on; }
    location = /open { rewrite ^ /v1/forecasts/1h break; btcf_document; btcf_subrequests on; }
    location /guarded { auth_request /v1/forecasts/1d; return_placeholder }
    location /mirrored { mirror /v1/forecasts/1d; btcf_health live; }
) =~ s/return_placeholder/btcf_health live;/r);

my $res = get($t, '/page.html');
is($res->{status}, 200, 'the page is served');
unlike($res->{body}, qr/"horizon":"1d"/, 'an include gets no document');
like($res->{body}, qr/"horizon":"1h"/, '... unless subrequests are allowed there');
like($res->{body}, qr/before .* between .* after/s, '... and the page is whole');
is(get($t, '/guarded')->{status}, 403, 'auth_request is told no');
is(get($t, '/mirrored')->{status}, 200, 'a mirror does no harm');
is(get($t, '/v1/forecasts/1d')->{status}, 200, 'the document itself is open');

finish();
