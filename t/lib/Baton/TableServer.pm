# SPDX-License-Identifier: Apache-2.0
package Baton::TableServer;

=head1 NAME

Baton::TableServer - a server of tables, by socketmap or tcp_table, as people write them in Perl

=head1 SYNOPSIS

    my $s = Baton::TableServer->start($t, protocol => 'socketmap');      # or 'tcp'; path => a unix socket
    $s->rows(canonical => { 'joe@old.test' => 'joe@new.test' });         # at any time; a value "TEMP why" is the server's trouble
    $s->spec('canonical');     # socketmap:inet:127.0.0.1:PORT:canonical, tcp:127.0.0.1:PORT (which has one table)
    $s->questions;             # "canonical joe@old.test", in the order in which they came
    $s->hang; $s->go_on; $s->stop; $s->up;

It answers one client after the other, as a simple server does, and keeps connections.

=cut

use strict;
use warnings;
use IO::Select;
use IO::Socket::INET;
use IO::Socket::UNIX;
use POSIX ();
use Baton::Test ();

sub start {
    my ($class, $t, %o) = @_;
    my $n = ++$t->{n};
    my $self = bless { protocol => 'socketmap', %o, log => $t->path("served-$n.log"), rows => $t->path("served-$n"), has => {} }, $class;
    $self->{port} = $o{path} ? 0 : Baton::Test::free_port();
    $self->rows;
    $self->up;
    return $self;
}

sub port { $_[0]{port} }

sub spec {
    my ($self, $name) = @_;
    return "tcp:127.0.0.1:$self->{port}" if $self->{protocol} eq 'tcp';
    return $self->{path} ? "socketmap:unix:$self->{path}:$name" : "socketmap:inet:127.0.0.1:$self->{port}:$name";
}

sub rows {
    my ($self, %tables) = @_;
    $self->{has}{$_} = $tables{$_} for keys %tables;
    my $text = '';
    for my $name (sort keys %{ $self->{has} }) {
        $text .= "$name $_\t$self->{has}{$name}{$_}\n" for sort keys %{ $self->{has}{$name} };
    }
    Baton::Test::spew("$self->{rows}.new", $text);
    rename "$self->{rows}.new", $self->{rows} or die "rename: $!";
}

sub questions { my ($self) = @_; return split /\n/, Baton::Test::slurp($self->{log}) // '' }

sub up {
    my ($self) = @_;
    my $path = $self->{path};
    unlink $path if $path;
    my $socket = $path ? IO::Socket::UNIX->new(Local => $path, Listen => 50)
      : IO::Socket::INET->new(LocalAddr => '127.0.0.1', LocalPort => $self->{port}, Listen => 50, ReuseAddr => 1);
    die "listen: $!" if !$socket;
    chmod 0777, $path if $path;
    my $pid = fork // die "fork: $!";
    if (!$pid) {
        setpgrp 0, 0;
        $SIG{PIPE} = 'IGNORE';
        $self->_serve($socket);
        POSIX::_exit(0);
    }
    POSIX::setpgid($pid, $pid);
    Baton::Test::register_group($pid, 'table server');
    $self->{pid} = $pid;
}

sub stop {
    my ($self) = @_;
    my $pid = delete $self->{pid} // return;
    kill 'KILL', -$pid;
    waitpid $pid, 0;
    Baton::Test::forget_group($pid);
}

sub hang  { Baton::Test::stop_processes(-$_[0]{pid}) }
sub go_on { kill 'CONT', -$_[0]{pid} }

sub DESTROY { local ($?, $@, $!); $_[0]->stop }

# ---- the child's ----

sub _serve {
    my ($self, $listener) = @_;
    my $select = IO::Select->new($listener);
    my %in;
    while (1) {
        for my $s ($select->can_read) {
            if ($s == $listener) {
                my $c = $listener->accept // next;
                $select->add($c);
                $in{$c} = '';
                next;
            }
            my $n = sysread $s, $in{$s}, 65536, length $in{$s};
            next if $n && $self->_answer($s, \$in{$s});
            $select->remove($s);
            delete $in{$s};
            close $s;
        }
    }
}

sub _find {
    my ($self, $question) = @_;
    open my $log, '>>', $self->{log} or die $!;
    print $log "$question\n";
    close $log;
    my %rows = map { split /\t/, $_, 2 } split /\n/, Baton::Test::slurp($self->{rows}) // '';
    return $rows{$question};
}

sub _answer {
    my ($self, $s, $in) = @_;
    if ($self->{protocol} eq 'tcp') {
        while ($$in =~ s/\Aget (.*?)\r?\n//) {
            my $value = $self->_find('tcp ' . ($1 =~ s/%([0-9A-Fa-f]{2})/chr hex $1/ger));
            my $text = !defined $value ? '500 not found' : $value =~ /^TEMP (.*)/ ? "400 $1" : "200 $value";
            syswrite $s, $text =~ s/(?<=^....)(.*)/$1 =~ s{([\s%])}{sprintf '%%%02X', ord $1}ger/er . "\n";
        }
        return 1;
    }
    while ($$in =~ /\A(\d+):/ && length $$in >= length($1) + $1 + 2) {
        my ($len, $at) = ($1, length($1) + 1);
        my $question = substr $$in, $at, $len;
        substr $$in, 0, $at + $len + 1, '';
        my $value = $self->_find($question);
        my $text = !defined $value ? 'NOTFOUND ' : $value =~ /^TEMP / ? $value : "OK $value";
        syswrite $s, length($text) . ":$text,";
    }
    return 1;
}

1;
