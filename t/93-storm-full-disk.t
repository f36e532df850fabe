#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
# A small file system that fills up and is freed again while mail flows: by somebody else's file, and by mail that cannot
# go on. Clients are told 452, sendmail 75, and it goes on by itself. BATON_TEST_STORM=SECONDS makes it longer.
use strict;
use warnings;
use Test::More;
use FindBin;
use lib "$FindBin::Bin/lib";
use Baton::Storm;
use Baton::Test;
use Time::HiRes qw(time sleep);

skip_all_unless_root();
my $t = Baton::Test->new;
my $image = $t->path('image');
mkdir $t->spool;
plan skip_all => 'no file system can be made and mounted here'
  if system("truncate -s 120M $image && mkfs.ext4 -q -m 0 $image && mount -o loop $image " . $t->spool . ' 2>/dev/null') != 0;
END {
    if ($t) {
        my $status = $?;
        $t->stop_batond;
        system('umount', '-l', $t->spool);
        $? = $status;
    }
}

my $storm = Baton::Storm->new($t);
$t->config($storm->config, receive_workers => '2', message_size_limit => '2000000');
$t->start_batond;
my @kinds = qw(small pipeline bdat many large largebdat sendmail largesendmail);
$storm->start(@kinds);
ok($storm->wait_promised(50), 'mail flows');

sub fill {
    my $file = $t->spool . '/filler';
    open my $fh, '>>', $file or die "$file: $!";
    for my $bytes (1 << 20, 4096, 1) {
        1 while syswrite $fh, 'x' x $bytes;
    }
    close $fh;
}

# Till clients and sendmail have felt it. What mail leaves behind that goes, the filler takes.
sub wait_refusals {
    my ($from, $is_own) = @_;
    return wait_until {
        fill() if !$is_own;
        $storm->told('452') > $from->[0] && $storm->told('exit75') > $from->[1];
    } 25;
}

sub wait_flow {
    my $from = $storm->promised;
    return wait_until { $storm->promised >= $from + 50 } 25;
}

my $rounds = 0;
for (my $end = time + ($ENV{BATON_TEST_STORM} || 1); $rounds < 2 || time < $end; $rounds++) {
    my $from = [ map { $storm->told($_) } qw(452 exit75) ];
    my $is_own = $rounds % 2; # filled by the mail itself, which nobody takes
    $storm->sink->stop if $is_own;
    ok(wait_refusals($from, $is_own), 'round ' . ($rounds + 1) . ': on a full disk clients are told 452, and sendmail says 75');
    if ($rounds % 4 > 1) {
        $t->kill_batond; # recovery has no room, either
        $t->start_batond(timeout => 30);
    }
    if ($is_own) { $storm->sink->up } else { unlink $t->spool . '/filler' }
    ok(wait_flow(), 'when there is room again, it goes on by itself');
}
my $sum = $storm->finish(60);
diag("$rounds rounds");
diag(Baton::Storm::describe($sum));
is($sum->{missing}, 0, 'none of what was promised is missing') or diag("@{ $sum->{examples} }");
is($sum->{damaged}, 0, 'none is damaged') or diag("@{ $sum->{examples} }");
is($t->wait_log(qr/spool: .*(?:damaged|lost)/, 0, since => 'ever'), '', 'nothing on disk was ever found damaged');
done_testing();
