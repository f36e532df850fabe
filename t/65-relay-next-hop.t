#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
# Which host, over which TLS, with which login: real servers (baton sink) on loopback, names by a name server of the test.
use strict;
use warnings;
use Test::More;
use FindBin;
use lib "$FindBin::Bin/lib";
use Baton::Test;

my $text = "From: me\@example.test\nTo: you\@example.test\nSubject: hello\n\nbody\n";
my @quick = (minimal_backoff_time => '1s', maximal_backoff_time => '1s');

sub send_one {
    my ($t) = @_;
    my $r = $t->sendmail(['-f', 'me@example.test', 'you@example.test'], input => $text);
    is($r->{code}, 0, 'sendmail takes the message') or diag $r->{err};
}

subtest 'TLS that is verified' => sub {
    my $t = Baton::Test->new;
    my $c = $t->certificate(names => ['localhost']);
    my $sink = $t->sink(args => [ '--cert', $c->{cert}, '--key', $c->{key}, '--login', 'joe:secret' ]);
    $t->config(relayhost => "[localhost]:" . $sink->port, inet_protocols => 'ipv4', smtp_tls_security_level => 'verify', smtp_tls_CAfile => $c->{ca},
        smtp_tls_loglevel => 1, raw => qq(login "[localhost]:@{[$sink->port]}" { user = "joe" password = "secret" }\n));
    $t->start_batond;
    send_one($t);
    is(scalar(() = $sink->wait_messages(1)), 1, 'with a login arrives');
    like($t->wait_log(qr/TLS connection established/), qr/Verified TLS connection established to localhost\[127\.0\.0\.1\]:\d+: TLSv1\.[23] with cipher \S+ \(\d+ bits\)/,
        'and the log has Postfix\'s line');
    unlike($t->log_text, qr/secret/, 'without the password');
};

for my $case (
    [ 'a name that does not fit',  { names => ['other.example.test'] },       qr/other\.example\.test/ ],
    [ 'an expired certificate',    { names => ['localhost'], days => -1 },    qr/expired/ ],
    [ 'a self-signed certificate', { names => ['localhost'], self_signed => 1 }, qr/self-signed|authority/ ],
) {
    my ($name, $cert, $why) = @$case;
    subtest $name => sub {
        my $t = Baton::Test->new;
        my $c = $t->certificate(%$cert);
        my $ca = $t->certificate(names => ['x'])->{ca};
        my $sink = $t->sink(args => [ '--cert', $c->{cert}, '--key', $c->{key} ]);
        $t->config(@quick, relayhost => '[localhost]:' . $sink->port, inet_protocols => 'ipv4', smtp_tls_security_level => 'verify', smtp_tls_CAfile => $ca,
            maximal_queue_lifetime => '0s');
        $t->start_batond;
        send_one($t);
        like($t->wait_log(qr/error: /), $why, 'is named in the alarm');
        ok($t->wait_log(qr/status=deferred/), 'and the mail is kept');
        unlike($t->log_text, qr/status=(bounced|expired)/, 'however old it is');
        $t->config(relayhost => '[localhost]:' . $sink->port, inet_protocols => 'ipv4', smtp_tls_security_level => 'may');
        $t->reload_batond;
        is(scalar(() = $sink->wait_messages(1)), 1, 'with TLS that need not be verified it goes');
    };
}

subtest 'TLS from the first byte' => sub {
    plan skip_all => 'port 465 is for root' if !is_root;
    my $t = Baton::Test->new;
    my $c = $t->certificate(names => ['localhost']);
    my $port = IO::Socket::INET->new(LocalAddr => '127.0.0.1', LocalPort => 465, Listen => 1, ReuseAddr => 1);
    plan skip_all => 'port 465 is taken' if !$port;
    close $port;
    my $sink = $t->sink(port => 465, args => [ '--cert', $c->{cert}, '--key', $c->{key}, '--implicit-tls' ]);
    $t->config(relayhost => '[localhost]:465', inet_protocols => 'ipv4', smtp_tls_CAfile => $c->{ca});
    $t->start_batond;
    send_one($t);
    is(scalar(() = $sink->wait_messages(1)), 1, 'at port 465, and verified by default');
};

subtest 'a wrong password' => sub {
    my $t = Baton::Test->new;
    my $sink = $t->sink(args => [ '--login', 'joe:right' ]);
    my $login = sub { raw => qq(login "@{[$sink->address]}" { user = "joe" password_file = "@{[ $t->path('pw') ]}" }\n) };
    spew($t->path('pw'), "wrong\n", 0600);
    chown((getpwnam 'nobody')[2], -1, $t->path('pw')) if is_root;
    $t->config(@quick, relayhost => $sink->address, smtp_tls_security_level => 'none', $login->());
    $t->start_batond;
    send_one($t);
    like($t->wait_log(qr/error: .*535/), qr/the mail is kept/, 'raises one alarm');
    spew($t->path('pw'), "right\n");
    ok($t->reload_batond, 'the file is mended and batond reloaded');
    is(scalar(() = $sink->wait_messages(1)), 1, 'and the mail goes');
};

subtest 'several relayhosts' => sub {
    my $t = Baton::Test->new;
    my $sink = $t->sink;
    my $dead = free_port();
    $t->config(relayhost => "[127.0.0.1]:$dead, [127.0.0.1]:" . $sink->port);
    $t->start_batond;
    send_one($t);
    is(scalar(() = $sink->wait_messages(1)), 1, 'are tried in order');
};

subtest 'a relayhost that greets with 421 or 554 is passed over' => sub {
    for my $banner ('421 4.3.2 busy', '554 5.3.2 no') {
        my $t = Baton::Test->new;
        my $bad = $t->fake_relay(banner => $banner);
        my $sink = $t->sink;
        $t->config(relayhost => $bad->address . ', ' . $sink->address);
        $t->start_batond;
        send_one($t);
        is(scalar(() = $sink->wait_messages(1)), 1, $banner);
    }
};

subtest 'without brackets' => sub {
    my $t = Baton::Test->new;
    my $sink = $t->sink;
    my $dns = $t->nameserver({
        'example.test MX' => [ '20 backup.example.test', '10 dead.example.test' ],
        'dead.example.test A'   => ['127.0.0.2'],
        'backup.example.test A' => ['127.0.0.1'],
        'plain.example.test A'  => ['127.0.0.1'],
        'null.example.test MX'  => ['0 .'],
        'broken.example.test *' => 'SERVFAIL',
    });
    my @dns = (env => { BATON_NAMESERVERS => $dns });
    $t->config(@quick, relayhost => 'example.test:' . $sink->port);
    $t->start_batond(@dns);
    send_one($t);
    is(scalar(() = $sink->wait_messages(1)), 1, 'MX hosts are tried by preference');
    like($t->wait_log(qr/status=sent/), qr/relay=backup\.example\.test\[127\.0\.0\.1\]/, 'under their names');
    $t->stop_batond;

    $t->config(@quick, relayhost => 'plain.example.test:' . $sink->port);
    $t->start_batond(@dns);
    send_one($t);
    is(scalar(() = $sink->wait_messages(2)), 2, 'without MX the address counts');
    $t->stop_batond;

    $t->config(@quick, relayhost => 'null.example.test');
    $t->start_batond(@dns);
    send_one($t);
    like($t->wait_log(qr/error: .*null\.example\.test/), qr/takes no mail/, 'a null MX is an alarm');
    $t->stop_batond;

    $t->config(@quick, relayhost => 'broken.example.test');
    $t->start_batond(@dns);
    ok($t->wait_log(qr|broken\.example\.test does not take mail now|), 'a name server that fails keeps the mail');
    unlike($t->log_text =~ /.*(batond serves.*)/s ? $1 : '', qr/error: /, 'without an alarm');
};

done_testing();
