# SPDX-License-Identifier: Apache-2.0
package Baton::Handbook;

=head1 NAME

Baton::Handbook - a procedure of the mail server handbook, followed with the test's own paths and ports

=head1 SYNOPSIS

    my $h = Baton::Handbook->new;                   # a world ($h->t is its Baton::Test) with an SMTP port, $h->port
    $h->lines(<<'END', relayhost => $sink->address); # the section's lines; <relayhost> in them becomes that
    relayhost = "<relayhost>"
    END
    like($h->check, qr/^all is well/m);             # baton check
    $h->start;
    $h->mail('user@example.com', 'a subject');      # echo "This is a test message" | mail -s ... (s-nail)
    my $r = $h->swaks('--to', 'a@b.test', '--tls'); # { code, out }
    my $r = $h->smtplib('c.starttls(context=tls)', 'c.sendmail(...)');   # Python's smtplib; `tls` trusts the test's own authority
    my @m = $h->imap($dovecot, 'joe', 'secret');    # what curl finds in the INBOX

The lines are written as the handbook has them, in quotes; only paths, ports and addresses are the test's. What a test needs
besides (its spool, its user, its port) stands in front.

=cut

use strict;
use warnings;
use Baton::Test ();
use Carp qw(croak);

sub new {
    my ($class, %o) = @_;
    my $t = Baton::Test->new;
    return bless { t => $t, port => Baton::Test::free_port(), host => $o{host} // '127.0.0.1' }, $class;
}

sub t    { $_[0]{t} }
sub port { $_[0]{port} }

# lines(text, name => value ...): <name> is replaced. Options in capitals: LISTEN => 'more lines of the listen section', 0: none;
# SET => { parameters of the test's own }
sub lines {
    my ($self, $text, %o) = @_;
    my ($listen, $set) = (delete $o{LISTEN} // '', delete $o{SET} // {});
    $text =~ s/<(\w+)>/exists $o{$1} ? $o{$1} : "<$1>"/ge;
    my %own = map { $_ => undef } $text =~ /^(\w+) *=/mg;
    # Where the lines say at which addresses to listen, only the port is the test's
    my $address = exists $own{inet_interfaces} ? '' : qq(address = "$self->{host}", );
    my $section = $listen eq '0' ? '' : qq(listen smtp { ${address}port = $self->{port}\n$listen }\n);
    $self->{t}->config(inet_interfaces => undef, %$set, %own, raw => $text . $section);
    chmod 0644, $self->{t}->conf if $text !~ /^\s*password\s*=/m;
    return $text;
}

sub check {
    my ($self, @args) = @_;
    my $r = $self->{t}->baton([ 'check', @args ]);
    return $r->{out} . $r->{err};
}

sub start { my ($self, %o) = @_; $self->{t}->start_batond(%o) }

# What a person types: mail(1), with our sendmail. Options: from, uid
sub mail {
    my ($self, $to, $subject, %o) = @_;
    my ($program) = grep { -x } '/usr/bin/s-nail', '/usr/bin/mailx' or croak 'there is no mail(1)';
    my $rc = $self->{t}->path('mailrc');
    Baton::Test::spew($rc, "set mta=" . $self->{t}->bin . "/sendmail\nset sendwait\n", 0644);
    return $self->{t}->run([ $program, '-s', $subject, ($o{from} ? ('-r', $o{from}) : ()), $to ],
        input => "This is a test message\n", %{ $o{run} // {} },
        env => { MAILRC => $rc, BATON_CONF => $self->{t}->conf, NAIL_NO_SYSTEM_RC => 1 });
}

sub swaks {
    my ($self, @args) = @_;
    return $self->{t}->run([ 'swaks', '--server', $self->{host}, '--port', $self->{port}, '--timeout', '20s', @args ]);
}

# The lines run with `c`, an smtplib.SMTP that is connected, `tls`, a context that trusts ca (or nobody), and `msg`, a message.
# port => n, ssl => 1 (implicit TLS), ca => file, from => local address
sub smtplib {
    my ($self, @lines) = @_;
    my %o = ref $lines[0] ? %{ shift @lines } : ();
    my ($port, $ca) = ($o{port} // $self->{port}, $o{ca} // '');
    my $class = $o{ssl} ? 'SMTP_SSL' : 'SMTP';
    my $tls = $o{ssl} ? ', context=tls' : '';
    my $from = $o{from} // $self->{host};
    my $script = <<"END" . join '', map { "$_\n" } @lines;
import smtplib, ssl, sys
tls = ssl.create_default_context(cafile='$ca' or None)
msg = 'From: me\@example.com\\r\\nTo: you\@example.com\\r\\nSubject: from Python\\r\\n\\r\\nThis is a test message\\r\\n'
c = smtplib.$class('$self->{host}', $port, timeout=20, source_address=('$from', 0)$tls)
END
    return $self->{t}->run([ 'python3', '-c', $script ]);
}

# Subjects and texts of what is in the INBOX, by IMAP, with curl
sub imap {
    my ($self, $dovecot, $user, $password, %o) = @_;
    my $url = 'imap://127.0.0.1:' . $dovecot->imap_port . '/INBOX';
    my @curl = ('curl', '-s', '--max-time', 20, '-u', "$user:$password");
    my $list = $self->{t}->run([ @curl, "$url?ALL" ]);
    my ($numbers) = $list->{out} =~ /^\* SEARCH ?([\d ]*)/m or return;
    return map { $self->{t}->run([ @curl, "$url;MAILINDEX=$_" ])->{out} } split ' ', $numbers;
}

# The same once there are $n of them, looked for again and again
sub wait_imap {
    my ($self, $dovecot, $user, $password, $n) = @_;
    my @found;
    Baton::Test::wait_until(sub { @found = $self->imap($dovecot, $user, $password); @found >= $n }, 20);
    return @found;
}

1;
