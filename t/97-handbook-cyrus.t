#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
# The handbook, section by section: SASL through Cyrus, whose saslauthd asks an IMAP server here.
use strict;
use warnings;
use FindBin;
use Test::More;
use lib "$FindBin::Bin/lib";
use Baton::Dovecot;
use Baton::Handbook;
use Baton::Test;

skip_all_unless_server();

my ($saslauthd) = grep { -x } '/usr/sbin/saslauthd', '/usr/local/sbin/saslauthd';
plan skip_all => 'saslauthd is not installed' if !$saslauthd;
plan skip_all => 'dovecot is not installed' if !Baton::Dovecot::is_there();
my $h = Baton::Handbook->new;
my $t = $h->t;
my $sink = $t->sink;
my $c = $t->certificate(names => [ 'smtp.example.com', '127.0.0.1' ]);
my $d = $t->dovecot(users => { joe => 'secret' });
my $mux = $t->path('saslauthd');
mkdir $mux;
chmod 0755, $mux;
my $pid = $t->_spawn([ $saslauthd, '-d', '-a', 'rimap', '-O', '127.0.0.1/' . $d->imap_port, '-m', $mux, '-n', 1 ],
    stdout => $t->path('saslauthd.log'), stderr => $t->path('saslauthd.log'));
END { Baton::Test::_end($pid, 'TERM', 5) if $pid }
ok(wait_until(sub { -S "$mux/mux" }), 'saslauthd runs') or diag slurp($t->path('saslauthd.log'));
mkdir $t->path('sasl2');
spew($t->path('sasl2/smtpd.conf'), "pwcheck_method: saslauthd\nsaslauthd_path: $mux/mux\nmech_list: PLAIN LOGIN\n", 0644);

my $lines = <<'END';
smtpd_sasl_auth_enable = "yes"
smtpd_sasl_type = "cyrus"
smtpd_sasl_path = "smtpd"
smtpd_sasl_security_options = "noanonymous, noplaintext"
smtpd_sasl_tls_security_options = "noanonymous"
END
my %own = (relayhost => $sink->address, mynetworks => '127.0.0.1', myhostname => 'smtp.example.com', smtpd_tls_cert_file => $c->{cert},
    smtpd_tls_key_file => $c->{key}, cyrus_sasl_config_path => $t->path('sasl2'));
my @outside = ('--local-interface', '127.0.0.9', '--from', 'joe@example.com', '--to', 'you@example.org');
my @login = (@outside, '--tls', '--auth-user', 'joe');

$h->lines($lines, SET => \%own);
my $said = $h->check;
unlike($said, qr/^error/m, 'baton check finds nothing in the way') or diag $said;
$h->start;
my $n = 0;
for my $mechanism (qw(PLAIN LOGIN)) {
    my $r = $h->swaks(@login, '--auth', $mechanism, '--auth-password', 'secret');
    is($r->{code}, 0, "$mechanism within TLS") or diag $r->{out}, $t->log_text;
    is(scalar(my @m = $sink->wait_messages(++$n)), $n, 'the mail goes on');
}
my $r = $h->swaks(@login, '--auth', 'PLAIN', '--auth-password', 'wrong');
like($r->{out}, qr/^<~\* 535 5\.7\.8 /m, 'a wrong password') or diag $r->{out};
$r = $h->swaks(@outside);
unlike($r->{out}, qr/^<- +250[- ]AUTH/m, 'no AUTH in the clear');

done_testing;
