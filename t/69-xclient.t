#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
# XCLIENT: a client that may speak for another.
use strict;
use warnings;
use FindBin;
use Test::More;
use lib "$FindBin::Bin/lib";
use Baton::Client;
use Baton::Test;

my $t = Baton::Test->new;
my $relay = $t->fake_relay;
my $port = free_port();
my %config = (relayhost => $relay->address, raw => "listen smtp { address = \"127.0.0.1\", port = $port }\n",
    mynetworks => '192.0.2.0/24', smtpd_authorized_xclient_hosts => '127.0.0.1', smtpd_client_connection_count_limit => 2,
    smtpd_hard_error_limit => 50, smtpd_soft_error_limit => 40);
$t->config(%config);
$t->start_batond;

sub client { my (%o) = @_; my $c = Baton::Client->new(port => $port, %o); return ($c->greet, $c) }

sub rcpt {
    my ($c) = @_;
    $c->say('EHLO other.example');
    $c->say('MAIL FROM:<me@example.test>');
    return $c->say('RCPT TO:<you@example.test>');
}

my ($hello, $c) = client();
like($hello, qr/^250 XCLIENT NAME ADDR PORT PROTO HELO LOGIN DESTADDR DESTPORT$/m, 'EHLO names it to those that may');
like(rcpt($c), qr/^554 5\.7\.1 /, 'who may say it is not trusted for that');
like($c->say('XCLIENT ADDR=192.0.2.7'), qr/^503 5\.5\.1 /, 'not within a transaction');
$c->say('RSET');
for ([ 'nothing', '' ], [ 'no value', 'ADDR' ], [ 'another attribute', 'COLOUR=red' ], [ 'an address that is none', 'ADDR=localhost' ],
    [ 'IPv6 without its prefix', 'ADDR=2001:db8::1' ], [ 'a port that is none', 'PORT=70000' ], [ 'a protocol that is none', 'PROTO=HTTP' ],
    [ 'a name that is none', 'NAME=a[b' ], [ 'what is no xtext', 'HELO=a+2' ], [ 'a line end in xtext', 'LOGIN=joe+0D+0A' ], [ 'nothing behind =', 'NAME=' ]) {
    like($c->say("XCLIENT $_->[1]" =~ s/ $//r), qr/^501 5\.5\.4 /, "501: $_->[0]");
}
like(rcpt($c), qr/^554 5\.7\.1 /, 'none of them has changed a thing');
$c->say('RSET');
like($c->say('XCLIENT NAME=app.example.test ADDR=192.0.2.7 PORT=4711 DESTADDR=198.51.100.1 DESTPORT=25'), qr/^220 client\.example\.test ESMTP/, 'a client is named: the greeting again');
like($c->say('MAIL FROM:<me@example.test>'), qr/^503 5\.5\.1 Error: send HELO\/EHLO first$/, 'and the conversation begins anew');
like(rcpt($c), qr/^250 2\.1\.5 /, 'now it is trusted as that client is');
$c->say('DATA');
like($c->say("Subject: x\r\n\r\nx\r\n."), qr/^250 2\.0\.0 /, 'its mail is taken');
my ($m) = $relay->wait_messages(1);
like($m->{content}, qr/^Received: from other\.example \(app\.example\.test \[192\.0\.2\.7\]\)/m, 'Received names it');
ok($t->wait_log(qr/unknown\[127\.0\.0\.1\]: XCLIENT: speaks for app\.example\.test\[192\.0\.2\.7\]/), 'the log says who speaks for whom');
ok($t->wait_log(qr/: client=app\.example\.test\[192\.0\.2\.7\]$/), 'and whose mail it is');
like($c->say('XCLIENT ADDR=IPV6:2001:db8::1 NAME=[UNAVAILABLE]'), qr/^220 /, 'another one, over IPv6');
like(rcpt($c), qr/^554 5\.7\.1 /, 'is not trusted');
ok($t->wait_log(qr/reject: RCPT from unknown\[2001:db8::1\]: 554/), 'under its address');
$c->say('RSET');
like($c->say('XCLIENT ADDR=[TEMPUNAVAIL]'), qr/^220 /, 'one whose address nobody knows');
like(rcpt($c), qr/^554 5\.7\.1 /, 'is not trusted either');
ok($t->wait_log(qr/reject: RCPT from unknown\[unknown\]: 554/), 'and called so');
$c->say('RSET');
like($c->say('XCLIENT ADDR=203.0.113.5 LOGIN=joe+40example.test'), qr/^220 /, 'one that has logged in');
like(rcpt($c), qr/^250 2\.1\.5 /, 'may send');
$c->say('DATA');
$c->say("Subject: x\r\n\r\nx\r\n.");
ok($t->wait_log(qr/client=unknown\[203\.0\.113\.5\], sasl_method=XCLIENT, sasl_username=joe\@example\.test$/), 'the log has the login');
like(($relay->wait_messages(2))[1]{content}, qr/with ESMTPA id/, 'and Received says that there was one');
like($c->say('XCLIENT LOGIN=[UNAVAILABLE] HELO=hi.example PROTO=ESMTP'), qr/^220 /, 'one that has said EHLO');
like($c->say('MAIL FROM:<me@example.test>'), qr/^250 /, 'need not say it again');
like($c->say('RCPT TO:<you@example.test>'), qr/^554 5\.7\.1 /, 'and is not logged in any more');
ok($t->wait_log(qr/RCPT from unknown\[203\.0\.113\.5\]: 554 .*proto=ESMTP helo=<hi\.example>/), 'the log has its words');

subtest 'limits are the client\'s, not the proxy\'s' => sub {
    my @c = map { [client()]->[1] } 1 .. 4;
    like($c[$_]->say('XCLIENT ADDR=203.0.113.9'), qr/^220 /, 'connection ' . ($_ + 1)) for 0, 1;
    like($c[2]->say('XCLIENT ADDR=203.0.113.9'), qr/^421 4\.7\.0 .*too many connections from 203\.0\.113\.9$/, 'the third is one too many');
    is($c[2]->reply, '', 'and ends');
    like($c[3]->say('XCLIENT ADDR=203.0.113.10'), qr/^220 /, 'another client has its own');
};

subtest 'others may not' => sub {
    my ($hello, $c) = client(from => '127.0.0.2');
    unlike($hello, qr/XCLIENT/, 'EHLO does not name it');
    like($c->say('XCLIENT ADDR=192.0.2.7'), qr/^550 5\.7\.0 /, '550 5.7.0');
};

my $bad = Baton::Test->new;
$bad->config(smtpd_authorized_xclient_hosts => '0.0.0.0/0');
my $r = $bad->baton(['config']);
is($r->{code}, 78, 'for everybody: refused');
like($r->{err}, qr/smtpd_authorized_xclient_hosts: it holds every address there is/, 'and says why');
done_testing();
