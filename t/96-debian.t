#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
# What the Debian package does to the service, by the real deb-systemd-helper below a root of its own: an upgrade leaves it as it was.
use strict;
use warnings;
use File::Path qw(make_path);
use FindBin;
use Test::More;
use lib "$FindBin::Bin/lib";
use Baton::Test;

plan skip_all => 'deb-systemd-helper is not installed' if !grep { -x "$_/deb-systemd-helper" } split /:/, $ENV{PATH};
my $t = Baton::Test->new;
my $root = $t->path('root');
my $link = "$root/etc/systemd/system/multi-user.target.wants/baton.service";
make_path("$root/etc/systemd/system", "$root/usr/lib/systemd/system", "$root/lib/systemd/system");
spew("$root/$_/systemd/system/baton.service", "[Unit]\n[Install]\nWantedBy=multi-user.target\n", 0644) for qw(usr/lib lib);
my ($enabling) = slurp(source_dir() . '/packaging/debian/postinst') =~ /^(    if deb-systemd-helper .*?^    fi\n)/ms;
ok(defined $enabling, 'postinst asks whether the service was enabled');

sub configure {
    local %ENV = (%ENV, DPKG_ROOT => $root, DPKG_MAINTSCRIPT_PACKAGE => 'baton');
    is(system('sh', '-ec', $enabling), 0, $_[0]);
}

configure('a new installation');
ok(-l $link, 'enables the service');
configure('an upgrade');
ok(-l $link, 'leaves it enabled');
unlink $link;
configure('an upgrade after systemctl disable');
ok(!-l $link, 'leaves it disabled');
done_testing;
