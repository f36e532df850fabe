#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
# What one client, and all together, may have: counted over all receive workers.
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

# A daemon with these parameters and an SMTP port, where loopback clients are counted as any others.
sub start {
    my (%config) = @_;
    $port = free_port();
    $t = Baton::Test->new;
    my $more = delete $config{listen} // '';
    $t->config(receive_workers => 3, smtpd_client_event_limit_exceptions => '', relayhost => '[127.0.0.1]:9', %config,
        raw => "listen smtp { address = \"127.0.0.1\"\n port = $port\n$more }\n");
    $t->start_batond;
}

sub client { return Baton::Client->new(port => $port, @_) }
sub count_log { my ($want) = @_; return scalar grep { $_ =~ $want } $t->log_lines }
sub receivers { return grep { (slurp("/proc/$_/cmdline") // '') =~ /batond/ && $_ != $t->batond_pid } $t->batond_pids }

subtest 'connections of a client' => sub {
    start(smtpd_client_connection_count_limit => 4);
    my @in = map { client() } 1 .. 4;
    like($_->reply, qr/^220 /, 'one within the limit is greeted') for @in;
    my $c = client();
    is($c->reply, "421 4.7.0 client.example.test Error: too many connections from 127.0.0.1\n", 'one more is refused');
    is($c->reply, '', 'and closed');
    like($t->wait_log(qr/limit exceeded/), qr/Connection concurrency limit exceeded: 5 from unknown\[127\.0\.0\.1\] for service smtp$/, 'the log says who');
    like(client(from => '127.0.0.2')->reply, qr/^220 /, 'another address is greeted');
    (pop @in)->close;
    ok(wait_until(sub { my $r = ($in[3] = client())->reply; $r =~ /^220/ }, 5), 'who leaves makes room');

    my %old = map { $_ => 1 } receivers();
    kill 'KILL', keys %old;
    ok($t->wait_log(qr/was ended by signal 9/), 'workers that are killed');
    is($_->reply, '', 'lose their clients') for @in;
    ok(wait_until(sub { my $r = ($in[0] = client())->reply; $r =~ /^220/ }, 10), 'and others serve');
    @in = map { client() } 1 .. 3;
    like($_->reply, qr/^220 /, 'to whom the lost ones do not count') for @in;
    $t->stop_batond;
    ok(count_log(qr{statistics: max connection count [45] for \(smtp:127\.0\.0\.1\) at \w\w\w [ \d]\d \d\d:\d\d:\d\d$}), 'the highest count is logged at the end');
};

subtest 'events of a client' => sub {
    start(smtpd_client_message_rate_limit => 2, smtpd_client_recipient_rate_limit => 3, anvil_status_update_time => '1s',
        smtpd_client_connection_rate_limit => 8);
    my ($a, $b, $c) = map { client() } 1 .. 3;
    $_->greet for $a, $b, $c;
    like($a->say('MAIL FROM:<a@b.test>'), qr/^250 /, 'a message');
    like($b->say('MAIL FROM:<a@b.test>'), qr/^250 /, 'a second one over another connection');
    is($c->say('MAIL FROM:<a@b.test>'), "450 4.7.1 Error: too much mail from 127.0.0.1\n", 'the third is too much');
    like($a->say('RCPT TO:<a@example.test>'), qr/^250 /, 'recipients') for 1, 2;
    like($b->say('RCPT TO:<a@example.test>'), qr/^250 /, 'and a third');
    is($a->say('RCPT TO:<a@example.test>'), "450 4.7.1 Error: too many recipients from 127.0.0.1\n", 'the fourth is too much');
    ok($t->wait_log(qr/Message delivery request rate limit exceeded: 3 from unknown\[127\.0\.0\.1\] for service smtp/), 'the log says so of messages');
    ok($t->wait_log(qr/Recipient address rate limit exceeded: 4 from /), 'and of recipients');
    my $d = client(from => '127.0.0.2');
    $d->greet;
    like($d->deliver, qr/^250 .*queued/, 'another client is not concerned');
    client()->greet for 4 .. 8;
    is(client()->reply, "421 4.7.0 client.example.test Error: too many connections from 127.0.0.1\n", 'and too many connections in a time are refused');
    ok($t->wait_log(qr/Connection rate limit exceeded: 9 from /), 'which the log says');
    ok($t->wait_log(qr{statistics: max message rate 3/60s for \(smtp:127\.0\.0\.1\) at }), 'the highest counts are logged');
    ok($t->wait_log(qr{statistics: max recipient rate 4/60s for }), 'of each kind');
};

subtest 'who is excepted, and a window that ends' => sub {
    start(smtpd_client_message_rate_limit => 1, smtpd_client_event_limit_exceptions => '127.0.0.2', anvil_rate_time_unit => '1s',
        smtpd_client_connection_count_limit => 1);
    my @c = map { client(from => '127.0.0.2') } 1 .. 3;
    like($_->greet, qr/^250/, 'an excepted client has connections') for @c;
    like($c[0]->deliver, qr/^250 .*queued/, 'and sends') for 1 .. 3;
    my $d = client();
    $d->greet;
    like($d->deliver, qr/^250 .*queued/, 'another sends once');
    my ($n, $r) = (0);
    ok(wait_until(sub { $n++; $r = $d->deliver; $r =~ /^250/ }, 5), 'and again when the window is over');
    cmp_ok($n, '>', 1, 'but not before');
    is($t->sendmail(['-t'], input => "To: a\@example.test\n\nx\n")->{code}, 0, 'programs of this machine are not counted') for 1, 2;
};

subtest 'connections of a service' => sub {
    start(default_process_limit => 7, listen => 'process_limit = 5', smtpd_client_connection_count_limit => 0);
    my @in = map { client() } 1 .. 5;
    like($_->reply, qr/^220 /, 'one within the limit is greeted') for @in;
    for (1 .. 30) {
        my $c = client();
        my $r = $c->reply . $c->reply;
        next if $r eq "421 4.3.2 client.example.test Error: too many connections, try again later\n";
        is($r, '421 4.3.2', 'one more is turned away');
        last;
    }
    is(count_log(qr/warn.*process limit|has reached its process limit/), 1, 'the log says so once');
    ok($t->wait_log(qr/service smtp has reached its process limit: 5 clients are connected/), 'with the service');
    wait_until { count_log(qr/connect from/) >= 5 } 5;
    is(count_log(qr/connect from/), 5, 'and not once for each');
    is($t->sendmail(['-t'], input => "To: a\@example.test\n\nx\n")->{code}, 0, 'sendmail is served all the same');
    ok($t->wait_log(qr/uid=\d+ from=</), 'by the daemon');
    my @local = map { Baton::Client->new(path => $t->spool . '/public/submit') } 1 .. 7;
    like($_->reply, qr/^220 /, 'programs have a limit of their own') for @local;
    like(Baton::Client->new(path => $t->spool . '/public/submit')->reply, qr/^421 4\.3\.2 /, 'which holds too');
    $t->config(receive_workers => 3, relayhost => '[127.0.0.1]:9', default_process_limit => 9,
        raw => "listen smtp { address = \"127.0.0.1\"\n port = $port }\n");
    ok($t->reload_batond, 'a reload to a higher limit');
    ok(wait_until(sub { my $c = client(); push @in, $c if $c->reply =~ /^220/; @in == 9 }, 5), 'lets more in, beside those of before');
};

subtest 'manners' => sub {
    start(smtpd_soft_error_limit => 2, smtpd_hard_error_limit => 4, smtpd_error_sleep_time => '0', smtpd_junk_command_limit => 3,
        smtpd_recipient_limit => 100, line_length_limit => 600, message_size_limit => 20000, hopcount_limit => 3, header_size_limit => 2000);
    my $c = client();
    $c->greet;
    like($c->say('BOGUS'), qr/^500 5\.5\.2 /, 'an error') for 1 .. 4;
    is($c->say('NOOP'), "421 4.7.0 client.example.test Error: too many errors\n", 'too many of them end it');
    is($c->reply, '', 'with the connection');

    $c = client();
    $c->greet;
    like($c->say('NOOP'), qr/^250 /, 'junk') for 1 .. 5;
    is($c->say('NOOP'), "421 4.7.0 client.example.test Error: too many errors\n", 'counts as errors after a while');

    $c = client();
    $c->greet;
    is($c->say('NOOP ' . 'x' x 700), "500 5.5.2 client.example.test Error: command too long\n", 'a long line');
    $c->say('MAIL FROM:<a@b.test>');
    my $ok = 0;
    $ok += $c->say("RCPT TO:<a$_\@example.test>") =~ /^250/ for 1 .. 100;
    is($ok, 100, 'recipients up to the limit');
    is($c->say('RCPT TO:<one-more@example.test>'), "452 4.5.3 Error: too many recipients\n", 'and no more');
    $c->say('RSET');
    is($c->say('MAIL FROM:<a@b.test> SIZE=20001'), "552 5.3.4 Message size exceeds fixed limit\n", 'a size that is too large');

    $c = client();
    $c->greet;
    is($c->deliver(text => "Subject: x\r\n\r\n" . ('y' x 70 . "\r\n") x 400), "552 5.3.4 Error: message file too big\n", 'and content that is');
    like($c->deliver(text => "X: " . ('y' x 70 . "\r\n ") x 40 . "\r\n\r\n"), qr/^552 5\.3\.4 .*header_size_limit/, 'a field that is');
    is($c->deliver(text => "Received: x\r\n" x 3 . "\r\n"), "554 5.4.0 Error: too many hops\n", 'a loop');
    is($c->say('NOOP'), "250 2.0.0 Ok\n", 'is not yet too much');

    start(queue_minfree => '1000000000000000');
    $c = client();
    $c->greet;
    is($c->deliver, "452 4.3.1 Insufficient system storage\n", 'a disk that is too full');
    ok($t->wait_log(qr/not enough free space in the queue: \d+ bytes/), 'which the log says');

    start(smtpd_soft_error_limit => 1, smtpd_error_sleep_time => '1s');
    $c = client();
    $c->greet;
    $c->say('BOGUS');
    my $before = time;
    $c->say('BOGUS');
    cmp_ok(time - $before, '>', 0.9, 'after some errors answers come late');
};

subtest 'time' => sub {
    my $over = "421 4.4.2 client.example.test Error: timeout exceeded\n";
    # Sends it in pieces, $pause seconds between them however slow the machine is, till something comes back.
    my $drip = sub {
        my ($c, $piece, $pause, $most) = @_;
        for (1 .. $most // 200) {
            $c->send_raw($piece);
            return $c->reply if IO::Select->new($c->socket)->can_read($pause);
        }
        return 'nothing';
    };
    start(smtpd_timeout => '2s', smtpd_min_data_rate => 100, smtpd_recipient_limit => 100000);
    my $c = client();
    $c->greet;
    is($c->reply(5), $over, 'who is silent is told');
    is($c->reply, '', 'and disconnected');
    ok($t->wait_log(qr/timeout after EHLO from unknown\[127\.0\.0\.1\]$/), 'which the log says');
    $c = client();
    $c->greet;
    is($drip->($c, 'x', 0.05), $over, 'a command that comes a byte at a time is no way round that');
    $c = client();
    $c->greet;
    $c->say($_) for 'MAIL FROM:<a@b.test>', 'RCPT TO:<a@example.test>', 'DATA';
    is($drip->($c, 'x', 0.05), $over, 'nor is content');
    ok($t->wait_log(qr/timeout after DATA from /), 'which the log says too');
    $c = client();
    $c->greet;
    $c->say($_) for 'MAIL FROM:<a@b.test>', 'RCPT TO:<a@example.test>', 'DATA';
    is($drip->($c, 'X: ' . '0' x 495 . "\r\n", 0.05, 60), 'nothing', 'content that comes fast enough may take longer');
    like($c->say("\r\n."), qr/^250 .*queued/, 'and is taken');
    $c = client();
    $c->greet;
    $c->say('MAIL FROM:<a@b.test>');
    $c->flood("RCPT TO:<a\@b.test>\r\n" x 1000, 40_000_000, 0.3);
    ok($t->wait_log(qr/timeout after RCPT from/, 5), 'who does not read replies is not waited for');

    start(smtpd_timeout => '2s', smtpd_per_request_deadline => 'no');
    $c = client();
    $c->greet;
    is($drip->($c, 'x', 0.05, 60), 'nothing', 'without a deadline any byte will do');
    is($c->reply(5), $over, 'but not none');
};

done_testing();
