#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
# What filters, policy servers and the next hop are told of who has logged in (by a real Dovecot), and of AUTH= of MAIL; and what
# filters say to commands that there are not.
use strict;
use warnings;
use FindBin;
use MIME::Base64 'encode_base64';
use Test::More;
use lib "$FindBin::Bin/lib";
use Baton::Client;
use Baton::Dovecot;
use Baton::Filter;
use Baton::PolicyServer;
use Baton::Test;

skip_all_unless_server();
plan skip_all => 'python3-milter is not installed' if !Baton::Filter::has('python');
plan skip_all => 'dovecot is not installed' if !Baton::Dovecot::is_there();

my ($user, $password) = ('joe@here.test', 'secret');
my $t = Baton::Test->new;
my $filter = Baton::Filter->python($t, <<'CODE');
    def say(self, what, *macros):
        log.write(what + "".join(" %s=%s" % (m, self.getsymval(m)) for m in macros) + "\n")
        return Milter.CONTINUE
    def envfrom(self, sender, *args):
        log.write("args %s\n" % (args,))
        return self.say("mail", "{auth_type}", "{auth_authen}", "{auth_author}")
    def unknown(self, cmd):
        cmd = cmd.decode() if isinstance(cmd, bytes) else cmd
        self.say("unknown <%s>" % cmd) # libmilter gives it no macros here, whoever sends them
        if cmd.startswith("LOSE"):
            return Milter.DISCARD
        if cmd.startswith("FROB"):
            self.setreply("502", "5.5.1", "no frobbing")
            return Milter.REJECT
        return Milter.CONTINUE
CODE
my $dovecot = $t->dovecot(users => { $user => $password });
my $policy = Baton::PolicyServer->start(dir => $t->dir);
my $relay = $t->fake_relay(capabilities => [ 'PIPELINING', 'AUTH PLAIN' ], auth => '235 2.7.0 ok');
my $port = free_port();
my %conf = (relayhost => $relay->address, mynetworks => '192.0.2.1/32', smtpd_sasl_auth_enable => 'yes', smtpd_sasl_type => 'dovecot',
    smtpd_sasl_path => $dovecot->auth_path, smtpd_tls_auth_only => 'no', smtpd_milters => $filter->address, receive_workers => 1,
    milter_unknown_command_macros => '{client_addr} j {auth_authen}', smtpd_sender_restrictions => 'check_policy_service ' . $policy->place,
    smtpd_delay_reject => 'no', smtp_tls_security_level => 'none');
my $listen = "listen smtp { address = 127.0.0.1 port = $port }\n";
$t->config(%conf, raw => $listen);
$t->start_batond;

sub client {
    my (%o) = @_;
    my $c = Baton::Client->new(port => $port);
    $c->greet;
    like($c->say('AUTH PLAIN ' . encode_base64("\0$user\0$password", '')), qr/^235/, 'a login by Dovecot') if $o{login} // 1;
    return $c;
}

sub send_it {
    my ($c, $mail, $to) = @_;
    for my $line ("MAIL FROM:<dunno\@here.test>$mail", "RCPT TO:<$to>", 'DATA', "Subject: x\r\n\r\nx\r\n.") {
        my $r = $c->say($line) // 'nothing';
        return $r if $r !~ /^[23]/ || $line =~ /^Subject/;
    }
}

sub told { my ($want) = @_; my $line; wait_until { ($line) = $filter->log_text =~ /($want.*)/ } 10; return $line }

like(send_it(client(), ' AUTH=ann+40here.test', 'a@else.test'), qr/^250/, 'mail with AUTH= is taken');
like(told('mail '), qr/^mail \{auth_type\}=PLAIN \{auth_authen\}=joe\@here\.test \{auth_author\}=ann\@here\.test$/,
    'a filter is told how and who has logged in, and who is said to have submitted it');
like($filter->log_text, qr/^args .*AUTH=ann\@here\.test/m, 'and the argument itself');
my ($asked) = $policy->requests;
is($asked->{sasl_sender}, 'ann@here.test', 'a policy server is told');
is($asked->{sasl_username}, $user, 'beside who has logged in');
ok($t->wait_log(qr/client=unknown\[127\.0\.0\.1\], sasl_method=PLAIN, sasl_username=joe\@here\.test, sasl_sender=ann\@here\.test$/), 'the log has it');
$relay->wait_messages(1);
ok($relay->wait_transcript(qr/C: MAIL FROM:<dunno\@here\.test>.* AUTH=ann\@here\.test$/m), 'it goes on to a next hop that has AUTH');
like(send_it(client(), ' AUTH=<>', 'b@else.test'), qr/^250/, 'AUTH=<>');
$relay->wait_messages(2);
unlike($relay->transcript, qr/AUTH=<>/, 'is not said to one that nobody has logged in to');
$t->stop_batond;
my ($at) = $relay->address =~ /(\d+)$/;
$t->config(%conf, smtp_tls_security_level => 'may', raw => $listen . "login \"[127.0.0.1]:$at\" { user = me, password = 'x' }\n");
$t->start_batond;
like(send_it(client(), ' AUTH=<>', 'c@else.test'), qr/^250/, 'with a login there');
$relay->wait_messages(3);
ok($relay->wait_transcript(qr/C: MAIL FROM:<dunno\@here\.test>.* AUTH=<>$/m), 'it is said') or diag $relay->transcript;

# ---- commands that there are not ----

my $c = client();
is($c->say('FROB the thing'), "502 5.5.1 no frobbing\n", 'a filter may have its own answer to a command that there is not');
is(told('unknown <FROB'), 'unknown <FROB the thing>', 'it gets the line');
ok($t->wait_log(qr/milter-reject: UNKNOWN from unknown\[127\.0\.0\.1\]: 502 5\.5\.1 no frobbing;/), 'which the log has');
is($c->say('WHAT'), "500 5.5.2 Error: command not recognized\n", 'one that goes on leaves it at ours');
is($c->say('LOSE it'), "500 5.5.2 Error: command not recognized\n", 'there is nothing to discard');
like(send_it($c, '', 'd@else.test'), qr/^250/, 'and the session goes on');
$filter->stop;
is(client()->say('FROB'), "500 5.5.2 Error: command not recognized\n", 'with the filter away it is ours');

done_testing;
