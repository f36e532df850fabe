#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
# A file system that fills up: nobody is told 250 for what is not kept, and what was kept stays whole.
use strict;
use warnings;
use Test::More;
use FindBin;
use lib "$FindBin::Bin/lib";
use Baton::Test;

skip_all_unless_root();
my $t = Baton::Test->new;
mkdir $t->spool;
plan skip_all => 'no file system can be mounted here'
  if system('mount', '-t', 'tmpfs', '-o', 'size=80m', 'tmpfs', $t->spool) != 0;
END { system('umount', '-l', $t->spool) if $t }

my $relay = $t->fake_relay(listen => 0);
$t->config(relayhost => $relay->address, message_size_limit => '1000000', minimal_backoff_time => '1s', maximal_backoff_time => '1s');
$t->start_batond;

sub submit {
    my ($name, $bytes) = @_;
    return $t->sendmail(['-f', 'me@example.test', "$name\@example.test"], input => message(bytes => $bytes // 3000, subject => $name));
}

my @kept;
for my $name (map { "before$_" } 1 .. 5) { push @kept, $name if submit($name, 400_000)->{code} == 0 }
is(scalar @kept, 5, 'while there is room mail is taken');

# All that is left goes to somebody else.
open my $fill, '>', $t->spool . '/filler' or die;
my $block = 'x' x 65536;
my $n = 1;
while ($n) { $n = syswrite $fill, $block, 65536 }
$n = 1;
while ($n) { $n = syswrite $fill, 'x', 1 }
close $fill;

for my $name (map { "during$_" } 1 .. 3) {
    my $r = submit($name, 300_000);
    if ($r->{code} == 0) { push @kept, $name }
    else { is($r->{code}, 75, "$name is refused for now, with 75"); like($r->{err}, qr/\S/, 'and a reason') }
}
ok(@kept < 8, 'a full disk is not overlooked');
ok(!(grep { !/^\./ && -e $t->spool . "/drop/$_" && /^tmp/ } do { opendir my $d, $t->spool . '/drop'; readdir $d }), 'nothing half-kept lies in the drop');
like($t->wait_log(qr/No space left|Insufficient|not enough free space/i), qr/\S/, 'the log says why');

unlink $t->spool . '/filler';
ok((wait_until { submit('after')->{code} == 0 } 10), 'when there is room again mail is taken again');
push @kept, 'after';
$relay->up;
my %came;
wait_until { $came{ $_->{rcpts}[0] } = $_ for $relay->wait_messages(1); keys %came >= @kept } 20;
is_deeply([sort keys %came], [sort map { "$_\@example.test" } @kept], 'all that was taken arrives, and nothing else');
for my $name (grep { /before/ } @kept) {
    my $m = $came{"$name\@example.test"} or next;
    my $lines = () = $m->{content} =~ /^x{76}\r$/mg;
    ok($lines > 5000, "$name arrives whole");
}
$t->stop_batond;
done_testing();
