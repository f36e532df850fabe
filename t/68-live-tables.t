#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
# Tables that change on disk are taken up without a reload, though the workers may open no file but the spool.
use strict;
use warnings;
use FindBin;
use Test::More;
use lib "$FindBin::Bin/lib";
use Baton::Test;

my $t = Baton::Test->new;
my $relay = $t->fake_relay;
my $file = $t->path('aliases');
my $domain = 'here.example.test';
$t->config(relayhost => $relay->address, myorigin => 'origin.example.test', mydestination => $domain,
    local_transport => 'error:5.1.1 nobody here', alias_maps => "hash:$file", minimal_backoff_time => '1s', queue_run_delay => '1s');
$t->start_batond;

my $n = 0;
sub goes_to {
    my ($rcpt) = @_;
    my $r = $t->sendmail([$rcpt], input => "Subject: x\n\nx\n");
    return "exit $r->{code}" if $r->{code};
    return "@{ ($relay->wait_messages(++$n))[-1]{rcpts} }";
}

# A table is looked at once a second: what comes before goes the old way, so it is tried till the new one counts.
sub comes_to {
    my ($rcpt, $want, $name) = @_;
    my $got = '';
    wait_until { ($got = goes_to($rcpt)) eq $want } 10;
    is($got, $want, $name);
}

sub put { my ($text) = @_; spew("$file.new", $text); rename "$file.new", $file or die "rename: $!" }

is(goes_to('root'), 'root@origin.example.test', 'without aliases root\'s mail goes to the origin');
put("root: admin\@example.test\n");
comes_to('root', 'admin@example.test', 'a file of aliases that appears counts without a reload');
put("root: ops\@example.test\n");
comes_to('root', 'ops@example.test', 'so does one that takes its place');
spew($file, "root: ops\@example.test\njoe: joe\@example.test\n");
comes_to('joe', 'joe@example.test', 'and one that was written over');

SKIP: {
    my ($said) = grep { /tables have changed: a new baton\/receive/ } $t->log_lines;
    skip 'nothing keeps the workers from opening it', 1 if !$said;
    like($said, qr{a new baton/receive reads them, baton/receive\[\d+\] leaves}, 'by new workers, for the old ones are jailed');
}

my $r = $t->sendmail(["who\@$domain"], input => "Subject: x\n\nx\n");
isnt($r->{code}, 75, 'a name that has no alias is refused for good');
my $before = () = $t->log_text =~ /a new baton\/relay reads/g;
put("root: ops\@example.test\nwho: who\@example.test\n");
comes_to("who\@$domain", 'who@example.test', 'until it has one');

# With an index, which jailed workers cannot make
symlink program('baton'), $t->path('postalias');
is($t->run([ $t->path('postalias'), $file ])->{code}, 0, 'an index is made');
comes_to('root', 'ops@example.test', 'and used');
put("root: third\@example.test\n");
comes_to('root', 'third@example.test', 'a text that is newer than its index counts');
if (is_root()) {
    like(slurp("$file.lmdb"), qr/third\@example\.test/, 'and batond has made the index again');
}

unlink $file, "$file.lmdb";
is(goes_to('root'), 'third@example.test', 'a file that is gone leaves its rows in force');
is($t->stop_batond, 0, 'batond leaves in order');

# A table that cannot tell: the message waits, and nothing of it is settled

$t = Baton::Test->new;
$relay = $t->fake_relay;
my %config = (relayhost => $relay->address, myorigin => 'origin.example.test', minimal_backoff_time => '1s', queue_run_delay => '1s');
$t->config(%config, alias_maps => 'fail:test');
$t->start_batond;
$t->stop_batond; # the spool is there now
is($t->sendmail(['root'], input => "Subject: x\n\nx\n")->{code}, 0, 'a message is dropped while batond is down');
$t->start_batond;
ok($t->wait_log(qr/alias_maps: fail:test: /), 'aliases that cannot be told are logged');
$t->config(%config, alias_maps => 'inline:{root=admin@example.test}');
$t->reload_batond;
is("@{ ($relay->wait_messages(1))[0]{rcpts} }", 'admin@example.test', 'and followed when they can');
is($t->stop_batond, 0, 'batond leaves in order');
done_testing();
