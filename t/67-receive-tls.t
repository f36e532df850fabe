#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
# TLS for clients, which here are OpenSSL: STARTTLS and implicit TLS, certificates by name, sessions resumed by other
# workers, certificates changed under way, and clients that do not play by the rules.
use strict;
use warnings;
use Test::More;
use FindBin;
use lib "$FindBin::Bin/lib";
use Baton::Client;
use Baton::Test;
use File::Copy 'copy';
use Time::HiRes 'time';

plan skip_all => 'IO::Socket::SSL is not installed' if !eval { require IO::Socket::SSL; 1 };

my %port = map { $_ => free_port() } qw(may encrypt implicit no proxied);
my $listens = join '', map { "listen $_ { address = 127.0.0.1 port = $port{$_} tls = $_ }\n" } grep { $_ ne 'proxied' } sort keys %port;
$listens .= "listen proxied { address = 127.0.0.1 port = $port{proxied} tls = implicit proxy = haproxy proxy_networks = 127.0.0.1 }\n";
my $mail = "From: me\@example.test\r\nTo: you\@example.test\r\nSubject: hello\r\n\r\nwithin TLS\r\n";

# A client that has heard the greeting; tls => 1: within TLS; silent => 1: that has said and heard nothing
sub client {
    my ($port, %o) = @_;
    my $s = Baton::Client->new(port => $port);
    return $s if $o{silent} || $o{tls} && !$s->handshake(%o);
    $s->{greeting} = $s->reply;
    return $s;
}

# Receive workers' pids, of those that serve now
sub workers {
    my ($t) = @_;
    return grep { (slurp("/proc/$_/stat") // '') =~ /^\d+ \(.*\) [^Z]/ && $_ != $t->batond_pid } $t->batond_pids;
}

# openssl s_client, told to make TLS by STARTTLS or at once; its whole report
sub s_client {
    my ($t, $port, $args, $input) = @_;
    my @starttls = $port == $port{implicit} ? () : qw(-starttls smtp);
    my $r = $t->run([ qw(openssl s_client -ign_eof -crlf -connect), "127.0.0.1:$port", @starttls, @{ $args // [] } ],
        input => $input // "QUIT\n", timeout => 15);
    return $r->{out} . $r->{err};
}

my $t = Baton::Test->new;
my $sink = $t->sink;
my $c = $t->certificate(names => [ 'mx.example.test', '*.wild.example.test', '127.0.0.1' ]);
my $second = $t->certificate(names => ['second.example.test']);
my $chains = $t->path('chains.pem');
spew($chains, join('', map { slurp($_) } $c->{key}, $c->{cert}, $c->{ca}, $second->{key}, $second->{cert}), 0600);
my %conf = (relayhost => $sink->address, myhostname => 'mx.example.test', smtpd_tls_chain_files => $chains, raw => $listens,
    smtpd_tls_loglevel => 2, smtpd_tls_received_header => 'yes', receive_workers => 2);
$t->config(%conf);
$t->start_batond;

# ---- the ways to TLS ----------------------------------------------------------------------------------------------------------

subtest 'STARTTLS, as it is offered' => sub {
    my $s = client($port{may}, ca => $c->{ca});
    like($s->say('EHLO me.example.test'), qr/^250[- ]STARTTLS$/m, 'it is offered');
    is($s->say('STARTTLS now'), "501 5.5.4 Syntax: STARTTLS\n", 'it takes no argument');
    is($s->say('MAIL FROM:<plain@example.test>'), "250 2.1.0 Ok\n", 'mail in the clear is taken');
    like($s->say('STARTTLS'), qr/^503 5\.5\.1 /, 'not in the middle of a message');
    $s->say('RSET');
    is($s->say('STARTTLS'), "220 2.0.0 Ready to start TLS\n", 'then it is');
    ok($s->handshake, 'the handshake is made, the chain verified') or diag $s->{error};
    like($s->say('MAIL FROM:<me@example.test>'), qr/^503 5\.5\.1 /, 'EHLO is to be said again');
    unlike($s->say('EHLO me.example.test'), qr/STARTTLS/, 'it is not offered twice');
    is($s->say('STARTTLS'), "554 5.5.1 Error: TLS already active\n", 'nor taken twice');
    like($s->deliver(text => $mail), qr/^250 2\.0\.0 Ok: queued as/, 'mail is taken');
    my ($m) = $sink->wait_messages(1);
    like($m, qr/^\t\(using TLSv1\.[23] with cipher \S+ \((\d+)\/\1 bits\)\)\r?\n\t\(No client certificate requested\)\r?\n\tby mx\.example\.test \(Baton\) with ESMTPS id /m,
        'and arrives with TLS in its Received: header') or diag $m;
    log_like($t, qr/baton\/receive\[\d+\]: Anonymous TLS connection established from unknown\[127\.0\.0\.1\]: TLSv1\.[23] with cipher \S+ \((\d+)\/\1 bits\)$/m,
        'the log has its line');
};

subtest 'the other listeners' => sub {
    my $s = client($port{no});
    unlike($s->say('EHLO me'), qr/STARTTLS/, 'tls = no: it is not offered');
    is($s->say('STARTTLS'), "502 5.5.1 Error: command not implemented\n", 'nor taken');

    $s = client($port{encrypt}, ca => $c->{ca});
    like($s->say('HELO me'), qr/^250 /, 'tls = encrypt: one may say who one is');
    is($s->say($_), "530 5.7.0 Must issue a STARTTLS command first\n", "and no $_") for 'MAIL FROM:<a@b.test>', 'VRFY joe', 'DATA';
    like($s->say('EHLO me'), qr/STARTTLS/, 'EHLO offers it');
    like($s->say('NOOP'), qr/^250 /, 'NOOP is taken');
    ok($s->starttls, 'TLS is made');
    $s->say('EHLO me');
    like($s->deliver(text => $mail), qr/^250 2\.0\.0 /, 'then mail is taken');

    $s = client($port{implicit}, tls => 1, ca => $c->{ca});
    like($s->{greeting}, qr/^220 mx\.example\.test ESMTP/, 'tls = implicit: the greeting comes within TLS') or diag $s->{error};
    unlike($s->say('EHLO me'), qr/STARTTLS/, 'STARTTLS is not offered');
    like($s->deliver(text => $mail), qr/^250 2\.0\.0 /, 'mail is taken');
    is(scalar $sink->wait_messages(3), 3, 'all arrives');
};

subtest 'behind a proxy TLS begins after its header' => sub {
    my $s = client($port{proxied}, silent => 1);
    $s->send_raw("PROXY TCP4 192.0.2.7 127.0.0.1 1025 465\r\n");
    ok($s->handshake(ca => $c->{ca}), 'TLS is made') or diag $s->{error};
    like($s->reply, qr/^220 mx\.example\.test ESMTP/, 'the greeting comes within');
    ok($t->wait_log(qr/Anonymous TLS connection established from unknown\[192\.0\.2\.7\]: /), 'the log has the client');
    $s = client($port{proxied}, silent => 1);
    $s->send_raw("PROXY TCP4 192.0.2.8 127.0.0.1 1025 465\r\nEHLO me\r\n");
    ok($s->ended, 'a client that speaks in the clear is cut off');
    ok($t->wait_log(qr/SSL_accept error from unknown\[192\.0\.2\.8\]: /), 'and named');
};

SKIP: {
    my ($swaks) = grep { -x } map { "$_/swaks" } split /:/, $ENV{PATH};
    skip 'swaks is not installed', 2 if !$swaks;
    my @to = qw(--from me@example.test --to you@example.test --server 127.0.0.1 --timeout 10);
    my $r = $t->run([ $swaks, @to, '--port', $port{encrypt}, '--tls' ]);
    is($r->{code}, 0, 'swaks delivers with STARTTLS') or diag $r->{out};
    $r = $t->run([ $swaks, @to, '--port', $port{implicit}, '--tls-on-connect' ]);
    is($r->{code}, 0, 'and with implicit TLS') or diag $r->{out};
}

subtest 'the name asked for chooses the certificate' => sub {
    for (['second.example.test', 'second.example.test'], [ 'any.wild.example.test', 'mx.example.test' ],
        [ 'nobody.example.test', 'mx.example.test' ], [ undef, 'mx.example.test' ]) {
        my ($name, $want) = @$_;
        my $s = client($port{implicit}, tls => 1, name => $name);
        is($s->shown, $want, ($name // 'none') . ": $want");
    }
    ok($t->wait_log(qr/a new session, name asked for: any\.wild\.example\.test$/), 'the log has the name');
    like(s_client($t, $port{may}, [ '-CAfile', $c->{ca}, qw(-verify_return_error -verify_hostname second.example.test -servername second.example.test) ]),
        qr/Verification: OK/, 'openssl verifies it');
};

# ---- sessions ------------------------------------------------------------------------------------------------------------------

subtest 'a session is resumed by another worker, and by one that was started since' => sub {
    my @receivers = sort { $a <=> $b } do {
        my %seen; # each accepts while the other is stopped
        grep { slurp("/proc/$_/cmdline") && !$seen{$_}++ } workers($t);
    };
    my ($relay) = $t->log_text =~ /baton\/relay\[(\d+)\]/;
    @receivers = grep { $_ != $relay } @receivers;
    is(@receivers, 2, 'there are two') or return;
    my $file = $t->path('session');
    my @resumed;
    stop_processes($receivers[1]);
    like(s_client($t, $port{may}, [ '-sess_out', $file ]), qr/^New, TLSv1\.[23]/m, 'one begins it');
    like(s_client($t, $port{may}, [ '-sess_in', $file ]), qr/^Reused, TLSv1\.[23]/m, 'and resumes it');
    kill 'CONT', $receivers[1];
    stop_processes($receivers[0]);
    like(s_client($t, $port{may}, [ '-sess_in', $file ]), qr/^Reused, TLSv1\.[23]/m, 'the other resumes it');
    ok($t->wait_log(qr/receive\[$receivers[1]\]: TLS connection from .*: a session resumed/), 'as the log says');
    like(s_client($t, $port{implicit}, [ '-sess_in', $file ]), qr/^Reused, TLSv1\.[23]/m, 'at another listener too');
    kill 'KILL', @receivers;
    ok(wait_until { 2 == grep { $_ != $relay && !grep { $_ == $receivers[0] || $_ == $receivers[1] } ($_) } workers($t) }, 'both are killed');
    like(s_client($t, $port{may}, [ '-sess_in', $file ]), qr/^Reused, TLSv1\.[23]/m, 'who comes after them resumes it');
};

# ---- clients that do not play by the rules ----------------------------------------------------------------------------------------

subtest 'what is said in the clear behind STARTTLS is not heard' => sub {
    my $s = client($port{may}, ca => $c->{ca});
    $s->say('EHLO me');
    $s->send_raw("STARTTLS\r\nEHLO evil\r\nMAIL FROM:<evil\@example.test>\r\n");
    my $said = $s->reply;
    if ($said =~ /^220 /) {
        ok($s->handshake, 'the handshake is made') or diag $s->{error};
        like($s->say('RCPT TO:<you@example.test>'), qr/^503 /, 'no sender is known');
        like($s->say('MAIL FROM:<me@example.test>'), qr/^503 /, 'nor an EHLO');
        like($s->say('NOOP'), qr/^250 /, 'no reply is left over');
    } else {
        like($said, qr/^[45]/, 'it is refused');
    }
    $s = client($port{may});
    $s->say('EHLO me');
    $s->send_raw("STARTTLS\r\n");
    like($s->reply, qr/^220 /, 'after the 220');
    $s->send_raw("MAIL FROM:<evil\@example.test>\r\n");
    ok($s->ended, 'a command in the clear ends the connection');
    ok($t->wait_log(qr/SSL_accept error from unknown\[127\.0\.0\.1\]: what the other side sends is not TLS/), 'and is logged');
};

subtest 'garbage, and those who go away' => sub {
    my $before = () = $t->log_text =~ /SSL_accept error from unknown\[127\.0\.0\.1\]: \S/g;
    for my $bytes ("EHLO me\r\n", "\x16\x03\x01\xff\xff" . 'x' x 70000, "\x80\x2e\x01\x00\x02" . "\0" x 60, "\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00",
        "\0" x 10, "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" . join('', map { chr(($_ * 7919) % 251) } 1 .. 507)) {
        my $s = client($port{implicit}, silent => 1);
        $s->send_raw($bytes);
        shutdown $s->socket, 1;
        ok($s->ended, 'ended: ' . unpack('H20', $bytes));
    }
    my $s = client($port{implicit}, silent => 1);
    close $s->socket;
    ok(wait_until { ($before + 7) <= (() = $t->log_text =~ /SSL_accept error from unknown\[127\.0\.0\.1\]: \S/g) }, 'each is logged, with a reason')
        or diag $t->log_text;
    like(s_client($t, $port{may}), qr/^New, TLSv1\.[23]/m, 'the next is served');
    unlike($t->log_text, qr/ended by signal (?!9)/, 'nobody died of it');
    like(s_client($t, $port{may}, ['-tls1_1', '-cipher', 'DEFAULT:@SECLEVEL=0']), qr/alert protocol version|no protocols available|unsupported protocol/, 'TLS 1.1 is refused');
    ok($t->wait_log(qr/SSL_accept error from .*protocol version/), 'in words');
};

# ---- certificates that change -----------------------------------------------------------------------------------------------------

# A worker that a reload has replaced lets go of whom it has still accepted; the next try is another's
sub subject {
    my ($t, $name) = @_;
    my $s;
    wait_until { ($s = client($port{implicit}, tls => 1, name => $name))->{is_tls} } 5;
    return $s->shown;
}

subtest 'a reload takes up what has changed on disk' => sub {
    my $third = $t->certificate(names => ['third.example.test']);
    my $held = client($port{may}, ca => $c->{ca});
    spew($chains, slurp($third->{key}) . slurp($third->{cert}), 0600);
    is(subject($t), 'mx.example.test', 'not before');
    ok($t->reload_batond, 'reloaded, the configuration unchanged');
    is(subject($t), 'third.example.test', 'the new one is shown');

    spew($chains, slurp($c->{key}) . slurp($third->{cert}), 0600);
    ok($t->reload_batond, 'one whose key is another\'s');
    like($t->wait_log(qr/error: smtpd_tls_chain_files/), qr/the key in \Q$chains\E does not belong to the \(first\) certificate in \Q$chains\E; the old certificates stay in use/,
        'is not taken up, and one line says why');
    is(subject($t), 'third.example.test', 'the old one is shown on');
    unlink $chains;
    ok($t->reload_batond, 'one that is gone');
    is(subject($t), 'third.example.test', 'neither');
    my ($relay) = (reverse $t->log_text =~ /baton\/relay\[(\d+)\]/g)[0];
    my @now = grep { $_ != $relay } workers($t);
    kill 'KILL', @now;
    ok(wait_until { my %old = map { $_ => 1 } @now; 2 <= grep { !$old{$_} && $_ != $relay } workers($t) }, 'and even when workers are started again');
    is(subject($t), 'third.example.test', 'they have it');
};

subtest 'a certificate that expires is served, and said' => sub {
    my $old = $t->certificate(names => ['old.example.test'], days => -1);
    spew($chains, slurp($old->{key}) . slurp($old->{cert}), 0600);
    ok($t->reload_batond);
    is(subject($t), 'old.example.test', 'it is shown');
    ok($t->wait_log(qr/warning: the certificate in \Q$chains\E has expired \d+ days ago/), 'with a warning in the log') or diag $t->log_text;
};
$t->stop_batond;

subtest 'nothing starts on a certificate that is not right' => sub {
    my $log = sub { substr $t->log_text, $t->{log_from} };
    my %one = (%conf, smtpd_tls_chain_files => undef, smtpd_tls_cert_file => $c->{cert}, smtpd_tls_key_file => $c->{key});
    for ([ { smtpd_tls_key_file => $second->{key} }, qr/smtpd_tls_cert_file: the key in \Q$second->{key}\E does not belong to the \(first\) certificate in \Q$c->{cert}\E/ ],
        [ { smtpd_tls_cert_file => '/nonexistent/cert.pem' }, qr{smtpd_tls_cert_file: read /nonexistent/cert\.pem: No such file or directory: put it there, or name the file} ],
        [ { smtpd_tls_eccert_file => $second->{cert}, smtpd_tls_eckey_file => $t->conf }, qr{smtpd_tls_eccert_file: \Q${\$t->conf}\E holds a key and everybody may read it: chmod o= } ],
        [ { smtpd_tls_cert_file => undef, smtpd_tls_key_file => undef }, qr/listen encrypt: TLS is demanded, and there is no certificate: set smtpd_tls_cert_file/ ],
    ) {
        my ($set, $why) = @$_;
        $t->config(%one, %$set);
        $t->start_batond(ready => 0);
        is(($t->wait_exit // -1) >> 8, 78, 'it leaves with 78');
        like($log->(), $why, 'and says why');
    }
    $t->config(%one, raw => '');
    $t->start_batond;
    pass('and it does on one that is');
    $t->stop_batond;
};

# ---- patience ------------------------------------------------------------------------------------------------------------------------

subtest 'a handshake that does not end' => sub {
    $t->config(%conf, smtpd_tls_chain_files => undef, smtpd_tls_cert_file => $c->{cert}, smtpd_tls_key_file => $c->{key}, smtpd_starttls_timeout => '1s',
        smtpd_tls_ciphers => 'high', smtpd_tls_mandatory_protocols => '!TLSv1.3');
    $t->start_batond;
    my $from = time;
    my $silent = client($port{may});
    $silent->say('EHLO me');
    $silent->say('STARTTLS');
    my $slow = client($port{implicit}, silent => 1);
    my $hello = "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" . 'x' x 507;
    my ($done, $i) = (0, 0);
    while (!$done && time < $from + 8) { # it is never silent for long
        $slow->send_raw(substr $hello, $i++, 1);
        $done = IO::Select->new($slow->socket)->can_read(0.1);
    }
    ok($done, 'one who drips his bytes is cut off');
    in_time($from, 6, 'in time');
    ok($silent->ended, 'one who says nothing, too');
    ok(wait_until { 2 == (() = $t->log_text =~ /SSL_accept error from unknown\[127\.0\.0\.1\]: timed out: no end of the handshake within 1 s/g) }, 'both are logged')
        or diag $t->log_text;
    like(s_client($t, $port{implicit}, [qw(-tls1_2 -cipher AES128-SHA)]), qr/alert handshake failure/, 'smtpd_tls_ciphers = high refuses a cipher without forward secrecy');
    like(s_client($t, $port{implicit}), qr/^New, TLSv1\.2/m, 'smtpd_tls_mandatory_protocols counts where TLS is demanded');
    my $held = client($port{implicit}, silent => 1);
    my $stop = time;
    $t->stop_batond;
    in_time($stop, 5, 'a handshake under way does not hold up the end');
};

done_testing();
