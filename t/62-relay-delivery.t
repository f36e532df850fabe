#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
# From sendmail through the daemon to the relayhost, and what becomes of mail that the relayhost does not take.
use strict;
use warnings;
use Test::More;
use FindBin;
use lib "$FindBin::Bin/lib";
use Baton::Test;

my $text = "From: me\@example.test\nTo: you\@example.test\nSubject: hello\n\nfirst\n.dot\nlast\n";

sub fresh {
    my ($script, %config) = @_;
    my $t = Baton::Test->new;
    my $relay = $t->fake_relay(%$script);
    $t->config(relayhost => $relay->address, %config);
    $t->start_batond;
    return ($t, $relay);
}

subtest 'a message goes its way' => sub {
    my ($t, $relay) = fresh({});
    my $r = $t->sendmail(['-f', 'me@example.test', '-t'], input => $text);
    is($r->{code}, 0, 'sendmail takes it') or diag $r->{err};
    my ($m) = $relay->wait_messages(1);
    ok($m, 'the relayhost has it') or return;
    is($m->{from}, 'me@example.test', 'with its sender');
    is_deeply($m->{rcpts}, ['you@example.test'], 'and its recipient');
    like($m->{content}, qr/^\.dot\r$/m, 'a line that begins with a dot arrives as it was');
    my $line = $t->wait_log(qr/status=sent/);
    like($line, qr{baton/relay\[\d+\]: (\w+): to=<you\@example\.test>, relay=127\.0\.0\.1\[127\.0\.0\.1\]:\d+, delay=[\d.]+, delays=[\d.]+/[\d.]+/[\d.]+/[\d.]+, dsn=2\.0\.0, status=sent \(250 2\.0\.0 taken as FAKE\)},
        'the delivery line has Postfix\'s shape');
    my ($id) = $line =~ /: (\w+): to=/;
    like($m->{content}, qr/^Received: .*\bid \Q$id\E\b/ms, 'the id is the one in Received:');
    ok($t->wait_log(qr/\Q$id\E: removed/), 'and the one that is removed');
    is($t->stop_batond, 0, 'batond leaves in order');
};

subtest 'many messages share a connection' => sub {
    my ($t, $relay) = fresh({}, smtp_destination_concurrency_limit => 1);
    $t->sendmail(['-f', 'me@example.test', "u$_\@example.test"], input => $text) for 1 .. 5;
    is(scalar(() = $relay->wait_messages(5)), 5, 'all five arrive');
    my %connections = map { $_->{connection} => 1 } $relay->wait_messages(5);
    is(scalar(keys %connections), 1, 'over one connection');
};

subtest 'local names follow their aliases, also where the origin is another domain' => sub {
    my $t = Baton::Test->new;
    my $relay = $t->fake_relay;
    spew($t->path('aliases'), "root: admin\@example.test, ops\nops: ops\@example.test\n");
    $t->config(relayhost => $relay->address, myorigin => 'corp.example.test', alias_maps => 'hash:' . $t->path('aliases'));
    $t->start_batond;
    is($t->sendmail(['-t'], input => "To: root\nSubject: x\n\nx\n")->{code}, 0, 'mail for root');
    is($t->sendmail(['nobody-special'], input => $text)->{code}, 0, 'and for one without an alias');
    is($t->sendmail(['root@corp.example.test'], input => $text)->{code}, 0, 'and for root of the origin');
    my @m = sort { "@{$a->{rcpts}}" cmp "@{$b->{rcpts}}" } $relay->wait_messages(3);
    is_deeply([map { join ' ', @{ $_->{rcpts} } } @m],
        ['admin@example.test ops@example.test', 'nobody-special@corp.example.test', 'root@corp.example.test'],
        'go to the person, to the origin, and to the relayhost');
    like($t->wait_log(qr/to=<ops\@example\.test>, orig_to=<root>/), qr/status=sent/, 'the log has both names');
    $t->stop_batond;
    is($t->sendmail(['root'], input => $text)->{code}, 0, 'dropped mail for root');
    $t->start_batond;
    is(scalar(() = $relay->wait_messages(4)), 4, 'arrives');
    is("@{ ($relay->wait_messages(4))[3]{rcpts} }", 'admin@example.test ops@example.test', 'at the person too');
};

subtest 'each recipient gets its own result' => sub {
    my ($t, $relay) = fresh({ rcpt => {
        'good@example.test' => '250 2.1.5 ok', 'later@example.test' => '450 4.2.1 later', 'bad@example.test' => '550 5.1.1 no such user', else => '250 ok' } });
    my $r = $t->sendmail(['-f', 'me@example.test', map { "$_\@example.test" } qw(good later bad)], input => $text);
    is($r->{code}, 0, 'sendmail takes it');
    ok($t->wait_log(qr/to=<good\@example\.test>.* status=sent/), 'one is sent');
    ok($t->wait_log(qr/to=<later\@example\.test>.* dsn=4\.2\.1, status=deferred .*450 4\.2\.1 later/), 'one is deferred');
    ok($t->wait_log(qr/to=<bad\@example\.test>.* dsn=5\.1\.1, status=bounced .*550 5\.1\.1 no such user/), 'one is bounced');
    my ($report) = grep { $_->{from} eq '' } $relay->wait_messages(2);
    ok($report, 'a report is sent') or return;
    is_deeply($report->{rcpts}, ['me@example.test'], 'to the sender');
    like($report->{content}, qr/^Content-Type: multipart\/report;\s+report-type="?delivery-status/mi, 'it is a multipart/report');
    like($report->{content}, qr/^Final-Recipient: rfc822; ?bad\@example\.test\r$/mi, 'on the one that was refused');
    like($report->{content}, qr/^Action: failed\r$/m, 'as failed');
    unlike($report->{content}, qr/Final-Recipient: rfc822; ?(good|later)/i, 'and on no other');
    my $q = $t->baton(['queue', 'list']);
    like($q->{out}, qr/to later\@example\.test: host .*450 4\.2\.1 later/, 'the queue says who waits and why');
    unlike($q->{out}, qr/good|bad\@/, 'and nobody else');
    is(scalar(grep { $_->{from} eq '' } $relay->wait_messages(2)), 1, 'there is one report');
};

subtest 'no report where none may be' => sub {
    my ($t, $relay) = fresh({ rcpt => '550 5.1.1 no', capabilities => [qw(PIPELINING 8BITMIME)] });
    $t->sendmail(['-f', '<>', 'a@example.test'], input => $text);
    ok($t->wait_log(qr/to=<a\@example\.test>.*status=bounced/), 'mail of the null sender is refused');
    $t->sendmail(['-N', 'never', '-f', 'me@example.test', 'b@example.test'], input => $text);
    ok($t->wait_log(qr/to=<b\@example\.test>.*status=bounced/), 'mail with NOTIFY=NEVER is refused');
    ok((wait_until { $t->baton(['queue', 'list'])->{out} =~ /empty/ } 5), 'the queue gets empty');
    unlike($t->log_text, qr/non-delivery notification/, 'and nobody is told');
};

subtest 'success is reported when asked for' => sub {
    my ($t, $relay) = fresh({ capabilities => [qw(PIPELINING)] });
    $t->sendmail(['-N', 'success', '-V', 'my-id', '-f', 'me@example.test', 'a@example.test'], input => $text);
    my ($report) = grep { $_->{from} eq '' } $relay->wait_messages(2);
    ok($report, 'a report is sent when the next hop has no DSN') or return;
    like($report->{content}, qr/^Action: relayed\r$/m, 'that says relayed');
    like($report->{content}, qr/^Original-Envelope-Id: my-id\r$/m, 'with the envelope id');
};

subtest 'a relayhost that is away costs nothing' => sub {
    my $t = Baton::Test->new;
    my $relay = $t->fake_relay(listen => 0);
    $t->config(relayhost => $relay->address, minimal_backoff_time => '1s', maximal_backoff_time => '1s');
    $t->start_batond;
    is($t->sendmail(['-f', 'me@example.test', 'a@example.test'], input => $text)->{code}, 0, 'sendmail takes mail');
    ok($t->wait_log(qr/to=<a\@example\.test>.*status=deferred \(.*Connection refused/), 'it is deferred, and the log says why');
    my $s = $t->baton(['status']);
    like($s->{out}, qr/Connection refused/, 'status says what is wrong');
    is($s->{code}, 1, 'with its exit status');
    $relay->up;
    is(scalar(() = $relay->wait_messages(1)), 1, 'it is sent when the relayhost is back');
    is($t->baton(['status'])->{code}, 0, 'and nothing is wrong any more');
};

subtest 'what was taken survives the worst' => sub {
    my $t = Baton::Test->new;
    my $relay = $t->fake_relay(listen => 0);
    $t->config(relayhost => $relay->address);
    $t->start_batond;
    $t->sendmail(['-f', 'me@example.test', "u$_\@example.test"], input => $text) for 1 .. 3;
    $t->kill_batond;
    is($t->sendmail(['-f', 'me@example.test', 'dropped@example.test'], input => $text)->{code}, 0, 'without a daemon mail is taken too');
    $relay->up;
    $t->start_batond;
    my @m = $relay->wait_messages(4);
    is_deeply([sort map { @{ $_->{rcpts} } } @m], [qw(dropped@example.test u1@example.test u2@example.test u3@example.test)],
        'after kill -9 and a start all of it is sent');
};

subtest 'mail too old goes back' => sub {
    my ($t, $relay) = fresh({ rcpt => { 'a@example.test' => '450 4.2.0 no', else => '250 ok' } },
        maximal_queue_lifetime => '0s', bounce_queue_lifetime => '0s');
    $t->sendmail(['-f', 'me@example.test', 'a@example.test'], input => $text);
    ok($t->wait_log(qr/to=<a\@example\.test>.*status=expired/), 'it expires');
    my ($report) = $relay->wait_messages(1);
    like($report ? $report->{content} : '', qr/450 4\.2\.0 no/, 'and the report has the last reason');
};

subtest 'a delay is told once' => sub {
    my ($t, $relay) = fresh({ rcpt => { 'a@example.test' => '450 4.2.0 no', else => '250 ok' } },
        delay_warning_time => '1s', minimal_backoff_time => '1s', maximal_backoff_time => '1s');
    $t->sendmail(['-f', 'me@example.test', 'a@example.test'], input => $text);
    my ($report) = $relay->wait_messages(1);
    like($report ? $report->{content} : '', qr/^Action: delayed\r$/m, 'the sender is warned');
    my $before = () = $t->log_text =~ /status=deferred/g;
    ok((wait_until { my $n = () = $t->log_text =~ /status=deferred/g; $n > $before + 1 } 10), 'while it is tried on');
    is(scalar(() = $t->log_text =~ /delay notification/g), 1, 'only once');
};

# Exim and others refuse lines of more than 998 bytes
subtest 'a line that is too long is broken' => sub {
    my $long = 'word ' x 1000;
    for my $limit (998, 2000, 0) {
        my ($t, $relay) = fresh({ capabilities => [ 'PIPELINING', 'CHUNKING', 'SIZE' ] }, smtp_line_length_limit => $limit);
        $t->sendmail(['you@example.test'], input => "Subject: x\n\n$_\n.end\n") for $long, 'short';
        my ($broken, $short) = sort { length $b->{content} <=> length $a->{content} } $relay->wait_messages(2);
        my $longest = (sort { $b <=> $a } map { length } split /\r\n/, $broken->{content})[0];
        cmp_ok($longest, '<=', $limit, "no line has more than $limit bytes") if $limit;
        is($longest, length $long, 'with 0 lines are as long as they are') if !$limit;
        (my $body = $broken->{content}) =~ s/.*?\r\n\r\n//s;
        $body =~ s/\r\n (?=\S| )//g if $limit;
        is($body, "$long\r\n.end\r\n", 'and nothing is missing');
        my $transcript = $relay->transcript;
        is(scalar(() = $transcript =~ /C: BDAT/g), $limit ? 1 : 2, 'what needs nothing is still sent in a chunk');
    }
};

done_testing();
