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

done_testing();
