# SPDX-License-Identifier: Apache-2.0
package Baton::Sink;

=head1 NAME

Baton::Sink - `baton sink`, the embedded relayhost, as a test's relayhost

=head1 SYNOPSIS

    my $sink = $t->sink;
    $t->config(relayhost => $sink->address);
    ...
    my ($m) = $sink->wait_messages(1) or ...;   # the files of its Maildir, as text

=cut

use strict;
use warnings;
use Baton::Test ();
use Carp qw(croak);
use IO::Socket::INET;

# Options: port, args => [more arguments], maildir
sub start {
    my ($class, $t, %o) = @_;
    my $port = $o{port} // Baton::Test::free_port();
    my $maildir = $o{maildir} // $t->path("sink-$port");
    my $self = bless { t => $t, port => $port, maildir => $maildir, args => $o{args} // [] }, $class;
    $self->up;
    push @{ $t->{children} }, $self;
    Scalar::Util::weaken($t->{children}[-1]);
    Scalar::Util::weaken($self->{t});
    return $self;
}

# Up (again) on the same port, with the same Maildir
sub up {
    my ($self) = @_;
    my $t = $self->{t};
    $self->{log} = $t->path("sink-$self->{port}.log");
    $self->{pid} = $t->_spawn(
        [ Baton::Test::program('baton'), 'sink', '--listen', "127.0.0.1:$self->{port}", '--maildir', $self->{maildir},
          @{ $self->{args} } ],
        stdout => $self->{log}, stderr => $self->{log});
    my $ready = Baton::Test::wait_until {
        croak 'baton sink left: ' . Baton::Test::slurp($self->{log}) if waitpid($self->{pid}, POSIX::WNOHANG());
        IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $self->{port}, Timeout => 1);
    } 10;
    croak 'baton sink does not answer' if !$ready;
    return $self;
}

sub stop {
    my ($self) = @_;
    my $pid = delete $self->{pid} // return;
    return Baton::Test::_end($pid, 'TERM', 5);
}

sub port    { $_[0]{port} }
sub address { "[127.0.0.1]:$_[0]{port}" }
sub maildir { $_[0]{maildir} }
sub log     { Baton::Test::slurp($_[0]{log}) }

# The messages that have arrived, as text, in the order of their names
sub messages {
    my ($self) = @_;
    return map { Baton::Test::slurp($_) // () } sort glob "$self->{maildir}/{new,cur}/*";
}

# Waits till `n` have arrived; all that are there then (fewer when the deadline came first)
sub wait_messages {
    my ($self, $n, $seconds) = @_;
    Baton::Test::wait_until { (() = glob "$self->{maildir}/{new,cur}/*") >= $n } $seconds // 15;
    return $self->messages;
}

sub DESTROY { my ($self) = @_; local ($?, $@, $!); $self->stop }

use Scalar::Util ();
1;
