package BTCF::Token;

# Tokens and key sets for tests, made without any code of ours: HMAC by Digest::SHA, the rest by tests/lib/sign.py.
#
#     my $key = token_key('ES256', kid => 'a');              # also RS256 PS256 ES384 EdDSA HS256 ..., `secret` for HS*
#     spew($path, jwks($key, $other));                       # a JWK Set of public keys (of secrets, for HS*)
#     my $token = token($key, {sub => 'alice', exp => time + 60});
#     token($key, {...}, header => {typ => 'JWT', kid => undef});   # more of the header, or less of it
#     token($key, '{"exp":1e400}', header => '{"alg":"ES256"}');    # texts go in as they are
#     own_token($key, $account, $session, scope => 'read')   # an access token as our engine makes it, but for some claims
#     own_ticket($key, $account, $session, ...)              # a ticket for a stream
#     token($key, own_claims($account, $session, ...), header => {...});    # and with a header that it would not make

use strict;
use warnings;

use Cwd qw(abs_path);
use Digest::SHA ();
use Exporter qw(import);
use File::Basename qw(dirname);
use IPC::Open2 qw(open2);
use JSON::PP ();
use MIME::Base64 ();

our @EXPORT = qw(token_key token jwks own_claims own_token own_ticket b64 sign_text);

my $SIGN = abs_path(dirname(__FILE__) . '/../../../tests/lib/sign.py');
my $JSON = JSON::PP->new->utf8->canonical;
my ($pid, $in, $out);

sub b64 {
    my ($octets) = @_;
    my $text = MIME::Base64::encode_base64($octets, '');
    $text =~ tr{+/}{-_};
    $text =~ s/=+$//;
    return $text;
}

sub ask {
    my ($command) = @_;
    if (!$pid) {
        $pid = open2($out, $in, '/usr/bin/python3', $SIGN);
        $in->autoflush(1);
    }
    print {$in} $JSON->encode($command), "\n";
    my $line = readline($out);
    die "sign.py ended\n" if !defined $line;
    return $JSON->decode($line);
}

sub token_key {
    my ($alg, %fields) = @_;
    my $key = {alg => $alg};
    if ($alg =~ /^HS/) {
        $key->{secret} = $fields{secret} || join('', map { chr int rand 256 } 1 .. 64);
        $key->{jwk} = {kty => 'oct', alg => $alg, k => b64($key->{secret})};
    } else {
        my $made = ask({do => 'key', alg => $alg});
        @$key{qw(n jwk pem)} = @$made{qw(n jwk pem)};
    }
    $key->{kid} = $key->{jwk}{kid} = $fields{kid} if defined $fields{kid};
    return $key;
}

sub jwks { return $JSON->encode({keys => [map { $_->{jwk} } @_]}) }

# base64url of the signature of any text.
sub sign_text {
    my ($key, $text) = @_;
    return ask({do => 'sign', n => $key->{n}, input => $text})->{signature} if !$key->{secret};
    my %hmac = (HS256 => \&Digest::SHA::hmac_sha256, HS384 => \&Digest::SHA::hmac_sha384, HS512 => \&Digest::SHA::hmac_sha512);
    return b64($hmac{$key->{alg}}->($text, $key->{secret}));
}

sub token {
    my ($key, $claims, %options) = @_;
    my $header = $options{header};
    if (!defined $header || ref $header) {
        my %header = (alg => $key->{alg}, defined $key->{kid} ? (kid => $key->{kid}) : (), %{$header || {}});
        delete @header{grep { !defined $header{$_} } keys %header};
        $header = $JSON->encode(\%header);
    }
    my $text = b64($header) . '.' . b64(ref $claims ? $JSON->encode($claims) : $claims);
    return "$text." . sign_text($key, $text);
}

# What our engine says in its access tokens; undef leaves a claim out.
sub own_claims {
    my ($account, $session, %more) = @_;
    my $now = time;
    my %claims = (iss => 'btcf', aud => 'btcf', sub => $account, sid => $session, scope => 'read stream', iat => $now, exp => $now + 300,
        jti => sprintf('%08x', rand 2**32), %more);
    delete @claims{grep { !defined $claims{$_} } keys %claims};
    return \%claims;
}

sub own_token {
    my ($key, $account, $session, %more) = @_;
    return token($key, own_claims($account, $session, %more), header => {typ => 'JWT'});
}

sub own_ticket {
    my ($key, $account, $session, %more) = @_;
    my $now = time;
    return own_token($key, $account, $session, aud => 'btcf:stream', iat => $now, exp => $now + 30, %more);
}

END {
    if ($pid) {
        my $status = $?;
        close $in;
        waitpid($pid, 0);
        $? = $status;
    }
}

1;
