#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
# `baton sink`: what it is sent is printed and kept, and it refuses what it was told to refuse.
use strict;
use warnings;
use FindBin;
use IO::Socket::INET;
use Test::More;
use lib "$FindBin::Bin/lib";
use Baton::Test;

my $t = Baton::Test->new;

# Says the lines one by one; the codes that came back, "220 250 ..."
sub talk {
    my ($sink, @lines) = @_;
    my $s = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $sink->port, Timeout => 5) or die "connect: $!";
    my @codes;
    for my $line (undef, @lines) {
        print $s "$line\r\n" if defined $line;
        next if defined $line && $line =~ s/^\t//; # the middle of the content
        my $reply;
        do { $reply = <$s> // 'end' } while $reply =~ /^\d\d\d-/;
        push @codes, substr $reply, 0, 3;
    }
    return "@codes";
}

sub mail_lines { my ($to, $text) = @_; return ('EHLO x', 'MAIL FROM:<me@a.test>', (map { "RCPT TO:<$_>" } @$to), 'DATA', "$text\r\n.") }

my $sink = $t->sink(args => [ '--reply', 'no*=550 5.1.1 no such user', '--reply', 'later@*=450', '--size-limit', '100000' ]);
is(talk($sink, mail_lines([ 'you@b.test', 'no1@b.test', 'later@b.test' ], "Subject: =?x?= hello\r\n\r\n..dot\r\nend"), 'QUIT'),
    '220 250 250 250 550 450 354 250 221', 'it takes what it is sent and refuses whom it was told to');
my ($m) = $sink->wait_messages(1);
is($m, "Return-Path: <me\@a.test>\nDelivered-To: you\@b.test\nSubject: =?x?= hello\n\n.dot\nend\n",
    'a message is a file in the Maildir, with its envelope on top');
like($sink->log, qr/^127\.0\.0\.1: from=<me\@a\.test> to=<you\@b\.test> size=\d+ file=\S+ subject="=\?x\?= hello"$/m, 'and a line');
is(talk($sink, 'EHLO x', 'MAIL FROM:<me@a.test> SIZE=200000'), '220 250 552', 'its limit is kept');
is($sink->stop, 0, 'SIGTERM ends it in good order');

my $refuses = $t->sink(args => [ '--reply', '=451 4.3.0 not now', '--discard' ]);
is(talk($refuses, mail_lines(['you@b.test'], "Subject: x\r\n\r\ny")), '220 250 250 250 354 451', 'the content can be refused too');

my $json = $t->sink(args => [ '--json', '--count', 1 ]);
is(talk($json, mail_lines([ 'a@b.test', 'c@d.test' ], "Subject: x\r\n\r\ny")), '220 250 250 250 250 354 250', 'with --json');
Baton::Test::wait_until { $json->log =~ /\n/ } 5;
my $object = eval { require JSON::PP; JSON::PP::decode_json($json->log) };
is_deeply($object->{to}, [ 'a@b.test', 'c@d.test' ], 'it prints an object for each') or diag $json->log;
ok(Baton::Test::wait_until(sub { waitpid($json->{pid}, POSIX::WNOHANG()) == $json->{pid} }, 5), 'with --count it leaves by itself');
delete $json->{pid};

my $login = $t->sink(args => [ '--login', 'joe:s3cret:x' ]);
is(talk($login, 'EHLO x', 'MAIL FROM:<a@b.test>'), '220 250 530', 'a login can be wanted');
is(talk($login, 'EHLO x', 'AUTH PLAIN AGpvZQBzM2NyZXQ6eA==', 'MAIL FROM:<a@b.test>'), '220 250 235 250', 'given by PLAIN');
is(talk($login, 'EHLO x', 'AUTH LOGIN', 'am9l', 'czNjcmV0Ong='), '220 250 334 334 235', 'or by LOGIN');
is(talk($login, 'EHLO x', 'AUTH PLAIN AGpvZQB4'), '220 250 535', 'and be wrong');

for ([ [qw(--listen nonsense)], qr/ADDRESS:PORT/ ], [ [qw(--reply nonsense)], qr/PATTERN=CODE/ ], [ ['--implicit-tls'], qr/needs --cert/ ],
    [ [qw(--cert /nonexistent)], qr{/nonexistent} ]) {
    my ($args, $why) = @$_;
    my $r = $t->run([ Baton::Test::program('baton'), 'sink', '--maildir', $t->path('m'), @$args ]);
    ok($r->{code} && $r->{err} =~ $why, "@$args is refused with a reason") or diag $r->{err};
}

done_testing();
undef $t; # named subs hold it: its folder goes now, not at the very end
