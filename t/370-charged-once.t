# However often a request is sent on within nginx it is charged once, and told once what is left.
use strict;
use warnings;

use BTCF;
use Test::More;

my $seg = segment();
forecast_docs($seg);
$seg->plan('tiny', rate => 0.001, burst => 100, scopes => ['read']);
$seg->plan('nothing', rate => 0.001, burst => 1, scopes => ['read']);
$seg->account(7, plan => 'tiny');
$seg->account(8, plan => 'nothing');
my $key = $seg->key(account => 7);
my $poor = $seg->key(account => 8);
$seg->live;
my $doc = 'rewrite ^ /v1/forecasts/1d break; btcf_document;';
my $t = nginx(routes => qq(
    btcf_auth required;
    location = /direct { $doc }
    location = /rewritten { rewrite ^ /direct last; }
    location = /tried { try_files /nonexistent /direct; }
    location = /named { error_page 418 = \@named; return 418; }
    location \@named { $doc }
    location = /missing { error_page 404 /page; btcf_document; }
    location = /missing/twice { error_page 404 = /tried; btcf_document; }
    location = /page { $doc }
    location = /limited { error_page 429 /page; $doc }
    location = /limited/named { error_page 429 \@named; $doc }
    location = /variable { set \$early "\$btcf_user\$btcf_plan\$btcf_limit_status"; $doc }
));

my @once = ('x-ratelimit-limit', 'x-ratelimit-remaining', 'x-ratelimit-reset', 'ratelimit', 'ratelimit-policy', 'x-request-id');
my $left = 100;
for my $case (['/direct', 200], ['/rewritten', 200], ['/tried', 200], ['/named', 200], ['/variable', 200], ['/missing', 404],
    ['/missing/twice', 200], ['/direct', 200]) {
    my ($path, $status) = @$case;
    my $res = get($t, $path, 'X-API-Key' => $key);
    is($res->{status}, $status, "$path: $status");
    $left--;
    if ($status < 300) {    # what is left is not told on errors
        is($res->{headers}{'x-ratelimit-remaining'}, $left, '... one less is left');
        is_deeply($res->{all}{$_}, [$res->{headers}{$_}], "... and one $_") for @once;
    }
}

is(get($t, '/direct', 'X-API-Key' => $poor)->{status}, 200, 'the only one that this plan has');
for my $path ('/limited', '/limited/named') {
    my $res = get($t, $path, 'X-API-Key' => $poor);
    is($res->{status}, 429, "$path: a refusal, with a page that is limited as well");
    is(json($res->{body})->{horizon}, '1d', '... which is sent');
    is_deeply($res->{all}{$_}, [$res->{headers}{$_}], "... with one $_") for @once, 'retry-after';
}

finish();
