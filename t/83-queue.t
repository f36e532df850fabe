#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
# baton queue, status, start, stop, reload: with a running daemon and without one.
use strict;
use warnings;
use Test::More;
use FindBin;
use lib "$FindBin::Bin/lib";
use Baton::Test;
use JSON::PP ();

my $text = "From: me\@example.test\nTo: you\@example.test\nSubject: hello\n\nthe body\n";

sub ids { my ($t) = @_; return map { (split)[0] } grep { /^\w+ +(ready|active|deferred|hold) / } split /\n/, $t->baton(['queue'])->{out} }

for my $runs (1, 0) {
    subtest $runs ? 'with a running daemon' : 'without a daemon' => sub {
        my $t = Baton::Test->new;
        my $relay = $t->fake_relay(listen => 0);
        $t->config(relayhost => $relay->address);
        $t->start_batond;
        is($t->baton(['queue'])->{out}, "the queue is empty\n", 'an empty queue says so');
        $t->sendmail(['-f', 'me@example.test', "u$_\@example.test"], input => $text) for 1 .. 3;
        ok($t->wait_log(qr/to=<u3\@example\.test>.*status=deferred/), 'three messages wait');
        $t->stop_batond if !$runs;

        my @ids = ids($t);
        is(scalar @ids, 3, 'they are listed');
        my $show = $t->baton(['queue', 'show', $ids[0]]);
        like($show->{out}, qr/^\Q$ids[0]\E +deferred .* me\@example\.test\n.*to u\d\@example\.test: .*Connection refused/s, 'show has all of one');
        like($t->baton(['queue', 'cat', $ids[0]])->{out}, qr/^Received: .*\r\n\r\nthe body\r\n\z/s, 'cat has its content');
        my @objects = map { JSON::PP::decode_json($_) } split /\n/, $t->baton(['--json', 'queue'])->{out};
        is_deeply([sort map { $_->{queue_id} } @objects], [sort @ids], '--json has an object a message');
        is($objects[0]{sender}, 'me@example.test', 'with its sender');
        like($objects[0]{recipients}[0]{address}, qr/^u\d\@example\.test$/, 'and its recipients');

        is($t->baton(['queue', 'hold', $ids[0]])->{out}, "1 message held\n", 'hold');
        is($t->baton(['queue', 'delete', $ids[1]])->{out}, "1 message deleted\n", 'delete');
        like($t->baton(['queue', 'show', $ids[0]])->{out}, qr/ hold /, 'what is held is shown so');
        is(scalar(() = ids($t)), 2, 'what is deleted is gone');
        my $r = $t->baton(['queue', 'delete', $ids[1], $ids[2]]);
        is($r->{code}, 65, 'an id that is not there is an error');
        is(scalar(() = ids($t)), 2, 'and then nothing is changed');
        is($t->baton(['queue', 'delete', 'rubbish'])->{code}, 65, 'as is what is no id');
        is($t->baton(['queue', 'hold'])->{code}, 64, 'and naming none is a wrong call');
        is($t->baton(['queue', 'frobnicate', 'x'])->{code}, 64, 'as is an unknown action');

        $relay->up;
        $t->start_batond if !$runs;
        is($t->baton(['queue', 'retry'])->{code}, 0, 'retry') if $runs;
        is($t->baton(['queue', 'flush'])->{code}, 0, 'flush is the same') if $runs;
        is(scalar(() = $relay->wait_messages(1)), 1, 'what is not held goes');
        ok((wait_until { my @i = ids($t); @i == 1 && $i[0] eq $ids[0] } 10), 'what is held stays');
        $t->stop_batond;
        $t->start_batond;
        like($t->baton(['queue'])->{out}, qr/^\Q$ids[0]\E +hold /m, 'also over a restart');
        is($t->baton(['queue', 'release', 'ALL'])->{out}, "1 message released\n", 'release');
        is(scalar(() = $relay->wait_messages(2)), 2, 'and it goes');
        unlike($t->log_text, qr/status=bounced/, 'nothing came back');
    };
}

subtest 'users see the queue, and change what is theirs' => sub {
    skip_all_unless_root();
    my $t = Baton::Test->new;
    my $relay = $t->fake_relay(listen => 0);
    $t->config(relayhost => $relay->address);
    $t->start_batond;
    $t->sendmail(['u1@example.test'], input => $text, uid => 23456);
    $t->sendmail(['u2@example.test'], input => $text, uid => 23457);
    ok($t->wait_log(qr/to=<u2\@example\.test>.*status=deferred/), 'mail of two users waits');
    my $as = sub { $t->run([ program('baton'), '-c', $t->conf, 'queue', @_ ], uid => 23456) };
    my ($mine) = $as->('list')->{out} =~ /^(\w+).*\n.*\n.*\n    to u1/m;
    my ($other) = $as->('list')->{out} =~ /^(\w+).*\n.*\n.*\n    to u2/m;
    ok($mine && $other, 'a user may list') or diag $as->('list')->{out};
    is($as->('delete', $other)->{code}, 77, 'but not delete what is another\'s');
    is($as->('cat', $other)->{code}, 77, 'nor read it');
    is($as->('hold', 'ALL')->{code}, 77, 'nor hold all');
    is($as->('delete', $mine)->{code}, 0, 'their own they may');
    is($as->('retry')->{code}, 0, 'and anybody may have all tried now');
    $t->stop_batond;
    my $r = $as->('list');
    is($r->{code}, 77, 'without batond the queue is for root');
    like($r->{err}, qr/^baton queue: batond does not run, and without it only root may look into the queue: /, 'which is said');
};

subtest 'start, status, reload, stop' => sub {
    my $t = Baton::Test->new;
    my $relay = $t->fake_relay;
    $t->config(relayhost => $relay->address, log => $t->path('baton.log'));
    my $s = $t->baton(['status']);
    is($s->{code}, 3, 'status: it does not run');
    is($t->baton(['--json', 'status'])->{out}, qq({"running": false}\n), 'in JSON too');
    is($t->baton(['stop'])->{code}, 0, 'stopping what does not run is no error');
    my $r = $t->baton(['start']);
    like($r->{out}, qr/^batond runs \(pid \d+\)/, 'start') or diag $r->{err};
    like($t->baton(['start'])->{out}, qr/runs already/, 'once is enough');
    is($t->baton(['status'])->{code}, 0, 'status: it runs');
    is(JSON::PP::decode_json($t->baton(['--json', 'status'])->{out})->{waiting}, 0, 'nothing waits');
    is($t->sendmail(['you@example.test'], input => $text)->{code}, 0, 'it takes mail');
    is(scalar(() = $relay->wait_messages(1)), 1, 'and sends it');
    my $since = JSON::PP::decode_json($t->baton(['--json', 'status'])->{out})->{since};
    cmp_ok(abs($since - time), '<', 3600, 'since when is told in seconds');
    is($t->baton(['reload'])->{code}, 0, 'reload');
    my $good = slurp($t->conf);
    spew($t->conf, "nonsense = 1\n");
    is($t->baton(['reload'])->{code}, 78, 'a wrong configuration is refused before anything happens');
    spew($t->conf, $good . 'smtp_tls_CAfile = "/nonexistent/ca"' . "\n");
    $r = $t->baton(['reload']);
    is($r->{code}, 78, 'as one that names what is not there');
    like($r->{err}, qr{^baton reload: .*/nonexistent/ca.*\nbaton reload: the old configuration stays in force\n\z}m, 'which is said');
    spew($t->conf, $good);
    is(JSON::PP::decode_json($t->baton(['--json', 'status'])->{out})->{since}, $since, 'batond runs since it was started');
    is($t->baton(['stop'])->{out}, "batond has stopped\n", 'stop');
    is($t->baton(['status'])->{code}, 3, 'it has left');
    $t->config(relayhost => $relay->address, inet_interfaces => '192.0.2.77');
    $r = $t->baton(['start']);
    isnt($r->{code}, 0, 'a start that fails says so');
    like($r->{err}, qr/192\.0\.2\.77/, 'and why');
};

subtest 'the next try is that of the relayhost, for whom all wait' => sub {
    my $t = Baton::Test->new;
    my $relay = $t->fake_relay(listen => 0);
    $t->config(relayhost => $relay->address);
    $t->start_batond;
    $t->sendmail(['you@example.test'], input => $text);
    $t->wait_log(qr/status=deferred/);
    $t->stop_batond;
    $t->start_batond; # now it is one message's second attempt
    ok($t->wait_log(qr/does not take mail now/), 'it was tried again');
    my $status;
    ok((wait_until { $status = JSON::PP::decode_json($t->baton(['--json', 'status'])->{out}); $status->{trouble}[0]{next} && !$status->{active} } 10), 'and waits');
    is($status->{next}, $status->{trouble}[0]{next}, 'till the relayhost is tried');
};

done_testing();
