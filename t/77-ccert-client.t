#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
# The other side of certificates: servers known by fingerprints (OpenSSL, and Baton), and the certificate that we show (to Baton).
use strict;
use warnings;
use Test::More;
use FindBin;
use lib "$FindBin::Bin/lib";
use Baton::FakeRelay;
use Baton::Test;

plan skip_all => 'IO::Socket::SSL is not installed' if !Baton::FakeRelay::has_tls();

my $text = "From: me\@example.test\nTo: you\@example.test\nSubject: hello\n\nbody\n";

sub print_of {
    my ($t, $file, $digest) = @_;
    my $r = $t->run([ qw(openssl x509 -noout -fingerprint), '-' . ($digest // 'sha256'), '-in', $file ]);
    return $r->{out} =~ /=([0-9A-F:]+)/ ? $1 : die "no fingerprint: $r->{err}";
}

sub key_print_of {
    my ($t, $file) = @_;
    my $r = $t->run([ 'sh', '-c', 'openssl x509 -noout -pubkey -in "$1" | openssl pkey -pubin -outform DER | openssl dgst -sha256 -c', 'sh', $file ]);
    return $r->{out} =~ /([0-9a-f:]{95})/ ? $1 : die "no fingerprint: $r->{err}";
}

my $other = join ':', ('AB') x 32;

# ---- servers that are known by fingerprints -------------------------------------------------------------------------------------

# A daemon with one message for an OpenSSL that shows such a certificate; conf: what is configured
sub scene {
    my ($name, $cert, $conf, $look) = @_;
    subtest $name => sub {
        my $t = Baton::Test->new;
        my $c = $t->certificate(%$cert);
        my $relay = $t->fake_relay(tls => 'starttls', cert => $c, capabilities => ['PIPELINING']);
        $t->config(relayhost => $relay->address, smtp_tls_loglevel => 1, minimal_backoff_time => '1s', maximal_backoff_time => '1s',
            $conf->($t, $c, $relay));
        $t->start_batond;
        $t->sendmail([ '-f', 'me@example.test', 'you@example.test' ], input => $text);
        $look->($t, $relay, $c);
    };
}

my $sent = sub {
    my ($t, $relay) = @_;
    ok($t->wait_log(qr/status=sent/), 'the mail is sent') or diag $t->log_text;
    like($t->log_text, qr/: Verified TLS connection established to/, 'to whom it is for');
    ok(($relay->wait_messages(1))[0]{tls}, 'within TLS');
};

sub kept {
    my ($why) = @_;
    return sub {
        my ($t, $relay, $c) = @_;
        ok($t->wait_log(qr/status=deferred/), 'the mail waits') or diag $t->log_text;
        like($t->log_text, ref $why eq 'CODE' ? $why->($t, $c) : $why, 'the log says why');
        is_deeply([ $relay->messages ], [], 'nothing was sent');
    };
}

my %print = (smtp_tls_security_level => 'fingerprint');
scene('a certificate by its fingerprint, whoever has made it', { names => ['elsewhere.test'], self_signed => 1 },
    sub { (%print, smtp_tls_fingerprint_cert_match => print_of($_[0], $_[1]{cert})) }, $sent);
scene('... one that has expired, too, among others, in small letters', { days => -1 },
    sub { (%print, smtp_tls_fingerprint_cert_match => "$other, " . lc print_of($_[0], $_[1]{cert})) }, $sent);
scene('... by that of its key', { self_signed => 1 },
    sub { (%print, smtp_tls_fingerprint_cert_match => "$other|" . key_print_of($_[0], $_[1]{cert})) }, $sent);
scene('... by another digest', { self_signed => 1 },
    sub { (%print, smtp_tls_fingerprint_digest => 'sha1', smtp_tls_fingerprint_cert_match => print_of($_[0], $_[1]{cert}, 'sha1')) }, $sent);
scene('another certificate, though its authority is known', { names => ['127.0.0.1'] },
    sub { (%print, smtp_tls_CAfile => $_[1]{ca}, smtp_tls_fingerprint_cert_match => $other) },
    kept(sub { my $p = print_of($_[0], $_[1]{cert}); my $k = uc key_print_of($_[0], $_[1]{cert});
        qr/neither the certificate's fingerprint \($p\) nor its key's \($k\) is one that we accept/ }));

sub row { my ($t, $relay, $row) = @_; return (smtp_tls_policy_maps => 'texthash:' . spew($t->path('policy'), $relay->address . " $row\n")) }
scene('a row of smtp_tls_policy_maps', { self_signed => 1 },
    sub { row($_[0], $_[2], "fingerprint match=$other|" . print_of($_[0], $_[1]{cert})) }, $sent);
scene('... that names none: those of smtp_tls_fingerprint_cert_match', { self_signed => 1 },
    sub { (row($_[0], $_[2], 'fingerprint'), smtp_tls_fingerprint_cert_match => print_of($_[0], $_[1]{cert})) }, $sent);
scene('... and with none at all mail waits', { self_signed => 1 }, sub { row($_[0], $_[2], 'fingerprint') },
    kept(qr/level fingerprint: it has no match=, and smtp_tls_fingerprint_cert_match is empty/));
scene('... for another', { names => ['127.0.0.1'] }, sub { (row($_[0], $_[2], "fingerprint match=$other"), smtp_tls_CAfile => $_[1]{ca}) },
    kept(qr/is one that we accept/));

subtest 'a session that is resumed is of the same certificate, and of the same list' => sub {
    my $t = Baton::Test->new;
    my $c = $t->certificate(self_signed => 1);
    my $relay = $t->fake_relay(tls => 'starttls', cert => $c, capabilities => ['PIPELINING']);
    $t->config(relayhost => $relay->address, smtp_tls_loglevel => 1, %print, smtp_tls_fingerprint_cert_match => print_of($t, $c->{cert}));
    $t->start_batond;
    for my $n (1 .. 3) {
        $t->sendmail([ '-f', 'me@example.test', "$n\@example.test" ], input => $text);
        ok($t->wait_log(qr/to=<$n\@example\.test>.*status=sent/), "message $n");
    }
    unlike($t->log_text, qr/: (?!Verified)\w+ TLS connection established/, 'all of them verified');
};

subtest 'baton test' => sub {
    my $t = Baton::Test->new;
    my $c = $t->certificate(self_signed => 1);
    my $relay = $t->fake_relay(tls => 'starttls', cert => $c, capabilities => ['PIPELINING']);
    my $p = print_of($t, $c->{cert});
    $t->config(relayhost => $relay->address, %print, smtp_tls_fingerprint_cert_match => $p);
    my $r = $t->baton([ 'test', 'you@example.test' ]);
    like($r->{out}, qr/^ok +certificate +known by its fingerprint, $p$/m, 'says by what it is known') or diag $r->{out};
    $relay->stop;
    $relay->up;
    $t->config(relayhost => $relay->address, %print, smtp_tls_fingerprint_cert_match => $other);
    $r = $t->baton([ 'test', 'you@example.test' ]);
    like($r->{out}, qr/^error +TLS +neither the certificate's fingerprint \($p\)/m, 'or that it is not');
    like($r->{out}, qr/write its fingerprint into smtp_tls_fingerprint_cert_match: $p$/m, '... and what to write');
};

# ---- the certificate that we show -----------------------------------------------------------------------------------------------

sub says { my ($t) = @_; my $r = $t->baton(['check']); return "$r->{out}$r->{err}" }

subtest 'baton check' => sub {
    my $t = Baton::Test->new;
    my $c = $t->certificate(names => ['app.example.test']);
    my $old = $t->certificate(names => ['old.example.test'], days => -1);
    my @cases = (
        [ 'a certificate of ours', { smtp_tls_cert_file => $c->{cert}, smtp_tls_key_file => $c->{key} },
            qr/^ok +certificate +\Q$c->{cert}\E, shown to servers that ask for one, good for \d+ days$/m ],
        [ '... that has expired', { smtp_tls_cert_file => $old->{cert}, smtp_tls_key_file => $old->{key} },
            qr/^warning +certificate +.*has expired \d+ days ago: servers that ask for it will refuse it/m ],
        [ '... that is not there', { smtp_tls_cert_file => $t->path('nothing') }, qr/^error +certificate +smtp_tls_cert_file: .*nothing.*No such file/m ],
        [ '... with the key of another', { smtp_tls_cert_file => $c->{cert}, smtp_tls_key_file => $old->{key} }, qr/does not belong to/ ],
        [ 'a key without it', { smtp_tls_key_file => $c->{key} }, qr/a key without its certificate: set smtp_tls_cert_file/ ],
        [ 'no fingerprint', { %print, smtp_tls_fingerprint_cert_match => 'AB:CD' }, qr/"AB:CD" is no fingerprint by sha256: 32 pairs/ ],
        [ 'none at all', {%print}, qr/the level is fingerprint, and there is none/ ],
    );
    for (@cases) {
        my ($name, $conf, $want) = @$_;
        $t->config(relayhost => '[127.0.0.1]:25', %$conf);
        like(says($t), $want, $name);
    }
    return if !has_server();
    my %tls = (relayhost => '[127.0.0.1]:25', smtpd_tls_cert_file => $c->{cert}, smtpd_tls_key_file => $c->{key}, smtpd_tls_ask_ccert => 'yes');
    for ([ 'authorities of clients', { smtpd_tls_CAfile => $c->{ca} }, qr/^ok +client certs +asked for; 1 authorities to trust them by$/m ],
        [ 'none', {}, qr/^ok +client certs +.*known by fingerprints alone$/m ],
        [ 'a file that is not there', { smtpd_tls_CAfile => $t->path('nothing') }, qr/^error +client certs +smtpd_tls_CAfile: .*No such file.*put it there/m ],
        [ 'a file that holds none', { smtpd_tls_CAfile => $c->{key} }, qr/^error +client certs +smtpd_tls_CAfile: .*holds no certificate/m ],
        [ 'a restriction that asks for what is not there', { smtpd_client_restrictions => 'permit_tls_clientcerts' }, qr/permit_tls_clientcerts is without effect, for no certificates are named/ ],
        [ '... nor asked for', { smtpd_tls_ask_ccert => 'no', smtpd_client_restrictions => 'permit_tls_clientcerts' }, qr/no listener asks its clients for certificates/ ],
        [ 'a table that is not there', { relay_clientcerts => 'hash:' . $t->path('nothing') }, qr/relay_clientcerts.*nothing/ ]) {
        my ($name, $conf, $want) = @$_;
        $t->config(%tls, %$conf);
        like(says($t), $want, $name) or diag says($t);
    }
};

SKIP: {
    skip 'needs the server module', 1 if !has_server();
    subtest 'Baton to Baton' => sub {
        my $server = Baton::Test->new(name => 'server');
        my $sink = $server->sink;
        my $t = Baton::Test->new(name => 'client');
        my $port = free_port();
        my $c = $server->certificate(names => ['127.0.0.1']);
        my $mine = $t->certificate(names => ['app.example.test'], self_signed => 1);
        my $second = $t->certificate(names => ['second.example.test'], self_signed => 1);
        spew(my $table = $server->path('ccerts'), print_of($t, $mine->{cert}) . " app\n");
        $server->config(relayhost => $sink->address, mynetworks => '192.0.2.0/24', smtpd_tls_cert_file => $c->{cert}, smtpd_tls_key_file => $c->{key},
            smtpd_tls_ask_ccert => 'yes', smtpd_tls_loglevel => 1, relay_clientcerts => "hash:$table",
            smtpd_relay_restrictions => 'permit_tls_clientcerts, reject_unauth_destination', raw => "listen smtp { address = 127.0.0.1 port = $port }\n");
        $server->start_batond;
        my %conf = (relayhost => "[127.0.0.1]:$port", inet_interfaces => '', smtp_tls_CAfile => $c->{ca}, smtp_tls_security_level => 'secure', minimal_backoff_time => '1s',
            maximal_backoff_time => '1s');
        my $n = 0;
        my $try = sub {
            my ($name, $want, %more) = @_;
            $t->config(%conf, %more);
            $t->start_batond;
            $t->sendmail([ '-f', 'me@example.test', ++$n . '@example.test' ], input => $text);
            ok($t->wait_log($want), $name) or diag $t->log_text;
            $t->stop_batond;
            $t->baton([qw(queue delete ALL)]);
        };
        spew(my $chain = $t->path('chain.pem'), slurp($mine->{key}) . slurp($mine->{cert}), 0600);
        $try->('without a certificate mail is not taken', qr/status=deferred \(.*Relay access denied/);
        $try->('with another one neither', qr/status=deferred \(.*Relay access denied/, smtp_tls_cert_file => $second->{cert}, smtp_tls_key_file => $second->{key});
        my @mine = (smtp_tls_cert_file => $mine->{cert}, smtp_tls_key_file => $mine->{key});
        $try->('with the right one it is', qr/status=sent/, @mine);
        $try->('... from one file', qr/status=sent/, smtp_tls_cert_file => $chain);
        $try->('... from smtp_tls_chain_files', qr/status=sent/, smtp_tls_chain_files => $chain);
        my $policy = spew($t->path('policy'), "[127.0.0.1]:$port encrypt ciphers=high\n");
        $try->('... at a level of its own', qr/status=sent/, @mine, smtp_tls_policy_maps => "texthash:$policy");
        $try->('... at a server known by its fingerprint', qr/status=sent/, @mine, smtp_tls_CAfile => '', %print,
            smtp_tls_fingerprint_cert_match => print_of($t, $c->{cert}));
        ok($server->wait_log(qr/Untrusted TLS connection established from unknown\[127\.0\.0\.1\]/), 'the server has seen it');
        $t->config(%conf, @mine);
        like($t->baton([ 'test', 'you@example.test' ])->{out}, qr/^ok +recipient +<you\@example\.test>: 250/m, 'baton test shows it, too');
    };
}

done_testing;
