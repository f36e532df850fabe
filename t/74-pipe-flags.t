#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
# pipe(8) in detail: what each flag and option does to the message and to the arguments, as a table; and the programs that people give
# mail to, as themselves.
use strict;
use warnings;
use FindBin;
use Test::More;
use lib "$FindBin::Bin/lib";
use Baton::Client;
use Baton::Dovecot;
use Baton::Lmtp;
use Baton::Test;

skip_all_unless_server();
my $t = Baton::Test->new;
chmod 0711, $t->dir;
my $user = is_root() ? 'games' : (getpwuid $>)[0];
plan skip_all => 'the user has no name' if !defined $user;
my ($uid, $gid) = (getpwnam $user)[2, 3];
my $out = $t->path('out');
mkdir $out or die "$out: $!";
chmod 0777, $out;

# Says what it was given, byte for byte
my $program = spew($t->path('program'), <<"END", 0755);
#!/usr/bin/perl
binmode STDIN;
my \$in = do { local \$/; <STDIN> };
open my \$fh, '>:raw', "$out/.got.\$\$" or exit 75;
print {\$fh} join("\\0", \@ARGV), "\\n", join("\\0", map { "\$_=\$ENV{\$_}" } sort keys %ENV), "\\n", \$in;
close \$fh;
rename "$out/.got.\$\$", "$out/done.\$\$";
END
sub results { my @r = map { slurp($_) } glob "$out/done.*"; unlink glob "$out/done.*"; return @r }

my $from = qr/From (\S*) \w\w\w \w\w\w [ \d]\d \d\d:\d\d:\d\d \d{4}/;
my $plain = "Subject: x\n\n.dot\nFrom me\nend\n";
my $received = "Received: from helo.example (name.example [192.0.2.7])\n\t(Authenticated sender: joe)\n\tby client.example.test (Baton) with ESMTPSA id 4cQxYZ\n\tfor <x\@a.test>; Thu, 1 Jan 2026 00:00:00 +0000\n$plain";
my $encrypted = $received =~ s/\t\(Auth/\t(using TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 (256\/256 bits))\n\t(Client CN "x with SMTP id ABC by client.example.test ?Baton", Issuer "by id DEF" (not verified))\n\t(Auth/r;
# options, sender, recipients, what the program gets: arguments, message (undef: as it is)
my @cases = (
    [ 'nothing', {}, 'a@b.test', ['x@a.test'], [], $plain ],
    [ 'B', { flags => 'B' }, 'a@b.test', ['x@a.test'], [], "$plain\n" ],
    [ 'D', { flags => 'D' }, 'a@b.test', ['X@A.test'], [], "Delivered-To: X\@A.test\n$plain" ],
    [ 'F', { flags => 'F' }, 'a@b.test', ['x@a.test'], [], qr/\A$from\n\Q$plain\E\z/, 'a@b.test' ],
    [ 'F of a report', { flags => 'F' }, '', ['x@a.test'], [], qr/\A$from\n/, 'MAILER-DAEMON' ],
    [ 'O', { flags => 'O' }, 'a@b.test', [ [ 'x@a.test', 'ORCPT=rfc822;before@a.test' ] ], [], "X-Original-To: before\@a.test\n$plain" ],
    [ 'R', { flags => 'R' }, 'a@b.test', ['x@a.test'], [], "Return-Path: <a\@b.test>\n$plain" ],
    [ 'R of a report', { flags => 'R' }, '', ['x@a.test'], [], "Return-Path: <MAILER-DAEMON>\n$plain" ],
    [ 'R with null_sender', { flags => 'R', null_sender => 'nobody', argv => '${sender}' }, '', ['x@a.test'], ['nobody'], "Return-Path: <nobody>\n$plain" ],
    [ 'R with an empty one', { flags => 'RF', null_sender => '', argv => '-f ${sender} --' }, '', ['x@a.test'], [ '-f', '', '--' ], qr/\A$from\nReturn-Path: <>\n/, 'MAILER-DAEMON' ],
    [ 'X', { flags => 'X' }, 'a@b.test', ['x@a.test'], [], $plain ],
    [ '.', { flags => '.' }, 'a@b.test', ['x@a.test'], [], "Subject: x\n\n..dot\nFrom me\nend\n" ],
    [ '>', { flags => '>' }, 'a@b.test', ['x@a.test'], [], "Subject: x\n\n.dot\n>From me\nend\n" ],
    [ 'eol', { flags => 'RB', eol => '\r\n' }, 'a@b.test', ['x@a.test'], [], "Return-Path: <a\@b.test>\r\nSubject: x\r\n\r\n.dot\r\nFrom me\r\nend\r\n\r\n" ],
    [ 'eol in octal', { eol => '\015\012' }, 'a@b.test', ['x@a.test'], [], $plain =~ s/\n/\r\n/gr ],
    [ 'names', { argv => '${recipient} ${user} ${extension} ${mailbox} ${domain} ${nexthop} $original_recipient $(sender)' }, 'a@b.test', ['Jo+Ex@A.test'], [ 'Jo+Ex@A.test', 'Jo', 'Ex', 'Jo+Ex', 'A.test', 'A.test', 'Jo+Ex@A.test', 'a@b.test' ] ],
    [ 'h', { flags => 'h', argv => '${recipient} ${user} ${domain} ${nexthop} $original_recipient ${sender}' }, 'A@B.test', ['Jo@A.Test'], [ 'Jo@a.test', 'Jo', 'a.test', 'a.test', 'Jo@a.test', 'A@B.test' ] ],
    [ 'u', { flags => 'u', argv => '${recipient} ${user} ${extension} ${mailbox} ${domain}' }, 'A@B.test', ['Jo+EX@A.Test'], [ 'jo+ex@A.Test', 'jo', 'ex', 'jo+ex', 'A.Test' ] ],
    [ 'quotes', { argv => '${recipient} ${mailbox} ${sender}' }, '"a b"@b.test', ['"x y"@a.test'], [ 'x y@a.test', 'x y', 'a b@b.test' ] ],
    [ 'q', { flags => 'q', argv => '${recipient} ${mailbox} ${user} ${sender}' }, '"a b"@b.test', ['"x y"@a.test'], [ '"x y"@a.test', 'x y', 'x y', '"a b"@b.test' ] ],
    [ 'conditions', { argv => '${extension?+}${extension} ${extension?{with}:{without}} ${extension:none} $$' }, 'a@b.test', ['x@a.test'], [ '', 'without', 'none', '$' ] ],
    [ 'several', { recipient_limit => 5, argv => '-r ${recipient} -d ${domain} u=${user}' }, 'a@b.test', [ 'x@a.test', 'y@a.test' ], [ '-r', 'x@a.test', 'y@a.test', '-d', 'a.test', 'u=x', 'u=y' ] ],
    [ 'a client', { argv => '${client_address} ${client_hostname} ${client_helo} ${client_protocol} ${sasl_username} ${queue_id} x${client_port}${sasl_method}${sasl_sender}' }, 'a@b.test', ['x@a.test'],
        [ '192.0.2.7', 'name.example', 'helo.example', 'ESMTP', 'joe@b', '4cQxYZ', 'x' ], undef, undef, { content => $received, mail => 'XCLIENT=name.example[192.0.2.7] XLOGIN=joe@b' } ],
    [ 'a client with TLS', { argv => '${client_helo} ${client_protocol} ${queue_id}' }, 'a@b.test', ['x@a.test'],
        [ 'helo.example', 'ESMTP', '4cQxYZ' ], undef, undef, { content => $encrypted, mail => 'XCLIENT=name.example[192.0.2.7] XLOGIN=joe@b' } ],
    [ 'none', { argv => 'a${client_address}b${client_helo}c${sasl_username}' }, 'a@b.test', ['x@a.test'], ['abc'], undef, undef, { content => $received } ],
    [ 'size', { argv => '${size}' }, 'a@b.test', ['x@a.test'], [ length $plain ] ],
    [ 'a next hop', { argv => '${nexthop}', flags => 'h' }, 'a@b.test', ['x@a.test'], ['some:hop'], undef, undef, { nexthop => 'Some:Hop' } ],
);

my $raw = '';
for my $i (0 .. $#cases) {
    my %o = %{ $cases[$i][1] };
    my $argv = join ', ', map { qq("$_") } $program, split ' ', delete $o{argv} // '';
    my $options = join '', map { my $v = $o{$_} =~ s/\\/\\\\/gr; "    $_ = \"$v\"\n" } sort keys %o;
    $raw .= "pipe case$i {\n    user = \"$user\"\n    argv = { $argv }\n$options}\n";
}
$t->config(recipient_delimiter => '+', raw => $raw);
$t->start_batond;
for my $i (0 .. $#cases) {
    my ($name, $o, $sender, $to, $args, $want, $in_from, $how) = @{ $cases[$i] };
    subtest $name => sub {
        my $l = Baton::Lmtp->new($t, "pipe.case$i");
        $l->client->say('LHLO ' . ($how->{nexthop} // '-'));
        my %said = $l->deliver($sender, $to, $how->{content} // $plain, mail => $how->{mail});
        is($said{ ref $_ ? $_->[0] : $_ }, "250 2.0.0 delivered via case$i service", 'delivered') for @$to;
        my ($got, @more) = results();
        is(@more, 0, 'once');
        my ($argv, $env, $message) = split /\n/, $got // '', 3;
        is_deeply([ split /\0/, $argv, -1 ], $args, 'its arguments') if @$args;
        return if !defined $want;
        ref $want ? like($message, $want, 'the message') : is($message, $want, 'the message');
        is($message =~ $from ? $1 : undef, $in_from, 'the sender in the From line') if defined $in_from;
    };
}
$t->stop_batond;

subtest 'what a program of local is told' => sub {
    my ($mail, $home) = ($t->path('mail'), $t->path('home'));
    mkdir $_ for $mail, $home;
    $t->config(alias_maps => 'hash:' . spew($t->path('aliases'), "prog: \"|$program \$CLIENT_ADDRESS \$SASL_USERNAME\"\n", 0644), mydestination => 'a.test', local_recipient_maps => '', recipient_delimiter => '+',
        default_privs => $user, mail_spool_directory => $mail, forward_path => "$home/\$user/.forward+\$extension", command_execution_directory => '/usr');
    $t->start_batond;
    my %said = Baton::Lmtp->new($t, 'local')->deliver('a`b@b.test', [ [ 'prog+ext@a.test', 'ORCPT=rfc822;before@a.test' ] ], $received, mail => 'XCLIENT=name.example[2001:db8::1] XLOGIN=joe@b');
    like($said{'prog+ext@a.test'}, qr/^250 2\.0\.0 delivered to command/, 'delivered');
    my ($argv, $env) = split /\n/, (results())[0] // '', 3;
    is_deeply([ split /\0/, $argv ], [ '2001:db8::1', 'joe@b' ], 'arguments');
    is_deeply({ map { split /=/, $_, 2 } split /\0/, $env }, { PATH => '/usr/bin:/bin:/usr/sbin:/sbin', LOCAL => 'prog+ext', EXTENSION => 'ext', DOMAIN => 'a.test', SENDER => 'a_b@b.test',
        RECIPIENT => 'prog+ext@a.test', ORIGINAL_RECIPIENT => 'before@a.test', CLIENT_ADDRESS => '2001:db8::1', CLIENT_HOSTNAME => 'name.example', CLIENT_HELO => 'helo.example',
        CLIENT_PROTOCOL => 'ESMTP', SASL_USERNAME => 'joe@b' }, 'environment');
    $t->stop_batond;
};

subtest 'from the network' => sub {
    my $port = Baton::Test::free_port();
    $t->config(mydestination => '', relay_domains => 'a.test', relay_transport => 'filter:Some.Hop', inet_interfaces => undef,
        raw => "listen smtp { port = $port, address = \"127.0.0.1\" }\npipe filter { user = \"$user\", argv = \"$program \${client_address} \${client_helo} \${client_protocol} \${nexthop} \${queue_id}\" }\n");
    $t->start_batond;
    my $c = Baton::Client->new(port => $port) or die "connect: $!";
    $c->reply;
    $c->say($_) for 'EHLO me.example', 'MAIL FROM:<a@b.test>', 'RCPT TO:<x@a.test>', 'DATA';
    my $said = $c->say("Subject: x\r\n\r\nHello\r\n.");
    my ($id) = $said =~ /queued as (\w+)/;
    $t->wait_log(qr/to=<x\@a\.test>, relay=filter, .*status=sent/);
    my ($argv) = split /\n/, (results())[0] // '', 2;
    is_deeply([ split /\0/, $argv ], [ '127.0.0.1', 'me.example', 'ESMTP', 'Some.Hop', $id ], 'who brought it, and where to');
    $t->stop_batond;
};

# ---- real programs

sub deliver_by {
    my ($command, $content, %with) = @_;
    my $mail = $t->path('mail');
    $t->config(mydestination => 'a.test', local_recipient_maps => '', mail_spool_directory => $mail, mailbox_command => $command, forward_path => '', %with);
    $t->start_batond;
    my %said = Baton::Lmtp->new($t, 'local')->deliver('joe@example.org', ["$user\@a.test"], $content, timeout => 60);
    $t->stop_batond;
    return $said{"$user\@a.test"};
}
sub folder { my ($name) = @_; my $d = "$out/$name"; mkdir $d; chown $uid, $gid, $d if is_root(); return $d }
sub files { my ($d) = @_; return map { slurp($_) } glob "$d/new/*" }

subtest 'dovecot-lda' => sub {
    my $lda = '/usr/lib/dovecot/dovecot-lda';
    plan skip_all => 'dovecot is not installed' if !-x $lda;
    my $d = folder('lda');
    my $log = "$out/lda.log";
    my $is_new = Baton::Dovecot::version() >= 2.4;
    my $first = $is_new ? "dovecot_config_version = 2.4.0\ndovecot_storage_version = 2.4.0\n" : '';
    my $where = $is_new ? "mail_driver = maildir\nmail_path = $d/Maildir\n" : "mail_location = maildir:$d/Maildir\n";
    my $conf = spew($t->path('lda.conf'), "${first}base_dir = $d\nlog_path = $log\nfirst_valid_uid = 1\nfirst_valid_gid = 1\n$where", 0644);
    is(deliver_by("$lda -c $conf -f \$SENDER -a \$RECIPIENT", "Subject: to dovecot\n\nHello\n"), "250 2.0.0 delivered to command: $lda -c $conf -f \$SENDER -a \$RECIPIENT", 'delivers')
        or diag slurp($log) // 'no log';
    my ($m) = files("$d/Maildir");
    like($m // '', qr/^Return-Path: <joe\@example\.org>\n.*^Subject: to dovecot\n\nHello\n\z/ms, 'to its Maildir');
    chmod 0500, "$d/Maildir/tmp";
    my $said = is_root() || $uid ? deliver_by("$lda -c $conf -f \$SENDER", "Subject: full\n\nHello\n") : '450 ';
    like($said, qr/^450 4\.3\.0 temporary failure/, 'what it cannot write waits');
    chmod 0700, "$d/Maildir/tmp";
};

subtest 'procmail' => sub {
    plan skip_all => 'procmail is not installed' if !-x '/usr/bin/procmail';
    my $d = folder('procmail');
    mkdir "$d/tmp";
    my $rc = spew($t->path('procmailrc'), "MAILDIR=$d\nDEFAULT=$d/inbox/\nLOGFILE=$d/log\n:0\n* ^Subject: refuse\n{\n  EXITCODE=67\n  HOST\n}\n:0\n* ^Subject: wait\n{\n  EXITCODE=75\n  HOST\n}\n", 0644);
    chown $uid, $gid, $rc if is_root();
    # It complains of a home that is not there
    like(deliver_by("/usr/bin/procmail -f \$SENDER $rc", "Subject: to procmail\n\nHello\n"), qr/^250 2\.0\.0 delivered to command: \/usr\/bin\/procmail -f \$SENDER \Q$rc\E/, 'delivers');
    my ($m) = files("$d/inbox");
    like($m // '', qr/^Delivered-To: $user\@a\.test\n.*^Subject: to procmail\n\nHello\n/ms, 'to its folder') or diag slurp("$d/log") // '';
    like(deliver_by("/usr/bin/procmail -f \$SENDER $rc", "Subject: refuse\n\nHello\n"), qr/^550 5\.1\.1 user unknown/, 'EXITCODE=67 bounces');
    like(deliver_by("/usr/bin/procmail -f \$SENDER $rc", "Subject: wait\n\nHello\n"), qr/^450 4\.3\.0 temporary failure/, 'EXITCODE=75 waits');
};

subtest 'maildrop' => sub {
    my ($maildrop) = grep { -x } '/usr/bin/maildrop';
    plan skip_all => 'maildrop is not installed' if !$maildrop;
    my $d = folder('maildrop');
    for ('box', map { "box/$_" } qw(tmp new cur)) { folder("maildrop/$_") }
    my $rc = spew($t->path('mailfilter'), "if (/^Subject: refuse/)\n{\n  echo \"5.7.1 not wanted\"\n  EXITCODE=77\n  exit\n}\nto \"$d/box\"\n", 0600);
    chown $uid, $gid, $rc if is_root();
    my $said = deliver_by("$maildrop $rc", "Subject: to maildrop\n\nHello\n");
    is($said, "250 2.0.0 delivered to command: $maildrop $rc", 'delivers');
    my ($m) = files("$d/box");
    like($m // '', qr/^Subject: to maildrop\n\nHello\n/m, 'to its Maildir');
    is(deliver_by("$maildrop $rc", "Subject: refuse\n\nHello\n"), '550 5.7.1 not wanted', 'its own word goes before its status');
};

done_testing;
