#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
# mailq and newaliases, without a daemon: what waits is read from the spool itself.
use strict;
use warnings;
use FindBin;
use Test::More;
use lib "$FindBin::Bin/lib";
use Baton::Test;

my $t = Baton::Test->new;
my $aliases = $t->path('aliases');
$t->config(alias_maps => "hash:$aliases");

# ---- mailq --------------------------------------------------------------------------------------------------------------------

my $r = $t->mailq;
is($r->{code}, 69, 'without a spool: 69');
isnt($r->{err}, '', 'and why');
mkdir $t->spool;
mkdir $t->spool . "/$_" for qw(drop journal large free public);
spew($t->spool . '/VERSION', "1\n");
$r = $t->mailq;
is($r->{out}, "Mail queue is empty\n", 'an empty queue is said to be empty');
is($r->{code}, 0, 'and no error');

is($t->sendmail([ '-f', 'a@b.test', 'c@d.test' ], input => "Subject: x\n\n" . 'x' x 3000)->{code}, 0, 'a message waits');
$r = $t->mailq;
is($r->{code}, 0, 'mailq lists it');
my @lines = split /\n/, $r->{out};
is($lines[0], '----Queue ID----- --Size-- ---Arrival Time---- --Sender/Recipient------', 'under the usual heading');
like($lines[1], qr/^[0-9A-Za-z]{8,} {2,}3\d\d\d \w{3} \w{3} [ \d]\d \d\d:\d\d:\d\d a\@b\.test$/, 'with id, size, time and sender');
like($r->{out}, qr/^ {41}c\@d\.test$/m, 'its recipient in the usual column');
is($lines[-1], '-- 3 Kbytes in 1 Request.', 'and the line that monitoring reads');

is($t->sendmail([ '-f', '<>', 'e@f.test', 'g@h.test' ], input => "\nx\n")->{code}, 0, 'another waits');
$r = $t->run([ $t->bin . '/sendmail', '-C', $t->conf, '-bp' ]);
like($r->{out}, qr/ MAILER-DAEMON\n {41}e\@f\.test\n {41}g\@h\.test\n\n/, '-bp is mailq; the null sender has a name there');
like($r->{out}, qr/^-- \d Kbytes in 2 Requests\.\n\z/m, 'the last line counts');
$r = $t->run([ 'sh', '-c', '"$@" | head -n 0', 'sh', $t->bin . '/mailq', '-C', $t->conf ]);
is($r->{err}, '', 'one that is piped to who has read enough says nothing');
$r = $t->run([ 'sh', '-c', 'exec "$@" >/dev/full', 'sh', $t->bin . '/mailq', '-C', $t->conf ]);
is($r->{code}, 74, 'a list that cannot be written: 74');
$r = $t->run([ $t->bin . '/sendmail', '-C', $t->conf, '-q' ]);
is($r->{code}, 69, '-q without a daemon: 69');

# ---- newaliases ---------------------------------------------------------------------------------------------------------------

$r = $t->newaliases;
is_deeply([ @$r{qw(code out err)} ], [ 0, '', '' ], 'aliases that do not exist are no error');
spew($aliases, "# x\nroot: joe\@b.test,\n  jim\n");
$r = $t->newaliases;
is_deeply([ @$r{qw(code out err)} ], [ 0, '', '' ], 'nor are good ones, and nothing is said');
$r = $t->newaliases(args => ['-v']);
like($r->{err}, qr/newaliases: \Q$aliases\E is read .* as it is/, '-v says that there is nothing to build');
$r = $t->run([ $t->bin . '/sendmail', '-C', $t->conf, '-bi' ]);
is($r->{code}, 0, '-bi is newaliases');
spew($aliases, "root: joe\@b.test\nnonsense\nlog: |/bin/x\n");
$r = $t->newaliases;
is($r->{code}, 65, 'lines that cannot be used: 65');
like($r->{err}, qr/newaliases: \Q$aliases\E:2: .*nonsense.*\n.*:3: /, 'and each of them');
SKIP: {
    skip 'root may read all', 1 if is_root();
    chmod 0, $aliases;
    is($t->newaliases->{code}, 78, 'aliases that may not be read: 78');
}

# ---- the configuration --------------------------------------------------------------------------------------------------------

spew($t->conf, "queue_directry = \"/x\"\nmessage_size_limit = \"lots\"\n");
for my $name (qw(sendmail mailq newaliases)) {
    $r = $t->run([ $t->bin . "/$name", '-C', $t->conf, $name eq 'sendmail' ? 'a@b.test' : () ], input => "x\n");
    is($r->{code}, 78, "$name: a configuration with errors: 78");
    like($r->{err}, qr/:1: .*queue_directory.*\n.*:2: .*message_size_limit/, "$name: every one of them");
}
done_testing();
