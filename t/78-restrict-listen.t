#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
# Listeners with parameters of their own, as the services of a master.cf have them: what is asked of a client goes by where it came in.
use strict;
use warnings;
use FindBin;
use Test::More;
use lib "$FindBin::Bin/lib";
use Baton::Client;
use Baton::PolicyServer;
use Baton::Restrict;
use Baton::Test;

skip_all_unless_server();
my $w = Baton::Restrict->new;
my $t = $w->test;
my $own = free_port();
my $ok = "250 2.1.5 Ok\n";

# A second listener with these lines; `ask` goes to the first, `ask_own` to that one.
sub configure {
    my ($lines, %config) = @_;
    return $w->configure(%config, raw => "listen own {\n address = \"127.0.0.1\"\n port = $own\n" . join('', map { " $_\n" } split /\n/, $lines) . "}\n");
}
sub ask_own { my (@o) = @_; local $w->{port} = $own; return $w->ask(@o) }

# What is said of a configuration that is refused.
sub refused {
    my ($lines, %config) = @_;
    $w->write_config(%config, raw => "listen own {\n address = \"127.0.0.1\"\n port = $own\n" . join('', map { " $_\n" } split /\n/, $lines) . "}\n");
    my $r = $t->baton(['check']);
    return $r->{out} . $r->{err};
}
# A connection whose greeting is like that; a worker that a reload has replaced may greet once more.
sub greeted {
    my ($port, $greeting) = @_;
    my ($c, $said);
    my $is_like = wait_until { $c = Baton::Client->new(port => $port); $said = $c ? $c->reply // '' : ''; $said =~ $greeting };
    diag $said if !$is_like;
    return $is_like ? $c : undef;
}
my @stranger = (addr => '192.0.2.1', to => 'me@here.test');

# ---- lists ----

configure("smtpd_recipient_restrictions = \"reject\"");
is($w->ask(@stranger), $ok, 'a list of one listener is not asked of who comes in by another');
is(ask_own(@stranger), "554 5.7.1 <me\@here.test>: Recipient address rejected: Access denied\n", '... but of who comes in by that one');

configure("smtpd_recipient_restrictions = \"\"", smtpd_recipient_restrictions => 'reject');
is($w->ask(@stranger), "554 5.7.1 <me\@here.test>: Recipient address rejected: Access denied\n", 'an empty one takes the place of the others\' list');
is(ask_own(@stranger), $ok, '... and asks nothing');

configure(<<'END', smtpd_helo_restrictions => 'reject_non_fqdn_helo_hostname', reject_code => 550);
smtpd_client_restrictions = "check_client_access inline:{192.0.2.2=REJECT}"
smtpd_helo_restrictions = ""
smtpd_sender_restrictions = "check_sender_access inline:{b@example.org=REJECT}"
smtpd_relay_restrictions = "permit_sasl_authenticated, reject"
smtpd_data_restrictions = "check_sender_access inline:{c@example.org=DEFER}"
END
is($w->ask(@stranger, helo => 'short'), "504 5.5.2 <short>: Helo command rejected: need fully-qualified hostname\n", 'the lists of all count where there are no others');
is(ask_own(@stranger, helo => 'short', login => 'joe'), $ok, 'each list by itself');
is(ask_own(@stranger), "550 5.7.1 <me\@here.test>: Recipient address rejected: Access denied\n", 'smtpd_relay_restrictions: with what is said for all about it');
like(ask_own(@stranger, addr => '192.0.2.2', login => 'joe'), qr/^554 5\.7\.1 <unknown\[192\.0\.2\.2\]>: Client host rejected: Access denied/, 'smtpd_client_restrictions');
is(ask_own(@stranger, from => 'b@example.org', login => 'joe'), "554 5.7.1 <b\@example.org>: Sender address rejected: Access denied\n", 'smtpd_sender_restrictions');
{
    local $w->{port} = $own;
    is($w->ask_until('DATA', @stranger, from => 'c@example.org', login => 'joe'), "450 4.7.1 <c\@example.org>: Sender address rejected: Access denied\n", 'smtpd_data_restrictions');
}

# ---- what goes with them ----

my $table = $t->path('owners');
spew($table, "boss\@here.test boss\n");
configure("smtpd_sender_restrictions = reject_sender_login_mismatch\nsmtpd_sender_login_maps = \"texthash:$table\"\nsmtpd_reject_unlisted_recipient = no\nmynetworks = \"192.0.2.0/24\"",
    smtpd_sender_restrictions => 'reject_sender_login_mismatch');
is(ask_own(@stranger, from => 'boss@here.test', login => 'joe'), "553 5.7.1 <boss\@here.test>: Sender address rejected: not owned by user joe\n", 'smtpd_sender_login_maps of one');
is($w->ask(@stranger, from => 'boss@here.test', login => 'boss'), $ok, '... where the other has none');
is($w->ask(@stranger, to => 'nobody@here.test'), "550 5.1.1 <nobody\@here.test>: Recipient address rejected: User unknown\n", 'unlisted recipients');
is(ask_own(@stranger, to => 'nobody@here.test'), $ok, '... and none');
is(ask_own(addr => '192.0.2.1', to => 'you@example.net'), $ok, 'mynetworks of one');
is($w->ask(addr => '192.0.2.1', to => 'you@example.net'), "554 5.7.1 <you\@example.net>: Relay access denied\n", '... is not of all');

configure("smtpd_delay_reject = no\nsmtpd_client_restrictions = \"check_client_access inline:{127.0.0.1=REJECT}\"");
ok(greeted($own, qr/^554 /), 'smtpd_delay_reject: the refusal comes at once');
is($w->ask(to => 'me@here.test'), $ok, '... not elsewhere');

configure("smtpd_recipient_limit = 100\nsmtpd_banner = \"\$myhostname other\"\ndisable_vrfy_command = yes\nsmtpd_helo_required = no");
my $c = greeted($own, qr/^220 \S+ other$/);
ok($c, 'smtpd_banner, with $names in it');
like($c->say('VRFY <me@here.test>'), qr/^502 /, 'disable_vrfy_command');
like($c->say('MAIL FROM:<a@example.org>'), qr/^250 /, 'smtpd_helo_required');
my $last;
$last = $c->say('RCPT TO:<me@here.test>') for 1 .. 101;
like($last, qr/^452 4\.5\.3 /, 'smtpd_recipient_limit');
$c = greeted($w->port, qr/^220 \S+ ESMTP Baton$/);
ok($c, 'others have their own banner');
like($c->say('MAIL FROM:<a@example.org>'), qr/^503 /, '... and want EHLO');

my $policy = Baton::PolicyServer->start(dir => $t->dir);
my $ask_policy = 'check_policy_service ' . $policy->place;
configure("smtpd_policy_service_policy_context = submission\nsmtpd_recipient_restrictions = \"$ask_policy\"",
    smtpd_policy_service_policy_context => 'mx', smtpd_recipient_restrictions => $ask_policy);
$w->ask(@stranger, from => 'dunno@example.org');
is(($policy->requests)[-1]{policy_context}, 'mx', 'the context for a policy server');
ask_own(@stranger, from => 'dunno@example.org');
is(($policy->requests)[-1]{policy_context}, 'submission', '... is the listener\'s');

configure("smtpd_policy_service_default_action = DUNNO", smtpd_policy_service_default_action => '450 4.3.9 later',
    smtpd_policy_service_try_limit => 1, smtpd_recipient_restrictions => 'check_policy_service inet:127.0.0.1:1');
like($w->ask(@stranger), qr/^450 4\.3\.9 /, 'what is done without an answer of it');
is(ask_own(@stranger), $ok, '... too');

# Tables are asked for what any list names, wherever
configure("smtpd_recipient_restrictions = \"check_sender_access inline:{ {dunno\@example.org = $ask_policy} }\"",
    smtpd_policy_service_policy_context => 'rows', smtpd_recipient_restrictions => $ask_policy);
is(ask_own(@stranger, from => 'dunno@example.org'), $ok, 'a row names a policy server that stands only in the list of all');
is(($policy->requests)[-1]{policy_context}, 'rows', '... which is asked');

# ---- limits ----

configure("smtpd_client_event_limit_exceptions = \"\"\nsmtpd_client_recipient_rate_limit = 2", smtpd_client_event_limit_exceptions => '127.0.0.0/8');
is(ask_own(addr => '127.0.0.9', to => 'me@here.test'), $ok, 'limits of a listener');
ask_own(addr => '127.0.0.9', to => 'me@here.test');
like(ask_own(addr => '127.0.0.9', to => 'me@here.test'), qr/^450 4\.7\.1 Error: too many recipients/, '... count there');

# ---- what is refused ----

like(refused('smtpd_relay_restrictions = "permit_mynetworks"'), qr/baton\.conf:\d+: listen own: smtpd_relay_restrictions: neither this nor smtpd_recipient_restrictions refuses mail for the domains of others: an open relay/, 'an open relay at one listener');
like(refused("smtpd_relay_restrictions = \"\"\nsmtpd_recipient_restrictions = \"permit\""), qr/listen own: smtpd_recipient_restrictions: everybody is permitted before anything is refused: an open relay/, '... by way of the recipients');
like(refused('smtpd_client_restrictions = "reject_unknown_sendr_domain"'), qr/baton\.conf:\d+: listen own: smtpd_client_restrictions: "reject_unknown_sendr_domain": there is no such restriction.*did you mean reject_unknown_sender_domain/, 'a misspelt restriction');
like(refused("smtpd_delay_reject = no", smtpd_client_restrictions => 'reject_non_fqdn_recipient'), qr/listen own: smtpd_client_restrictions: reject_non_fqdn_recipient asks about what is not known yet/, 'a list of all that one listener asks too early');
like(refused('smtpd_recipient_limit = 1'), qr/listen own: smtpd_recipient_limit: .*out of range/, 'a value out of range');
like(refused('smtpd_milters = "inet:localhost:1"'), qr/smtpd_milters: in a section listen it is called milters/, 'another name');
like(refused('queue_directory = "/x"'), qr/queue_directory: it is a parameter of its own, the same for all listeners: write it outside/, 'what is for all');
like(refused('mynetworks += "192.0.2.0/24"'), qr/mynetworks: \+= adds to nothing in a section/, '+=');
like(refused('mynetworks = "0.0.0.0/0"', inet_interfaces => 'all'), qr/^error .*listen own: mynetworks: it holds every address there is/, 'the whole world');

my $open = qr/listen own: smtpd_relay_restrictions: everybody.* is permitted before anything is refused: an open relay/;
for my $table ('check_client_access static:OK', 'check_client_access static:permit', 'check_client_access static:{OK}', 'check_sender_access static:{ ok }',
    'check_helo_access static:1', 'check_client_access static:{warn_if_reject reject, permit}', 'check_client_access static:{check_sender_access static:{permit}}',
    'check_ccert_access static:OK', 'warn_if_reject check_client_access static:OK') {
    like(refused("smtpd_relay_restrictions = \"$table, reject_unauth_destination\""), $open, "$table is for everybody");
}
for my $table ('check_client_access static:DUNNO', 'check_client_access static:{reject_unknown_sender_domain}', 'check_client_access static:{permit_mynetworks, reject}',
    'check_client_access static:451', 'check_sasl_access static:OK') {
    unlike(refused("smtpd_relay_restrictions = \"$table, reject_unauth_destination\""), qr/^error /m, "$table is not");
}
my %by_print = (smtpd_relay_restrictions => 'permit_tls_clientcerts, reject_unauth_destination', relay_clientcerts => 'inline:{ {AB:CD = x} }');
like(refused('relay_clientcerts = "static:all"', %by_print), qr/listen own: smtpd_relay_restrictions: everybody with a certificate, and anybody gets one, is permitted before anything is refused/,
    'certificates of one listener, with a list of all');
unlike(refused('relay_clientcerts = "inline:{ {AB:CE = y} }"', %by_print), qr/^error /m, '... that are named');
my $whole = qr/relay_domains: static: makes every domain one whose mail is taken from anybody: an open relay/;
like(refused('', relay_domains => 'static:x'), $whole, 'every domain in relay_domains');
like(refused('', relay_domains => 'here.example, static:{a b}', smtpd_relay_restrictions => 'permit_mynetworks, permit_auth_destination, reject'), $whole, '... permitted');
unlike(refused('smtpd_relay_restrictions = "permit_mynetworks, reject"', relay_domains => 'static:x', smtpd_relay_restrictions => 'permit_mynetworks, reject'), qr/^error /m,
    '... is nothing to others where all else is refused');
like(refused('smtpd_relay_restrictions = "permit_mynetworks, reject_unauth_destination"', relay_domains => 'static:x', smtpd_relay_restrictions => 'permit_mynetworks, reject'),
    qr/listen own: $whole/, '... but at one listener');

like(refused('smtpd_sender_restrictions = "reject_sender_login_mismatch"'), qr/listen own: smtpd_sender_restrictions: reject_sender_login_mismatch has no smtpd_sender_login_maps/, 'a notice');

$w->write_config(raw => "listen own {\n port = $own\n smtpd_recipient_limit = 200\n}\n");
my $shown = $t->baton(['config'])->{out};
like($shown, qr/^listen "own" \{[^}]*^    smtpd_recipient_limit = "200"$/m, 'baton config shows them');
like($t->baton(['config', '--json'])->{out}, qr/"smtpd_recipient_limit": 200/, '... as JSON');

done_testing;
