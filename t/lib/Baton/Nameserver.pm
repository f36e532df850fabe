# SPDX-License-Identifier: Apache-2.0
package Baton::Nameserver;

=head1 NAME

Baton::Nameserver - a name server on loopback that knows what a test tells it, and nothing else

=head1 SYNOPSIS

    $t->start_batond(env => { BATON_NAMESERVERS => $t->nameserver({
        'mx.example.test A'  => ['127.0.0.1'],
        'example.test MX'    => ['10 mx.example.test', '20 mx2.example.test'],
        '1.2.0.192.in-addr.arpa PTR' => ['mail.example.test'],
        'broken.test *'      => 'SERVFAIL',
    }) });

Names that are not there do not exist (NXDOMAIN); a name that is there with other types has no such record. '*.example.test A' is
for all names with one label more that are not there themselves.

=cut

use strict;
use warnings;
use IO::Socket::INET;
use POSIX ();
use Socket qw(inet_aton inet_pton AF_INET6);
use Baton::Test ();

my %type = (A => 1, NS => 2, PTR => 12, MX => 15, TXT => 16, AAAA => 28);
my %name_of = reverse %type;

sub start {
    my ($class, $zone) = @_;
    my $socket = IO::Socket::INET->new(Proto => 'udp', LocalAddr => '127.0.0.1') or die "udp: $!";
    my $address = '127.0.0.1:' . $socket->sockport;
    my $pid = fork // die "fork: $!";
    if (!$pid) {
        setpgrp 0, 0;
        while (1) {
            my $from = $socket->recv(my $query, 4096) // next;
            my $reply = _answer($zone, $query) // next;
            $socket->send($reply, 0, $from);
        }
    }
    POSIX::setpgid($pid, $pid);
    Baton::Test::register_group($pid, 'nameserver');
    return bless { pid => $pid, address => $address }, $class;
}

sub address { $_[0]{address} }

sub stop {
    my ($self) = @_;
    my $pid = delete $self->{pid} // return;
    kill 'KILL', -$pid;
    waitpid $pid, 0;
    Baton::Test::forget_group($pid);
}

sub _name { join('', map { pack 'C/a', $_ } split /\./, $_[0]) . "\0" }

sub _answer {
    my ($zone, $query) = @_;
    my ($id, $flags, $n) = unpack 'nnn', $query;
    my $at = 12;
    my @labels;
    while (my $len = unpack 'C', substr $query, $at, 1) {
        push @labels, substr $query, $at + 1, $len;
        $at += 1 + $len;
    }
    my $question = substr $query, 12, $at + 5 - 12;
    my $type = unpack 'n', substr $query, $at + 1, 2;
    my $asked = lc join '.', @labels;
    $zone->{' names'} //= { map { (split ' ')[0] => 1 } keys %$zone };
    my $name = $zone->{' names'}{$asked} ? $asked : join '.', '*', map { lc } @labels[1 .. $#labels];
    my $kind = $name_of{$type} // $type;
    my $found = $zone->{"$name *"} // $zone->{"$name $kind"};
    my $exists = $zone->{' names'}{$name};
    my $rcode = defined $found && !ref $found ? 2 : $exists ? 0 : 3;
    my @data = ref $found ? @$found : ();
    my $answers = join '', map {
        my $rdata = $kind eq 'A' ? inet_aton($_)
          : $kind eq 'AAAA' ? inet_pton(AF_INET6, $_)
          : $kind eq 'NS' || $kind eq 'PTR' ? _name($_)
          : $kind eq 'MX' ? do { my ($p, $host) = split; pack('n', $p) . ($host eq '.' ? "\0" : _name($host)) }
          :                 pack('C/a', $_);
        "\xc0\x0c" . pack('nnNn', $type, 1, 60, length $rdata) . $rdata
    } @data;
    return pack('nnnnnn', $id, 0x8180 | $rcode, 1, scalar @data, 0, 0) . $question . $answers;
}

1;
