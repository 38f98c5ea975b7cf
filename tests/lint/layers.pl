#!/usr/bin/perl
# Who includes whom: checks every #include "..." of engine/ and ngx_btcf_module/ against engine/LAYERS.
#
#     perl tests/lint/layers.pl [ROOT]
#
# LAYERS says "folder: a b c/file.h": files of `folder` may include headers of the folder itself, of a and b, and the
# one header c/file.h. "*" means every folder that stands above the line. A folder may only name what stands above it,
# so a cycle cannot be written down. "main.c" and "ngx_btcf_module" stand for themselves.
# Prints one line per violation; the exit status is 1 when there is one.
use strict;
use warnings;
use File::Find;

my $root = shift // '.';
my @violations;

# The allowed names of each folder, as a set.
sub read_layers {
    my ($path) = @_;
    my (%allowed, @above);
    open my $file, '<', $path or die "$path: $!\n";
    while (<$file>) {
        next if /^\s*(#|$)/;
        my ($folder, $names) = /^([\w.]+):\s*(.*?)\s*$/ or die "$path:$.: not \"folder: names\"\n";
        push @violations, "$path:$.: $folder stands here twice" if $allowed{$folder};
        my @names = $names eq '*' ? @above : split ' ', $names;
        for my $name (@names) {
            my ($top) = split m{/}, $name;
            push @violations, "$path:$.: $folder names $name, which does not stand above it"
              unless grep { $_ eq $top } @above;
        }
        $allowed{$folder} = {map { $_ => 1 } @names, $folder};
        push @above, $folder;
    }
    return \%allowed;
}

# "shm" of engine/shm/reader.c, "main.c" of engine/main.c, "ngx_btcf_module" of its files.
sub layer_of {
    my ($path) = @_;
    return 'ngx_btcf_module' if $path =~ m{^ngx_btcf_module/};
    my ($first) = $path =~ m{^engine/([^/]+)};
    return $first;
}

sub check_file {
    my ($path, $allowed) = @_;
    my $layer = layer_of($path);
    if (!$allowed->{$layer}) {
        push @violations, "$path:1: $layer has no line in engine/LAYERS";
        return;
    }
    open my $file, '<', "$root/$path" or die "$path: $!\n";
    while (<$file>) {
        my ($included) = /^\s*#\s*include\s+"([^"]+)"/ or next;
        # Between siblings the module uses bare names, as nginx does.
        next if $layer eq 'ngx_btcf_module' && $included =~ /^ngx_http_btcf\w*\.h$/;
        my ($folder) = $included =~ m{^(\w+)/\w+\.(h|def)$};
        if (!$folder) {
            push @violations, "$path:$.: \"$included\" is not \"folder/file.h\"";
        } elsif (!$allowed->{$layer}{$folder} && !$allowed->{$layer}{$included}) {
            push @violations, "$path:$.: $layer may not include \"$included\"";
        }
    }
    return;
}

my $allowed = read_layers("$root/engine/LAYERS");
my @sources;
find({no_chdir => 1, wanted => sub { push @sources, substr $_, 1 + length $root if /\.[ch]$/ }},
    grep { -d } "$root/engine", "$root/ngx_btcf_module");
check_file($_, $allowed) for sort @sources;
print "$_\n" for @violations;
exit(@violations ? 1 : 0);
