#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
# Writes and syncs that fail with EIO, in batond and sendmail as they are, jail and all: whom it hits is told so and for
# now, the segment is given up, what comes next is kept in another, and what was promised survives.
# BATON_TEST_STORM=SECONDS makes the storm at the end longer.
use strict;
use warnings;
use Test::More;
use FindBin;
use lib "$FindBin::Bin/lib";
use Baton::FailIO;
use Baton::Storm;
use Baton::Test;
use Time::HiRes qw(time sleep);

my $library = Baton::FailIO::library();
BAIL_OUT("$library is not built (make check builds it)") if !-e $library;

sub world {
    my $t = Baton::Test->new;
    my $storm = Baton::Storm->new($t);
    my $disk = Baton::FailIO->new($t);
    $t->config($storm->config, receive_workers => '1');
    $t->start_batond(env => $disk->env);
    return ($t, $storm, $disk);
}

subtest 'one failure at a time' => sub {
    my ($t, $storm, $disk) = world();
    my @cases = (
        ['a sync',                    { syncs_to_fail => 1 },  500],
        ['a write',                   { writes_to_fail => 1 }, 500],
        ['the sync of a large one',   { syncs_to_fail => 1 },  400_000],
        ['a write of a large one',    { writes_to_fail => 1 }, 400_000],
    );
    my $n = 0;
    my @kept = ('first');
    is($storm->send_one('first', 500), '250', 'a message is taken');
    for my $case (@cases) {
        my ($what, $fault, $bytes) = @$case;
        my $before = $disk->get('failed_syncs') + $disk->get('failed_writes');
        # The relay writes and syncs, too: it may not take the fault for itself.
        my ($receiver) = $t->log_text =~ m{.*baton/receive\[(\d+)\]: \w+: client=}s;
        $disk->set(only_pid => $receiver, %$fault);
        $n++;
        is($storm->send_one("hit$n", $bytes), '451', "$what fails: the message is refused for now");
        is($disk->get('failed_syncs') + $disk->get('failed_writes'), $before + 1, 'it was that one failure');
        is($storm->send_one("after$n", 500), '250', 'the next is taken');
        push @kept, "after$n";
    }
    is($disk->get('synced_again') + $disk->get('written_again'), 0, 'what has failed is neither synced nor written again');
    $t->kill_batond;
    $t->start_batond(env => $disk->env);
    my $sum = $storm->finish;
    is($sum->{promised}, scalar @kept, 'as many were promised');
    is($sum->{missing}, 0, 'and come, after a crash as well');
    is($sum->{unpromised}, 0, 'what was refused does not');
    log_like($t, qr/not kept: sync the journal: Input\/output error/, 'the log says why');
};

subtest 'sendmail without a daemon' => sub {
    my $t = Baton::Test->new;
    my $disk = Baton::FailIO->new($t);
    my $relay = $t->fake_relay;
    $t->config(relayhost => $relay->address);
    $t->start_batond;
    $t->stop_batond;
    for my $fault (qw(syncs_to_fail writes_to_fail)) {
        $disk->set($fault => 1);
        my $r = $t->sendmail(['hit@example.test'], input => message(), env => $disk->env);
        is($r->{code}, 75, "$fault: sendmail says 75");
        like($r->{err}, qr/Input\/output error/, 'and why');
        is(scalar(() = glob $t->spool . '/drop/*'), 0, 'and leaves nothing');
    }
    is($t->sendmail(['kept@example.test'], input => message(), env => $disk->env)->{code}, 0, 'the next one is kept');
    $t->start_batond;
    my ($m) = $relay->wait_messages(1);
    is($m && $m->{rcpts}[0], 'kept@example.test', 'and arrives');
    $t->stop_batond;
};

subtest 'a storm on a failing disk' => sub {
    my ($t, $storm, $disk) = world();
    my $kills = 0;
    $storm->{sendmail_env} = $disk->env;
    $storm->start(qw(small small pipeline bdat many large largebdat sendmail largesendmail));
    ok($storm->wait_promised(50), 'mail flows');
    $disk->set(one_sync_in => 40, one_write_in => 200);
    for (my $end = time + ($ENV{BATON_TEST_STORM} || 6); time < $end;) {
        sleep 1 + rand 1.5;
        $t->kill_batond; # what is on disk shows only to who reads it
        $kills++;
        # At a start a failing disk may be reason enough to leave; the service manager tries again.
        for (1 .. 20) { last if eval { $t->start_batond(env => $disk->env, timeout => 30); 1 } }
    }
    $disk->set(one_sync_in => 0, one_write_in => 0);
    my $sum = $storm->finish;
    diag("$kills kills; " . $disk->describe);
    diag(Baton::Storm::describe($sum));
    cmp_ok($disk->get('failed_syncs'), '>', 0, 'syncs have failed');
    cmp_ok($disk->get('failed_writes'), '>', 0, 'and writes');
    cmp_ok($sum->{replies}{451}, '>', 0, 'clients were told 451');
    is($sum->{missing}, 0, 'none of what was promised is missing') or diag("@{ $sum->{examples} }");
    is($sum->{damaged}, 0, 'none is damaged') or diag("@{ $sum->{examples} }");
    is($disk->get('synced_again'), 0, 'no sync that failed was tried again');
    is($disk->get('written_again'), 0, 'and nothing more written where one had failed');
};
done_testing();
