#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
# The handbook, section by section: aliases in an LDAP directory.
use strict;
use warnings;
use FindBin;
use Test::More;
use lib "$FindBin::Bin/lib";
use Baton::Handbook;
use Baton::Slapd;
use Baton::Test;

skip_all_unless_server();

Baton::Slapd::need();
my $h = Baton::Handbook->new;
my $t = $h->t;
my $sink = $t->sink;
my $slapd = Baton::Slapd->start($t);
$slapd->add('cn=info', mailacceptinggeneralid => 'info@example.com', maildrop => 'user22@example.net');
$slapd->add('cn=all', mailacceptinggeneralid => '@example.com', maildrop => 'rest@example.net');
my @outside = ('--local-interface', '127.0.0.9', '--from', 'stranger@example.edu');

# The file of the section
my $cf = $t->path('ldap-aliases.cf');
spew($cf, "server_host = @{[ $slapd->url ]}\nsearch_base = dc=example,dc=com\n", 0644);
my $lines = qq(virtual_alias_maps = "ldap:<cf>"\n);
my %own = (relayhost => $sink->address, mynetworks => '127.0.0.1', myhostname => 'smtp.example.com', virtual_alias_domains => 'example.com');
$h->lines($lines, cf => $cf, SET => \%own);
my $said = $h->check;
unlike($said, qr/^error/m, 'baton check finds nothing in the way') or diag $said;

# ---- the query of the section ----
symlink Baton::Test::program('baton'), $t->path('bin/postmap');
sub postmap { return $t->run([ $t->path('bin/postmap'), '-q', $_[0], "ldap:$cf" ]) }
my $r = postmap('@example.com');
is($r->{out}, "rest\@example.net\n", 'postmap -q @example.com finds what is there') or diag $r->{err};
is(postmap('info@example.com')->{out}, "user22\@example.net\n", 'and an address');
is(postmap('@example.org')->{code}, 1, 'what is not there: exit 1');

# ---- verification ----
$h->start;
$r = $h->swaks(@outside, '--to', 'info@example.com', '--header', 'Subject: for info');
is($r->{code}, 0, 'mail for an address of the directory is taken') or diag $r->{out}, $t->log_text;
is(scalar(my @m = $sink->wait_messages(1)), 1, 'and goes on');
ok($t->wait_log(qr/to=<user22\@example\.net>, orig_to=<info\@example\.com>, .*status=sent/), 'to where the directory says') or diag $t->log_text;

# ---- a directory that is away is no reason to say that nobody is there ----
$slapd->stop;
my $gone = postmap('info@example.com');
isnt($gone->{code}, 0, 'a directory that is away: the query fails');
isnt($gone->{code}, 1, 'and not as one for a key that is not there') if $gone->{code} != 1;
$r = $h->swaks(@outside, '--to', 'other@example.com');
like($r->{out}, qr/^<\*\* 4\d\d 4\./m, 'mail is put off, not refused') or diag $r->{out};
$slapd->restart;
ok(wait_until(sub { $h->swaks(@outside, '--to', 'info@example.com')->{code} == 0 }, 20), 'once it is back all goes on') or diag $t->log_text;

done_testing;
