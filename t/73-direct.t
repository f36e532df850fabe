#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
# Mail delivered to the MX hosts of its domain: a name server of the test says which they are, servers on loopback take it.
use strict;
use warnings;
use Test::More;
use FindBin;
use lib "$FindBin::Bin/lib";
use Baton::Test;
use IO::Socket::INET;
use Time::HiRes qw(time);

my $text = "From: me\@client.example.test\nTo: you\@example.test\nSubject: hello\n\nbody\n";
my @quick = (minimal_backoff_time => '1s', maximal_backoff_time => '1s');

sub start {
    my ($t, $zone, %config) = @_;
    $t->config(relayhost => '', inet_protocols => 'ipv4', @quick, %config);
    $t->start_batond(env => { BATON_NAMESERVERS => $t->nameserver($zone) });
}

sub send_to {
    my ($t, @to) = @_;
    my $r = $t->sendmail([ '-f', '', @to ], input => $text);
    is($r->{code}, 0, 'sendmail takes the message') or diag $r->{err};
}

subtest 'whose turn it is' => sub {
    my $t = Baton::Test->new;
    my $sink = $t->sink;
    start($t, {
        'example.test MX' => [ '20 live.example.test', '10 dead.example.test', '15 nothing.example.test' ],
        'live.example.test A' => ['127.0.0.1'], 'dead.example.test A' => ['127.0.0.2'],
        'plain.test A' => ['127.0.0.1'],
        'xn--bcher-kva.test MX' => ['10 live.example.test'],
    }, smtp_tcp_port => $sink->port);
    send_to($t, 'a@example.test');
    ok($sink->wait_messages(1), 'the second one takes it when the first is dead');
    like($t->wait_log(qr/to=<a\@example.*status=sent/), qr/relay=live\.example\.test\[127\.0\.0\.1\]:\d+,/, 'and the log names it');
    send_to($t, 'b@plain.test');
    ok($sink->wait_messages(2), 'a domain without MX is its own host');
    send_to($t, 'c@[127.0.0.1]');
    ok($sink->wait_messages(3), 'an address is one, too');
    send_to($t, "d\@b\xc3\xbccher.test");
    ok($sink->wait_messages(4), 'a domain with other letters is asked for by its ASCII name');
};

subtest 'what is final' => sub {
    my $t = Baton::Test->new;
    my $relay = $t->fake_relay(rcpt => { 'r@refuses.test' => '554 5.7.1 Relay access denied', 'q@refuses.test' => '530 5.7.0 Authentication required',
            'p@refuses.test' => '421 4.7.0 not now' });
    my $listen = free_port();
    start($t, {
        'null.test MX' => ['0 .'],
        'ours.test MX' => [ '10 client.example.test', '20 worse.test' ], 'worse.test A' => ['127.0.0.1'],
        'self.test MX' => ['10 mx.self.test'], 'mx.self.test A' => ['127.0.0.9'],
        'gone.test MX' => ['10 mx.gone.test'],
        'broken.test *' => 'SERVFAIL',
        'refuses.test A' => ['127.0.0.1'],
    }, smtp_tcp_port => ($relay->address =~ /(\d+)$/)[0], inet_interfaces => '127.0.0.9',
        raw => "listen smtp { port = $listen }\n");
    for my $case (
        [ 'a@nowhere.test', qr/dsn=5\.4\.4, status=bounced \(.*nowhere\.test/, 'a domain that does not exist' ],
        [ 'a@null.test', qr/dsn=5\.1\.10, status=bounced \(.*takes no mail/, 'one that takes no mail' ],
        [ 'a@ours.test', qr/dsn=5\.4\.6, status=bounced \(mail for ours\.test loops back to myself/, 'one whose best host is us by name' ],
        [ 'a@self.test', qr/dsn=5\.4\.6, status=bounced \(mail for self\.test loops back to myself/, 'one whose best host is us by address' ],
        [ 'a@gone.test', qr/dsn=5\.4\.4, status=bounced/, 'one whose hosts do not exist' ],
        [ 'r@refuses.test', qr/dsn=5\.7\.1, status=bounced \(.*Relay access denied/, 'a host that does not want it' ],
        [ 'q@refuses.test', qr/dsn=5\.7\.0, status=bounced \(.*530/, 'or wants a login' ],
        [ 'a@broken.test', qr/dsn=4\.\S+, status=deferred/, 'but a name server that fails is none of it' ],
        [ 'p@refuses.test', qr/dsn=4\.7\.0, status=deferred/, 'nor is a host that cannot now' ],
    ) {
        my ($to, $line, $name) = @$case;
        send_to($t, $to);
        like($t->wait_log(qr/to=<\Q$to\E>.*status=/), $line, $name);
    }
    unlike($t->log_text, qr/somebody has to look at this/, 'nothing of that is an alarm');
    my $status;
    ok(wait_until(sub { ($status = $t->baton(['status'])->{out}) !~ /nowhere\.test|null\.test|gone\.test/ }), 'status forgets domains whose mail has gone back')
        or diag $status;
    like($status, qr/^waiting +broken\.test, since/m, 'and names those that mail waits for');
};

subtest 'several messages to one domain' => sub {
    my $t = Baton::Test->new;
    my $relay = $t->fake_relay;
    start($t, { 'example.test MX' => ['10 mx.test'], 'mx.test A' => ['127.0.0.1'] }, smtp_tcp_port => ($relay->address =~ /(\d+)$/)[0],
        initial_destination_concurrency => 1, default_destination_concurrency_limit => 1);
    send_to($t, map { "r$_\@example.test" } 1 .. 3);
    send_to($t, "s$_\@example.test") for 1 .. 3;
    my @m = $relay->wait_messages(4);
    is(scalar(@m), 4, 'arrive');
    is_deeply([ sort @{ $m[0]{rcpts} } ], [ map { "r$_\@example.test" } 1 .. 3 ], 'the recipients of one together');
    is_deeply([ map { $_->{connection} } @m ], [ ($m[0]{connection}) x 4 ], 'over one connection');
};

subtest 'smtp_fallback_relay' => sub {
    my $t = Baton::Test->new;
    my $sink = $t->sink;
    start($t, { 'example.test MX' => ['10 mx.test'], 'mx.test A' => ['127.0.0.2'] }, smtp_tcp_port => free_port(),
        smtp_fallback_relay => $sink->address);
    send_to($t, 'a@example.test');
    ok($sink->wait_messages(1), 'takes what a domain\'s hosts do not take');
    send_to($t, 'a@nowhere.test');
    ok($sink->wait_messages(2), 'and what has no host');
};

subtest 'TLS when it is offered' => sub {
    my $t = Baton::Test->new;
    my $c = $t->certificate(names => ['other.test'], self_signed => 1);
    my $sink = $t->sink(args => [ '--cert', $c->{cert}, '--key', $c->{key} ]);
    start($t, { 'example.test A' => ['127.0.0.1'] }, smtp_tcp_port => $sink->port, smtp_tls_loglevel => 1);
    send_to($t, 'a@example.test');
    ok($sink->wait_messages(1), 'is used');
    ok($t->wait_log(qr/Untrusted TLS connection established to example\.test\[127/), 'whatever the certificate says');
};

subtest 'TLS that fails' => sub {
    my $t = Baton::Test->new;
    my $relay = $t->fake_relay(capabilities => [qw(STARTTLS PIPELINING)], starttls => [ { reply => '220 go ahead', then => 'drop' } ]);
    start($t, { 'example.test A' => ['127.0.0.1'] }, smtp_tcp_port => ($relay->address =~ /(\d+)$/)[0]);
    send_to($t, 'a@example.test');
    is(scalar(() = $relay->wait_messages(1)), 1, 'is left out');
};

subtest 'a crowd of dead domains' => sub {
    my $t = Baton::Test->new;
    my $sink = $t->sink;
    my $port = $sink->port;
    my $silent = IO::Socket::INET->new(LocalAddr => '127.0.0.3', LocalPort => $port, Listen => 4096, ReuseAddr => 1) or die "listen: $!";
    start($t, {
        '*.refused.test A' => ['127.0.0.2'], '*.silent.test A' => ['127.0.0.3'], '*.broken.test *' => 'SERVFAIL', 'live.test A' => ['127.0.0.1'],
    }, smtp_tcp_port => $port, minimal_backoff_time => '30s', maximal_backoff_time => '30s', relay_connection_limit => 500);
    for my $kind (qw(refused silent broken)) {
        my @to = map { "a\@d$_.$kind.test" } 1 .. 1000;
        is($t->sendmail([ '-f', '', @to ], input => $text)->{code}, 0, "a thousand $kind ones");
    }
    ok($t->wait_log(qr/nrcpt=1000.*active/), 'wait');
    my $began = time;
    send_to($t, 'a@live.test');
    ok($sink->wait_messages(1, 60), 'a domain that is alive gets its mail');
    note(sprintf "after %.1f s, with 500 connections at most", time - $began);
    $began = time;
    send_to($t, 'b@live.test');
    ok($sink->wait_messages(2, 60), 'and again');
    note(sprintf "after %.1f s", time - $began);
};

done_testing;
