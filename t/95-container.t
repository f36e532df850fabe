#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
# A container without an engine: any uid, no capabilities, read-only root, one writable folder, no configuration file, the
# log on stderr, and a kill -9 now and then.
use strict;
use warnings;
use FindBin;
use Test::More;
use lib "$FindBin::Bin/lib";
use Baton::Test;

skip_all_unless_root('mounts');
my $t = Baton::Test->new;
my $uid = 12345;
my $volume = $t->spool;
mkdir $volume;
chown $uid, $uid, $volume;

my $inside = source_dir() . '/packaging/container/as-in-container';
my $probe = $t->run([ $inside, $uid, $volume, 'sh', '-c', "id -u; touch $volume/probe && echo volume; touch /etc/probe || echo rest" ]);
plan(skip_all => "no read-only mounts here: $probe->{err}") if $probe->{code};
is($probe->{out}, "$uid\nvolume\nrest\n", 'the volume can be written, the rest cannot');
ok(!defined getpwuid $uid, "uid $uid has no passwd entry");
unlink "$volume/probe";

my $relay = $t->fake_relay(listen => 0);
my %env = (
    BATON_CONF => undef, BATON_RELAYHOST => $relay->address, BATON_QUEUE_DIRECTORY => $volume, BATON_LOG => 'stderr',
    BATON_INET_INTERFACES => '', BATON_MYHOSTNAME => 'container.example.test', BATON_ALIAS_MAPS => '',
    BATON_MINIMAL_BACKOFF_TIME => '1s', BATON_QUEUE_RUN_DELAY => '1s',
);
my @batond = ($inside, $uid, $volume, program('batond'));
my $sendmail = sub {
    return $t->run([ $inside, $uid, $volume, $t->bin . '/sendmail', @_ ], env => \%env,
        input => "To: ops\@example.test\nSubject: from a container\n\nStill here.\n");
};

$t->start_batond(command => \@batond, env => \%env);
ok($t->batond_pid, 'batond is ready, with its configuration from the environment alone');
for my $pid ($t->batond_pids) {
    my ($uids) = (slurp("/proc/$pid/status") // '') =~ /^Uid:\s+(.*)$/m;
    is_deeply([ split ' ', $uids // '' ], [ ($uid) x 4 ], "process $pid runs as $uid");
}
my $r = $sendmail->('-t');
is($r->{code}, 0, 'sendmail takes a message while it runs') or diag $r->{err};
ok($t->wait_log(qr/status=deferred/), 'the relayhost is away: the mail waits, and the log says so on stderr');

$t->kill_batond;
ok(!$t->batond_pids, 'everything was killed with SIGKILL');
$r = $sendmail->('-t');
is($r->{code}, 0, 'sendmail takes a message while nothing runs') or diag $r->{err};
$t->start_batond(command => \@batond, env => \%env);
ok($t->batond_pid, 'it starts again without a hand: the spool is owned by lock, not by pid file');

$relay->up;
my @m = $relay->wait_messages(2, 30);
is(scalar @m, 2, 'both messages arrive once the relayhost is back') or diag $t->log_text;
like($m[0]{content}, qr/^Subject: from a container\r$/m, 'whole');
my $status = $t->stop_batond;
is($status, 0, 'SIGTERM ends it with 0');

done_testing();
