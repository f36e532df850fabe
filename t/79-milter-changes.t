#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
# What filters may ask for, and what they see: with a real libmilter at the other end (python3-milter).
use strict;
use warnings;
use FindBin;
use Test::More;
use Time::HiRes qw(time);
use lib "$FindBin::Bin/lib";
use Baton::Client;
use Baton::Filter;
use Baton::Test;

skip_all_unless_server();
plan skip_all => 'python3-milter is not installed' if !Baton::Filter::has('python');

my $text = "From: me\@example.test\r\nTo: b\@client.test\r\nSubject: one\r\nX-Twice: first\r\nX-Twice: second\r\n"
  . "Date: Thu, 26 Nov 2026 12:00:00 +0000\r\nMessage-ID: <1\@example.test>\r\n\r\nfirst\r\n..dot\r\nlast\r\n";

sub fresh {
    my ($t, %config) = @_;
    my $relay = $t->fake_relay;
    my $port = free_port();
    my $raw = delete $config{raw} // '';
    $t->config(relayhost => $relay->address, raw => "listen smtp {\n    address = \"127.0.0.1\"\n    port = $port\n}\n$raw", %config);
    $t->start_batond;
    return ($relay, $port);
}

# A world with one filter
sub world {
    my ($code, %o) = @_;
    my $t = Baton::Test->new;
    my $filter = Baton::Filter->python($t, $code, %{ delete $o{filter} // {} });
    my ($relay, $port) = fresh($t, smtpd_milters => $filter->address, %o);
    return ($t, $filter, $relay, $port);
}

sub client { my ($port) = @_; my $c = Baton::Client->new(port => $port); $c->greet; return $c }
sub body { my ($m) = @_; return ($m->{content} =~ /\r\n\r\n(.*)\z/s)[0] }

subtest 'fields are added, inserted, changed and removed' => sub {
    my ($t, $filter, $relay, $port) = world(<<'CODE');
def eom(self):
    self.addheader("X-Added", "at the end\n folded")
    self.addheader("X-Zero", "at the top", 0)
    self.addheader("X-One", "behind it", 1)
    self.chgheader("X-Twice", 2, "changed")
    self.chgheader("Subject", 1, "another\nBcc: smuggled@example.test")
    self.chgheader("Date", 1, "")
    self.chgheader("X-New", 1, "was not there")
    self.chgheader("X-Not-There", 1, "")
    self.chgheader("Received", 1, "")
    return Milter.CONTINUE
CODE
    like(client($port)->deliver(from => 'me@example.test', text => $text), qr/^250 /, 'taken');
    my ($m) = $relay->wait_messages(1);
    ok($m) or return diag $t->log_text, $filter->log_text;
    my ($head) = $m->{content} =~ /\A(.*?\r\n)\r\n/s;
    like($head, qr/\AX-Zero: at the top\r\nX-One: behind it\r\nReceived: from client\.test/, 'at their places among all fields; our Received: is nobody\'s to remove');
    like($head, qr/X-Twice: first\r\nX-Twice: changed\r\n/, 'the second of a name');
    like($head, qr/Subject: another\r\n\tBcc: smuggled/, 'a line end in a value begins no field');
    unlike($head, qr/^Date:/m, 'an empty value removes');
    like($head, qr/X-Added: at the end\r\n folded\r\nX-New: was not there\r\n\z/, 'new ones are at the end');
    is(body($m), "first\r\n.dot\r\nlast\r\n", 'the body is as it was');
};

subtest 'sender, recipients and body are changed' => sub {
    my ($t, $filter, $relay, $port) = world(<<'CODE');
def eom(self):
    self.chgfrom("other@example.test")
    self.delrcpt("<gone@example.test>")
    self.addrcpt("<new@example.test>")
    self.addrcpt("<b@example.test>")
    self.addrcpt("<noted@example.test>", "NOTIFY=NEVER")
    self.replacebody(b"new\nbody\r\n")
    self.replacebody(b".dot\nno end")
    return Milter.CONTINUE
CODE
    my $c = client($port);
    $c->say($_) for 'MAIL FROM:<me@example.test>', 'RCPT TO:<b@example.test>', 'RCPT TO:<gone@example.test>', 'DATA';
    like($c->say($text . '.'), qr/^250 /, 'taken');
    my ($m) = $relay->wait_messages(1);
    ok($m) or return diag $t->log_text, $filter->log_text;
    is($m->{from}, 'other@example.test', 'another sender');
    is_deeply([ sort @{ $m->{rcpts} } ], [ map { "$_\@example.test" } qw(b new noted) ], 'one recipient less, two more, none twice');
    is(body($m), "new\r\nbody\r\n.dot\r\nno end\r\n", 'a new body, with proper line ends');
    log_like($t, qr/from=<other\@example\.test>, size=\d+, nrcpt=3/, 'as the queue has it');
};

subtest 'no recipient is left: nothing is kept' => sub {
    my ($t, $filter, $relay, $port) = world(<<'CODE');
def eom(self):
    self.delrcpt("<b@example.test>")
    return Milter.CONTINUE
CODE
    like(client($port)->deliver(from => 'me@example.test', text => $text), qr/^250 /, 'taken');
    is(scalar(grep { /\S/ && !/empty/i } split /\n/, $t->mailq->{out}), 0, 'and the queue is empty');
};

subtest 'a filter sees what it should, and the next one what it has made of it' => sub {
    my $t = Baton::Test->new;
    my $first = Baton::Filter->python($t, <<'CODE');
def say(self, *a): log.write(" ".join(str(x) for x in a) + "\n"); return Milter.CONTINUE
def connect(self, name, family, addr): return self.say("connect", name, addr, self.getsymval("j"), self.getsymval("{daemon_name}"), self.getsymval("v"), self.getsymval("_"))
def hello(self, name): return self.say("helo", name)
def envfrom(self, f, *args): return self.say("mail", f, args, self.getsymval("{mail_addr}"), self.getsymval("{mail_host}"))
def envrcpt(self, f, *args): return self.say("rcpt", f, args, self.getsymval("{rcpt_addr}"))
def data(self): return self.say("data")
def header(self, n, v): return self.say("header", n, repr(v))
def eoh(self): return self.say("eoh")
def body(self, b): return self.say("body", repr(b))
def eom(self):
    self.say("eom", self.getsymval("i"))
    self.addheader("X-First", "seen", 0)
    self.chgheader("Subject", 1, "two")
    self.replacebody(b"other\n")
    return Milter.CONTINUE
def abort(self): return self.say("abort")
def close(self): return self.say("close")
CODE
    my $second = Baton::Filter->python($t, <<'CODE');
def header(self, n, v): log.write("header %s %r\n" % (n, v)); return Milter.CONTINUE
def body(self, b): log.write("body %r\n" % b); return Milter.CONTINUE
CODE
    my ($relay, $port) = fresh($t, smtpd_milters => $first->address . ' ' . $second->address, milter_macro_daemon_name => 'ORIGINATING');
    my $c = client($port);
    $c->say('MAIL FROM:<me@example.test> SIZE=300 BODY=8BITMIME ENVID=e1');
    $c->say('RCPT TO:<b@example.test> NOTIFY=FAILURE,DELAY');
    $c->say('DATA');
    my ($id) = $c->say($text . '.') =~ /queued as (\w+)/;
    ok($id, 'taken') or return diag $t->log_text;
    $c->say('MAIL FROM:<me@example.test>');
    $c->say('RSET');
    $c->say('QUIT');
    wait_until { $first->log_text =~ /close/ } 5;
    my $log = $first->log_text;
    like($log, qr/^connect unknown \('127\.0\.0\.1', \d+\) client\.example\.test ORIGINATING Baton [\d.]+ unknown \[127\.0\.0\.1\]$/m, 'who connects, and the macros of it');
    like($log, qr/^helo client\.test$/m, 'EHLO');
    like($log, qr/^mail <me\@example\.test> \('SIZE=300', 'BODY=8BITMIME', 'ENVID=e1'\) me\@example\.test example\.test$/m, 'the sender with its parameters');
    like($log, qr/^rcpt <b\@example\.test> \('NOTIFY=FAILURE,DELAY',\) b\@example\.test$/m, 'the recipient with its');
    like($log, qr/^data\nheader From 'me\@example\.test'\n/m, 'the first field is the client\'s, not our Received:');
    like($log, qr/^header Message-ID '<1\@example\.test>'\neoh\nbody b'first\\r\\n\.dot\\r\\nlast\\r\\n'\neom $id\n/m, 'the body without dot-stuffing, and the id that the client is told');
    like($log, qr/mail .*\nabort\nclose\n\z/, 'a message that comes to nothing is aborted, and the end is told');
    my $then = $second->log_text;
    like($then, qr/\Aheader X-First 'seen'\nheader From /, 'the second sees what the first has added, and still no Received:');
    like($then, qr/header Subject 'two'.*\nbody b'other\\r\\n'\n/s, 'and what it has changed');
};

subtest 'verdicts at each step' => sub {
    my %at = (
        connect => [ 'def connect(self, *a): return Milter.REJECT', sub { is($_[0]->reply, "554 client.example.test ESMTP not accepting connections\n", 'connect: 554'); is($_[0]->reply, '', 'and the end') } ],
        hello => [ "def hello(self, n):\n    self.setreply('550', '5.7.1', 'not you')\n    return Milter.REJECT", sub { is($_[0]->reply && $_[0]->say('EHLO x'), "550 5.7.1 not you\n", 'helo: its own reply') } ],
        mail => [ 'def envfrom(self, *a): return Milter.TEMPFAIL', sub { $_[0]->greet; is($_[0]->say('MAIL FROM:<a@x.test>'), "451 4.7.1 Service unavailable - try again later\n", 'mail: tempfail') } ],
        rcpt => [ "def envrcpt(self, r, *a):\n    if 'bad' in r:\n        self.setreply('550', '5.1.1', 'one', 'two')\n        return Milter.REJECT\n    return Milter.CONTINUE",
            sub { $_[0]->greet; $_[0]->say('MAIL FROM:<a@x.test>');
                is($_[0]->say('RCPT TO:<bad@example.test>'), "550-5.1.1 one\n550 5.1.1 two\n", 'rcpt: a reply of two lines');
                like($_[0]->say('RCPT TO:<good@example.test>'), qr/^250/, 'and another recipient is taken');
                like($_[0]->say('DATA') && $_[0]->say("$text."), qr/^250/, 'with the message') } ],
        data => [ 'def data(self): return Milter.REJECT', sub { $_[0]->greet; is($_[0]->deliver, "550 5.7.1 Command rejected\n", 'data: rejected') } ],
        header => [ 'def header(self, n, v): return Milter.REJECT', sub { $_[0]->greet; is($_[0]->deliver, "550 5.7.1 Command rejected\n", 'header: the message is rejected') } ],
        body => [ "def body(self, b):\n    self.setreply('451', '4.7.0', 'busy')\n    return Milter.TEMPFAIL", sub { $_[0]->greet; is($_[0]->deliver, "451 4.7.0 busy\n", 'body: its own reply') } ],
        discard => [ 'def eom(self): return Milter.DISCARD', sub { $_[0]->greet; like($_[0]->deliver, qr/^250 2\.0\.0 Ok: queued as/, 'discard: the client is told yes') } ],
        accept => [ "def envfrom(self, *a): return Milter.ACCEPT\ndef eom(self): return Milter.REJECT", sub { $_[0]->greet; like($_[0]->deliver, qr/^250/, 'accept: it is asked no more'); like($_[0]->deliver, qr/^250/, 'nor with the next message') } ],
    );
    for my $step (sort keys %at) {
        my ($t, $filter, $relay, $port) = world($at{$step}[0]);
        my $c = Baton::Client->new(port => $port);
        $at{$step}[1]->($c);
        if ($step eq 'discard') {
            ok($t->wait_log(qr/: \w+: milter-discard: END-OF-MESSAGE from unknown\[127\.0\.0\.1\]: milter triggers DISCARD action; from=<a\@client\.test> to=<b\@example\.test> proto=ESMTP helo=<client\.test>/), 'the log says that it is gone');
            is(scalar($relay->messages), 0, 'and nothing is sent');
        } elsif ($step eq 'rcpt') {
            ok($t->wait_log(qr/NOQUEUE: milter-reject: RCPT from unknown\[127\.0\.0\.1\]: 550 5\.1\.1 one.*; from=<a\@x\.test> to=<bad\@example\.test> proto=ESMTP helo=<client\.test>/), 'the log has it');
        } elsif ($step eq 'accept') {
            is(scalar(() = $relay->wait_messages(2)), 2, 'both are sent');
        } elsif ($step eq 'connect') {
            ok($t->wait_log(qr/NOQUEUE: milter-reject: CONNECT from unknown\[127\.0\.0\.1\]: 550 5\.7\.1 Command rejected; proto=SMTP/), 'the log has it');
        }
    }
};

subtest 'what is quarantined waits for an operator, over a restart' => sub {
    my ($t, $filter, $relay, $port) = world(<<'CODE');
def eom(self):
    self.quarantine("looks odd")
    return Milter.CONTINUE
CODE
    my ($id) = client($port)->deliver(from => 'me@example.test', text => $text) =~ /queued as (\w+)/;
    ok($id, 'the client is told yes') or return diag $t->log_text;
    ok($t->wait_log(qr/$id: milter-hold: END-OF-MESSAGE from unknown\[127\.0\.0\.1\]: looks odd; from=<me\@example\.test> to=<b\@example\.test>/), 'the log says why it is held');
    ok($t->wait_log(qr/$id: from=<me\@example\.test>, size=\d+, nrcpt=1 \(queue hold\)/), 'it is held');
    like($t->baton(['queue'])->{out}, qr/$id.*hold|hold.*$id/s, 'the queue shows it');
    $t->stop_batond;
    like($t->baton(['queue'])->{out}, qr/hold/, 'also without a daemon');
    $t->start_batond;
    like($t->baton(['queue'])->{out}, qr/hold/, 'and after a restart');
    is(scalar($relay->messages), 0, 'it was not sent');
    is($t->baton(['queue', 'release', $id])->{code}, 0, 'released') or diag $t->log_text;
    ok($relay->wait_messages(1), 'it goes its way');
};

subtest 'versions that filters of old speak' => sub {
    for my $version (2, 3, 4) {
        my ($t, $filter, $relay, $port) = world("def eom(self):\n    self.addheader('X-Seen', 'yes')\n    return Milter.CONTINUE\n",
            milter_protocol => $version, filter => { flags => 'Milter.ADDHDRS' });
        like(client($port)->deliver(from => 'me@example.test', text => $text), qr/^250 /, "version $version: taken") or diag $t->log_text;
        my ($m) = $relay->wait_messages(1);
        like($m->{content}, qr/^X-Seen: yes\r$/m, 'and changed');
    }
};

subtest 'answers that a filter does not give are not waited for, and blanks are its own if it likes' => sub {
    my ($t, $filter, $relay, $port) = world(<<'CODE', filter => { class => '@Milter.header_leading_space' });
@Milter.noreply
def connect(self, *a): return Milter.CONTINUE
@Milter.noreply
def header(self, n, v):
    log.write("%s=%r\n" % (n, v)); return Milter.CONTINUE
@Milter.nocallback
def hello(self, n): return Milter.REJECT
def body(self, b):
    log.write("body\n"); return Milter.SKIP
def eom(self):
    self.addheader("X-Bare", "none")
    self.addheader("X-Two", "  two")
    return Milter.CONTINUE
CODE
    my $big = $text . ("x" x 70 . "\r\n") x 4000;
    like(client($port)->deliver(from => 'me@example.test', text => $big), qr/^250 /, 'taken') or diag $t->log_text, $filter->log_text;
    my ($m) = $relay->wait_messages(1);
    log_like($filter, qr/^Subject=' one'$/m, 'fields were told with their blank');
    is(scalar(() = $filter->log_text =~ /^body$/mg), 1, 'one piece of the body was enough');
    like($m->{content}, qr/^X-Two:  two\r$/m, 'a value as it was given');
};

subtest 'a filter that likes to hear of refused recipients is told why' => sub {
    my ($t, $filter, $relay, $port) = world(<<'CODE', filter => { class => '@Milter.rejected_recipients' },
def envrcpt(self, r, *a):
    log.write("%s %s %s %s\n" % (r, self.getsymval("{rcpt_mailer}"), self.getsymval("{rcpt_host}"), self.getsymval("{rcpt_addr}")))
    return Milter.CONTINUE
CODE
        smtpd_recipient_restrictions => 'reject_non_fqdn_recipient');
    my $c = client($port);
    $c->say('MAIL FROM:<me@example.test>');
    like($c->say('RCPT TO:<bad@short>'), qr/^504 5\.5\.2 .*fully-qualified/, 'refused all the same');
    like($c->say('RCPT TO:<good@example.test>'), qr/^250/, 'another is not');
    log_like($filter, qr/^<bad\@short> error 5\.5\.2 .*fully-qualified.*\n<good\@example\.test> smtp example\.test good\@example\.test$/m, 'it was told of both');
};

subtest 'another client by XCLIENT is another client for filters, and TLS is told' => sub {
    my $t = Baton::Test->new;
    my $filter = Baton::Filter->python($t, <<'CODE');
def connect(self, n, f, a):
    log.write("connect %s %s\n" % (n, a[0])); return Milter.CONTINUE
def hello(self, n):
    log.write("helo %s %s %s\n" % (n, self.getsymval("{tls_version}"), self.getsymval("{cipher_bits}"))); return Milter.CONTINUE
CODE
    my $cert = $t->certificate(names => ['client.example.test']);
    my (undef, $port) = fresh($t, smtpd_milters => $filter->address, smtpd_authorized_xclient_hosts => '127.0.0.1', smtpd_tls_cert_file => $cert->{cert}, smtpd_tls_key_file => $cert->{key});
    my $c = client($port);
    like($c->say('XCLIENT ADDR=192.0.2.77 NAME=other.test'), qr/^220/, 'XCLIENT');
    $c->say('EHLO other');
    $c->starttls;
    $c->say('EHLO again');
    $c->say('QUIT');
    log_like($filter, qr/^connect unknown 127\.0\.0\.1\nhelo client\.test None None\nconnect other\.test 192\.0\.2\.77\nhelo other None None\nhelo again TLSv1\.\d \d+\n/m, 'each is told')
      or diag $filter->log_text, $t->log_text;
};

subtest 'a listener may have filters of its own, or none' => sub {
    my $t = Baton::Test->new;
    my $reject = Baton::Filter->python($t, "def envfrom(self, *a): return Milter.REJECT\n");
    my $p = free_port();
    my $q = free_port();
    my (undef, $port) = fresh($t, smtpd_milters => 'inet:127.0.0.1:1', raw => "listen other {\n address = \"127.0.0.1\"\n port = $p\n milters = \"" . $reject->address
        . "\"\n}\nlisten none {\n address = \"127.0.0.1\"\n port = $q\n milters = \"\"\n}\n");
    like(client($port)->say('MAIL FROM:<a@x.test>'), qr/^451/, 'that of smtpd_milters');
    like(client($p)->say('MAIL FROM:<a@x.test>'), qr/^550/, 'its own');
    like(client($q)->say('MAIL FROM:<a@x.test>'), qr/^250/, 'none');
};

subtest 'tables except clients, and listeners of this machine have filters of their own' => sub {
    my $t = Baton::Test->new;
    my $reject = Baton::Filter->python($t, "def envfrom(self, *a): return Milter.REJECT\n");
    my $mark = Baton::Filter->python($t, "def eom(self):\n    self.addheader('X-Local', 'yes')\n    return Milter.CONTINUE\ndef connect(self, n, f, a):\n    log.write('%s %s\\n' % (n, a[0])); return Milter.CONTINUE\n");
    spew($t->path('maps'), "127.0.0.2/32 DISABLE\n127.0.0.3/32 { " . $mark->address . " }\n");
    my ($relay, $port) = fresh($t, smtpd_milters => $reject->address, non_smtpd_milters => $mark->address, smtpd_milter_maps => 'cidr:' . $t->path('maps'));
    like(client($port)->say('MAIL FROM:<a@x.test>'), qr/^550/, 'a client in no table is asked about');
    my $c = Baton::Client->new(port => $port, from => '127.0.0.2');
    $c->greet;
    like($c->deliver(from => 'two@x.test', text => $text), qr/^250/, 'DISABLE: not at all');
    my $d = Baton::Client->new(port => $port, from => '127.0.0.3');
    $d->greet;
    like($d->deliver(from => 'three@x.test', text => $text), qr/^250/, 'others: by another filter');
    is($t->sendmail(['-f', 'local@x.test', 'b@example.test'], input => "Subject: x\n\nx\n")->{code}, 0, 'sendmail');
    my %m = map { $_->{from} => $_ } $relay->wait_messages(3);
    unlike($m{'two@x.test'}{content}, qr/X-Local/, 'no filter, no mark');
    like($m{'three@x.test'}{content}, qr/X-Local/, 'the other filter has marked it');
    like($m{'local@x.test'}{content}, qr/X-Local/, 'and what sendmail brings');
    log_like($mark, qr/^localhost 127\.0\.0\.1$/m, 'which comes from localhost');
};

done_testing;
