#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
# Access restrictions over real connections: who the client is, XCLIENT says; what it is answered is what Postfix would answer.
use strict;
use warnings;
use FindBin;
use Test::More;
use lib "$FindBin::Bin/lib";
use Baton::Client;
use Baton::Restrict;
use Baton::Test;

skip_all_unless_server();
my $w = Baton::Restrict->new;

# ---- the default ----

$w->configure();
is($w->ask, "250 2.1.5 Ok\n", 'a client of mynetworks may send to anywhere');
is($w->ask(addr => '192.0.2.1'), "554 5.7.1 <you\@example.net>: Relay access denied\n", 'a stranger may not, as in a null client');
is($w->ask(addr => '192.0.2.1', login => 'joe'), "250 2.1.5 Ok\n", 'unless it has logged in');
is($w->ask(addr => '192.0.2.1', to => 'me@here.test'), "250 2.1.5 Ok\n", 'a stranger may send to us');
is($w->ask(addr => '192.0.2.1', to => 'nobody@here.test'), "550 5.1.1 <nobody\@here.test>: Recipient address rejected: User unknown\n",
    'but not to somebody whom nobody knows');
like($w->log, qr/NOQUEUE: reject: RCPT from unknown\[192\.0\.2\.1\]: 554 5\.7\.1 <you\@example\.net>: Relay access denied; from=<a\@example\.org> to=<you\@example\.net> proto=ESMTP helo=<client\.example\.org>/,
    'a refusal is logged in the shape that fail2ban looks for');

# ---- one list, one restriction ----

my @here = (addr => '192.0.2.1', to => 'me@here.test');
my $rcpt = '<me@here.test>: Recipient address rejected';

sub case {
    my ($name, $config, $ask, $reply) = @_;
    $w->configure(%$config);
    my $got = $w->ask(@$ask);
    return is($got, "$reply\n", $name);
}

sub rcpt { return { smtpd_recipient_restrictions => $_[0] } }
my $ok = '250 2.1.5 Ok';

case('reject refuses all', rcpt('reject'), \@here, "554 5.7.1 $rcpt: Access denied");
case('with the code that is wanted', { %{ rcpt('reject') }, reject_code => 550 }, \@here, "550 5.7.1 $rcpt: Access denied");
case('soft_bounce makes it 4xx', { %{ rcpt('reject') }, soft_bounce => 'yes' }, \@here, "454 4.7.1 $rcpt: Access denied");
case('permit ends its list', rcpt('permit_mynetworks, reject'), [ to => 'me@here.test' ], $ok);
case('defer puts off', rcpt('defer'), \@here, "450 4.3.2 $rcpt: Try again later");
case('warn_if_reject refuses nothing', rcpt('warn_if_reject reject_non_fqdn_sender, permit'), [ @here, from => 'a@short' ], $ok);
like($w->log, qr/NOQUEUE: reject_warning: RCPT from unknown\[192\.0\.2\.1\]: 504 5\.5\.2 <a\@short>: Sender address rejected: need fully-qualified address; from=<a\@short>/,
    '... but the log says what it would have');
case('and counts for the next one only', rcpt('warn_if_reject reject_non_fqdn_sender, reject_non_fqdn_sender'), [ @here, from => 'a@short' ],
    '504 5.5.2 <a@short>: Sender address rejected: need fully-qualified address');
case('defer_if_permit puts off what is permitted', rcpt('defer_if_permit, permit_mynetworks'), \@here, "450 4.7.0 $rcpt: defer_if_permit requested");
case('and does not what is refused', rcpt('defer_if_permit, reject'), \@here, "554 5.7.1 $rcpt: Access denied");
case('defer_if_reject puts off what is refused', rcpt('defer_if_reject, reject'), \@here, "450 4.7.0 $rcpt: defer_if_reject requested");
case('and does nothing to what is permitted', rcpt('defer_if_reject'), \@here, $ok);
case('sleep waits and goes on', rcpt('sleep 1, reject'), \@here, "554 5.7.1 $rcpt: Access denied");

case('permit_mynetworks is for mynetworks', rcpt('permit_mynetworks, reject'), \@here, "554 5.7.1 $rcpt: Access denied");
case('permit_sasl_authenticated is for who has logged in', rcpt('permit_sasl_authenticated, reject'), [ @here, login => 'joe' ], $ok);
case('and for nobody else', rcpt('permit_sasl_authenticated, reject'), \@here, "554 5.7.1 $rcpt: Access denied");
case('permit_inet_interfaces is for this machine', rcpt('permit_inet_interfaces, reject'), [ addr => '127.0.0.1', to => 'me@here.test' ], $ok);
case('and for no other', rcpt('permit_inet_interfaces, reject'), \@here, "554 5.7.1 $rcpt: Access denied");
case('permit_auth_destination is for our domains', rcpt('permit_auth_destination, reject'), \@here, $ok);
case('and not for others', rcpt('permit_auth_destination, reject'), [], '554 5.7.1 <you@example.net>: Recipient address rejected: Access denied');
case('defer_unauth_destination is 454', { smtpd_relay_restrictions => 'permit_mynetworks, defer_unauth_destination' },
    [ addr => '192.0.2.1' ], '454 4.7.1 <you@example.net>: Relay access denied');
case('reject_unauth_destination has its code', { smtpd_relay_restrictions => 'reject_unauth_destination', relay_domains_reject_code => 550 },
    [ addr => '192.0.2.1' ], '550 5.7.1 <you@example.net>: Relay access denied');
case('the recipients\' list alone will do', { smtpd_relay_restrictions => '', smtpd_recipient_restrictions => 'permit_mynetworks, reject_unauth_destination' },
    [ addr => '192.0.2.1' ], '554 5.7.1 <you@example.net>: Relay access denied');
case('a permit of the relay list is none of the next', { smtpd_relay_restrictions => 'permit_mynetworks, reject_unauth_destination',
    smtpd_recipient_restrictions => 'reject' }, [ to => 'me@here.test' ], "554 5.7.1 $rcpt: Access denied");

case('reject_unlisted_recipient', { smtpd_recipient_restrictions => 'reject_unlisted_recipient, permit', smtpd_reject_unlisted_recipient => 'no' },
    [ @here, to => 'nobody@here.test' ], '550 5.1.1 <nobody@here.test>: Recipient address rejected: User unknown');
case('smtpd_reject_unlisted_recipient = no', { smtpd_reject_unlisted_recipient => 'no' }, [ @here, to => 'nobody@here.test' ], $ok);
case('reject_unlisted_sender', { smtpd_sender_restrictions => 'reject_unlisted_sender' }, [ @here, from => 'nobody@here.test' ],
    '550 5.1.1 <nobody@here.test>: Sender address rejected: User unknown');
case('... takes others', { smtpd_sender_restrictions => 'reject_unlisted_sender' }, \@here, $ok);
case('smtpd_reject_unlisted_sender', { smtpd_reject_unlisted_sender => 'yes' }, [ @here, from => 'nobody@here.test' ],
    '550 5.1.1 <nobody@here.test>: Sender address rejected: User unknown');
case('... takes the null sender', { smtpd_reject_unlisted_sender => 'yes' }, [ @here, from => '' ], $ok);
case('reject_non_fqdn_sender', { smtpd_sender_restrictions => 'reject_non_fqdn_sender' }, [ @here, from => 'a@short' ],
    '504 5.5.2 <a@short>: Sender address rejected: need fully-qualified address');
case('... takes whole ones', { smtpd_sender_restrictions => 'reject_non_fqdn_sender' }, \@here, $ok);
case('... and the null sender', { smtpd_sender_restrictions => 'reject_non_fqdn_sender' }, [ @here, from => '' ], $ok);
case('reject_non_fqdn_recipient', rcpt('reject_non_fqdn_recipient'), [ to => 'you@short' ],
    '504 5.5.2 <you@short>: Recipient address rejected: need fully-qualified address');
case('... takes whole ones', rcpt('reject_non_fqdn_recipient'), [], $ok);
case('reject_plaintext_session', { smtpd_client_restrictions => 'reject_plaintext_session' }, \@here, '450 4.7.1 Session encryption is required');

# ---- when ----

$w->configure(smtpd_client_restrictions => 'permit_mynetworks, reject', smtpd_helo_restrictions => 'reject', smtpd_sender_restrictions => 'reject');
is($w->ask(@here), "554 5.7.1 <unknown[192.0.2.1]>: Client host rejected: Access denied\n", 'the client is asked about first, at RCPT');
is($w->ask(to => 'me@here.test'), "554 5.7.1 <client.example.org>: Helo command rejected: Access denied\n", 'then its name');
$w->configure(smtpd_sender_restrictions => 'reject', smtpd_delay_reject => 'no');
is($w->ask_until('MAIL', @here), "554 5.7.1 <a\@example.org>: Sender address rejected: Access denied\n", 'smtpd_delay_reject = no refuses the sender at MAIL');
$w->configure(smtpd_sender_restrictions => 'defer_if_permit', smtpd_delay_reject => 'no');
is($w->ask_until('MAIL', @here), "250 2.1.0 Ok\n", 'what MAIL puts off if it is permitted');
is($w->ask(@here), "450 4.7.0 <a\@example.org>: Sender address rejected: defer_if_permit requested\n", '... is said at RCPT');

$w->configure(smtpd_data_restrictions => 'reject_multi_recipient_bounce');
is($w->ask_until('DATA', @here), "354 End data with <CR><LF>.<CR><LF>\n", 'reject_multi_recipient_bounce takes a message');
is($w->ask_until('DATA', @here, from => '', also => ['you@here.test']), "550 5.5.3 <>: Data command rejected: Multi-recipient bounce\n",
    'and no bounce for two');
$w->configure(smtpd_end_of_data_restrictions => 'permit_mynetworks, reject');
is($w->ask_until('END', @here), "554 5.7.1 <END-OF-MESSAGE>: End-of-data rejected: Access denied\n", 'what is asked behind the content');
like($w->ask_until('END', to => 'me@here.test'), qr/^250 2\.0\.0 Ok: queued/, '... of others is kept');

# ---- what needs a connection of its own ----

sub talk { my ($port) = @_; my $c = Baton::Client->new(port => $port); return ($c, $c->reply) }

$w->configure(smtpd_delay_reject => 'no', smtpd_client_restrictions => 'reject');
my ($c, $banner) = talk($w->port);
like($banner, qr/^554 .*not accepting connections/, 'smtpd_delay_reject = no turns clients away at the greeting');
$w->configure(smtpd_delay_reject => 'no', smtpd_client_restrictions => 'sleep 1');
($c, $banner) = talk($w->port);
like($banner, qr/^220 /, '... or lets them wait for it');
$w->configure(smtpd_delay_reject => 'no', smtpd_helo_restrictions => 'reject');
is($w->ask_until('HELO'), "554 5.7.1 <client.example.org>: Helo command rejected: Access denied\n", '... the name at EHLO');

# What a client of 127.0.0.1 hears that goes on whatever it hears: the greeting, and the answers to these lines.
sub stubborn {
    my @said;
    for (1 .. 20) {
        my ($s, $first) = talk($w->port);
        @said = ($first, map { $s->say($_) } @_);
        last if !grep { /^421 / } map { $_ // '' } @said;
    }
    return map { s/<\S*\[127\./<unknown[127./r } map { $_ // '' } @said;
}
my @lines = ('EHLO me.example', 'HELO me.example', 'MAIL FROM:<a@example.org>', 'RCPT TO:<me@here.test>');
for ([ 'a 4xx', '450 4.3.2 <unknown[127.0.0.1]>: Client host rejected: Try again later', smtpd_client_restrictions => 'defer' ],
    [ 'a DEFER in a table', '450 4.7.1 <unknown[127.0.0.1]>: Client host rejected: not now',
        smtpd_client_restrictions => 'check_client_access inline:{ {127.0.0.1=DEFER not now} }' ],
    [ 'soft_bounce', '454 4.7.1 <unknown[127.0.0.1]>: Client host rejected: Access denied', smtpd_client_restrictions => 'reject', soft_bounce => 'yes' ]) {
    my ($name, $no, %config) = @$_;
    for my $required (qw(yes no)) {
        $w->configure(smtpd_delay_reject => 'no', smtpd_helo_required => $required, %config);
        my @said = stubborn(@lines);
        like(shift @said, qr/^220 /, "smtpd_delay_reject = no, and $name for the client (smtpd_helo_required = $required): it is greeted");
        is(shift @said, "$no\n", "... and refused at $_") for qw(EHLO HELO);
        $required eq 'yes' ? like(shift @said, qr/^[45]03 /, '... at MAIL') : is(shift @said, "$no\n", '... at MAIL');
        like(shift @said, qr/^[45]03 /, '... and has no message under way');
    }
}
$w->configure(smtpd_delay_reject => 'no', smtpd_client_restrictions => 'check_client_access inline:{ 192.0.2.1=REJECT }');
is($w->ask_until('HELO', @here), "554 5.7.1 <unknown[192.0.2.1]>: Client host rejected: Access denied\n", 'whom XCLIENT names is asked about when it says EHLO');
is($w->ask(addr => '192.0.2.2', to => 'me@here.test'), "250 2.1.5 Ok\n", '... and others get in');
$w->configure(smtpd_delay_reject => 'no', smtpd_helo_required => 'no', smtpd_helo_restrictions => 'check_helo_access inline:{ bad.example=REJECT }');
my @said = stubborn('EHLO bad.example', $lines[2], $lines[3], 'EHLO good.example', $lines[2], $lines[3]);
is($said[1], "554 5.7.1 <bad.example>: Helo command rejected: Access denied\n", 'a name that is refused');
is($said[2], $said[1], '... is refused at MAIL too');
like($said[3], qr/^503 /, '... so that there is no message');
like($said[$_], qr/^250/, '... till it says another') for 4 .. 6;
$w->configure(smtpd_delay_reject => 'no', smtpd_sender_restrictions => 'check_sender_access inline:{ a@example.org=DEFER }');
@said = stubborn($lines[0], @lines[2, 3], 'MAIL FROM:<b@example.org>', $lines[3]);
is($said[2], "450 4.7.1 <a\@example.org>: Sender address rejected: Access denied\n", 'a sender that is refused');
like($said[3], qr/^503 /, '... has no message');
like($said[$_], qr/^250 /, '... another has') for 4, 5;
$w->configure(smtpd_delay_reject => 'no', smtpd_client_restrictions => 'defer_if_permit');
@said = stubborn(@lines[0, 0, 2], 'RSET', @lines[2, 3]);
is($said[-1], "450 4.7.0 <unknown[127.0.0.1]>: Client host rejected: defer_if_permit requested\n", 'what the client\'s list puts off is put off behind a second EHLO and a RSET');

my @piped = (smtpd_forbid_unauth_pipelining => 'no', smtpd_data_restrictions => 'reject_unauth_pipelining');
$w->configure(@piped);
($c) = talk($w->port);
$c->say($_) for 'EHLO me', 'MAIL FROM:<a@example.org>', 'RCPT TO:<me@here.test>';
$c->send_raw("DATA\r\nSubject: x\r\n\r\nx\r\n.\r\n");
is($c->reply, "503 5.5.0 <DATA>: Data command rejected: Improper use of SMTP command pipelining\n", 'reject_unauth_pipelining: content before 354');
($c) = talk($w->port);
$c->say('EHLO me');
$c->send_raw("MAIL FROM:<a\@example.org>\r\nRCPT TO:<me\@here.test>\r\nDATA\r\n");
$c->reply for 1, 2;
like($c->reply, qr/^354 /, '... what RFC 2920 allows is fine');
$w->configure(smtpd_forbid_unauth_pipelining => 'no', smtpd_recipient_restrictions => 'reject_unauth_pipelining');
($c) = talk($w->port);
$c->say('HELO me');
$c->say('MAIL FROM:<a@example.org>');
$c->send_raw("RCPT TO:<me\@here.test>\r\nDATA\r\n");
like($c->reply, qr/^503 5\.5\.0 <me\@here\.test>: Recipient address rejected: Improper use/, '... not for a client that has said HELO');

my $cert = $w->test->certificate(names => ['client.example.test']);
$w->configure(smtpd_client_restrictions => 'reject_plaintext_session', smtpd_tls_cert_file => $cert->{cert}, smtpd_tls_key_file => $cert->{key});
($c) = talk($w->port);
$c->say('EHLO me');
SKIP: {
    skip 'IO::Socket::SSL is not installed', 1 if !eval { require IO::Socket::SSL };
    ok($c->starttls(ca => $cert->{ca}), 'STARTTLS') or diag $c->{error};
    $c->say($_) for 'EHLO me', 'MAIL FROM:<a@example.org>';
    is($c->say('RCPT TO:<me@here.test>'), "250 2.1.5 Ok\n", 'reject_plaintext_session lets TLS pass');
}

# ---- who comes by a socket of this machine ----

$w->configure(smtpd_client_restrictions => 'reject', smtpd_sender_restrictions => 'reject');
is($w->test->sendmail(['me@here.test'], input => "Subject: x\n\nx\n")->{code}, 0, 'sendmail is subject to no list');

# ---- classes ----

my $class = "restriction_class strict { restrictions = \"reject_non_fqdn_sender, permit_mynetworks\" }\n";
$w->configure(raw => $class, smtpd_recipient_restrictions => 'strict, reject');
is($w->ask(to => 'me@here.test', from => 'a@short'), "504 5.5.2 <a\@short>: Sender address rejected: need fully-qualified address\n", 'a class is asked');
is($w->ask(to => 'me@here.test'), "250 2.1.5 Ok\n", 'its permit is its list\'s');
is($w->ask(@here), "554 5.7.1 $rcpt: Access denied\n", 'behind it the list goes on');

done_testing;
