#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
# The null client whole: sendmail, spool, batond, the embedded relayhost. What sendmail has taken arrives, whatever happens
# between: no daemon, a relayhost that is away, kill -9 in the middle.
use strict;
use warnings;
use FindBin;
use Test::More;
use lib "$FindBin::Bin/lib";
use Baton::Test;

my $t = Baton::Test->new;
my $sink = $t->sink;
$t->config(relayhost => $sink->address, minimal_backoff_time => '1s', maximal_backoff_time => '2s', queue_run_delay => '1s');

sub send_one {
    my ($n, %o) = @_;
    return $t->sendmail(['-t'], input => "From: me\@example.test\nTo: you\@example.test\nSubject: message $n.\n\nText of $n.\n", %o);
}
sub arrived { my %seen; $seen{$_}++ for map { /^Subject: message (\d+)\.\r?$/m } $sink->messages; return \%seen }

# ---- the first start makes the spool; then nothing runs ----------------------------------------------------------------------------------------------------

$t->start_batond;
is($t->stop_batond, 0, 'batond starts, and stops at a SIGTERM');
my $r = send_one(1);
is($r->{code}, 0, 'sendmail takes a message while batond does not run') or diag $r->{err};
like($t->mailq->{out}, qr/^-- \d+ Kbytes in 1 Request\.$/m, 'mailq shows it, in the shape that other programs read');

# ---- all runs --------------------------------------------------------------------------------------------------------

$t->start_batond;
ok(Baton::Test::wait_until(sub { arrived()->{1} }), 'batond takes it up and it arrives') or diag $t->log_text;
$r = send_one(2);
is($r->{code}, 0, 'sendmail takes a message while batond runs') or diag $r->{err};
ok(Baton::Test::wait_until(sub { arrived()->{2} }), 'and it arrives');

my $line = $t->wait_log(qr/to=<you\@example\.test>.*status=sent/);
like($line, qr/ (\w+): to=<you\@example\.test>, relay=127\.0\.0\.1\[127\.0\.0\.1\]:\d+, delay=[0-9.]+, delays=[0-9.\/]+, dsn=2\.\d\.\d, status=sent \(250 /,
    "the log line has Postfix's shape");
my ($id) = $line =~ / (\w+): to=/;
my ($message) = grep { /^Subject: message [12]\.\r?$/m && /\bid $id\b/ } $sink->messages;
ok($message, 'the id of the log stands in Received: of the message');
ok($t->wait_log(qr/\b\Q$id\E: removed/), 'the log says when Baton is done with it');
ok(Baton::Test::wait_until(sub { $t->mailq->{out} =~ /^Mail queue is empty$/m }), 'mailq says that the queue is empty');

# ---- the relayhost is away -------------------------------------------------------------------------------------------

$sink->stop;
send_one($_) for 3 .. 5;
ok($t->wait_log(qr/to=<you\@example\.test>.*status=deferred \(.*refused/i), 'a relayhost that is away defers, and the log says why');
like($t->mailq->{out}, qr/refused/i, 'so does mailq');
like($t->mailq->{out}, qr/^-- \d+ Kbytes in 3 Requests\.$/m, 'three wait');
$sink->up;
ok(Baton::Test::wait_until(sub { my $a = arrived(); $a->{3} && $a->{4} && $a->{5} }, 20), 'once it is back they arrive by themselves')
  or diag $t->log_text;

# ---- kill -9 in the middle, again and again --------------------------------------------------------------------------

my ($n, @taken, @crashes) = (100);
for my $round (1 .. 5) {
    my @pids;
    for my $i (1 .. 8) {
        my $number = ++$n;
        my $pid = fork // die "fork: $!";
        if (!$pid) {
            my $code = eval { send_one($number)->{code} } // 99;
            POSIX::_exit($code);
        }
        push @pids, [ $pid, $number ];
    }
    # Somewhere in the middle of it: after the first has been taken
    waitpid $pids[0][0], 0;
    push @taken, $pids[0][1] if $? == 0;
    $t->kill_batond;
    for (@pids[ 1 .. $#pids ]) {
        waitpid $_->[0], 0;
        push @taken, $_->[1] if $? == 0;
    }
    push @crashes, $round;
    $t->start_batond;
}
cmp_ok(scalar @taken, '>=', 20, 'messages were taken around ' . @crashes . ' crashes: ' . @taken);
my @lost = @taken;
Baton::Test::wait_until(sub { my $a = arrived(); @lost = grep { !$a->{$_} } @taken; !@lost }, 30);
is("@lost", '', 'every message that sendmail took has arrived') or diag $t->log_text;
my @partial = grep { !/\r?\n\r?\nText of \d+\.\r?\n\z/ } $sink->messages;
is(scalar @partial, 0, 'and none of them in part');

is($t->stop_batond, 0, 'SIGTERM ends batond with 0');
is((() = $t->log_text =~ /Sanitizer|runtime error/g), 0, 'no sanitizer had anything to say');
done_testing();
