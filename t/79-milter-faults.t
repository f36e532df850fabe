#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
# Filters that are away, hang, die or talk nonsense; large messages; and mail that nobody has filtered when it was left.
use strict;
use warnings;
use FindBin;
use IO::Socket::INET;
use POSIX ();
use Test::More;
use Time::HiRes qw(time sleep);
use lib "$FindBin::Bin/lib";
use Baton::Client;
use Baton::Filter;
use Baton::Test;

skip_all_unless_server();
plan skip_all => 'python3-milter is not installed' if !Baton::Filter::has('python');

my $text = "From: me\@example.test\r\nTo: b\@client.test\r\nSubject: one\r\n\r\nfirst\r\n";
my $mark = "def eom(self):\n    self.addheader('X-Seen', 'yes')\n    return Milter.CONTINUE\n";

sub fresh {
    my ($t, %config) = @_;
    my $relay = $t->fake_relay;
    my $port = free_port();
    $t->config(relayhost => $relay->address, raw => "listen smtp {\n    address = \"127.0.0.1\"\n    port = $port\n}\n", %config);
    $t->start_batond;
    return ($relay, $port);
}

sub client { my ($port) = @_; my $c = Baton::Client->new(port => $port); $c->greet; return $c }

# A filter that takes each connection, sends what code->(its number) returns, and says no more. Ends with the test.
my @fakes;
sub fake {
    my ($code) = @_;
    my $s = IO::Socket::INET->new(LocalAddr => '127.0.0.1', Listen => 20, ReuseAddr => 1) or die "listen: $!";
    my $pid = fork // die "fork: $!";
    if (!$pid) {
        setpgrp 0, 0;
        my ($n, @kept) = 0;
        while (my $c = $s->accept) {
            my $said = $code->(++$n);
            if (!defined $said) { close $c; next }
            syswrite $c, $said;
            push @kept, $c;
        }
        POSIX::_exit(0);
    }
    push @fakes, $pid;
    return 'inet:127.0.0.1:' . $s->sockport;
}
END { my $rc = $?; kill 'KILL', -$_ for @fakes; waitpid $_, 0 for @fakes; $? = $rc }

sub packet { my ($data) = @_; return pack('N', length $data) . $data }
my $optneg = packet('O' . pack('NNN', 6, 0x1ff, 0));

subtest 'a filter that is away, by default action' => sub {
    my $nobody = free_port();
    my %want = (
        tempfail   => qr/^451 4\.7\.1 Service unavailable/,
        reject     => qr/^550 5\.5\.0 Service unavailable/,
        accept     => qr/^250 2\.0\.0 Ok: queued/,
        quarantine => qr/^250 2\.0\.0 Ok: queued/,
        shutdown   => qr/^421 4\.7\.0 /,
    );
    for my $action (sort keys %want) {
        my $t = Baton::Test->new;
        my ($relay, $port) = fresh($t, smtpd_milters => "inet:localhost:$nobody", milter_default_action => $action);
        like(client($port)->deliver(from => 'me@example.test', text => $text), $want{$action}, $action);
        ok($t->wait_log(qr/warning: milter inet:localhost:$nobody: .*Connection refused/), 'the log says why');
        if ($action eq 'quarantine') {
            ok($t->wait_log(qr/: \w+: milter-hold: END-OF-MESSAGE from unknown\[127\.0\.0\.1\]: the filter failed; from=<me\@example\.test>/), 'and that it is held');
            ok($t->wait_log(qr/queue hold/), 'as it is');
        } elsif ($action eq 'accept') {
            ok($relay->wait_messages(1), 'it is sent');
        }
    }
};

subtest 'nonsense, silence and death in every step' => sub {
    my %cases = (
        'a banner of another protocol'    => [ "220 mail.example.test ESMTP\r\n", qr/a packet of \d+ bytes/ ],
        'version 7'                       => [ packet('O' . pack('NNN', 7, 0, 0)), qr/wants version 7 of the protocol, we offer 6/ ],
        'no answer to the negotiation'    => [ '', qr/no answer to SMFIC_OPTNEG: .*for 1 s/ ],
        'no answer to CONNECT'            => [ $optneg, qr/no answer to SMFIC_CONNECT: .*for 1 s/ ],
        'an answer too many'              => [ $optneg . packet('c') . packet('c') . packet('c'), qr/answers what was not asked/ ],
        'an unknown answer'               => [ $optneg . packet('!'), qr/an unknown packet '!'/ ],
        'a change before its time'        => [ $optneg . packet("hX-A\0b\0"), qr/changes the message before its end/ ],
        'an end without a word'           => [ undef, qr/it has closed the connection|reset by peer/ ],
    );
    for my $what (sort keys %cases) {
        my ($said, $log) = @{ $cases{$what} };
        my $t = Baton::Test->new;
        my (undef, $port) = fresh($t, smtpd_milters => fake(sub { $said }), milter_command_timeout => '1s', milter_connect_timeout => '1s');
        my $c = client($port);
        like($c->say('MAIL FROM:<me@example.test>'), qr/^451 4\.7\.1 /, "$what: later");
        ok($t->wait_log($log), 'and the log says what was wrong') or diag $t->log_text;
    }
};

subtest 'a filter that hangs holds up its own clients only, and mail goes on when it is back' => sub {
    my $t = Baton::Test->new;
    my $filter = Baton::Filter->python($t, "def envrcpt(self, *a): return Milter.CONTINUE\n$mark");
    spew($t->path('maps'), "127.0.0.2/32 DISABLE\n");
    my ($relay, $port) = fresh($t, smtpd_milters => $filter->address, milter_command_timeout => '3s', milter_connect_timeout => '3s',
        smtpd_milter_maps => 'cidr:' . $t->path('maps'), receive_workers => 1);
    my $c = client($port);
    $c->say('MAIL FROM:<me@example.test>');
    $filter->hang;
    $c->send_raw("RCPT TO:<b\@example.test>\r\n");
    my $other = Baton::Client->new(port => $port, from => '127.0.0.2');
    $other->greet;
    like($other->deliver(from => 'other@example.test', text => $text), qr/^250/, 'another client is served');
    ok(!IO::Select->new($c->socket)->can_read(0), 'before the filter is given up');
    like($c->reply, qr/^451 4\.7\.1 /, 'its own gets its answer when the time is over');
    like($c->say('RCPT TO:<b@example.test>'), qr/^451 4\.7\.1 /, 'and again for this message');
    $filter->go_on;
    like($c->say('RSET'), qr/^250/, 'then');
    like($c->deliver(from => 'me@example.test', text => $text), qr/^250/, 'the next message goes on, over the same connection') or diag $t->log_text;
    my %m = map { $_->{from} => $_ } $relay->wait_messages(2);
    like($m{'me@example.test'}{content}, qr/X-Seen: yes/, 'filtered');
};

subtest 'a filter dies in the middle of a message' => sub {
    for my $action (qw(tempfail accept)) {
        my $t = Baton::Test->new;
        my $filter = Baton::Filter->python($t, "def eom(self):\n    os.kill(os.getpid(), 9)\n    return Milter.CONTINUE\n");
        my ($relay, $port) = fresh($t, smtpd_milters => '{ ' . $filter->address . ", default_action=$action }");
        my $c = client($port);
        like($c->deliver(from => 'me@example.test', text => $text), $action eq 'accept' ? qr/^250/ : qr/^451 4\.7\.1 /, "$action: its answer");
        ok($t->wait_log(qr/no answer to SMFIC_BODYEOB: /), 'the log says where');
        ok($t->wait_log(qr/: \w{10,}: milter-reject: END-OF-MESSAGE from unknown\[127\.0\.0\.1\]: 4\.7\.1 Service unavailable - try again later; from=<me\@example\.test> to=<b\@example\.test> proto=ESMTP helo=<client\.test>/), 'in the shape of Postfix') if $action eq 'tempfail';
    }
};

subtest 'progress buys time' => sub {
    my $t = Baton::Test->new;
    my $filter = Baton::Filter->python($t, "def eom(self):\n    for i in range(4):\n        time.sleep(0.5)\n        self.progress()\n    self.addheader('X-Seen', 'yes')\n    return Milter.CONTINUE\n");
    my ($relay, $port) = fresh($t, smtpd_milters => $filter->address, milter_content_timeout => '1s');
    like(client($port)->deliver(from => 'me@example.test', text => $text), qr/^250/, 'two seconds of work within a limit of one');
};

subtest 'a client that goes while a filter thinks' => sub {
    my $t = Baton::Test->new;
    my $filter = Baton::Filter->python($t, "def eom(self):\n    log.write('eom\\n')\n    time.sleep(0.3)\n    return Milter.CONTINUE\ndef close(self):\n    log.write('close\\n')\n    return Milter.CONTINUE\n");
    my ($relay, $port) = fresh($t, smtpd_milters => $filter->address);
    my $c = client($port);
    $c->say($_) for 'MAIL FROM:<me@example.test>', 'RCPT TO:<b@example.test>', 'DATA';
    $c->send_raw("$text.\r\n");
    wait_until { $filter->log_text =~ /eom/ } 5;
    $c->close;
    wait_until { $filter->log_text =~ /close/ } 5;
    log_like($filter, qr/close/, 'the filter is told');
    like(client($port)->deliver(from => 'me@example.test', text => $text), qr/^250/, 'and others are served');
};

sub peak { my ($pid) = @_; return ((slurp("/proc/$pid/status") // '') =~ /VmHWM:\s+(\d+) kB/)[0] // 0 }

subtest 'a large message: memory stays bounded, every byte arrives' => sub {
    my $t = Baton::Test->new;
    my $seen = Baton::Filter->python($t, "def body(self, b):\n    self.n = getattr(self, 'n', 0) + len(b)\n    return Milter.CONTINUE\ndef eom(self):\n    self.addheader('X-Length', str(self.n), 0)\n    return Milter.CONTINUE\n");
    my $size = 20_000_000;
    my ($relay, $port) = fresh($t, smtpd_milters => $seen->address, message_size_limit => 30_000_000, receive_workers => 1);
    like(client($port)->deliver(from => 'small@example.test', text => $text), qr/^250/, 'a small one first');
    my ($worker) = $t->log_text =~ /baton\/receive\[(\d+)\]/;
    my $before = peak($worker);
    my $line = join('', map { chr(ord('a') + $_ % 26) } 1 .. 78) . "\r\n";
    my $content = $line x ($size / length $line);
    my $c = client($port);
    $c->say($_) for 'MAIL FROM:<large@example.test>', 'RCPT TO:<b@example.test>', 'DATA';
    $c->send_raw("Subject: large\r\n\r\n");
    is($c->flood($line x 1000, $size, 20), $size, 'all of it goes out');
    $c->send_raw(".\r\n");
    like($c->reply(60), qr/^250/, 'it is taken') or diag $t->log_text;
    my $grown = peak($worker) - $before;
    cmp_ok($grown, '<', 4096, "the worker's memory has grown by $grown KiB at most") if ($ENV{BATON_TEST_SLOW} // 1) <= 1;
    my %m = map { $_->{from} => $_ } $relay->wait_messages(2, 30);
    my $large = $m{'large@example.test'}{content} // '';
    my $length = length $content;
    like(substr($large, 0, 100), qr/\AX-Length: $length\r\n/, 'the filter has seen all of it');
    my ($body) = $large =~ /\r\n\r\n(.*)\z/s;
    ok($body eq $content, 'and it is what was sent');
};

subtest 'what sendmail has left in the drop is filtered when the daemon is back' => sub {
    my $t = Baton::Test->new;
    my $filter = Baton::Filter->python($t, "def envrcpt(self, r, *a):\n    return Milter.REJECT if 'bad' in r else Milter.CONTINUE\n$mark");
    my $relay = $t->fake_relay;
    $t->config(relayhost => $relay->address, non_smtpd_milters => $filter->address, minimal_backoff_time => '1s', maximal_backoff_time => '1s');
    $t->start_batond; # which makes the folders
    $t->stop_batond;
    is($t->sendmail(['-f', 'me@example.test', "$_\@example.test"], input => "Subject: $_\n\nx\n")->{code}, 0, "no daemon: $_") for qw(good bad);
    $t->start_batond;
    my %m = map { $_->{from} => $_ } $relay->wait_messages(2);
    my $good = $m{'me@example.test'};
    ok($good, 'it is sent') or return diag $t->log_text;
    like($good->{content}, qr/X-Seen: yes/, 'filtered');
    is(scalar(() = $good->{content} =~ /^X-Seen/mg), 1, 'once');
    log_like($t, qr/: \w+: to=<good\@example\.test>, relay=\(again\), .*status=sent \(250 2\.0\.0 Ok: queued as \w+\)/, 'the log shows its way');
    ok($m{''}, 'what the filter refuses goes back to its sender') or diag $t->log_text;
    like($m{''}{content} // '', qr/bad\@example\.test.*5\.7\.1/s, 'with the reason');
    $filter->stop;
    is($t->sendmail(['-f', 'me@example.test', 'later@example.test'], input => "Subject: later\n\nx\n")->{code}, 0, 'with the filter away sendmail keeps the mail');
    ok($t->wait_log(qr/to=<later\@example\.test>, relay=\(again\), .*status=deferred \(.*451 4\.7\.1/), 'it waits') or diag $t->log_text;
    $filter->up;
    my ($late) = grep { "@{ $_->{rcpts} }" =~ /later/ } $relay->wait_messages(3, 15);
    like($late ? $late->{content} : '', qr/X-Seen: yes/, 'till the filter is back') or diag $t->log_text;
};

done_testing;
