#!/usr/bin/perl
# No function of ours may have the name of one in a library that we link: the program's definition wins, also for the
# calls that the library makes to itself, which then reach a function with other parameters.
#
#     perl tests/lint/symbols.pl OBJECT-OR-ARCHIVE -lname...
#
# Prints one line per collision; the exit status is 1 when there is one, 2 when nothing could be compared.
use strict;
use warnings;

# The names that `nm @arguments` lists as defined, version suffixes removed.
sub defined_names {
    my (@arguments) = @_;
    open my $nm, '-|', 'nm', '--defined-only', '--extern-only', @arguments or die "nm: $!\n";
    my %names;
    while (<$nm>) {
        $names{$1} = 1 if /^[0-9a-f]+ [A-Z] ([\w.]+)/;
    }
    close $nm;
    return \%names;
}

my ($ours_path, @libraries) = @ARGV;
my $ours = defined_names($ours_path);
my ($collisions, $compared) = (0, 0);
for my $library ('-lc', @libraries) {
    my ($name) = $library =~ /^-l(\w+)$/ or next;
    chomp(my $path = `gcc -print-file-name=lib$name.so` || '');
    # libc.so and libm.so are linker scripts; the libraries that they name are what is loaded.
    if (-T $path) {
        open my $script, '<', $path or die "$path: $!\n";
        ($path) = join('', <$script>) =~ m{(/\S+\.so\.\d+)} or next;
    }
    next unless -e $path;
    my $theirs = defined_names('--dynamic', $path);
    $compared += keys %$theirs;
    for my $symbol (sort grep { $theirs->{$_} } keys %$ours) {
        print "$symbol: ours and of lib$name\n";
        $collisions++;
    }
}
die "no names to compare\n" if !$compared || !%$ours;
exit($collisions ? 1 : 0);
