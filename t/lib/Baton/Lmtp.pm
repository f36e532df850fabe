# SPDX-License-Identifier: Apache-2.0
package Baton::Lmtp;

=head1 NAME

Baton::Lmtp - speaks LMTP to a delivery service of batond, as its relay does

=head1 SYNOPSIS

    my $l = Baton::Lmtp->new($t, 'virtual');
    my %said = $l->deliver('sender@example.org', ['a@example.com', ['b@example.com', 'ORCPT=rfc822;c@example.com']], "Subject: x\n\nHello\n");
    like($said{'a@example.com'}, qr/^250 2\.0\.0 /);

=cut

use strict;
use warnings;
use Baton::Client;
use Carp qw(croak);

sub new {
    my ($class, $t, $service) = @_;
    my $path = $t->spool . "/private/$service";
    my $c = Baton::Client->new(path => $path) or croak "$path: $!";
    my $self = bless { c => $c }, $class;
    $self->{banner} = $c->reply;
    $c->say('LHLO relay.example.test');
    return $self;
}

sub client { $_[0]{c} }

# Returns recipient => reply; what was refused earlier has that reply. Recipients: an address, or [address, parameters].
sub deliver {
    my ($self, $sender, $to, $content, %o) = @_;
    my $c = $self->{c};
    my (%said, @taken);
    my $mail = $c->say("MAIL FROM:<$sender>" . ($o{mail} ? " $o{mail}" : ''));
    croak "MAIL: $mail" if $mail !~ /^250 /;
    for (@$to) {
        my ($address, $with) = ref $_ ? @$_ : ($_, '');
        my $reply = $c->say("RCPT TO:<$address>" . ($with ? " $with" : ''));
        $said{$address} = $reply;
        push @taken, $address if $reply =~ /^250 /;
    }
    my $go = $c->say('DATA');
    croak "DATA: $go" if $go !~ /^354 /;
    $content =~ s/\r?\n/\r\n/g;
    $content =~ s/^\./../gm;
    my $all = "$content.\r\n";
    while (length $all) {
        my $n = $c->send_raw($all) // croak 'hung up';
        substr $all, 0, $n, '';
        select undef, undef, undef, 0.01 if !$n;
    }
    for (@taken) {
        $said{$_} = $c->reply($o{timeout});
        chomp $said{$_} if defined $said{$_};
    }
    return %said;
}

1;
