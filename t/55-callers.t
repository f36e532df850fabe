#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
# The real programs that call sendmail: what they write arrives, from whom and to whom they say.
use strict;
use warnings;
use FindBin;
use Test::More;
use lib "$FindBin::Bin/lib";
use Baton::Test;

my $t = Baton::Test->new;
$t->config(myorigin => 'origin.example.test');
my $daemon = $t->fake_daemon;
my $taken = 0;
my $login = getpwuid $>;

# What each of them calls: by any name, with our configuration
my $sendmail = spew($t->path('sendmail'), "#!/bin/sh\nexec '" . program('sendmail') . "' -C '" . $t->conf . "' \"\$@\"\n", 0755);
mkdir $t->path('home');
my %env = (HOME => $t->path('home'), MAILRC => '/dev/null', LC_ALL => 'C.UTF-8', BATON_CONF => undef, EMAIL => undef, MAIL => undef);

sub where { my ($name) = @_; for (split(/:/, $ENV{PATH}), qw(/usr/sbin /usr/bin)) { return "$_/$name" if -x "$_/$name" } return undef }

# arrives('name', [command], input, { from, rcpts, like }): it leaves with 0 and this is what the daemon gets
sub arrives {
    my ($name, $command, $input, $want, %o) = @_;
    my $r = $t->run($command, input => $input, env => { %env, %{ $o{env} || {} } }, dir => $o{dir} // $t->path('home'));
    is($r->{code}, 0, "$name leaves with 0") or diag $r->{out}, $r->{err};
    my @all = $daemon->wait_messages($taken + 1, 10);
    my $m = $all[$taken] or return fail("$name: the message arrives");
    $taken = @all;
    is($m->{from}, $want->{from} // "$login\@origin.example.test", "$name: the sender");
    is("@{$m->{rcpts}}", $want->{rcpts}, "$name: the recipients");
    for my $like (@{ $want->{like} }) { like($m->{content}, $like, "$name: $like") }
    unlike($m->{content}, qr/^Bcc:/mi, "$name: no Bcc");
    unlike($m->{content}, qr/(?<!\r)\n|\r(?!\n)/, "$name: lines end with CRLF");
    is(scalar(() = $m->{content} =~ /^$_:/mgi), 1, "$name: one $_") for qw(From Date Message-ID);
    return $m;
}
sub with_program {
    my ($program, $tests) = @_;
    SKIP: {
        my $path = where($program) // skip "$program is not installed", 1;
        $tests->($path);
    }
}

# ---- mail programs ---------------------------------------------------------------------------------------------------------

with_program('bsd-mailx', sub {
    my ($mail) = @_;
    my $rc = spew($t->path('mailrc'), "set sendmail=$sendmail\nset ask=no\n");
    arrives('bsd-mailx', [ $mail, '-s', 'Hello there', '-c', 'cc@d.test', '-b', 'bcc@d.test', 'a@b.test' ], "line 1\n.line 2\nline 3\n",
        { rcpts => 'a@b.test cc@d.test bcc@d.test', like => [ qr/^Subject: Hello there\r$/m, qr/^line 1\r\n\.line 2\r\nline 3\r$/m ] },
        env => { MAILRC => $rc });
    arrives('bsd-mailx with -r', [ $mail, '-s', 'x', '-r', 'me@d.test', 'root' ], "x\n",
        { from => 'me@d.test', rcpts => 'root', like => [qr/^To: root\@origin\.example\.test\r$/m] }, env => { MAILRC => $rc });
});
with_program('s-nail', sub {
    my ($mail) = @_;
    my @s_nail = ($mail, '-n', '-S', "mta=$sendmail", '-S', 'ttycharset=utf-8');
    arrives('s-nail', [ @s_nail, '-s', "J\xc3\xb6rg", '-b', 'bcc@d.test', 'a@b.test' ], "gr\xc3\xbc\xc3\x9fe\n",
        { rcpts => 'a@b.test bcc@d.test', like => [qr/^Subject: =\?utf-8\?/mi] });
    arrives('s-nail with -r', [ @s_nail, '-r', 'me@d.test', '-s', 'x', 'a@b.test' ], "x\n", { from => 'me@d.test', rcpts => 'a@b.test' });
});
with_program('mutt', sub {
    my ($mutt) = @_;
    my @mutt = ($mutt, '-n', '-F', '/dev/null', '-e', 'set copy=no');
    arrives('mutt', [ @mutt, '-e', "set sendmail=\"$sendmail -oem -oi\"", '-s', 'x', '-b', 'bcc@d.test', '-c', 'cc@d.test', 'a@b.test' ],
        "one\n.\ntwo\n", { rcpts => 'a@b.test cc@d.test bcc@d.test', like => [qr/^one\r\n\.\r\ntwo\r$/m] });
    my $m = arrives('mutt with reports', [ @mutt, '-e', "set sendmail=\"$sendmail -oem -oi\"", '-e', 'set use_envelope_from=yes',
            '-e', 'set envelope_from_address=me@d.test', '-e', 'set dsn_notify="failure,delay"', '-e', 'set dsn_return=hdrs',
            '-e', 'set use_8bitmime=yes', '-s', 'x', 'a@b.test' ],
        "gr\xc3\xbc\xc3\x9fe\n", { from => 'me@d.test', rcpts => 'a@b.test' });
    like("$m->{params} $m->{rcpt_params}[0]", qr/RET=HDRS NOTIFY=FAILURE,DELAY/, 'mutt with reports: they are asked for') if $m;
});

# ---- languages ---------------------------------------------------------------------------------------------------------------

with_program('php', sub {
    my ($php) = @_;
    my @php = ($php, '-n', '-d', "sendmail_path=$sendmail -t -i");
    arrives('PHP mail()', [ @php, '-r', 'exit(mail("a@b.test, Joe <c@d.test>", "Hello", "line 1\r\n.line 2\nline 3", "From: web@d.test\r\nBcc: e@f.test") ? 0 : 1);' ],
        undef, { rcpts => 'a@b.test c@d.test e@f.test', like => [ qr/^From: web\@d\.test\r$/m, qr/^line 1\r\n\.line 2\r\nline 3\r$/m ] });
    arrives('PHP mail() with -f', [ @php, '-r', 'exit(mail("a@b.test", "x", "x", "From: web@d.test", "-fbounce@d.test") ? 0 : 1);' ],
        undef, { from => 'bounce@d.test', rcpts => 'a@b.test' });
});
arrives('Perl, by a pipe', [ $^X, '-e', 'open my $p, "|-", $ARGV[0], qw(-t -oi -oem -f me@d.test) or die; print $p "From: Me <me\@d.test>\nTo: a\@b.test\nSubject: x\n\nhello\n"; close $p or die "$?"', $sendmail ],
    undef, { from => 'me@d.test', rcpts => 'a@b.test', like => [qr/^hello\r$/m] });
SKIP: {
    skip 'MIME::Lite is not installed', 1 if !eval { require MIME::Lite; 1 };
    arrives('Perl, MIME::Lite', [ $^X, '-MMIME::Lite', '-e',
            'MIME::Lite->new(From => q(me@d.test), To => q(a@b.test), Bcc => q(c@d.test), Subject => q(x), Data => "hi\n")->send(sendmail => "$ARGV[0] -t -oi -oem") or die',
            $sendmail ], undef, { rcpts => 'a@b.test c@d.test', like => [qr/^hi\r$/m] });
}
SKIP: {
    my ($python) = grep { -x } '/usr/bin/python3';
    skip 'python3 is not installed', 1 if !$python;
    arrives('Python, email and a pipe', [ $python, '-c', <<'END', $sendmail ], undef, { rcpts => 'a@b.test c@d.test', like => [qr/^Subject: =\?utf-8\?/mi] });
import sys, subprocess
from email.message import EmailMessage
m = EmailMessage()
m['From'], m['To'], m['Bcc'], m['Subject'] = 'me@d.test', 'a@b.test', 'c@d.test', 'Grüße'
m.set_content('hello\n')
sys.exit(subprocess.run([sys.argv[1], '-t', '-oi'], input=m.as_bytes()).returncode)
END
}
with_program('git', sub {
    my ($git) = @_;
    my $r = $t->run([ $git, 'send-email', '-h' ], env => \%env);
    skip 'git send-email is not installed', 1 if "$r->{out}$r->{err}" =~ /not a git command/;
    my $repo = $t->path('repo');
    $t->run([ 'sh', '-c', 'git init -q "$1" && cd "$1" && git -c user.name=Joe -c user.email=joe@d.test commit -q --allow-empty -m first && '
              . 'echo x > f && git add f && git -c user.name="J. Doe" -c user.email=joe@d.test commit -q -m "second: ümlaut" && git format-patch -q -1',
            'sh', $repo ], env => \%env);
    my ($patch) = glob "$repo/*.patch";
    arrives('git send-email', [ $git, '-c', 'user.name=J. Doe', '-c', 'user.email=joe@d.test', 'send-email', '--quiet', '--confirm=never',
            "--smtp-server=$sendmail", '--envelope-sender=auto', '--to=List <a@b.test>', '--cc=c@d.test', '--bcc=e@f.test', '--suppress-cc=all', $patch ],
        undef, { from => 'joe@d.test', rcpts => 'a@b.test c@d.test e@f.test', like => [ qr/^\+x\r$/m ] }, dir => $repo);
});

# ---- cron -----------------------------------------------------------------------------------------------------------------------

SKIP: {
    my $cron = where('cron');
    skip 'cron is not installed', 1 if !$cron;
    skip 'needs root to run a cron of its own', 1 if !is_root() || system('unshare -m true 2>/dev/null');
    # A cron that sees nothing of this machine's but one crontab, whose job runs at its start, and our sendmail in its place
    mkdir $t->path($_) for qw(sbin orig tabs run etc-cron);
    my $tab = spew($t->path('tabs/root'), "MAILTO=\"ops\"\n\@reboot echo progress; echo done\n", 0600);
    my $script = <<'END';
set -e
mount --bind /usr/sbin "$1/orig"
for f in "$1"/orig/*; do ln -s "$f" "$1/sbin/"; done
rm -f "$1/sbin/sendmail"
cp "$1/sendmail" "$1/sbin/sendmail"
mount --bind "$1/sbin" /usr/sbin
mount --bind "$1/tabs" /var/spool/cron/crontabs
mount --bind "$1/etc-cron" /etc/cron.d
mount --bind /dev/null /etc/crontab
mount --bind "$1/run" /run
exec "$1/orig/cron" -f
END
    my $pid = fork // die "fork: $!";
    if (!$pid) {
        setpgrp 0, 0;
        open STDOUT, '>>', $t->path('cron.log');
        open STDERR, '>&', \*STDOUT;
        { no warnings 'exec'; exec 'unshare', '-m', 'sh', '-c', $script, 'sh', $t->dir }
        POSIX::_exit(127);
    }
    Baton::Test::register_group($pid, 'cron');
    my @all = $daemon->wait_messages($taken + 1, 20);
    kill 'TERM', -$pid;
    waitpid $pid, 0;
    Baton::Test::forget_group($pid);
    my $m = $all[$taken];
    ok($m, 'cron: the output of a job arrives') or diag slurp($t->path('cron.log'));
    skip 'it did not', 4 if !$m;
    is("@{$m->{rcpts}}", 'ops', 'cron: at MAILTO, without a domain, which the relay adds if no alias knows it');
    like($m->{content}, qr/^From: root \(Cron Daemon\)\r$|^From: .*root\@origin\.example\.test/m, 'cron: from root');
    like($m->{content}, qr/^Subject: Cron <root\@.*> echo progress; echo done\r$/m, 'cron: which job');
    like($m->{content}, qr/\r\n\r\nprogress\r\ndone\r\n\z/, 'cron: what it said');
}
done_testing();
