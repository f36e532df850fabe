#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
# A user who was just made is not refused for good, though a jailed worker may not read the new /etc/passwd: it is replaced by one
# that may. In a /etc of its own.
use strict;
use warnings;
use FindBin;
use Test::More;
use lib "$FindBin::Bin/lib";
use Baton::Client;
use Baton::Test;

skip_all_unless_server();
skip_all_unless_root();
if (!$ENV{BATON_OWN_ETC}) {
    plan skip_all => 'no mount namespaces here' if system('unshare -m true 2>/dev/null') != 0;
    $ENV{BATON_OWN_ETC} = 1;
    exec 'unshare', '-m', $^X, $0 or die "unshare: $!";
}

my $t = Baton::Test->new;
my $port = free_port();
my $etc = $t->path('etc');
mkdir $etc;
system("cp -a /etc/. '$etc/' && mount --bind '$etc' /etc") == 0 or BAIL_OUT('an own /etc');
$t->config(raw => "listen smtp { port = $port }\n", relayhost => '[127.0.0.1]:9', mydestination => 'here.test',
    mynetworks => '127.0.0.1/32', inet_interfaces => '127.0.0.1');
$t->start_batond;

sub answer {
    my ($rcpt) = @_;
    my $c = Baton::Client->new(port => $port, from => '127.0.0.2');
    $c->reply;
    $c->say('EHLO outside.test');
    $c->say('MAIL FROM:<someone@outside.test>');
    my $said = $c->say("RCPT TO:<$rcpt>");
    $c->close;
    return $said;
}

like(answer('brand-new@here.test'), qr/^550 5\.1\.1 .*local recipient table/, 'nobody has that name');
my $passwd = Baton::Test::slurp('/etc/passwd');
spew('/etc/passwd.new', $passwd . "brand-new:x:47711:47711::/nonexistent:/bin/sh\n");
rename '/etc/passwd.new', '/etc/passwd' or die "rename: $!";
my $said = '';
wait_until { ($said = answer('brand-new@here.test')) =~ /^250 / } 20;
like($said, qr/^250 /, 'until somebody has');
like(answer('nobody-else@here.test'), qr/^550 5\.1\.1 /, 'others are still refused');
$t->stop_batond;
system('umount', '/etc');
done_testing;
