#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
# Workers, the supervisor and all of batond are killed again and again while clients and sendmail bring mail. What was
# promised arrives, whole. BATON_TEST_STORM=SECONDS makes it longer.
use strict;
use warnings;
use Test::More;
use FindBin;
use lib "$FindBin::Bin/lib";
use Baton::Storm;
use Baton::Test;
use Time::HiRes qw(time sleep);

my $seconds = $ENV{BATON_TEST_STORM} || 8;
my $t = Baton::Test->new;
my $storm = Baton::Storm->new($t);
$t->config($storm->config, receive_workers => '2');
start();
$storm->start(qw(small small pipeline bdat many large largebdat sendmail largesendmail));
ok($storm->wait_promised(50), 'mail flows');

my %kills = (worker => 0, supervisor => 0, all => 0);
for (my $end = time + $seconds; time < $end;) {
    sleep 0.1 + rand 0.5;
    my $dice = rand;
    if ($dice < 0.65) { kill_worker() }
    elsif ($dice < 0.75) { $kills{worker} += kill 'KILL', workers() }
    elsif ($dice < 0.87) { kill_supervisor() }
    else { kill_all() }
}
my $sum = $storm->finish;

# As service managers do: what has left for a while is started again.
sub start {
    for (1 .. 5) { return if eval { $t->start_batond(timeout => 30); 1 } }
    fail('batond starts again');
    diag(join "\n", (split /\n/, $@)[-20 .. -1]);
    done_testing();
    exit 1;
}

sub workers { my @pids = $t->batond_pids; shift @pids; return @pids }

sub kill_worker {
    my @pids = workers() or return;
    $kills{worker} += kill 'KILL', $pids[rand @pids];
}

# Its workers see that it is gone, finish and leave; they still have the spool while the next one starts.
sub kill_supervisor {
    kill 'KILL', $t->batond_pid;
    $t->wait_exit;
    $kills{supervisor}++;
    start();
}

sub kill_all {
    $t->kill_batond;
    $kills{all}++;
    start();
}

my $relay_kills = () = $t->log_text =~ m{baton/relay\[\d+\] was ended by signal 9}g;
diag("$kills{worker} workers killed ($relay_kills of them the relay), $kills{supervisor} supervisors, $kills{all} times all");
diag(Baton::Storm::describe($sum));
is($sum->{missing}, 0, 'none of what was promised is missing') or diag("@{ $sum->{examples} }");
is($t->wait_log(qr/spool: .*(?:damaged|lost)/, 0, since => 'ever'), '', 'nothing on disk was ever found damaged');
is($sum->{damaged}, 0, 'none is damaged') or diag("@{ $sum->{examples} }");

# A copy too many comes about when the relay dies between the sink's 250 and the writing of the end. That hits what is on
# its connections (20, smtp_destination_concurrency_limit), and what ended while a sync was under way: a few times as much.
my $deaths = $relay_kills + $kills{all};
cmp_ok($sum->{duplicates}, '<=', 100 * $deaths, 'copies come from deaths of the relay, a bounded number from each');
cmp_ok($sum->{worst}, '<=', 1 + $deaths, 'nobody gets more copies than the relay died, and one');
is_deeply([ grep { !$sum->{kinds}{$_} } qw(small pipeline bdat many large largebdat sendmail largesendmail) ], [],
    'mail of all kinds was promised');
done_testing();
