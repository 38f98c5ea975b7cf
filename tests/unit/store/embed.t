#!/usr/bin/perl
# store/embed.pl: what goes into the table comes out of the compiled program byte for byte, and a gap stops the build.
use strict;
use warnings;
use Cwd qw(abs_path);
use Digest::SHA qw(sha256_hex);
use File::Basename qw(dirname);
use File::Temp qw(tempdir);
use Test::More;

my $root = abs_path(dirname(__FILE__) . '/../../..');
my $dir = tempdir(CLEANUP => 1);

sub write_file {
    my ($path, $text) = @_;
    open my $file, '>:raw', $path or die "$path: $!\n";
    print {$file} $text;
    close $file;
    return $path;
}

sub embed {
    my (@paths) = @_;
    open my $pipe, '-|', "perl $root/engine/store/embed.pl @paths 2>$dir/error" or die $!;
    my $text = do { local $/; <$pipe> } // '';
    close $pipe;
    open my $error, '<', "$dir/error" or die $!;
    return ($? >> 8, $text, do { local $/; <$error> } // '');
}

# Everything that a C string could trip over: quotes, escapes, trigraphs, digits behind an escape, bytes, no last newline.
my $awkward = qq(SELECT '"\\n' || '??=' || '??/' -- 50% \xc3\xa9\n\t'x'\n\n) . "\x{7f}1\x{01}23\r\n-- end";
my @files = (
    write_file("$dir/0001_plain.sql", "CREATE TABLE a (b text);\n"),
    write_file("$dir/0002_awkward.sql", $awkward),
);

my ($status, $text) = embed(reverse @files);
is($status, 0, 'migrations are embedded in order of their numbers, however they are given');
write_file("$dir/table.c", $text);
write_file("$dir/main.c", <<'C');
#include <stdio.h>
#include <string.h>
#include "store/migration.h"
int main(void)
{
    for (size_t i = 0; i < migrations_count; i++)
        printf("%d %s %s %zu\n%s\n", migrations[i].number, migrations[i].name, migrations[i].sha256,
               strlen(migrations[i].sql), migrations[i].sql);
    return 0;
}
C
is(system("gcc -std=c11 -Wall -Wextra -Werror -I$root/engine -o $dir/main $dir/main.c $dir/table.c"), 0,
    'the table compiles without a warning');
open my $out, '-|:raw', "$dir/main" or die $!;
my $got = do { local $/; <$out> };
my $plain = "CREATE TABLE a (b text);\n";
is($got, sprintf("1 0001_plain %s %d\n%s\n2 0002_awkward %s %d\n%s\n", sha256_hex($plain), length $plain, $plain,
        sha256_hex($awkward), length $awkward, $awkward), 'number, name, checksum and text come out as they went in');

sub refuses {
    my ($name, $reason, @paths) = @_;
    my ($failed, undef, $error) = embed(@paths);
    ok($failed != 0 && $error =~ $reason, $name) or diag("status $failed: $error");
    return;
}
refuses('a gap', qr/number 3 where 2 was expected/, $files[0], write_file("$dir/0003_late.sql", 'x'));
refuses('a duplicate', qr/number 1 where 2 was expected/, $files[0], write_file("$dir/0001_twice.sql", 'x'));
refuses('a table that does not begin at 1', qr/number 2 where 1/, $files[1]);
refuses('a name without a number', qr/not named NNNN_name/, write_file("$dir/other.sql", 'x'));
refuses('an empty file', qr/empty/, write_file("$dir/0001_empty.sql", ''));
refuses('a NUL byte', qr/NUL/, write_file("$dir/0001_nul.sql", "a\0b"));
refuses('nothing at all', qr/no migrations/);

done_testing();
