#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
# Classes of addresses over real connections: who is refused at RCPT and how, where mail for whom goes, and that nothing is lost
# while a table cannot tell.
use strict;
use warnings;
use FindBin;
use IO::Socket::UNIX;
use POSIX ();
use Test::More;
use lib "$FindBin::Bin/lib";
use Baton::Client;
use Baton::Test;

skip_all_unless_server();

my $mail = "From: me\@client.example.test\nSubject: x\n\nx\n";

# The answers of one client from outside to some recipients
sub answers {
    my ($port, @rcpts) = @_;
    my $c = Baton::Client->new(port => $port, from => '127.0.0.2');
    $c->reply;
    $c->say('EHLO outside.test');
    $c->say('MAIL FROM:<someone@outside.test>');
    my @said = map { $c->say("RCPT TO:<$_>") } @rcpts;
    chomp @said;
    $c->close;
    return @said;
}

my %outside = (mynetworks => '127.0.0.1/32', inet_interfaces => '127.0.0.1');

subtest 'recipients at RCPT' => sub {
    my $t = Baton::Test->new;
    my $relay = $t->fake_relay;
    my $port = free_port();
    $t->config(%outside, raw => "listen smtp { port = $port }\n", relayhost => $relay->address, mydestination => 'here.test',
        recipient_delimiter => '+', alias_maps => 'inline:{ staff = joe@away.test }', local_recipient_maps => 'inline:{ root = x } $alias_maps',
        virtual_alias_domains => 'alias.test', virtual_alias_maps => 'inline:{ info@alias.test = joe@away.test }',
        virtual_mailbox_domains => 'box.test', virtual_mailbox_maps => 'inline:{ ann@box.test = ann/ }',
        relay_domains => 'relay.test', relay_recipient_maps => 'inline:{ bob@relay.test = x }',
        smtpd_relay_restrictions => 'permit_mynetworks, reject_unauth_destination');
    $t->start_batond;
    my %want = (
        'root@here.test'     => qr/^250 /,
        'root+x@here.test'   => qr/^250 /,
        'staff@here.test'    => qr/^250 /,
        'nobody@here.test'   => qr/^550 5\.1\.1 <nobody\@here\.test>: Recipient address rejected: User unknown in local recipient table$/,
        'info@alias.test'    => qr/^250 /,
        'nobody@alias.test'  => qr/^550 5\.1\.1 .*: User unknown in virtual alias table$/,
        'ann@box.test'       => qr/^250 /,
        'nobody@box.test'    => qr/^550 5\.1\.1 .*: User unknown in virtual mailbox table$/,
        'bob@relay.test'     => qr/^250 /,
        'nobody@relay.test'  => qr/^550 5\.1\.1 .*: User unknown in relay recipient table$/,
        'joe@away.test'      => qr/^554 5\.7\.1 <joe\@away\.test>: Relay access denied$/,
    );
    my @rcpts = sort keys %want;
    my @said = answers($port, @rcpts);
    like($said[$_], $want{ $rcpts[$_] }, $rcpts[$_]) for 0 .. $#rcpts;
    ok($t->wait_log(qr/NOQUEUE: reject: RCPT from \S+: 550 5\.1\.1 <nobody\@here\.test>: Recipient address rejected/), 'the log says so');
    is($t->sendmail([ 'info@alias.test', 'staff@here.test' ], input => $mail)->{code}, 0, 'mail for two aliases of one person');
    my ($m) = $relay->wait_messages(1);
    is_deeply($m->{rcpts}, ['joe@away.test'], 'comes to him once');
};

subtest 'users of this machine' => sub {
    my $t = Baton::Test->new;
    my $port = free_port();
    $t->config(%outside, raw => "listen smtp { port = $port }\n", relayhost => '[127.0.0.1]:9', mydestination => 'here.test');
    $t->start_batond;
    my @said = answers($port, 'root@here.test', 'no-such-user@here.test', 'root@[127.0.0.1]');
    like($said[0], qr/^250 /, 'are found by a jailed worker');
    like($said[1], qr/^550 5\.1\.1 .*local recipient table$/, 'others are refused');
    like($said[2], qr/^250 /, 'at the address of the machine, too');
};

subtest 'a domain that nobody wrote down' => sub {
    my $t = Baton::Test->new;
    my $relay = $t->fake_relay;
    my $port = free_port();
    spew($t->path('virtual'), "<info\@shop.test>   <joe\@away.test>\n");
    $t->config(%outside, raw => "listen smtp { port = $port }\n", relayhost => $relay->address,
        virtual_alias_maps => 'hash:' . $t->path('virtual'));
    $t->start_batond;
    my @said = answers($port, 'info@shop.test', 'other@shop.test', 'x@else.test');
    like($said[0], qr/^250 /, 'has its address served');
    like($said[1], qr/^550 5\.1\.1 .*virtual alias table/, 'and refuses others');
    like($said[2], qr/^[45]54 [45]\.7\.1 .*Relay access denied/, 'as other domains are');
    like($t->baton(['check'])->{out}, qr/^note +domains +shop\.test has addresses in virtual_alias_maps, so anybody may write to those/m, 'baton check says so');
    is($t->sendmail([ 'other@shop.test', 'info@shop.test' ], input => "Subject: x\n\nx\n")->{code}, 0, 'who may relay writes to all of it');
    my ($m) = $relay->wait_messages(1);
    is(join(' ', sort @{$m->{rcpts}}), 'joe@away.test other@shop.test', 'and others of it are not kept from where they are');
    my $r = $t->baton([ 'test', 'info@shop.test' ]);
    like($r->{out}, qr/info\@shop\.test is joe\@away\.test/, 'baton test says where it goes');
    like($r->{out}, qr/info\@shop\.test: inferred virtual alias address/, 'and what it is');
};

subtest 'what is written twice, or reaches nobody' => sub {
    my $t = Baton::Test->new;
    $t->config(relayhost => '[127.0.0.1]', mydestination => 'here.test', relay_domains => 'here.test, other.test',
        virtual_alias_domains => 'alias.test', virtual_alias_maps => 'inline:{ info@shop.test = joe@away.test }');
    my $out = $t->baton(['check'])->{out};
    like($out, qr/^warning +domains +here\.test is in mydestination and in relay_domains/m, 'a domain in two classes is named');
    like($out, qr/^warning +domains +info\@shop\.test has an alias .* shop\.test is in no class/m, 'and an alias in none');
};

# A socketmap that knows one name, while it is there
sub serve {
    my ($path, %has) = @_;
    my $l = IO::Socket::UNIX->new(Local => $path, Listen => 5) or die "$path: $!";
    chmod 0666, $path;
    my $pid = fork // die "fork: $!";
    if (!$pid) {
        POSIX::setpgid(0, 0);
        $SIG{CHLD} = 'IGNORE';
        while (my $c = $l->accept) {
            next if fork;
            while (read $c, my $n, 1) {
                my ($len, $request) = ($n, '');
                while (read $c, $n, 1 and $n ne ':') { $len .= $n }
                read $c, $request, $len;
                read $c, $n, 1;
                my $value = $has{ (split / /, $request, 2)[1] };
                my $reply = defined $value ? "OK $value" : 'NOTFOUND ';
                print {$c} length($reply), ":$reply,";
                $c->flush;
            }
            POSIX::_exit(0);
        }
        POSIX::_exit(0);
    }
    close $l;
    Baton::Test::register_group($pid, 'a table');
    return $pid;
}

subtest 'a table that cannot tell' => sub {
    my $t = Baton::Test->new;
    my $relay = $t->fake_relay;
    my $port = free_port();
    my $path = $t->path('table.sock');
    chmod 0755, $t->dir;
    $t->config(%outside, raw => "listen smtp { port = $port }\n", relayhost => $relay->address, mydestination => 'here.test',
        local_recipient_maps => '', virtual_alias_maps => "socketmap:unix:$path:aliases", minimal_backoff_time => '1s',
        virtual_alias_domains => 'alias.test', smtpd_relay_restrictions => 'permit_mynetworks, reject_unauth_destination');
    $t->start_batond;
    my @said = answers($port, 'info@alias.test');
    like($said[0], qr/^451 4\.3\.0 .*Temporary lookup failure$/, 'puts mail off');
    my $r = $t->sendmail(['info@alias.test'], input => $mail);
    my $pid = serve($path, 'info@alias.test' => 'joe@away.test', 'team@alias.test' => 'ann@away.test, bob@away.test');
    my @now;
    wait_until { @now = answers($port, 'info@alias.test', 'other@alias.test'); $now[0] =~ /^250/ } 30;
    like($now[0], qr/^250 /, 'until it is there again');
    like($now[1], qr/^550 5\.1\.1 .*virtual alias table$/, 'and says who is not');
    is($t->sendmail(['team@alias.test'], input => $mail)->{code}, 0, 'mail for two');
    ok($relay->wait_messages($r->{code} == 0 ? 2 : 1), 'arrives');
    my @to = map { @{ $_->{rcpts} } } $relay->wait_messages($r->{code} == 0 ? 2 : 1);
    ok((grep { $_ eq 'ann@away.test' } @to), 'with whom the table names') or diag "@to";
    kill TERM => -$pid;
    waitpid $pid, 0;
    Baton::Test::forget_group($pid);
};

subtest 'mail that is there before its table' => sub {
    my $t = Baton::Test->new;
    my $relay = $t->fake_relay;
    my $path = $t->path('table.sock');
    chmod 0755, $t->dir;
    $t->config(relayhost => $relay->address, virtual_alias_maps => "socketmap:unix:$path:aliases", minimal_backoff_time => '1s');
    $t->start_batond;
    $t->stop_batond;
    my $n = 60;
    is(grep({ $t->sendmail(["u$_\@alias.test"], input => $mail)->{code} } 1 .. $n), 0, 'is dropped while nothing runs');
    $t->start_batond;
    ok($t->wait_log(qr/lookup tables do not say where mail goes now, trying again in 1 s/), 'it waits, all of it');
    my $warnings = () = $t->log_text =~ /virtual_alias_maps: .*connect/g;
    cmp_ok($warnings, '<', 5, 'without a line for each');
    my $pid = serve($path, map { ("u$_\@alias.test" => "to$_\@away.test") } 1 .. $n);
    my %to = map { $_ => 1 } map { @{ $_->{rcpts} } } $relay->wait_messages($n);
    is(scalar(grep { $to{"to$_\@away.test"} } 1 .. $n), $n, 'all of it goes where the table says');
    ok($t->wait_log(qr/lookup tables say where mail goes again/), 'which is there again');
    kill TERM => -$pid;
    waitpid $pid, 0;
    Baton::Test::forget_group($pid);
};

subtest 'a loop of aliases' => sub {
    my $t = Baton::Test->new;
    my $relay = $t->fake_relay;
    my $port = free_port();
    my $file = $t->path('virtual');
    spew($file, "a\@alias.test b\@alias.test\nb\@alias.test a\@alias.test\n");
    $t->config(%outside, raw => "listen smtp { port = $port }\n", relayhost => $relay->address, virtual_alias_maps => "texthash:$file",
        virtual_alias_domains => 'alias.test', minimal_backoff_time => '1s');
    $t->start_batond;
    like((answers($port, 'a@alias.test'))[0], qr/^451 4\.3\.0 /, 'is not taken for now');
    ok($t->wait_log(qr/unreasonable virtual_alias_maps map nesting \(a loop\) for \S+\@alias\.test/), 'the log says why');
};

done_testing;
