#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
# `baton check` opens the certificates that clients are to be shown.
use strict;
use warnings;
use FindBin;
use Test::More;
use lib "$FindBin::Bin/lib";
use Baton::Test;

my $t = Baton::Test->new;
my $good = $t->certificate(names => [ 'mx.example.test', '*.wild.example.test' ]);
my $other = $t->certificate(names => ['other.example.test']);
my $soon = $t->certificate(names => ['mx.example.test'], days => 13);
my $expired = $t->certificate(names => ['mx.example.test'], days => -1);
my $open = $t->path('open.key');
spew($open, slurp($good->{key}), 0644);
my $chains = $t->path('chains.pem');
spew($chains, join('', map { slurp($_) } $other->{key}, $other->{cert}, $good->{key}, $good->{cert}), 0600);

sub finds {
    my ($name, $code, $want, $set, %o) = @_;
    my @cert = $set->{smtpd_tls_chain_files} ? () : (smtpd_tls_cert_file => $good->{cert}, smtpd_tls_key_file => $good->{key});
    $t->config(relayhost => '[127.0.0.1]:2525', myhostname => 'mx.example.test', @cert, %$set);
    my $r = $t->baton(['check'], %o);
    is($r->{code}, $code, "$name: exit $code");
    like($r->{out}, $want, "$name: says what") or diag $r->{out}, $r->{err};
    return $r->{out};
}

finds('a good one', 0, qr/^ok +certificate +\Q$good->{cert}\E, for mx\.example\.test \*\.wild\.example\.test, good for (?:29|30) days$/m, {});
finds('a wildcard fits', 0, qr/^all is well$/m, { myhostname => 'a.wild.example.test' });
finds('another name', 0, qr/^warning +certificate +\Q$good->{cert}\E is for mx\.example\.test .*, and myhostname is b\.example\.test: .*set myhostname$/m,
    { myhostname => 'b.example.test' });
unlike(finds('of several one fits', 0, qr/^all is well$/m, { smtpd_tls_chain_files => $chains }), qr/myhostname/, 'is enough');
finds('a missing file', 78, qr{^error +certificate +smtpd_tls_cert_file: read /nonexistent: No such file or directory: put it there}m, { smtpd_tls_cert_file => '/nonexistent' });
finds('the key of another', 78, qr/^error +certificate +smtpd_tls_cert_file: the key in \Q$other->{key}\E does not belong to the \(first\) certificate in \Q$good->{cert}\E$/m,
    { smtpd_tls_key_file => $other->{key} });
finds('a key that everybody reads', 78, qr/^error +certificate +.*\Q$open\E holds a key and everybody may read it: chmod o= \Q$open\E$/m, { smtpd_tls_key_file => $open });
finds('one that expires', 0, qr/^warning +certificate +the certificate in \Q$soon->{cert}\E expires in 1[23] days: renew it, then baton reload$/m,
    { smtpd_tls_cert_file => $soon->{cert}, smtpd_tls_key_file => $soon->{key} });
finds('one that has expired', 0, qr/^warning +certificate +the certificate in \Q$expired->{cert}\E has expired \d+ days ago: clients will refuse it; renew it/m,
    { smtpd_tls_cert_file => $expired->{cert}, smtpd_tls_key_file => $expired->{key} });
finds('one good, one not', 78, qr/^error +certificate +smtpd_tls_eccert_file: .*\n(?:.*\n)*?ok +certificate +\Q$good->{cert}\E/m, { smtpd_tls_eccert_file => '/etc/passwd' });
finds('no full name', 78, qr/^error +config +.*smtpd_tls_chain_files: "mail\.pem" is no full file name/m, { smtpd_tls_chain_files => 'mail.pem' });
finds('a key alone', 78, qr/^error +config +.*smtpd_tls_key_file: a key without its certificate: set smtpd_tls_cert_file/m, { smtpd_tls_cert_file => undef });
my %none = (smtpd_tls_cert_file => undef, smtpd_tls_key_file => undef);
finds('TLS that is demanded, and no certificate', 78, qr/^error +config +.*smtpd_tls_security_level: TLS is demanded, and there is no certificate: set smtpd_tls_cert_file/m,
    { %none, smtpd_tls_security_level => 'encrypt' });
finds('port 465, and no certificate', 78, qr/^error +config +.*listen s: TLS is demanded at port 465, and there is no certificate/m, { %none, raw => "listen s { address = 127.0.0.1 port = 465 }\n" });
finds('TLS that is offered, and no certificate', 0, qr/^warning +config +.*listen s: TLS is not offered, for there is no certificate/m,
    { %none, raw => "listen s { address = 127.0.0.1 port = @{[free_port()]} tls = may }\n" });
finds('a handbook\'s wrapper mode', 78, qr/smtpd_tls_wrappermode.*write tls = implicit into a section listen/, { smtpd_tls_wrappermode => 'yes' });
SKIP: {
    skip 'needs root', 2 if !is_root();
    finds('a key that is root\'s, for somebody else', 0, qr/^note +certificate +.*\(this user may not read it; root may\)$/m,
        { queue_directory => $t->path('not-there-yet'), map { $_ => undef } qw(mail_owner setgid_group) }, uid => 65534) if chmod 0777, $t->dir;
}
done_testing();
