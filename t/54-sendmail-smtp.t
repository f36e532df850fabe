#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
# sendmail -bs: SMTP on stdin and stdout, with the daemon and without.
use strict;
use warnings;
use FindBin;
use Test::More;
use lib "$FindBin::Bin/lib";
use Baton::Test;

my $t = Baton::Test->new;
$t->config(myorigin => 'origin.example.test', message_size_limit => '200000');
mkdir $t->spool;
mkdir $t->spool . '/drop';

sub talk { my ($lines, %o) = @_; return $t->sendmail(['-bs'], input => join('', map { "$_\r\n" } @$lines), %o) }
my @one = ('EHLO me', 'MAIL FROM:<a@b.test>', 'RCPT TO:<c@d.test>', 'DATA', 'Subject: x', '', 'body', '..dot', '.');

# ---- without a daemon --------------------------------------------------------------------------------------------------------

{
    my $r = talk([ @one, 'QUIT' ]);
    is($r->{code}, 0, 'it leaves with 0');
    like($r->{out}, qr/\A220 client\.example\.test ESMTP.*^250 2\.0\.0 Ok: queued as (\w+)\r\n221 /ms, 'it speaks SMTP to the end');
    my ($id) = $r->{out} =~ /queued as (\w+)/;
    my @drop = $t->drop;
    is(@drop, 1, 'the message is in the drop');
    like($drop[0], qr/id $id\r\n\tfor <c\@d\.test>;.*Subject: x\r\n.*^From: a\@b\.test\r\n.*\r\n\r\nbody\r\n\.dot\r\n/ms, 'put right, and without the stuffing');
    $r = talk([ @one, @one[ 1 .. $#one ], 'QUIT' ]);
    is(scalar(() = $r->{out} =~ /queued as/g), 2, 'two messages in one conversation');
    is(scalar $t->drop, 3, 'are two in the drop');
    $r = talk([ @one[ 0 .. 6 ] ]);
    is(scalar $t->drop, 3, 'one that is cut off is not kept');
    is($r->{code}, 0, 'and that is no error');
    $r = talk([ @one[ 0 .. 5 ], ('x' x 100) x 3000, '.', 'QUIT' ]);
    like($r->{out}, qr/^552 5\.3\.4 /m, 'one that is too large is refused');
    is(scalar $t->drop, 3, 'and not kept');
    rename $t->spool . '/drop', $t->spool . '/away';
    $r = talk([ @one, 'QUIT' ]);
    like($r->{out}, qr/^451 4\.3\.0 /m, 'without a drop it is deferred');
    rename $t->spool . '/away', $t->spool . '/drop';
}

# ---- with one ----------------------------------------------------------------------------------------------------------------

{
    my $daemon = $t->fake_daemon;
    my $r = talk([ @one, 'QUIT' ]);
    is($r->{code}, 0, 'with a daemon it leaves with 0 too');
    like($r->{out}, qr/\A220 fake\.example\.test.*^250 2\.0\.0 taken as FAKE\r\n221 /ms, 'it is the daemon that speaks');
    my ($m) = $daemon->wait_messages(1);
    is($m->{content}, "Subject: x\r\n\r\nbody\r\n.dot\r\n", 'and takes');
    is(scalar $t->drop, 3, 'the drop is not touched');
    $r = talk(\@one);
    like($r->{out}, qr/taken as FAKE/, 'a caller that ends without QUIT gets its reply');
    is($r->{code}, 0, 'and 0');
}
done_testing();
