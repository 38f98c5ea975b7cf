# Subrequests: never authenticated by themselves, never a way around the check.
use strict;
use warnings;

use BTCF;
use Test::More;

my $seg = segment();
forecast_docs($seg);
$seg->plans;
my $user = $seg->account(7);
my $key = $seg->key(account => 7);
my $test_key = $seg->key(account => 7, test => 1);
$seg->doc('/sandbox/v1/forecasts/1d', class => 'forecast', fresh => '{"sandbox":"1d"}');
$seg->live;
my $dir = temp_dir();
mkdir "$dir/www";
spew("$dir/www/page.html", 'a<!--#include virtual="/guarded" -->b<!--#include virtual="/shared" -->c<!--#echo var="btcf_user" -->d');
my $doc = 'rewrite ^ /v1/forecasts/1d break; btcf_document;';
my $t = nginx(server => qq(
    location = /guarded { $doc btcf_auth required; }
    location = /shared { $doc btcf_auth required; btcf_subrequests on; }
    location = /page.html { root $dir/www; ssi on; btcf_auth optional; }
    location = /asks { auth_request /shared; btcf_health live; }
    location = /asks/guarded { auth_request /guarded; btcf_health live; }
    location = /mirrors { mirror /guarded; btcf_health live; }
));

is(get($t, '/guarded')->{status}, 401, 'asked for directly: 401');
is(get($t, '/shared')->{status}, 401, '... also where subrequests are allowed');

my $res = get($t, '/page.html');
like($res->{body}, qr/^a.*b\{.*"horizon":"1d".*\}c\(none\)d$/s, 'an include gets what subrequests may have, of a guest');
unlike($res->{body}, qr/^a\{"id"/, '... and nothing more');
$res = get($t, '/page.html', 'X-API-Key' => $key);
like($res->{body}, qr/b\{.*"horizon":"1d".*\}c${user}d$/s, '... of a user');
$res = get($t, '/page.html', 'X-API-Key' => $test_key);
like($res->{body}, qr/b\{"sandbox":"1d"\}c${user}d$/s, '... of a test key, from the sandbox');
is(get($t, '/asks')->{status}, 200, 'auth_request to where subrequests are allowed');
is(get($t, '/asks/guarded', 'X-API-Key' => $key)->{status}, 403, '... and to where they are not, whoever asks');
is(get($t, '/mirrors')->{status}, 200, 'a mirror does no harm');

finish();
