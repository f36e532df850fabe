#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
# `baton test`, where an LMTP server at a unix socket has the mailboxes.
use strict;
use warnings;
use FindBin;
use IO::Socket::UNIX;
use POSIX ();
use Test::More;
use lib "$FindBin::Bin/lib";
use Baton::Test;

skip_all_unless_server();

my $t = Baton::Test->new;
my $path = $t->path('lmtp');
my $listen = IO::Socket::UNIX->new(Local => $path, Listen => 5) or die "$path: $!";
my $pid = fork // die;
if (!$pid) {
    $SIG{PIPE} = 'IGNORE';
    while (my $c = $listen->accept) {
        my $say = sub { print {$c} "$_[0]\r\n"; $c->flush };
        $say->('220 boxes.test LMTP');
        while (my $line = <$c>) {
            last if $line =~ /^QUIT/;
            $say->($line =~ /^LHLO/ ? "250-boxes.test\r\n250 PIPELINING" : $line =~ /^RCPT TO:<no/ ? '550 5.1.1 nobody' : '250 2.0.0 ok');
        }
    }
    POSIX::_exit(0);
}
$t->config(relayhost => '', mydestination => 'here.test', mailbox_transport => "lmtp:unix:$path", local_recipient_maps => '', alias_maps => '');
my $r = $t->baton([ 'test', 'you@here.test' ]);
is($r->{code}, 0, 'one that takes it: exit 0') or diag $r->{out};
like($r->{out}, qr/^ok +connect +\Q$path\E, in .*\nok +greeting +220 boxes\.test LMTP\nok +LHLO .*PIPELINING$/m, 'connection, greeting and LHLO are told');
like($r->{out}, qr/^ok +recipient +<you\@here\.test>: 250 2\.0\.0 ok$/m, 'and the recipient');
$r = $t->baton([ 'test', 'no@here.test' ]);
is($r->{code}, 69, 'one that does not: exit 69');
like($r->{out}, qr/^error +RCPT TO +\Q$path\E said: 550 5\.1\.1 nobody$/m, 'with its words');
like($r->{out}, qr/^Mail for no\@here\.test stops here\.$/m, 'and the result');
kill TERM => $pid;
waitpid $pid, 0;
close $listen;
$r = $t->baton([ 'test', 'you@here.test' ]);
is($r->{code}, 69, 'nobody at the socket: exit 69');
like($r->{out}, qr/^error +connect +.*refused.*\n.*does its server run/mi, 'and what to look at') or diag $r->{out};

done_testing;
