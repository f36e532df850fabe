#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
# Mailboxes that cannot be written: a full disk, homes that are missing or somebody else's, wrong modes, locks that others hold. Each is told
# in one line of the log, in words; the mail waits, and is delivered once and whole when it is mended.
use strict;
use warnings;
use Fcntl;
use FindBin;
use Test::More;
use lib "$FindBin::Bin/lib";
use Baton::Test;

skip_all_unless_server();
my $t = Baton::Test->new;
chmod 0711, $t->dir;
my $me = is_root() ? 'games' : (getpwuid $>)[0];
plan skip_all => 'the user has no name' if !defined $me;
my ($uid, $gid, $own) = (getpwnam $me)[2, 3, 7];
my $small = $t->path('small');
mkdir $small;
my $has_mount = is_root() && system('mount', '-t', 'tmpfs', '-o', 'size=300k,mode=0755', 'tmpfs', $small) == 0;
END { system('umount', '-l', $small) if $has_mount }
my $up = '../' x (() = ($own // '/') =~ /[^\/]+/g); # a home_mailbox outside of the home, which stays as it is
$up = '' if !defined $own || !-d $own;

sub folder {
    my ($path, $mode, $owner) = @_;
    mkdir $path;
    chown $owner // $uid, $gid, $path if is_root();
    chmod $mode // 0755, $path;
    return $path;
}
my $base = folder($t->path('base'), 0755);

my %with = (
    mydestination => 'a.test', local_recipient_maps => '', recipient_delimiter => '+', default_transport => 'discard:', forward_path => '', bounce_queue_lifetime => '5d',
    deliver_lock_attempts => 1, minimal_backoff_time => '1h', maximal_backoff_time => '1h', mailbox_delivery_lock => 'fcntl, dotlock',
);
my $n = 0;

# A message that has to wait for the reason $line, and arrives in $read's text once $mend was called
sub waits {
    my ($name, $config, $line, $mend, $read, $bytes) = @_;
    subtest $name => sub {
        my $to = "$me+case" . ++$n . '@a.test';
        $t->config(%with, %$config);
        $t->start_batond;
        my $body = join '', map { sprintf "%06d %s\n", $_, 'x' x 70 } 1 .. ($bytes // 100) / 78 + 1;
        is($t->sendmail([ '-f', 'joe@example.org', $to ], input => "Subject: case $n\n\n$body")->{code}, 0, 'taken');
        like($t->wait_log(qr/to=<\Q$to\E>/), qr/relay=local, .*status=deferred \($line/, 'waits, and why');
        is(scalar(grep { /: (?:warning|error): / } split /\n/, substr $t->log_text, $t->{log_from} // 0), 0, 'one line says so') or diag $t->log_text;
        $mend->();
        $t->baton([qw(queue retry ALL)]);
        ok($t->wait_log(qr/to=<\Q$to\E>.*status=sent/), 'delivered when it is mended') or diag $t->log_text;
        $t->stop_batond;
        my @whole = grep { /^Subject: case $n\n.*?\n\n\Q$body\E\n*\z/ms } $read->();
        is(@whole, 1, 'once, and whole');
        my @parts = grep { /^Subject: case $n$/m } $read->();
        is(@parts, 1, 'and no part beside it');
    };
}
sub mbox { my ($path) = @_; return sub { split /^(?=From )/m, slurp($path) // '' } }
sub maildir { my ($path) = @_; return sub { map { slurp($_) } glob "$path/new/* $path/tmp/*" } }

SKIP: {
    skip 'no file system can be mounted here', 4 if !$has_mount;
    my $fill = sub { open my $fh, '>', "$small/filler" or die $!; 1 while syswrite $fh, 'x' x 4096; close $fh };
    my $make_room = sub { unlink "$small/filler" };
    my $spool = folder("$small/mail", 01777);
    spew("$spool/$me", "From old Thu Jan  1 00:00:00 2026\nSubject: old\n\nold\n\n", 0600);
    chown $uid, $gid, "$spool/$me";
    $fill->();
    my %full = (mail_spool_directory => $spool, mailbox_delivery_lock => 'fcntl');
    my $was = slurp("$spool/$me");
    waits('a full disk, an mbox', \%full, qr/cannot update mailbox: error writing message: No space left on device\)/, sub { is(slurp("$spool/$me"), $was, 'what was there is as it was'); $make_room->() }, mbox("$spool/$me"), 20_000);
    like(slurp("$spool/$me"), qr/\A\Q$was\E/, 'and stays the first');
    $fill->();
    waits('a full disk, a Maildir', { mail_spool_directory => folder("$small/boxes", 01777) . '/' }, qr/maildir delivery failed: .*No space left on device\)/, $make_room, maildir("$small/boxes/$me"), 20_000);
}

{
    my $spool = folder("$base/wrong", 0555, is_root() ? 0 : undef);
    waits('a common folder that users may not write to', { mail_spool_directory => $spool }, qr/cannot update mailbox: cannot create \Q$spool\E\/$me\.lock: Permission denied\)/, sub { chmod 01777, $spool }, mbox("$spool/$me"));
    like(do { chmod 0755, $spool; $t->config(%with, mail_spool_directory => $spool); $t->baton(['check'])->{out} }, qr/^warning +mailboxes +mail_spool_directory: \Q$spool\E: only its owner can make mailboxes/m, 'baton check says so');
}
{
    my $spool = "$base/missing";
    waits('one that is missing', { mail_spool_directory => $spool }, qr/cannot update mailbox: cannot create \Q$spool\E\/$me\.lock: No such file or directory\)/, sub { folder($spool, 01777) }, mbox("$spool/$me"));
}
{
    my $spool = folder("$base/file", 01777);
    mkdir "$spool/$me";
    waits('a folder where an mbox should be', { mail_spool_directory => $spool }, qr/cannot update mailbox: cannot open mailbox \Q$spool\E\/$me: Is a directory\)/, sub { rmdir "$spool/$me" }, mbox("$spool/$me"));
}
if (is_root()) {
    my $spool = folder("$base/strange", 01777);
    spew("$spool/$me", '', 0666);
    waits('a mailbox of somebody else', { mail_spool_directory => $spool }, qr/cannot update mailbox: \Q$spool\E\/$me does not belong to uid $uid \(strict_mailbox_ownership\)\)/, sub { chown $uid, $gid, "$spool/$me" }, mbox("$spool/$me"));
}
{
    my $spool = folder("$base/locked", 01777);
    spew("$spool/$me", '', 0600);
    chown $uid, $gid, "$spool/$me" if is_root();
    spew("$spool/$me.lock", '');
    waits('a dotlock of somebody else', { mail_spool_directory => $spool }, qr/cannot update mailbox: unable to lock for exclusive access: \Q$spool\E\/$me\.lock is there\)/, sub { unlink "$spool/$me.lock" }, mbox("$spool/$me"));
    open my $fh, '+<', "$spool/$me" or die $!;
    my $lock = pack 's s l! l! i', Fcntl::F_WRLCK(), 0, 0, 0, 0;
    fcntl($fh, Fcntl::F_SETLK(), $lock) or die "lock: $!";
    waits('a lock of the kernel\'s', { mail_spool_directory => $spool }, qr/cannot update mailbox: unable to lock for exclusive access: another program has \Q$spool\E\/$me\)/, sub { close $fh }, mbox("$spool/$me"));
    chmod 0777, $spool; # or the sticky bit keeps it
    subtest 'a dotlock that was left behind' => sub {
        spew("$spool/$me.lock", '');
        utime time - 600, time - 600, "$spool/$me.lock";
        $t->config(%with, mail_spool_directory => $spool, deliver_lock_attempts => 5);
        $t->start_batond;
        $t->sendmail([ '-f', 'joe@example.org', "$me+stale\@a.test" ], input => "Subject: stale\n\nHello\n");
        like($t->wait_log(qr/to=<$me\+stale/), qr/status=sent/, 'is removed');
        ok(!-e "$spool/$me.lock", 'and none stays');
        $t->stop_batond;
    };
}
SKIP: {
    skip 'the user has no home', 2 if !$up;
    my $home = "$base/home";
    waits('a home that is missing', { home_mailbox => "$up$base/wrong/home/Maildir/" }, qr/maildir delivery failed: make folder .*: Permission denied\)/, sub { chmod 01777, "$base/wrong"; folder("$base/wrong/home") }, maildir("$base/wrong/home/Maildir"))
      if chmod 0555, "$base/wrong";
    folder($home, 0700, is_root() ? 0 : undef);
    folder($home, 0500) if !is_root();
    waits('a home of somebody else', { home_mailbox => "$up$home/Maildir/" }, qr/maildir delivery failed: .*Permission denied\)/, sub { folder($home, 0700) }, maildir("$home/Maildir"));
}

done_testing;
