#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
# Who calls sendmail: any uid, with a passwd entry or without; installed setgid; without a standard input.
use strict;
use warnings;
use Cwd ();
use File::Path ();
use FindBin;
use Test::More;
use lib "$FindBin::Bin/lib";
use Baton::Test;

my $t = Baton::Test->new;
$t->config(myorigin => 'origin.example.test');
my $daemon = $t->fake_daemon;
my $message = "To: c\@d.test\n\nbody\n";
my $taken = 0;

sub sent {
    my (%o) = @_;
    my $r = $t->sendmail(['-t'], input => $message, %o);
    is($r->{code}, 0, 'taken') or diag $r->{err};
    my @all = $daemon->wait_messages(++$taken);
    return $all[ $taken - 1 ];
}

{
    my $m = sent(env => { LOGNAME => 'somebody-else', USER => 'nobody-at-all' });
    is($m->{from}, getpwuid($>) . '@origin.example.test', '$LOGNAME and $USER cannot name another than the uid is');
}
SKIP: {
    skip 'needs root to become others', 9 if !is_root();
    my $m = sent(uid => 65534, env => { LOGNAME => 'root' });
    is($m->{from}, 'nobody@origin.example.test', 'a user is named by the password file');
    like($m->{content}, qr/^From: nobody <nobody\@origin\.example\.test>\r$/m, 'with the full name from there');
    my $uid = 54321;
    ok(!defined getpwuid $uid, "nobody has the uid $uid");
    $m = sent(uid => $uid, env => { LOGNAME => 'root', USER => 'root', HOME => undef });
    is($m->{from}, "uid$uid\@origin.example.test", 'a uid without a name is called by its number');
    like($m->{content}, qr/^From: uid$uid\@origin\.example\.test\r$/m, 'in From too');
    chmod 0777, $t->spool;
    mkdir $t->spool . '/drop';
    chmod 0777, $t->spool . '/drop';
    $daemon->stop;
    my $r = $t->sendmail(['-t'], input => $message, uid => $uid);
    is($r->{code}, 0, 'it can use a drop that is open to it');
    my ($file) = glob $t->spool . '/drop/*';
    is((stat $file)[4], $uid, 'and owns what it left there');
}

# ---- setgid ----------------------------------------------------------------------------------------------------------------

SKIP: {
    skip 'needs root to install setgid', 8 if !is_root() || system('unshare -m true 2>/dev/null');
    my $make = slurp(build_dir() . '/Makefile') // '';
    skip 'the leak sanitizer cannot look at setgid programs', 8 if (slurp(build_dir() . '/build.h') // '') =~ /^#define WITH_SANITIZERS/m;
    my ($prefix) = $make =~ /^prefix = (\S+)$/m;
    my ($etc) = $make =~ /^sysconfdir = (\S+)$/m;
    $etc =~ s/\$\{prefix\}/$prefix/ if defined $etc && defined $prefix;
    skip 'where the configuration lies is not known, or no folder', 8 if !defined $etc || !-d $etc;
    my $gid = getgrnam 'nogroup';
    my $bin = $t->path('sendmail-setgid');
    spew($bin, slurp(program('sendmail')), 0755);
    chown 0, $gid, $bin;
    chmod 02755, $bin;
    my $spool = $t->path('setgid-spool');
    mkdir $_ for $spool, "$spool/drop";
    chmod 0755, $spool;
    chown 0, $gid, "$spool/drop";
    chmod 0730, "$spool/drop";
    $t->config(queue_directory => $spool, myorigin => '${BATON_TEST_ORIGIN:-clean.example.test}');
    # as_user(gid of the caller, env, arguments): as uid 54321, with our configuration at the place of the system's
    my $as_user = sub {
        my ($env, @args) = @_;
        return $t->run([ 'unshare', '-m', 'sh', '-c',
                'mount -t tmpfs none "$1" && mkdir "$1/baton" && cp "$2" "$1/baton/baton.conf" && shift 2 && '
                  . 'exec setpriv --reuid=54321 --regid=54321 --clear-groups "$@"',
                'sh', $etc, $t->conf, $bin, @args ], input => $message, env => $env);
    };
    my $r = $as_user->({ BATON_QUEUE_DIRECTORY => '/nonexistent', BATON_TEST_ORIGIN => 'evil.example.test', BATON_CONF => '/nonexistent' }, '-t');
    my @files = glob "$spool/drop/*";
    skip 'this disk takes no setgid programs', 8 if $r->{code} == 75 && $r->{err} =~ /Permission denied/ && _is_nosuid($t->dir);
    is($r->{code}, 0, 'setgid, it may leave a message in a drop that the user cannot write') or diag $r->{err};
    is(scalar @files, 1, 'which has it');
    is((stat $files[0])[4], 54321, 'the file tells whose it is');
    my $content = slurp($files[0]);
    like($content, qr/From: uid54321\@clean\.example\.test/, 'and no variable of the caller changed the configuration');
    unlink @files;
    $r = $as_user->({}, '-C', $t->conf, '-t');
    is($r->{code}, 75, 'a configuration of the caller\'s own is used without the group');
    is(scalar(my @left = glob "$spool/drop/*"), 0, 'so that the drop is closed');
    my $secret = spew($t->path('secret.conf'), "myorigin = \"secret.example.test\"\n", 0640);
    chown 0, $gid, $secret;
    $r = $as_user->({}, '-C', $secret, '-bv', 'joe');
    is($r->{code}, 78, 'and a file that only the group may read is not read');
    unlike($r->{out} . $r->{err}, qr/secret\.example/, 'nor shown');
}
sub _is_nosuid { my ($dir) = @_; my $o = `findmnt -no OPTIONS -T '$dir' 2>/dev/null`; return $o =~ /nosuid/ }

# ---- an odd start ----------------------------------------------------------------------------------------------------------

{
    my $u = Baton::Test->new;
    $u->config;
    my $d = $u->fake_daemon;
    my $r = $u->run([ 'sh', '-c', 'exec "$@" <&- 2>&-', 'sh', program('sendmail'), '-C', $u->conf, 'a@b.test' ]);
    is($r->{code}, 0, 'without stdin and stderr an empty message is sent');
    is(scalar $d->wait_messages(1), 1, 'and arrives');
    $r = $u->run([ 'sh', '-c', 'exec "$@" <.', 'sh', program('sendmail'), '-C', $u->conf, 'a@b.test' ]);
    is($r->{code}, 74, 'a stdin that cannot be read: 74');
    $r = $u->sendmail(['a@b.test'], input => "x\n", env => { LANG => 'de_DE.UTF-8', TZ => 'Europe/Berlin', PATH => undef });
    my @all = $d->wait_messages(2);
    like($all[1]{content}, qr/^Date: (?:Mon|Tue|Wed|Thu|Fri|Sat|Sun), /m, 'dates are English whatever the language');
    my $long = $u->path('long/' . 'x' x 120);
    File::Path::make_path("$long/public");
    $u->config(queue_directory => $long);
    my $here = Cwd::getcwd();
    chdir "$long/public" or die "chdir: $!"; # bind() knows no long names either
    my $far = $u->fake_relay(path => 'submit', capabilities => [qw(CHUNKING)]);
    chdir $here;
    $r = $u->sendmail(['a@b.test'], input => "x\n");
    is(scalar $far->wait_messages(1), 1, 'a socket whose name is longer than a socket address is found') or diag $r->{err};
}
done_testing();
