# /v1/forecasts?horizons= puts the list together from the horizons' documents, byte for byte.
use strict;
use warnings;

use BTCF;
use Test::More;

my $seg = segment();
my %doc;
sub publish {
    my ($horizon, %fields) = @_;
    $doc{$horizon} = qq({"horizon":"$horizon","stale":false});
    (my $stale = $doc{$horizon}) =~ s/false/true/;
    $seg->doc("/v1/forecasts/$horizon", class => 'forecast', fresh => $doc{$horizon}, stale => $stale,
        stale_in => 60_000, expires_in => 90_000, %fields);
}
publish('1h', stale_in => 30_500);
publish('4h', stale_in => -1000);
publish('1d', etag => 9);
publish('7d', stale_in => -2000, expires_in => -1000);
$seg->doc('/v1/forecasts', class => 'forecast', fresh => '{"forecasts":["the list itself"]}', stale_in => 60_000, expires_in => 90_000);
$seg->live;
my $t = nginx();

sub list { return '{"forecasts":[' . join(',', @_) . ']}' }
(my $stale4 = $doc{'4h'}) =~ s/false/true/;

my $res = get($t, '/v1/forecasts');
is($res->{body}, '{"forecasts":["the list itself"]}', 'without a choice, the published list');
$res = get($t, '/v1/forecasts?horizons=1h');
is($res->{body}, list($doc{'1h'}), 'one');
is($res->{headers}{'content-type'}, 'application/json', '... type');
is_deeply($res->{all}{vary}, ['Authorization, X-API-Key, Accept-Encoding'], '... Vary');
like($res->{headers}{'cache-control'}, qr/^public, max-age=(2\d|30)$/, '... kept as long as its part');
is(get($t, '/v1/forecasts?horizons=1d,1h')->{body}, list($doc{'1d'}, $doc{'1h'}), 'two, in the order asked for');
is(get($t, '/v1/forecasts?horizons=1d%2C1h')->{body}, list($doc{'1d'}, $doc{'1h'}), 'an escaped comma');
is(get($t, '/v1/forecasts?horizons=1d&horizons=1h')->{body}, list($doc{'1d'}, $doc{'1h'}), 'the parameter twice');
$res = get($t, '/v1/forecasts?horizons=1h,4h');
is($res->{body}, list($doc{'1h'}, $stale4), 'each in the variant that is true now');
is($res->{headers}{'cache-control'}, 'public, max-age=0', '... kept no longer than its stalest part');
is(get($t, '/v1/forecasts?horizons=7d,1h')->{body}, list($doc{'1h'}), 'what has expired is left out');
is(get($t, '/v1/forecasts?horizons=30d,1h')->{body}, list($doc{'1h'}), '... and what is not there yet');
$res = get($t, '/v1/forecasts?horizons=7d');
is($res->{status}, 503, 'nothing left');
is(json($res->{body})->{code}, 'forecast-expired', '... because it expired');
$res = get($t, '/v1/forecasts?horizons=30d');
is($res->{status}, 503, 'nothing there yet');
is(json($res->{body})->{code}, 'no-data', '... because it has not come');
is(get($t, '/v1/forecasts?horizons=1d', 'Accept-Encoding' => 'gzip')->{body}, list($doc{'1d'}), 'a selection is not compressed');

for my $bad ('1x', '', '1d,', ',1d', '1d,1d', '1d,4h,1d', '1D', ' 1d', '1d%00', '1h%2C%2C1d') {
    $res = get($t, "/v1/forecasts?horizons=" . ($bad =~ s/ /%20/r));
    is($res->{status}, 400, "horizons=$bad is refused");
    is(json($res->{body})->{code}, 'invalid-parameter', '... as an invalid parameter');
}
like(json(get($t, '/v1/forecasts?horizons=1d,2d')->{body})->{detail}, qr/it does not take "2d"$/, 'the stranger is named');

my $all = join ',', qw(1h 4h 12h 1d 3d 7d 14d 30d);
publish($_, expires_in => 90_000, stale_in => 60_000) for qw(1h 4h 12h 1d 3d 7d 14d 30d);
is(get($t, "/v1/forecasts?horizons=$all")->{body}, list(@doc{split /,/, $all}), 'all of them by name');

# the list expires when its shortest horizon does: what has not is still served
$seg->doc('/v1/forecasts', class => 'forecast', fresh => 'x', stale_in => -2000, expires_in => -1000);
publish('1h', stale_in => -2000, expires_in => -1000);
is(get($t, '/v1/forecasts')->{body}, list(@doc{qw(4h 12h 1d 3d 7d 14d 30d)}), 'an expired list is put together again');
publish($_, stale_in => -2000, expires_in => -1000) for qw(4h 12h 1d 3d 7d 14d 30d);
$res = get($t, '/v1/forecasts');
is($res->{status}, 503, 'all expired');
is(json($res->{body})->{code}, 'forecast-expired', '... its code');

finish();
