#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
# The handbook, section by section: SASL through Dovecot, over its UNIX socket and over TCP.
use strict;
use warnings;
use File::Path ();
use FindBin;
use Test::More;
use lib "$FindBin::Bin/lib";
use Baton::Dovecot;
use Baton::Handbook;
use Baton::Test;

skip_all_unless_server();

plan skip_all => 'dovecot is not installed' if !Baton::Dovecot::is_there();
my $h = Baton::Handbook->new;
my $t = $h->t;
my $sink = $t->sink;
my $c = $t->certificate(names => [ 'smtp.example.com', '127.0.0.1' ]);
my @me = is_root() ? (getpwnam 'nobody')[0] : scalar getpwuid $>;
my $group = is_root() ? 'nogroup' : scalar getgrgid $) + 0;

# The folder of private/auth is there after the first start of batond
my %own = (relayhost => $sink->address, mynetworks => '127.0.0.1', myhostname => 'smtp.example.com', smtpd_tls_cert_file => $c->{cert},
    smtpd_tls_key_file => $c->{key});
$h->lines('', SET => \%own);
$h->start;
$t->stop_batond;
my $spool = $t->spool;
ok(-d "$spool/private", 'the spool has a folder for the sockets of others') or File::Path::make_path("$spool/private");
my $d = $t->dovecot(users => { 'joe@example.com' => 'secret' }, config => <<"END");
service auth {
  unix_listener $spool/private/auth {
    mode = 0660
    user = @me
    group = $group
  }
}
END

my $lines = <<'END';
smtpd_sasl_auth_enable = "yes"
smtpd_sasl_type = "dovecot"
smtpd_sasl_path = "<path>"
smtpd_sasl_security_options = "noanonymous, noplaintext"
smtpd_sasl_tls_security_options = "noanonymous"
END
my @outside = ('--local-interface', '127.0.0.9', '--from', 'joe@example.com', '--to', 'you@example.org');
my @login = (@outside, '--auth-user', 'joe@example.com', '--auth-password', 'secret');

my $n = 0;
for my $case ([ 'a path below the spool', 'private/auth' ], [ 'TCP, with the blanks of the text', 'inet: 127.0.0.1 : ' . $d->auth_port ],
    [ 'TCP', 'inet:127.0.0.1:' . $d->auth_port ]) {
    my ($name, $path) = @$case;
    subtest $name => sub {
        $h->lines($lines, path => $path, SET => \%own);
        my $said = $h->check('--live');
        unlike($said, qr/^error +(?:auth|sasl|smtpd_sasl)/mi, 'baton check finds nothing in the way') or diag $said;
        $h->start;
        my $r;
        for my $mechanism (qw(PLAIN LOGIN)) {
            $r = $h->swaks(@login, '--tls', '--auth', $mechanism);
            is($r->{code}, 0, "$mechanism within TLS") or diag $r->{out}, $t->log_text;
            $n++;
        }
        is(scalar(my @m = $sink->wait_messages($n)), $n, 'the mail goes on');
        $r = $h->swaks(@outside);
        unlike($r->{out}, qr/^<- +250[- ]AUTH/m, 'no AUTH in the clear: all that Dovecot offers is in the clear itself');
        $r = $h->swaks(@login, '--tls', '--auth', 'PLAIN', '--auth-password', 'wrong');
        like($r->{out}, qr/^<~\* 535 5\.7\.8 /m, 'a wrong password') or diag $r->{out};
        $t->stop_batond;
    };
}

subtest 'Dovecot is away' => sub {
    $h->lines($lines, path => 'private/auth', SET => \%own);
    $d->stop;
    $h->start;
    my $r = $h->swaks(@login, '--tls', '--auth', 'PLAIN');
    isnt($r->{code}, 0, 'nobody logs in');
    unlike($r->{out}, qr/^<~\* 535/m, 'but the password is not called wrong') or diag $r->{out};
    $d->up;
    ok(wait_until(sub { $h->swaks(@login, '--tls', '--auth', 'PLAIN')->{code} == 0 }, 20), 'once it is back, all goes on') or diag $t->log_text;
};

done_testing;
