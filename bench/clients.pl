#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
# clients.pl PORT N TRANSACTIONS [tls] - N clients that say EHLO (with tls: STARTTLS, and EHLO again) and then nothing; and how long
# others wait meanwhile, one after the other: a connection of their own, in the clear, from connect() till the 250 of a
# message of 4 KiB. After each step a line on stdout, and on with the next when a line comes in.
use strict;
use warnings;
use IO::Socket::INET;
use Time::HiRes qw(time);
my ($port, $n, $transactions, $tls) = @ARGV;
my $context;
$| = 1;

sub answer {  # the last line of a reply
    my ($s) = @_;
    while (defined(my $line = <$s>)) { return $line if $line =~ /^\d{3} / }
    return '';
}
sub ask { my ($s, $line) = @_; syswrite $s, "$line\r\n"; return answer($s) }
sub dial { return IO::Socket::INET->new(PeerAddr => "127.0.0.1:$port", Timeout => 20) }
sub step { <STDIN> // exit }

sub idle_client {
    my $s = dial() or return;
    answer($s) =~ /^220/ && ask($s, 'EHLO idle.test') =~ /^250/ or return;
    return $s if !$tls;
    ask($s, 'STARTTLS') =~ /^220/ or return;
    $s = IO::Socket::SSL->start_SSL($s, SSL_verify_mode => 0, SSL_reuse_ctx => $context) or return;
    return ask($s, 'EHLO idle.test') =~ /^250/ ? $s : undef;
}

sub transaction {
    my $began = time;
    my $s = dial() or return;
    answer($s) =~ /^220/ or return;
    for ('EHLO new.test', 'MAIL FROM:<from@client.test>', 'RCPT TO:<to@dest.test>') { ask($s, $_) =~ /^250/ or return }
    ask($s, 'DATA') =~ /^354/ or return;
    ask($s, 'Subject: new' . "\r\n" x 2 . ('x' x 78 . "\r\n") x 51 . '.') =~ /^250/ or return;
    my $took = time - $began;
    ask($s, 'QUIT');
    return $took;
}

if ($tls) {
    require IO::Socket::SSL;
    $context = IO::Socket::SSL::SSL_Context->new(SSL_verify_mode => 0); # one, or each client reads all authorities
}
my (@idle, $refused);
my $began = time;
for (1 .. $n) {
    if (my $s = idle_client()) { push @idle, $s }
    elsif (++$refused >= 3) { last }
}
printf "held=%d refused=%d open_s=%.2f\n", scalar @idle, $refused // 0, time - $began;

step();
my @took = sort { $a <=> $b } grep { defined } map { transaction() } 1 .. $transactions;
printf "served=%d median_ms=%.2f p99_ms=%.2f max_ms=%.2f\n", scalar @took,
    map { 1000 * ($took[ int($_ * $#took + 0.5) ] // 0) } 0.5, 0.99, 1;

step();
my $alive = grep { ask($_, 'NOOP') =~ /^250/ } @idle;
print "alive=$alive\n";

step();
close $_ for @idle;
print "closed\n";
step();
