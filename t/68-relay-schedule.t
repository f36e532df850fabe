#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
# How many deliveries a destination gets at a time, and that what is wrong with one never delays another.
use strict;
use warnings;
use Test::More;
use FindBin;
use lib "$FindBin::Bin/lib";
use Baton::Test;
use IO::Socket::INET;

my @often = (minimal_backoff_time => '1s', maximal_backoff_time => '1s');

# Messages by one SMTP connection, an address each.
sub submit {
    my ($port, @to) = @_;
    my $c = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $port, Timeout => 10) or die "connect: $@";
    my $say = sub {
        my ($line, $want) = @_;
        print $c "$line\r\n" if defined $line;
        my $reply;
        do { $reply = <$c> // die 'the receiver is gone' } while $reply =~ /^\d+-/;
        die "$line: $reply" if $reply !~ /^$want/;
    };
    $say->(undef, 220);
    $say->('EHLO test', 250);
    for my $to (@to) {
        $say->('MAIL FROM:<me@example.test>', 250);
        $say->("RCPT TO:<$_>", 250) for ref $to ? @$to : $to;
        $say->('DATA', 354);
        $say->("Subject: x\r\n\r\nbody\r\n.", 250);
    }
    $say->('QUIT', 221);
    return;
}

sub world {
    my (%config) = @_;
    my $t = Baton::Test->new;
    my $port = free_port();
    $t->config(%config, raw => qq(listen test { address = "127.0.0.1" port = $port }\n));
    return ($t, $port);
}

# The connections on which something was taken
sub used { my ($transcript) = @_; my %n = map { $_ => 1 } $transcript =~ /^(\d+) S: 250 2\.0\.0 taken/mg; return scalar keys %n }

subtest 'deliveries at a time grow with success' => sub {
    my ($t, $port) = world(default_destination_concurrency_limit => 9);
    my $relay = $t->fake_relay(dot => { reply => '250 2.0.0 taken', wait => 0.1 });
    $t->config(relayhost => $relay->address, default_destination_concurrency_limit => 9, initial_destination_concurrency => 2,
        raw => qq(listen test { address = "127.0.0.1" port = $port }\n));
    $t->start_batond;
    submit($port, map { "u$_\@example.test" } 1 .. 80);
    is(scalar(() = $relay->wait_messages(80)), 80, 'all arrive');
    is(used($relay->transcript), 9, 'from two at a time to the limit');
};

subtest 'a relayhost that takes three connections is not asked for more all the time' => sub {
    my ($t, $port) = world();
    my $relay = $t->fake_relay(dot => { reply => '250 2.0.0 taken', wait => 0.02 },
        banner => [ ('220 fake') x 3, { reply => '421 4.7.0 too many connections', then => 'drop' } ]);
    $t->config(relayhost => $relay->address, raw => qq(listen test { address = "127.0.0.1" port = $port }\n));
    $t->start_batond;
    submit($port, map { "u$_\@example.test" } 1 .. 150);
    is(scalar(() = $relay->wait_messages(150)), 150, 'all arrive');
    is(used($relay->transcript), 3, 'three at a time');
    cmp_ok($relay->connections, '<=', 3 + 20, 'and few connections are made in vain');
    unlike($t->log_text, qr/status=deferred/, 'no mail had to wait for that');
};

subtest 'a relayhost that hangs up on mail is left alone' => sub {
    my ($t, $port) = world();
    my $relay = $t->fake_relay(mail => { reply => '421 4.3.2 not now', then => 'drop' });
    $t->config(relayhost => $relay->address, minimal_backoff_time => '1h', maximal_backoff_time => '2h',
        raw => qq(listen test { address = "127.0.0.1" port = $port }\n));
    $t->start_batond;
    submit($port, map { "u$_\@example.test" } 1 .. 60);
    ok((wait_until { 60 == (() = $t->log_text =~ /status=deferred/g) }), 'all mail is deferred');
    my $asked = () = $relay->transcript =~ /C: MAIL/g;
    cmp_ok($asked, '<=', 8, "it was asked $asked times");
    log_like($t, qr/does not take mail now, trying again in 3600 s: .*421 4\.3\.2 not now/, 'the log says what it said');
    $relay->script(mail => '250 ok');
    $t->baton([ 'queue', 'retry' ]);
    is(scalar(() = $relay->wait_messages(60)), 60, 'when it takes mail again it gets all');
};

subtest 'a probe that is taken and then hung up on waits longer each time' => sub {
    my ($t, $port) = world();
    my $relay = $t->fake_relay(mail => { reply => '421 4.3.2 not now', then => 'drop' });
    $t->config(relayhost => $relay->address, minimal_backoff_time => '1s', maximal_backoff_time => '1000s',
        raw => qq(listen test { address = "127.0.0.1" port = $port }\n));
    $t->start_batond;
    submit($port, map { "u$_\@example.test" } 1 .. 10);
    ok($t->wait_log(qr/trying again in 2 s/), 'twice as long');
    unlike($t->log_text, qr/takes mail again/, 'a greeting is no proof that it works');
};

subtest 'mail that is put off makes fewer go at a time' => sub {
    my ($t, $port) = world();
    my $relay = $t->fake_relay(mail => [ ('450 4.7.1 slow down') x 12, '250 ok' ], dot => { reply => '250 2.0.0 taken', wait => 0.1 });
    $t->config(relayhost => $relay->address, @often, raw => qq(listen test { address = "127.0.0.1" port = $port }\n));
    $t->start_batond;
    submit($port, map { "u$_\@example.test" } 1 .. 24);
    is(scalar(() = $relay->wait_messages(24)), 24, 'all arrive');
    my ($later) = $relay->transcript =~ /.*450 4\.7\.1(.*)/s;
    cmp_ok(used($later), '<=', 2, 'hardly more than one at a time for a while');
};

subtest 'a relayhost that is away is told of once a message, not once a try' => sub {
    my ($t, $port) = world();
    my $relay = $t->fake_relay(listen => 0);
    my %config = (relayhost => $relay->address, @often, raw => qq(listen test { address = "127.0.0.1" port = $port }\n));
    $t->config(%config);
    $t->start_batond;
    submit($port, map { "u$_\@example.test" } 1 .. 20);
    my $tries = sub { scalar(() = $t->log_text =~ /does not take mail now/g) };
    my $lines = sub { scalar(() = $t->log_text =~ /status=deferred/g) };
    ok((wait_until { $lines->() == 20 }), 'each message is deferred');
    my $before = $tries->();
    ok((wait_until { $tries->() >= $before + 2 } 10), 'the relayhost is tried on');
    is($lines->(), 20, 'without a line a message each time');
    like($t->mailq->{out}, qr/Connection refused/, 'mailq says why it waits');
    $t->stop_batond;
    spew($t->log_path, '');
    $t->start_batond;
    ok((wait_until { $tries->() >= 2 } 10), 'after a restart the relayhost is tried');
    is($lines->(), 0, 'and the log is not told of each message again');
    $relay->up;
    is(scalar(() = $relay->wait_messages(20)), 20, 'when it is back it gets all');
};

subtest 'mail is warned of and returned while the relayhost is away' => sub {
    my ($t, $port) = world();
    my $relay = $t->fake_relay(listen => 0);
    $t->config(relayhost => $relay->address, @often, delay_warning_time => '1s',
        maximal_queue_lifetime => '3s', bounce_queue_lifetime => '1h', raw => qq(listen test { address = "127.0.0.1" port = $port }\n));
    $t->start_batond;
    submit($port, 'a@example.test');
    ok($t->wait_log(qr/delay notification/), 'the warning comes at its time');
    ok($t->wait_log(qr/to=<a\@example\.test>.*status=expired/), 'and the end');
};

subtest 'a retry of many messages is one try of their destination' => sub {
    my ($t, $port) = world();
    my $relay = $t->fake_relay(listen => 0);
    $t->config(relayhost => $relay->address, raw => qq(listen test { address = "127.0.0.1" port = $port }\n));
    $t->start_batond;
    submit($port, map { "u$_\@example.test" } 1 .. 450);
    my $tries = sub { scalar(() = $t->log_text =~ /does not take mail now/g) };
    ok((wait_until { 450 == (() = $t->log_text =~ /status=deferred/g) }), 'all wait');
    my $before = $tries->();
    like($t->baton([ 'queue', 'retry', 'ALL' ])->{out}, qr/^450 messages/, 'all are to be tried');
    ok((wait_until { $tries->() > $before }), 'the destination is');
    is($tries->(), $before + 1, 'once');
    is($t->baton([ 'queue', 'delete', 'ALL' ])->{out}, "450 messages deleted\n", 'and all can be deleted at once');
};

subtest 'a message for many does not keep one for a single recipient waiting' => sub {
    my ($t, $port) = world();
    my $relay = $t->fake_relay(dot => { reply => '250 2.0.0 taken', wait => 0.02 });
    $t->config(relayhost => $relay->address, smtp_destination_concurrency_limit => 1, smtp_destination_recipient_limit => 2,
        raw => qq(listen test { address = "127.0.0.1" port = $port }\n));
    $t->start_batond;
    submit($port, [ map { "many$_\@example.test" } 1 .. 100 ]);
    ok($relay->wait_transcript(qr/C: <content/), 'it is on its way, in fifty parts');
    submit($port, map { "one$_\@example.test" } 1 .. 5);
    my @order = map { $_->{rcpts}[0] } $relay->wait_messages(55);
    is(scalar(@order), 55, 'all arrive');
    my @ones = grep { $order[$_] =~ /^one/ } 0 .. $#order;
    is($ones[4] - $ones[0], 8, 'by turns') or diag "@order";
    cmp_ok($ones[4], '<', 50, 'the others do not wait for its end');
    my $sent = sub { scalar(() = $t->log_text =~ /to=<many\d+\@example\.test>.*status=sent/g) };
    wait_until { $sent->() >= 100 } 10;
    is($sent->(), 100, 'each recipient once');
};

subtest 'a connection lost between two parts loses nobody' => sub {
    my ($t, $port) = world();
    my $relay = $t->fake_relay(dot => [ ('250 2.0.0 taken') x 3, 'drop', '250 2.0.0 taken' ]);
    $t->config(relayhost => $relay->address, smtp_destination_concurrency_limit => 1, smtp_destination_recipient_limit => 2, @often,
        raw => qq(listen test { address = "127.0.0.1" port = $port }\n));
    $t->start_batond;
    submit($port, [ map { "many$_\@example.test" } 1 .. 20 ], map { "one$_\@example.test" } 1 .. 3);
    my %got;
    ok((wait_until { %got = map { $_ => 1 } map { @{ $_->{rcpts} } } $relay->messages; keys %got == 23 } 15), 'all 23 recipients get it');
};

done_testing;
