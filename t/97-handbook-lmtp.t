#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
# The handbook, section by section: delivery to Dovecot by LMTP, over a UNIX socket and, encrypted, over the network.
use strict;
use warnings;
use FindBin;
use Test::More;
use lib "$FindBin::Bin/lib";
use Baton::Dovecot;
use Baton::Handbook;
use Baton::Test;

skip_all_unless_server();

plan skip_all => 'dovecot is not installed' if !Baton::Dovecot::is_there();
my @outside = ('--local-interface', '127.0.0.9', '--from', 'stranger@example.edu');
my ($h, $t, $d);

# A world with a Dovecot that knows these users
sub world {
    my (%o) = @_;
    $h = Baton::Handbook->new;
    $t = $h->t;
    my $cert = $o{tls} ? $t->certificate(names => [ 'localhost', '127.0.0.1' ]) : undef;
    $d = $t->dovecot(users => $o{users}, ($cert ? (cert => $cert) : ()), config => $o{config} // '');
    return $cert;
}

sub go {
    my ($lines, %o) = @_;
    my $set = delete $o{SET};
    $h->lines($lines, %o, SET => { mynetworks => '127.0.0.1', myhostname => 'smtp.example.com', %$set });
    my $said = $h->check;
    unlike($said, qr/^error/m, 'baton check finds nothing in the way') or diag $said;
    return $said;
}

subtest 'virtual mailboxes, over a UNIX socket' => sub {
    world(users => { 'joe@example.com' => 'secret', 'ann@example.com' => 'secret' });
    my $lines = qq(virtual_transport = "lmtp:unix:<socket>"\n);
    my $said = go($lines, socket => $d->lmtp_path, SET => {});
    like($said, qr/virtual_mailbox_domains/, 'it says that virtual_mailbox_domains is missing, without which nothing goes there') or diag $said;
    go("$lines" . qq(virtual_mailbox_domains = "example.com"\n), socket => $d->lmtp_path, SET => {});
    $h->start;
    my $r = $h->swaks(@outside, '--to', 'joe@example.com,ann@example.com', '--header', 'Subject: by LMTP');
    is($r->{code}, 0, 'mail from outside is taken') or diag $r->{out};
    for my $user ('joe@example.com', 'ann@example.com') {
        my ($m) = $h->wait_imap($d, $user, 'secret', 1);
        like($m, qr/^Subject: by LMTP\r?$/m, "$user finds it by IMAP") or diag $t->log_text, $d->log_text;
        like($t->wait_log(qr/to=<\Q$user\E>/), qr/relay=\S+\[\Q@{[ $d->lmtp_path ]}\E\], .*dsn=2\.\d\.\d, status=sent \(250 2\.0\.0 /, 'the log says so');
    }
    # Dovecot is away: the mail waits
    $d->stop;
    $r = $h->swaks(@outside, '--to', 'joe@example.com', '--header', 'Subject: later');
    is($r->{code}, 0, 'mail is taken while Dovecot is away') or diag $r->{out};
    ok($t->wait_log(qr/to=<joe\@example\.com>.*status=deferred/), 'and waits');
    $d->up;
    $t->baton([qw(queue retry ALL)]);
    is(scalar(my @m = $h->wait_imap($d, 'joe@example.com', 'secret', 2)), 2, 'till it is back');
};

subtest 'mailboxes of the users of this machine, over a UNIX socket' => sub {
    my $user = is_root() ? 'nobody' : getpwuid $>;
    world(users => { $user => 'secret' }, config => "auth_username_format = %n\n") if Baton::Dovecot::version() < 2.4;
    world(users => { $user => 'secret' }, config => "auth_username_format = %{user | username}\n") if Baton::Dovecot::version() >= 2.4;
    go(qq(mailbox_transport = "lmtp:unix:<socket>"\n), socket => $d->lmtp_path, SET => { mydestination => 'example.com, localhost' });
    $h->start;
    my $r = $h->swaks(@outside, '--to', "$user\@example.com", '--header', 'Subject: to a user');
    is($r->{code}, 0, 'mail from outside is taken') or diag $r->{out};
    my ($m) = $h->wait_imap($d, $user, 'secret', 1);
    like($m, qr/^Subject: to a user\r?$/m, 'the user finds it by IMAP') or diag $t->log_text, $d->log_text;
    $r = $h->swaks(@outside, '--to', 'nobody-of-that-name@example.com');
    like($r->{out}, qr/^<\*\* 550 5\.1\.1 .*User unknown/m, 'mail for nobody is refused') or diag $r->{out};
};

subtest 'over the network, within TLS' => sub {
    my $user = is_root() ? 'nobody' : getpwuid $>;
    my $format = Baton::Dovecot::version() >= 2.4 ? '%{user | username}' : '%n';
    my $cert = world(tls => 1, users => { $user => 'secret' }, config => "auth_username_format = $format\n");
    go(qq(mailbox_transport = "lmtp:inet:<dovecot_host>:<port>"\n), dovecot_host => '127.0.0.1', port => $d->lmtp_port,
        SET => { mydestination => 'example.com, localhost', lmtp_tls_security_level => 'secure', lmtp_tls_CAfile => $cert->{ca}, smtp_tls_loglevel => 1 });
    $h->start;
    my $r = $h->swaks(@outside, '--to', "$user\@example.com", '--header', 'Subject: within TLS');
    is($r->{code}, 0, 'mail from outside is taken') or diag $r->{out};
    my ($m) = $h->wait_imap($d, $user, 'secret', 1);
    like($m, qr/^Subject: within TLS\r?$/m, 'the user finds it by IMAP') or diag $t->log_text, $d->log_text;
    like($t->wait_log(qr/TLS connection established to/), qr/(?:Trusted|Verified) TLS connection established to 127\.0\.0\.1\[127\.0\.0\.1\]:\d+: TLSv1\.[23]/,
        'the log says that it was encrypted, and the certificate verified');
    log_like($d, qr/lmtp\(.*(?:saved mail to|stored mail into mailbox)/, "Dovecot's log says that it was delivered") or diag $d->log_text;
};

done_testing;
