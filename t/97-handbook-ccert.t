#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
# The handbook, section by section: clients known by their certificates.
use strict;
use warnings;
use FindBin;
use Test::More;
use lib "$FindBin::Bin/lib";
use Baton::Handbook;
use Baton::Test;

skip_all_unless_server();
my $h = Baton::Handbook->new;
my $t = $h->t;
my $c = $t->certificate(names => [ 'smtp.example.com', '127.0.0.1', 'localhost' ]);
my $sink = $t->sink;
my %own = (relayhost => $sink->address, smtpd_tls_cert_file => $c->{cert}, smtpd_tls_key_file => $c->{key}, mynetworks => '192.0.2.0/24');
my ($key, $cert, $table) = map { $t->path($_) } qw(app.key app.pem relay_clientcerts);
my @swaks = ('--from', 'me@example.com', '--to', 'you@elsewhere.example', '--tls');
my @mine = ('--tls-cert', $cert, '--tls-key', $key);
plan skip_all => 'swaks is not installed' if !grep { -x "$_/swaks" } split /:/, $ENV{PATH};

# ---- the client's certificate, and its fingerprint ----
$t->run([ 'sh', '-c', "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 3650 -subj /CN=app.example.com -keyout $key -out $cert" ]);
my ($print) = $t->run([ 'sh', '-c', "openssl x509 -noout -fingerprint -sha256 -in $cert" ])->{out} =~ /=(\S+)/;
my ($key_print) = $t->run([ 'sh', '-c', "openssl x509 -noout -pubkey -in $cert | openssl pkey -pubin -outform DER | openssl dgst -sha256 -c" ])->{out} =~ /= (\S+)/;

my $lines = <<'END';
smtpd_tls_ask_ccert = "yes"
relay_clientcerts = "hash:<table>"
smtpd_relay_restrictions = "permit_mynetworks, permit_tls_clientcerts, reject_unauth_destination"
END
for ([ 'the certificate', $print ], [ 'its key', $key_print ]) {
    my ($what, $line) = @$_;
    spew($table, "$line    app.example.com\n");
    $h->lines($lines, table => $table, SET => \%own);
    my $said = $h->check;
    unlike($said, qr/^error|is without effect/m, "$what: baton check finds nothing in the way") or diag $said;
    $h->start;
    my $r = $h->swaks(@swaks, @mine);
    is($r->{code}, 0, 'swaks sends to elsewhere with the certificate') or diag $r->{out}, $r->{err};
    $r = $h->swaks(@swaks);
    isnt($r->{code}, 0, 'and not without');
    like($r->{out}, qr/Relay access denied/, '... which it is told');
    $t->stop_batond;
}

# ---- an authority of one's own ----
my $good = $t->certificate(names => ['app.example.com']);
$lines = <<'END';
smtpd_tls_ask_ccert = "yes"
smtpd_tls_CAfile = "<ca>"
smtpd_relay_restrictions = "permit_mynetworks, permit_tls_all_clientcerts, reject_unauth_destination"
END
$h->lines($lines, ca => $c->{ca}, SET => \%own);
$h->start;
my $r = $h->swaks(@swaks, '--tls-cert', $good->{cert}, '--tls-key', $good->{key});
is($r->{code}, 0, 'whom it has made a certificate for sends') or diag $r->{out};
isnt($h->swaks(@swaks, @mine)->{code}, 0, 'others do not');
$t->stop_batond;
$h->lines($lines, ca => '/etc/ssl/certs/ca-certificates.crt', SET => \%own);
like($h->check, qr/^error .*an open relay/m, "the system's authorities are refused");

# ---- a port where nobody else has any business ----
$h->lines("smtpd_tls_CAfile = \"<ca>\"\n", ca => $c->{ca}, SET => \%own, LISTEN => 'tls = "encrypt", smtpd_tls_req_ccert = "yes"');
$h->start;
like($h->swaks(@swaks, @mine)->{out}, qr/421 4\.7\.1 \S+ Error: Client certificate not trusted/, 'who has no such certificate is told 421');
done_testing;
