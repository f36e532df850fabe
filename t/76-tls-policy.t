#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
# smtp_tls_policy_maps: the TLS that each next hop gets.
use strict;
use warnings;
use FindBin;
use Test::More;
use lib "$FindBin::Bin/lib";
use Baton::FakeRelay;
use Baton::Test;

plan skip_all => 'IO::Socket::SSL is not installed' if !Baton::FakeRelay::has_tls();

my $text = "From: me\@example.test\nTo: you\@example.test\nSubject: hello\n\nbody\n";

# A daemon with one message for a relayhost for which a row counts
sub scene {
    my ($name, $row, $look, %o) = @_;
    subtest $name => sub {
        my $t = Baton::Test->new;
        my $c = $t->certificate(names => $o{names} // ['mail.other.test']);
        my $relay = $t->fake_relay(($o{plain} ? () : (tls => 'starttls', cert => $c)), capabilities => ['PIPELINING']);
        my $hop = $o{hop} ? $o{hop}->($relay) : $relay->address;
        my $key = $o{key} ? $o{key}->($relay) : $hop;
        $t->config(relayhost => $hop, smtp_tls_CAfile => $c->{ca}, smtp_tls_loglevel => 1,
            minimal_backoff_time => '1s', maximal_backoff_time => '1s',
            smtp_tls_policy_maps => 'texthash:' . spew($t->path('policy'), "$key   $row\n"));
        $t->start_batond(env => { BATON_NAMESERVERS => $t->nameserver({ 'mx.example.test A' => ['127.0.0.1'] }) });
        $t->sendmail(['-f', 'me@example.test', 'you@example.test'], input => $text);
        $look->($t, $relay);
    };
}

sub sent {
    my ($how) = @_;
    return sub {
        my ($t, $relay) = @_;
        ok($t->wait_log(qr/status=sent/), 'the mail is sent') or diag $t->log_text;
        $how ? log_like($t, qr/: \Q$how\E TLS connection established/, "logged as $how")
          : unlike($t->log_text, qr/TLS connection established/, 'without TLS');
    };
}

sub kept {
    my ($why) = @_;
    return sub {
        my ($t, $relay) = @_;
        ok($t->wait_log(qr/status=deferred/), 'the mail is deferred') or diag $t->log_text;
        log_like($t, $why, 'the log says why');
        is_deeply([ $relay->messages ], [], 'nothing was sent');
    };
}

scene('none: no TLS though it is offered', 'none', sent(''));
scene('encrypt: whatever the certificate', 'encrypt', sent('Trusted'));
scene('encrypt: and nothing without', 'encrypt', kept(qr/TLS|STARTTLS/), plain => 1);
scene('secure: the certificate must be for the next hop', 'secure', kept(qr/the certificate is for mail\.other\.test, not for/));
scene('secure match=: or for a name that is written', 'secure match=mail.example.test:.other.test', sent('Verified'));
scene('verify: for the host', 'verify', sent('Verified'), names => ['127.0.0.1']);
scene('protocols and ciphers', 'encrypt protocols=!SSLv2:!SSLv3:!TLSv1 ciphers=high', sent('Trusted'));
scene('a next hop by its name', 'none', sent(''), hop => sub { '[mx.example.test]:' . $_[0]->port }, key => sub { '[mx.example.test]:' . $_[0]->port });
scene('a row of nonsense is told, and the mail waits', 'secure mach=x', kept(qr/smtp_tls_policy_maps: \S+: there is no attribute "mach"/));
scene('DANE is refused by name', 'dane', kept(qr/level dane: DANE is not here/));

done_testing;
