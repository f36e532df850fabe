#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
# The listen sections: where mail is taken, in which protocol, and from whom when a proxy stands before us.
use strict;
use warnings;
use FindBin;
use IO::Select;
use Socket qw(inet_aton);
use Test::More;
use lib "$FindBin::Bin/lib";
use Baton::Client;
use Baton::Test;

# A world with listen sections: section(name => { key => value, ... }) as text
sub section {
    my ($name, %keys) = @_;
    return "listen $name {\n" . join('', map { "    $_ = \"$keys{$_}\"\n" } sort keys %keys) . "}\n";
}

sub refused {
    my ($name, $want, $sections, %config) = @_;
    my $t = Baton::Test->new;
    $t->config(raw => $sections, %config);
    my $r = $t->baton(['config']);
    is($r->{code}, 78, "$name: exit 78");
    like($r->{err}, $want, "$name: says what to change") or diag $r->{err};
}

sub silent { my ($c) = @_; return !IO::Select->new($c->socket)->can_read(0.2) }

subtest 'what contradicts itself is refused' => sub {
    my %here = (address => '127.0.0.1', port => 2525);
    refused('the same address and port', qr/baton\.conf:\d+: error: listen b: listen a \(line \d+\) has port 2525 of the same address already/,
        section('a', %here) . section('b', %here));
    refused('an address within all', qr/listen b: listen a \(line \d+\) has port 2525/, section('a', %here) . section('b', %here, address => 'all'));
    refused('the same path', qr/listen b: listen a \(line \d+\) has this path already/, section('a', path => '/x') . section('b', path => '/x'));
    refused('LMTP at port 25', qr/write port = 24, or a path/, section('a', protocol => 'lmtp'));
    refused('a proxy that is not named', qr/proxy_networks = "192\.0\.2\.10"/, section('a', %here, proxy => 'haproxy'));
    refused('networks without a proxy', qr/says nothing without proxy/, section('a', %here, proxy_networks => '192.0.2.1'));
    refused('a proxy anywhere', qr/anybody could say to be anybody/, section('a', %here, proxy => 'haproxy', proxy_networks => '0.0.0.0/0'));
    refused('a mode that is none', qr/"rw" is no mode of a file/, section('a', path => '/x', mode => 'rw'));
    refused('Postfix\'s way', qr/write proxy = "haproxy"/, "smtpd_upstream_proxy_protocol = haproxy\n");
};

subtest 'two names of one address are found when the sockets are opened' => sub {
    my $t = Baton::Test->new;
    my $port = free_port();
    $t->config(raw => section('a', address => '127.0.0.1', port => $port) . section('b', address => 'localhost', port => $port), inet_protocols => 'ipv4');
    $t->start_batond(ready => 0);
    is($t->wait_exit >> 8, 78, 'batond does not start');
    log_like($t, qr/listen a \(line \d+\) and listen b both mean 127\.0\.0\.1:$port/, 'and names both places');
};

subtest 'LMTP answers for each recipient, over TCP and over a unix socket' => sub {
    my $t = Baton::Test->new;
    my ($relay, $port, $path) = ($t->fake_relay, free_port(), $t->path('lmtp'));
    spew($t->path('aliases'), "me: x\@example.test\n");
    $t->config(relayhost => $relay->address, mydestination => 'here.test', alias_maps => $t->path('aliases'),
        local_transport => 'error:5.1.1 no mailbox here',
        raw => section('l', address => '127.0.0.1', port => $port, protocol => 'lmtp') . section('u', path => $path, protocol => 'lmtp', mode => '0660'));
    $t->start_batond;
    is((stat $path)[2] & 07777, 0660, 'the socket has the mode that was asked for');
    for ([ tcp => port => $port ], [ unix => path => $path ]) {
        my ($name, @where) = @$_;
        my $c = Baton::Client->new(@where) or fail("$name: $!"), next;
        like($c->reply, qr/^220 client\.example\.test LMTP/, "$name: greets as LMTP") if $name eq 'tcp';
        $c->reply if $name eq 'unix';
        like($c->say('EHLO me'), qr/^500 5\.5\.1 /, "$name: is not SMTP");
        like($c->say('LHLO me'), qr/^250-PIPELINING$/m, "$name: takes LHLO");
        like($c->say('MAIL FROM:<s@example.test>'), qr/^250 2\.1\.0 /, "$name: MAIL");
        like($c->say("RCPT TO:<$_>"), qr/^250 2\.1\.5 /, "$name: RCPT $_") for 'a@example.test', 'b@example.test';
        like($c->say('RCPT TO:<nobody@here.test>'), qr/^550 5\.1\.1 /, "$name: one is refused");
        like($c->say('DATA'), qr/^354 /, "$name: DATA");
        like($c->say("Subject: $name\r\n\r\nx\r\n."), qr/^250 2\.0\.0 Ok: queued as (\w+)$/, "$name: the first reply");
        like($c->reply, qr/^250 2\.0\.0 Ok: queued as (\w+)$/, "$name: the second");
        ok(silent($c), "$name: no third");
        like($c->say('QUIT'), qr/^221 /, "$name: QUIT");
    }
    my @m = $relay->wait_messages(2);
    is_deeply([ map { scalar @{ $_->{rcpts} } } @m ], [ 2, 2 ], 'both messages go on, for two recipients each');
    like($_->{content}, qr/^\s+by client\.example\.test \(Baton\) with LMTP id/m, 'Received says LMTP') for @m;
    log_like($t, qr/connect from local\[uid $>\]/, 'the log knows who came by the socket');
};

# ---- PROXY ------------------------------------------------------------------------------------------------------------

my $v2 = "\r\n\r\n\0\r\nQUIT\n";
sub v2_tcp4 { my ($client) = @_; return "$v2\x21\x11" . pack('n', 12 + 7) . inet_aton($client) . inet_aton('198.51.100.25') . pack('nn', 4711, 25) . "\x04\0\x04abcd" }

sub proxied {
    my (%o) = @_;
    my $t = Baton::Test->new;
    my $relay = $t->fake_relay;
    my $port = free_port();
    my %section = (address => '127.0.0.1', port => $port, proxy => 'haproxy', proxy_networks => '127.0.0.1', %{ delete $o{section} // {} });
    $t->config(relayhost => $relay->address, mynetworks => '127.0.0.0/8 192.0.2.0/24', raw => section('balanced', %section) . ($o{more} // ''), %{ $o{config} // {} });
    $t->start_batond;
    return ($t, $port, $relay);
}

sub ask { # what RCPT for a stranger is answered with, after this header
    my ($port, $header) = @_;
    my $c = Baton::Client->new(port => $port);
    $c->send_raw($header);
    my $r = $c->greet;
    return ($r, $c) if $r !~ /^250/;
    $c->say('MAIL FROM:<s@example.test>');
    return ($c->say('RCPT TO:<you@example.test>'), $c);
}

subtest 'the address that the proxy gives counts for everything' => sub {
    my ($t, $port, $relay) = proxied();
    for ([ 'version 1', "PROXY TCP4 %s 198.51.100.25 4711 25\r\n" ], [ 'version 2', undef ]) {
        my ($name, $format) = @$_;
        my $header = sub { $format ? sprintf($format, @_) : v2_tcp4(@_) };
        my ($r, $c) = ask($port, $header->('192.0.2.7'));
        like($r, qr/^250 2\.1\.5/, "$name: a client of mynetworks may relay");
        $c->say('DATA');
        like($c->say("Subject: $name\r\n\r\nx\r\n."), qr/^250 2\.0\.0/, "$name: its mail is taken");
        ($r) = ask($port, $header->('203.0.113.9'));
        like($r, qr/^554 5\.7\.1 <you\@example\.test>: Relay access denied$/, "$name: another may not, though the proxy could");
    }
    like($_->{content}, qr/^Received: from client\.test \(unknown \[192\.0\.2\.7\]\)/m, 'Received has the client, not the proxy') for $relay->wait_messages(2);
    log_like($t, qr/connect from unknown\[192\.0\.2\.7\]$/m, 'so does the log');
    log_like($t, qr/NOQUEUE: reject: RCPT from unknown\[203\.0\.113\.9\]: 554/, 'of a refusal too');
    unlike($t->log_text, qr/connect from unknown\[127\.0\.0\.1\]/, 'and the proxy is no client');
    my ($r) = ask($port, "PROXY TCP6 2001:db8::9 2001:db8::1 4711 25\r\n");
    like($r, qr/^554 5\.7\.1/, 'IPv6');
    ok($t->wait_log(qr/connect from unknown\[2001:db8::9\]/), 'is named as such');
};

subtest 'a client that the proxy does not know, and the proxy itself, have not the proxy\'s trust' => sub {
    my ($t, $port) = proxied();
    for ([ 'UNKNOWN', "PROXY UNKNOWN\r\n" ], [ 'LOCAL', "$v2\x20\0\0\0" ], [ 'a unix socket', "$v2\x21\x31\0\xd8" . 'x' x 216 ]) {
        my ($r) = ask($port, $_->[1]);
        like($r, qr/^554 5\.7\.1/, "$_->[0]: is greeted, and may not relay");
    }
};

subtest 'nothing is said before the header is whole, and it may come in pieces' => sub {
    my ($t, $port) = proxied();
    my $c = Baton::Client->new(port => $port);
    ok(silent($c), 'no banner');
    for my $byte (split //, v2_tcp4('192.0.2.7')) { $c->send_raw($byte) }
    like($c->reply, qr/^220 /, 'the banner comes when the header has');
};

subtest 'who does not send the header, or may not, is turned away' => sub {
    my ($t, $port) = proxied(config => { smtpd_upstream_proxy_timeout => '1s' });
    my $c = Baton::Client->new(port => $port);
    $c->send_raw("EHLO me\r\n");
    like($c->reply, qr/^421 4\.3\.0 /, 'a header that is none: 421');
    is($c->reply, '', 'and the end');
    ok($t->wait_log(qr/listen balanced: 127\.0\.0\.1 is turned away: it does not begin with a PROXY header/), 'the log says why');
    $c = Baton::Client->new(port => $port);
    $c->send_raw("PROXY TCP4 192.0.2.7 198.51.100.25 4711 25000000\r\n");
    like($c->reply, qr/^421 4\.3\.0 /, 'one that is broken: 421');
    $c = Baton::Client->new(port => $port);
    $c->send_raw('PROXY TCP4');
    like($c->reply, qr/^421 4\.3\.0 /, 'one that does not end in time: 421');
    ok($t->wait_log(qr/listen balanced: 127\.0\.0\.1 sent no PROXY header within 1 s/), 'the log says so');
    $c = Baton::Client->new(port => $port, from => '127.0.0.2');
    $c->send_raw(v2_tcp4('192.0.2.7'));
    like($c->reply, qr/^521 5\.7\.1 /, 'one who is not in proxy_networks: 521, whatever it sends');
    ok($t->wait_log(qr/listen balanced: 127\.0\.0\.2 is turned away: it is not in proxy_networks/), 'the log says who');
    Baton::Client->new(port => $port)->close;
    like((ask($port, v2_tcp4('192.0.2.7')))[0], qr/^250/, 'and the others are served');
    is($t->stop_batond, 0, 'it leaves in order');
};

subtest 'a stop does not wait for a header' => sub {
    my ($t, $port) = proxied(config => { smtpd_upstream_proxy_timeout => '1h' });
    my $c = Baton::Client->new(port => $port);
    ok(silent($c), 'one waits');
    is($t->stop_batond(5), 0, 'batond leaves');
    is($c->reply, '', 'and the connection with it');
};

subtest 'a proxy may come by a unix socket' => sub {
    my $dir = Baton::Test->new;
    my ($t) = proxied(more => section('u', path => $dir->path('s'), proxy => 'haproxy'));
    my $c = Baton::Client->new(path => $dir->path('s'));
    $c->send_raw(v2_tcp4('203.0.113.9'));
    like($c->greet, qr/^250/, 'it is greeted');
    ok($t->wait_log(qr/connect from unknown\[203\.0\.113\.9\]/), 'as who it is');
};

# ---- the real one --------------------------------------------------------------------------------------------------------

my ($haproxy) = grep { -x } '/usr/sbin/haproxy', '/usr/local/sbin/haproxy';
subtest 'haproxy before us, both versions' => sub {
    plan skip_all => 'haproxy is not installed' if !$haproxy;
    my ($t, $port) = proxied(config => { mynetworks => '127.0.0.2' });
    my %front = (v1 => free_port(), v2 => free_port());
    my %options = (v1 => 'send-proxy check', v2 => 'send-proxy-v2 proxy-v2-options crc32c,unique-id check check-send-proxy');
    my $conf = "global\n    maxconn 100\ndefaults\n    mode tcp\n    timeout connect 5s\n    timeout client 30s\n    timeout server 30s\n    unique-id-format %[uuid()]\n"
      . join '', map { "listen $_\n    bind 127.0.0.1:$front{$_}\n    server baton 127.0.0.1:$port $options{$_} inter 200ms\n" } sort keys %front;
    spew($t->path('haproxy.cfg'), $conf);
    my $pid = $t->_spawn([ $haproxy, '-db', '-f', $t->path('haproxy.cfg') ], stdout => $t->path('haproxy.log'), stderr => $t->path('haproxy.log'));
    for my $v (sort keys %front) {
        my $c;
        wait_until { $c = Baton::Client->new(port => $front{$v}, from => '127.0.0.2') } or fail("$v: haproxy does not listen"), next;
        like($c->greet // 'silence', qr/^250/, "$v: greeted") or diag slurp($t->path('haproxy.log'));
        $c->say('MAIL FROM:<s@example.test>');
        like($c->say('RCPT TO:<you@example.test>'), qr/^250 2\.1\.5/, "$v: trusted by its own address");
        $c = Baton::Client->new(port => $front{$v}, from => '127.0.0.3');
        $c->greet;
        $c->say('MAIL FROM:<s@example.test>');
        like($c->say('RCPT TO:<you@example.test>'), qr/^554 5\.7\.1/, "$v: another is not");
        ok($t->wait_log(qr/connect from unknown\[127\.0\.0\.3\]/), "$v: and stands in the log");
    }
    kill 'TERM', -$pid;
    waitpid $pid, 0;
};

done_testing();
