#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
# What bounds a delivery: how many of one recipient go on at a time, and how often a message is delivered when the process that delivers
# ends between its delivery and its word. Nothing is ever lost by that.
use strict;
use warnings;
use FindBin;
use Test::More;
use lib "$FindBin::Bin/lib";
use Baton::Test;

skip_all_unless_server();
my $t = Baton::Test->new;
chmod 0711, $t->dir;
my $me = is_root() ? 'games' : (getpwuid $>)[0];
plan skip_all => 'the user has no name' if !defined $me;
my ($uid, $gid) = (getpwnam $me)[2, 3];
my $out = $t->path('out');
mkdir $out or die "$out: $!";
chmod 0777, $out;

# Writes that it runs, waits for a word (a file of its first argument's name), writes that it is done
my $program = spew($t->path('program'), <<"END", 0755);
#!/usr/bin/perl
my (\$name) = \@ARGV;
1 while <STDIN>;
sub note { open my \$fh, '>', "$out/\$_[0].\$name.\$\$" or exit 75; close \$fh }
note('runs');
for (1 .. 1200) { last if -e "$out/go.\$name"; select undef, undef, undef, 0.05 }
unlink "$out/runs.\$name.\$\$";
note('done');
END
sub count { my ($what) = @_; my @f = glob "$out/$what.*"; return scalar @f }
sub go { my ($name) = @_; spew("$out/go.$name", '') }
my $aliases = spew($t->path('aliases'), join('', map { "$_: \"|$program $_\"\n" } qw(slow quick killed child)), 0644);
my %with = (
    alias_maps => "hash:$aliases", mydestination => 'a.test', local_recipient_maps => '', default_transport => 'discard:', default_privs => $me,
    minimal_backoff_time => '1s', maximal_backoff_time => '1s', queue_run_delay => '1s',
);
sub mail { my (@to) = @_; is($t->sendmail([ '-f', 'joe@example.org', @to ], input => "Subject: x\n\nHello\n")->{code}, 0, "taken for @to") }
sub sent { my ($to) = @_; return scalar(() = $t->log_text =~ /to=<\Q$to\E>.*status=sent/g) }

subtest 'deliveries to one recipient at a time' => sub {
    $t->config(%with);
    $t->start_batond;
    mail('slow@a.test') for 1 .. 5;
    ok((wait_until { count('runs.slow') == 2 } 30), 'two of them run');
    go('quick');
    mail('quick@a.test');
    ok($t->wait_log(qr/to=<quick\@a\.test>.*status=sent/), 'somebody else need not wait for them');
    is(count('runs.slow'), 2, 'two still');
    go('slow');
    ok((wait_until { sent('slow@a.test') == 5 } 60), 'the others follow');
    is(count('done.slow'), 5, 'each once');
    $t->stop_batond;
    unlink glob "$out/*";
    $t->config(%with, local_destination_concurrency_limit => 1);
    $t->start_batond;
    mail('slow@a.test') for 1 .. 3;
    ok((wait_until { count('runs.slow') == 1 } 30), 'one, where the configuration says so');
    go('quick');
    mail('quick@a.test');
    $t->wait_log(qr/to=<quick\@a\.test>.*status=sent/);
    is(count('runs.slow'), 1, 'one still');
    go('slow');
    ok((wait_until { (() = substr($t->log_text, $t->{log_from}) =~ /to=<slow\@a\.test>.*status=sent/g) == 3 } 60), 'the others follow');
    $t->stop_batond;
};

sub parent { my ($pid) = @_; return (slurp("/proc/$pid/status") // '') =~ /^PPid:\s+(\d+)/m ? $1 : undef }

subtest 'the worker is killed while a program runs' => sub {
    unlink glob "$out/*";
    $t->config(%with);
    $t->start_batond;
    mail('killed@a.test');
    ok((wait_until { count('runs.killed') == 1 } 30), 'it runs');
    my ($pid) = map { /\.(\d+)\z/ } glob "$out/runs.killed.*";
    my $worker = parent(parent($pid));
    isnt($worker, $t->batond_pid, 'its process is the worker\'s child');
    kill 'KILL', $worker;
    ok($t->wait_log(qr/to=<killed\@a\.test>.*status=deferred \(/), 'the relay hears nothing, and tries again') or diag $t->log_text;
    go('killed');
    ok((wait_until { sent('killed@a.test') } 60), 'it is delivered by another worker') or diag $t->log_text;
    is(sent('killed@a.test'), 1, 'once, as the log has it');
    cmp_ok(count('done.killed'), '<=', 2, 'the program has run twice at most');
    cmp_ok(count('done.killed'), '>=', 1, 'and once at least');
    $t->stop_batond;
};

subtest 'the process that delivers is killed' => sub {
    unlink glob "$out/*";
    $t->start_batond;
    mail('child@a.test');
    ok((wait_until { count('runs.child') == 1 } 30), 'its program runs');
    my ($pid) = map { /\.(\d+)\z/ } glob "$out/runs.child.*";
    kill 'KILL', parent($pid);
    ok($t->wait_log(qr/to=<child\@a\.test>.*dsn=4\.3\.0, status=deferred \(the process that delivers has ended without a result\)/), 'the relay is told');
    go('child');
    ok((wait_until { sent('child@a.test') } 60), 'it is delivered by another') or diag $t->log_text;
    cmp_ok(count('done.child'), '<=', 2, 'the program has run twice at most');
    $t->stop_batond;
};

subtest 'of several recipients of a transaction those that are done stay done' => sub {
    my $base = $t->path('virtual');
    mkdir $base;
    chown $uid, $gid, $base if is_root();
    my %virtual = (virtual_mailbox_domains => 'v.test', virtual_mailbox_base => $base, virtual_mailbox_maps => 'inline:{ a@v.test = a/, b@v.test = b/, c@v.test = c }',
        virtual_uid_maps => "static:$uid", virtual_gid_maps => "static:$gid", virtual_minimum_uid => 1, virtual_mailbox_lock => 'dotlock', deliver_lock_attempts => 600);
    $t->config(%with, %virtual);
    spew("$base/c.lock", '');
    unlink glob "$out/*";
    $t->start_batond;
    mail('slow@a.test'); # whose program shows who the worker is
    ok((wait_until { count('runs.slow') == 1 } 30), 'a program runs');
    my $worker = parent(parent((map { /\.(\d+)\z/ } glob "$out/runs.slow.*")[0]));
    go('slow');
    $t->wait_log(qr/to=<slow\@a\.test>.*status=sent/);
    mail('a@v.test', 'b@v.test', 'c@v.test');
    my ($a, $b) = map { my $d = $_; sub { my @f = glob "$base/$d/new/*"; scalar @f } } qw(a b);
    ok((wait_until { $a->() && $b->() } 30), 'two mailboxes have it, the third is locked');
    my $children = sub { return scalar grep { (parent($_) // 0) == $worker } map { m{/proc/(\d+)} } glob '/proc/[0-9]*' };
    ok((wait_until { $children->() == 1 } 30), 'their processes have ended');
    go('quick');
    mail('quick@a.test');
    $t->wait_log(qr/to=<quick\@a\.test>.*status=sent/); # the worker has gone on, and its word is out
    kill 'KILL', $worker;
    ok($t->wait_log(qr/to=<c\@v\.test>.*status=deferred/), 'the third is tried again');
    is(sent("$_\@v.test"), 1, "the relay has heard of $_") for 'a', 'b';
    unlink "$base/c.lock";
    ok((wait_until { sent('c@v.test') } 60), 'till it is delivered') or diag $t->log_text;
    is_deeply([ $a->(), $b->() ], [ 1, 1 ], 'the others were not delivered again');
    $t->stop_batond;
};

done_testing;
