# SPDX-License-Identifier: Apache-2.0
package Baton::SmtpClient;

=head1 NAME

Baton::SmtpClient - the client's side of SMTP by hand, with TLS (OpenSSL), for what real clients do not do

=head1 SYNOPSIS

    my $c = Baton::SmtpClient->new($port);          # has read the greeting; tls => 1: implicit TLS
    is($c->say('EHLO me'), ...);                    # sends a line, returns the whole reply
    $c->starttls or diag $c->{error};               # STARTTLS and the handshake; ca => FILE, name => SNI
    $c->send("raw bytes"); $c->reply;

=cut

use strict;
use warnings;
use Baton::Test ();
use IO::Select;
use IO::Socket::INET;
use Time::HiRes qw(time);

sub new {
    my ($class, $port, %o) = @_;
    my $s = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $port, Timeout => 10) or return;
    binmode $s;
    my $self = bless { s => $s, in => '', %o }, $class;
    if ($o{tls}) { $self->handshake or return $self }
    $self->{greeting} = $o{silent} ? '' : $self->reply;
    return $self;
}

sub socket { $_[0]{s} }

sub send {
    my ($self, $bytes) = @_;
    local $SIG{PIPE} = 'IGNORE';
    return $self->{s}->syswrite($bytes);
}

# The next whole reply, or what came before the end of the stream
sub reply {
    my ($self, $seconds) = @_;
    my $end = time + ($seconds // 10) * ($ENV{BATON_TEST_SLOW} || 1);
    while ($self->{in} !~ /^\d\d\d(?: .*)?\r\n/m) {
        my $pending = $self->{s}->can('pending') && $self->{s}->pending;
        last if !$pending && !IO::Select->new($self->{s})->can_read($end - time > 0 ? $end - time : 0);
        last if !$self->{s}->sysread($self->{in}, 65536, length $self->{in});
    }
    $self->{in} =~ s/\A((?:\d\d\d-.*\r\n)*\d\d\d(?: .*)?\r\n)// or $self->{in} =~ s/\A(.*)\z//s;
    return $1;
}

sub say {
    my ($self, $line) = @_;
    $self->send("$line\r\n");
    return $self->reply;
}

sub handshake {
    my ($self, %o) = @_;
    require IO::Socket::SSL;
    %o = (%$self, %o);
    my %ssl = $o{ca} ? (SSL_ca_file => $o{ca}, SSL_verify_mode => 1, SSL_verifycn_scheme => 'none') : (SSL_verify_mode => 0);
    local $SIG{PIPE} = 'IGNORE';
    my $ok = IO::Socket::SSL->start_SSL($self->{s}, %ssl, ($o{name} ? (SSL_hostname => $o{name}) : ()), Timeout => 10);
    $self->{error} = $IO::Socket::SSL::SSL_ERROR if !$ok;
    return $ok;
}

sub starttls {
    my ($self, %o) = @_;
    my $said = $self->say('STARTTLS');
    if ($said !~ /^220 /) { $self->{error} = $said; return }
    return $self->handshake(%o);
}

# The name in the certificate that was shown
sub shown { my ($self) = @_; return $self->{s}->peer_certificate('cn') }

# A whole message; the reply to its end
sub deliver {
    my ($self, $text) = @_;
    my $r = '';
    for my $line ('MAIL FROM:<me@example.test>', 'RCPT TO:<you@example.test>', 'DATA') {
        $r = $self->say($line);
        return $r if $r !~ /^[23]/;
    }
    $self->send("$text\r\n.\r\n");
    return $self->reply;
}

# True once the other side has ended the connection
sub ended {
    my ($self, $seconds) = @_;
    my $end = time + ($seconds // 10) * ($ENV{BATON_TEST_SLOW} || 1);
    while (time < $end) {
        next if !IO::Select->new($self->{s})->can_read(0.2);
        my $n = sysread $self->{s}, my $away, 65536;
        return 1 if !$n;
    }
    return;
}

1;
