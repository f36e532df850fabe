#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
# The handbook, section by section: a null client. All mail goes to the relay, and none is delivered here.
use strict;
use warnings;
use FindBin;
use Test::More;
use lib "$FindBin::Bin/lib";
use Baton::Client;
use Baton::Handbook;
use Baton::Test;

my $h = Baton::Handbook->new;
my $t = $h->t;
my $sink = $t->sink;
my $lines = <<'END';
mydestination = ""
relayhost = "<relay>"
inet_interfaces = "loopback-only"
myorigin = "relay.example.com"
local_transport = "error: local delivery disabled"
mynetworks = "127.0.0.0/8, [::1]/128"
END

$h->lines($lines, relay => $sink->address);
my $said = $h->check;
like($said, qr/^(?:all is well|it will work)/m, 'baton check finds nothing in the way') or diag $said;
unlike($said, qr/^error/m, 'no error');
$h->start;

# ---- verification ----
my $r = $h->mail('user@example.com', 'a subject');
is($r->{code}, 0, 'mail(1) takes the message') or diag $r->{err};
my ($m) = $sink->wait_messages(1);
like($m, qr/^Subject: a subject\r?$/m, 'the relay has it');
like($m, qr/^From: .*\@relay\.example\.com>?\r?$/m, 'from the domain of the relay');
like($m, qr/This is a test message/, 'with its text');
like($t->wait_log(qr/to=<user\@example\.com>/), qr/relay=127\.0\.0\.1\[127\.0\.0\.1\]:\d+, .*status=sent/, 'the log says so');

$h->mail('root', 'for root');
is(scalar(my @two = $sink->wait_messages(2)), 2, "root's mail goes to the relay too");
like($t->wait_log(qr/to=<root\@relay\.example\.com>/), qr/status=sent/, 'at the domain of the relay');

# ---- an application on this machine; nobody else ----
$r = $h->swaks('--from', 'app@example.com', '--to', 'user@example.com', '--header', 'Subject: from an application');
is($r->{code}, 0, 'an application on this machine may send') or diag $r->{out};
is(scalar(@two = $sink->wait_messages(3)), 3, 'and it arrives');

# ---- the relay is away: nothing is lost ----
$sink->stop;
is($h->mail('user@example.com', 'later')->{code}, 0, 'mail is taken while the relay is away');
ok($t->wait_log(qr/to=<user\@example\.com>.*status=deferred/), 'and waits');
like($t->mailq->{out}, qr/user\@example\.com/, 'mailq shows it');
$sink->up;
is($t->baton([qw(queue retry ALL)])->{code}, 0, 'baton queue retry ALL');
is(scalar(@two = $sink->wait_messages(4)), 4, 'brings it on its way') or diag $t->log_text;
$t->stop_batond;

# ---- the same lines from a main.cf ----
my $cf = $lines =~ s/"//gr;
$cf =~ s/<relay>/$sink->address/e;
mkdir $t->path('postfix');
Baton::Test::spew($t->path('postfix/main.cf'), $cf);
$r = $t->run([ Baton::Test::program('baton'), 'import', $t->path('postfix') ]);
is($r->{code}, 0, 'baton import carries all of the section') or diag $r->{out};

# and what it prints does what the section wants
Baton::Test::spew($t->path('postfix/master.cf'), "pickup unix n - y 60 1 pickup\n"); # no port, which others may have
$r = $t->run([ Baton::Test::program('baton'), 'import', $t->path('postfix') ]);
my $own = 'queue_directory = "' . $t->spool . "\"\nalias_maps = \"\"\n" . (is_root() ? qq(mail_owner = "nobody"\nsetgid_group = "nogroup"\n) : '');
Baton::Test::spew($t->conf, $r->{out} . $own, 0644);
$h->start;
is($h->mail('user@example.com', 'imported')->{code}, 0, 'the imported configuration takes mail');
my ($imported) = grep { /^Subject: imported\r?$/m } $sink->wait_messages(5);
like($imported, qr/^From: .*\@relay\.example\.com>?\r?$/m, 'and sends it to the relay, from the domain that was written') or diag $t->log_text;

done_testing;
