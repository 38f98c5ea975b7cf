#!/usr/bin/perl
# Writes files into a C table (struct conf_file of cmd/conf_files.h), so that the installed program needs none of them:
#
#   embed.pl conf/http.conf conf/routes.conf > build/gen/conf_files.c
use strict;
use warnings;

sub c_lines {
    my ($text) = @_;
    $text =~ s/([\\"])/\\$1/g;
    $text =~ s/\t/\\t/g;
    die "embed.pl: not plain ASCII text\n" if $text =~ /[^\x20-\x7e\n]/;
    return join "\n", map { qq(        "$_\\n") } split /\n/, $text, -1;
}

print qq(/* Made by engine/cmd/embed.pl from the files named in it. */\n#include "cmd/conf_files.h"\n\n);
print "const struct conf_file conf_files[] = {\n";
for my $path (@ARGV) {
    open my $in, '<', $path or die "embed.pl: cannot read $path: $!\n";
    my $text = do { local $/; <$in> };
    my ($name) = $path =~ m{([^/]+)$};
    $text =~ s/\n\z//;
    printf qq(    {.name = "%s", .text =\n%s},\n), $name, c_lines($text);
}
print "};\nconst size_t conf_files_count = sizeof conf_files / sizeof conf_files[0];\n";
