#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
# A supervisor that is killed: its workers see it, finish and leave, so that the next batond gets the spool.
use strict;
use warnings;
use Test::More;
use FindBin;
use lib "$FindBin::Bin/lib";
use Baton::Test;

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
done_testing();
