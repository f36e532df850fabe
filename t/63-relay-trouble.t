#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
# A refusal that is the relay's or the configuration's fault keeps the mail, says so once, and never bounces it.
use strict;
use warnings;
use Test::More;
use FindBin;
use lib "$FindBin::Bin/lib";
use Baton::Test;

my $text = "From: me\@example.test\nTo: you\@example.test\nSubject: hello\n\nbody\n";

sub attempt {
    my ($name, $script, $config, $log, $alarm) = @_;
    subtest $name => sub {
        my $t = Baton::Test->new;
        my $relay = $t->fake_relay(%$script);
        $t->config(relayhost => $relay->address, minimal_backoff_time => '1s', maximal_backoff_time => '1s',
            maximal_queue_lifetime => '0s', ref $config eq 'CODE' ? $config->($relay) : %$config);
        $t->start_batond;
        $t->sendmail(['-f', 'me@example.test', 'you@example.test'], input => $text);
        my $line = $t->wait_log(qr/error: .*\Q$alarm\E/);
        ok($line, 'the log has one loud line') or diag $t->log_text;
        like($line, $log, 'that says what is wrong');
        ok($t->wait_log(qr/status=deferred/), 'the mail is deferred');
        my $before = () = $relay->transcript =~ /C: (?:EHLO|MAIL)/g;
        ok((wait_until { my $n = () = $relay->transcript =~ /C: (?:EHLO|MAIL)/g; $n > $before } 10), 'and tried again');
        unlike($t->log_text, qr/status=(bounced|expired)/, 'never bounced, however old');
        is(scalar(() = $t->log_text =~ /error: .*\Q$alarm\E/g), 1, 'the loud line comes once');
        my $s = $t->baton(['status']);
        like($s->{out}, qr/TROUBLE/, 'status shows it');
        is($s->{code}, 1, 'with exit status 1');
    };
}

my $kept = 'the mail is kept';
attempt('a login is wanted', { mail => '530 5.7.0 Authentication required' }, {}, qr/530 5\.7\.0/, $kept);
attempt('Exchange wants a login', { mail => '530 5.7.57 Client not authenticated to send mail' }, {}, qr/5\.7\.57/, $kept);
attempt('we may not send as this sender', { dot => '554 5.2.252 SendAsDenied; user not allowed' }, {}, qr/SendAsDenied/, $kept);
attempt('the relayhost relays nothing of ours', { rcpt => '554 5.7.1 <x>: Relay access denied' }, {}, qr/Relay access denied/, $kept);
attempt('the password is wrong',
    { auth => '535 5.7.8 Authentication failed', capabilities => [ 'PIPELINING', 'AUTH PLAIN LOGIN' ] },
    sub { (smtp_tls_security_level => 'none', raw => qq(login "@{[$_[0]->address]}" { user = "u" password = "wrong" }\n)) },
    qr/535 5\.7\.8/, $kept);
attempt('TLS is demanded and not offered', {}, { smtp_tls_security_level => 'encrypt' }, qr/TLS/i, $kept);

subtest 'the name of the relayhost does not exist' => sub {
    my $t = Baton::Test->new;
    $t->config(relayhost => '[relay.invalid]:25', maximal_queue_lifetime => '0s');
    $t->start_batond(env => { BATON_NAMESERVERS => $t->nameserver({}) });
    $t->sendmail(['-f', 'me@example.test', 'you@example.test'], input => $text);
    like($t->wait_log(qr/error: .*relay\.invalid/), qr/relay\.invalid/, 'the log names it');
    ok($t->wait_log(qr/status=deferred/), 'the mail is deferred');
    unlike($t->log_text, qr/status=(bounced|expired)/, 'and not bounced');
};

subtest 'no relayhost at all' => sub {
    my $t = Baton::Test->new;
    $t->config();
    $t->start_batond;
    is($t->sendmail(['-f', 'me@example.test', 'you@example.test'], input => $text)->{code}, 0, 'mail is taken');
    ok($t->wait_log(qr/status=deferred \(there is no relayhost/), 'and kept');
    my $s = $t->baton(['status']);
    like($s->{out}, qr/there is no relayhost: set relayhost = /, 'status says what is missing');
    my $relay = $t->fake_relay;
    $t->config(relayhost => $relay->address);
    ok($t->reload_batond, 'a relayhost is set and batond reloaded');
    is(scalar(() = $relay->wait_messages(1)), 1, 'the mail is sent');
};

subtest 'a wrong configuration is not taken up' => sub {
    my $t = Baton::Test->new;
    my $relay = $t->fake_relay;
    $t->config(relayhost => $relay->address);
    $t->start_batond;
    spew($t->conf, "relayhots = \"x\"\n");
    $t->reload_batond;
    like($t->wait_log(qr/relayhots/), qr/relayhost/, 'the log has the error, with the nearest name');
    ok($t->wait_log(qr/reload refused/), 'the reload is refused');
    $t->config(relayhost => $relay->address);
    $t->sendmail(['-f', 'me@example.test', 'you@example.test'], input => $text);
    is(scalar(() = $relay->wait_messages(1)), 1, 'mail goes on as before');
};

subtest 'nor one that names what is not there' => sub {
    my %wrong = (smtp_tls_CAfile => '/nonexistent/ca.pem');
    $wrong{virtual_alias_maps} = 'hash:/nonexistent/virtual' if has_server();
    for my $name (sort keys %wrong) {
        my $t = Baton::Test->new;
        my $relay = $t->fake_relay;
        $t->config(relayhost => $relay->address, $name => $wrong{$name});
        $t->start_batond(ready => 0);
        my $log = qr/error: $name: .*\/nonexistent\/.*: No such file/;
        ok($t->wait_log($log), "$name: the log says what is missing");
        is($t->wait_exit >> 8, 78, 'and batond leaves with 78');
        is(() = $t->log_text =~ /nonexistent/g, 1, 'it is said once') or diag $t->log_text;

        $t->config(relayhost => $relay->address);
        $t->start_batond;
        $t->config(relayhost => $relay->address, $name => $wrong{$name});
        $t->reload_batond;
        ok($t->wait_log($log), 'after a reload the log says it, too');
        ok($t->wait_log(qr/reload refused/), 'the reload is refused');
        $t->sendmail(['-f', 'me@example.test', 'you@example.test'], input => $text);
        is(scalar(() = $relay->wait_messages(1)), 1, 'mail goes on as before');
        unlike($t->log_text, qr/left with status/, 'and no worker had to leave');
    }
};

subtest 'a worker that is killed is replaced, and nothing is lost' => sub {
    my $t = Baton::Test->new;
    my $relay = $t->fake_relay(listen => 0);
    $t->config(relayhost => $relay->address, minimal_backoff_time => '1s', maximal_backoff_time => '1s');
    $t->start_batond;
    $t->sendmail(['-f', 'me@example.test', "u$_\@example.test"], input => $text) for 1 .. 3;
    my ($supervisor, @workers) = $t->batond_pids;
    kill 'KILL', @workers;
    ok($t->wait_log(qr/was ended by signal 9/), 'the log says so');
    $relay->up;
    is(scalar(() = $relay->wait_messages(3)), 3, 'all mail arrives');
    is($t->sendmail(['-f', 'me@example.test', 'u4@example.test'], input => $text)->{code}, 0, 'and new mail is taken');
};

done_testing();
