#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
# Rows of transport_maps that lead nowhere: baton check names them, and mail for them waits with a line in the log.
use strict;
use warnings;
use FindBin;
use Test::More;
use lib "$FindBin::Bin/lib";
use Baton::Test;

skip_all_unless_server();

my $t = Baton::Test->new;
my $relay = $t->fake_relay;
my $table = spew($t->path('transport'), <<"END");
good.test   smtp:[127.0.0.1]:25
same.test   :
hop.test    :[127.0.0.1]:25
nosuch.test nosuch:x

empty.test  lmtp:unix:
blank.test  lmtp: unix: /nowhere/lmtp
badhop.test :[unclosed
END
chmod 0644, $table;
my $hosts = spew($t->path('hosts'), <<"END");
a\@x.test   [127.0.0.1]:25, [127.0.0.2]
b\@x.test   DUNNO
e\@x.test   [127.0.0.1:25
d\@x.test   smtp:[127.0.0.1]
END
chmod 0644, $hosts;
$t->config(relayhost => $relay->address, transport_maps => "texthash:$table", alias_maps => '',
    sender_dependent_default_transport_maps => 'inline:{ a@x.test = DUNNO, b@x.test = nowhere:y, c@x.test = :[127.0.0.1], d@x.test = :[open }',
    sender_dependent_relayhost_maps => "texthash:$hosts");

my $check = $t->baton(['check'])->{out};
like($check, qr/^warning +transports +transport_maps: texthash:\Q$table\E:4: there is no transport "nosuch"; mail for "nosuch\.test" waits$/m, 'an unknown one, with its line');
like($check, qr/^warning +transports +transport_maps: texthash:\Q$table\E:6: .*name of a socket is missing.*; mail for "empty\.test" waits$/m, 'a socket without a name');
unlike($check, qr/mail for "(?:good|same|hop|blank)\.test"/, 'what is right is not named');
like($check, qr/^warning +transports +sender_dependent_default_transport_maps: .*there is no transport "nowhere"; mail for "b\@x\.test" waits$/m, 'that of a sender');
unlike($check, qr/default_transport_maps.*mail for "[ac]\@x\.test"/, 'DUNNO is none, and a host alone is for smtp');
like($check, qr/^warning +transports +transport_maps: texthash:\Q$table\E:8: .*unclosed.*; mail for "badhop\.test" waits$/m, 'a next hop alone that is none for any transport');
like($check, qr/^warning +transports +sender_dependent_default_transport_maps: .*open.*; mail for "d\@x\.test" waits$/m, 'nor for default_transport');
like($check, qr/^warning +transports +sender_dependent_relayhost_maps: texthash:\Q$hosts\E:$_->[0]: .*; mail for "$_->[1]\@x\.test" waits$/m, "a relayhost that is none, with its line: $_->[1]")
  for [ 3, 'e' ], [ 4, 'd' ];
unlike($check, qr/relayhost_maps.*mail for "[ab]\@x\.test"/, 'what is right is not named');

$t->start_batond;
for ([ nosuch => qr/transport_maps: there is no transport "nosuch"/ ], [ badhop => qr/transport_maps: .*unclosed/ ], [ empty => qr/transport_maps: .*name of a socket is missing/ ]) {
    my ($name, $line) = @$_;
    is($t->sendmail([ '-f', 'me@x.test', "x\@$name.test" ], input => "Subject: x\n\nx\n")->{code}, 0, "$name.test: is taken");
    ok($t->wait_log($line), '... and the log says why it waits');
}
is($t->sendmail([ '-f', 'e@x.test', 'x@else.test' ], input => "Subject: x\n\nx\n")->{code}, 0, 'a sender whose relayhost is none: is taken');
ok($t->wait_log(qr/sender_dependent_relayhost_maps: .*\[127\.0\.0\.1:25/), '... and the log says why it waits');
is($t->sendmail([ '-f', 'me@x.test', 'x@blank.test' ], input => "Subject: x\n\nx\n")->{code}, 0, 'blanks around colons');
ok($t->wait_log(qr{to=<x\@blank\.test>, .*/nowhere/lmtp.*status=deferred|to=<x\@blank\.test>.*status=deferred.*/nowhere/lmtp}), '... are passed over');
is($t->sendmail([ '-f', 'me@x.test', 'x@same.test' ], input => "Subject: x\n\nx\n")->{code}, 0, 'mail for others');
is_deeply([ $relay->wait_messages(1) ]->[0]{rcpts}, ['x@same.test'], '... goes on');

done_testing;
