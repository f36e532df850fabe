#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
# What turns an installed Baton into a service: the unit, the user, the folder, the example of a configuration.
use strict;
use warnings;
use FindBin;
use IO::Socket::UNIX;
use Test::More;
use lib "$FindBin::Bin/lib";
use Baton::Test;

my $t = Baton::Test->new;
my $built = build_dir() . '/packaging';

sub has { my ($name) = @_; return grep { -x "$_/$name" } split /:/, "$ENV{PATH}:/usr/sbin:/sbin" }

my $unit = slurp("$built/systemd/baton.service");
ok(defined $unit, 'the unit is built') or BAIL_OUT('run make first');
unlike($unit, qr/\@[A-Z_]+\@/, 'every place of the unit is filled in');
like($unit, qr/^Type=notify/m, 'systemd learns from batond when it is ready');
is(() = $unit =~ /^ExecReload=/mg, $unit =~ /^Type=notify-reload$/m ? 0 : 1, 'a reload sends one SIGHUP, not two');

SKIP: {
    skip 'systemd-analyze is not installed', 4 if !has('systemd-analyze');
    # As installed, but for the place of batond, which need not be installed here
    my $batond = program('batond');
    (my $here = $unit) =~ s{^(ExecStart=)\S+}{$1$batond}m;
    spew($t->path('baton.service'), $here);
    my $r = $t->run([ 'systemd-analyze', 'verify', '--man=no', $t->path('baton.service') ],
        env => { SYSTEMD_LOG_LEVEL => 'warning' });
    is($r->{code}, 0, 'systemd-analyze verify accepts the unit');
    # It also looks at the machine's own units and speaks of them
    is(join('', grep { /baton\.service/ } split /^/, $r->{err} . $r->{out}), '', 'and has nothing to say about it');

    my ($version) = $t->run([ 'systemd-analyze', '--version' ])->{out} =~ /^systemd (\d+)/;
    SKIP: {
        skip "systemd $version cannot tell the exposure of a unit file", 1 if $version < 250;
        my $s = $t->run([ 'systemd-analyze', 'security', '--offline=true', '--no-pager', $t->path('baton.service') ]);
        my ($exposure) = $s->{out} =~ /Overall exposure level for \S+ ([0-9.]+)/;
        cmp_ok($exposure // 10, '<=', 3.5, 'the unit is hardened: its exposure is ' . ($exposure // 'unknown'));
    }

    mkdir $t->path('root');
    SKIP: {
        skip 'systemd-sysusers is not installed', 1 if !has('systemd-sysusers');
        mkdir $t->path('root/etc');
        my $s = $t->run([ 'systemd-sysusers', '--root=' . $t->path('root'), "$built/sysusers.d/baton.conf" ]);
        my ($user) = slurp("$built/sysusers.d/baton.conf") =~ /^u (\S+)/m;
        like(slurp($t->path('root/etc/passwd')) // $s->{err}, qr/^\Q$user\E:/m, 'systemd-sysusers makes the user');
    }
}

like(slurp("$built/tmpfiles.d/baton.conf"), qr{^d /\S+/spool/baton 0755 }m, 'tmpfiles.d makes the folder of the spool');

# The sockets of a Dovecot, as far as baton check looks at them
my %dovecot = map { $_ => $t->path("dovecot-$_") } qw(lmtp auth);
my @dovecot = map { my $s = IO::Socket::UNIX->new(Local => $dovecot{$_}, Listen => 5) or die "$dovecot{$_}: $!"; chmod 0666, $dovecot{$_}; $s } sort keys %dovecot;

# The example is what people copy: as it stands, and with every commented line in force
my $example = slurp(source_dir() . '/packaging/baton.conf.example');
for my $case ([ 'as it stands', $example ], [ 'with all of it in force', $example =~ s/^#(?=[a-z]|    |\})//mgr ]) {
    my ($how, $text) = @$case;
    next if $text ne $example && !has_server();
    $text =~ s{/etc/baton/relay\.password}{$t->path('password')}ge;
    $text =~ s{/etc/mailname}{$t->path('mailname')}ge;
    my $cert = $t->certificate;
    $text =~ s{/etc/baton/mail\.(pem|key)}{$cert->{ $1 eq 'pem' ? 'cert' : 'key' }}ge;
    spew($t->path('password'), "secret\n", 0600);
    spew($t->path('mailname'), "example.test\n");
    spew($t->path('virtual'), "info\@example.test me\@example.test\n", 0644);
    $text =~ s{/etc/baton/virtual}{$t->path('virtual')}ge;
    $text =~ s{(?<=lmtp:unix:)[^"]+}{$dovecot{lmtp}}ge;
    $text =~ s{"private/auth"}{"$dovecot{auth}"}g;
    my $mine = 'queue_directory = "' . $t->spool . "\"\n" . 'smtp_tls_CAfile = "' . $t->certificate->{ca} . "\"\n";
    $mine .= qq(mail_owner = "nobody"\nsetgid_group = "nogroup"\n) if is_root();
    spew($t->conf, $text . $mine, 0600);
    my $r = $t->baton(['check']);
    is($r->{code}, 0, "baton check accepts baton.conf.example $how") or diag $r->{out}, $r->{err};
}

done_testing();
