#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
# sendmail, mailq and -bs with the real daemon: running, hanging, gone, back again.
use strict;
use warnings;
use FindBin;
use Test::More;
use Time::HiRes qw(time);
use lib "$FindBin::Bin/lib";
use Baton::Test;

my $t = Baton::Test->new;
my $relay = $t->fake_relay;
my $aliases = spew($t->path('aliases'), "root: ops\@example.test\n");
$t->config(relayhost => $relay->address, myorigin => 'origin.example.test', alias_maps => "hash:$aliases",
    local_transport => 'error:5.1.1 nobody lives here', mydestination => 'here.example.test');
$t->start_batond;
my $n = 0;
my $uid = is_root() ? 54321 : $>;
sub next_one { my @all = $relay->wait_messages(++$n); return $all[ $n - 1 ] || (fail('it arrives'), { content => '', rcpts => [] })[1] }

# ---- running ------------------------------------------------------------------------------------------------------------------

my $r = $t->sendmail([ '-t', '-i', '-v' ], input => "To: a\@b.test\nBcc: c\@d.test\nSubject: x\n\n.\n..\nbody\n", uid => $uid);
like($r->{err}, qr/batond has it: 250 2\.0\.0 Ok: queued as (\w+)/, 'by the daemon, which says its id');
my ($id) = $r->{err} =~ /queued as (\w+)/;
my $m = next_one();
like($m->{content}, qr/\AReceived: by client\.example\.test \(Baton, from userid $uid\)\r\n\tid $id; /, 'the daemon knows who called');
like($m->{content}, qr/\r\n\r\n\.\r\n\.\.\r\nbody\r\n\z/, 'dots arrive as they were');
unlike($m->{content}, qr/^Bcc:|c\@d\.test/im, 'and Bcc does not');
is("@{$m->{rcpts}}", 'a@b.test c@d.test', 'but whom it named gets it');

$r = $t->sendmail(['root@client.example.test'], input => "Subject: alias\n\nx\n", uid => $uid);
is($r->{code}, 0, 'a local name with an alias is taken');
is("@{next_one()->{rcpts}}", 'ops@example.test', 'and goes where the alias says');
$r = $t->sendmail(['nobody@here.example.test'], input => "x\n", uid => $uid);
is($r->{code}, 67, 'a local name without one: 67');
like($r->{err}, qr/recipient <nobody\@here\.example\.test>: 550 5\.1\.1 .*nobody lives here/, 'in the words of the daemon');
$r = $t->sendmail([ 'a@b.test', 'nobody@here.example.test' ], input => "x\n", uid => $uid);
is($r->{code}, 67, 'beside a good one, too');
$r = $t->sendmail([ 'a@b.test' ], input => "Subject: gr\xc3\xbc\xc3\x9fe\n\n\xc3\xa4\n", uid => $uid);
like(next_one()->{content}, qr/^Subject: =\?utf-8\?B\?.*\r\n\r\n\xc3\xa4\r\n\z/ms, '8-bit text, and an encoded Subject');
$r = $t->sendmail([ 'a@b.test' ], input => "Subject: large\n\n" . ("y" x 99 . "\n") x 30000, uid => $uid);
is(length(next_one()->{content} =~ s/\A.*?\r\n\r\n//sr), 101 * 30000, 'three megabytes');
$r = $t->sendmail(['-bs'], input => join("\r\n", 'EHLO x', 'MAIL FROM:<a@b.test>', 'RCPT TO:<c@d.test>', 'DATA', 'Subject: bs', '', '..x', '.', 'QUIT', ''), uid => $uid);
like($r->{out}, qr/^250 2\.0\.0 Ok: queued as \w+\r\n221 /m, '-bs speaks with the daemon');
$m = next_one();
like($m->{content}, qr/userid $uid\).*^Date: .*^Message-ID: .*\r\n\r\n\.x\r\n\z/ms, 'which puts right what comes that way');
is(scalar $t->drop, 0, 'the drop was not needed for any of these');

# ---- the queue -----------------------------------------------------------------------------------------------------------------

$relay->script(rcpt => '450 4.2.0 come back later');
is($t->sendmail([ '-f', 'a@b.test', 'later@d.test' ], input => "Subject: x\n\nx\n", uid => $uid)->{code}, 0, 'one that has to wait');
ok($t->wait_log(qr/to=<later\@d\.test>.*status=deferred/), 'waits');
$r = $t->mailq(uid => $uid);
is($r->{code}, 0, 'every user may look at the queue') or diag $r->{err};
like($r->{out}, qr/^\w+ +\d+ .* a\@b\.test\n *\(.*450 4\.2\.0 come back later.*\)\n {41}later\@d\.test\n\n-- 0 Kbytes in 1 Request\.\n\z/m, 'and sees why it waits');
$relay->script;
$r = $t->run([ $t->bin . '/sendmail', '-C', $t->conf, '-q' ], uid => $uid);
is($r->{code}, 0, '-q asks to try again');
is("@{next_one()->{rcpts}}", 'later@d.test', 'and it is tried');
ok(wait_until { $t->mailq(uid => $uid)->{out} eq "Mail queue is empty\n" }, 'the queue is empty again');

# ---- hanging, gone, back --------------------------------------------------------------------------------------------------------

SKIP: {
    skip 'the drop is for the owner of the spool, or by setgid', 7 if is_root() && !-w $t->spool . '/drop';
    my @pids = $t->batond_pids;
    stop_processes(@pids);
    my $from = time;
    $r = $t->sendmail([ '-v', 'hang@d.test' ], input => "Subject: hang\n\nx\n");
    is($r->{code}, 0, 'a daemon that hangs: the message is taken');
    like($r->{err}, qr/kept as \w+ until batond takes it: batond has not moved for 5 s/, 'by the drop');
    in_time($from, 7, 'after a bounded wait');
    kill 'CONT', @pids;
    my %got;
    ok(wait_until(sub { %got = map { ("@{$_->{rcpts}}" => $_) } $relay->messages; $got{'hang@d.test'} }, 15), 'and when it moves again, it is sent');
    $n = () = $relay->messages;
    $t->stop_batond;
    is($t->sendmail(['gone@d.test'], input => "Subject: gone\n\nx\n")->{code}, 0, 'a daemon that is gone: the message is taken');
    like($t->mailq->{out}, qr/gone\@d\.test\n\n-- 0 Kbytes in 1 Request\./, 'mailq shows it from the spool');
    $t->start_batond;
    $m = next_one();
    is("@{$m->{rcpts}}", 'gone@d.test', 'and the daemon sends it when it is back');
}
done_testing();
