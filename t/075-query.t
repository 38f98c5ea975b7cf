# Questions to a published curve: probability and risk, answered by the worker.
use strict;
use warnings;

use BTCF;
use Test::More;

# levels of a curve that is symmetric in log price about 100: easy to check by hand
my @levels = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99);
my @logs = (-0.10, -0.06, -0.02, 0, 0.02, 0.06, 0.10);
my %life = (stale_in => 60_000, expires_in => 90_000);

my $seg = segment();

sub publish {
    my ($key, %fields) = @_;
    my %both = (%life, map { $_ => delete $fields{$_} } grep { exists $fields{$_} } qw(stale_in expires_in));
    $seg->doc($key, class => 'forecast', fresh => '{}', stale => '{"stale":true}', %both, cost => delete $fields{cost} || 1);
    $seg->curve($key, levels => \@levels, prices => [map { 100 * exp($_) } @logs], origin_price => 100, %both, %fields);
}
publish('/v1/forecasts/1d');
publish('/v1/forecasts/1h', stale_in => -1000, baseline => BTCF::Segment::truth(1), degraded => BTCF::Segment::truth(1));
publish('/v1/forecasts/7d', stale_in => -2000, expires_in => -1000);
$seg->doc('/v1/forecasts/4h', class => 'forecast', fresh => '{}', %life);
$seg->live;
my $t = nginx();

sub ask { my ($path) = @_; my $res = get($t, "/v1/forecasts/$path"); return ($res, $res->{status} == 200 ? json($res->{body}) : {}) }
sub near { my ($value, $expected, $name) = @_; ok(abs($value - $expected) < 1e-6, $name) or diag("$value, not $expected") }
sub answer { my ($path) = @_; my ($res, $body) = ask($path); is($res->{status}, 200, $path); return $body }

# ---- probability

my ($res, $body) = ask('1d/probability?above=100');
is($res->{status}, 200, 'a question is answered');
near($body->{probability}, 0.5, '... at the median by one half');
is($body->{above}, 100, '... which it repeats');
is($body->{horizon}, '1d', '... horizon');
is($body->{issued_at}, '2025-03-31T00:00:00Z', '... issued at');
is($body->{target_at}, '2025-04-01T00:00:00Z', '... target');
is($body->{origin_price}, 100, '... origin price');
ok(!$body->{tail} && !$body->{stale} && !$body->{degraded}, '... neither tail, stale nor degraded');
is($body->{method}, 'ensemble', '... method');
is($res->{headers}{'content-type'}, 'application/json', '... type');
like($res->{headers}{'cache-control'}, qr/^public, max-age=(5\d|60)$/, '... kept as long as the forecast is good');
is_deeply($res->{all}{vary}, ['Authorization, X-API-Key, Accept-Encoding'], '... Vary');

near(answer('1d/probability?below=' . sprintf('%.12g', 100 * exp(-0.02)))->{probability}, 0.25, 'a level');
near(answer('1d/probability?below=' . sprintf('%.12g', 100 * exp(0.01)))->{probability}, 0.625, 'between two levels: linear in log price');
near(answer('1d/probability?between=' . sprintf('%.12g,%.12g', 100 * exp(-0.02), 100 * exp(0.06)))->{probability}, 0.70, 'between two prices');
near(answer('1d/probability?between=90%2C110')->{probability},
    answer('1d/probability?below=110')->{probability} - answer('1d/probability?below=90')->{probability}, '... is the difference; an escaped comma');
near(answer('1d/probability?above=97')->{probability} + answer('1d/probability?below=97')->{probability}, 1, 'above and below are all');

my $scale = 0.04 / log(5);
$body = answer('1d/probability?below=' . sprintf('%.12g', 100 * exp(-0.15)));
near($body->{probability}, 0.01 * exp(-0.05 / $scale), 'beyond the lowest level: the tail rule');
ok($body->{tail}, '... and it says so');
ok(answer('1d/probability?above=1000000000000')->{probability} >= 0, 'a price beyond reason has a probability');
ok(answer('1d/probability?below=0.00000001')->{probability} >= 0, '... and one next to nothing');

($res, $body) = ask('1h/probability?above=100');
ok($body->{stale} && $body->{degraded}, 'a stale forecast answers as stale, a degraded one as degraded');
is($body->{method}, 'baseline', '... and who made it');
is($res->{headers}{'cache-control'}, 'public, max-age=0', '... and is not kept');

publish('/v1/forecasts/12h', model => BTCF::Segment::truth(1));
is(answer('12h/risk')->{method}, 'model', 'a single model says so');

# ---- risk

$body = answer('1d/risk?level=0.95&side=long');
near($body->{price}, sprintf('%.2f', 100 * exp(-0.06)), 'the price at risk is the quantile');
near($body->{value_at_risk}, sprintf('%.2f', 100 - 100 * exp(-0.06)), 'value at risk');
# E[P; P <= Q(.05)]: the tail below 1 %, and the stretch from 1 % to 5 %
my $below = 0.01 * 100 * exp(-0.10) / (1 + $scale) + 0.04 * 100 * (exp(-0.06) - exp(-0.10)) / 0.04;
near($body->{expected_shortfall_share}, sprintf('%.6f', 1 - $below / 0.05 / 100), 'expected shortfall against the integral');
ok($body->{expected_shortfall} > $body->{value_at_risk}, '... is more than the value at risk');
ok(!$body->{tail}, '... not in the tail');

$body = answer('1d/risk?side=short&level=0.95');
near($body->{value_at_risk}, sprintf('%.2f', 100 * exp(0.06) - 100), 'short: value at risk');
my $above = 0.01 * 100 * exp(0.10) / (1 - $scale) + 0.04 * 100 * (exp(0.10) - exp(0.06)) / 0.04;
near($body->{expected_shortfall_share}, sprintf('%.6f', $above / 0.05 / 100 - 1), '... and expected shortfall');

$body = answer('1d/risk');
is("$body->{level} $body->{side}", '0.99 long', 'the usual question');
ok(answer('1d/risk?level=0.9999')->{tail}, 'a level beyond the last one is in the tail');
is(answer('1d/risk?level=0.5')->{price}, 100, 'the median');

# ---- what is refused

for my $case (['1d/probability', 'missing-parameter'], ['1d/probability?above=1&below=2', 'missing-parameter'],
    ['1d/probability?above=', 'invalid-parameter'], ['1d/probability?above', 'invalid-parameter'],
    ['1d/probability?above=1&above=2', 'invalid-parameter'], ['1d/probability?between=1', 'invalid-parameter'],
    ['1d/probability?between=2,1', 'invalid-parameter'], ['1d/probability?between=1,1', 'invalid-parameter'],
    ['1d/probability?between=1,2,3', 'invalid-parameter'], ['1d/probability?x=1', 'unknown-parameter'],
    ['1d/probability?level=0.9', 'unknown-parameter'], ['1d/risk?above=1', 'unknown-parameter'],
    ['1d/risk?side=up', 'invalid-parameter'], ['1d/risk?side=', 'invalid-parameter'], ['1d/risk?level=0.4', 'invalid-parameter'],
    ['1d/risk?level=1', 'invalid-parameter'], ['1d/risk?level=0.99995', 'invalid-parameter'], ['1d/risk?level=abc', 'invalid-parameter'],
    ['1d/risk?level=0.9&level=0.9', 'invalid-parameter'],
    map { ["1d/probability?above=$_", 'invalid-parameter'] } qw(0 -1 +1 1e5 1. .5 1..2 0x10 nan inf 007 1000000000001 1%00 1%202),
    '1' x 21, '99999999999999999999') {
    my ($path, $code) = @$case;
    $res = get($t, "/v1/forecasts/$path");
    is($res->{status}, 400, "$path is refused");
    is(json($res->{body})->{code}, $code, "... $code");
}
like(json(get($t, '/v1/forecasts/1d/probability?above=1e5')->{body})->{detail}, qr/it is not "1e5"$/, 'what is wrong is named');

for my $path (qw(2d/risk 1d/ 1d/prob 1d/riskx 1d/risk/ 1d1/risk /risk 14/risk)) {
    is(get($t, "/v1/forecasts/$path")->{status}, 404, "$path is nothing");
}
is(request($t, POST => '/v1/forecasts/1d/risk')->{status}, 405, 'POST is not for questions');
is(head_of($t, '/v1/forecasts/1d/risk')->{status}, 200, 'HEAD is');
$res = get($t, '/v1/forecasts/7d/risk');
is("$res->{status} " . json($res->{body})->{code}, '503 forecast-expired', 'an expired forecast answers no questions');
for my $path ('4h/risk', '30d/risk') {
    $res = get($t, "/v1/forecasts/$path");
    is("$res->{status} " . json($res->{body})->{code}, '503 no-data', "$path: no curve yet");
}

# ---- revalidation, and what changes the tag

$res = get($t, '/v1/forecasts/1d/risk?level=0.99');
my $tag = $res->{headers}{etag};
is(get($t, '/v1/forecasts/1d/risk?level=0.99', 'If-None-Match' => $tag)->{status}, 304, 'an answer revalidates');
isnt(get($t, '/v1/forecasts/1d/risk?level=0.98')->{headers}{etag}, $tag, 'another question is another tag');
publish('/v1/forecasts/1d', origin_price => 101);
is(get($t, '/v1/forecasts/1d/risk?level=0.99', 'If-None-Match' => $tag)->{status}, 200, 'a new curve is another answer');

# ---- the curve outlives its publisher

$seg->kill;
is(get($t, '/v1/forecasts/1d/risk')->{status}, 200, 'without a publisher the last curve answers');

finish();
