#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
# Clients that log in by the Cyrus SASL library: a real saslauthd, which asks an IMAP server, and a sasldb of our own.
use strict;
use warnings;
use Test::More;
use FindBin;
use lib "$FindBin::Bin/lib";
use Baton::Client;
use Baton::Dovecot;
use Baton::Test;
use Digest::MD5 'md5';
use MIME::Base64 'decode_base64', 'encode_base64';
use POSIX ();
use Time::HiRes 'time';

my ($saslauthd, $saslpasswd) = map { my $n = $_; (grep { -x } map { "$_/$n" } qw(/usr/sbin /sbin))[0] } qw(saslauthd saslpasswd2);
skip_all_unless_server();
plan skip_all => 'IO::Socket::SSL is not installed' if !eval { require IO::Socket::SSL; 1 };
plan skip_all => 'saslauthd is not installed' if !$saslauthd || !$saslpasswd;
plan skip_all => 'dovecot is not installed' if !Baton::Dovecot::is_there();

my ($user, $password) = ('joe', 'pa=ss, w0rd');
my %port = map { $_ => free_port() } qw(mx submission);
my $t = Baton::Test->new;
my $sink = $t->sink;
my $cert = $t->certificate(names => [ 'mx.example.test', '127.0.0.1' ]);
my ($owner, $group) = is_root() ? (getpwnam 'nobody')[2, 3] : ($>, $) + 0);

mkdir $t->path($_) for qw(sasl mux);
my %conf = (
    myhostname => 'mx.example.test', relayhost => $sink->address, mynetworks => '192.0.2.1/32', inet_interfaces => '127.0.0.1',
    smtpd_tls_cert_file => $cert->{cert}, smtpd_tls_key_file => $cert->{key}, smtpd_sasl_auth_enable => 'yes',
    smtpd_sasl_type => 'cyrus', smtpd_sasl_path => 'smtpd', cyrus_sasl_config_path => $t->path('sasl'),
    smtpd_error_sleep_time => '0', receive_workers => 1,
    raw => "listen mx { address = 127.0.0.1 port = $port{mx} }\n"
      . "listen submission { address = 127.0.0.1 port = $port{submission} tls = encrypt auth = required }\n",
);

sub start {
    my ($settings, %more) = @_;
    $t->stop_batond if $t->batond_pid;
    spew($t->path('sasl/smtpd.conf'), $settings);
    $t->config(%conf, %more);
    $t->start_batond;
}

# saslauthd, in the foreground, with its socket in a folder of ours
my $pid;
sub saslauthd {
    my (@how) = @_;
    $pid = $t->_spawn([ $saslauthd, '-d', '-m', $t->path('mux'), '-n', 2, @how ], stdout => $t->path('saslauthd.log'),
        stderr => $t->path('saslauthd.log'));
    return wait_until { -S $t->path('mux/mux') && IO::Socket::UNIX->new(Peer => $t->path('mux/mux')) } 10;
}

sub stop_saslauthd {
    kill 'CONT', -$pid;
    Baton::Test::_end($pid, 'TERM', 10);
    unlink $t->path('mux/mux');
}

sub b64 { encode_base64($_[0], '') }

# A client that has said EHLO, within TLS unless tls => 0
sub client {
    my ($port, %o) = @_;
    return Baton::Client->ready(port => $port, ca => $cert->{ca}, tls => $o{tls} // 1 ? 'starttls' : '');
}

sub login_at_last {
    return wait_until { my $r = client($port{submission})->log_in($user, $password); $r =~ /^235/ && $r } 20;
}

$SIG{PIPE} = 'IGNORE';
my $imap = $t->dovecot(users => { $user => $password }, auth => 0);
my @settings = ("pwcheck_method: saslauthd\nmech_list: PLAIN LOGIN\nsaslauthd_path: " . $t->path('mux/mux') . "\n");

subtest 'saslauthd' => sub {
    ok(saslauthd('-a', 'rimap', '-O', '127.0.0.1/' . $imap->imap_port), 'saslauthd is there');
    start(@settings);
    my $c = client($port{mx}, tls => 0);
    unlike($c->{ehlo}, qr/AUTH/, 'nothing is offered before TLS');
    $c = client($port{submission});
    like($c->{ehlo}, qr/^250-AUTH (?:PLAIN LOGIN|LOGIN PLAIN)$/m, 'within TLS what mech_list has');
    is($c->say('MAIL FROM:<a@b.example>'), "530 5.7.0 Authentication required\n", 'submission demands it');
    is($c->log_in($user, 'wrong'), "535 5.7.8 Error: authentication failed: authentication failure\n", 'a wrong password');
    like($t->wait_log(qr/SASL PLAIN/), qr/warning: unknown\[127\.0\.0\.1\]: SASL PLAIN authentication failed: authentication failure, sasl_username=joe$/,
        'the log, as fail2ban wants it');
    is($c->log_in($user, $password), "235 2.7.0 Authentication successful\n", 'the right one');
    my $before = $sink->messages;
    my $r = $t->run([ qw(swaks --from joe@example.test --to you@elsewhere.test --server 127.0.0.1 --tls --auth LOGIN --port),
        $port{submission}, '--auth-user', $user, '--auth-password', $password ], timeout => 60);
    is($r->{code}, 0, 'swaks with LOGIN') or diag $r->{out};
    ok($sink->wait_messages($before + 1), 'its mail goes to another domain');
    ok($t->wait_log(qr/: client=unknown\[127\.0\.0\.1\], sasl_method=LOGIN, sasl_username=joe$/), 'the log says who');
    spew($t->path('client.py'), <<'END');
import smtplib, ssl, sys
with smtplib.SMTP("127.0.0.1", int(sys.argv[1])) as s:
    s.starttls(context=ssl.create_default_context(cafile=sys.argv[2]))
    s.login(sys.argv[3], sys.argv[4])
    s.sendmail("joe@example.test", ["you@elsewhere.test"], "Subject: python\n\nhello\n")
END
    $r = $t->run([ 'python3', $t->path('client.py'), $port{submission}, $cert->{ca}, $user, $password ]);
    is($r->{code}, 0, "Python's smtplib") or diag $r->{err};
    $c = client($port{submission});
    is($c->say('AUTH LOGIN'), "334 VXNlcm5hbWU6\n", 'LOGIN asks');
    is($c->say('*'), "501 5.7.0 Authentication aborted\n", 'and may be given up');
    my @c = map { client($port{submission}) } 1 .. 8;
    $c[$_]->send_raw(Baton::Client::auth_plain($user, $_ % 2 ? $password : 'wrong') . "\r\n") for 0 .. $#c;
    is(join(' ', map { substr $_->reply, 0, 3 } @c), join(' ', (535, 235) x 4), 'many at a time');
};

subtest 'saslauthd is asleep, and gone' => sub {
    start(@settings, smtpd_sasl_reply_timeout => '5s');
    my @c = map { client($port{submission}) } 1 .. 6;
    my $other = client($port{mx});
    stop_processes(-$pid);
    my $from = time;
    $_->send_raw(Baton::Client::auth_plain($user, $password) . "\r\n") for @c;
    like($other->say('MAIL FROM:<a@b.example>'), qr/^250/, 'others are served');
    is($_->reply(20), "454 4.7.0 Temporary authentication failure: no answer in time\n", 'who waits is told') for @c;
    in_time($from, 15, 'in time');
    ok($t->wait_log(qr/SASL PLAIN authentication could not be tried: no answer in time, sasl_username=joe/), 'the log takes nobody for a guesser');
    kill 'CONT', -$pid;
    is(login_at_last(), "235 2.7.0 Authentication successful\n", 'awake again');
    stop_saslauthd();
    my $c = client($port{submission});
    is($c->log_in($user, $password), "454 4.7.0 Temporary authentication failure: generic failure\n", 'gone: come back later');
    ok($t->wait_log(qr/warning: SASL authentication problem: cannot connect to saslauthd server: .*saslauthd_path/), 'the log says why');
};

subtest 'sasldb' => sub {
    my $db = $t->path('sasldb2');
    my $r = $t->run([ $saslpasswd, qw(-c -p -f), $db, '-u', 'mx.example.test', $user ], input => $password);
    is($r->{code}, 0, 'saslpasswd2 writes it') or diag $r->{err};
    chown $owner, $group, $db;
    start("pwcheck_method: auxprop\nauxprop_plugin: sasldb\nsasldb_path: $db\nmech_list: PLAIN CRAM-MD5 SCRAM-SHA-256 ANONYMOUS\n");
    my $c = client($port{submission});
    my ($list) = $c->{ehlo} =~ /^250-AUTH (.*)$/m;
    is(join(' ', sort split / /, $list // ''), 'CRAM-MD5 PLAIN SCRAM-SHA-256', 'what is offered: not ANONYMOUS');
    is($c->log_in($user, $password), "235 2.7.0 Authentication successful\n", 'PLAIN');
    $c = client($port{submission});
    my ($challenge) = $c->say('AUTH CRAM-MD5') =~ /^334 (\S+)/;
    my $pad = sub { my ($byte) = @_; my $key = length $password > 64 ? md5($password) : $password; ($key . "\0" x (64 - length $key)) ^ (chr($byte) x 64) };
    my $digest = unpack 'H*', md5($pad->(0x5c) . md5($pad->(0x36) . decode_base64($challenge // '')));
    is($c->say(b64("$user $digest")), "235 2.7.0 Authentication successful\n", 'CRAM-MD5');
    is(client($port{submission})->log_in_scram($user, 'wrong'), "535 5.7.8 Error: authentication failed: authentication failure\n", 'SCRAM with a wrong password');
    is(client($port{submission})->log_in_scram($user, $password), "235 2.7.0 Authentication successful\n", 'SCRAM');
    is(client($port{submission})->log_in('nobody-here', 'x'), "535 5.7.8 Error: authentication failed: authentication failure\n",
        'who is there and who is not is not told');
    start("pwcheck_method: auxprop\nauxprop_plugin: sasldb\nsasldb_path: $db\nmech_list: PLAIN LOGIN\n", smtpd_tls_auth_only => 'no',
        smtpd_sasl_security_options => 'noanonymous, noplaintext', smtpd_sasl_tls_security_options => 'noanonymous');
    unlike(client($port{mx}, tls => 0)->{ehlo}, qr/AUTH/, 'noplaintext leaves none in the clear');
    like(client($port{mx})->{ehlo}, qr/^250-AUTH /m, 'within TLS there are some');
};

subtest 'settings' => sub {
    $t->stop_batond;
    unlink $t->path('sasl/smtpd.conf');
    $t->start_batond;
    ok($t->wait_log(qr/warning: Cyrus SASL has no settings \(\S+smtpd\.conf\)/), 'a file that is not there is named');
};

done_testing;
