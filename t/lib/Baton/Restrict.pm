# SPDX-License-Identifier: Apache-2.0
package Baton::Restrict;

=head1 NAME

Baton::Restrict - a batond with access restrictions, and clients that XCLIENT makes of 127.0.0.1

=head1 SYNOPSIS

    my $w = Baton::Restrict->new;
    $w->configure(smtpd_recipient_restrictions => 'reject');  # starts it, or reloads it
    $w->ask(addr => '192.0.2.1', to => 'me@here.test');       # the answer to RCPT: all lines
    $w->ask_until('MAIL', addr => '192.0.2.1');               # to MAIL, DATA, END, or HELO; a refusal before it is the answer
    $w->log;                                                  # what was logged since the last time

Clients are at 127.0.0.1 (or from_host, another address of loopback), or what addr, name, login, helo, from, to, also (a list) say. me@here.test and
you@here.test exist.

=cut

use strict;
use warnings;
use Baton::Client;
use Baton::Test;
use Carp;

sub new {
    my ($class, %o) = @_;
    my $self = bless { t => Baton::Test->new, port => free_port(), o => \%o }, $class;
    $self->{relay} = $self->{t}->fake_relay;
    spew($self->{t}->path('aliases'), "me: x\@example.test\nyou: x\@example.test\n");
    return $self;
}

sub test { $_[0]{t} }
sub port { $_[0]{port} }

sub write_config {
    my ($self, %config) = @_;
    my $raw = ($self->{o}{raw} // '') . (delete $config{raw} // '');
    $self->{t}->config(relayhost => $self->{relay}->address, mydestination => 'here.test', alias_maps => $self->{t}->path('aliases'),
        local_transport => 'error:5.1.1 User unknown', smtpd_authorized_xclient_hosts => '127.0.0.1',
        smtpd_client_connection_count_limit => 0, receive_workers => 1, smtpd_error_sleep_time => '0s', smtpd_hard_error_limit => 100,
        raw => "listen smtp { address = \"127.0.0.1\", port = $self->{port} }\n$raw", %{ $self->{o}{config} // {} }, %config);
}

sub configure {
    my ($self, %config) = @_;
    $self->write_config(%config);
    if ($self->{runs}++) { $self->{t}->reload_batond }
    else { $self->{t}->start_batond(%{ $self->{o}{start} // {} }) }
    $self->{at} = length $self->{t}->log_text;
}

sub log {
    my ($self) = @_;
    my $text = substr $self->{t}->log_text, $self->{at};
    return $text;
}

my @steps = qw(XCLIENT HELO MAIL RCPT DATA END);

sub _lines {
    my ($self, %o) = @_;
    my @attrs = map { defined $o{$_} ? uc($_) . "=$o{$_}" : () } qw(addr name login port);
    my $helo = $o{helo} // 'client.example.org';
    return (
        XCLIENT => [ @attrs ? ("EHLO first.example", 'XCLIENT ' . join(' ', @attrs)) : () ],
        HELO => [ "EHLO $helo" ],
        MAIL => [ 'MAIL FROM:<' . ($o{from} // 'a@example.org') . '>' . ($o{params} // '') ],
        RCPT => [ map { "RCPT TO:<$_>" } $o{to} // 'you@example.net', @{ $o{also} // [] } ],
        DATA => ['DATA'],
        END  => [ "Subject: x\r\n\r\n" . ($o{body} // 'x') . "\r\n." ],
    );
}

# The answer to that step; undef, '' as Baton::Client says; a refusal before it is the answer
# A worker that a reload has replaced says 421 to whom it has still accepted.
sub ask_until {
    my ($self, @o) = @_;
    my $reply;
    for (1 .. 20) {
        $reply = $self->_ask_until(@o);
        last if !defined $reply || $reply !~ /^421 4\.3\.2 Service shutting down/;
    }
    return $reply;
}

sub _ask_until {
    my ($self, $until, %o) = @_;
    my $c = Baton::Client->new(port => $self->{port}, ($o{from_host} ? (from => $o{from_host}) : ())) or croak "port $self->{port}: $!";
    my %lines = $self->_lines(%o);
    my $reply = $c->reply;
    return $reply if !defined $reply || $reply !~ /^2/;
    for my $step (@steps) {
        for my $line (@{ $lines{$step} }) {
            $reply = $c->say($line);
            return $reply if !defined $reply || $reply !~ /^[23]/;
        }
        last if $step eq $until;
    }
    return $reply;
}

sub ask { my ($self, @o) = @_; return $self->ask_until('RCPT', @o) }

1;
