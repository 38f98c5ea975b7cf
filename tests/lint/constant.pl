#!/usr/bin/perl
# Configuration is constant while requests are served: whoever asks for it by a request holds it through a const pointer,
# so that the compiler refuses what would change it for everybody else.
#
#     perl tests/lint/constant.pl FILE...
#
# nginx's macros give void pointers, which convert to anything; so it is the declarations that are looked at. Prints one
# line for each variable that is assigned ngx_http_get_module_(main|srv|loc)_conf(r, ...) and is not a pointer to const;
# the exit status is 1 when there is one.
use strict;
use warnings;

my $found = 0;
for my $path (@ARGV) {
    open my $file, '<', $path or die "$path: $!\n";
    my $text = do { local $/; <$file> };
    # function by function: nginx's style ends each with a brace in the first column
    my $line = 1;
    for my $function (split /(?<=^\}\n)/m, $text) {
        while ($function =~ /\b(\w+) = ngx_http_get_module_(?:main|srv|loc)_conf\(\s*r\b/g) {
            my ($name, $at) = ($1, $line + (substr($function, 0, $-[0]) =~ tr/\n//));
            next if $function =~ /^ +const \w+ +\*\s*(?:\w+, \*)*$name[,;]/m;
            next if $function =~ /^ +ngx_http_core_\w+_conf_t +\*\s*$name;/m;    # nginx's own, which its functions want
            print "$path:$at: $name is no pointer to const\n";
            $found++;
        }
        $line += ($function =~ tr/\n//);
    }
}
exit($found ? 1 : 0);
