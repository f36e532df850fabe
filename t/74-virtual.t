#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
# Delivery to mailboxes of people who are no users of this machine: the service virtual of the delivery worker.
use strict;
use warnings;
use Fcntl;
use FindBin;
use Test::More;
use lib "$FindBin::Bin/lib";
use Baton::Lmtp;
use Baton::Test;

skip_all_unless_server();
my $t = Baton::Test->new;
my ($uid, $gid) = is_root() ? (4711, 4712) : ($>, $) + 0);
my $base = $t->path('mail');
mkdir $base or die "$base: $!";
chown $uid, $gid, $base if is_root();

sub maps {
    my (@rows) = @_;
    spew($t->path('mailboxes'), join '', map { "$_\n" } @rows);
    return 'hash:' . $t->path('mailboxes');
}

my %with = (
    default_transport    => 'virtual:',
    virtual_mailbox_base => $base,
    virtual_mailbox_maps => maps('info@example.com example.com/info/', '@catch.example all/', 'up@example.com ../up/',
        'box@example.com box', 'full@example.com full'),
    virtual_uid_maps     => "static:$uid",
    virtual_minimum_uid  => 1,
    virtual_gid_maps     => "static:$gid",
    recipient_delimiter  => '+',
    virtual_mailbox_lock => 'fcntl, dotlock',
    virtual_mailbox_limit => 5_000_000,
    deliver_lock_attempts => 3,
);
$t->config(%with);
chmod 0711, $t->dir;
$t->start_batond;

subtest 'a Maildir' => sub {
    my $l = Baton::Lmtp->new($t, 'virtual');
    my %said = $l->deliver('joe@example.org', ['info@example.com'], "Subject: one\n\n.\nHello\nFrom here\n");
    is($said{'info@example.com'}, '250 2.0.0 delivered to maildir', 'is said to be delivered');
    my ($file, @more) = glob "$base/example.com/info/new/*";
    is(@more, 0, 'to one file');
    is(slurp($file), "Return-Path: <joe\@example.org>\nX-Original-To: info\@example.com\nDelivered-To: info\@example.com\n"
          . "Subject: one\n\n.\nHello\nFrom here\n", 'with what it was and whom it was for');
    is_deeply([ (stat $file)[2, 4, 5] ], [ 0100600, $uid, $gid ], 'which is its owner\'s');
    is_deeply([ glob "$base/example.com/info/tmp/*" ], [], 'and nothing is left in tmp');
    is((stat "$base/example.com/info")[2] & 07777, 0700, 'its folders are for its owner only');
};

subtest 'keys of an address' => sub {
    my $l = Baton::Lmtp->new($t, 'virtual');
    my %said = $l->deliver('', [ 'info+news@example.com', 'any@catch.example', 'nobody@example.com',
        [ 'x@catch.example', 'ORCPT=rfc822;before@example.net' ], 'up@example.com' ], "Subject: two\n\nx\n");
    like($said{'info+news@example.com'}, qr/^250 /, 'without its extension');
    like($said{'any@catch.example'}, qr/^250 /, 'its domain');
    is($said{'nobody@example.com'}, '550 5.1.1 unknown user: "nobody@example.com"', 'nobody');
    like($said{'up@example.com'}, qr/^450 4\.3\.5 .*virtual_mailbox_maps/, 'one that leads out of the folder');
    my %to = map { slurp($_) =~ /^X-Original-To: (.*)\nDelivered-To: (.*)/m; $2 => $1 } glob "$base/all/new/*";
    is_deeply(\%to, { 'any@catch.example' => 'any@catch.example', 'x@catch.example' => 'before@example.net' }, 'the original recipient');
};

subtest 'an mbox file' => sub {
    my $l = Baton::Lmtp->new($t, 'virtual');
    for my $n (1, 2) {
        my %said = $l->deliver($n == 1 ? 'joe@example.org' : '', ['box@example.com'], "Subject: $n\n\nFrom me\n>From you\n");
        is($said{'box@example.com'}, '250 2.0.0 delivered to mailbox', "message $n");
    }
    my $date = qr/(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun) \w\w\w [ \d]\d \d\d:\d\d:\d\d \d{4}/;
    my $rest = sub { "X-Original-To: box\@example.com\nDelivered-To: box\@example.com\nSubject: $_[0]\n\n>From me\n>From you\n\n" };
    my ($one, $two) = map { $rest->($_) } 1, 2;
    like(slurp("$base/box"), qr/\AFrom joe\@example\.org $date\nReturn-Path: <joe\@example\.org>\n\Q$one\EFrom MAILER-DAEMON $date\nReturn-Path: <>\n\Q$two\E\z/,
        'each with its line in front and an empty one behind');
    is_deeply([ (stat "$base/box")[2, 4] ], [ 0100600, $uid ], 'its owner\'s');
    ok(!-e "$base/box.lock", 'no lock is left');

    my $was = slurp("$base/box");
    spew("$base/box.lock", '');
    my %said = $l->deliver('joe@example.org', ['box@example.com'], "Subject: 3\n\nx\n", timeout => 20);
    is($said{'box@example.com'}, "450 4.2.0 cannot update mailbox: unable to lock for exclusive access: $base/box.lock is there", 'a lock is respected');
    utime time - 600, time - 600, "$base/box.lock";
    open my $fh, '+<', "$base/box" or die $!;
    my $lock = pack 's s l! l! i', Fcntl::F_WRLCK(), 0, 0, 0, 0;
    fcntl($fh, Fcntl::F_SETLK(), $lock) or die "lock: $!";
    %said = $l->deliver('joe@example.org', ['box@example.com'], "Subject: 3\n\nx\n", timeout => 20);
    like($said{'box@example.com'}, qr/^450 4\.2\.0 .*another program has /, 'the kernel\'s too; the old dotlock was removed');
    close $fh;
    is(slurp("$base/box"), $was, 'nothing was written meanwhile');

    spew("$base/full", 'x' x 4_999_900);
    chown $uid, $gid, "$base/full" if is_root();
    %said = $l->deliver('joe@example.org', ['full@example.com'], "Subject: 4\n\nx\n");
    is($said{'full@example.com'}, "550 5.2.2 mailbox $base/full is full: it may have 5000000 bytes", 'a full one');
    unlink "$base/full";
    symlink "$base/box", "$base/full";
    %said = $l->deliver('joe@example.org', ['full@example.com'], "Subject: 4\n\nx\n");
    like($said{'full@example.com'}, qr/^450 4\.2\.0 /, 'a link is not followed');
};

subtest 'loops' => sub {
    my %said = Baton::Lmtp->new($t, 'virtual')->deliver('joe@example.org', ['info@example.com'],
        "Delivered-To: other\@example.com\nDelivered-To: Info\@Example.com\nSubject: x\n\nx\n");
    is($said{'info@example.com'}, '550 5.4.6 mail forwarding loop for info@example.com', 'end');
    %said = Baton::Lmtp->new($t, 'virtual')->deliver('joe@example.org', ['info@example.com'],
        "Subject: x\n\nDelivered-To: info\@example.com\n");
    like($said{'info@example.com'}, qr/^250 /, 'what stands in the body is none');
};

subtest 'a large message' => sub {
    my $body = join '', map { sprintf "%07d %s\n", $_, 'x' x 90 } 1 .. 30000;
    my %said = Baton::Lmtp->new($t, 'virtual')->deliver('joe@example.org', ['large@catch.example', 'large2@catch.example'], "Subject: large\n\n$body", timeout => 60);
    like($said{$_}, qr/^250 /, "to $_") for sort keys %said;
    my @found = grep { slurp($_) =~ /^Delivered-To: large.*\nSubject: large\n\n\Q$body\E\z/m } glob "$base/all/new/*";
    is(@found, 2, 'arrives whole');
    is_deeply([ glob $t->spool . '/deliver.*' ], [], 'and leaves no file in the spool');
};

subtest 'all the way from sendmail' => sub {
    $t->stop_batond;
    $t->config(%with, default_transport => 'discard:', virtual_mailbox_domains => 'example.com', virtual_alias_maps => 'inline:{ alias@example.com = info@example.com }',
        virtual_mailbox_maps => 'inline:{ info@example.com = way/, up@example.com = ../up, gone@example.com = gone/ }');
    $t->start_batond;
    my $r = $t->sendmail([ '-f', 'joe@example.org', '-N', 'success', 'alias@example.com' ], input => "Subject: way\n\nHello\n");
    is($r->{code}, 0, 'taken') or diag $r->{err};
    $t->wait_log(qr/to=<info\@example\.com>, orig_to=<alias\@example\.com>, relay=virtual, delay=\S+, delays=\S+, dsn=2\.0\.0, status=sent \(delivered to maildir\)/);
    pass('a line in the log as Postfix writes it');
    my ($file) = glob "$base/way/new/*";
    like(slurp($file), qr/\AReturn-Path: <joe\@example\.org>\nX-Original-To: alias\@example\.com\nDelivered-To: info\@example\.com\nReceived: /, 'the original recipient');
    $t->wait_log(qr/from=<>, size=\d+, nrcpt=1/);
    pass('the sender is told that it was delivered');
    $t->sendmail([ '-f', 'joe@example.org', 'up@example.com' ], input => "Subject: up\n\nHello\n");
    $t->wait_log(qr/to=<up\@example\.com>, relay=virtual, .*dsn=4\.3\.5, status=deferred \(virtual_mailbox_maps: the value of up\@example\.com is no mailbox/);
    pass('what the configuration is to blame for waits');
};

done_testing;
