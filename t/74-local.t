#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
# Delivery to users of this machine: the service local of the delivery worker.
use strict;
use warnings;
use FindBin;
use IO::Socket::UNIX;
use POSIX ();
use Test::More;
use lib "$FindBin::Bin/lib";
use Baton::Lmtp;
use Baton::Test;

skip_all_unless_server();
my $t = Baton::Test->new;
chmod 0711, $t->dir;
my $me = is_root() ? 'games' : (getpwuid $>)[0];
plan skip_all => 'the user has no name' if !defined $me;
my ($uid, $gid) = (getpwnam $me)[2, 3];
my ($mail, $home, $out) = map { my $d = $t->path($_); mkdir $d or die "$d: $!"; $d } qw(mail home out);
chmod 01777, $mail, $home, $out;
mkdir "$home/$me";
chown $uid, $gid, "$home/$me";

# Says what it was given: arguments, environment, message
my $program = spew($t->path('program'), <<"END", 0755);
#!/usr/bin/perl
my \@in = <STDIN>;
open my \$fh, '>', "$out/.got.\$\$" or exit 75;
print {\$fh} map({ "arg \$_\\n" } \@ARGV), "uid \$>\\n", map({ "env \$_=\$ENV{\$_}\\n" } sort keys %ENV), "\\n", \@in;
close \$fh;
rename "$out/.got.\$\$", "$out/done.\$\$";
exit(\$ARGV[0] =~ /^\\d+\\z/ ? \$ARGV[0] : 0);
END
sub results { my @r = map { slurp($_) } glob "$out/done.*"; unlink glob "$out/done.*"; return @r }

# As its user would
sub forward {
    my ($text, $mode, $name) = @_;
    my $path = "$home/$me/" . ($name // '.forward');
    unlink $path;
    return if !defined $text;
    spew($path, $text);
    chmod $mode // 0644, $path;
    chown $uid, $gid, $path if is_root();
}

my $aliases = spew($t->path('aliases'), <<"END");
prog: "|$program -x \$EXTENSION '\$HOME' \\"\$SENDER\\"", $me
fail: "|$program 75"
both: "|$program 69", other\@elsewhere.example
list: :include:$home/list
owner-list: root\@elsewhere.example
plain: other\@elsewhere.example, \\\\$me
file: $out/file.mbox
box: $out/box/
null: /dev/null
shell: "|IFS=' ' && exec $program"
self: self, "|$program self"
gone: "|/nowhere/x -a"
END
chmod 0644, $aliases;
my %with = (
    alias_maps => "hash:$aliases", mydestination => 'client.example.test, localhost', local_transport => 'local:', default_transport => 'discard:',
    mail_spool_directory => $mail, mailbox_delivery_lock => 'fcntl', recipient_delimiter => '+', default_privs => $me,
    forward_path => "$home/\$user/.forward\${recipient_delimiter}\${extension}, $home/\$user/.forward", local_recipient_maps => '',
);
$t->config(%with);
$t->start_batond;

sub deliver {
    my ($to, $content, $from) = @_;
    my %said = Baton::Lmtp->new($t, 'local')->deliver($from // 'joe@example.org', [$to], $content // "Subject: x\n\nHello\n");
    return (values %said)[0];
}

subtest 'a mailbox in the common folder' => sub {
    is(deliver("$me\@client.example.test"), '250 2.0.0 delivered to mailbox', 'delivered');
    like(slurp("$mail/$me"), qr/\AFrom joe\@example\.org .*\nReturn-Path: <joe\@example\.org>\nX-Original-To: $me\@client\.example\.test\nDelivered-To: $me\@client\.example\.test\nSubject: x\n\nHello\n\n\z/, 'as an mbox');
    is((stat "$mail/$me")[4], $uid, 'of the user');
    is(deliver("$me+ext\@client.example.test"), '250 2.0.0 delivered to mailbox', 'an extension is no other user');
    is(deliver('no-such-user@client.example.test'), '550 5.1.1 unknown user: "no-such-user"', 'nobody');
    is(deliver("$me\@client.example.test", "Delivered-To: $me\@client.example.test\n\nx\n"), "550 5.4.6 mail forwarding loop for $me\@client.example.test", 'a loop');
    my $root = deliver('root@client.example.test');
    like($root, qr/^450 4\.3\.5 mail is not delivered with the rights of root, user root: let an alias/, 'not as root');
};

subtest 'a user who is somebody else' => sub {
    my $other = is_root() || $me eq 'games' ? 'www-data' : 'games';
    my $said = deliver("$other\@client.example.test");
    if (is_root()) {
        is($said, '250 2.0.0 delivered to mailbox', 'delivered');
        is((stat "$mail/$other")[4], scalar getpwnam($other), 'as that one');
    } else {
        like($said, qr/^450 4\.3\.5 batond runs as uid $> and cannot deliver as uid \d+ \($other\): start it as root/, 'has to wait for root');
    }
};

subtest 'aliases' => sub {
    is(deliver('prog+list@client.example.test', undef, q(o'brien`x`@example.org)), "250 2.0.0 delivered to command: $program -x \$EXTENSION '\$HOME' \"\$SENDER\"", 'a program');
    $t->wait_log(qr/to=<$me\@client\.example\.test>, relay=local, .*status=sent \(delivered to mailbox\)/);
    my ($got) = results();
    is_deeply([ $got =~ /^arg (.*)$/mg ], [ '-x', 'list', '$HOME', 'o_brien_x_@example.org' ], 'arguments get values, and no shell sees them');
    my %env = $got =~ /^env (\w+)=(.*)$/mg;
    is_deeply([ @env{qw(LOCAL EXTENSION DOMAIN RECIPIENT SENDER)} ], [ 'prog+list', 'list', 'client.example.test', 'prog+list@client.example.test', 'o_brien_x_@example.org' ], 'and so does its environment');
    like($got, qr/^uid $uid$/m, 'default_privs');
    like($got, qr/\n\nFrom o'brien`x`\@example\.org .*\nReturn-Path: .*\nX-Original-To: .*\nDelivered-To: prog\+list\@/, 'the message');
    is(deliver('fail@client.example.test'), '450 4.3.0 temporary failure', 'exit codes');
    like(deliver('shell@client.example.test'), qr/^450 4\.3\.5 .*is for a shell, and Baton runs none/, 'what is written for a shell');
    is(deliver('null@client.example.test'), '250 2.0.0 delivered to file: /dev/null', '/dev/null');
    is(deliver('file@client.example.test'), "250 2.0.0 delivered to file: $out/file.mbox", 'a file');
    like(slurp("$out/file.mbox"), qr/\AFrom joe.*Delivered-To: file\@/s, 'as an mbox');
    is(deliver('box@client.example.test'), '250 2.0.0 delivered to maildir', 'a folder');
    is(() = glob("$out/box/new/*"), 1, 'as a Maildir');
    is(deliver('self@client.example.test'), '550 5.1.1 unknown user: "self"', 'its own name is the mailbox');
};

subtest 'sent on' => sub {
    spew("$home/list", "# members\n$me\@elsewhere.example, Other <other\@elsewhere.example>\n\nthird\@elsewhere.example\n");
    my $said = deliver('list@client.example.test');
    like($said, qr/^250 2\.0\.0 forwarded as (\w+)/, 'the members of an :include:');
    my ($id) = $said =~ /as (\w+)/;
    $t->wait_log(qr/\Q$id\E: removed/);
    my ($log) = $t->log_text;
    like($log, qr/\Q$id\E: from=<owner-list\@client\.example\.test>/, 'with the sender owner-list');
    my @to = sort $log =~ /\Q$id\E: to=<([^>]*)>/g;
    is_deeply(\@to, [ sort map { "$_\@elsewhere.example" } $me, 'other', 'third' ], 'to each');
    spew("$home/list", "\"|$program included\"\n");
    like(deliver('list@client.example.test'), qr/^550 5\.7\.1 mail to command .* is not allowed here/, 'no programs in an include');
    is(deliver('both@client.example.test') =~ s/forwarded as \w+/F/r, '550 5.3.0 service unavailable', 'a program that gives up, and somebody who gets it');
    results();
};

subtest '~/.forward' => sub {
    unlink "$mail/$me";
    forward("other\@elsewhere.example\n");
    my $said = deliver("$me\@client.example.test");
    like($said, qr/^250 2\.0\.0 forwarded as/, 'sent on');
    my ($id) = $said =~ /as (\w+)/;
    $t->wait_log(qr/\Q$id\E: to=<other/);
    log_like($t, qr/\Q$id\E: from=<joe\@example\.org>/, 'the sender stays');
    ok(!-e "$mail/$me", 'and not kept');
    forward("\\$me, \"|$program fwd\"\n");
    is(deliver("$me\@client.example.test"), "250 2.0.0 delivered to command: $program fwd", 'a program');
    like((results())[0], qr/^uid $uid$/m, 'as the user');
    ok(-s "$mail/$me", 'and the mailbox');
    forward("|$program ext\n", 0644, '.forward+news');
    is(deliver("$me+news\@client.example.test"), "250 2.0.0 delivered to command: $program ext", 'one for an extension');
    results();
    forward('');
    is(deliver("$me\@client.example.test"), '250 2.0.0 delivered to mailbox', 'an empty one');
    forward("other\@elsewhere.example\n", 0666);
    like(deliver("$me\@client.example.test"), qr/^450 4\.3\.5 .*can be written by anybody: chmod o-w/, 'one that anybody may write');
    forward("|unclosed \"quote\n");
    like(deliver("$me\@client.example.test"), qr/^450 4\.3\.5 .*\.forward: a quote is not closed/, 'one that nobody understands');
    if (is_root()) {
        forward("other\@elsewhere.example\n");
        chown scalar getpwnam('www-data'), $gid, "$home/$me/.forward";
        like(deliver("$me\@client.example.test"), qr/^450 4\.3\.5 .*belongs to somebody else/, 'somebody else\'s');
    }
    forward(undef);
};

subtest 'other mailboxes' => sub {
    $t->stop_batond;
    $t->config(%with, mailbox_command => "$program -d \"\$USER\" \$RECIPIENT");
    $t->start_batond;
    is(deliver("$me\@client.example.test"), "250 2.0.0 delivered to command: $program -d \"\$USER\" \$RECIPIENT", 'mailbox_command');
    my ($got) = results();
    is_deeply([ $got =~ /^arg (.*)$/mg ], [ '-d', $me, "$me\@client.example.test" ], 'its arguments');
    $t->stop_batond;
    like($t->baton(['check'])->{out}, qr/^ok +mailboxes +mailbox_command: \Q$program\E$/m, 'baton check looks at it');
    $t->config(%with, mail_spool_directory => '/nowhere');
    like($t->baton(['check'])->{out}, qr/^error +mailboxes +mail_spool_directory: \/nowhere: No such/m, 'and at folders');
    $t->config(%with, mail_spool_directory => "$mail/boxes/");
    mkdir "$mail/boxes";
    chmod 01777, "$mail/boxes";
    $t->start_batond;
    is(deliver("$me\@client.example.test"), '250 2.0.0 delivered to maildir', 'a folder of Maildirs');
    is(() = glob("$mail/boxes/$me/new/*"), 1, 'each of its user\'s name');
    $t->stop_batond;
    for ([ mailbox_command => 'x', qr/no full file name/ ], [ mailbox_command => '/bin/x | y', qr/is for a shell/ ], [ mailbox_command => '/bin/x $HOEM', qr/there is no \$HOEM here/ ],
        [ forward_path => '$hoem/.forward', qr/there is no \$hoem here/ ], [ default_privs => 'root', qr/name a user without rights/ ]) {
        my ($name, $value, $what) = @$_;
        $t->config(%with, $name => $value);
        my $r = $t->baton(['check']);
        like($r->{out} . $r->{err}, $what, "refused: $name = $value");
    }
};

subtest 'mailbox_command_maps' => sub {
    results();
    my $commands = spew($t->path('commands'), "$me $program -u \$USER\nbad a && b\ngone /nowhere/x -a\n");
    chmod 0644, $commands;
    $t->config(%with, mailbox_command_maps => "texthash:$commands", mailbox_command => "$program 69");
    like($t->baton(['check'])->{out}, qr/^ok +tables +mailbox_command_maps: texthash:\Q$commands\E$/m, 'baton check opens it');
    like($t->baton(['check'])->{out}, qr/^warning +mailboxes +mailbox_command_maps: texthash:\Q$commands\E:2: .*; mail for "bad" waits$/m, 'names a row that is for a shell');
    like($t->baton(['check'])->{out}, qr/^warning +mailboxes +mailbox_command_maps: \S+:3: \/nowhere\/x: No such file.*; mail for "gone" waits$/m, 'and a program that is not there');
    $t->start_batond;
    is(deliver("$me+x\@client.example.test"), "250 2.0.0 delivered to command: $program -u \$USER", 'the user\'s own command');
    my ($got) = results();
    is_deeply([ $got =~ /^arg (.*)$/mg ], [ '-u', $me ], 'its arguments');
    like($got, qr/^uid $uid$/m, 'with his rights');
    $t->stop_batond;
    $t->config(%with, mailbox_command_maps => 'inline:{ somebody = /bin/true }', mailbox_command => "$program -d \"\$USER\"");
    $t->start_batond;
    is(deliver("$me\@client.example.test"), "250 2.0.0 delivered to command: $program -d \"\$USER\"", 'mailbox_command is for others');
    results();
    $t->stop_batond;
};

subtest 'a home that is not there' => sub {
    my ($lost) = grep { my @p = getpwnam $_; @p && !-d $p[7] && ($p[2] == $> || is_root()) } is_root() ? map { (getpwent)[0] // () } 1 .. 100 : $me;
    plan skip_all => 'all users have one' if !defined $lost;
    for my $wants ('no', 'yes') {
        $t->config(%with, require_home_directory => $wants);
        $t->start_batond;
        like(deliver("$lost\@client.example.test"), $wants eq 'no' ? qr/^250 / : qr/^450 4\.3\.0 the home of \Q$lost\E, \S+, is not there/, "require_home_directory = $wants");
        $t->stop_batond;
    }
};

subtest 'a mailbox at home' => sub {
    my $own = (getpwnam $me)[7];
    plan skip_all => 'the user has no home' if !-d $own;
    my $up = '../' x (() = $own =~ /[^\/]+/g); # the home itself stays as it is
    chmod 0777, $out;
    $t->config(%with, home_mailbox => "$up$out/Maildir/");
    like($t->baton(['check'])->{out}, qr/^ok +mailboxes +~\/\Q$up$out\E\/Maildir\/$/m, 'baton check names it');
    $t->start_batond;
    is(deliver("$me\@client.example.test"), '250 2.0.0 delivered to maildir', 'with / at its end');
    my @new = glob "$out/Maildir/new/*";
    is(@new, 1, 'a Maildir');
    is((stat $new[0])[4], $uid, 'of the user') if @new;
    $t->stop_batond;
    $t->config(%with, home_mailbox => "$up$out/Mailbox");
    $t->start_batond;
    is(deliver("$me\@client.example.test"), '250 2.0.0 delivered to mailbox', 'without one');
    like(slurp("$out/Mailbox"), qr/\AFrom joe\@example\.org .*\nReturn-Path: .*\n\nHello\n\n\z/s, 'an mbox');
    $t->stop_batond;
};

subtest 'commands in aliases, as baton check sees them' => sub {
    my $r = $t->baton(['check']);
    like($r->{out}, qr/^warning +aliases +\Q$aliases\E:10: .*is for a shell, and Baton runs none: write a script that does it.*IFS/m, 'one that needs a shell, with its line');
    unlike($r->{out}, qr/^warning +aliases +\Q$aliases\E:(?!10:|12:)/m, 'and no other');
    like($r->{out}, qr/^warning +aliases +\Q$aliases\E:12: there is no such program: /m, 'but one whose program is not there');
};

subtest 'an alias that names itself, where another server has the mailboxes' => sub {
    my $path = "$out/lmtp";
    my $listen = IO::Socket::UNIX->new(Local => $path, Listen => 5) or die "$path: $!";
    chmod 0666, $path;
    my $pid = fork // die "fork: $!";
    if (!$pid) {
        while (my $c = $listen->accept) {
            my ($text, $in) = ('', 0);
            print {$c} "220 x LMTP\r\n";
            while (my $line = <$c>) {
                if ($in) {
                    $text .= $line;
                    next if $line ne ".\r\n";
                    spew("$out/by-lmtp", $text);
                    $in = 0;
                    print {$c} "250 2.0.0 Saved\r\n";
                } elsif ($line =~ /^DATA/) { $in = 1; print {$c} "354 go\r\n" }
                elsif ($line =~ /^QUIT/) { print {$c} "221 bye\r\n"; last }
                else { print {$c} $line =~ /^RCPT TO:<self\@/ || $line !~ /^RCPT/ ? "250 ok\r\n" : "550 5.1.1 who?\r\n" }
            }
        }
        POSIX::_exit(0);
    }
    $t->config(%with, mailbox_transport => "lmtp:unix:$path");
    $t->start_batond;
    is(deliver('self@client.example.test'), '250 2.0.0 delivered by LMTP: Saved', 'it gets the mail');
    is(results(), 1, 'after the program');
    like(slurp("$out/by-lmtp"), qr/\ASubject: x\r\n\r\nHello\r\n/, 'as it is');
    $t->stop_batond;
    kill 'KILL', $pid;
    waitpid $pid, 0;
};

if (is_root()) {
    subtest 'a common folder that only a group may write to' => sub {
        my $group = getgrnam('mail');
        mkdir "$mail/spool";
        chown 0, $group, "$mail/spool";
        chmod 02775, "$mail/spool";
        $t->config(%with, mail_spool_directory => "$mail/spool", mailbox_delivery_lock => 'dotlock, fcntl');
        $t->start_batond;
        is(deliver("$me\@client.example.test"), '250 2.0.0 delivered to mailbox', 'delivered') for 1, 2;
        is((stat "$mail/spool/$me")[4], $uid, 'the user\'s');
        is_deeply([ glob "$mail/spool/*" ], ["$mail/spool/$me"], 'and no lock is left');
        forward("|$program group\n");
        deliver("$me\@client.example.test");
        $t->stop_batond;
    };
}

done_testing;
