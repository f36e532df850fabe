#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
# TLS to the relayhost, which here is OpenSSL: what is verified, what is said when it is not, and that the mail is kept.
use strict;
use warnings;
use Test::More;
use FindBin;
use lib "$FindBin::Bin/lib";
use Baton::FakeRelay;
use Baton::Test;

plan skip_all => 'IO::Socket::SSL is not installed' if !Baton::FakeRelay::has_tls();

my $text = "From: me\@example.test\nTo: you\@example.test\nSubject: hello\n\nbody\n";

# A daemon with one message for a relayhost with such a certificate; the block looks what becomes of it.
sub scene {
    my ($name, $cert, $script, $config, $look) = @_;
    subtest $name => sub {
        my $t = Baton::Test->new;
        my $c = $t->certificate(%$cert);
        my $relay = $t->fake_relay(tls => 'starttls', cert => $c, capabilities => ['PIPELINING'], %$script);
        $t->config(relayhost => $relay->address, smtp_tls_CAfile => $c->{ca}, smtp_tls_loglevel => 1,
            minimal_backoff_time => '1s', maximal_backoff_time => '1s', maximal_queue_lifetime => '0s',
            ref $config eq 'CODE' ? $config->($relay) : %$config);
        $t->start_batond;
        $t->sendmail(['-f', 'me@example.test', 'you@example.test'], input => $text);
        $look->($t, $relay);
    };
}

sub sent {
    my ($how) = @_;
    return sub {
        my ($t, $relay) = @_;
        ok($t->wait_log(qr/status=sent/), 'the mail is sent') or diag $t->log_text;
        my ($m) = $relay->wait_messages(1);
        ok($m->{tls}, 'within TLS');
        log_like($t, qr/: \Q$how\E TLS connection established to 127\.0\.0\.1\[127\.0\.0\.1\]:\d+: TLSv1\.[23] with cipher \S+ \(\d+ bits\)/,
            "logged as $how");
    };
}

sub kept {
    my ($why) = @_;
    return sub {
        my ($t, $relay) = @_;
        my $line = $t->wait_log(qr/error: /);
        like($line, $why, 'one loud line says why') or diag $t->log_text;
        ok($t->wait_log(qr/status=deferred/), 'the mail is deferred');
        unlike($t->log_text, qr/status=(sent|bounced|expired)/, 'and neither sent nor bounced');
        is_deeply([ $relay->messages ], [], 'nothing was said outside of TLS');
    };
}

my %secure = (smtp_tls_security_level => 'secure');
scene('a certificate for the address is verified', { names => ['127.0.0.1'] }, {}, \%secure, sent('Verified'));
scene('one for another name is refused', { names => ['mail.example.test'] }, {}, \%secure,
    kept(qr/the certificate is for mail\.example\.test, not for 127\.0\.0\.1/));
scene('an expired one is refused', { days => -1 }, {}, \%secure, kept(qr/the certificate has expired on 2020-02-01/));
scene('a self-signed one is refused', { self_signed => 1 }, {}, \%secure, kept(qr/the certificate is self-signed/));
scene('one of an unknown authority is refused', {}, {}, { %secure, smtp_tls_CAfile => '' },
    kept(qr/an authority that we do not trust|no authorities to check/));
scene('encrypt takes any certificate', { self_signed => 1 }, {}, { smtp_tls_security_level => 'encrypt' }, sent('Untrusted'));
scene('may uses TLS when it is offered', { names => ['mail.example.test'] }, {}, { smtp_tls_security_level => 'may' }, sent('Trusted'));
scene('a login goes over verified TLS', {}, { capabilities => [ 'PIPELINING', 'AUTH PLAIN LOGIN' ] },
    sub { (raw => qq(login "@{[$_[0]->address]}" { user = "joe" password = "s3cret" }\n)) },
    sub {
        my ($t, $relay) = @_;
        sent('Verified')->($t, $relay);
        my ($m) = $relay->wait_messages(1);
        is_deeply($m->{login}, { mechanism => 'PLAIN', user => 'joe', password => 's3cret' }, 'and is taken');
        unlike($t->log_text, qr/s3cret/, 'the log does not know it');
    });
scene('and not to a server that somebody else stands in for', { self_signed => 1 },
    { capabilities => [ 'PIPELINING', 'AUTH PLAIN LOGIN' ] },
    sub { (raw => qq(login "@{[$_[0]->address]}" { user = "joe" password = "s3cret" }\n)) }, kept(qr/self-signed/));

subtest 'several messages share a connection within TLS, large ones too' => sub {
    my $t = Baton::Test->new;
    my $c = $t->certificate;
    my $relay = $t->fake_relay(tls => 'starttls', cert => $c, capabilities => ['PIPELINING']);
    $t->config(relayhost => $relay->address, smtp_tls_CAfile => $c->{ca}, %secure, smtp_destination_concurrency_limit => 1);
    $t->start_batond;
    my $line = 'x' x 70 . "\n";
    $t->sendmail([ '-f', 'me@example.test', 'you@example.test' ], input => "Subject: $_\n\n" . $line x (1 + $_ * 3000)) for 0 .. 4;
    my @m = $relay->wait_messages(5);
    is(scalar @m, 5, 'all arrive');
    my %size;
    for my $content (map { $_->{content} } @m) {
        my ($n) = $content =~ /^Subject: (\d)/m;
        $size{$n} = () = $content =~ /^x{70}\r$/mg;
    }
    is_deeply(\%size, { map { $_ => 1 + $_ * 3000 } 0 .. 4 }, 'whole');
    is(scalar(keys %{ { map { $_->{connection} => 1 } @m } }), 1, 'over one connection');
};

done_testing();
