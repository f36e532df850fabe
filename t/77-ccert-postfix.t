#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
# Certificates of clients, with Postfix at the other end: what it makes of ours, and what we make of its.
use strict;
use warnings;
use POSIX ();
use Test::More;
use FindBin;
use IO::Socket::INET;
use lib "$FindBin::Bin/lib";
use Baton::Test;

my ($master) = grep { -x } qw(/usr/lib/postfix/sbin/master /usr/libexec/postfix/master);
skip_all_unless_root();
skip_all_unless_server();
plan skip_all => 'postfix is not installed' if !$master || !-x '/usr/sbin/postfix' || !getpwnam('postfix') || !getgrnam('postdrop');
plan skip_all => 'IO::Socket::SSL is not installed' if !eval { require IO::Socket::SSL; 1 };

my $t = Baton::Test->new;
chmod 0755, $t->dir;
my $sink = $t->sink;
my ($baton_port, $postfix_port) = (free_port(), free_port());
my $c = $t->certificate(names => ['127.0.0.1']);
my %of = map { $_ => $t->certificate(names => ["$_.example.test"], self_signed => 1) } qw(postfix baton);
my $text = "From: me\@example.test\nTo: you\@example.test\nSubject: hello\n\nbody\n";

sub print_of {
    my ($file) = @_;
    my $r = $t->run([ qw(openssl x509 -noout -fingerprint -sha256 -in), $file ]);
    return $r->{out} =~ /=([0-9A-F:]+)/ ? $1 : die "no fingerprint: $r->{err}";
}

# ---- Postfix, an instance of its own, that relays both ways ----

my $dir = $t->path('postfix');
mkdir $_ for $dir, "$dir/queue", "$dir/data";
chown((getpwnam 'postfix')[2], -1, "$dir/data");
my %main = (compatibility_level => '3.6', queue_directory => "$dir/queue", data_directory => "$dir/data", mail_owner => 'postfix', setgid_group => 'postdrop',
    inet_interfaces => '127.0.0.1', inet_protocols => 'ipv4', myhostname => 'postfix.example.test', mydestination => '', mynetworks => '192.0.2.0/24',
    alias_maps => '', local_recipient_maps => '', maillog_file => "$dir/log", maillog_file_prefixes => $dir, relayhost => "[127.0.0.1]:$baton_port",
    smtp_tls_security_level => 'fingerprint', smtp_tls_fingerprint_digest => 'sha256', smtp_tls_fingerprint_cert_match => print_of($c->{cert}),
    smtp_tls_cert_file => $of{postfix}{cert}, smtp_tls_key_file => $of{postfix}{key}, smtp_tls_loglevel => 1,
    smtpd_tls_security_level => 'may', smtpd_tls_cert_file => $c->{cert}, smtpd_tls_key_file => $c->{key}, smtpd_tls_ask_ccert => 'yes', smtpd_tls_loglevel => 2,
    smtpd_tls_fingerprint_digest => 'sha256', relay_clientcerts => 'inline:{ {' . print_of($of{baton}{cert}) . ' = baton} }', smtpd_tls_received_header => 'yes',
    smtpd_relay_restrictions => 'permit_tls_clientcerts, reject_unauth_destination', ($t->run(['/usr/sbin/postconf', '-m'])->{out} =~ /^btree$/m ? (smtp_tls_session_cache_database => "btree:$dir/data/cache") : ()),
    transport_maps => 'inline:{ elsewhere.test=discard: }');
spew("$dir/main.cf", join '', map { "$_ = $main{$_}\n" } sort keys %main);
spew("$dir/master.cf", <<"END");
$postfix_port inet n - n - - smtpd
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
pickup unix n - n 60 1 pickup
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
smtp unix - - n - - smtp
relay unix - - n - - smtp
error unix - - n - - error
discard unix - - n - - discard
retry unix - - n - - error
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
END
my $postfix_log = sub { slurp("$dir/log") // '' };
$t->run([ '/usr/sbin/postfix', '-c', $dir, 'check' ], timeout => 30); # makes its folders
my $pid = fork // die "fork: $!";
if (!$pid) {
    setpgrp 0, 0;
    open STDOUT, '>', "$dir/out";
    open STDERR, '>&', \*STDOUT;
    exec $master, '-c', $dir, '-d' or POSIX::_exit(127);
}
Baton::Test::register_group($pid, 'postfix');
my $is_up = wait_until(sub { IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $postfix_port) }, 20);
plan skip_all => 'postfix does not start here: ' . (slurp("$dir/out") // '') . $postfix_log->() if !$is_up;

# ---- Baton at both its ends ----

$t->config(relayhost => "[127.0.0.1]:$postfix_port", mynetworks => '192.0.2.0/24', myhostname => 'mx.example.test', minimal_backoff_time => '1s', maximal_backoff_time => '1s',
    smtpd_tls_cert_file => $c->{cert}, smtpd_tls_key_file => $c->{key}, smtpd_tls_ask_ccert => 'yes', smtpd_tls_loglevel => 2,
    relay_clientcerts => 'inline:{ {' . print_of($of{postfix}{cert}) . ' = postfix} }', relay_domains => '', transport_maps => 'inline:{ example.test=smtp:' . $sink->address . ' }',
    smtpd_relay_restrictions => 'permit_tls_clientcerts, reject_unauth_destination', smtp_tls_security_level => 'fingerprint', smtp_tls_loglevel => 1,
    smtp_tls_fingerprint_cert_match => print_of($c->{cert}), smtp_tls_cert_file => $of{baton}{cert}, smtp_tls_key_file => $of{baton}{key},
    smtp_tls_policy_maps => 'inline:{ ' . $sink->address . '=none }', raw => "listen smtp { address = 127.0.0.1 port = $baton_port }\n");
$t->start_batond;

subtest 'Postfix shows its certificate to Baton, again and again' => sub {
    for my $n (1 .. 3) {
        $t->run([ '/usr/sbin/sendmail', '-C', $dir, '-f', 'me@example.test', "$n\@example.test" ], input => $text);
        ok(wait_until(sub { $postfix_log->() =~ /to=<$n\@example\.test>.*status=sent/ }, 20), "message $n is relayed") or diag $postfix_log->(), $t->log_text;
    }
    my $p = print_of($of{postfix}{cert});
    ok($t->wait_log(qr/Untrusted TLS connection established from unknown\[127\.0\.0\.1\]/), 'Baton has seen it');
    ok($t->wait_log(qr/subject_CN=postfix\.example\.test, issuer=postfix\.example\.test, fingerprint=$p/), '... and knows the fingerprint that openssl knows');
    like($postfix_log->(), qr/Verified TLS connection established to 127\.0\.0\.1/, 'Postfix knows Baton by its fingerprint');
    is(scalar $sink->wait_messages(3), 3, 'all arrive');
};

subtest 'Baton shows its certificate to Postfix' => sub {
    $t->sendmail([ '-f', 'me@example.test', 'you@elsewhere.test' ], input => $text);
    ok(wait_until(sub { $postfix_log->() =~ /(?:Untrusted|Trusted) TLS connection established from \S*\[127\.0\.0\.1\]/ }, 20), 'Postfix has seen it') or diag $postfix_log->();
    my $p = print_of($of{baton}{cert});
    like($postfix_log->(), qr/subject_CN=baton\.example\.test, issuer=\S+, (?:cert )?fingerprint=$p/, '... with the same fingerprint');
    ok($t->wait_log(qr/to=<you\@elsewhere\.test>.*status=sent/), 'and relays for it') or diag $t->log_text, $postfix_log->();
    like($t->log_text, qr/: Verified TLS connection established to 127\.0\.0\.1/, 'Baton knows Postfix by its fingerprint');
};

kill 'TERM', $pid;
wait_until(sub { waitpid($pid, POSIX::WNOHANG()) == $pid }, 10);
done_testing;
