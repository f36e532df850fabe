# SPDX-License-Identifier: Apache-2.0
package Baton::PolicyServer;

=head1 NAME

Baton::PolicyServer - a policy server on loopback for the faults that a real one does not have

=head1 SYNOPSIS

    my $p = Baton::PolicyServer->start(dir => $t->dir);    # or path => '/unix/socket'
    $p->place;                                              # "inet:127.0.0.1:PORT"
    $p->requests;                                           # [ { request => ..., sender => ... }, ... ]
    $p->connections;

What it does, the sender's local part says: hang never answers, garbage answers nonsense, close hangs up, half answers and never
ends, once answers and hangs up, anything else is an action: "reject.go.away" is "action=REJECT go away".

=cut

use strict;
use warnings;
use IO::Select;
use IO::Socket::INET;
use IO::Socket::UNIX;
use POSIX ();
use Baton::Test ();

sub start {
    my ($class, %o) = @_;
    my $self = bless { log => "$o{dir}/policy-" . ($o{path} ? 'unix' : 'inet') }, $class;
    my $socket = $o{path} ? IO::Socket::UNIX->new(Local => $o{path}, Listen => 50)
      : IO::Socket::INET->new(LocalAddr => '127.0.0.1', LocalPort => $o{port} // 0, Listen => 50, ReuseAddr => 1);
    die "listen: $!" if !$socket;
    $self->{place} = $o{path} ? "unix:$o{path}" : 'inet:127.0.0.1:' . $socket->sockport;
    $self->{port} = $o{path} ? 0 : $socket->sockport;
    my $pid = fork // die "fork: $!";
    if (!$pid) {
        setpgrp 0, 0;
        $SIG{PIPE} = 'IGNORE';
        $self->_serve($socket);
        POSIX::_exit(0);
    }
    POSIX::setpgid($pid, $pid);
    Baton::Test::register_group($pid, 'policy server');
    $self->{pid} = $pid;
    return $self;
}

sub place { $_[0]{place} }
sub port  { $_[0]{port} }

sub stop {
    my ($self) = @_;
    my $pid = delete $self->{pid} // return;
    kill 'KILL', -$pid;
    waitpid $pid, 0;
    Baton::Test::forget_group($pid);
}

sub connections { my ($self) = @_; my $n = () = (Baton::Test::slurp($self->{log}) // '') =~ /^connected$/mg; return $n }

sub requests {
    my ($self) = @_;
    my @all;
    for my $text (split /\n\n/, (Baton::Test::slurp($self->{log}) // '') =~ s/^connected\n//mgr) {
        push @all, { map { /^([^=]+)=(.*)$/ ? ($1 => $2) : () } split /\n/, $text };
    }
    return @all;
}

sub _note { my ($self, $text) = @_; open my $fh, '>>', $self->{log} or die $!; print $fh $text; close $fh }

sub _serve {
    my ($self, $listener) = @_;
    my $select = IO::Select->new($listener);
    my %in;
    while (1) {
        for my $s ($select->can_read) {
            if ($s == $listener) {
                my $c = $listener->accept // next;
                $self->_note("connected\n");
                $select->add($c);
                $in{$c} = '';
                next;
            }
            my $n = sysread $s, $in{$s}, 65536, length $in{$s};
            my $is_open = $n && $self->_answer($s, \$in{$s});
            next if $is_open;
            $select->remove($s);
            delete $in{$s};
            close $s;
        }
    }
}

sub _answer {
    my ($self, $s, $in) = @_;
    while ($$in =~ s/\A(.*?)\n\n//s) {
        my $request = $1;
        $self->_note("$request\n\n");
        my ($what) = $request =~ /^sender=([^@\n]*)/m;
        return 0 if $what eq 'close';
        next if $what eq 'hang';
        my $action = $what eq 'once' ? 'DUNNO' : $what =~ s/\./ /gr;
        $action =~ s/^(\S+)/\U$1/;
        syswrite $s, $what eq 'garbage' ? "HTTP/1.1 200 Ok\n\n" : $what eq 'half' ? "action=DUNNO\n" : "action=$action\n\n";
        return 0 if $what eq 'once';
    }
    return 1;
}

sub DESTROY { my ($self) = @_; local ($?, $@, $!); $self->stop }

1;
