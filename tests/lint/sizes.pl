#!/usr/bin/perl
# What a reader can hold: a file of at most 1000 lines, a C function of at most 70, at most six parameters.
#
#     perl tests/lint/sizes.pl FILE...
#
# Prints one line per violation; the exit status is 1 when there is one. Standard error lists, as a hint,
# files over 600 lines (does each still hold one noun?) and six parameters (the rule is five). nginx's own signatures (callbacks) are not ours to shorten, so
# parameters are only counted in files of the engine.
use strict;
use warnings;

use constant {FILE_MAX => 1000, FILE_HINT => 600, FUNCTION_MAX => 70, PARAMETERS_MAX => 6, PARAMETERS_HINT => 5};

my @violations;

sub count_parameters {
    my ($signature) = @_;
    my ($list) = $signature =~ /\w\s*\((.*)\)/s or return 0;
    1 while $list =~ s/\([^()]*\)//g;    # the parameters of callbacks are not ours
    return 1 + ($list =~ tr/,//);
}

sub check_functions {
    my ($path, @lines) = @_;
    my ($begin, $signature) = (0, '');
    for my $i (0 .. $#lines) {
        if ($lines[$i] =~ /^\{/) {
            $begin = $i;
            my $parameters = count_parameters($signature);
            my $place = sprintf '%s:%d: %d parameters', $path, $i, $parameters;
            push @violations, $place if $path =~ m{engine/} && $parameters > PARAMETERS_MAX;
            warn "$place\n" if $path =~ m{engine/} && $parameters == PARAMETERS_HINT + 1;
        } elsif ($lines[$i] =~ /^\}/ && $begin) {
            my $length = $i - $begin - 1;
            push @violations, sprintf '%s:%d: a function of %d lines', $path, $begin + 1, $length
              if $length > FUNCTION_MAX;
            $begin = 0;
        }
        $signature = $lines[$i] =~ /^\s/ ? $signature . $lines[$i] : $lines[$i];
    }
    return;
}

for my $path (@ARGV) {
    open my $file, '<', $path or die "$path: $!\n";
    my @lines = <$file>;
    close $file;
    push @violations, sprintf '%s:1: a file of %d lines', $path, scalar @lines if @lines > FILE_MAX;
    warn sprintf "%s has %d lines: still one noun?\n", $path, scalar @lines
      if @lines > FILE_HINT && @lines <= FILE_MAX;
    check_functions($path, @lines) if $path =~ /\.c$/;
}
print "$_\n" for @violations;
exit(@violations ? 1 : 0);
