#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
# soft_bounce: nothing is refused or returned for good.
use strict;
use warnings;
use FindBin;
use Test::More;
use lib "$FindBin::Bin/lib";
use Baton::Client;
use Baton::Test;

my $t = Baton::Test->new;
my $port = free_port();
my $relay = $t->fake_relay(rcpt => { 'no@example.test' => '550 5.1.1 no such user', else => '250 2.1.5 ok' });
my %config = (relayhost => $relay->address, alias_maps => '', minimal_backoff_time => '1s', maximal_backoff_time => '1s', smtpd_error_sleep_time => '0s',
    disable_vrfy_command => 'yes', raw => "listen smtp { address = \"127.0.0.1\", port = $port }\n");

$t->config(%config, soft_bounce => 'yes');
$t->start_batond;
my $c = Baton::Client->new(port => $port) or die "port $port: $!";
$c->reply;
$c->say('EHLO client.example.org');
is($c->say('VRFY <a@example.test>'), "402 4.5.1 VRFY command is disabled\n", 'a command that is refused');
is($c->say('NONSENSE'), "400 4.5.2 Error: command not recognized\n", 'one that nobody knows');
like($c->say('RCPT TO:<a@example.test>'), qr/^403 4\.5\.1 /, 'one at the wrong time');
like($c->say('MAIL FROM:<a@example.org> SIZE=999999999'), qr/^452 4\.3\.4 /, 'a message that is too large');
like($c->deliver(from => 'me@example.org', to => 'no@example.test'), qr/^250 /, 'mail is taken');
ok($t->wait_log(qr/to=<no\@example\.test>, relay=.*, dsn=5\.1\.1, status=SOFTBOUNCE \(.*550 5\.1\.1 no such user/), 'what would be returned stays, and the log says so');
unlike($t->log_text, qr/non-delivery notification|status=bounced/, 'nobody gets a report');
like($t->mailq->{out}, qr/no such user.*\n.*no\@example\.test/, 'it waits in the queue');
is($t->sendmail(['no@example.test'], input => "Subject: x\n\nx\n")->{code}, 0, 'programs of this machine are no clients');

$relay->script(rcpt => '250 2.1.5 ok');
ok($t->wait_log(qr/to=<no\@example\.test>, .*status=sent/), 'when it is taken, it is delivered');

$relay->script(rcpt => '550 5.1.1 no such user');
$t->config(%config, soft_bounce => 'yes', maximal_queue_lifetime => '2s');
$t->reload_batond;
is($t->sendmail([ '-f', 'me@example.org', 'old@example.test' ], input => "Subject: x\n\nx\n")->{code}, 0, 'mail whose time runs out');
ok($t->wait_log(qr/to=<old\@example\.test>, .*status=expired/), '... is returned then');

SKIP: {
    skip 'the server module is not built', 2 if !has_server();
    $t->config(%config, raw => "listen smtp {\n address = \"127.0.0.1\"\n port = $port\n soft_bounce = yes\n}\n", smtpd_recipient_restrictions => 'reject');
    $t->reload_batond;
    ok((wait_until {
        my $d = Baton::Client->new(port => $port);
        $d && ($d->greet // '') =~ /^250/ && ($d->deliver(from => 'a@example.org', to => 'a@example.test') // '') =~ /^454 4\.7\.1 /
    }), 'one listener may be soft');
    is($t->baton(['config', 'soft_bounce'])->{out}, "soft_bounce = no\n", '... and nothing else is by that');
}

done_testing;
