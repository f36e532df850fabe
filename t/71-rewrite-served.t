#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
# Addresses that are rewritten by tables which others serve: the client waits for them and nobody else does, and a server that is
# away puts a message off.
use strict;
use warnings;
use FindBin;
use Test::More;
use lib "$FindBin::Bin/lib";
use Baton::Client;
use Baton::Filter;
use Baton::Slapd;
use Baton::TableServer;
use Baton::Test;

skip_all_unless_server();

# A daemon, a relay behind it, and a port.
sub fresh {
    my ($t, %config) = @_;
    my $relay = $t->fake_relay;
    my $port = free_port();
    $t->config(relayhost => $relay->address, mynetworks => '127.0.0.1/32', inet_interfaces => '127.0.0.1', myorigin => 'box.test',
        raw => "listen smtp { port = $port }\n" . (delete $config{raw} // ''), %config);
    $t->start_batond;
    return ($relay, $port);
}

sub client {
    my ($port) = @_;
    my $c = Baton::Client->new(port => $port);
    $c->reply;
    $c->say('EHLO me.test');
    return $c;
}

# What is said at the end of one message.
sub send_one {
    my ($c, $content, $from, @to) = @_;
    $c->say("MAIL FROM:<$from>");
    $c->say("RCPT TO:<$_>") for @to;
    $c->say('DATA');
    return $c->say("$content\r\n.");
}

my $header = "From: Joe <joe\@old.test>\r\nTo: ann\@old.test, Other <other\@else.test>\r\nSubject: x\r\n\r\njoe\@old.test";

sub is_rewritten {
    my ($m, $what) = @_;
    is($m->{from}, 'joe@new.test', "$what: the sender");
    is_deeply([ sort @{ $m->{rcpts} } ], [ 'ann@new.test', 'other@else.test' ], "$what: the recipients");
    like($m->{content}, qr/^From: Joe <joe\@new\.test>\r$/m, "$what: From:");
    like($m->{content}, qr/^To: ann\@new\.test, Other <other\@else\.test>\r$/m, "$what: To:");
    like($m->{content}, qr/\r\n\r\njoe\@old\.test\r\n\z/, "$what: the body stays");
}

for my $protocol ('socketmap', 'tcp') {
    my $t = Baton::Test->new;
    my $s = Baton::TableServer->start($t, protocol => $protocol);
    my $name = $protocol eq 'tcp' ? 'tcp' : 'canon';
    $s->rows($name => { 'joe@old.test' => 'joe@new.test', 'ann@old.test' => 'ann@new.test' });
    my ($relay, $port) = fresh($t, canonical_maps => $s->spec('canon'));
    like(send_one(client($port), $header, 'joe@old.test', 'ann@old.test', 'other@else.test'), qr/^250 /, "$protocol: is taken");
    is_rewritten(($relay->wait_messages(1))[0], $protocol);
}

subtest 'a pipemap, and two tables of which one is a file' => sub {
    my $t = Baton::Test->new;
    my $s = Baton::TableServer->start($t);
    $s->rows(canon => { 'joe@old.test' => 'joe@mid.test', 'ann@old.test' => 'ann@mid.test' });
    my ($relay, $port) = fresh($t, sender_canonical_maps => 'inline:{ joe@mid.test=joe@new.test }',
        canonical_maps => "pipemap:{@{[ $s->spec('canon') ]} inline:{ ann\@mid.test = ann\@new.test, joe\@mid.test=joe\@new.test }}");
    like(send_one(client($port), $header, 'joe@old.test', 'ann@old.test', 'other@else.test'), qr/^250 /, 'is taken');
    is_rewritten(($relay->wait_messages(1))[0], 'pipemap');
};

subtest 'a directory' => sub {
    plan skip_all => 'slapd is not installed' if !Baton::Slapd::program();
    my $t = Baton::Test->new;
    my $slapd = Baton::Slapd->start($t);
    $slapd->add_many([ 'cn=joe', mailacceptinggeneralid => 'joe@old.test', maildrop => 'joe@new.test' ],
        [ 'cn=ann', mailacceptinggeneralid => 'ann@old.test', maildrop => 'ann@new.test' ]);
    my ($relay, $port) = fresh($t, canonical_maps => 'ldap:dir', minimal_backoff_time => '1s', maximal_backoff_time => '1s',
        raw => 'ldap dir { server_host = "' . $slapd->url . "\"\n search_base = \"dc=example,dc=com\"\n timeout = 2s }\n");
    like(send_one(client($port), $header, 'joe@old.test', 'ann@old.test', 'other@else.test'), qr/^250 /, 'is taken');
    is_rewritten(($relay->wait_messages(1))[0], 'ldap');
    $slapd->stop;
    like(send_one(client($port), $header, 'joe@old.test', 'ann@old.test'), qr/^451 4\.3\.0 Temporary lookup failure$/, 'it is away: 451');
    ok($t->wait_log(qr/canonical_maps: ldap:dir: /), 'and a line in the log');
    $slapd->restart;
    my $said;
    ok(wait_until(sub { ($said = send_one(client($port), $header, 'joe@old.test', 'ann@old.test', 'other@else.test')) =~ /^250 / }, 30), 'is there again')
      or diag $said;
    is_rewritten(($relay->wait_messages(2))[1], 'after that');
};

subtest 'a server that hangs' => sub {
    my $t = Baton::Test->new;
    my $s = Baton::TableServer->start($t);
    $s->rows(canon => { 'joe@old.test' => 'joe@new.test', 'ann@old.test' => 'ann@new.test' });
    my ($relay, $port) = fresh($t, canonical_maps => $s->spec('canon'), local_header_rewrite_clients => 'check_address_map inline:{ 127.0.0.1=x }',
        receive_workers => 1, canonical_classes => 'header_sender header_recipient');
    $s->hang;
    my ($waits, $gone) = (client($port), client($port));
    for ($waits, $gone) {
        $_->say('MAIL FROM:<joe@old.test>');
        $_->say('RCPT TO:<ann@old.test>');
        $_->say('DATA');
        $_->send_raw("$header\r\n.\r\n");
    }
    my $other = client($port);
    like($other->say('MAIL FROM:<x@old.test>'), qr/^250 /, 'another client of the same worker goes on');
    like($other->say('RCPT TO:<y@old.test>'), qr/^250 /, 'and on');
    $gone->close;
    $s->go_on;
    like($waits->reply, qr/^250 /, 'who waits is answered when it goes on');
    my ($m) = $relay->wait_messages(1);
    like($m->{content}, qr/^From: Joe <joe\@new\.test>\r$/m, 'its header is rewritten');
    is($m->{from}, 'joe@old.test', 'its envelope is not: canonical_classes');
    like($other->say('RSET'), qr/^250 /, 'the other one is there');
};

subtest 'trouble of the server' => sub {
    my $t = Baton::Test->new;
    my $s = Baton::TableServer->start($t);
    $s->rows(canon => { 'joe@old.test' => 'TEMP the database is away' });
    my ($relay, $port) = fresh($t, canonical_maps => $s->spec('canon'));
    my $c = client($port);
    like(send_one($c, "To: x\@else.test\r\n\r\nx", 'joe@old.test', 'x@else.test'), qr/^451 4\.3\.0 Temporary lookup failure$/, 'in the envelope: 451');
    like(send_one($c, $header, 'x@else.test', 'x@else.test'), qr/^451 4\.3\.0 Temporary lookup failure$/, 'in the header: 451');
    ok($t->wait_log(qr/canonical_maps: .*the database is away/), 'the log has the server\'s words');
    like(send_one($c, "From: x\@else.test\r\nTo: y\@else.test\r\n\r\nx", 'x@else.test', 'x@else.test'), qr/^250 /, 'the session goes on');
    $relay->wait_messages(1);
    like(send_one($c, $header . ("\r\n" . 'x' x 998) x 3000, 'x@else.test', 'x@else.test'), qr/^451 /, 'also with a large body');
};

subtest 'what milters see' => sub {
    my $t = Baton::Test->new;
    plan skip_all => "python3-milter is not installed" if !Baton::Filter::has("python");
    my $filter = Baton::Filter->python($t, <<"PY");
def header(self, name, value):
    log.write("%s: %s\\n" % (name, value))
    return Milter.CONTINUE
PY
    my $s = Baton::TableServer->start($t);
    $s->rows(canon => { 'joe@old.test' => 'joe@new.test' });
    my ($relay, $port) = fresh($t, canonical_maps => $s->spec('canon'), smtpd_milters => $filter->address);
    like(send_one(client($port), $header, 'joe@old.test', 'x@else.test'), qr/^250 /, 'is taken');
    like(($relay->wait_messages(1))[0]{content}, qr/^From: Joe <joe\@new\.test>\r$/m, 'is rewritten');
    log_like($filter, qr{^From: Joe <joe\@new\.test>$}m, 'before the filter sees it');
};

subtest 'a message for many' => sub {
    my $t = Baton::Test->new;
    my $s = Baton::TableServer->start($t);
    $s->rows(canon => { map { ("u$_\@old.test" => "u$_\@new.test") } 1 .. 300 });
    my ($relay, $port) = fresh($t, recipient_canonical_maps => $s->spec('canon'));
    my @to = map { "u$_\@old.test" } 1 .. 300;
    like(send_one(client($port), 'To: ' . join(",\r\n ", @to) . "\r\n\r\nx", 'x@else.test', @to), qr/^250 /, 'is taken');
    ok(wait_until(sub { my $n = 0; $n += @{ $_->{rcpts} } for $relay->messages; $n == 300 }, 30), 'all of it leaves');
    my @m = $relay->messages;
    is_deeply([ sort map { @{ $_->{rcpts} } } @m ], [ sort map { "u$_\@new.test" } 1 .. 300 ], 'each has its new address');
    is(() = $m[0]{content} =~ /\@new\.test/g, 300, 'in the header, too');
};

subtest 'mail that leaves' => sub {
    my $t = Baton::Test->new;
    my $s = Baton::TableServer->start($t);
    $s->rows(generic => { 'joe@box.test' => 'outside@isp.test', '@old.test' => 'ann@new.test', 'bad@box.test' => 'TEMP not now' });
    my ($relay) = fresh($t, smtp_generic_maps => $s->spec('generic'), alias_maps => '', minimal_backoff_time => '1s', maximal_backoff_time => '1s');
    is($t->sendmail([ '-f', 'joe', '-t' ], input => "From: Joe <joe>\nTo: x\@old.test, y\@else.test\nSubject: x\n\nz\n")->{code}, 0, 'is taken');
    my ($m) = $relay->wait_messages(1);
    is($m->{from}, 'outside@isp.test', 'with another sender');
    is_deeply([ sort @{ $m->{rcpts} } ], [ 'ann@new.test', 'y@else.test' ], 'and recipient');
    like($m->{content}, qr/^From: Joe <outside\@isp\.test>\r$/m, 'also in From:');
    is($t->sendmail([ '-f', 'bad', 'y@else.test' ], input => "Subject: x\n\nz\n")->{code}, 0, 'where the table cannot tell');
    ok($t->wait_log(qr/to=<y\@else\.test>.*dsn=4\.3\.0, status=deferred \(smtp_generic_maps cannot tell\)/), 'the message is put off');
    is($t->sendmail([ '-f', 'joe', 'z@else.test' ], input => "Subject: x\n\nz\n")->{code}, 0, 'others');
    ok(wait_until(sub { (() = $relay->messages) == 2 }, 30), 'go on');
    $s->rows(generic => { 'bad@box.test' => 'good@isp.test' });
    ok(wait_until(sub { (() = $relay->messages) == 3 }, 30), 'it leaves when the table can');
    is(($relay->messages)[2]{from}, 'good@isp.test', 'as the table says');
};

done_testing;
