#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
# One message stays one message, whatever stands in it, from the client to the relayhost; and who speaks out of turn is cut off.
use strict;
use warnings;
use FindBin;
use Test::More;
use lib "$FindBin::Bin/lib";
use Baton::Client;
use Baton::Test;

my @world;
sub world {
    my (%config) = @_;
    my $t = Baton::Test->new;
    my $relay = $t->fake_relay;
    my $port = free_port();
    $t->config(relayhost => $relay->address, raw => "listen smtp { address = \"127.0.0.1\", port = $port }\n", %config);
    $t->start_batond;
    return ($t, $port, $relay);
}

# A second message, if what stands before it ended the first
my $second = "MAIL FROM:<evil\@example.test>\r\nRCPT TO:<victim\@example.test>\r\nDATA\r\nSubject: smuggled\r\n\r\nevil";

# Every way to write CR LF . CR LF but the right one, from the write-ups of CVE-2023-51764 and -51765
my %sequences = (
    'LF.LF'         => "\n.\n",         'LF.CRLF'       => "\n.\r\n",       'CRLF.LF'    => "\r\n.\n",
    'CR.CR'         => "\r.\r",         'CR.CRLF'       => "\r.\r\n",       'CRLF.CR'    => "\r\n.\r",
    'CR.LF'         => "\r.\n",         'LF.CR'         => "\n.\r",         'CR CR LF.CRLF' => "\r\r\n.\n",
    'CRLF.CR CR LF' => "\r\n.\r\r\n",   'CRLF NUL.CRLF' => "\r\n\0.\r\n",   'CRLF.NUL CRLF' => "\r\n.\0\r\n",
    'CR NUL LF.CRLF' => "\r\0\n.\r\n",  'CRLF.CR NUL LF' => "\r\n.\r\0\n",  'CRLF..CRLF' => "\r\n..\r\n",
    'LF..LF'        => "\n..\n",        'LF LF.CRLF'    => "\n\n.\r\n",
);

sub smuggle {
    my ($port, $sequence, $bdat) = @_;
    my $c = Baton::Client->new(port => $port);
    $c->greet;
    $c->say('MAIL FROM:<me@example.test>');
    $c->say('RCPT TO:<you@example.test>');
    my $content = "Subject: one\r\n\r\nfirst$sequence$second";
    return $c->say('BDAT ' . length($content) . " LAST\r\n$content" =~ s/\r\n\z//r) if $bdat;
    $c->say('DATA');
    return $c->say("$content\r\n.");
}

for ([ 'a stranger\'s', { mynetworks => '192.0.2.1', mydestination => 'example.test', (has_server() ? (local_recipient_maps => '') : ()), local_transport => 'smtp' } ], [ 'a trusted client\'s', {} ]) {
    my ($whose, $config) = @$_;
    subtest "$whose message is one, whichever sequence is in it" => sub {
        my ($t, $port, $relay) = world(%$config);
        my $n = 0;
        for my $name (sort keys %sequences) {
            like(smuggle($port, $sequences{$name}), qr/^250 2\.0\.0 Ok: queued as/, "$name: taken");
            $n++;
        }
        my @m = $relay->wait_messages($n);
        is(scalar @m, $n, "$n messages went in, and as many arrive");
        is(scalar(grep { $_->{from} ne 'me@example.test' || "@{$_->{rcpts}}" ne 'you@example.test' } @m), 0, 'none of them from anybody else');
        is(scalar(grep { $_->{content} !~ /^Subject: one\r$/m || $_->{content} !~ /Subject: smuggled\r\n\r\nevil\r\n/ } @m), 0, 'each with all that it had');
        is(scalar(grep { $_->{content} =~ /(?<!\r)\n|\r(?!\n)|\0/ } @m), 0, 'and no CR or LF alone, and no NUL, leaves');
    };
}

subtest 'reject refuses the message, with the code that is asked for' => sub {
    my %strict = (smtpd_forbid_bare_newline => 'reject', smtpd_forbid_bare_newline_exclusions => '');
    my ($t, $port) = world(%strict);
    like(smuggle($port, "\n.\n"), qr/^550 5\.5\.2 Error: bare <LF> received$/, 'DATA');
    like(smuggle($port, "\n.\n", 1), qr/^550 5\.5\.2 Error: bare <LF> received$/, 'BDAT');
    my $c = Baton::Client->new(port => $port);
    $c->reply;
    $c->send_raw("EHLO me\n");
    like($c->reply, qr/^550 5\.5\.2 /, 'a command');
    like($c->say('EHLO me'), qr/^250-/, 'and the conversation goes on');
    like(smuggle($port, "\r\n..\r\n"), qr/^250 /, 'a message with CRLF only is taken');
    ($t, $port) = world(%strict, smtpd_forbid_bare_newline_reject_code => 521);
    $c = Baton::Client->new(port => $port);
    $c->reply;
    $c->send_raw("EHLO me\n");
    like($c->reply, qr/^521 5\.5\.2 /, 'code 521');
    is($c->reply, '', 'and the end');
};

subtest 'a client that knows LF only is served where it is trusted' => sub {
    my ($t, $port, $relay) = world();
    my $c = Baton::Client->new(port => $port);
    $c->reply;
    for ([ 'EHLO me', 250 ], [ 'MAIL FROM:<me@example.test>', 250 ], [ 'RCPT TO:<you@example.test>', 250 ], [ 'DATA', 354 ], [ "Subject: lf\n\nx\n.", 250 ], [ 'QUIT', 221 ]) {
        $c->send_raw("$_->[0]\n");
        like($c->reply, qr/^$_->[1]/, $_->[0] =~ s/\n.*//sr);
    }
    my ($m) = $relay->wait_messages(1);
    like($m->{content}, qr/^Subject: lf\r\n/m, 'and its message arrives, with CRLF');
};

# ---- out of turn -----------------------------------------------------------------------------------------------------

my $sync = qr/^554 5\.5\.0 Error: SMTP protocol synchronization$/;

sub out_of_turn {
    my ($port, $name, $first, $bytes) = @_;
    my $c = Baton::Client->new(port => $port);
    $c->reply;
    $c->say($_) for @$first;
    $c->send_raw($bytes);
    my $r = $c->reply;
    $r = $c->reply while $r =~ /^250/; # what may be grouped is answered first
    like($r, $sync, "$name: 554");
    is($c->reply, '', "$name: and the end");
}

subtest 'who does not wait for a reply is cut off' => sub {
    my ($t, $port) = world();
    my @mail = ('EHLO me', 'MAIL FROM:<a@example.test>', 'RCPT TO:<b@example.test>');
    out_of_turn($port, 'EHLO', [], "EHLO me\r\nMAIL FROM:<a\@example.test>\r\n");
    out_of_turn($port, 'HELO', ['HELO me'], "MAIL FROM:<a\@example.test>\r\nRCPT TO:<b\@example.test>\r\n");
    out_of_turn($port, 'DATA', \@mail, "DATA\r\nSubject: x\r\n\r\nx\r\n.\r\n");
    out_of_turn($port, 'DATA behind the others', ['EHLO me'], join('', map { "$_\r\n" } @mail[ 1, 2 ], 'DATA', 'Subject: x') =~ s/^/RSET\r\n/r);
    out_of_turn($port, 'NOOP', ['EHLO me'], "NOOP\r\nNOOP\r\n");
    out_of_turn($port, 'VRFY', ['EHLO me'], "VRFY a\r\nNOOP\r\n");
    ok($t->wait_log(qr/unknown\[127\.0\.0\.1\]: after DATA: 554 5\.5\.0/), 'the log says after what');

    # To the listener's own queue, before anybody has accepted: the bytes are there first
    stop_processes($t->batond_pids);
    my $c = Baton::Client->new(port => $port);
    $c->send_raw("EHLO early\r\n");
    kill 'CONT', $t->batond_pids;
    like($c->reply, $sync, 'before the greeting: 554 instead of it');
    is($c->reply, '', 'and the end');

    $c = Baton::Client->new(port => $port);
    like($c->greet, qr/^250/, 'who waits is served');
    $c->send_raw("MAIL FROM:<a\@example.test>\r\nRCPT TO:<b\@example.test>\r\nRCPT TO:<c\@example.test>\r\n");
    like($c->reply, qr/^250 2\.1\.$_ /, 'and so is who groups what may be grouped') for 0, 5, 5;
    like($c->say('DATA'), qr/^354/, 'DATA');
    $c->send_raw("Subject: x\r\n\r\nx\r\n.\r\nQUIT\r\n");
    like($c->reply, qr/^250 2\.0\.0 /, 'QUIT behind the content');
    like($c->reply, qr/^221 2\.0\.0 /, 'is allowed');
};

subtest 'it may be switched off' => sub {
    my ($t, $port) = world(smtpd_forbid_unauth_pipelining => 'no');
    my $c = Baton::Client->new(port => $port);
    $c->send_raw("HELO me\r\nMAIL FROM:<a\@example.test>\r\nRCPT TO:<b\@example.test>\r\nDATA\r\n");
    like($c->reply, qr/^$_/, "reply $_") for 220, 250, 250, 250, 354;
};

done_testing();
