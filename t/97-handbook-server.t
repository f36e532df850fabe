#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
# The handbook, section by section: a mail server for the users of this machine. 192.0.2.1 of the text is 127.0.0.3 here.
use strict;
use warnings;
use FindBin;
use Test::More;
use lib "$FindBin::Bin/lib";
use Baton::Client;
use Baton::Handbook;
use Baton::Test;

skip_all_unless_server();

my $user = is_root() ? 'nobody' : getpwuid $>;
my $h = Baton::Handbook->new;
my $t = $h->t;
my $mail = $t->path('mail');
mkdir $mail;
chown((getpwnam 'nobody')[2, 3], $mail) if is_root();

my $lines = <<'END';
inet_interfaces = "127.0.0.1/32, [::1]/128, <address>"
myhostname = "smtp.example.com"
mydomain = "example.com"
myorigin = "$mydomain"
mynetworks = "127.0.0.1/32, [::1]/128, 192.0.2.1/24, [2001:db8:1::1]/64"
END
my %own = (mail_spool_directory => $mail);

# ---- the section's lines alone: what they leave out, and what is strange in them, is said ----
$h->lines($lines, address => '127.0.0.3', SET => \%own);
my $said = $h->check;
unlike($said, qr/^error/m, 'baton check finds nothing in the way') or diag $said;
like($said, qr{127\.0\.0\.1/32}, 'it says that an address needs no length');
like($said, qr{192\.0\.2\.1/24.*192\.0\.2\.0}, 'and that host bits are set in a network') or diag $said;
$h->lines($lines =~ s/^inet_interfaces.*/inet_interfaces = "all"/r, SET => \%own, LISTEN => 0);
$said = $h->check;
like($said, qr/mydestination/, 'and that no mail ends here until mydestination says so') or diag $said;

# ---- with the line that says so ----
$lines .= qq(mydestination = "\$mydomain, \$myhostname, localhost.\$mydomain, localhost"\n);
$h->lines($lines, address => '127.0.0.3', SET => \%own);
$said = $h->check;
unlike($said, qr/^error|mydestination.*empty/m, 'then nothing is missing') or diag $said;
$h->start;

# ---- verification 1: it runs ----
my $status = $t->baton(['status']);
is($status->{code}, 0, 'baton status: it runs') or diag $status->{out};

# ---- verification 2: mail between the users of this machine ----
my $r = $h->mail("$user\@example.com", 'between users');
is($r->{code}, 0, 'mail(1) takes a message for a user') or diag $r->{err};
sub mailbox { return slurp("$mail/$user") // '' }
ok(wait_until(sub { mailbox() =~ /^Subject: between users$/m }), 'it is in the mailbox of the user') or diag $t->log_text;
like(mailbox(), qr/^Received: .*\bsmtp\.example\.com\b/ms, 'with the name of this machine in Received:');
like(mailbox(), qr/^From: .*\@example\.com>?$/m, 'from an address in mydomain');
like($t->wait_log(qr/to=<\Q$user\E\@example\.com>/), qr/status=sent/, 'the log says so');
$h->mail($user, 'by name alone');
ok(wait_until(sub { mailbox() =~ /^Subject: by name alone$/m }), 'so is one for the name alone');

# ---- from outside ----
for my $at (['127.0.0.3', 'the address'], ['127.0.0.1', 'loopback']) {
    my $c = Baton::Client->new(port => $h->port, host => $at->[0]);
    like($c && $c->reply, qr/^220 smtp\.example\.com ESMTP/, "$at->[1] answers, by its name");
}
my @outside = ('--local-interface', '127.0.0.9', '--from', 'stranger@example.org');
$r = $h->swaks(@outside, '--to', "$user\@example.com", '--header', 'Subject: from outside');
is($r->{code}, 0, 'mail from outside for a user is taken') or diag $r->{out};
ok(wait_until(sub { mailbox() =~ /^Subject: from outside$/m }), 'and delivered');
$r = $h->swaks(@outside, '--to', 'nobody-of-that-name@example.com');
like($r->{out}, qr/^<\*\* 550 5\.1\.1 .*User unknown/m, 'mail for nobody is refused') or diag $r->{out};

# ---- verification 3: no open relay ----
$r = $h->swaks(@outside, '--to', 'non-existing-user@redhat.com');
like($r->{out}, qr/^<\*\* 554 5\.7\.1 .*Relay access denied/m, 'mail from outside for outside is refused') or diag $r->{out};
like($t->wait_log(qr/NOQUEUE: reject: RCPT from/), qr/\[127\.0\.0\.9\]: 55[04] .*/, 'the log says so');
ok($t->wait_log(qr/NOQUEUE: reject: RCPT from \S+\[127\.0\.0\.9\]: 554 5\.7\.1 <non-existing-user\@redhat\.com>: Relay access denied; from=<stranger\@example\.org> to=<non-existing-user\@redhat\.com>/),
    'in the form that fail2ban reads');

done_testing;
