package Edge;

# A look into edge.v1: what workers have counted for a key, and what is left of an account's limits. Reads the file as
# engine/shm/btcf_abi.h lays it out.
#
#     my $edge = Edge->new(temp_dir() . '/shm');
#     $edge->usage(3)->{billed}      # over both days and all classes: billed units bytes latency_us not_modified
#                                    # client_errors server_errors limited, and by class: {class}{forecast}{billed}
#     $edge->limit(1)->{day}         # tat_ns day month limited
#     $edge->instance, $edge->room('limit')

use strict;
use warnings;

use BTCF;

my %KIND = (metric => 16, usage => 17, addr => 18, limit => 19, pool => 20);
my @CLASSES = qw(forecast market stream control);

sub new {
    my ($class, $dir, $name) = @_;
    return bless {path => "$dir/" . ($name || 'edge.v1')}, $class;
}

sub bytes { return slurp($_[0]{path}) }

sub sections {
    my ($self, $bytes) = @_;
    my ($count) = unpack 'V', substr($bytes, 20, 4);
    my %sections;
    for my $i (0 .. $count - 1) {
        my ($kind, undef, $offset, $size, $stride, $entries) = unpack 'V V Q< Q< V V', substr($bytes, 256 + 32 * $i, 32);
        $sections{$kind} = {offset => $offset, stride => $stride, count => $entries};
    }
    return \%sections;
}

sub entry {
    my ($self, $kind, $n) = @_;
    my $bytes = $self->bytes;
    my $section = $self->sections($bytes)->{$KIND{$kind}} or die "no section $kind";
    die "no row $n of $kind" if $n >= $section->{count};
    return substr($bytes, $section->{offset} + $n * $section->{stride}, $section->{stride});
}

sub instance { return unpack 'H32', substr($_[0]->bytes, 32, 16) }
sub room { my ($self, $kind) = @_; return $self->sections($self->bytes)->{$KIND{$kind}}{count} }

sub usage {
    my ($self, $row) = @_;
    my $entry = $self->entry(usage => $row);
    my %sum = map { $_ => 0 } qw(billed units bytes latency_us not_modified client_errors server_errors limited);
    $sum{class} = {map { $_ => {billed => 0, units => 0} } @CLASSES};
    for my $bank (0, 1) {
        my ($day, @words) = unpack 'Q<15', substr($entry, $bank * 120, 120);
        for my $i (0 .. $#CLASSES) {
            $sum{class}{$CLASSES[$i]}{billed} += $words[$i];
            $sum{class}{$CLASSES[$i]}{units} += $words[4 + $i];
            $sum{billed} += $words[$i];
            $sum{units} += $words[4 + $i];
        }
        my @rest = qw(not_modified client_errors server_errors limited bytes latency_us);
        $sum{$rest[$_]} += $words[8 + $_] for 0 .. $#rest;
    }
    return \%sum;
}

sub limit {
    my ($self, $number) = @_;
    my ($tat, $day, $month, $limited) = unpack 'Q<4', $self->entry(limit => $number);
    return {tat_ns => $tat, day => $day & (2**40 - 1), month => $month & (2**48 - 1), limited => $limited};
}

1;
