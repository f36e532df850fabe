#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
# Clients that mean no good: each of them at its work, and others are served as before.
use strict;
use warnings;
use FindBin;
use Test::More;
use lib "$FindBin::Bin/lib";
use Baton::Client;
use Baton::Test;
use Time::HiRes qw(time);

my $slow = $ENV{BATON_TEST_SLOW} || 1;
my ($t, $port);

sub start {
    my (%config) = @_;
    $port = free_port();
    $t = Baton::Test->new;
    $t->config(receive_workers => 2, relayhost => '[127.0.0.1]:9', smtpd_client_event_limit_exceptions => '', %config,
        raw => "listen smtp { address = \"127.0.0.1\"\n port = $port }\n");
    $t->start_batond;
}

sub client { return Baton::Client->new(port => $port, @_) }

sub open_client { my $c = client(@_); $c->greet; return $c }

sub receivers { return grep { (slurp("/proc/$_/comm") // "") =~ /batond|receive/ && $_ != $t->batond_pid } $t->batond_pids }
sub memory { my $n = 0; (slurp("/proc/$_/status") // '') =~ /^RssAnon:\s+(\d+)/m and $n += $1 for receivers(); return $n * 1024 }
sub files { my $n = 0; $n += () = glob "/proc/$_/fd/*" for receivers(); return $n }

# Someone else, in the middle of it: by SMTP and by sendmail
sub others_are_served {
    my ($what) = @_;
    my $before = time;
    my $c = open_client(from => '127.0.0.9');
    like($c->deliver(seconds => 5), qr/^250 .*queued/, "$what: another client is served");
    cmp_ok(time - $before, '<', 2 * $slow, 'at once');
    my $r = $t->sendmail(['-t'], input => "To: a\@example.test\n\nx\n");
    is($r->{code}, 0, 'and sendmail is');
    ok($t->wait_log(qr/uid=\d+ from=</), 'by the daemon');
}

subtest 'nonsense' => sub {
    start(smtpd_client_connection_count_limit => 20, default_process_limit => 50);
    my $before = memory();
    my @c = map { open_client(from => '127.0.0.2') } 1 .. 10;
    srand 1;
    my $noise = join '', map { chr int rand 256 } 1 .. 65536;
    $c[0]->flood($noise, 10_000_000, 0.2);
    $c[1]->flood('x' x 65536, 10_000_000, 0.2);                                 # a line without an end
    $c[2]->say('MAIL FROM:<a@b.test>');
    $c[2]->flood("RCPT TO:<a\@b.test>\r\n" x 1000, 4_000_000, 0.2);             # and never reads
    $c[3]->say($_) for 'MAIL FROM:<a@b.test>', 'RCPT TO:<a@b.test>', 'DATA';
    is($c[3]->flood("\r\nyyyy" x 10000, 60_000_000), 60_000_000, 'content without an end is passed over');
    $c[4]->say($_) for 'MAIL FROM:<a@b.test>', 'RCPT TO:<a@b.test>', 'DATA';
    $c[4]->flood('z' x 65536, 20_000_000);                                      # nor a line's
    $c[5]->say($_) for 'MAIL FROM:<a@b.test>', 'RCPT TO:<a@b.test>';
    $c[5]->flood("BDAT 99999999999\r\n" . 'q' x 60000, 5_000_000, 0.2);
    $c[6]->flood("A\r\n", 3000, 0.2);
    $c[7]->flood("\r\n" x 1000, 100_000, 0.2);
    $c[8]->send_raw('E');
    others_are_served('nonsense');
    cmp_ok(memory() - $before, '<', 12_000_000, 'it takes little memory') if !sanitized();
};

subtest 'a crowd' => sub {
    start(smtpd_client_connection_count_limit => 5, default_process_limit => 50);
    my $open = files();
    my ($refused, @kept) = (0);
    for my $i (1 .. 2000) {
        my $c = client(from => '127.0.0.' . (2 + $i % 3)) or next;
        push @kept, $c if $i % 4 == 0; # who does not close either
        shift(@kept)->close if @kept > 400;
    }
    others_are_served('a crowd');
    my $text = $t->log_text;
    my $n = () = $text =~ /Connection concurrency limit exceeded/g;
    cmp_ok($n, '>', 1000, 'most of it is refused');
    $_->close for @kept;
    for (1 .. 700) {
        my $c = open_client(from => '127.0.0.5') or next;
        $c->send_raw("QUIT\r\n");
        push @kept, $c;
    }
    cmp_ok(files() - $open, '<', 2 * 256 + 60, 'who does not close keeps no file open for long');
    others_are_served('those who stay');
};

subtest 'memory has a ceiling' => sub {
    start(smtpd_client_connection_count_limit => 0, default_process_limit => 1000, receive_memory_limit => '16777216', receive_workers => 2);
    my $before = memory();
    my $early = open_client(from => '127.0.0.9');
    $early->say($_) for 'MAIL FROM:<a@b.test>', 'RCPT TO:<a@example.test>', 'DATA';
    my $large = open_client(from => '127.0.0.9');
    $large->say($_) for 'MAIL FROM:<a@b.test>', 'RCPT TO:<a@example.test>', 'DATA';
    $large->send_raw("Subject: large\r\n\r\n" . ('y' x 70 . "\r\n") x 500);
    my @c = map { open_client() } 1 .. 250;
    for my $line ('MAIL FROM:<a@b.test>', 'RCPT TO:<a@example.test>', 'DATA') { $_->say($line) for @c }
    my $peak = 0;
    for my $round (1 .. 5) { # 380 kB of header each, and no end of it: 95 MB
        $_->flood(join('', map { "X-$round-$_: " . 'h' x 990 . "\r\n" } 1 .. 76), 1, 0.5) for @c;
        my $now = memory();
        $peak = $now if $now > $peak;
    }
    my @new = map { my $c = client(); $c ? $c->reply : 'none' } 1 .. 3;
    like($_, qr/^421 4\.3\.2 /, 'a new client is put off') for @new;
    ok($t->wait_log(qr/receive_memory_limit: clients hold \d+ bytes of 16777216/), 'the log says so');
    like($early->say("Subject: x\r\n\r\nx\r\n."), qr/^250 .*queued/, 'what has begun ends well');
    like($large->say(('z' x 70 . "\r\n") x 5000 . '.'), qr/^250 .*queued/, 'also what is large');
    like($early->say('MAIL FROM:<a@b.test>'), qr/^452 4\.3\.1 Insufficient system storage/, 'another message has to wait');
    is($t->sendmail(['-t'], input => "To: a\@example.test\n\nx\n")->{code}, 0, 'sendmail is served');
    ok($t->wait_log(qr/uid=\d+ from=</), 'by the daemon');
    my %end;
    $end{ substr($_->say("\r\n.") // 'nothing', 0, 9) }++ for @c;
    cmp_ok($end{'452 4.3.1'} // 0, '>', 100, 'endless headers are refused') or diag explain \%end;
    is(($end{'452 4.3.1'} // 0) + ($end{'250 2.0.0'} // 0), 250, 'as temporary, or taken');
    if (!sanitized()) {
        cmp_ok($peak - $before, '<', 16_777_216 + 8_000_000, 'and all of them stay below the ceiling') or diag $peak;
    }
    others_are_served('when they are gone');
};

# Sanitizers keep what was freed.
sub sanitized { my $binary = slurp(program('batond')) // ''; return index($binary, '__asan_init') >= 0 }

done_testing();
