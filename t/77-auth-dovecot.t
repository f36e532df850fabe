#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
# Clients that log in, with a real Dovecot that looks at their passwords: swaks, curl and Python as clients, and a Dovecot that is
# started again, asleep, or not there at all.
use strict;
use warnings;
use Test::More;
use FindBin;
use lib "$FindBin::Bin/lib";
use Baton::Client;
use Baton::Dovecot;
use Baton::Test;
use MIME::Base64 'encode_base64';
use Time::HiRes 'time';

skip_all_unless_server();
plan skip_all => 'IO::Socket::SSL is not installed' if !eval { require IO::Socket::SSL; 1 };
plan skip_all => 'dovecot is not installed' if !Baton::Dovecot::is_there();

my ($user, $password) = ('joe@example.test', 'pa=ss, "w\\ord"');
my %port = map { $_ => free_port() } qw(mx submission submissions);
my $t = Baton::Test->new;
my $sink = $t->sink;
my $cert = $t->certificate(names => [ 'mx.example.test', '127.0.0.1' ]);
my $dovecot = $t->dovecot(users => { $user => $password, 'ann@example.test' => 'other' }, mechanisms => 'plain login scram-sha-256');

sub listens {
    my (%more) = @_;
    return "listen mx { address = 127.0.0.1 port = $port{mx} @{[ $more{mx} // '' ]} }\n"
      . "listen submission { address = 127.0.0.1 port = $port{submission} tls = encrypt auth = required }\n"
      . "listen submissions { address = 127.0.0.1 port = $port{submissions} tls = implicit auth = required }\n";
}

# Clients are not in mynetworks: only a login lets them send to anywhere.
my %conf = (
    myhostname => 'mx.example.test', relayhost => $sink->address, mynetworks => '192.0.2.1/32', inet_interfaces => '127.0.0.1',
    smtpd_tls_cert_file => $cert->{cert}, smtpd_tls_key_file => $cert->{key}, smtpd_tls_received_header => 'yes',
    smtpd_sasl_auth_enable => 'yes', smtpd_sasl_type => 'dovecot', smtpd_sasl_path => $dovecot->auth_path,
    smtpd_sasl_authenticated_header => 'yes', smtpd_error_sleep_time => '0', receive_workers => 1,
    smtpd_client_event_limit_exceptions => '', raw => listens(),
);

sub b64 { encode_base64($_[0], '') }

# A client that has said EHLO, within TLS unless tls => 0
sub client {
    my ($port, %o) = @_;
    return Baton::Client->ready(port => $port, ca => $cert->{ca}, tls => $port == $port{submissions} ? 'implicit' : $o{tls} // 1 ? 'starttls' : '');
}

# A login as soon as there can be one
sub login_at_last {
    return wait_until { my $r = client($port{submission})->log_in($user, $password); $r =~ /^235/ && $r } 20;
}

sub start {
    my (%more) = @_;
    $t->stop_batond if $t->batond_pid;
    $t->config(%conf, %more);
    $t->start_batond;
}

my @swaks = qw(swaks --from joe@example.test --to you@elsewhere.test --server 127.0.0.1);
sub swaks { my (@more) = @_; $t->run([ @swaks, @more ], timeout => 60) }

$SIG{PIPE} = 'IGNORE';
start();

# ---- who may what -------------------------------------------------------------------------------------------------------------

subtest 'a login by real clients' => sub {
    my $before = $sink->messages;
    my @login = ('--auth-user', $user, '--auth-password', $password);
    my $r = swaks('--port', $port{mx}, '--tls', '--auth', 'PLAIN', @login);
    is($r->{code}, 0, 'swaks, PLAIN, STARTTLS at the port for servers') or diag $r->{out};
    like($r->{out}, qr/235 2\.7\.0 Authentication successful/, 'it is told so');
    $r = swaks('--port', $port{submission}, '--tls', '--auth', 'LOGIN', @login);
    is($r->{code}, 0, 'swaks, LOGIN, STARTTLS at submission') or diag $r->{out};
    spew($t->path('mail'), message(from => $user, to => 'you@elsewhere.test'));
    $r = $t->run([ qw(curl -sS --url), "smtps://127.0.0.1:$port{submissions}", '--cacert', $cert->{ca}, '--user', "$user:$password",
        '--mail-from', $user, '--mail-rcpt', 'you@elsewhere.test', '--upload-file', $t->path('mail') ]);
    is($r->{code}, 0, 'curl, TLS from the first byte at submissions') or diag $r->{err};
    spew($t->path('client.py'), <<'END');
import smtplib, ssl, sys
port, ca, user, password = int(sys.argv[1]), sys.argv[2], sys.argv[3], sys.argv[4]
with smtplib.SMTP("127.0.0.1", port) as s:
    s.starttls(context=ssl.create_default_context(cafile=ca))
    s.login(user, password)
    s.sendmail(user, ["you@elsewhere.test"], "Subject: python\n\nhello\n", mail_options=["AUTH=<>"])
END
    $r = $t->run([ 'python3', $t->path('client.py'), $port{submission}, $cert->{ca}, $user, $password ]);
    is($r->{code}, 0, "Python's smtplib, with MAIL FROM's AUTH=") or diag $r->{err};
    my ($m) = grep { /python/ } $sink->wait_messages($before + 4);
    ok($m, 'all four went to another domain');
    like($m, qr/\(Authenticated sender: joe\@example\.test\)\n\tby mx\.example\.test \(Baton\) with ESMTPSA id /,
        'Received: says how, and who');
    ok($t->wait_log(qr/: client=unknown\[127\.0\.0\.1\], sasl_method=PLAIN, sasl_username=joe\@example\.test$/), 'so does the log');
    ok($t->wait_log(qr/: client=unknown\[127\.0\.0\.1\], sasl_method=LOGIN, sasl_username=joe\@example\.test$/), 'and of LOGIN');
};

subtest 'what EHLO offers, and when' => sub {
    my $c = client($port{mx}, tls => 0);
    unlike($c->{ehlo}, qr/AUTH/, 'nothing before TLS');
    is($c->log_in($user, $password), "504 5.5.4 Encryption required for requested authentication mechanism\n", 'and none is taken');
    like($c->say('MAIL FROM:<a@b.example>'), qr/^250 /, 'other servers need none');
    like($c->say('RCPT TO:<you@elsewhere.test>'), qr/^[45]5\d .*Relay access denied/, 'and may not relay');
    $c = client($port{mx});
    like($c->{ehlo}, qr/^250-AUTH PLAIN LOGIN SCRAM-SHA-256$/m, 'within TLS all that Dovecot has');
    $c = client($port{submission}, tls => 0);
    is($c->say('MAIL FROM:<a@b.example>'), "530 5.7.0 Must issue a STARTTLS command first\n", 'submission demands TLS');
    for my $name (qw(submission submissions)) {
        $c = client($port{$name});
        is($c->say('MAIL FROM:<a@b.example>'), "530 5.7.0 Authentication required\n", "$name demands a login");
        is($c->log_in($user, $password), "235 2.7.0 Authentication successful\n", 'which is possible');
        is($c->log_in($user, $password), "503 5.5.1 Error: already authenticated\n", 'once');
        unlike($c->say('EHLO again'), qr/AUTH/, 'and not offered again');
        like($c->say('MAIL FROM:<a@b.example> AUTH=joe+40example.test'), qr/^250 /, 'and mail is taken');
    }
};

subtest 'exchanges' => sub {
    my $c = client($port{submission});
    is($c->say('AUTH LOGIN'), "334 VXNlcm5hbWU6\n", 'LOGIN asks for the user');
    is($c->say(b64($user)), "334 UGFzc3dvcmQ6\n", 'and for the password');
    is($c->say('*'), "501 5.7.0 Authentication aborted\n", 'a client may give up');
    is($c->say('AUTH PLAIN'), "334 \n", 'PLAIN without its first response asks for it');
    is($c->say('no base64'), "501 5.5.2 Error: invalid base64\n", 'which has to be base64');
    is($c->say('AUTH NTLM'), "504 5.5.4 Unrecognized authentication type\n", 'what is not offered is not there');
    is($c->say('AUTH'), "501 5.5.4 Syntax: AUTH mechanism\n", 'AUTH of nothing');
    is($c->say('AUTH PLAIN ='), "535 5.7.8 Error: authentication failed: (reason unavailable)\n", 'an empty response is one');
    is($c->say('AUTH PLAIN ' . 'A' x 13000), "500 5.5.6 Error: SASL response limit exceeded\n", 'a response has a limit');
    is($c->log_in_scram($user, 'wrong'), "535 5.7.8 Error: authentication failed: (reason unavailable)\n", 'SCRAM with a wrong password');
    is($c->log_in_scram($user, $password), "235 2.7.0 Authentication successful\n", 'SCRAM, three steps');
    ok($t->wait_log(qr/: warning: unknown\[127\.0\.0\.1\]: SASL SCRAM-SHA-256 authentication failed: /), 'the log has it');
};

subtest 'wrong passwords' => sub {
    start(smtpd_error_sleep_time => '1s');
    my $c = client($port{submission});
    my $from = time;
    is($c->log_in($user, 'wrong'), "535 5.7.8 Error: authentication failed: (reason unavailable)\n", 'the reply');
    my $first = time - $from;
    $c->log_in($user, 'wrong');
    cmp_ok($first, '>', 0.9, 'takes a second');
    cmp_ok(time - $from - $first, '>', 1.9, 'the next one two');
    like($t->wait_log(qr/SASL PLAIN/),
        qr/: warning: unknown\[127\.0\.0\.1\]: SASL PLAIN authentication failed: \(reason unavailable\), sasl_username=joe\@example\.test$/,
        'the log, as fail2ban wants it');
    is($c->log_in($user, $password), "235 2.7.0 Authentication successful\n", 'then the right one');
    start(smtpd_client_auth_rate_limit => 2);
    $c = client($port{submission});
    $c->log_in($user, 'wrong') for 1 .. 2;
    is($c->log_in($user, $password), "450 4.7.1 Error: too many AUTH commands from 127.0.0.1\n", 'smtpd_client_auth_rate_limit');
};

subtest 'which mechanisms' => sub {
    start(smtpd_tls_auth_only => 'no', broken_sasl_auth_clients => 'yes');
    my $c = client($port{mx}, tls => 0);
    like($c->{ehlo}, qr/^250-AUTH PLAIN LOGIN SCRAM-SHA-256\n250-AUTH=PLAIN LOGIN SCRAM-SHA-256$/m, 'broken_sasl_auth_clients: two lines');
    is($c->log_in($user, $password), "235 2.7.0 Authentication successful\n", 'and a login in the clear, where that is asked for');
    # The chapter's pair
    start(smtpd_tls_auth_only => 'no', smtpd_sasl_security_options => 'noanonymous, noplaintext',
        smtpd_sasl_tls_security_options => 'noanonymous', smtpd_sasl_mechanism_filter => '!scram-sha-256, static:rest');
    $c = client($port{mx}, tls => 0);
    unlike($c->{ehlo}, qr/AUTH/, 'noplaintext, and only plaintext mechanisms: no AUTH');
    is($c->log_in($user, $password), "504 5.5.4 Encryption required for requested authentication mechanism\n", 'a client is told why');
    like(client($port{mx})->{ehlo}, qr/^250-AUTH PLAIN LOGIN$/m, 'within TLS there are some');
    start(smtpd_sasl_tls_security_options => 'noplaintext, mutual_auth');
    like(client($port{mx})->{ehlo}, qr/^250-AUTH SCRAM-SHA-256$/m, 'mutual_auth');
    start(smtpd_sasl_tls_security_options => 'noplaintext', smtpd_sasl_mechanism_filter => 'plain');
    $c = client($port{mx});
    unlike($c->{ehlo}, qr/AUTH/, 'none is left');
    is($c->log_in($user, $password), "503 5.5.1 Error: authentication not enabled\n", 'none is taken');
    ok($t->wait_log(qr/no SASL mechanism is left of those that authentication server/), 'the log says so');
    start(smtpd_sasl_exceptions_networks => '127.0.0.0/8');
    unlike(client($port{mx})->{ehlo}, qr/AUTH/, 'smtpd_sasl_exceptions_networks');
    start(raw => listens(mx => 'auth = no'));
    unlike(client($port{mx})->{ehlo}, qr/AUTH/, 'auth = no of a section');
    start(smtpd_sasl_auth_enable => 'no', raw => listens());
    unlike(client($port{mx})->{ehlo}, qr/AUTH/, 'smtpd_sasl_auth_enable = no');
    is(client($port{submission})->log_in($user, $password), "235 2.7.0 Authentication successful\n", 'auth = required goes before it');
    is(client($port{mx})->say('MAIL FROM:<a@b.example> AUTH=<>'), "555 5.5.4 Unsupported option: AUTH=<>\n", 'without AUTH no AUTH=');
};

subtest 'by TCP, written as the handbook does' => sub {
    start(smtpd_sasl_path => 'inet: 127.0.0.1 : ' . $dovecot->auth_port);
    is(client($port{submission})->log_in($user, $password), "235 2.7.0 Authentication successful\n", 'a login');
    start(smtpd_sasl_path => 'inet:localhost:' . $dovecot->auth_port);
    is(client($port{submission})->log_in($user, $password), "235 2.7.0 Authentication successful\n", 'at a host with a name');
};

subtest 'several exchanges at a time over one connection' => sub {
    start(smtpd_client_connection_count_limit => 0);
    my @c = map { client($port{submission}) } 1 .. 12;
    $_->say('AUTH LOGIN') for @c;
    $_->say(b64($user)) for @c;
    for my $i (0 .. $#c) { $c[$i]->send_raw(b64($i % 3 ? $password : 'wrong') . "\r\n") }
    my @got = map { substr $_->reply, 0, 3 } @c;
    is("@got", join(' ', map { $_ % 3 ? 235 : 535 } 0 .. $#c), 'each gets its own answer');
    my $gone = client($port{submission});
    $gone->say('AUTH LOGIN');
    close $gone->socket;
    is(client($port{submission})->log_in($user, $password), "235 2.7.0 Authentication successful\n", 'one that goes disturbs nobody');
};

# ---- trouble ------------------------------------------------------------------------------------------------------------------

subtest 'Dovecot is started again' => sub {
    start(receive_workers => 2);
    my $c = client($port{submission});
    is($c->say('AUTH LOGIN'), "334 VXNlcm5hbWU6\n", 'an exchange is under way');
    $dovecot->stop;
    is($c->say(b64($user)), "454 4.7.0 Temporary authentication failure: Connection lost to authentication server\n",
        'it ends for now, not for ever');
    my $line = $t->wait_log(qr/SASL LOGIN authentication/);
    like($line, qr/warning: unknown\[127\.0\.0\.1\]: SASL LOGIN authentication could not be tried: Connection lost/,
        'the log takes nobody for a guesser');
    $c = client($port{submission});
    like($c->{ehlo}, qr/^250-AUTH PLAIN LOGIN/m, 'what was offered last is offered meanwhile');
    like($c->log_in($user, $password), qr/^454 4\.7\.0 Temporary authentication failure/, 'and cannot be tried');
    ok($t->wait_log(qr/warning: authentication server \S+auth-baton: connect to \S+: .*Dovecot is not running.*nobody can log in/),
        'the log says what is wrong');
    $dovecot->up;
    is(login_at_last(), "235 2.7.0 Authentication successful\n", 'it is back');
    ok($t->wait_log(qr/authentication server \S+: answers again/), 'the log says that, too');
};

subtest 'Dovecot is not there at all' => sub {
    $dovecot->stop;
    start();
    my $c = client($port{mx});
    unlike($c->{ehlo}, qr/AUTH/, 'nothing is offered');
    like($c->say('MAIL FROM:<a@b.example>'), qr/^250/, 'mail from other servers is taken');
    $c = client($port{submission});
    is($c->say('MAIL FROM:<a@b.example>'), "454 4.7.0 Temporary authentication failure\n", 'who must log in may come later');
    $dovecot->up;
    is(login_at_last(), "235 2.7.0 Authentication successful\n", 'now');
};

subtest 'Dovecot is asleep' => sub {
    start(smtpd_sasl_reply_timeout => '5s');
    my $c = client($port{submission});
    my $other = client($port{mx});
    $dovecot->hang;
    my $from = time;
    $c->send_raw(Baton::Client::auth_plain($user, $password) . "\r\n");
    like($other->say('MAIL FROM:<a@b.example>'), qr/^250/, 'others are served');
    in_time($from, 2, 'at once');
    is($c->reply(20), "454 4.7.0 Temporary authentication failure: Connection lost to authentication server\n", 'and it is told after a while');
    in_time($from, 15, 'not too long a one');
    $dovecot->go_on;
    is(login_at_last(), "235 2.7.0 Authentication successful\n", 'awake again');
};

subtest 'not the right socket' => sub {
    start(smtpd_sasl_path => $t->path('dovecot-1/run/auth-userdb'));
    my $c = client($port{submission});
    is($c->say('MAIL FROM:<a@b.example>'), "454 4.7.0 Temporary authentication failure\n", 'nobody can log in');
    ok($t->wait_log(qr/warning: authentication server \S+auth-userdb: /, 15), 'the log says why') and note $t->wait_log(qr/auth-userdb: /);
    start(smtpd_sasl_path => $dovecot->lmtp_path);
    ok($t->wait_log(qr/it is no authentication server of Dovecot/), 'nor is LMTP one');
};

done_testing;
