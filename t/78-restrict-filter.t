#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
# Content filters behind the queue: content_filter, FILTER in an access table, and the listener that a filter gives mail back to.
use strict;
use warnings;
use FindBin;
use Test::More;
use lib "$FindBin::Bin/lib";
use Baton::Client;
use Baton::Test;

skip_all_unless_server();

# One message to these; the answer to its end. A worker that a reload has replaced says 421 to whom it has still accepted.
sub deliver {
    my $reply;
    for (1 .. 20) {
        $reply = deliver_once(@_);
        last if $reply !~ /^421 4\.3\.2 /;
    }
    return $reply;
}

sub deliver_once {
    my ($port, $from, @to) = @_;
    my $c = Baton::Client->new(port => $port) or die "port $port: $!";
    my $banner = $c->reply // 'nothing';
    return $banner if $banner !~ /^220/;
    for my $line ('EHLO client.example.org', "MAIL FROM:<$from>", (map { "RCPT TO:<$_>" } @to), 'DATA') {
        my $r = $c->say($line) // 'nothing';
        return $r if $r !~ /^[23]/;
    }
    return $c->say("Subject: x\r\n\r\nx\r\n.") // 'nothing';
}

sub rcpts { my ($m) = @_; return join ' ', sort @{ $m->{rcpts} // [] } }

my %usual = (mydestination => 'here.test', local_transport => 'error:5.1.1 User unknown', minimal_backoff_time => '1s', maximal_backoff_time => '1s');

subtest 'all mail goes to the filter first' => sub {
    my $t = Baton::Test->new;
    my ($filter, $relay, $port) = ($t->fake_relay, $t->fake_relay, free_port());
    spew($t->path('aliases'), "me: x\@example.test\n");
    $t->config(%usual, relayhost => $relay->address, alias_maps => $t->path('aliases'), content_filter => 'smtp:' . $filter->address,
        virtual_alias_maps => 'inline:{ { list@here.test = ann@example.test, ben@example.test } }', smtp_generic_maps => 'inline:{ a@example.org = generic@example.org }',
        raw => "listen smtp { address = \"127.0.0.1\", port = $port }\n");
    $t->start_batond;
    like(deliver($port, 'a@example.org', 'me@here.test', 'list@here.test', 'you@example.net'), qr/^250 /, 'is taken');
    my ($m) = $filter->wait_messages(1);
    is(rcpts($m), 'ann@example.test ben@example.test me@here.test you@example.net', 'virtual aliases count before, those of local delivery behind it');
    is($m->{from}, 'a@example.org', 'what is rewritten on the way out is not yet');
    ok($t->wait_log(qr/to=<me\@here\.test>, relay=127\.0\.0\.1\[127\.0\.0\.1\]:\d+, .*status=sent/), 'the log says where it went');
    is($t->sendmail(['you@example.net'], input => "Subject: y\n\ny\n")->{code}, 0, 'mail of a program');
    is(rcpts(($filter->wait_messages(2))[1]), 'you@example.net', '... goes there, too');
    like(deliver($port, 'a@example.org', 'nobody@here.test'), qr/^550 5\.1\.1 /, 'whom nobody knows is refused all the same');
    is(scalar $relay->messages, 0, 'nothing has passed it by');
};

subtest 'a circle' => sub {
    my $t = Baton::Test->new;
    $t->config(%usual, relayhost => '[127.0.0.1]:1', alias_maps => '', content_filter => 'smtp:[127.0.0.1]:10024');
    like($t->baton(['check'])->{out}, qr/warning .*content_filter: mail that the filter gives back goes to it again, in a circle: make a listen section for it, with content_filter = ""/,
        'is named');
    $t->config(%usual, relayhost => '[127.0.0.1]:1', alias_maps => '', content_filter => 'smtp:[127.0.0.1]:10024', raw => "listen back {\n port = 10025\n content_filter = \"\"\n}\n");
    unlike($t->baton(['check'])->{out}, qr/in a circle/, 'with a listener for what comes back there is none');
};

subtest 'a filter that is away, and a power cut' => sub {
    my $t = Baton::Test->new;
    my ($filter, $relay, $port) = ($t->fake_relay(listen => 0), $t->fake_relay, free_port());
    my %config = (%usual, relayhost => $relay->address, alias_maps => '', raw => "listen smtp { address = \"127.0.0.1\", port = $port }\n");
    $t->config(%config, content_filter => 'smtp:' . $filter->address);
    $t->start_batond;
    like(deliver($port, 'a@example.org', 'you@example.net'), qr/^250 /, 'mail is taken');
    ok($t->wait_log(qr/to=<you\@example\.net>.*status=deferred/), '... and waits');
    $t->kill_batond;
    $t->config(%config);
    $filter->up;
    $t->start_batond;
    is(rcpts(($filter->wait_messages(1))[0]), 'you@example.net', 'after a restart it still goes to the filter that it was for');
    is(scalar $relay->messages, 0, '... and nowhere else');
};

subtest 'the drop' => sub {
    my $t = Baton::Test->new;
    my ($filter, $relay) = ($t->fake_relay, $t->fake_relay);
    $t->config(%usual, relayhost => $relay->address, alias_maps => '', content_filter => 'smtp:' . $filter->address, inet_interfaces => '');
    $t->start_batond;
    $t->stop_batond;
    is($t->sendmail(['you@example.net'], input => "Subject: y\n\ny\n")->{code}, 0, 'mail while no daemon runs');
    $t->start_batond;
    is(rcpts(($filter->wait_messages(1))[0]), 'you@example.net', 'goes to the filter');
};

subtest 'FILTER' => sub {
    my $t = Baton::Test->new;
    my ($one, $two, $relay, $port) = ($t->fake_relay, $t->fake_relay, $t->fake_relay, free_port());
    my %config = (%usual, relayhost => $relay->address, alias_maps => '', raw => "listen smtp { address = \"127.0.0.1\", port = $port }\n");
    $t->config(%config, content_filter => 'smtp:' . $one->address,
        smtpd_client_restrictions => 'check_client_access static:{FILTER smtp:[127.0.0.1]:1}',
        smtpd_sender_restrictions => 'check_sender_access inline:{ { b@example.org = FILTER smtp:' . $two->address . ' }, { c@example.org = FILTER nonsense:x } }');
    $t->start_batond;
    like(deliver($port, 'b@example.org', 'you@example.net'), qr/^250 /, 'is taken');
    is(rcpts(($two->wait_messages(1))[0]), 'you@example.net', 'the last one wins, over content_filter too');
    like($t->log_text, qr/NOQUEUE: filter: RCPT from \S+: <b\@example\.org>: Sender address triggers FILTER action smtp:\[127\.0\.0\.1\]:\d+; from=<b\@example\.org> to=<you\@example\.net> proto=ESMTP helo=<client\.example\.org>/,
        'the log says so') or diag $t->log_text;
    like(deliver($port, 'c@example.org', 'you@example.net'), qr/^451 4\.3\.5 /, 'a transport that there is not');
    like($t->log_text, qr/FILTER: there is no transport "nonsense"/, '... is told in the log');
    is(scalar $one->messages, 0, 'the other filter has seen nothing');
    my $rows = $t->path('senders');
    spew($rows, "a\@x.test FILTER nonsense:\nb\@x.test FILTER smtp:[127.0.0.1]:10025\nc\@x.test FILTER\n");
    $t->config(%config, smtpd_sender_restrictions => "check_sender_access texthash:$rows");
    my $check = $t->baton(['check']);
    like($check->{out}, qr/senders:1: FILTER: there is no transport "nonsense"/, 'baton check tells of it');
    like($check->{out}, qr/senders:3: FILTER takes "transport:nexthop"/, '... and of one without');
    unlike($check->{out}, qr/senders:2/, '... and not of a good one');
};

# The filter is another batond: what it has got it gives back.
subtest 'mail comes back' => sub {
    my ($t, $f) = (Baton::Test->new, Baton::Test->new);
    my ($relay, $port, $back, $at) = ($t->fake_relay, free_port(), free_port(), free_port());
    my $config = sub {
        my ($overrides, %o) = @_;
        $t->config(%usual, relayhost => $relay->address, alias_maps => '', content_filter => "smtp:[127.0.0.1]:$at",
            virtual_alias_maps => 'inline:{ { list@here.test = ann@example.test, ben@example.test } }',
            raw => "listen smtp {\n address = \"127.0.0.1\"\n port = $port\n" . ($o{smtp} // '')
            . "}\nlisten back {\n address = \"127.0.0.1\"\n port = $back\n content_filter = \"\"\n receive_override_options = \"$overrides\"\n}\n", %{ $o{config} // {} });
    };
    $f->config(relayhost => "[127.0.0.1]:$back", myhostname => 'filter.test', raw => "listen smtp { address = \"127.0.0.1\", port = $at }\n");
    $f->start_batond;
    $config->('no_unknown_recipient_checks, no_address_mappings, no_header_body_checks');
    $t->start_batond;
    like(deliver($port, 'a@example.org', 'list@here.test'), qr/^250 /, 'is taken');
    my ($m) = $relay->wait_messages(1);
    is(rcpts($m), 'ann@example.test ben@example.test', 'arrives');
    is(() = $m->{content} =~ /^Received:.*\n?.*by filter\.test/mg, 1, '... by way of the filter, once');

    $config->('', smtp => " receive_override_options = no_address_mappings\n");
    $t->reload_batond;
    like(deliver($port, 'a@example.org', 'list@here.test'), qr/^250 /, 'with no_address_mappings in front of the filter');
    is(rcpts(($relay->wait_messages(2))[1]), 'ann@example.test ben@example.test', '... they count behind it');
    like($f->log_text, qr/to=<list\@here\.test>, .*status=sent/, '... and not before');

    $config->('', config => { smtpd_milters => 'inet:127.0.0.1:1' }, smtp => " content_filter = \"\"\n receive_override_options = no_milters\n");
    $t->reload_batond;
    like(deliver($port, 'a@example.org', 'you@example.net'), qr/^250 /, 'no_milters: the one that is away is not asked');
    like(deliver($back, 'a@example.org', 'you@example.net'), qr/^451 /, '... where it is not said, it is');
    $config->('no_unknown_recipient_checks', config => { virtual_alias_domains => 'va.test' });
    $t->reload_batond;
    like(deliver($back, 'a@example.org', 'nobody@va.test'), qr/^250 /, 'no_unknown_recipient_checks');
    like(deliver($port, 'a@example.org', 'nobody@va.test'), qr/^550 /, '... for one listener');
};

done_testing;
