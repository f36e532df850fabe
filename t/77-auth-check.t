#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
# What `baton check` says of logins: of a configuration that nobody can log in with, and of servers that are not there, are not what
# they should be, or may not be asked.
use strict;
use warnings;
use Test::More;
use FindBin;
use lib "$FindBin::Bin/lib";
use Baton::Dovecot;
use Baton::Test;
use IO::Socket::UNIX;

skip_all_unless_server();
my $t = Baton::Test->new;
my $cert = $t->certificate(names => ['mx.example.test']);
my %tls = (smtpd_tls_cert_file => $cert->{cert}, smtpd_tls_key_file => $cert->{key});
my %auth = (myhostname => 'mx.example.test', relayhost => '[127.0.0.1]:2525', inet_interfaces => '127.0.0.1', smtpd_sasl_auth_enable => 'yes');
my $listen = 'listen submission { address = "127.0.0.1", port = ' . free_port() . ' }';

sub finds {
    my ($name, $code, $want, %o) = @_;
    my @args = @{ delete $o{args} // [] };
    $t->config(%auth, raw => $listen, %o);
    my $r = $t->baton([ 'check', @args ], timeout => 60);
    is($r->{code}, $code, "$name: exit $code");
    like($r->{out} . $r->{err}, $want, "$name: says what") or diag $r->{out}, $r->{err};
}

# ---- rules --------------------------------------------------------------------------------------------------------------------

finds('no certificate', 78, qr/^warning +config .*smtpd_sasl_auth_enable: nobody can log in: smtpd_tls_auth_only demands TLS, and there is none/m);
finds('TLS switched off', 78, qr/^warning +config .*listen submission: nobody can log in: .*switched off here/m, %tls,
    raw => 'listen submission { port = 587, tls = "no", auth = "may" }');
finds('a path of the other type', 78, qr/"smtpd" is what Cyrus SASL wants here/, %tls, smtpd_sasl_path => 'smtpd');
finds('the other way round', 78, qr/"private\/auth" is the name of no application of Cyrus SASL/, %tls, smtpd_sasl_type => 'cyrus',
    smtpd_sasl_path => 'private/auth');
finds('TCP without a port', 78, qr/it has no host or no port; write inet:host:port/, %tls, smtpd_sasl_path => 'inet:10.0.0.5');
finds('TCP without a host', 78, qr/it has no host or no port; write inet:host:port/, %tls, smtpd_sasl_path => 'inet: : 12345');
finds('an option that does not exist', 78, qr/smtpd_sasl_security_options.*noplaintext/, %tls, smtpd_sasl_security_options => 'noplain');
finds('a table as filter', 78, qr/it takes names of mechanisms and static:rest, no other tables/, %tls,
    smtpd_sasl_mechanism_filter => 'hash:/etc/x');

# ---- Dovecot ------------------------------------------------------------------------------------------------------------------

finds('no socket', 78, qr{^error +login of users +\S+/spool/private/auth: .*\n.*No such file or directory: is Dovecot running}m, %tls,
    smtpd_sasl_path => 'private/auth');
my $file = spew($t->path('file'), '');
finds('a file', 78, qr{^error +login of users +\S+/file is no socket}m, %tls, smtpd_sasl_path => "unix:$file");
my $socket = IO::Socket::UNIX->new(Local => $t->path('socket'), Listen => 1) or die;
SKIP: {
    skip 'root may open everything only where workers are somebody else', 2 if !is_root();
    chmod 0600, $t->path('socket');
    finds('a socket of somebody else', 78, qr{^error +login of users +\S+/socket: as nobody.*\n.*Permission denied: in Dovecot's service auth}m, %tls,
        smtpd_sasl_path => $t->path('socket'));
}
chmod 0666, $t->path('socket');
finds('a socket', 0, qr{^ok +login of users +by Dovecot at \S+/socket}m, %tls, smtpd_sasl_path => $t->path('socket'));
finds('TCP', 0, qr{^ok +login of users +by Dovecot at 10\.0\.0\.5:12345}m, %tls, smtpd_sasl_path => 'inet: 10.0.0.5 : 12345');

SKIP: {
    skip 'dovecot is not installed', 8 if !Baton::Dovecot::is_there();
    my $d = $t->dovecot(users => { joe => 'x' });
    my $sink = $t->sink;
    my %live = (%tls, relayhost => $sink->address, args => ['--live']);
    finds('Dovecot, by its socket', 0, qr/^ok +login of users +Dovecot answers; offered within TLS: PLAIN LOGIN; before TLS: none \(smtpd_tls_auth_only\)/m,
        %live, smtpd_sasl_path => $d->auth_path);
    finds('Dovecot, by TCP', 0, qr/^ok +login of users +Dovecot answers; .*before TLS: none$/m, %live,
        smtpd_sasl_path => 'inet:localhost:' . $d->auth_port, smtpd_tls_auth_only => 'no', smtpd_sasl_security_options => 'noplaintext',
        smtpd_sasl_tls_security_options => 'noanonymous');
    finds('Dovecot has plaintext mechanisms only', 78, qr/^error +login of users +Dovecot answers, and no mechanism of its is left/m, %live,
        smtpd_sasl_path => $d->auth_path, smtpd_sasl_security_options => 'noplaintext');
    finds('LMTP is no authentication server', 78, qr/^error +login of users +Dovecot: it is no authentication server of Dovecot/m, %live,
        smtpd_sasl_path => $d->lmtp_path);
}

# ---- Cyrus --------------------------------------------------------------------------------------------------------------------

mkdir $t->path('sasl');
my %cyrus = (%tls, smtpd_sasl_type => 'cyrus', cyrus_sasl_config_path => $t->path('sasl'));
my $settings = sub { spew($t->path('sasl/smtpd.conf'), join "\n", @_, '') };
finds('no settings', 78, qr{^error +login of users +Cyrus SASL has no settings: there is none of \S+/sasl/smtpd\.conf}m, %cyrus);
$settings->('pwcheck_method: saslauthd', 'mech_list: PLAIN LOGIN', 'saslauthd_path: ' . $t->path('mux'));
finds('no saslauthd', 78, qr{^error +login of users +\S+/mux: .*\n.*is saslauthd running}m, %cyrus);
$settings->('# a comment', 'pwcheck_method:saslauthd', 'Mech_List: plain login', 'saslauthd_path: ' . $t->path('socket'));
finds('saslauthd', 0, qr{^ok +login of users +by Cyrus SASL, \S+/smtpd\.conf, saslauthd at \S+/socket}m, %cyrus);
finds('nothing is left', 78, qr{^error +login of users +no mechanism is left: \S+ has plaintext ones only}m, %cyrus,
    smtpd_sasl_security_options => 'noplaintext');
$settings->('pwcheck_method: saslauthd', 'mech_list: PLAIN CRAM-MD5', 'saslauthd_path: ' . $t->path('socket'));
finds('what saslauthd cannot do', 0, qr{^warning +login of users .*saslauthd can do PLAIN and LOGIN only}m, %cyrus);
$settings->('pwcheck_method: auxprop', 'sasldb_path: ' . $t->path('nothing'));
finds('no sasldb', 78, qr{^error +login of users +\S+/nothing: No such file.*\n.*saslpasswd2}m, %cyrus);

done_testing;
