#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
# Mail for names that nobody has here: clients are refused by local_recipient_maps, and what gets through goes to fallback_transport or
# luser_relay, as in Postfix.
use strict;
use warnings;
use FindBin;
use Test::More;
use lib "$FindBin::Bin/lib";
use Baton::Client;
use Baton::Test;

skip_all_unless_server();

my $me = (getpwuid $>)[0];
plan skip_all => 'the user has no name' if !defined $me;

# What a client is told of a recipient, with a daemon behind it.
sub fresh {
    my (%config) = @_;
    my $t = Baton::Test->new;
    my $relay = $t->fake_relay;
    my $port = free_port();
    $t->config(relayhost => $relay->address, mynetworks => '127.0.0.1/32', inet_interfaces => '127.0.0.1', mydestination => 'here.test',
        alias_maps => 'inline:{ list = out@else.test }', raw => "listen smtp { port = $port }\n", %config);
    $t->start_batond;
    return ($t, $relay, $port);
}

sub told {
    my ($port, $to, $content) = @_;
    my $c = Baton::Client->new(port => $port);
    $c->reply;
    $c->say('EHLO me.test');
    $c->say('MAIL FROM:<joe@else.test>');
    my $said = $c->say("RCPT TO:<$to>");
    return $said if !defined $content;
    $c->say('DATA');
    return $c->say("Subject: $content\r\n\r\nx\r\n.");
}

my $unknown = qr/^550 5\.1\.1 <nobody-has-it\@here\.test>: Recipient address rejected: User unknown in local recipient table$/;

subtest 'local_recipient_maps as it is' => sub {
    my ($t, $relay, $port) = fresh(luser_relay => 'lost@else.test');
    like(told($port, 'nobody-has-it@here.test'), $unknown, 'a client is refused for a name that nobody has');
    like(told($port, "$me\@here.test"), qr/^250 /, 'not for one that has an account');
    like(told($port, 'list@here.test'), qr/^250 /, 'nor for one that has an alias');
    is($t->sendmail([ '-f', 'joe@else.test', 'nobody-has-it@here.test' ], input => "Subject: x\n\nx\n")->{code}, 0, 'a program of this machine is not');
    is_deeply(($relay->wait_messages(1))[0]{rcpts}, ['lost@else.test'], 'and luser_relay gets it');
    like($t->baton(['check'])->{out}, qr/^warning +domains +luser_relay gets no mail of clients .*write local_recipient_maps = ""$/m, 'baton check says so');
};

subtest 'fallback_transport' => sub {
    my ($t, $relay, $port) = fresh(fallback_transport => 'relay:[127.0.0.1]:1', luser_relay => 'lost@else.test');
    like(told($port, 'nobody-has-it@here.test'), $unknown, 'refuses nobody less');
    like($t->baton(['check'])->{out}, qr/^warning +domains +fallback_transport gets no mail of clients /m, 'baton check says so');
};

subtest 'local_recipient_maps that are empty' => sub {
    my ($t, $relay, $port) = fresh(luser_relay => 'lost@else.test', local_recipient_maps => '');
    like(told($port, 'nobody-has-it@here.test', 'y'), qr/^250 /, 'a client is taken for any name');
    is_deeply(($relay->wait_messages(1))[0]{rcpts}, ['lost@else.test'], 'and luser_relay gets its mail');
    like(told($port, 'list@here.test', 'z'), qr/^250 /, 'a name with an alias');
    is_deeply(($relay->wait_messages(2))[1]{rcpts}, ['out@else.test'], 'keeps that');
    unlike($t->baton(['check'])->{out}, qr/luser_relay/, 'baton check has nothing to say');
};

subtest 'where local is not asked' => sub {
    my $t = Baton::Test->new;
    $t->config(mydestination => 'here.test', luser_relay => 'lost@else.test', mailbox_transport => 'lmtp:unix:/nowhere');
    like($t->baton(['check'])->{out}, qr/^warning +domains +luser_relay has no effect: mailbox_transport gets the mail of all names$/m, 'mailbox_transport');
    $t->config(mydestination => 'here.test', luser_relay => 'lost@else.test', local_transport => 'lmtp:unix:/nowhere');
    like($t->baton(['check'])->{out}, qr/^warning +domains +luser_relay has no effect: .*local_transport is another$/m, 'local_transport');
};

done_testing;
