#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
# Filters that people run: OpenDKIM signs and verifies, rspamd refuses and marks.
use strict;
use warnings;
use FindBin;
use Test::More;
use lib "$FindBin::Bin/lib";
use Baton::Client;
use Baton::Filter;
use Baton::Test;

skip_all_unless_server();

my $text = "From: me\@example.test\r\nTo: b\@client.test\r\nSubject: for the filters\r\nDate: Thu, 26 Nov 2026 12:00:00 +0000\r\n"
  . "Message-ID: <1\@example.test>\r\n\r\nfirst\r\n..dot\r\nlast\r\n";

# A world with a relayhost, and with a port for clients
sub fresh {
    my (%config) = @_;
    my $t = $config{t} // Baton::Test->new;
    delete $config{t};
    my $relay = $t->fake_relay;
    my $port = free_port();
    $t->config(relayhost => $relay->address, raw => "listen smtp {\n    address = \"127.0.0.1\"\n    port = $port\n}\n", %config);
    $t->start_batond;
    return ($t, $relay, $port);
}

sub client { my ($port) = @_; my $c = Baton::Client->new(port => $port); $c->greet; return $c }

subtest 'OpenDKIM signs what comes by SMTP, and another one finds the signature good' => sub {
    plan skip_all => 'opendkim is not installed' if !Baton::Filter::has('opendkim');
    my $t = Baton::Test->new;
    my $signer = Baton::Filter->opendkim($t);
    my (undef, $relay, $port) = fresh(t => $t, smtpd_milters => $signer->address);
    my $c = client($port);
    like($c->deliver(from => 'me@example.test', text => $text), qr/^250 2\.0\.0 Ok: queued as \w+/, 'the message is taken');
    my ($m) = $relay->wait_messages(1);
    ok($m, 'it is relayed') or return diag $t->log_text . $signer->log_text;
    like($m->{content}, qr/\ADKIM-Signature: v=1;.*?d=example\.test; s=mail;.*?\r\nReceived: /s, 'with a signature on top');
    like($m->{content}, qr/\r\n\r\nfirst\r\n\.dot\r\nlast\r\n\z/, 'and its body as it was');
    my $verifier = Baton::Filter->opendkim($t, mode => 'v', keys => $signer);
    my ($t2, $relay2, $port2) = fresh(smtpd_milters => $verifier->address);
    (my $signed = $m->{content}) =~ s/^\./../mg;
    like(client($port2)->deliver(from => 'me@example.test', text => $signed), qr/^250/, 'sent on to where another one verifies');
    my ($v) = $relay2->wait_messages(1);
    ok($v, 'it arrives') or return diag $t2->log_text;
    like($v->{content}, qr/^Authentication-Results: verifier\.test;\s+dkim=pass .*?header\.d=example\.test/ms, 'its signature is good');
};

subtest 'rspamd refuses GTUBE, and marks what it lets pass' => sub {
    plan skip_all => 'rspamd is not installed' if !Baton::Filter::has('rspamd');
    my $t = Baton::Test->new;
    my $rspamd = Baton::Filter->rspamd($t);
    my (undef, $relay, $port) = fresh(t => $t, smtpd_milters => $rspamd->address);
    my $c = client($port);
    my $gtube = 'XJS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X';
    like($c->deliver(from => 'me@example.test', text => $text . "$gtube\r\n", seconds => 30), qr/^5\d\d [\d.]+ .*gtube/i, 'GTUBE is refused');
    like($t->wait_log(qr/milter-reject/),
        qr/: \w{10,}: milter-reject: END-OF-MESSAGE from unknown\[127\.0\.0\.1\]: 5\.7\.1 .*; from=<me\@example\.test> to=<b\@example\.test> proto=ESMTP helo=<client\.test>/,
        'the log says so in Postfix\'s shape');
    like($c->deliver(from => 'me@example.test', text => $text, seconds => 30), qr/^250/, 'the same connection goes on, with clean mail') or diag $rspamd->log_text;
    my ($m) = $relay->wait_messages(1, 20);
    ok($m, 'which is relayed') or return diag $t->log_text;
    like($m->{content}, qr/^X-Spamd-Result: default: False/m, 'with what rspamd says of it');
    like($m->{content}, qr/\r\n\r\nfirst\r\n\.dot\r\nlast\r\n\z/, 'and its body as it was');
};

subtest 'both, one behind the other: the second sees what the first has made of it' => sub {
    plan skip_all => 'opendkim or rspamd is not installed' if !Baton::Filter::has('opendkim') || !Baton::Filter::has('rspamd');
    my $t = Baton::Test->new;
    my ($rspamd, $dkim) = (Baton::Filter->rspamd($t), Baton::Filter->opendkim($t));
    my (undef, $relay, $port) = fresh(t => $t, smtpd_milters => $rspamd->address . ', { ' . $dkim->address . ', default_action=accept }');
    my $c = client($port);
    like($c->deliver(from => 'me@example.test', text => $text, seconds => 30), qr/^250/, 'taken');
    my ($m) = $relay->wait_messages(1, 20);
    like($m->{content}, qr/^DKIM-Signature: .*^X-Spamd-Result: /ms, 'signed and marked') or diag $t->log_text;
    $rspamd->stop;
    $dkim->stop;
    my $d = client($port);
    like($d->say('MAIL FROM:<me@example.test>'), qr/^451 4\.7\.1 Service unavailable/, 'with rspamd away: later');
    ok($t->wait_log(qr/NOQUEUE: milter-reject: MAIL from unknown\[127\.0\.0\.1\]: 451 4\.7\.1 Service unavailable - try again later; from=<me\@example\.test> proto=ESMTP/), 'and the log has it');
    ok($t->wait_log(qr/warning: milter inet:127\.0\.0\.1:\d+: connect to .*Connection refused/), 'and why');
    $rspamd->up;
    my $e = client($port);
    like($e->deliver(from => 'me@example.test', text => $text, seconds => 30), qr/^250/, 'with the signer away, which may be, it is taken');
    (undef, $m) = $relay->wait_messages(2, 20);
    unlike($m->{content}, qr/^DKIM-Signature/m, 'and not signed');
};

subtest 'what sendmail submits is signed too, and another implementation finds the signature good' => sub {
    plan skip_all => 'opendkim is not installed' if !Baton::Filter::has('opendkim');
    my $t = Baton::Test->new;
    my $signer = Baton::Filter->opendkim($t);
    my (undef, $relay) = fresh(t => $t, non_smtpd_milters => $signer->address);
    is($t->sendmail(['-f', 'me@example.test', 'b@client.test'], input => "From: me\@example.test\nSubject: local\n\nfirst\n")->{code}, 0, 'taken');
    my ($m) = $relay->wait_messages(1);
    ok($m, 'relayed') or return diag $t->log_text;
    like($m->{content}, qr/^DKIM-Signature: v=1;.*?d=example\.test/ms, 'signed') or return diag $signer->log_text;
    return note 'python3-dkim is not installed' if system("/usr/bin/python3 -c 'import dkim' 2>/dev/null");
    spew($t->path('signed'), $m->{content});
    my $r = $t->run(['/usr/bin/python3', '-c', <<'CODE', $t->path('signed'), $signer->{public}]);
import dkim, sys
key = open(sys.argv[2]).read().split(" ", 1)[1].strip().encode()
print(dkim.verify(open(sys.argv[1], "rb").read(), dnsfunc=lambda name, timeout=5: key))
CODE
    like($r->{out}, qr/^True/, 'python3-dkim verifies it') or diag $r->{err};
};

subtest 'baton check looks at them' => sub {
    plan skip_all => 'opendkim or rspamd is not installed' if !Baton::Filter::has('opendkim') || !Baton::Filter::has('rspamd');
    my $t = Baton::Test->new;
    my ($rspamd, $dkim) = (Baton::Filter->rspamd($t), Baton::Filter->opendkim($t));
    my $relay = $t->fake_relay;
    my $gone = $t->path('no-socket');
    my $nobody = free_port();
    $t->config(relayhost => $relay->address, smtpd_milters => $rspamd->address . ' ' . $dkim->address, non_smtpd_milters => "unix:$gone inet:127.0.0.1:$nobody");
    my $r = $t->baton(['check']);
    like($r->{out}, qr/ok +milter +smtpd_milters: unix:\S+opendkim/, 'a socket that answers');
    like($r->{out}, qr/warning +milter +non_smtpd_milters: unix:\Q$gone\E: No such file/, 'one that is not there');
    $r = $t->baton(['check', '--live']);
    like($r->{out}, qr/ok +milter +smtpd_milters: inet:127\.0\.0\.1:\d+ speaks version 6 and may .*add fields/, '--live: rspamd negotiates');
    like($r->{out}, qr/ok +milter +smtpd_milters: unix:\S+ speaks version 6 and may .*change fields/, 'OpenDKIM too');
    like($r->{out}, qr/error +milter +non_smtpd_milters: inet:127\.0\.0\.1:$nobody: Connection refused/, 'nobody does not');
};

done_testing;
