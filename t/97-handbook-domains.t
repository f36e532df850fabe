#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
# The handbook, section by section: addresses in several domains that lead elsewhere.
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
my $sink = $t->sink;
my $virtual = $t->path('virtual');
my @outside = ('--local-interface', '127.0.0.9', '--from', 'stranger@example.edu');

# The file as the section prints it, angle brackets included
spew($virtual, <<'END', 0644);
<info@example.com>   <user22@example.net>
<sales@example.com>  <user11@example.org>
END
my $lines = qq(virtual_alias_maps = "hash:<virtual>"\n);
my %own = (relayhost => $sink->address, mynetworks => '127.0.0.1', myhostname => 'smtp.example.com');
$h->lines($lines, virtual => $virtual, SET => \%own);

# ---- the index, as the section makes it: not needed, and no harm ----
symlink Baton::Test::program('baton'), $t->path('bin/postmap');
my $r = $t->run([ $t->path('bin/postmap'), $virtual ]);
is($r->{code}, 0, 'postmap makes an index') or diag $r->{err};
$r = $t->run([ $t->path('bin/postmap'), '-q', 'info@example.com', "hash:$virtual" ]);
like($r->{out}, qr/user22\@example\.net/, 'a key in angle brackets is found without them') or diag $r->{err};

my $said = $h->check;
unlike($said, qr/^error/m, 'baton check finds nothing in the way') or diag $said;
like($said, qr/^warning +tables +.*<info\@example\.com> is looked up without < >/m, 'it tells of the angle brackets') or diag $said;
like($said, qr/^note +domains +example\.com .*virtual_alias_domains/m, 'it says that example.com is taken for a domain of aliases, since nobody said so')
  or diag $said;
$h->start;

# ---- verification ----
$r = $h->swaks(@outside, '--to', 'info@example.com', '--header', 'Subject: for info');
is($r->{code}, 0, 'mail from outside for the first address is taken') or diag $r->{out};
$r = $h->swaks(@outside, '--to', 'Sales@Example.COM', '--header', 'Subject: for sales');
is($r->{code}, 0, 'and for the second, however it is written') or diag $r->{out};
my @m = $sink->wait_messages(2);
is(scalar @m, 2, 'both go on');
ok($t->wait_log(qr/to=<user22\@example\.net>, orig_to=<info\@example\.com>, .*status=sent/), 'to where the file says') or diag $t->log_text;
ok($t->wait_log(qr/to=<user11\@example\.org>, orig_to=<Sales\@Example\.COM>, .*status=sent/i), 'each of them');
$r = $h->swaks(@outside, '--to', 'nobody@example.com');
like($r->{out}, qr/^<\*\* 550 5\.1\.1 .*User unknown/m, 'an address that is not in the file is refused') or diag $r->{out};
$r = $h->swaks(@outside, '--to', 'somebody@example.info');
like($r->{out}, qr/^<\*\* 554 5\.7\.1 .*Relay access denied/m, 'and so is another domain') or diag $r->{out};

# ---- a line more, and nothing run by hand ----
spew($virtual, slurp($virtual) . "<new\@example.com> <user33\@example.net>\n", 0644);
ok(wait_until(sub { $h->swaks(@outside, '--to', 'new@example.com')->{code} == 0 }), 'a new line counts without postmap and without a reload')
  or diag $t->log_text;

done_testing;
