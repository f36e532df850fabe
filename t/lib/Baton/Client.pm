# SPDX-License-Identifier: Apache-2.0
package Baton::Client;

=head1 NAME

Baton::Client - an SMTP client that says what a test wants it to say

=head1 SYNOPSIS

    my $c = Baton::Client->new(port => $port);          # from => '127.0.0.2', path => '/unix/socket'
    like($c->reply, qr/^220 /);                         # all lines of one reply; '' when the server has hung up
    is($c->say('EHLO me'), ...);                        # a line out, a reply in
    $c->send_raw("QUIT\r\n");                           # bytes out; as many as go for now
    $c->deliver;                                        # a small message: the reply to its end, or the refusal
    $c->starttls(ca => $file) or diag $c->{error};      # STARTTLS and the handshake, by OpenSSL; name => SNI, version => 'TLSv1_2',
                                                        # cert => $file and key => $file: the client's own
    $c->handshake;                                      # TLS at once
    my $c = Baton::Client->ready(port => $port, tls => 'starttls', ca => $file); # has said EHLO, the last time within TLS ('implicit':
                                                        # from the first byte); {ehlo} is what it was told. Dies without TLS
    $c->log_in($user, $password);                       # AUTH PLAIN; log_in_scram: SCRAM-SHA-256

=cut

use strict;
use warnings;
use Digest::SHA 'hmac_sha256', 'sha256';
use IO::Socket::INET;
use IO::Socket::UNIX;
use IO::Select;
use MIME::Base64 'decode_base64', 'encode_base64';
use Time::HiRes qw(time);

my $slow = $ENV{BATON_TEST_SLOW} || 1;

sub new {
    my ($class, %o) = @_;
    my $s = $o{path} ? IO::Socket::UNIX->new(Peer => $o{path})
      : IO::Socket::INET->new(PeerAddr => $o{host} // '127.0.0.1', PeerPort => $o{port}, Timeout => 10,
        ($o{from} ? (LocalAddr => $o{from}) : ()));
    return undef if !$s;
    $s->blocking(0);
    return bless { s => $s, in => '' }, $class;
}

sub socket { $_[0]{s} }

# One reply, its lines as they came; '' at the end of the connection, undef when none comes within $seconds
sub reply {
    my ($self, $seconds) = @_;
    my $end = time + ($seconds // 10) * $slow;
    while (1) {
        if ($self->{in} =~ s/\A((?:\d\d\d-[^\n]*\n)*\d\d\d(?: [^\n]*)?\n)//) {
            my $reply = $1;
            $reply =~ s/\r//g;
            return $reply;
        }
        return '' if $self->{at_end};
        my $left = $end - time;
        return undef if $left <= 0;
        my $is_within = $self->{is_tls} && $self->{s}->pending;
        next if !$is_within && !IO::Select->new($self->{s})->can_read($left);
        my $n = sysread $self->{s}, $self->{in}, 65536, length $self->{in};
        $self->{at_end} = 1 if !defined $n ? !$!{EAGAIN} : $n == 0;
    }
}

# The number of bytes that went, 0 when the server does not read, undef when it has hung up
sub send_raw {
    my ($self, $bytes) = @_;
    local $SIG{PIPE} = 'IGNORE';
    my $n = syswrite $self->{s}, $bytes;
    return defined $n ? $n : $!{EAGAIN} ? 0 : undef;
}

# Sends $bytes again and again, till the server takes none for $pause seconds, hangs up, or $most have gone: how many went
sub flood {
    my ($self, $bytes, $most, $pause) = @_;
    my ($sent, $left) = (0, '');
    while ($sent < $most) {
        $left = $bytes if !length $left;
        last if !IO::Select->new($self->{s})->can_write($pause // 1);
        my $n = $self->send_raw($left) // last;
        substr $left, 0, $n, '';
        $sent += $n;
    }
    return $sent;
}

sub say {
    my ($self, $line, $seconds) = @_;
    $self->send_raw("$line\r\n");
    return $self->reply($seconds);
}

sub greet {
    my ($self) = @_;
    my $r = $self->reply // '';
    return $r =~ /^220/ ? $self->say('EHLO client.test') : $r;
}

sub ready {
    my ($class, %o) = @_;
    my $tls = delete $o{tls} // '';
    my $self = $class->new(%o);
    $self->handshake(%o) or die $self->{error} if $tls eq 'implicit';
    $self->{ehlo} = $self->greet;
    if ($tls eq 'starttls') {
        $self->starttls(%o) or die $self->{error};
        $self->{ehlo} = $self->say('EHLO client.test');
    }
    return $self;
}

sub auth_plain { my ($user, $password) = @_; return 'AUTH PLAIN ' . encode_base64("\0$user\0$password", '') }

sub log_in { my ($self, $user, $password) = @_; return $self->say(auth_plain($user, $password)) }

# The last reply; the server has to prove, too, that it knows the password
sub log_in_scram {
    my ($self, $user, $password) = @_;
    my $b64 = sub { encode_base64($_[0], '') };
    my $first = "n=$user,r=abcdefgh";
    my $reply = $self->say('AUTH SCRAM-SHA-256 ' . $b64->("n,,$first"));
    $reply =~ /^334 (\S+)/ or return $reply;
    my $server = decode_base64($1);
    my ($nonce, $salt, $rounds) = $server =~ /^r=([^,]+),s=([^,]+),i=(\d+)/ or return $server;
    my $u = my $salted = hmac_sha256(decode_base64($salt) . "\0\0\0\1", $password);
    for (2 .. $rounds) { $u = hmac_sha256($u, $password); $salted ^= $u }
    my $key = hmac_sha256('Client Key', $salted);
    my $without = "c=biws,r=$nonce";
    my $proof = $key ^ hmac_sha256("$first,$server,$without", sha256($key));
    $reply = $self->say($b64->("$without,p=" . $b64->($proof)));
    return $reply =~ /^334 (\S+)/ && decode_base64($1) =~ /^v=/ ? $self->say('') : $reply;
}

sub deliver {
    my ($self, %o) = @_;
    for my $line ('MAIL FROM:<' . ($o{from} // 'a@client.test') . '>', 'RCPT TO:<' . ($o{to} // 'b@example.test') . '>', 'DATA') {
        my $r = $self->say($line, $o{seconds}) // return undef;
        return $r if $r !~ /^[23]/;
    }
    return $self->say(($o{text} // "Subject: x\r\n\r\nx\r\n") . '.', $o{seconds});
}

sub handshake {
    my ($self, %o) = @_;
    require IO::Socket::SSL;
    my %ssl = $o{ca} ? (SSL_ca_file => $o{ca}, SSL_verify_mode => 1, SSL_verifycn_scheme => 'none') : (SSL_verify_mode => 0);
    $ssl{SSL_cert_file} = $o{cert}, $ssl{SSL_key_file} = $o{key}, $ssl{SSL_use_cert} = 1 if $o{cert};
    $ssl{SSL_version} = $o{version} if $o{version};
    local $SIG{PIPE} = 'IGNORE';
    $self->{s}->blocking(1);
    $self->{is_tls} = IO::Socket::SSL->start_SSL($self->{s}, %ssl, ($o{name} ? (SSL_hostname => $o{name}) : ()), Timeout => 10 * $slow);
    $self->{error} = $IO::Socket::SSL::SSL_ERROR if !$self->{is_tls};
    return $self->{is_tls};
}

sub starttls {
    my ($self, %o) = @_;
    my $said = $self->say('STARTTLS') // '';
    return $self->handshake(%o) if $said =~ /^220 /;
    $self->{error} = $said;
    return;
}

# The name in the certificate that was shown
sub shown { return $_[0]{s}->peer_certificate('cn') }

# True once the other side has ended the connection, whatever it says before
sub ended {
    my ($self, $seconds) = @_;
    my $end = time + ($seconds // 10) * $slow;
    while (time < $end) {
        next if !IO::Select->new($self->{s})->can_read(0.2);
        my $n = sysread $self->{s}, my $away, 65536;
        return 1 if defined $n ? !$n : !$!{EAGAIN};
    }
    return;
}

sub close { close $_[0]{s} }

1;
