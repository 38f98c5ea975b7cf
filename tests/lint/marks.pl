#!/usr/bin/perl
# What must not be committed: marks of unfinished work, paths of one machine, addresses of package registries.
#
#     perl tests/lint/marks.pl FILE...
#
# Prints one line per violation; the exit status is 1 when there is one. The patterns are written so that this file
# does not match itself.
use strict;
use warnings;

my @forbidden = (
    [qr/\b(?:TO[D]O|FIX[M]E|X[X]X|HAC[K])\b/ => 'a mark of unfinished work', qr/\.(?:c|h|def|sql|ts|pl|pm|t|py|sh)$/],
    [qr{(?<![\w.\$\}-])/(?:work|tmp|root|home)/[\w.]} => 'a path of one machine', qr/./],
    [qr{https?://(?:deb|registry|pypi|proxy|index|crates)\.[a-z]+\.(?:org|com|io|dev|net)} =>
          'the address of a package registry', qr/./],
    [qr/^(?:<<<<<<<|>>>>>>>) / => 'a conflict left by a merge', qr/./],
);
my $violations = 0;

for my $path (@ARGV) {
    open my $file, '<', $path or die "$path: $!\n";
    while (my $line = <$file>) {
        for my $rule (@forbidden) {
            my ($pattern, $what, $where) = @$rule;
            next unless $path =~ $where && $line =~ $pattern;
            print "$path:$.: $what: $&\n";
            $violations++;
        }
    }
}
exit($violations ? 1 : 0);
