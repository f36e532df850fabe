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
use IO::Select;
use Time::HiRes qw(time);

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

# The most memory that was seen while `what` ran, which calls it now and then
sub peak_of {
    my ($what) = @_;
    my $peak = 0;
    $what->(sub { my $now = memory(); $peak = $now if $now > $peak });
    return $peak;
}

# Someone else, in the middle of it: by SMTP and by sendmail
sub others_are_served {
    my ($what) = @_;
    my $before = time;
    my $c = open_client(from => '127.0.0.9');
    like($c->deliver(seconds => 5), qr/^250 .*queued/, "$what: another client is served");
    in_time($before, 2, 'at once');
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
    start(smtpd_client_connection_count_limit => 0, default_process_limit => 1000, receive_memory_limit => '25165824', receive_workers => 2);
    my $early = open_client(from => '127.0.0.9');
    $early->say($_) for 'MAIL FROM:<a@b.test>', 'RCPT TO:<a@example.test>', 'DATA';
    my $large = open_client(from => '127.0.0.9');
    $large->say($_) for 'MAIL FROM:<a@b.test>', 'RCPT TO:<a@example.test>', 'DATA';
    $large->send_raw("Subject: large\r\n\r\n" . ('y' x 70 . "\r\n") x 500);
    my @c = map { open_client() } 1 .. 250;
    for my $line ('MAIL FROM:<a@b.test>', 'RCPT TO:<a@example.test>', 'DATA') { $_->say($line) for @c }
    my $peak = peak_of(sub {
        my ($look) = @_;
        for my $round (1 .. 5) { # 380 kB of header each, and no end of it: 95 MB
            for my $c (@c) { $c->flood(join('', map { "X-$round-$_: " . 'h' x 990 . "\r\n" } 1 .. 76), 1, 0.5); $look->() }
        }
    });
    my @new = map { my $c = client(); $c ? $c->reply : 'none' } 1 .. 3;
    like($_, qr/^421 4\.3\.2 /, 'a new client is put off') for @new;
    ok($t->wait_log(qr/receive_memory_limit: clients hold \d+ bytes of 25165824/), 'the log says so');
    like($early->say("Subject: x\r\n\r\nx\r\n."), qr/^250 .*queued/, 'what has begun ends well');
    like($large->say(('z' x 70 . "\r\n") x 5000 . '.'), qr/^250 .*queued/, 'also what is large');
    like($early->say('MAIL FROM:<a@b.test>'), qr/^452 4\.3\.1 Insufficient system storage/, 'another message has to wait');
    is($t->sendmail(['-t'], input => "To: a\@example.test\n\nx\n")->{code}, 0, 'sendmail is served');
    ok($t->wait_log(qr/uid=\d+ from=</), 'by the daemon');
    my %end;
    $end{ substr($_->say("\r\n.") // 'nothing', 0, 9) }++ for @c;
    cmp_ok($end{'452 4.3.1'} // 0, '>', 100, 'endless headers are refused') or diag explain \%end;
    is(($end{'452 4.3.1'} // 0) + ($end{'250 2.0.0'} // 0), 250, 'as temporary, or taken');
    cmp_ok($peak, '<=', 25_165_824, 'and all of them stay below the ceiling') if !sanitized();
    others_are_served('when they are gone');
};

# All at once: the worker finds them all ready in one turn of its loop, and many end in it.
subtest 'recipients without number' => sub {
    start(smtpd_client_connection_count_limit => 0, default_process_limit => 1000, receive_memory_limit => '33554432', receive_workers => 2,
        smtpd_recipient_limit => 5000, smtpd_error_sleep_time => '0');
    my @c = map { open_client() } 1 .. 300;
    like($_->say('MAIL FROM:<a@b.test>'), qr/^250/, 'a message begins') for @c[0, 299];
    $_->say('MAIL FROM:<a@b.test>') for @c[1 .. 298];
    my @workers = receivers();
    my $rcpts = join '', map { 'RCPT TO:<' . 'r' x 60 . "$_\@" . 'd' x 40 . ".example.test>\r\n" } 1 .. 1500;
    my $peak = peak_of(sub {
        my ($look) = @_;
        stop_processes(@workers);
        $_->flood($rcpts, 200_000, 0.01) for @c;
        kill 'CONT', @workers;
        my $sel = IO::Select->new(map { $_->socket } @c);
        while (my @ready = $sel->can_read(2)) { # till nothing more comes
            for my $s (@ready) {
                my $n = sysread $s, my $away, 65536;
                $sel->remove($s) if defined $n ? !$n : !$!{EAGAIN};
            }
            $look->();
        }
    });
    cmp_ok($peak, '>', 4_000_000, 'they take what they get');
    cmp_ok($peak, '<=', 33_554_432, 'and stay below the ceiling') if !sanitized();
    $_->close for @c;
    ok($t->wait_log(qr/lost connection after RCPT from|too many errors/), 'they are gone');
    ok(wait_until(sub { my $c = client(from => '127.0.0.9'); ($c->greet // '') =~ /^250/ && $c->deliver =~ /^250 .*queued/ }, 20), 'and make room');
};

# Sanitizers keep what was freed.
sub sanitized { my $binary = slurp(program('batond')) // ''; return index($binary, '__asan_init') >= 0 }

done_testing();
