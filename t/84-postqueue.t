#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
# baton as postqueue, postsuper, postcat, postconf and postfix: what who comes from Postfix types.
use strict;
use warnings;
use FindBin;
use JSON::PP ();
use Test::More;
use lib "$FindBin::Bin/lib";
use Baton::Test;

my $t = Baton::Test->new;
symlink program('baton'), $t->path($_) or die "symlink: $!" for qw(postqueue postsuper postcat postconf postfix);
symlink program('sendmail'), $t->path('mailq') or die "symlink: $!";
my $relay = $t->fake_relay(listen => 0);
$t->config(relayhost => $relay->address);

sub as { my ($name, $args, %o) = @_; return $t->run([ $t->path($name), @$args ], env => { BATON_CONF => $t->conf }, %o) }
sub ids { return map { $_->{queue_id} } map { JSON::PP::decode_json($_) } split /\n/, as('postqueue', ['-j'])->{out} }

is(as('postfix', ['status'])->{code}, 3, 'postfix status: it does not run');
$t->start_batond;
is(as('postfix', ['status'])->{code}, 0, 'and it runs');
$t->sendmail([ '-f', "me$_\@example.test", 'you@example.test' ], input => "Subject: $_\n\nthe body\n") for 1 .. 4;
ok((wait_until { my @d = grep {/deferred/} split /\n/, $t->baton(['queue'])->{out}; @d == 4 } 15), 'four messages wait');

my $r = as('postqueue', ['-p']);
is($r->{out}, $t->run([ $t->path('mailq') ], env => { BATON_CONF => $t->conf })->{out}, 'postqueue -p is mailq');
my ($id) = $r->{out} =~ /^(\w+) .*me1\@/m;
like(as('postcat', [ '-q', $id ])->{out}, qr/^Subject: 1\r\n.*^the body\r\n\z/ms, 'postcat -q prints a message');
is(as('postsuper', [ '-h', $id ])->{out}, "1 message held\n", 'postsuper -h holds it');
like(as('postqueue', ['-p'])->{out}, qr/^\Q$id\E! /m, 'which mailq shows');
my @others = grep { $_ ne $id } ids();
for my $case ([ ['-d', 'all'], 65, 'capitals make sure' ], [ ['-d', 'all', 'hold'], 0, '... with a queue, too' ], [ ['-d', 'ALL', 'defered'], 64, 'a queue that there is not' ],
    [ ['-d', $others[0], 'hold'], 0, 'a message that is in another queue' ], [ ['-d', '-', 'deferred'], 0, '... of a list, too', "$id\n" ],
    [ ['-d', '-'], 0, 'ALL in a list is no message', "ALL\nall\n" ]) {
    my ($args, $code, $name, $input) = @$case;
    is(as('postsuper', $args, input => $input // '')->{code}, $code, $name);
    is(scalar(ids()), 4, '... nothing is deleted');
}
is(as('postsuper', [ '-h', '-' ], input => "$others[0]\nDjSGMb2hxJw\n")->{out}, "1 message held\n", 'of a list what is gone is passed over');
is(as('postsuper', [ '-H', '-', 'hold' ], input => "$others[0]\n")->{out}, "1 message released\n", '... and a queue may be named');
ok((wait_until { my $q = $t->baton(['queue'])->{out}; $q =~ /\Q$others[0]\E\s+deferred/ } 15), 'it waits on') or diag $t->baton(['queue'])->{out};
is(as('postsuper', [ '-d', 'ALL', 'deferred' ])->{out}, "3 messages deleted\n", '-d ALL deferred deletes the others');
is_deeply([ids()], [$id], 'and only those');
is(as('postsuper', [ '-d', 'ALL', 'deferred' ])->{code}, 0, 'none to be deleted is no error');
is(as('postsuper', [ '-H', $id ])->{out}, "1 message released\n", '-H releases it');
is(as('postsuper', [ '-d', '-' ], input => "$id*  444 Thu Nov 26\n\n")->{out}, "1 message deleted\n", '-d - reads ids, as mailq prints them');
is(as('postqueue', ['-p'])->{out}, "Mail queue is empty\n", 'nothing is left');
is(as('postsuper', [ '-d', 'rubbish' ])->{code}, 65, 'a message that is not there is an error');
is(as('postsuper', ['-s'])->{code}, 0, 'what needs nothing is taken');
is(as($_->[0], $_->[1])->{code}, 64, "@{ $_->[1] } is no way to call $_->[0]")
    for [ 'postsuper', [] ], [ 'postqueue', [] ], [ 'postqueue', [ '-s', 'x' ] ], [ 'postcat', ['x'] ], [ 'postfix', ['restart'] ];

is(as('postqueue', ['-f'])->{code}, 0, 'postqueue -f');
is(as('postconf', ['relayhost'])->{out}, 'relayhost = ' . $relay->address . "\n", 'postconf prints a parameter');
is(as('postconf', [ '-h', 'relayhost' ])->{out}, $relay->address . "\n", '-h without its name');
like(as('postconf', ['-n'])->{out}, qr/^queue_directory = /m, '-n what is set');
$r = as('postconf', [ '-e', 'relayhost=x' ]);
is($r->{code}, 64, '-e is not there');
like($r->{err}, qr/edit the configuration/, 'and it says what to do');
is(as('postfix', ['reload'])->{code}, 0, 'postfix reload');
is(as('postfix', ['stop'])->{code}, 0, 'postfix stop');
$t->wait_exit;

done_testing();
