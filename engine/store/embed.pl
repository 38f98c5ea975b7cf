#!/usr/bin/perl
# Turns migration files into the C table of store/migration.h, so that they travel inside the binary.
#
#     perl engine/store/embed.pl engine/store/migrations/*.sql > build/gen/migrations.c
#
# A file is NNNN_name.sql. Numbers start at 1 and have no gap: a gap would mean that a migration was lost, and two
# machines would disagree about what "up to date" is. Anything else stops the build here, long before a database sees it.
use strict;
use warnings;
use Digest::SHA qw(sha256_hex);

# Bytes as a C literal, one source line per line of SQL. Octal escapes have exactly three digits, so that no digit
# behind one can be swallowed, which hexadecimal escapes would do.
sub c_literal {
    my ($bytes) = @_;
    my @lines = $bytes =~ /[^\n]*\n|[^\n]+\z/g;
    for (@lines) {
        s/(["\\])/\\$1/g;
        s/\?\?/?\\?/g;    # no trigraphs
        s/\n/\\n/;
        s/([^\x20-\x7e])/sprintf '\\%03o', ord $1/ge;
        $_ = qq(        "$_");
    }
    return @lines ? join("\n", @lines) : '""';
}

my @entries;
for my $path (sort @ARGV) {
    my ($name) = $path =~ m{([0-9]{4}_[a-z0-9_]+)\.sql\z} or die "$path: not named NNNN_name.sql\n";
    my $number = int substr $name, 0, 4;
    my $expected = @entries + 1;
    $number == $expected or die "$path: number $number where $expected was expected (a gap or a duplicate)\n";
    open my $file, '<:raw', $path or die "$path: $!\n";
    my $sql = do { local $/; <$file> };
    defined $sql && length $sql or die "$path: empty\n";
    index($sql, "\0") < 0 or die "$path: has a NUL byte\n";
    push @entries, sprintf qq(    {%d, "%s",\n%s,\n     "%s"},\n), $number, $name, c_literal($sql), sha256_hex($sql);
}
@entries or die "no migrations given\n";

print <<"C", @entries, <<"C";
/* Made by engine/store/embed.pl from engine/store/migrations; edit those. */
#include "store/migration.h"

const struct migration migrations[] = {
C
};

const size_t migrations_count = sizeof migrations / sizeof migrations[0];
C
