# btcf_auth beside nginx's own access checks: satisfy, allow and deny, auth_basic, limit_except.
use strict;
use warnings;

use BTCF;
use Test::More;

my $seg = segment();
forecast_docs($seg);
$seg->plans;
$seg->account(7);
my $key = $seg->key(account => 7);
my $narrow = $seg->key(account => 7, scopes => ['stream']);
my $wrong = BTCF::Segment::make_key(0);
$seg->doc($_, fresh => '{}') for '/except', '/except/off', '/if';    # limit_except inherits no rewrite
$seg->live;
my $dir = temp_dir();
spew("$dir/passwords", "u:{PLAIN}p\n");
my $basic = "auth_basic ours; auth_basic_user_file $dir/passwords;";
my $doc = 'rewrite ^ /v1/forecasts/1d break; btcf_document; btcf_auth required;';
my $t = nginx(server => qq(
    set_real_ip_from 127.0.0.1; real_ip_header X-Real-IP;
    location = /any/address { $doc satisfy any; allow 10.0.0.0/8; deny all; }
    location = /any/password { $doc satisfy any; $basic }
    location = /any/both { $doc satisfy any; $basic allow 10.0.0.0/8; deny all; }
    location = /any/guest { $doc btcf_auth optional; satisfy any; allow 10.0.0.0/8; deny all; }
    location = /any/guest/password { $doc btcf_auth optional; satisfy any; $basic }
    location = /any/scope { $doc btcf_require_scope history; satisfy any; allow 10.0.0.0/8; deny all; }
    location = /all/address { $doc satisfy all; allow 10.0.0.0/8; deny all; }
    location = /all/password { $doc $basic }
    location = /except { btcf_document; limit_except POST { btcf_auth required; } }
    location = /except/off { btcf_document; btcf_auth required; limit_except POST { btcf_auth off; } }
    location = /if { btcf_document; btcf_auth required; if (\$arg_never) { set \$x 1; } if (\$request_method) { set \$x 1; } }
    location = /delayed { $doc auth_delay 100ms; }
) =~ s/btcf_auth required;(?= btcf_auth)//gr);

my @inside = ('X-Real-IP' => '10.1.1.1');
my @key = ('X-API-Key' => $key);
my @password = (Authorization => 'Basic dTpw');
my @cases = (    # path, headers, status, challenges
    ['/any/address', [], 401, 1], ['/any/address', [@key], 200, 0], ['/any/address', [@inside], 200, 0],
    ['/any/address', [@inside, @key], 200, 0], ['/any/address', ['X-API-Key' => $wrong], 401, 1],
    ['/any/address', [@inside, 'X-API-Key' => $wrong], 200, 0], ['/any/address', [@key, Authorization => "Bearer $key"], 400, 0],
    ['/any/password', [], 401, 2], ['/any/password', [@key], 200, 0], ['/any/password', [@password], 200, 0],
    ['/any/password', [Authorization => 'Basic dTpx'], 401, 2], ['/any/password', [Authorization => "Bearer $key"], 200, 0],
    ['/any/both', [], 401, 2], ['/any/both', [@inside], 200, 0], ['/any/both', [@password], 200, 0], ['/any/both', [@key], 200, 0],
    ['/any/guest', [], 403, 0], ['/any/guest', [@key], 200, 0], ['/any/guest', [@inside], 200, 0],
    ['/any/guest/password', [], 401, 1], ['/any/guest/password', [@key], 200, 0], ['/any/guest/password', [@password], 200, 0],
    ['/any/scope', ['X-API-Key' => $narrow], 403, 0], ['/any/scope', [@key], 200, 0],
    ['/any/scope', ['X-API-Key' => $narrow, @inside], 200, 0],
    ['/all/address', [@key], 403, 0], ['/all/address', [@inside], 401, 1], ['/all/address', [@inside, @key], 200, 0],
    ['/all/password', [@key], 401, 1], ['/all/password', [@password], 401, 1], ['/all/password', [@password, @key], 200, 0],
    ['/except', [], 401, 1], ['/except', [@key], 200, 0], ['/except/off', [], 200, 0],
    ['/if', [], 401, 1], ['/if', [@key], 200, 0],
    ['/delayed', [], 401, 1], ['/delayed', [@key], 200, 0],
);
for my $case (@cases) {
    my ($path, $headers, $status, $challenges) = @$case;
    my $res = get($t, $path, @$headers);
    my %named = (@$headers);
    my $name = "$path with " . (join(' and ', sort keys %named) || 'nothing');
    is($res->{status}, $status, "$name: $status");
    is(scalar(@{$res->{all}{'www-authenticate'} || []}), $challenges, "... and $challenges challenges");
}
is(request($t, 'POST', '/except')->{status}, 405, 'limit_except: other methods are not asked');
is(request($t, 'POST', '/except/off')->{status}, 401, '... or they alone are');

# which one let the request in
my %log;
get($t, '/any/address', @inside, 'X-Request-Id' => 'let-in');
wait_for { %log = map { $_->{request_id} => $_ } access_log($t); exists $log{'let-in'} };
is($log{'let-in'}{auth}, 'missing', 'the log says that it was no credential');
is($log{'let-in'}{problem}, '', '... and that nobody was told of a problem');
is($log{'let-in'}{status}, 200, '... since there was none');

finish();
