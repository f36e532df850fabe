#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
# `baton check` opens what the configuration names, and says in words what to change. And what all subcommands share.
use strict;
use warnings;
use FindBin;
use IO::Socket::INET;
use IO::Socket::UNIX;
use JSON::PP ();
use Test::More;
use lib "$FindBin::Bin/lib";
use Baton::Test;

my $t = Baton::Test->new;
chmod 0755, $t->dir;
my @me = Baton::Test::is_root() ? (mail_owner => 'nobody', setgid_group => 'nogroup') : ();

# check({ parameter => value }, more text): what it printed
sub check {
    my ($set, $raw, %o) = @_;
    my %all = (myhostname => 'c.example.test', queue_directory => $t->spool, alias_maps => '', inet_interfaces => '', @me, %$set);
    my $text = join '', map { (my $v = $all{$_}) =~ s/(["\\])/\\$1/g; "$_ = \"$v\"\n" } sort keys %all;
    Baton::Test::spew($t->conf, $text . ($raw // ''), 0640);
    chmod 0644, $t->conf if $o{uid};
    return $t->run([ Baton::Test::program('baton'), '-c', $t->conf, 'check' ], %o);
}

sub finds {
    my ($name, $code, $want, @args) = @_;
    my $r = check(@args);
    is($r->{code}, $code, "$name: exit $code");
    like($r->{out}, $want, "$name: says what") or diag $r->{out}, $r->{err};
}

finds('nothing wrong', 0, qr/^all is well$/m, { relayhost => '[127.0.0.1]:2525' });
finds('no relayhost', 0, qr/^warning +relayhost +there is none: mail is taken and kept/m, {});
finds('a name that nobody knows', 0, qr/^warning +name +.*Set myhostname/m, { myhostname => 'box.localdomain' });
finds('authorities that are none', 78, qr{^error +authorities +/etc/passwd holds no certificate}m,
    { relayhost => '[h.test]:587', smtp_tls_CAfile => '/etc/passwd' });
finds('authorities that are missing', 78, qr{^error +authorities +.*/nonexistent.*No such file}m,
    { relayhost => '[h.test]:587', smtp_tls_CAfile => '/nonexistent' });

my $secret = $t->path('secret');
Baton::Test::spew($secret, "s3cret\n", 0600);
my $login = "login \"[h.test]:587\" { user = u password_file = \"$secret\" }\n";
my %h = (relayhost => '[h.test]:587');
my $out = check(\%h, $login)->{out};
like($out, qr/^ok +login +\[h\.test\]:587: user u, and a password$/m, 'a password that is there');
unlike($out, qr/s3cret/, 'is not printed');
chmod 0644, $secret;
finds('a password that everybody reads', 78, qr/^error +login +.*everybody may read it; chmod o-r \Q$secret\E/m, \%h, $login);
unlink $secret;
finds('a password that is missing', 78, qr/^error +login +.*\Q$secret\E.*No such file/m, \%h, $login);
finds('a program that is missing', 78, qr{^error +login +.*password_command /nonexistent: No such file}m, \%h,
    "login \"[h.test]:587\" { user = u password_command = /nonexistent }\n");

my $table = $t->path('table');
Baton::Test::spew($table, "root: you\@b.test\nnonsense\n");
finds('a table that is right', 0, qr/^ok +tables +alias_maps: hash:\Q$table\E$/m, { %h, alias_maps => "hash:$table" });
unlike(check({ %h, mydestination => 'b.test', alias_maps => "hash:$table" })->{out}, qr/ends in a colon/, 'aliases count as aliases among recipients too');
finds('a row that is none', 0, qr/^warning +aliases +\Q$table\E:2: expected "name: address/m, { %h, alias_maps => "lmdb:$table" });
finds('aliases that are missing', 0, qr{^warning +aliases +hash:/nonexistent/x does not exist: nobody has an alias in it}m,
    { %h, alias_maps => 'hash:/nonexistent/x' });
is(() = check({ %h, alias_maps => 'hash:/nonexistent/x' })->{out} =~ m{/nonexistent/x}g, 1, 'which is said once');
is(check({ %h, alias_maps => 'hash:/nonexistent/x' })->{err}, '', 'and nothing beside it');
finds('a table that is a folder', 78, qr{^error +tables +alias_maps: /etc is a folder}m, { %h, alias_maps => 'regexp:/etc' });
finds('aliases that others serve', 0, qr{^note +aliases +socketmap:unix:/x:y: others are asked for it}m,
    { %h, alias_maps => 'socketmap:unix:/x:y' });
finds('a type of table that does not exist', 78, qr{^error +config +.*alias_maps.*"hsah"; there are: hash, }m,
    { %h, alias_maps => 'hsah:/x' });
finds('a table without its full name', 78, qr{^error +config +.*"hash:x" is no full file name}m, { %h, alias_maps => 'hash:x' });

finds('a table that is missing', 78, qr{^error +tables +transport_maps: hash:/nonexistent/x does not exist: make it}m,
    { %h, transport_maps => 'hash:/nonexistent/x' }) if has_server();
is(() = check({ %h, virtual_alias_maps => 'regexp:/etc' })->{out} =~ m{/etc is a folder}g, 1, 'what two checks come upon is said once')
    if has_server();
my $nets = check({ %h, mynetworks => '10.0.0' });
is(() = $nets->{out} =~ /"10\.0\.0" is not a network/g, 1, 'what is wrong in a value is not said of those that refer to it');
finds('a port without its colon', 78, qr/^error +config +.*"587" is no host; a port stands behind a colon: /m, { relayhost => 'h.test 587' });

finds("a spool that cannot be", 78, qr/^error +sp(?:ool|ace) +/m, { queue_directory => '/proc/baton' });
finds('a spool that is a file', 78, qr/^error +spool +.*is not a folder/m, { queue_directory => $t->conf });
finds('a log that cannot be', Baton::Test::is_root() ? 78 : 0, qr{^(?:error|warning) +log +/nonexistent/log cannot be written}m,
    { log => '/nonexistent/log' });
my $busy = IO::Socket::INET->new(Listen => 1, LocalAddr => '127.0.0.1', ReuseAddr => 1) or die $!;
finds('a port that is taken', 0, qr/^note +listen +.*127\.0\.0\.1:@{[$busy->sockport]} is taken: by batond, if it runs/m, {},
    'listen x { address = 127.0.0.1, port = ' . $busy->sockport . " }\n");
finds("an interface for an address", 78, qr/^error +listen +.*"lo" is neither an address nor the full name of a machine: write its addresses, "all" or "loopback-only"/m,
    { inet_interfaces => 'lo' });
finds('an address of another machine', 78, qr/^error +listen +.*this machine has no address 192\.0\.2\.1:/m, {},
    "listen x { address = 192.0.2.1, port = 2525 }\n");

SKIP: {
    skip 'the server module is not built', 5 if !has_server();
    finds('mail that leads nowhere', 0, qr/^warning +domains +virtual_transport gets no mail: .*\n +write virtual_mailbox_domains = /m,
        { %h, virtual_transport => 'lmtp:unix:/x' });
    finds('mailboxes of no domain', 0, qr/^warning +domains +mailbox_transport gets no mail/m, { %h, mailbox_transport => 'lmtp:unix:/x' });
    unlike(check({ %h, mailbox_transport => 'lmtp:unix:/x', mydestination => 'b.test' })->{out}, qr/gets no mail/, 'with a domain they get some');
}
finds('a server of no domain', 0, qr/^note +domains +others can reach this machine, and no domain's mail ends here.*\n +.*mydestination = /m,
    { %h, inet_interfaces => 'all', mynetworks => '192.0.2.1/24' });
my @told = check({ %h, mynetworks => '192.0.2.1/24' })->{out} =~ /host bits set/g;
is(scalar @told, 1, 'what is wrong with $mynetworks is told once, not for each default that refers to it');
SKIP: {
    skip 'only root can be somebody else', 8 if !Baton::Test::is_root();
    finds('a user that is missing', 78, qr/^error +mail_owner +there is no user nobody-here: useradd/m, { mail_owner => 'nobody-here' });
    finds('workers that would be root', 78, qr/^error +mail_owner +root is root/m, { mail_owner => 'root' });
    mkdir $t->spool;
    finds('a spool of somebody else', 78, qr/^error +spool +.*belongs to root, not to mail_owner: chown -R nobody /m, {});
    finds('a port for root', 0, qr/^note +listen +.*is for root only/m, {}, "listen x { address = 127.0.0.1, port = 26 }\n", uid => 65534, gid => 65534)
        if (Baton::Test::slurp('/proc/sys/net/ipv4/ip_unprivileged_port_start') // 1024) >= 1024;
    rmdir $t->spool;
}

# ---- what all subcommands share -----------------------------------------------------------------------------------------

my $baton = Baton::Test::program('baton');
my $r = $t->run([ $baton, '--help' ]);
is($r->{code}, 0, '--help: exit 0');
my @commands = $r->{out} =~ /^  (\w+) /mg;
ok(@commands >= 9, 'and lists the commands (' . @commands . ')');
for (@commands) {
    $r = $t->run([ $baton, $_, '--help' ]);
    ok($r->{code} == 0 && $r->{out} =~ /^usage: baton .*\b$_\b/, "$_ --help says how it is used");
}
is($t->run([ $baton, 'nonsense' ])->{code}, 64, 'an unknown command: exit 64');
is($t->run([$baton])->{code}, 64, 'none: exit 64');
is($t->run([ $baton, 'config', '--nonsense' ])->{code}, 64, 'an unknown option: exit 64');
# The same error twice is told once, and what to do about it, too; what stands between keeps its own.
my ($closed, $none) = ($t->path('closed'), $t->path('no-socket'));
my $socket = IO::Socket::UNIX->new(Local => $closed, Listen => 1) or die;
chmod 0400, $closed;
my $thrice = { default_transport => "lmtp:unix:$closed unix:$none unix:$closed", relayhost => '' };
my $told = check($thrice)->{out};
is(scalar(() = $told =~ /may not be used by/g), 1, 'an error that comes twice is told once') or diag $told;
is(scalar(() = $told =~ /in Dovecot, unix_listener/g), 1, '... with its advice');
my ($missing) = grep { $_->{text} =~ /nobody listens at/ } @{ JSON::PP::decode_json($t->baton([ 'check', '--json' ])->{out})->{findings} };
like($missing->{advice}, qr/^start its server/, '... which is not taken for another\'s');

is($t->run([ $baton, 'config', '-c' ])->{code}, 64, '-c without a file: exit 64');
like($t->run([ $baton, '--version' ])->{out}, qr/^baton \d/, '--version');
$r = $t->run([ $baton, 'config', '-h', 'log', '-c', '/nonexistent' ]);
is($r->{code}, 78, 'options that all share may stand behind the command');
for my $case ([ ['stauts'], 'status' ], [ ['quue'], 'queue' ], [ [ 'queue', 'relase' ], 'release' ], [ [ 'queue', 'lst' ], 'list' ]) {
    $r = $t->run([ $baton, @{ $case->[0] } ]);
    is($r->{code}, 64, "@{ $case->[0] }: exit 64");
    like($r->{err}, qr/there is no "\w+"; did you mean $case->[1]\?$|there is no command "\w+"; did you mean $case->[1]\?$/m, 'and what was meant');
}
is($t->run([ $baton, 'help', 'queue' ])->{out}, $t->run([ $baton, 'queue', '--help' ])->{out}, 'help queue is queue --help');
my $full = $t->run([ '/bin/sh', '-c', "exec '$baton' config -d >/dev/full" ]);
is($full->{code}, 74, 'output that cannot be written: exit 74');

done_testing();
undef $t; # named subs hold it: its folder goes now, not at the very end
