#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
# Many clients that keep quiet: what they cost in memory, that it is given back when they go, and that others are served meanwhile.
use strict;
use warnings;
use Test::More;
use FindBin;
use lib "$FindBin::Bin/lib";
use Baton::Test;
use IO::Socket::INET;

plan skip_all => 'sanitizers keep what is freed' if (slurp(build_dir() . '/build.h') // '') =~ /^#define WITH_SANITIZERS/m;
my $CLIENTS = 900; # 1,024 open files are what an ordinary user has

my $t = Baton::Test->new;
my $port = free_port();
my $sink = $t->sink;
$t->config(relayhost => $sink->address, receive_workers => 1, default_process_limit => 1000,
    raw => qq(listen test { address = "127.0.0.1" port = $port }\n));
$t->start_batond;

sub ask {
    my ($s, $line) = @_;
    print $s "$line\r\n" if defined $line;
    while (defined(my $reply = <$s>)) { return $reply if $reply =~ /^\d{3} / }
    return '';
}
sub dial {
    my $s = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $port, Timeout => 10) or die "connect: $@";
    ask($s) =~ /^220/ && ask($s, 'EHLO test') =~ /^250/ or die 'not greeted';
    return $s;
}

# The memory that is the receive worker's alone, KiB
my $worker;
sub private_kib {
    my ($kib) = (slurp("/proc/$worker/smaps_rollup") // '') =~ /^Private_Dirty: +(\d+)/m;
    return $kib // 0;
}

dial() for 1 .. 3; # what the first clients cost is not theirs
($worker) = $t->log_text =~ m{baton/receive\[(\d+)\]} or BAIL_OUT('no receive worker in the log');
plan skip_all => 'no smaps_rollup to read' if !private_kib();
my $before = private_kib();
my @quiet = map { dial() } 1 .. $CLIENTS;
my $each = (private_kib() - $before) / $CLIENTS;
cmp_ok($each, '<', 8, sprintf 'a quiet client costs less than 8 KiB (%.1f)', $each);
cmp_ok($each, '>', 0.5, 'which is more than nothing, so it was measured');

my $new = dial();
like(ask($new, $_->[0]), $_->[1], $_->[0] =~ s/\r\n.*//sr)
    for [ 'MAIL FROM:<me@example.test>', qr/^250/ ], [ 'RCPT TO:<you@example.test>', qr/^250/ ], [ 'DATA', qr/^354/ ],
    [ "Subject: x\r\n\r\nbody\r\n.", qr/^250/ ];
is(scalar(() = $sink->wait_messages(1)), 1, 'others are served meanwhile');
is(scalar(grep { ask($_, 'NOOP') =~ /^250/ } @quiet), $CLIENTS, 'and all quiet ones are still there');

close $_ for splice @quiet;
ok((wait_until { private_kib() - $before < $each * $CLIENTS / 3 }), 'when they have gone, their memory is given back')
    or diag(sprintf '%d KiB before, %.1f each, %d KiB afterwards', $before, $each, private_kib());
done_testing;
