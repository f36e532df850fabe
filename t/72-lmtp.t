#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
# LMTP to a real Dovecot: over a UNIX socket, over TCP with TLS, a result for each recipient, a Dovecot that is away.
use strict;
use warnings;
use Test::More;
use FindBin;
use lib "$FindBin::Bin/lib";
use Baton::Test;
use Baton::Dovecot;

plan skip_all => 'no dovecot with lmtp' if !Baton::Dovecot::is_there();

my @quick = (minimal_backoff_time => '1s', maximal_backoff_time => '1s');
my %users = map { ("$_\@example.test" => 'secret') } qw(joe ann full);
my $text = "From: me\@example.test\nTo: you\@example.test\nSubject: hello\n\nbody\n.dot\n";

sub send_to {
    my ($t, @to) = @_;
    my $r = $t->sendmail([ '-f', 'me@example.test', @to ], input => $text);
    is($r->{code}, 0, 'sendmail takes the message') or diag $r->{err};
}

subtest 'a UNIX socket' => sub {
    my $t = Baton::Test->new;
    my $d = $t->dovecot(users => \%users, quota => { 'full@example.test' => '1B' });
    $t->config(default_transport => 'lmtp: unix: ' . $d->lmtp_path);
    $t->start_batond;
    send_to($t, 'joe@example.test');
    my ($m) = $d->wait_messages('joe@example.test', 1);
    like($m, qr/^Subject: hello\r?\n.*\n\r?\nbody\r?\n\.dot\r?\n\z/ms, 'arrives in the mailbox as it was');
    like($m, qr/^Return-Path: <me\@example\.test>/m, 'with its sender');
    my $path = $d->lmtp_path;
    like($t->wait_log(qr/status=sent/),
        qr/to=<joe\@example\.test>, relay=client\.example\.test\[\Q$path\E\], delay=\S+, delays=\S+, dsn=2\.0\.0, status=sent \(250 2\.0\.0 <joe\@example\.test> \S+ Saved\)/,
        'and the log has Postfix\'s line');

    send_to($t, qw(joe@example.test nobody@example.test ann@example.test full@example.test));
    ok($d->wait_messages('joe@example.test', 2) && $d->wait_messages('ann@example.test', 1), 'of several, some get it');
    like($t->wait_log(qr/to=<nobody.*status=/), qr/dsn=5\.1\.1, status=bounced \(host client\.example\.test\[.*\] said: 550 5\.1\.1 .*RCPT TO/,
        'one whom nobody knows is returned');
    like($t->wait_log(qr/to=<full.*status=/), qr/dsn=5\.2\.2, status=bounced \(.*552 5\.2\.2 .*end of/, 'and one whose mailbox is full');
    ok($d->wait_messages('me@example.test', 1) || $t->wait_log(qr/to=<me\@example\.test>/), 'and the sender is told');
    is(scalar(() = $d->messages('ann@example.test')), 1, 'nobody gets it twice');
};

subtest 'a Dovecot that is away' => sub {
    my $t = Baton::Test->new;
    my $d = $t->dovecot(users => \%users);
    $t->config(@quick, default_transport => 'lmtp:unix:' . $d->lmtp_path);
    $t->start_batond;
    $d->stop;
    send_to($t, 'joe@example.test');
    like($t->wait_log(qr/status=/), qr/status=deferred \(connect to .*lmtp: (No such file|Connection refused)/, 'its mail waits');
    $d->up;
    ok($d->wait_messages('joe@example.test', 1), 'and goes when it is back');
};

subtest 'several sockets' => sub {
    my $t = Baton::Test->new;
    my $d = $t->dovecot(users => \%users);
    $t->config(default_transport => 'lmtp:unix:private/nothing, inet:127.0.0.1:' . free_port() . ' , unix:' . $d->lmtp_path);
    $t->start_batond;
    send_to($t, 'joe@example.test');
    ok($d->wait_messages('joe@example.test', 1), 'are tried in their order');
};

subtest 'TCP with TLS' => sub {
    my $t = Baton::Test->new;
    my $c = $t->certificate(names => ['localhost']);
    my $d = $t->dovecot(users => \%users, cert => $c);
    $t->config(default_transport => 'lmtp:inet:localhost:' . $d->lmtp_port, inet_protocols => 'ipv4', lmtp_tls_security_level => 'secure',
        lmtp_tls_CAfile => $c->{ca}, smtp_tls_loglevel => 1);
    $t->start_batond;
    send_to($t, 'joe@example.test');
    ok($d->wait_messages('joe@example.test', 1), 'arrives');
    like($t->wait_log(qr/TLS connection established/), qr/Verified TLS connection established to localhost\[127\.0\.0\.1\]:\d+: TLSv1/, 'with a certificate that was looked at');
    like($t->wait_log(qr/status=sent/), qr/relay=localhost\[127\.0\.0\.1\]:@{[ $d->lmtp_port ]},/, 'and the log says where');
};

subtest 'TLS with a certificate for another' => sub {
    my $t = Baton::Test->new;
    my $c = $t->certificate(names => ['other.example.test']);
    my $d = $t->dovecot(users => \%users, cert => $c);
    my @to = (@quick, default_transport => 'lmtp:inet:localhost:' . $d->lmtp_port, inet_protocols => 'ipv4');
    $t->config(@to, lmtp_tls_security_level => 'verify', lmtp_tls_CAfile => $c->{ca});
    $t->start_batond;
    send_to($t, 'joe@example.test');
    like($t->wait_log(qr/status=/), qr/status=deferred \(.*other\.example\.test/, 'is not trusted');
    is(scalar(() = $d->messages('joe@example.test')), 0, 'with nothing sent');
    $t->config(@to);
    $t->reload_batond;
    ok($d->wait_messages('joe@example.test', 1), 'by default TLS need not be verified');
};

subtest 'a login' => sub {
    my $t = Baton::Test->new;
    my $relay = $t->fake_relay(capabilities => [ 'AUTH PLAIN', qw(PIPELINING ENHANCEDSTATUSCODES) ]);
    $t->config(default_transport => 'lmtp:inet:127.0.0.1:' . $relay->port, lmtp_tls_security_level => 'none',
        raw => sprintf qq(login "[127.0.0.1]:%d" { user = "joe" password = "secret" }\n), $relay->port);
    $t->start_batond;
    send_to($t, 'a@example.test');
    my ($m) = $relay->wait_messages(1);
    is($m->{login}{password}, 'secret', 'is given where a login section fits');
};

subtest 'many recipients' => sub {
    my $t = Baton::Test->new;
    my $relay = $t->fake_relay;
    $t->config(default_transport => 'lmtp:inet:127.0.0.1:' . $relay->port, lmtp_destination_recipient_limit => 3,
        lmtp_destination_concurrency_limit => 1);
    $t->start_batond;
    send_to($t, map { "r$_\@example.test" } 1 .. 7);
    my @m = $relay->wait_messages(3);
    is_deeply([ map { scalar @{ $_->{rcpts} } } @m ], [ 3, 3, 1 ], 'go as many at a time as lmtp_destination_recipient_limit says');
    is_deeply([ map { $_->{connection} } @m ], [ ($m[0]{connection}) x 3 ], 'over one connection');
    send_to($t, 'later@example.test');
    my $last = ($relay->wait_messages(4))[3];
    is($last->{connection}, $m[0]{connection}, 'which is kept for the next message');
};

subtest 'a connection that is lost between the replies' => sub {
    my $t = Baton::Test->new;
    my $relay = $t->fake_relay(dot => { 'b@example.test' => [ 'drop', '250 2.0.0 Saved' ], else => '250 2.0.0 Saved' });
    $t->config(@quick, default_transport => 'lmtp:inet:127.0.0.1:' . $relay->port);
    $t->start_batond;
    send_to($t, map { "$_\@example.test" } qw(a b c));
    ok($t->wait_log(qr/removed/), 'all get it in the end');
    my @m = $relay->wait_messages(2);
    is_deeply([ map { $_->{rcpts} } @m ], [ [ map { "$_\@example.test" } qw(a b c) ], [ map { "$_\@example.test" } qw(b c) ] ],
        'who was told is not tried again, the others are');
    log_like($t, qr/to=<a\@.*status=sent.*to=<b\@[^\n]*status=deferred \(lost connection/s, 'and the log says so');
};

subtest 'no connection at all' => sub {
    my $t = Baton::Test->new;
    $t->config(default_transport => 'discard: not wanted here');
    $t->start_batond;
    send_to($t, 'a@example.test');
    like($t->wait_log(qr/status=/), qr/relay=none, .*dsn=2\.0\.0, status=sent \(not wanted here\)/, 'discard: throws away');
    ok($t->wait_log(qr/removed/), 'the message ends');
    $t->config(default_transport => 'retry:4.3.1 next week', @quick);
    $t->reload_batond;
    send_to($t, 'b@example.test');
    like($t->wait_log(qr/to=<b\@.*status=/), qr/dsn=4\.3\.1, status=deferred \(next week\)/, 'retry: keeps');
    $t->config(default_transport => 'error:5.1.2 no mail leaves', @quick);
    $t->reload_batond;
    like($t->wait_log(qr/to=<b\@.*status=bounced/), qr/dsn=5\.1\.2, status=bounced \(no mail leaves\)/, 'error: returns');
};

subtest 'baton check' => sub {
    my $t = Baton::Test->new;
    my $d = $t->dovecot(users => \%users);
    $t->config(default_transport => 'lmtp:unix:' . $d->lmtp_path, relayhost => '');
    like($t->baton(['check'])->{out}, qr/ok +transport +default_transport: \S+lmtp is there/, 'finds the socket');
    chmod 0600, $d->lmtp_path;
    like($t->baton(['check'])->{out}, qr/error +transport .*may not be used by/, 'and sees that it is closed to us') if is_root;
    $d->stop;
    unlink $d->lmtp_path;
    like($t->baton(['check'])->{out}, qr/warning +transport .*nobody listens at/, 'or not there');
    like($t->baton(['check'])->{out}, qr/ok +relayhost +none: mail goes to the MX hosts/, 'and says that mail is delivered directly');
};

done_testing;
