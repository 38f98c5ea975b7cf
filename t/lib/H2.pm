package H2;

# The least of an HTTP/2 client (RFC 9113), for what curl and nghttp do not do: windows of a chosen size, streams that are
# reset, frames looked at one by one. Over plain TCP, with prior knowledge.
#
#     my $c = H2->open($t, window => 0);                 # SETTINGS_INITIAL_WINDOW_SIZE
#     my $id = $c->get('/v1/stream', 'last-event-id' => 7);
#     $c->window($id, 1000);                             # a WINDOW_UPDATE; 0: of the connection
#     $c->reset($id);
#     $c->until(sub { $c->{ended}{$id} }, 5);            # reads frames until the condition holds, or the time is over
#     $c->{data}{$id}                                    # bytes of DATA so far; {status}, {ended}, {was_reset}, {goaway}

use strict;
use warnings;

use BTCF qw(raw_talk);
use IO::Select;
use Time::HiRes qw(time);

use constant {DATA => 0, HEADERS => 1, RST_STREAM => 3, SETTINGS => 4, PING => 6, GOAWAY => 7, WINDOW_UPDATE => 8};
use constant {END_STREAM => 1, END_HEADERS => 4, ACK => 1, INITIAL_WINDOW_SIZE => 4, CANCEL => 8};

sub open {
    my ($class, $server, %options) = @_;
    my $self = bless {socket => raw_talk($server), buffer => '', next_id => 1, data => {}, status => {}, ended => {}}, $class;
    syswrite($self->{socket}, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
    $self->send_frame(SETTINGS, 0, 0, defined $options{window} ? pack('nN', INITIAL_WINDOW_SIZE, $options{window}) : '');
    return $self;
}

sub send_frame {
    my ($self, $type, $flags, $id, $payload) = @_;
    syswrite($self->{socket}, substr(pack('N', length $payload), 1) . pack('CCN', $type, $flags, $id) . $payload);
}

# Literal header fields, without indexing and without Huffman coding (RFC 7541, 6.2.2); names and values are short.
sub get {
    my ($self, $path, @headers) = @_;
    my $id = $self->{next_id};
    $self->{next_id} += 2;
    my $block = "\x82\x86\x04" . chr(length $path) . $path . "\x01\x09localhost";
    while (my ($name, $value) = splice @headers, 0, 2) {
        $block .= "\x00" . chr(length $name) . $name . chr(length $value) . $value;
    }
    $self->{data}{$id} = '';
    $self->send_frame(HEADERS, END_STREAM | END_HEADERS, $id, $block);
    return $id;
}

sub window { my ($self, $id, $bytes) = @_; $self->send_frame(WINDOW_UPDATE, 0, $id, pack('N', $bytes)) }
sub reset { my ($self, $id) = @_; $self->send_frame(RST_STREAM, 0, $id, pack('N', CANCEL)) }
sub close { my ($self) = @_; close $self->{socket} }

# Reads what there is within the time, and takes the frames apart; false when the connection is at its end.
sub pump {
    my ($self, $seconds) = @_;
    return 1 if !IO::Select->new($self->{socket})->can_read($seconds);
    if (!sysread($self->{socket}, my $bytes, 65536)) {
        $self->{closed} = 1;
        return 0;
    } else {
        $self->{buffer} .= $bytes;
    }
    while (length $self->{buffer} >= 9) {
        my ($high, $low, $type, $flags, $id) = unpack('CnCCN', $self->{buffer});
        my $length = $high << 16 | $low;
        last if length $self->{buffer} < 9 + $length;
        my $payload = substr($self->{buffer}, 9, $length);
        $self->{buffer} = substr($self->{buffer}, 9 + $length);
        $self->take($type, $flags, $id, $payload);
    }
    return 1;
}

# The status is an indexed field of the static table (200: 8, 204: 9, ... 500: 14), or a literal one by index 8.
sub take {
    my ($self, $type, $flags, $id, $payload) = @_;
    if ($type == DATA) { $self->{data}{$id} .= $payload }
    elsif ($type == HEADERS) { $self->{status}{$id} = ord($payload) == 0x88 ? 200 : $payload =~ /^\x48\x83?(...)/s ? 'other' : 0 }
    elsif ($type == RST_STREAM) { $self->{was_reset}{$id} = 1 }
    elsif ($type == GOAWAY) { $self->{goaway} = 1 }
    elsif ($type == SETTINGS && !($flags & ACK)) { $self->send_frame(SETTINGS, ACK, 0, '') }
    elsif ($type == PING && !($flags & ACK)) { $self->send_frame(PING, ACK, 0, $payload) }
    $self->{ended}{$id} = 1 if ($type == DATA || $type == HEADERS) && $flags & END_STREAM;
}

sub until {
    my ($self, $condition, $seconds) = @_;
    my $end = time + ($seconds || 10);
    while (!$condition->()) {
        my $left = $end - time;
        return 0 if $left <= 0 || !$self->pump($left > 0.1 ? 0.1 : $left) && !$condition->();
    }
    return 1;
}

1;
