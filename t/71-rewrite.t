#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
# Addresses as others see them: canonical_maps and masquerade_domains on the way in, in envelopes and headers.
use strict;
use warnings;
use FindBin;
use Test::More;
use lib "$FindBin::Bin/lib";
use Baton::Client;
use Baton::Test;

skip_all_unless_server();

my $header = "From: Joe <joe\@box.corp.test>\nTo: ann\@old.test, Other <other\@else.test>\nSubject: x\n\njoe\@box.corp.test\n";

subtest 'mail of this machine' => sub {
    my $t = Baton::Test->new;
    my $relay = $t->fake_relay;
    $t->config(relayhost => $relay->address, myorigin => 'box.corp.test', canonical_maps => 'inline:{ ann@old.test = ann@new.test }',
        sender_canonical_maps => 'inline:{ root@box.corp.test = admin@corp.test }', masquerade_domains => 'corp.test');
    $t->start_batond;
    is($t->sendmail([ '-f', 'joe@box.corp.test', '-t' ], input => $header)->{code}, 0, 'is taken');
    my ($m) = $relay->wait_messages(1);
    is($m->{from}, 'joe@corp.test', 'the sender\'s host is cut off');
    is_deeply([ sort @{ $m->{rcpts} } ], [ 'ann@new.test', 'other@else.test' ], 'a recipient has the new address');
    like($m->{content}, qr/^From: Joe <joe\@corp\.test>\r$/m, 'From: follows');
    like($m->{content}, qr/^To: ann\@new\.test, Other <other\@else\.test>\r$/m, 'and To:');
    like($m->{content}, qr/^joe\@box\.corp\.test\r$/m, 'the body does not');
    is($t->sendmail([ '-f', 'root', 'x@else.test' ], input => "Subject: y\n\ny\n")->{code}, 0, 'mail of a name without a domain');
    my $second = ($relay->wait_messages(2))[1];
    is($second->{from}, 'admin@corp.test', 'is from the address that the table has');
    like($second->{content}, qr/^From: .*admin\@corp\.test/m, 'also in From:') or diag $second->{content};
};

# What of a message does not depend on when and how it was handed over.
sub plain { my ($m) = @_; return [ $m->{from}, [ sort @{ $m->{rcpts} } ], $m->{content} =~ s/^Received: .*\r\n(?:[ \t].*\r\n)*//mgr =~ s/^(Date|Message-I[dD]): .*\r\n//mgr ] }

subtest 'mail that was left in the drop' => sub {
    my $t = Baton::Test->new;
    my $relay = $t->fake_relay;
    $t->config(relayhost => $relay->address, myorigin => 'box.corp.test', canonical_maps => 'inline:{ ann@old.test = ann@new.test }',
        sender_canonical_maps => 'inline:{ root@box.corp.test = admin@corp.test }', masquerade_domains => 'corp.test', alias_maps => '',
        minimal_backoff_time => '1s', maximal_backoff_time => '1s');
    my @mail = ([ [ '-f', 'joe@box.corp.test', '-t' ], $header ], [ [ '-f', 'root', 'x@else.test' ], "Subject: y\n\ny\n" ],
        [ [ '-f', 'joe', '-N', 'never', 'ann@old.test', 'joe' ], "To: joe\n\n.\n..\nz\n" ]);
    $t->start_batond;
    my (@by_daemon, @by_drop);
    for (@mail) {
        is($t->sendmail($_->[0], input => $_->[1])->{code}, 0, 'taken by the daemon');
        push @by_daemon, plain(($relay->wait_messages(@by_daemon + 1))[-1]);
    }
    $t->stop_batond;
    is($t->sendmail($_->[0], input => $_->[1])->{code}, 0, 'left in the drop') for @mail;
    is(() = $t->drop, 3, 'where it lies');
    $t->start_batond;
    my %late = map { my $p = plain($_); ("@{ $p->[1] }" => $p) } ($relay->wait_messages(6))[ 3 .. 5 ];
    is_deeply($late{ "@{ $_->[1] }" }, $_, "to @{ $_->[1] }: the same") for @by_daemon;
    ok($t->wait_log(qr/to=<x\@else\.test>, relay=\(again\), .*status=sent/), 'the log shows its way');
};

subtest 'mail of a stranger' => sub {
    my $t = Baton::Test->new;
    my $relay = $t->fake_relay;
    my $port = free_port();
    $t->config(relayhost => $relay->address, mynetworks => '127.0.0.1/32', inet_interfaces => '127.0.0.1', relay_domains => 'old.test',
        raw => "listen smtp { port = $port }\n", canonical_maps => 'inline:{ ann@old.test = ann@new.test }');
    $t->start_batond;
    my $c = Baton::Client->new(port => $port, from => '127.0.0.2');
    $c->reply;
    $c->say('EHLO outside.test');
    $c->say('MAIL FROM:<someone@outside.test>');
    like($c->say('RCPT TO:<ann@old.test>'), qr/^250 /, 'is taken');
    $c->say('DATA');
    like($c->say("To: ann\@old.test\r\n\r\nx\r\n."), qr/^250 /, 'to its end');
    my ($m) = $relay->wait_messages(1);
    is_deeply($m->{rcpts}, ['ann@new.test'], 'goes to the new address');
    like($m->{content}, qr/^To: ann\@old\.test\r$/m, 'with its header as it was');
};

# The header section as it arrives.
sub header_of {
    my ($clients, %with) = @_;
    my $t = Baton::Test->new;
    my $relay = $t->fake_relay;
    my $port = free_port();
    $t->config(relayhost => $relay->address, mynetworks => '127.0.0.1/32', inet_interfaces => '127.0.0.1, 127.0.0.3',
        relay_domains => 'old.test', raw => "listen smtp { port = $port }\n", canonical_maps => 'inline:{ ann@old.test = ann@new.test }',
        defined $clients ? (local_header_rewrite_clients => $clients) : ());
    $t->start_batond;
    my $c = Baton::Client->new(port => $port, from => $with{from});
    $c->reply;
    $c->say('EHLO outside.test');
    $c->say('MAIL FROM:<someone@outside.test>');
    $c->say('RCPT TO:<ann@old.test>');
    $c->say('DATA');
    my $said = $c->say("To: ann\@old.test\r\n\r\nx\r\n.");
    return $said if $said !~ /^250 /;
    my ($m) = $relay->wait_messages(1);
    return $m->{content} =~ /^To: ann\@new\.test\r$/m && $m->{content} =~ /^Date: /m ? 'ours' : $m->{content} =~ /^To: ann\@old\.test\r$/m && $m->{content} !~ /^Date: /m ? 'as it was' : $m->{content};
}

subtest 'whose headers are rewritten' => sub {
    for ([ undef, '127.0.0.1', 'ours', 'by default a client in mynetworks' ],
        [ undef, '127.0.0.3', 'as it was', 'but not another address of this machine' ],
        [ 'permit_inet_interfaces', '127.0.0.3', 'ours', 'permit_inet_interfaces: an address of inet_interfaces' ],
        [ 'permit_inet_interfaces', '127.0.0.2', 'as it was', 'and no other' ],
        [ 'check_address_map inline:{ 127.0.0.2=x, 127.0.0.9 = y }', '127.0.0.2', 'ours', 'check_address_map: a key of the table' ],
        [ 'check_address_map inline:{ 127.0.0.2=x, 127.0.0.9 = y }', '127.0.0.4', 'as it was', 'and no other' ],
        [ 'check_address_map cidr:{ { 127.0.0.4/30 x } }, permit_mynetworks', '127.0.0.6', 'ours', 'a network by cidr:' ],
        [ '', '127.0.0.1', 'as it was', 'nobody' ]) {
        my ($clients, $from, $want, $what) = @$_;
        is(header_of($clients, from => $from), $want, $what);
    }
};

subtest 'local_header_rewrite_clients that is wrong' => sub {
    for ([ 'permit_tls_clientcerts', qr/permit_tls_clientcerts is without effect, for no listener asks its clients/ ], [ 'permit', qr/"permit" does not stand here: write permit_inet/ ],
        [ 'check_address_map', qr/what it takes is missing/ ]) {
        my $t = Baton::Test->new;
        $t->config(local_header_rewrite_clients => $_->[0]);
        like($t->baton(['check'])->{err} . $t->baton(['check'])->{out}, $_->[1], "$_->[0] is refused");
    }
    my $t = Baton::Test->new;
    $t->config(smtpd_client_restrictions => 'check_address_map inline:{ a=b }');
    like($t->baton(['check'])->{err} . $t->baton(['check'])->{out}, qr/check_address_map is for local_header_rewrite_clients alone/, 'elsewhere');
};

subtest 'mail that leaves' => sub {
    my $t = Baton::Test->new;
    my $relay = $t->fake_relay;
    $t->config(relayhost => $relay->address, myorigin => 'box.corp.test', alias_maps => '',
        smtp_generic_maps => 'inline:{ joe@box.corp.test = outside@isp.test, @old.test = ann@new.test }');
    $t->start_batond;
    my $body = join '', map { ".line $_ is $_\n" } 1 .. 5000;
    is($t->sendmail([ '-f', 'joe', '-t' ], input => "From: Joe <joe>\nTo: x\@old.test, y\@else.test\nSubject: x\n\n$body")->{code}, 0, 'is taken');
    my ($m) = $relay->wait_messages(1);
    is($m->{from}, 'outside@isp.test', 'with another sender');
    is_deeply([ sort @{ $m->{rcpts} } ], [ 'ann@new.test', 'y@else.test' ], 'and recipient');
    like($m->{content}, qr/^From: Joe <outside\@isp\.test>\r$/m, 'also in From:');
    like($m->{content}, qr/^To: ann\@new\.test, y\@else\.test\r$/m, 'and To:');
    my ($got) = $m->{content} =~ /\r\n\r\n(.*)\z/s;
    is($got =~ s/\r//gr, $body, 'the body is whole');
    ok($t->wait_log(qr/to=<x\@old\.test>.*status=sent/), 'the log has the recipient that was meant');
};

subtest 'a table that cannot tell' => sub {
    my $t = Baton::Test->new;
    my $relay = $t->fake_relay;
    my $port = free_port();
    $t->config(relayhost => $relay->address, inet_interfaces => '127.0.0.1', raw => "listen smtp { port = $port }\n",
        recipient_canonical_maps => 'fail:x');
    $t->start_batond;
    my $c = Baton::Client->new(port => $port);
    $c->reply;
    $c->say('EHLO me.test');
    $c->say('MAIL FROM:<me@me.test>');
    $c->say('RCPT TO:<you@you.test>');
    $c->say('DATA');
    like($c->say("To: you\@you.test\r\n\r\nx\r\n."), qr/^451 4\.3\.0 Temporary lookup failure$/, 'puts the message off');
};

done_testing;
