# docs/DIRECTIVES.md and the module's command table name the same directives, in the same contexts, with the same arity.
use strict;
use warnings;

use BTCF;
use Test::More;

my $source = slurp(root_dir() . '/ngx_btcf_module/ngx_http_btcf_module.c');
my ($table) = $source =~ /ngx_command_t\s+ngx_http_btcf_commands\[\]\s*=\s*\{(.*?)ngx_null_command/s;
my %code;
while ($table =~ /ngx_string\("(\w+)"\),\s*([A-Z0-9_|\s]+),/g) {
    my ($name, $flags) = ($1, $2);
    my @contexts = map { $flags =~ /NGX_HTTP_$_->[0]_CONF/ ? $_->[1] : () } (['MAIN', 'http'], ['SRV', 'server'], ['LOC', 'location'],
        ['LMT', 'limit_except']);
    $code{$name} = join(', ', @contexts);
}

my %docs;
my $text = slurp(root_dir() . '/docs/DIRECTIVES.md');
for my $part (split /^### /m, $text) {
    my ($name) = $part =~ /^`?(btcf_\w+)`?\n/ or next;
    my ($context) = $part =~ /^\| context \| (.*?) \|$/m;
    $docs{$name} = $context;
    like($part, qr/^\| syntax \| `$name\b.*`/m, "$name: syntax");
    like($part, qr/^\| default \| .+ \|$/m, "$name: default");
    like($part, qr/\|\n\n\S.{40}/s, "$name: meaning");
}

ok(keys %code >= 10, 'the table was found');
is_deeply(\%docs, \%code, 'the same directives in the same contexts');

# variables too
my $variables = slurp(root_dir() . '/ngx_btcf_module/ngx_http_btcf_variable.c');
my @code = sort map { "\$$_" } $variables =~ /\{ ngx_string\("(btcf_\w+)"\)/g;
my @docs = sort $text =~ /^\| `(\$btcf_\w+)` \|/mg;
ok(@code >= 6, 'the variables were found');
is_deeply(\@docs, \@code, 'the same variables');

done_testing();
