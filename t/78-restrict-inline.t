#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
# Tables that stand in the lists themselves: what braces hold stays together, in parameters, in classes, in tables.
use strict;
use warnings;
use FindBin;
use Test::More;
use lib "$FindBin::Bin/lib";
use Baton::Client;
use Baton::Test;

skip_all_unless_server();

my $t = Baton::Test->new;
my $relay = $t->fake_relay;
my $port = free_port();
$t->config(relayhost => $relay->address, inet_interfaces => '127.0.0.1', raw => <<"END",
listen smtp { port = $port }
restriction_class strict {
  restrictions = "check_recipient_access inline:{ { d\@b.test = REJECT in the class }, e\@b.test = REJECT too }, reject_non_fqdn_recipient"
}
restriction_class inner {
  restrictions = "check_recipient_access inline:{ h\@b.test = REJECT by the sender's list }"
}
END
    smtpd_recipient_restrictions => 'check_recipient_access inline:{ a@b.test = REJECT no way, b@b.test=DEFER later }, '
        . 'check_sender_access inline:{ g@b.test = reject_non_fqdn_sender inner }, strict');
my $check = $t->baton(['check']);
is($check->{code}, 0, 'baton check finds nothing wrong') or diag $check->{out};
like($check->{out}, qr/^ok +tables +restriction_class: inline:\{ \{ d\@b\.test/m, '... and has opened the tables of classes');
$t->start_batond;
my $c = Baton::Client->new(port => $port);
$c->reply;
$c->say('EHLO x.test');
$c->say('MAIL FROM:<g@b.test>');
for ([ a => qr/^554 5\.7\.1 .*: no way\r?$/m ], [ b => qr/^450 4\.7\.1 .*: later/ ], [ d => qr/^554 .*: in the class/ ], [ e => qr/^554 .*: too/ ],
    [ h => qr/^554 .*: by the sender's list/ ], [ z => qr/^250 / ]) {
    like($c->say("RCPT TO:<$_->[0]\@b.test>"), $_->[1], "$_->[0]\@b.test");
}

done_testing;
