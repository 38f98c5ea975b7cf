#!/usr/bin/perl
# The program as a person meets it: help, version, mistakes, and the settings. Runs BUILD/btcf (BUILD=, default build).
use strict;
use warnings;
use Cwd qw(abs_path);
use File::Basename qw(dirname);
use File::Temp qw(tempdir);
use IPC::Open3 qw(open3);
use Symbol qw(gensym);
use Test::More;

my $root = abs_path(dirname(__FILE__) . '/../../..');
my $build = $ENV{BUILD} // 'build';
my $program = ($build =~ m{^/} ? $build : "$root/$build") . '/btcf';
my $dir = tempdir(CLEANUP => 1);
delete $ENV{$_} for grep { /^BTCF_/ } keys %ENV;
chdir $dir or die "$dir: $!\n";

# Exit status, standard output and standard error. Both are small enough for a pipe.
sub btcf {
    my (@arguments) = @_;
    my $error = gensym;
    my $pid = open3(my $in, my $out, $error, $program, @arguments);
    close $in;
    local $/;
    my ($said, $complained) = (scalar <$out>, scalar <$error>);
    waitpid $pid, 0;
    is($? & 127, 0, "btcf @arguments does not crash");
    return ($? >> 8, $said // '', $complained // '');
}

sub answers {
    my ($name, $arguments, $status, $out, $error) = @_;
    subtest $name => sub {
        my ($got, $said, $complained) = btcf(@$arguments);
        is($got, $status, 'exit status');
        like($said, $out, 'standard output');
        like($complained, $error, 'standard error');
    };
    return;
}

my $nothing = qr/\A\z/;
answers('no command is a mistake that shows the list', [], 2, $nothing, qr/^usage: btcf.*^  config /ms);
answers('help is no mistake', ['help'], 0, qr/^  config +check or print/m, $nothing);
answers('a command has a manual', ['help', 'config'], 0, qr/^usage: btcf config/, $nothing);
answers('so has --help behind it', ['config', '--help'], 0, qr/^usage: btcf config/, $nothing);
answers('and behind what it is to do', ['config', 'check', '--help'], 0, qr/^usage: btcf config/, $nothing);
answers('the version', ['version'], 0, qr/\Abtcf \d+\.\d+\.\d+\n\z/, $nothing);
answers('a mistyped command', ['confg'], 2, $nothing, qr/no command "confg"; did you mean "config"\?/);
answers('an unknown command', ['xyzzy'], 2, $nothing, qr/no command "xyzzy"; `btcf help` lists them/);
answers('help for an unknown command', ['help', 'confg'], 2, $nothing, qr/did you mean "config"/);

answers('right settings', ['config', 'check'], 0, qr/^the settings are right$/, $nothing);
answers('config without a word', ['config'], 2, $nothing, qr/^btcf config: say what/);
answers('a wrong setting', ['config', 'check', '--set', 'mode=later'], 2, $nothing, qr/mode: "later" is not one of auto/);
answers('a wrong level', ['config', 'check', '--set', 'log_level=loud'], 2, $nothing, qr/log_level: .*"loud"/);

answers('fit without a model', ['fit'], 2, $nothing, qr/--model is missing/);
answers('fit with one that there is not', ['fit', '--model', 'oracle'], 2, $nothing, qr/there is no "oracle"/);

my ($status, $dump) = btcf('config', 'dump', '--set', 'http_port=9001');
like($dump, qr/^http_port = 9001$/m, 'a dump has what was set');
open my $file, '>', "$dir/btcf.conf" or die $!;
print {$file} $dump;
close $file;
my (undef, $again) = btcf('config', 'dump', '--config', "$dir/btcf.conf");
is($again, $dump, 'a dump read back is the same dump');

open $file, '>', "$dir/wrong.conf" or die $!;
print {$file} "http_port = 1\nhttp_port = banana\n";
close $file;
{
    local $ENV{BTCF_CONFIG} = "$dir/wrong.conf";
    answers('BTCF_CONFIG names the file', ['config', 'check'], 2, $nothing, qr/wrong\.conf:2: http_port: "banana"/);
}

# RFC 7515 A.1: a good signature over claims that expired in 2011.
my $k = 'AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow';
my $token = 'eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxl'
  . 'LmNvbS9pc19yb290Ijp0cnVlfQ.dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk';
open $file, '>', "$dir/keys.json" or die $!;
print {$file} qq({"kty": "oct", "k": "$k"});
close $file;
my @verify = ('token', 'verify', '--jwks', "$dir/keys.json");
answers('a token that has expired', [@verify, $token], 1, qr/\Ainvalid: expired\n\z/, $nothing);
answers('the same at its time', [@verify, '--at', '1300819379', $token], 0, qr/\Avalid\n\z/, $nothing);
answers('the last second of the leeway', [@verify, '--at', '1300819439', '--leeway', '60', $token], 0, qr/\Avalid/, $nothing);
answers('a second later', [@verify, '--at', '1300819440', '--leeway', '60', $token], 1, qr/expired/, $nothing);
answers('its signature alone', [@verify, '--jws', $token], 0, qr/\Avalid\n\z/, $nothing);
answers('another issuer', [@verify, '--at', '1', '--iss', 'jo', $token], 1, qr/wrong-issuer/, $nothing);
answers('an audience that it has not', [@verify, '--at', '1', '--aud', 'x', $token], 1, qr/wrong-audience/, $nothing);
answers('an empty token', [@verify, ''], 1, qr/\Ainvalid: not-compact\n\z/, $nothing);
answers('no keys', ['token', 'verify', $token], 2, $nothing, qr/--jwks/);
answers('keys that are not there', ['token', 'verify', '--jwks', "$dir/none", $token], 2, $nothing, qr/cannot be read/);
answers('an unknown algorithm', [@verify, '--alg', 'none', $token], 2, $nothing, qr/no algorithm "none"/);
answers('too much leeway', [@verify, '--leeway', '61', $token], 2, $nothing, qr/0 to 60 seconds/);
answers('no token', [@verify], 2, $nothing, qr/or --batch/);

subtest 'a batch has a verdict for each line' => sub {
    open my $tokens, '>', "$dir/tokens" or die $!;
    print {$tokens} "$token\n\n$token.\n" . 'A' x 100_000 . "\n$token";
    close $tokens;
    my $said = `'$program' token verify --jwks '$dir/keys.json' --jws --batch < '$dir/tokens'`;
    is($?, 0, 'exit status');
    is($said, "valid\ninvalid: not-compact\ninvalid: not-compact\ninvalid: too-long\nvalid\n", 'verdicts');
};

done_testing();
