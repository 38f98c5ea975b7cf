#!/usr/bin/perl
# The rules of docs/CONVENTIONS.md that a machine can check, on this tree; and on planted violations, so that a check
# that has stopped checking is noticed.
use strict;
use warnings;
use Cwd qw(abs_path);
use File::Basename qw(dirname);
use File::Path qw(make_path);
use File::Temp qw(tempdir);
use Test::More;

my $root = abs_path(dirname(__FILE__) . '/../..');
chdir $root or die "$root: $!\n";

# Exit status and output (both streams) of a command.
sub run {
    my (@command) = @_;
    my $pid = open my $out, '-|';
    defined $pid or die "fork: $!\n";
    if ($pid == 0) {
        open STDERR, '>&', \*STDOUT or die $!;
        exec @command or die "$command[0]: $!\n";
    }
    my $text = do { local $/; <$out> } // '';
    close $out;
    return ($? >> 8, $text);
}

sub passes {
    my ($name, @command) = @_;
    my ($status, $text) = run(@command);
    is($status, 0, $name) or diag($text);
    return;
}

sub catches {
    my ($name, $expected, @command) = @_;
    my ($status, $text) = run(@command);
    ok($status != 0 && $text =~ $expected, $name) or diag("status $status: $text");
    return;
}

# A file of a scratch tree.
my $scratch = tempdir(CLEANUP => 1);

sub plant {
    my ($path, $text) = @_;
    make_path(dirname("$scratch/$path"));
    open my $file, '>', "$scratch/$path" or die "$path: $!\n";
    print {$file} $text;
    close $file or die "$path: $!\n";
    return "$scratch/$path";
}

chomp(my @tracked = -d '.git' ? `git ls-files --cached --others --exclude-standard` : `find . -type f -not -path './build*'`);
@tracked = grep { -f && -T } @tracked;
my @c = grep { m{^(engine|ngx_btcf_module|tests)/.*\.[ch]$} } @tracked;
my @sized = grep { /\.(c|h|pl|pm|t|py|sh|sql|ts)$/ } @tracked;
my @formatted = grep { !m{^ngx_btcf_module/} } @c;
my @scripts = grep { open my $file, '<', $_ or die; (<$file> // '') =~ m{^#!.*\b(ba)?sh\b} } @tracked;

subtest 'layers' => sub {
    passes('every include goes downwards', 'perl', 'tests/lint/layers.pl', '.');

    plant('engine/LAYERS', "core:\nshm: core/base.h\nmath: core\nroles: *\n");
    plant('engine/core/err.h', '');
    plant('engine/roles/role.c', qq(#include "math/dense.h"\n#include "shm/reader.h"\n));
    plant('engine/shm/reader.c', qq(#include "core/base.h"\n#include "shm/reader.h"\n));
    passes('allowed includes pass', 'perl', 'tests/lint/layers.pl', $scratch);

    plant('engine/core/up.c', qq(#include "math/dense.h"\n));
    catches('an include upwards', qr/up\.c:1: core may not include/, 'perl', 'tests/lint/layers.pl', $scratch);
    unlink "$scratch/engine/core/up.c";
    plant('engine/shm/more.c', qq(#include "core/err.h"\n));
    catches('more than the one header allowed', qr/shm may not include "core\/err\.h"/,
        'perl', 'tests/lint/layers.pl', $scratch);
    unlink "$scratch/engine/shm/more.c";
    plant('engine/core/bare.c', qq(#include "err.h"\n));
    catches('an include without its folder', qr/bare\.c:1: "err\.h" is not/, 'perl', 'tests/lint/layers.pl', $scratch);
    unlink "$scratch/engine/core/bare.c";
    plant('engine/other/x.c', '');
    catches('a folder without a line', qr/other has no line/, 'perl', 'tests/lint/layers.pl', $scratch);
    plant('engine/LAYERS', "core: math\nmath: core\nshm: core\nroles: *\nother:\n");
    catches('a cycle', qr/core names math, which does not stand above/, 'perl', 'tests/lint/layers.pl', $scratch);
};

subtest 'headers' => sub {
    my @make = ('make', '-s', 'headers', "BUILD=$scratch/build");
    passes('every header compiles alone', @make);
    my $bad = plant('header/bad.h', "int bad(size_t count);\n");
    catches('a header that needs another first', qr/size_t/, @make, "HEADERS=$bad");
};

subtest 'sizes' => sub {
    passes('files, functions and parameter lists are of readable size', 'perl', 'tests/lint/sizes.pl', @sized);

    my $body = "    work();\n";
    catches('a function of 71 lines', qr/a function of 71 lines/,
        'perl', 'tests/lint/sizes.pl', plant('long.c', "int f(void)\n{\n" . $body x 71 . "}\n"));
    passes('a function of 70 lines passes',
        'perl', 'tests/lint/sizes.pl', plant('short.c', "int f(void)\n{\n" . $body x 70 . "}\n"));
    catches('a file of 1001 lines', qr/a file of 1001 lines/,
        'perl', 'tests/lint/sizes.pl', plant('long.h', "\n" x 1001));
    catches('seven parameters', qr/7 parameters/, 'perl', 'tests/lint/sizes.pl',
        plant('engine/seven.c', "int f(int a, int b, int c,\n      int d, int e, int f, int (*g)(int, int))\n{\n}\n"));
    passes('five parameters, a callback among them, pass', 'perl', 'tests/lint/sizes.pl',
        plant('engine/five.c', "int f(int a, int b, int c,\n      int d, int (*g)(int, int))\n{\n}\n"));
};

subtest 'marks' => sub {
    passes('nothing unfinished, no path of one machine, no registry', 'perl', 'tests/lint/marks.pl', @tracked);

    my @planted = (
        [mark => '/* TO' . 'DO: later */'],
        [path => 'see /wo' . 'rk/main'],
        [registry => 'https://registry.npm' . 'js.org/x'],
        [merge => '<<<' . '<<<< HEAD'],
    );
    for my $case (@planted) {
        my ($name, $text) = @$case;
        catches("a planted $name", qr/planted_$name\.c:2/,
            'perl', 'tests/lint/marks.pl', plant("planted_$name.c", "\n$text\n"));
    }
};

subtest 'layout' => sub {
    passes('clang-format has nothing to change', 'clang-format', '--dry-run', '-Werror', @formatted);
    catches('a brace in the wrong place', qr/clang-format/, 'clang-format', '--dry-run', '-Werror',
        '--style=file:.clang-format', plant('brace.c', "int f(void) {\n    return 0;\n}\n"));
};

subtest 'constant' => sub {
    my @module = grep { m{^ngx_btcf_module/.*\.c$} } @c;
    passes('requests hold configuration through const pointers', 'perl', 'tests/lint/constant.pl', @module);

    my $get = 'ngx_http_get_module_loc_conf(r, ngx_http_btcf_module);';
    my $planted = sub { plant('module.c', "int f(void)\n{\n    $_[0]conf_t  *lcf;\n\n    lcf = $get\n}\n") };
    passes('a const pointer passes', 'perl', 'tests/lint/constant.pl', $planted->('const '));
    catches('one that is not', qr/module\.c:5: lcf is no pointer to const/, 'perl', 'tests/lint/constant.pl', $planted->(''));
};

subtest 'symbols' => sub {
    my $build = $ENV{BUILD} // 'build';
    my ($status, $libraries) = run('make', '-s', 'print-libraries');
    my @check = ('perl', 'tests/lint/symbols.pl');
    passes('the library builds', 'make', '-s', "$build/libbtcf.a");
    passes('no function of ours hides one of a library', @check, "$build/libbtcf.a", split ' ', $libraries);

    my $planted = plant('planted.c', "int json_null(void);\nint json_null(void)\n{\n    return 0;\n}\n");
    passes('a planted function compiles', 'gcc', '-c', '-o', "$scratch/planted.o", $planted);
    catches('a name of jansson', qr/json_null: ours and of libjansson/, @check, "$scratch/planted.o", '-ljansson');
};

subtest 'scripts' => sub {
    passes('shellcheck has nothing to say of shell scripts', 'shellcheck', '-e', 'SC1091', @scripts);
    catches('an unquoted expansion', qr/SC2086/, 'shellcheck', plant('bad.sh', qq(#!/bin/sh\nx="a b"\nls \$x\n)));
};

done_testing();
