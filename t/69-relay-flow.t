#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
# When more mail comes than goes for long, clients are slowed to their share, and one that sends little does not notice.
use strict;
use warnings;
use Test::More;
use FindBin;
use lib "$FindBin::Bin/lib";
use Baton::Test;
use IO::Socket::INET;
use Time::HiRes qw(time sleep);

my $limit = 15; # seconds

# A client in a process of its own, from an address of its own: sends with $pause between two messages, and prints for each
# when it was answered and after how long.
sub client {
    my ($port, $from, $pause) = @_;
    my $pid = open(my $out, '-|') // die "fork: $!";
    return ($pid, $out) if $pid;
    $| = 1;
    my $c = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $port, LocalAddr => $from, Timeout => 10) or die "connect: $@";
    my $say = sub { print $c "$_[0]\r\n" if defined $_[0]; my $l; do { $l = <$c> // exit } while $l =~ /^\d+-/; die $l if $l !~ /^[23]/ };
    my $end = time + $limit;
    $say->();
    $say->('EHLO test');
    while (time < $end) {
        my $t = time;
        $say->($_) for 'MAIL FROM:<me@example.test>', 'RCPT TO:<you@example.test>', 'DATA', "Subject: x\r\n\r\nbody\r\n.";
        printf "%.3f %.3f\n", time, time - $t;
        sleep $pause;
    }
    exit;
}

sub lines { my ($fh) = @_; return map { [split] } <$fh> }

# It runs beside the first, which takes its time
my $away = do {
    my $t = Baton::Test->new;
    my $port = free_port();
    my $relay = $t->fake_relay(listen => 0);
    $t->config(relayhost => $relay->address, in_flow_backlog => 10, raw => qq(listen test { address = "127.0.0.1" port = $port }\n));
    $t->start_batond;
    my ($pid, $out) = client($port, '127.0.0.2', 0.02);
    { t => $t, relay => $relay, pid => $pid, out => $out };
};

subtest 'a relayhost that is slow' => sub {
    my $t = Baton::Test->new;
    my $port = free_port();
    my $relay = $t->fake_relay(dot => { reply => '250 2.0.0 taken', wait => 0.2 });
    $t->config(relayhost => $relay->address, smtp_destination_concurrency_limit => 2, in_flow_backlog => 100,
        raw => qq(listen test { address = "127.0.0.1" port = $port }\n));
    $t->start_batond;
    my ($fast_pid, $fast) = client($port, '127.0.0.2', 0.02);
    my ($slow_pid, $slow) = client($port, '127.0.0.3', 0.7);
    ok($t->wait_log(qr/warning: more mail comes than goes/, 15), 'that more comes than goes is said');
    my $since = time;
    my @fast = grep { $_->[0] > $since + 1 } lines($fast);
    my @slow = grep { $_->[0] > $since + 1 } lines($slow);
    waitpid $_, 0 for $fast_pid, $slow_pid;
    my $seconds = @fast ? $fast[-1][0] - $since - 1 : 0;
    cmp_ok(scalar(@fast), '>', 1, 'the fast client still gets mail in');
    cmp_ok(scalar(@fast), '<=', 10 * $seconds + 5, sprintf 'no more than goes out (%d in %.1f s)', scalar(@fast), $seconds);
    my ($longest) = sort { $b <=> $a } map { $_->[1] } @fast;
    cmp_ok($longest, '<', 2, 'and waits no longer than in_flow_delay for an answer');
    my @waited = grep { $_->[1] > 0.15 } @slow;
    cmp_ok(scalar(@slow), '>', 1, 'the slow one goes on');
    is(scalar(@waited), 0, 'and does not notice') or diag explain \@slow;
};

subtest 'a relayhost that is away' => sub {
    my @all = lines($away->{out});
    waitpid $away->{pid}, 0;
    cmp_ok(scalar(@all), '>', 60, scalar(@all) . ' messages are taken');
    my @waited = grep { $_->[1] > 0.5 } @all;
    is(scalar(@waited), 0, 'and none is held back');
    unlike($away->{t}->log_text, qr/more mail comes than goes/, 'nothing is said of a flow');
};

done_testing;
