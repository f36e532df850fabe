#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
# A supervisor that is killed: its workers see it, finish and leave, so that the next batond gets the spool.
use strict;
use warnings;
use Test::More;
use FindBin;
use lib "$FindBin::Bin/lib";
use Baton::Test;
use IO::Socket::INET;

my $t = Baton::Test->new;
my $relay = $t->fake_relay;
$t->config(relayhost => $relay->address);
my $first = $t->start_batond;
my @workers = grep { $_ != $first } $t->batond_pids;
cmp_ok(scalar @workers, '>=', 2, 'a supervisor and its workers');
kill 'KILL', $first;
$t->wait_exit;
ok((wait_until { !grep { kill 0, $_ } @workers } 10), 'when it was killed, its workers leave')
  or kill 'KILL', @workers;
ok($t->start_batond, 'the next one gets the spool');
is($t->sendmail(['you@example.test'], input => message())->{code}, 0, 'and mail is taken');
ok($relay->wait_messages(1), 'and relayed');
$t->stop_batond;

subtest 'a client in the middle of a message' => sub {
    my $t = Baton::Test->new;
    my $relay = $t->fake_relay;
    my $port = free_port();
    $t->config(relayhost => $relay->address, raw => qq(listen x { address = "127.0.0.1", port = $port }\n));
    my $supervisor = $t->start_batond;
    my $c = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $port, Timeout => 5) or die "connect: $!";
    my $say = sub { print {$c} "$_[0]\r\n" if @_; my $line; do { $line = <$c> // '' } while $line =~ /^\d+-/; $line };
    $say->();
    like($say->($_), qr/^[23]/, $_) for 'EHLO x', 'MAIL FROM:<me@example.test>', 'RCPT TO:<you@example.test>', 'DATA';
    kill 'KILL', $supervisor;
    $t->wait_exit;
    $t->start_batond(ready => 0);
    like($say->("Subject: x\r\n\r\nx\r\n."), qr/^250/, 'its message is taken by the worker that is left');
    my $next = $say->('MAIL FROM:<me@example.test>') || $say->();
    like($next, qr/^421|^$/, 'the next one is not');
    close $c;
    ok($t->wait_log(qr/batond serves/, 15), 'the next batond waits till it is gone, and serves');
    my ($m) = $relay->wait_messages(1);
    is($m && $m->{rcpts}[0], 'you@example.test', 'the message is relayed');
    $t->stop_batond;
};

subtest 'a reload while no relay is there' => sub {
    my $t = Baton::Test->new;
    my $relay = $t->fake_relay;
    $t->config(relayhost => $relay->address);
    $t->start_batond;
    $t->sendmail(['you@example.test'], input => message());
    ok($relay->wait_messages(1), 'one works');
    # Each that dies young is started a little later; one that is not there yet when the reload comes is started all the same
    my ($pid) = $t->wait_log(qr/to=<you/) =~ m{baton/relay\[(\d+)\]: };
    my %known = map { $_ => 1 } $t->batond_pids;
    for my $n (1 .. 3) {
        kill 'KILL', $pid;
        ok((wait_until { $n == (() = $t->log_text =~ m{baton/relay\[\d+\] was ended by signal 9}g) } 5), "relay $n is ended");
        last if $n == 3;
        ok((wait_until { ($pid) = grep { !$known{$_} } $t->batond_pids } 5), 'and there is another');
        $known{$pid} = 1;
    }
    ok($t->reload_batond, 'reloaded');
    $t->sendmail(['me@example.test'], input => message());
    is(scalar(my @m = $relay->wait_messages(2)), 2, 'the next one relays');
    $t->stop_batond;
};
done_testing();
