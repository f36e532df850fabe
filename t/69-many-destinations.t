#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
# A message for more destinations than there are connections: each recipient gets it once, whatever becomes of the others, and what is
# left is known after a crash.
use strict;
use warnings;
use FindBin;
use Test::More;
use lib "$FindBin::Bin/lib";
use Baton::Client;
use Baton::Test;

skip_all_unless_server();

my $n = 150;
my $t = Baton::Test->new;
my %rcpt = (else => '250 2.1.5 ok');
$rcpt{"u$_\@d$_.test"} = '550 5.1.1 no such user' for 5, 77, 149;
$rcpt{"u$_\@d$_.test"} = '450 4.2.0 not now' for 10, 20, 30;
my $relay = $t->fake_relay(rcpt => \%rcpt);
my ($sink) = $relay->address =~ /(\d+)$/;
my $port = free_port();
# The second host makes it a destination of its own; nobody is there.
$t->config(relayhost => $relay->address, mynetworks => '127.0.0.1/32', inet_interfaces => '127.0.0.1', alias_maps => '',
    transport_maps => "pcre:{ { /\@d(\\d+)\\.test\$\$/ smtp:[127.0.0.1]:$sink,[127.0.1.\$\$1]:$sink } }",
    virtual_alias_maps => 'inline:{ { list@d1.test = u1@d1.test, u2@d2.test } }', raw => "listen smtp { port = $port }\n",
    minimal_backoff_time => '1s', maximal_backoff_time => '1s');
$t->start_batond;

sub submit {
    my ($from, @to) = @_;
    my $c = Baton::Client->new(port => $port);
    $c->reply;
    $c->say('EHLO me.test');
    $c->say("MAIL FROM:<$from>");
    $c->say("RCPT TO:<$_>") for @to;
    $c->say('DATA');
    return $c->say("Subject: x\r\n\r\nx\r\n.");
}

sub reached { my ($relay) = @_; my %got; for my $m ($relay->messages) { $got{$_}++ for @{ $m->{rcpts} } } return \%got }

my @to = map { "u$_\@d$_.test" } 3 .. $n;
like(submit('me@d1.test', 'list@d1.test', @to), qr/^250 /, 'a message is taken');
my @late = map { "u$_\@d$_.test" } 10, 20, 30;
my %refused = map { ("u$_\@d$_.test" => 1) } 5, 77, 149;
my @first = grep { my $a = $_; !$refused{$a} && !grep { $a eq $_ } @late } 'u1@d1.test', 'u2@d2.test', @to;
ok(wait_until(sub { my $got = reached($relay); !grep { !$got->{$_} } @first }, 60), 'those who can get it have it');
ok(wait_until(sub { ($t->log_text =~ tr/\n//) && (() = $t->log_text =~ /status=bounced/g) >= 3 }, 30), 'three are refused');
ok(wait_until(sub { my $q = $t->baton([ '--json', 'queue' ])->{out}; !grep { $q !~ /\Q$_\E/ } @late and $q !~ /u(?:5|40|77|149)\@d/ }, 30), 'the others are what the queue has left')
  or diag $t->baton(['queue'])->{out};
$t->kill_batond;
$relay->script(rcpt => '250 2.1.5 ok');
$t->start_batond;
ok(wait_until(sub { my $got = reached($relay); !grep { !$got->{$_} } @late }, 60), 'after a crash they get it');
ok($t->wait_log(qr/removed$/m), 'and the message is done with');
my $got = reached($relay);
is_deeply([ grep { $_ ne 'me@d1.test' && $got->{$_} > 1 } sort keys %$got ], [], 'nobody got it twice');
my %bounced;
$bounced{$_}++ for $t->log_text =~ /to=<([^>]*)>.*status=bounced/g;
is_deeply(\%bounced, \%refused, 'each refusal is told once');
is_deeply([ grep { $got->{$_} } keys %refused ], [], 'who was refused did not get it');
ok(wait_until(sub { my $all = join '', map { $_->{content} } grep { $_->{from} eq '' } $relay->messages; !grep { $all !~ /\Q$_\E/ } keys %refused }, 30),
    'their refusals went back to the sender');

done_testing;
