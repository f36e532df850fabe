#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
# The handbook, section by section: TLS with a certificate of one's own.
use strict;
use warnings;
use FindBin;
use Test::More;
use lib "$FindBin::Bin/lib";
use Baton::Handbook;
use Baton::Test;

my $h = Baton::Handbook->new;
my $t = $h->t;
my $c = $t->certificate(names => [ 'smtp.example.com', '127.0.0.1', 'localhost' ]);
my $sink = $t->sink(args => [ '--cert', $c->{cert}, '--key', $c->{key} ]);
my $lines = <<'END';
smtpd_tls_cert_file = "<cert>"
smtpd_tls_key_file = "<key>"
smtpd_tls_auth_only = "yes"
smtp_tls_loglevel = "1"
END

$h->lines($lines, %$c, SET => { relayhost => $sink->address });
my $said = $h->check;
unlike($said, qr/^error/m, 'baton check finds nothing in the way') or diag $said;
like($said, qr/^ok +(?:certificate|TLS).*smtp\.example\.com/m, 'and looks into the certificate') or diag $said;
$h->start;

# ---- verification ----
my $r = $h->swaks('--from', 'me@example.com', '--to', 'you@example.com', '--tls', '--tls-verify', '--tls-ca-path', $c->{ca},
    '--header', 'Subject: within TLS');
is($r->{code}, 0, 'swaks sends within TLS, the certificate verified') or diag $r->{out}, $r->{err};
$r = $h->smtplib({ ca => $c->{ca} }, 'c.starttls(context=tls)', "c.sendmail('me\@example.com', ['you\@example.com'], msg)", 'c.quit()');
is($r->{code}, 0, "so does Python's smtplib") or diag $r->{err};
is(scalar(my @m = $sink->wait_messages(2)), 2, 'both arrive');
like($t->wait_log(qr/TLS connection established to/), qr/(?:Trusted|Verified|Untrusted|Anonymous) TLS connection established to 127\.0\.0\.1\[127\.0\.0\.1\]:\d+: TLSv1\.[23] with cipher/,
    'smtp_tls_loglevel = 1 logs the TLS of what is sent');

# ---- what the section says of smtpd_tls_auth_only, and what it does: AUTH within TLS only; nobody has to log in ----
$r = $h->swaks('--from', 'me@example.com', '--to', 'you@example.com');
is($r->{code}, 0, 'mail without a login is taken still, from mynetworks');
unlike($r->{out}, qr/^<-.*250[- ]AUTH/m, 'no AUTH is offered in the clear');

# ---- a reload takes up another certificate ----
my $other = $t->certificate(names => [ 'other.example.com', '127.0.0.1' ]);
$h->lines($lines, %$other, SET => { relayhost => $sink->address });
ok($t->reload_batond, 'reloaded');
$r = $h->smtplib({ ca => $other->{ca} }, 'c.starttls(context=tls)', 'print(c.sock.getpeercert()["subjectAltName"])', 'c.quit()');
like($r->{out}, qr/other\.example\.com/, 'new clients are shown the new certificate') or diag $r->{err};

# ---- a key that does not fit is found before anybody is shown it ----
$h->lines($lines, cert => $c->{cert}, key => $other->{key}, SET => { relayhost => $sink->address });
like($h->check, qr/^error +.*key/m, 'baton check says that the key does not belong to the certificate');

done_testing;
