#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
# The handbook, section by section: users log in to send, with Dovecot's accounts, and use
# their own addresses only.
use strict;
use warnings;
use FindBin;
use Test::More;
use lib "$FindBin::Bin/lib";
use Baton::Dovecot;
use Baton::Handbook;
use Baton::Test;

skip_all_unless_server();

plan skip_all => 'dovecot is not installed' if !Baton::Dovecot::is_there();
my $h = Baton::Handbook->new;
my $t = $h->t;
my $sink = $t->sink;
my $c = $t->certificate(names => [ 'smtp.example.com', '127.0.0.1' ]);
my $d = $t->dovecot(users => { 'joe@example.com' => 'secret', 'ann@example.com' => 'hidden' });
my @outside = ('--local-interface', '127.0.0.9');
my @login = (@outside, '--tls', '--auth', 'PLAIN', '--auth-user', 'joe@example.com', '--auth-password', 'secret');
my $lines = <<'END';
smtpd_sasl_auth_enable = "yes"
broken_sasl_auth_clients = "yes"
smtpd_tls_auth_only = "yes"
smtpd_relay_restrictions = "permit_mynetworks permit_sasl_authenticated defer_unauth_destination"
END
my %own = (relayhost => $sink->address, mynetworks => '127.0.0.1', myhostname => 'smtp.example.com', smtpd_tls_cert_file => $c->{cert},
    smtpd_tls_key_file => $c->{key}, smtpd_sasl_type => 'dovecot', smtpd_sasl_path => $d->auth_path);

$h->lines($lines, SET => \%own);
my $said = $h->check;
unlike($said, qr/^error/m, 'baton check finds nothing in the way') or diag $said;
$h->start;

# ---- verification ----
my $r = $h->swaks(@login, '--from', 'joe@example.com', '--to', 'you@example.org', '--header', 'Subject: logged in');
is($r->{code}, 0, 'who logs in may send to outside') or diag $r->{out}, $t->log_text;
my ($m) = $sink->wait_messages(1);
like($m, qr/^Subject: logged in\r?$/m, 'and it goes on');
like($t->wait_log(qr/sasl_method=/), qr/client=\S+\[127\.0\.0\.9\], sasl_method=PLAIN, sasl_username=joe\@example\.com/, 'the log says who it was');
like($r->{out}, qr/^<~ +250[- ]AUTH=PLAIN LOGIN/m, 'the old form of AUTH is announced too');
$r = $h->smtplib({ ca => $c->{ca}, from => '127.0.0.9' }, 'c.starttls(context=tls)', "c.login('ann\@example.com', 'hidden')",
    "c.sendmail('ann\@example.com', ['you\@example.org'], msg)", 'c.quit()');
is($r->{code}, 0, "so may Python's smtplib") or diag $r->{err};

$r = $h->swaks(@outside, '--from', 'joe@example.com', '--to', 'you@example.org');
like($r->{out}, qr/^<\*\* 454 4\.7\.1 .*Relay access denied/m, 'who does not log in may not') or diag $r->{out};
unlike($r->{out}, qr/^<- +250[- ]AUTH/m, 'and is offered no AUTH in the clear');
$r = $h->swaks(@login, '--auth-password', 'wrong', '--from', 'joe@example.com', '--to', 'you@example.org');
like($r->{out}, qr/^<~\* 535 5\.7\.8 /m, 'a wrong password is refused') or diag $r->{out};
like($t->wait_log(qr/SASL PLAIN authentication failed/), qr/warning: \S*\[127\.0\.0\.9\]: SASL PLAIN authentication failed/, 'and logged in the form that fail2ban reads');

# ---- optional: users send from their own addresses only ----
$lines .= qq(smtpd_sender_restrictions = "reject_sender_login_mismatch"\n);
$h->lines($lines, SET => \%own);
$said = $h->check;
unlike($said, qr/^error/m, 'baton check finds nothing in the way') or diag $said;
like($said, qr/smtpd_sender_login_maps/, 'it says that there are no login maps, and what counts then') or diag $said;
ok($t->reload_batond, 'reloaded');
$r = $h->swaks(@login, '--from', 'joe@example.com', '--to', 'you@example.org');
is($r->{code}, 0, "one's own address may be used") or diag $r->{out};
$r = $h->swaks(@login, '--from', 'ann@example.com', '--to', 'you@example.org');
like($r->{out}, qr/^<~\* 553 5\.7\.1 .*not owned by user joe\@example\.com/m, "another's may not") or diag $r->{out};

done_testing;
