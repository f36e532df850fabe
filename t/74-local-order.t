#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
# Who gets the mail of a user of this machine, where several could: aliases, ~/.forward, mailbox_transport_maps, mailbox_transport, then
# a mailbox here, and at last fallback_transport and luser_relay. The mailboxes are a real Dovecot's.
use strict;
use warnings;
use FindBin;
use Test::More;
use lib "$FindBin::Bin/lib";
use Baton::Dovecot;
use Baton::Test;

skip_all_unless_server();
plan skip_all => 'dovecot is not installed' if !Baton::Dovecot::is_there();
my $t = Baton::Test->new;
chmod 0711, $t->dir;
my $me = is_root() ? 'games' : (getpwuid $>)[0];
plan skip_all => 'the user has no name' if !defined $me;
my ($uid, $gid) = (getpwnam $me)[2, 3];
my ($mail, $home, $out) = map { my $d = $t->path($_); mkdir $d or die "$d: $!"; $d } qw(spool-of-users home out);
chmod 01777, $mail, $home, $out;
mkdir "$home/$me";
chown $uid, $gid, "$home/$me";
my $format = Baton::Dovecot::version() >= 2.4 ? '%{user | username}' : '%n';
my $d = $t->dovecot(users => { map { $_ => 'secret' } $me, 'virtual-only', 'self' }, config => "auth_username_format = $format\n");

my $program = spew($t->path('program'), <<"END", 0755);
#!/usr/bin/perl
my \@in = <STDIN>;
open my \$fh, '>', "$out/.got.\$\$" or exit 75;
print {\$fh} "uid \$>\\n", \@in;
close \$fh;
rename "$out/.got.\$\$", "$out/done.\$\$";
END
sub results { my @r = map { slurp($_) } glob "$out/done.*"; unlink glob "$out/done.*"; return @r }

my %with = (
    alias_maps => "inline:{ { self = self, \"|$program\" } }", mydestination => 'client.example.test, localhost', default_transport => 'discard:',
    mail_spool_directory => $mail, mailbox_delivery_lock => 'fcntl', default_privs => $me, forward_path => "$home/\$user/.forward",
    local_recipient_maps => '', mailbox_transport => 'lmtp:unix:' . $d->lmtp_path, recipient_delimiter => '+', lmtp_tls_security_level => 'none',
);

# Answers are kept for two seconds: each case has a batond of its own.
sub with {
    my ($forward, %more) = @_;
    $t->baton([qw(queue delete ALL)]) if $t->batond_pid;
    $t->stop_batond if $t->batond_pid;
    unlink "$home/$me/.forward";
    if (defined $forward) {
        spew("$home/$me/.forward", $forward, 0644);
        chown $uid, $gid, "$home/$me/.forward" if is_root();
    }
    $t->config(%with, %more);
    $t->start_batond;
}

my $n = 0;
sub mail {
    my ($to, $line) = @_;
    my $subject = 'mail ' . ++$n;
    my $r = $t->sendmail([ '-f', 'joe@example.org', $to ], input => "Subject: $subject\n\nHello\n");
    is($r->{code}, 0, "$subject for $to is taken") or diag $r->{err};
    my $said = $t->wait_log(qr/to=<\Q$to\E[^>]*>/);
    like($said, $line, 'where it went') or diag $t->log_text;
    return $subject;
}
my $kept = 0;
sub is_kept {
    my ($subject, $how, $user) = @_;
    my @m = $d->wait_messages($user // $me, defined $user ? 1 : ++$kept);
    is(scalar(grep { /^Subject: \Q$subject\E$/m } @m), 1, $how) or diag $d->log_text;
}
sub is_not_kept { my ($subject, $how) = @_; is(scalar(grep { /^Subject: \Q$subject\E$/m } $d->messages($me)), 0, $how) }

subtest 'without a ~/.forward' => sub {
    with(undef);
    is_kept(mail("$me\@client.example.test", qr/relay=\S+\[\Q${\ $d->lmtp_path}\E\], .*status=sent/), 'mail goes to Dovecot straight from the relay');
    is_kept(mail('virtual-only@client.example.test', qr/relay=\S+\[\Q${\ $d->lmtp_path}\E\], .*status=sent/), 'so does that of a name which only Dovecot knows', 'virtual-only');
    is_kept(mail("$me+news\@client.example.test", qr/status=sent/), 'an extension is no other user');
};

subtest 'with one' => sub {
    with("other\@elsewhere.example\n");
    my $s = mail("$me\@client.example.test", qr/relay=local, .*status=sent \(forwarded as /);
    ok($t->wait_log(qr/to=<other\@elsewhere\.example>/), 'it is sent on');
    is_not_kept($s, 'and not kept');
    with("\\$me, \"|$program\"\n");
    is_kept(mail("$me\@client.example.test", qr/relay=local, .*status=sent/), 'one that also keeps mail gives it to Dovecot');
    my ($got) = results();
    like($got // '', qr/^uid $uid$/m, 'and to its program, with the rights of the user');
    with("$me\n", mailbox_transport => 'lmtp:inet:127.0.0.1:' . $d->lmtp_port);
    is_kept(mail("$me\@client.example.test", qr/relay=local, .*status=sent \(delivered by LMTP: /), 'by TCP, too');
    with("$me\n", mailbox_transport => 'lmtp:inet:127.0.0.1:' . $d->lmtp_port, lmtp_tls_security_level => 'encrypt');
    mail("$me\@client.example.test", qr/relay=local, .*status=deferred \(mailbox_transport wants TLS, which .*give it a UNIX socket/);
    with("$me\n", mailbox_transport => 'store:', raw => qq(pipe store { user = "$me", argv = "$program" }\n));
    mail("$me\@client.example.test", qr/relay=local, .*status=sent \(delivered by LMTP: delivered via store service\)/);
    is(results(), 1, 'a pipe section has mailboxes, too');
};

subtest 'Dovecot is away' => sub {
    with("\\$me, other\@elsewhere.example\n");
    $d->stop;
    my $s = mail("$me\@client.example.test", qr/relay=local, .*dsn=4\.\S+, status=deferred \(connect to /);
    unlike($t->log_text =~ s/.*\Q$s\E//sr, qr/to=<other\@elsewhere\.example>.*\n.*\Q$s/, 'nothing was sent on yet');
    $d->up;
    $t->baton([qw(queue retry ALL)]);
    is_kept($s, 'it comes when Dovecot is back');
    ok($t->wait_log(qr/to=<other\@elsewhere\.example>/), 'and is sent on then');
};

subtest 'mailbox_transport_maps' => sub {
    with(undef, mailbox_transport_maps => "inline:{ $me = local: }");
    mail("$me\@client.example.test", qr/relay=local, .*status=sent \(delivered to mailbox\)/);
    ok(-s "$mail/$me", 'local: keeps a mailbox here');
    with("\\$me\n", mailbox_transport => '', mailbox_transport_maps => "inline:{ $me = : }", fallback_transport_maps => "inline:{ unknown-3 = : }");
    mail("$me\@client.example.test", qr/relay=local, .*status=sent \(delivered to mailbox\)/);
    mail('unknown-3@client.example.test', qr/status=bounced \(unknown user/);
    mail('x' x 250 . '@client.example.test', qr/relay=local, .*status=bounced \(unknown user/);
    with("$me\n", mailbox_transport => '', mailbox_transport_maps => "inline:{ $me = lmtp:unix:" . $d->lmtp_path . ' }');
    is_kept(mail("$me\@client.example.test", qr/relay=local, .*status=sent/), 'a user of his own who has a ~/.forward');
};

subtest 'an alias that names itself' => sub {
    with(undef);
    is_kept(mail('self@client.example.test', qr/relay=local, .*status=sent \(delivered by LMTP/), 'gives it to Dovecot', 'self');
    is(results(), 1, 'behind its program');
};

subtest 'names that nobody has' => sub {
    my %none = (mailbox_transport => '', raw => qq(pipe store { user = "$me", argv = "$program" }\n));
    with(undef, %none, fallback_transport_maps => 'inline:{ special = discard:, other = retry:4.2.1 later }', fallback_transport => 'store:');
    mail('unknown-1@client.example.test', qr/relay=local, .*status=sent \(delivered by LMTP: delivered via store service\)/);
    is(results(), 1, 'fallback_transport');
    mail('special@client.example.test', qr/status=sent/);
    is(results(), 0, 'fallback_transport_maps come before');
    mail('other@client.example.test', qr/dsn=4\.2\.1, status=deferred \(later\)/);
    with(undef, %none, luser_relay => '$$user+unknown@elsewhere.example');
    mail('unknown-2@client.example.test', qr/relay=local, .*status=sent \(forwarded as /);
    ok($t->wait_log(qr/to=<unknown-2\+unknown\@elsewhere\.example>/), 'luser_relay');
    with(undef, %none, luser_relay => '@elsewhere.example');
    mail('unknown-3@client.example.test', qr/relay=local, .*status=sent \(forwarded as /);
    ok($t->wait_log(qr/to=<unknown-3\@elsewhere\.example>/), 'which keeps the name');
    with(undef, %none);
    mail('unknown-4@client.example.test', qr/dsn=5\.1\.1, status=bounced \(unknown user: "unknown-4"\)/);
};

$t->stop_batond;
done_testing;
