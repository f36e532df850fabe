#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
# Filters that people run: OpenDKIM signs and verifies, rspamd refuses and marks.
use strict;
use warnings;
use FindBin;
use Test::More;
use lib "$FindBin::Bin/lib";
use Baton::Client;
use Baton::Filter;
use Baton::Test;

skip_all_unless_server();

my $text = "From: me\@example.test\r\nTo: b\@client.test\r\nSubject: for the filters\r\nDate: Thu, 26 Nov 2026 12:00:00 +0000\r\n"
  . "Message-ID: <1\@example.test>\r\n\r\nfirst\r\n..dot\r\nlast\r\n";

# A world with a relayhost, and with a port for clients
sub fresh {
    my (%config) = @_;
    my $t = $config{t} // Baton::Test->new;
    delete $config{t};
    my $relay = $t->fake_relay;
    my $port = free_port();
    $t->config(relayhost => $relay->address, raw => "listen smtp {\n    address = \"127.0.0.1\"\n    port = $port\n}\n", %config);
    $t->start_batond;
    return ($t, $relay, $port);
}

sub client { my ($port) = @_; my $c = Baton::Client->new(port => $port); $c->greet; return $c }

subtest 'OpenDKIM signs what comes by SMTP, and another one finds the signature good' => sub {
    plan skip_all => 'opendkim is not installed' if !Baton::Filter::has('opendkim');
    my $t = Baton::Test->new;
    my $signer = Baton::Filter->opendkim($t);
    my (undef, $relay, $port) = fresh(t => $t, smtpd_milters => $signer->address);
    my $c = client($port);
    like($c->deliver(from => 'me@example.test', text => $text), qr/^250 2\.0\.0 Ok: queued as \w+/, 'the message is taken');
    my ($m) = $relay->wait_messages(1);
    ok($m, 'it is relayed') or return diag $t->log_text . $signer->log_text;
    like($m->{content}, qr/\ADKIM-Signature: v=1;.*?d=example\.test; s=mail;.*?\r\nReceived: /s, 'with a signature on top');
    like($m->{content}, qr/\r\n\r\nfirst\r\n\.dot\r\nlast\r\n\z/, 'and its body as it was');
    my $verifier = Baton::Filter->opendkim($t, mode => 'v', keys => $signer);
    my ($t2, $relay2, $port2) = fresh(smtpd_milters => $verifier->address);
    (my $signed = $m->{content}) =~ s/^\./../mg;
    like(client($port2)->deliver(from => 'me@example.test', text => $signed), qr/^250/, 'sent on to where another one verifies');
    my ($v) = $relay2->wait_messages(1);
    ok($v, 'it arrives') or return diag $t2->log_text;
    like($v->{content}, qr/^Authentication-Results: verifier\.test;\s+dkim=pass .*?header\.d=example\.test/ms, 'its signature is good');
};

done_testing;
