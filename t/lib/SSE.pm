package SSE;

# A client of /v1/stream over plain HTTP/1.1: takes the answer apart as a browser's EventSource would, and shows every
# step of it.
#
#     my $s = SSE->open($t, '/v1/stream?events=price', 'Last-Event-ID' => 7);
#     is($s->{status}, 200);
#     my $event = $s->next;                  # {event => 'price', id => 8, data => '{...}'}; undef: none in time
#     my @events = $s->take(3);              # exactly three, or fewer when the time is over
#     ok(!$s->more(0.3));                    # nothing comes for so long
#     ok($s->is_closed);                     # the server has ended the answer; $s->{whole}: with the last chunk
#
# A frame without data is no event for EventSource; here it is one with `event` undefined: {retry => 2345}, or
# {comment => ''} (a heartbeat). skip_to($name) takes frames until one is of that event.

use strict;
use warnings;

use BTCF qw(raw_talk);
use IO::Select;
use IO::Socket::INET;
use Socket qw(SOL_SOCKET SO_RCVBUF);
use Time::HiRes qw(time);

our $DEADLINE_S = 10;

sub open {
    my ($class, $server, $path, %headers) = @_;
    my $self = bless {buffer => '', raw => '', frames => [], socket => raw_talk($server)}, $class;
    my $version = delete $headers{version} || '1.1';
    my $text = join '', "GET $path HTTP/$version\r\nHost: localhost\r\n", map { "$_: $headers{$_}\r\n" } sort keys %headers;
    syswrite($self->{socket}, "$text\r\n");
    $self->read_head;
    return $self;
}

# One that never reads, with as little room in the kernel as it allows.
sub stuck {
    my ($class, $server, $path, %headers) = @_;
    my $socket = IO::Socket::INET->new(Proto => 'tcp') or die "socket: $!";
    setsockopt($socket, SOL_SOCKET, SO_RCVBUF, 1024);
    connect($socket, Socket::pack_sockaddr_in($server->{plain}, Socket::inet_aton('127.0.0.1'))) or die "connect: $!";
    my $self = bless {buffer => '', raw => '', frames => [], socket => $socket}, $class;
    my $text = join '', "GET $path HTTP/1.1\r\nHost: localhost\r\n", map { "$_: $headers{$_}\r\n" } sort keys %headers;
    syswrite($socket, "$text\r\n");
    return $self;
}

# Reads what there is within the time; false when nothing came.
sub fill {
    my ($self, $seconds) = @_;
    return 0 if $self->{eof} || !IO::Select->new($self->{socket})->can_read($seconds);
    my $n = sysread($self->{socket}, my $bytes, 65536);
    $self->{eof} = 1 if !$n;
    $self->{reset} = 1 if !defined $n;
    $self->{raw} .= $bytes if $n;
    return $n;
}

sub read_head {
    my ($self) = @_;
    my $end = time + $DEADLINE_S;
    while ($self->{raw} !~ /\r\n\r\n/) {
        $self->fill($end - time) or return;
    }
    my ($top) = $self->{raw} =~ /^(.*?\r\n\r\n)/s;
    $self->{raw} = substr($self->{raw}, length $top);
    ($self->{status}) = $top =~ m{^HTTP/[\d.]+ (\d+)};
    $self->{top} = $top;
    while ($top =~ /^([^:\r\n]+): ([^\r]*)\r$/mg) {
        $self->{headers}{lc $1} = $2;
    }
    $self->{chunked} = ($self->{headers}{'transfer-encoding'} || '') eq 'chunked';
}

sub parse {
    my ($self) = @_;
    if ($self->{chunked}) {
        while ($self->{raw} =~ /^([0-9a-f]+)\r\n/i && length($self->{raw}) >= length($1) + 4 + hex $1) {
            my ($size) = $self->{raw} =~ /^([0-9a-f]+)\r\n/i;
            $self->{whole} = 1 if hex $size == 0;
            $self->{buffer} .= substr($self->{raw}, length($size) + 2, hex $size);
            $self->{raw} = substr($self->{raw}, length($size) + 4 + hex $size);
        }
    } else {
        $self->{buffer} .= $self->{raw};
        $self->{raw} = '';
    }
    while ($self->{buffer} =~ s/^(.*?)\n\n//s) {
        my (%frame, @data);
        for my $line (split /\n/, $1) {
            my ($name, $value) = $line =~ /^([^:]*):? ?(.*)$/;
            if ($name eq '') { $frame{comment} = $value }
            elsif ($name eq 'data') { push @data, $value }
            else { $frame{$name} = $value }
        }
        $frame{data} = join "\n", @data if @data;
        push @{$self->{frames}}, \%frame;
    }
}

# The next frame, whatever it is; undef when none comes in time.
sub frame {
    my ($self, $seconds) = @_;
    my $end = time + (defined $seconds ? $seconds : $DEADLINE_S);
    while (1) {
        $self->parse;
        return shift @{$self->{frames}} if @{$self->{frames}};
        my $left = $end - time;
        return undef if $left < 0 || !$self->fill($left);
    }
}

sub next {
    my ($self, $seconds) = @_;
    while (my $frame = $self->frame($seconds)) {
        return $frame if defined $frame->{data};
    }
    return undef;
}

sub take {
    my ($self, $count) = @_;
    my @events;
    while (@events < $count) {
        my $event = $self->next or last;
        push @events, $event;
    }
    return @events;
}

sub skip_to {
    my ($self, $name) = @_;
    while (my $event = $self->next) {
        return $event if $event->{event} eq $name;
    }
    return undef;
}

sub more { my ($self, $seconds) = @_; return $self->next($seconds) }

sub is_closed {
    my ($self, $seconds) = @_;
    my $end = time + (defined $seconds ? $seconds : $DEADLINE_S);
    while (!$self->{eof} && !$self->{whole} && time < $end) {
        $self->fill($end - time);
        $self->parse;
    }
    return $self->{eof} || $self->{whole} ? 1 : 0;
}

sub close { my ($self) = @_; close $self->{socket} }

# As "price:12", without what has no id.
sub names { return join ' ', map { defined $_->{id} ? "$_->{event}:$_->{id}" : $_->{event} } @_ }

1;
