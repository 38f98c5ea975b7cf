package BTCF;

# Real nginx for tests: one server of its own per test file, on free loopback ports, over a segment that a small C
# program publishes with the engine's own writer (tests/lib/segment.c).
#
#     use BTCF;
#     my $seg = segment();                                   # a publisher; $seg->do({...}) and helpers below
#     my $t = nginx(routes => '...', ...)                    # starts nginx; `config_fails` tests refusals
#     my $res = get($t, '/v1/forecasts/1d', 'If-None-Match' => '"x"');
#     is($res->{status}, 304);
#     finish();                                              # stops all, looks into the logs, done_testing
#
# The gate, before the file is live and after it; what is said again changes nothing, what is said otherwise changes that:
#
#     $seg->plans;                                           # the six that are shipped (guest free premium ... admin)
#     $seg->plan('small', rate => 5, burst => 10, scopes => ['read'], quota_day => 100, streams => 2);
#     $seg->unplan('small');
#     my $id = $seg->account(7, plan => 'small');            # number of the account; returns its public id (`sub`)
#     $seg->account(7, plan => 'premium', enabled => 0);     # also admin, valid_after, blocked_until, blocked_period, row
#     my $key = $seg->key(account => 7, scopes => ['read']); # returns the key as it is sent in X-API-Key
#     $seg->key(text => $key, account => 7, enabled => 0);   # again, with `text`; also test => 1, expires, networks, row
#     $seg->revoke($session_id, $until);                     # 32 hex digits; unix time of its last token, default: late
#
# Fields that are left out take their defaults each time (a key: enabled, all scopes but admin, from anywhere, never
# expires). Rows in edge are given out from 1 on, one for each account and key; numbers of accounts are the test's choice.
# segment(create => {gate => JSON::PP::false}) makes a file without a gate; keys, accounts, revoked, networks: capacities.
#
# finish() fails the test on any [alert], [crit] or [emerg] line that the test did not announce with expect_log(), and
# on any sanitizer report. Nothing here sleeps for a fixed time and hopes: wait_for() polls a condition to a deadline.
#
# Environment: BTCF_NGINX another nginx binary (with the module linked in: the sanitizer build), BTCF_MODULE another
# module file, BTCF_H2=1 requests over HTTP/2 without TLS, BTCF_KEEP=1 keeps the folder.

use strict;
use warnings;

use Compress::Zlib ();
use Cwd qw(abs_path);
use Digest::MD5 ();
use Exporter qw(import);
use File::Basename qw(dirname);
use File::Temp qw(tempdir);
use IO::Select;
use IO::Socket::INET;
use IPC::Open2 qw(open2);
use JSON::PP ();
use POSIX qw(:sys_wait_h);
use Socket qw(IPPROTO_TCP TCP_NODELAY);
use Test::More;
use Time::HiRes qw(time sleep);

our @EXPORT = qw(
    segment nginx config_fails get head_of request raw raw_talk read_responses wait_for finish expect_log over_h2
    forecast_docs json slurp spew workers_of error_log access_log root_dir temp_dir stop_nginx rss_kb free_port background
);

my $ROOT = abs_path(dirname(__FILE__) . '/../..');
my $BUILD = $ENV{BUILD} || 'build';
$BUILD = "$ROOT/$BUILD" if $BUILD !~ m{^/};
my $DEADLINE_S = 20;

my $dir;
my (@servers, @publishers, @expected);
my $finished = 0;

$SIG{PIPE} = 'IGNORE';
$SIG{TERM} = $SIG{INT} = sub { exit 1 };    # so that END cleans up

sub root_dir { return $ROOT }
sub json { return JSON::PP->new->utf8->decode($_[0]) }
sub over_h2 { return $ENV{BTCF_H2} ? 1 : 0 }

# On tmpfs, because the segment lives there.
sub temp_dir {
    if (!$dir) {
        $dir = tempdir('btcf-t-XXXXXX', DIR => '/dev/shm', CLEANUP => !$ENV{BTCF_KEEP});
        chmod 0755, $dir;
        mkdir "$dir/$_" for qw(shm tmp);
    }
    return $dir;
}

sub slurp {
    my ($path) = @_;
    open(my $f, '<:raw', $path) or return '';
    local $/;
    my $text = <$f>;
    return defined $text ? $text : '';
}

sub spew {
    my ($path, $text) = @_;
    open(my $f, '>:raw', $path) or die "$path: $!";
    print $f $text;
    close($f) or die "$path: $!";
}

# True as soon as the code returns true; false when the deadline passes first.
sub wait_for(&;$) {
    my ($condition, $seconds) = @_;
    my $end = time + ($seconds || $DEADLINE_S);
    while (1) {
        my $value = $condition->();
        return $value if $value;
        return 0 if time > $end;
        sleep 0.01;
    }
}

sub free_port {
    my $socket = IO::Socket::INET->new(LocalAddr => '127.0.0.1', Listen => 1) or die "no free port: $!";
    return $socket->sockport;
}

# ---- the publisher ------------------------------------------------------------------------------------------------

my $segment_built;

sub build_segment {
    return if $segment_built++;
    # named as `make all` names it: another name for the folder would be other flags, and all would be compiled again
    my $build = $BUILD =~ s{^\Q$ROOT\E/}{}r;
    my $out = `make -s -C '$ROOT' '$build/tests/lib/segment' BUILD='$build' 2>&1`;
    BAIL_OUT("cannot build tests/lib/segment.c: $out") if $?;
}

# A publisher with its file created, not yet live.
sub segment {
    my (%options) = @_;
    my $self = publisher(%options);
    $self->do({do => 'create', dir => $self->{dir}, %{$options{create} || {}}});
    return $self;
}

sub publisher {
    my (%options) = @_;
    build_segment();
    my $self = bless {dir => $options{dir} || temp_dir() . '/shm'}, 'BTCF::Segment';
    $self->{pid} = open2($self->{out}, $self->{in}, "$BUILD/tests/lib/segment");
    $self->{in}->autoflush(1);
    push @publishers, $self;
    return $self;
}

package BTCF::Segment;

sub do {
    my ($self, $command) = @_;
    print {$self->{in}} JSON::PP->new->utf8->encode($command), "\n";
    my $answer = readline($self->{out});
    die "publisher ended\n" if !defined $answer;
    die "publisher: $answer" if $answer ne "ok\n";
}

sub doc { my ($self, $key, %fields) = @_; $self->do({do => 'doc', key => $key, %fields}) }
sub curve { my ($self, $key, %fields) = @_; $self->do({do => 'curve', key => $key, %fields}) }
sub live { $_[0]->do({do => 'live'}) }

# One event, or with `count` and `every_us` several of them. Without data: {"n":1,"t_us":...}, counted by the publisher.
sub event {
    my ($self, $type, $data, $subject, %fields) = @_;
    $self->do({do => 'event', type => $type, data => defined $data ? $data : '', subject => ($subject || 0), %fields});
}

sub beat { $_[0]->do({do => 'beat'}) }

# ---- the gate

my @ALL_SCOPES = qw(read stream history account.read account.write jobs webhooks);
my %SHIPPED = (    # as in engine/store/migrations/0002_gate.sql
    guest => [0, rate => 1, burst => 30, streams => 1, scopes => [qw(read stream)]],
    free => [1, rate => 2, burst => 60, streams => 2, quota_day => 5000, quota_month => 100_000,
        scopes => [qw(read stream account.read account.write)]],
    premium => [2, rate => 20, burst => 200, streams => 5, quota_day => 50_000, quota_month => 1_000_000,
        scopes => [qw(read stream history account.read account.write webhooks)]],
    professional => [3, rate => 100, burst => 1000, streams => 20, quota_day => 500_000, quota_month => 10_000_000,
        scopes => \@ALL_SCOPES],
    enterprise => [4, rate => 1000, burst => 5000, streams => 500, scopes => \@ALL_SCOPES],
    admin => [5, rate => 0, burst => 1000, streams => 500, scopes => [@ALL_SCOPES, 'admin']],
);

sub plans { my ($self) = @_; $self->plan($_) for sort keys %SHIPPED }

sub plan_number {
    my ($self, $name) = @_;
    return $SHIPPED{$name}[0] if $SHIPPED{$name};
    $self->{plan_numbers}{$name} = 8 + keys %{$self->{plan_numbers}} if !defined $self->{plan_numbers}{$name};
    return $self->{plan_numbers}{$name};
}

# The shipped plan of that name with other fields, or a new one, without a limit where none is given.
sub plan {
    my ($self, $name, %fields) = @_;
    my (undef, %shipped) = @{$SHIPPED{$name} || [undef, burst => 1000, streams => 10, scopes => \@ALL_SCOPES]};
    $self->do({do => 'plan', name => $name, number => $self->plan_number($name), %shipped, %fields});
}

sub unplan { my ($self, $name) = @_; $self->do({do => 'unplan', number => $self->plan_number($name)}) }

sub row_of {
    my ($self, $owner) = @_;
    return $self->{rows}{$owner} ||= 1 + keys %{$self->{rows}};
}

sub truth { return $_[0] ? JSON::PP::true() : JSON::PP::false() }

sub account {
    my ($self, $number, %fields) = @_;
    my %words = (id => Digest::MD5::md5_hex("account $number"), row => $self->row_of("account $number"), enabled => 1,
        admin => 0, plan => 'premium', %fields);
    $words{$_} = truth($words{$_}) for qw(enabled admin);
    $self->do({do => 'account', number => $number, %words, plan => $self->plan_number($words{plan})});
    return $words{id};
}

my @BASE62 = (0 .. 9, 'A' .. 'Z', 'a' .. 'z');

# A key with a right checksum (engine/crypto/api_key.h), not so random as a real one.
sub make_key {
    my ($is_test) = @_;
    my $draw = sub { join '', map { $BASE62[rand @BASE62] } 1 .. $_[0] };
    my $text = ($is_test ? 'btcf_test_' : 'btcf_live_') . $draw->(12) . '_' . $draw->(43);
    my ($crc, $check) = (Compress::Zlib::crc32($text), '');
    for (1 .. 6) {
        $check = $BASE62[$crc % 62] . $check;
        $crc = int($crc / 62);
    }
    return $text . $check;
}

sub key {
    my ($self, %fields) = @_;
    my $text = delete $fields{text} || make_key($fields{test});
    delete $fields{test};
    my $id = $self->{key_ids}{$text} ||= 1 + keys %{$self->{key_ids}};
    my %words = (id => $id, row => $self->row_of("key $id"), enabled => 1, scopes => \@ALL_SCOPES, %fields);
    $self->do({do => 'key', text => $text, %words, enabled => truth($words{enabled})});
    return $text;
}

sub revoke {
    my ($self, $session, $until) = @_;
    $self->do({do => 'revoke', session => $session, defined $until ? (until => $until) : ()});
}

# As an engine that crashes: no word to anybody.
sub kill {
    my ($self) = @_;
    return if !$self->{pid};
    CORE::kill('KILL', $self->{pid});
    waitpid($self->{pid}, 0);
    $self->{pid} = 0;
}

# Without waiting for the answer; settle() takes it.
sub send {
    my ($self, $command) = @_;
    print {$self->{in}} JSON::PP->new->utf8->encode($command), "\n";
}

sub settle {
    my ($self) = @_;
    my $answer = readline($self->{out});
    die 'publisher: ' . (defined $answer ? $answer : 'ended') if !defined $answer || $answer ne "ok\n";
}

package BTCF;

my @HORIZONS = qw(1h 4h 12h 1d 3d 7d 14d 30d);

# All eight horizons and the list of them, as the publisher makes them. Options are fields of a document.
sub forecast_docs {
    my ($segment, %fields) = @_;
    my (@fresh, @stale);
    my $etag = $fields{etag} || 100;
    for my $i (0 .. $#HORIZONS) {
        my $fresh = qq({"id":"f$i","horizon":"$HORIZONS[$i]","stale":false});
        (my $stale = $fresh) =~ s/false/true/;
        push @fresh, $fresh;
        push @stale, $stale;
        $segment->doc("/v1/forecasts/$HORIZONS[$i]", class => 'forecast', stale_in => 60_000, expires_in => 120_000,
            %fields, fresh => $fresh, stale => $stale, etag => $etag + $i);
    }
    $segment->doc('/v1/forecasts', class => 'forecast', stale_in => 60_000, expires_in => 120_000, %fields,
        fresh => '{"forecasts":[' . join(',', @fresh) . ']}', stale => '{"forecasts":[' . join(',', @stale) . ']}',
        etag => $etag + 50);
}

# ---- nginx --------------------------------------------------------------------------------------------------------

sub nginx_binary { return $ENV{BTCF_NGINX} || '/usr/sbin/nginx' }

sub module_line {
    return '' if $ENV{BTCF_NGINX} && !$ENV{BTCF_MODULE};
    my $module = $ENV{BTCF_MODULE} || "$BUILD/ngx_http_btcf_module.so";
    BAIL_OUT("$module is not built: make module") if !-e $module;
    return "load_module $module;";
}

# Options: routes (text of the server block; default: include of conf/routes.conf), http (more at http level), main,
# workers, shm (folder), no_http_conf, log_level, plain_listen (parameters of the plain port), limits (the shipped routes
# limit guests as they do in earnest; otherwise a test may ask as often as it likes),
# daemon (then the process is nobody's child, and the test ends it itself), edit (a function from the text to another).
sub config {
    my ($self, %options) = @_;
    my $dir = $self->{dir};
    my $http2 = over_h2() ? ' http2' : '';
    my $shm = $options{shm} || temp_dir() . '/shm';
    my $routes = defined $options{routes} ? $options{routes} : "include $ROOT/conf/routes.conf;";
    my $http_conf = $options{no_http_conf} ? '' : "include $ROOT/conf/http.conf; access_log $dir/access.log btcf;";
    my $unlimited = defined $options{routes} || $options{limits} || $options{no_http_conf} ? '' : 'btcf_limit_address off;';
    my $level = $options{log_level} || 'info';
    return <<"EOC";
@{[module_line()]}
@{[$options{main} || '']}
daemon @{[$options{daemon} ? 'on' : 'off']};
@{[$> == 0 ? "user @{[scalar getpwuid($>)]};" : '']}
worker_processes @{[$options{workers} || 1]};
pid $dir/nginx.pid;
error_log $dir/error.log $level;
events { worker_connections 512; }
http {
    client_body_temp_path $dir/tmp/b; proxy_temp_path $dir/tmp/p; fastcgi_temp_path $dir/tmp/f;
    scgi_temp_path $dir/tmp/s; uwsgi_temp_path $dir/tmp/u;
    btcf_shm_dir $shm;
    $http_conf $unlimited
    @{[$options{http} || '']}
    server {
        listen 127.0.0.1:$self->{port}$http2;
        listen 127.0.0.1:$self->{plain} @{[$options{plain_listen} || '']};
        @{[$options{server} || '']}
        $routes
    }
}
EOC
}

sub nginx {
    my (%options) = @_;
    my $self = {dir => temp_dir() . '/n' . scalar(@servers), port => free_port(), plain => free_port(),
        daemon => $options{daemon}, workers => $options{workers} || 1};
    mkdir $self->{dir};
    mkdir "$self->{dir}/tmp";
    push @servers, $self;
    my $text = config($self, %options);
    spew("$self->{dir}/nginx.conf", $options{edit} ? $options{edit}->($text) : $text);
    start($self);
    return $self;
}

sub start {
    my ($self) = @_;
    my $dir = $self->{dir};
    $self->{pid} = fork;
    die "fork: $!" if !defined $self->{pid};
    if ($self->{pid} == 0) {
        $ENV{ASAN_OPTIONS} = "detect_leaks=1:log_path=$dir/asan:exitcode=99";
        $ENV{UBSAN_OPTIONS} = "print_stacktrace=1:log_path=$dir/ubsan";
        $ENV{LSAN_OPTIONS} = "suppressions=$ROOT/t/lib/lsan.supp:print_suppressions=0";
        $ENV{MALLOC_PERTURB_} = 165;
        open(STDERR, '>>', "$dir/stderr");
        open(STDOUT, '>&', \*STDERR);
        { exec(nginx_binary(), '-p', $dir, '-e', "$dir/error.log", '-c', "$dir/nginx.conf") };
        POSIX::_exit(127);
    }
    wait_for { -s "$dir/nginx.pid" and connects($self->{plain}) or !$self->{daemon} && waitpid($self->{pid}, WNOHANG) > 0 };
    BAIL_OUT('nginx does not start: ' . slurp("$dir/stderr") . slurp("$dir/error.log")) if !connects($self->{plain});
    if ($self->{daemon}) {
        waitpid($self->{pid}, 0);
        $self->{pid} = slurp("$dir/nginx.pid") + 0;
    }
    wait_for { workers_of($self) >= $self->{workers} } or BAIL_OUT('nginx has no workers: ' . error_log($self));
}

sub connects {
    my ($port) = @_;
    return !!IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $port, Timeout => 2);
}

# `nginx -t` on a configuration: (exit status, output).
sub config_fails {
    my (%options) = @_;
    my $self = {dir => temp_dir() . '/check', port => 1, plain => 2};
    mkdir $self->{dir};
    mkdir "$self->{dir}/tmp";
    spew("$self->{dir}/nginx.conf", config($self, %options));
    my $out = `ASAN_OPTIONS=detect_leaks=0 '@{[nginx_binary()]}' -t -p '$self->{dir}' -e '$self->{dir}/error.log' -c '$self->{dir}/nginx.conf' 2>&1`;
    return ($? >> 8, $out);
}

sub stop_nginx {
    my ($self, $signal) = @_;
    return if !$self->{pid};
    kill $signal || 'QUIT', $self->{pid};
    my $gone = wait_for { waitpid($self->{pid}, WNOHANG) != 0 };
    if (!$gone) {
        fail('nginx ends when told to');
        kill 'KILL', $self->{pid};
        waitpid($self->{pid}, 0);
    }
    $self->{pid} = 0;
}

sub error_log { return slurp("$_[0]{dir}/error.log") }
sub access_log { return map { json($_) } grep { /\S/ } split /\n/, slurp("$_[0]{dir}/access.log") }

# Pids of the master's children that are workers.
sub workers_of {
    my ($self) = @_;
    my @pids = split ' ', slurp("/proc/$self->{pid}/task/$self->{pid}/children");
    return grep { slurp("/proc/$_/cmdline") =~ /worker process(?! is shutting down)/ } @pids;
}

# Counted page by page: the sums of /proc/PID/status are kept per processor and may be off by hundreds of KB.
sub rss_kb {
    my ($pid) = @_;
    return slurp("/proc/$pid/smaps_rollup") =~ /^Anonymous:\s+(\d+)/m ? $1 : 0;
}

# ---- HTTP ---------------------------------------------------------------------------------------------------------

# Sends bytes as they are to the plain port; returns everything until the server closes, or $seconds pass.
sub raw {
    my ($self, $bytes, $seconds) = @_;
    my $socket = raw_talk($self);
    syswrite($socket, $bytes);
    return drain($socket, $seconds || 5);
}

sub raw_talk {
    my ($self) = @_;
    my $socket = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $self->{plain}) or die "connect: $!";
    setsockopt($socket, IPPROTO_TCP, TCP_NODELAY, 1);
    return $socket;
}

sub drain {
    my ($socket, $seconds) = @_;
    my $end = time + $seconds;
    my $text = '';
    my $select = IO::Select->new($socket);
    while ((my $left = $end - time) > 0) {
        next if !$select->can_read($left);
        my $n = sysread($socket, my $bytes, 65536);
        last if !$n;
        $text .= $bytes;
    }
    return $text;
}

# Reads exactly @methods responses, one per method, from a connection; undef for one that did not come.
sub read_responses {
    my ($socket, @methods) = @_;
    my ($buffer, @responses) = ('');
    for my $method (@methods) {
        my $response = read_one($socket, \$buffer, $method);
        push @responses, $response;
        last if !$response;
    }
    return @responses;
}

sub read_one {
    my ($socket, $buffer, $method) = @_;
    my $more = sub {
        IO::Select->new($socket)->can_read($DEADLINE_S) or return 0;
        my $n = sysread($socket, my $bytes, 65536);
        $$buffer .= $bytes if $n;
        return $n;
    };
    while ($$buffer !~ /\r\n\r\n/) {
        $more->() or return undef;
    }
    my ($top) = $$buffer =~ /^(.*?\r\n\r\n)/s;
    $$buffer = substr($$buffer, length $top);
    my $response = parse_top($top);
    my $length = $response->{headers}{'content-length'};
    return read_chunks($response, $buffer, $more) if ($response->{headers}{'transfer-encoding'} || '') eq 'chunked';
    return $response if $method eq 'HEAD' || $response->{status} == 304 || !defined $length;
    while (length $$buffer < $length) {
        $more->() or return undef;
    }
    $response->{body} = substr($$buffer, 0, $length);
    $$buffer = substr($$buffer, $length);
    return $response;
}

sub read_chunks {
    my ($response, $buffer, $more) = @_;
    while (1) {
        while ($$buffer !~ /^([0-9a-f]+)\r\n/i || length($$buffer) < length($1) + 4 + hex $1) {
            $more->() or return undef;
        }
        my ($size) = $$buffer =~ /^([0-9a-f]+)\r\n/i;
        $response->{body} .= substr($$buffer, length($size) + 2, hex $size);
        $$buffer = substr($$buffer, length($size) + 4 + hex $size);
        return $response if hex $size == 0;
    }
}

# Headers by lower-case name; a repeated one is an array under `all`.
sub parse_top {
    my ($top) = @_;
    my ($status_line, @lines) = split /\r\n/, $top;
    my ($status) = $status_line =~ m{^HTTP/[\d.]+ (\d{3})};
    my (%headers, %all);
    for my $line (@lines) {
        my ($name, $value) = $line =~ /^([^:]+):\s*(.*)$/ or next;
        $headers{lc $name} = $value;
        push @{$all{lc $name}}, $value;
    }
    return {status => $status || 0, line => $status_line, headers => \%headers, all => \%all, body => ''};
}

sub get { my ($self, $path, @headers) = @_; return request($self, 'GET', $path, @headers) }
sub head_of { my ($self, $path, @headers) = @_; return request($self, 'HEAD', $path, @headers) }

# One request on a connection of its own. Header "body" is the body.
sub request {
    my ($self, $method, $path, @headers) = @_;
    return h2_request($self, $method, $path, @headers) if over_h2();
    my ($text, $body) = ("$method $path HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n", '');
    while (my ($name, $value) = splice @headers, 0, 2) {
        if ($name eq 'body') {
            $body = $value;
            $text .= 'Content-Length: ' . length($value) . "\r\n";
        } else {
            $text .= "$name: $value\r\n";
        }
    }
    my $socket = raw_talk($self);
    syswrite($socket, "$text\r\n$body");
    my ($response) = read_responses($socket, $method);
    return $response || {status => 0, headers => {}, all => {}, body => ''};
}

# curl reports an error when nginx answers before it has read the body and resets the stream with NO_ERROR, which HTTP/2
# allows; nghttp does not. Its verbose output has a line per header, and our problems are one line of JSON.
sub h2_request_with_body {
    my ($self, $method, $path, %headers) = @_;
    my $file = temp_dir() . '/body';
    spew($file, delete $headers{body});
    my @command = ('nghttp', '-v', '-d', $file, '-H', ":method: $method", map { ('-H', "$_: $headers{$_}") } keys %headers);
    open(my $pipe, '-|', @command, "http://127.0.0.1:$self->{port}$path") or die "nghttp: $!";
    my $text = do { local $/; <$pipe> } || '';
    close $pipe;
    my ($status) = $text =~ /recv \(stream_id=\d+\) :status: (\d+)/;
    my $top = join("\r\n", 'HTTP/2 ' . ($status || 0), $text =~ /recv \(stream_id=\d+\) ([^:\s][^:]*: .*)/g);
    my $response = parse_top($top);
    $response->{body} = $text =~ /^(\{.*\}\n)/m ? $1 : '';
    return $response;
}

sub h2_request {
    my ($self, $method, $path, @headers) = @_;
    return h2_request_with_body($self, $method, $path, @headers) if grep { $_ eq 'body' } @headers;
    my @command = ('curl', '-s', '-i', '--http2-prior-knowledge', '--max-time', 10, '--path-as-is');
    push @command, $method eq 'HEAD' ? '-I' : ('-X', $method);
    while (my ($name, $value) = splice @headers, 0, 2) {
        push @command, '-H', $value eq '' ? "$name;" : "$name: $value";
    }
    open(my $pipe, '-|', @command, "http://127.0.0.1:$self->{port}$path") or die "curl: $!";
    binmode $pipe;
    my $text = do { local $/; <$pipe> };
    close $pipe;
    $text = '' if !defined $text;
    $text =~ s/^HTTP\/2 100.*?\r\n\r\n//s;
    my ($top, $body) = split /\r\n\r\n/, $text, 2;
    return {status => 0, headers => {}, all => {}, body => ''} if !defined $top || $top eq '';
    my $response = parse_top($top);
    $response->{body} = defined $body ? $body : '';
    return $response;
}

# ---- the end ------------------------------------------------------------------------------------------------------

# Announces lines of the error log that would otherwise fail the test.
sub expect_log { push @expected, @_ }

sub look_into_logs {
    my ($self) = @_;
    my @bad = grep { /\[(alert|crit|emerg)\]|AddressSanitizer|LeakSanitizer|runtime error/ }
        split /\n/, error_log($self) . slurp("$self->{dir}/stderr");
    for my $pattern (@expected) {
        @bad = grep { !/$pattern/ } @bad;
    }
    push @bad, map { split /\n/, slurp($_) } glob("$self->{dir}/asan.* $self->{dir}/ubsan.*");
    is(scalar(@bad), 0, 'the error log is clean') or diag(join("\n", @bad[0 .. ($#bad > 40 ? 40 : $#bad)]));
}

sub finish {
    stop_all();
    look_into_logs($_) for @servers;
    $finished = 1;
    done_testing();
}

sub stop_all {
    stop_nginx($_) for @servers;
    $_->kill for @publishers;
}

# A child of the test itself (a client, a false upstream); killed at the end if it is still there.
my @children;

sub background(&) {
    my ($code) = @_;
    my $pid = fork;
    die "fork: $!" if !defined $pid;
    if ($pid == 0) {
        open(STDOUT, '>', '/dev/null');
        $code->();
        POSIX::_exit(0);
    }
    push @children, $pid;
    return $pid;
}

my $main = $$;

END {
    return if $$ != $main;
    my $status = $?;
    kill 'KILL', $_ for grep { waitpid($_, WNOHANG) == 0 } @children;
    for my $server (grep { $_->{pid} } @servers) {
        kill 'KILL', workers_of($server), $server->{pid};
        waitpid($server->{pid}, 0);
    }
    $_->kill for @publishers;
    $? = $status;
}

1;
