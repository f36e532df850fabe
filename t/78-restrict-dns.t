#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
# What asks the DNS: names of clients, domains that do not exist, servers of domains, lists of addresses and domains. The clients
# have addresses of their own on loopback, and the name server is the test's.
use strict;
use warnings;
use FindBin;
use Test::More;
use lib "$FindBin::Bin/lib";
use Baton::Client;
use Baton::Nameserver;
use Baton::Restrict;
use Baton::Test;

skip_all_unless_server();

my $ns = Baton::Nameserver->start({
    '2.0.0.127.in-addr.arpa PTR' => ['mail.good.test'],
    'mail.good.test A'           => ['127.0.0.2'],
    '3.0.0.127.in-addr.arpa PTR' => ['mail.liar.test'],
    'mail.liar.test A'           => ['192.0.2.99'],
    '5.0.0.127.in-addr.arpa *'   => 'SERVFAIL',
    'good.test MX'               => ['10 mx.good.test'],
    'good.test NS'               => ['ns.evil.test'],
    'mx.good.test A'             => ['192.0.2.25'],
    'ns.evil.test A'             => ['192.0.2.53'],
    'only.test A'                => ['192.0.2.26'],
    'null.test MX'               => ['0 .'],
    'backup.test MX'             => [ '10 mx.good.test', '20 client.example.test' ],
    'twice.test MX'              => [ '10 mx.good.test', '10 mx.only.test', '20 client.example.test' ],
    'mx.only.test A'             => ['192.0.3.1'],
    'nowhere.test MX'            => [ '10 mx.missing.test', '20 client.example.test' ],
    'tricky.test MX'             => ['10 loop.test'],
    'loop.test A'                => ['127.0.0.1'],
    'broken.test *'              => 'SERVFAIL',
    # lists
    '2.0.0.127.bl.test A'        => ['127.0.0.4'],
    '2.0.0.127.bl.test TXT'      => ['see http://bl.test/?127.0.0.2'],
    '1.2.0.192.bl.test A'        => ['127.0.0.2'],
    '3.0.0.127.broken.test *'    => 'SERVFAIL',
    'evil.org.dbl.test A'        => ['127.0.1.2'],
    'mail.good.test.dbl.test A'  => ['127.0.1.3'],
    'mail.liar.test.dbl.test A'  => ['127.0.1.4'],
    'helo.test.dbl.test A'       => ['127.0.1.5'],
    'here.test.dbl.test A'       => ['127.0.1.6'],
    '2.0.0.127.wl.test A'        => ['127.0.5.1'],
    'mail.good.test.rhswl.test A' => ['127.0.5.2'],
});
my $w = Baton::Restrict->new(start => { env => { BATON_NAMESERVERS => $ns->address } },
    config => { mynetworks => '127.0.0.1', smtpd_authorized_xclient_hosts => '127.0.0.1' });
my $table = $w->test->path('access');
my $ok = "250 2.1.5 Ok\n";
my $rcpt = '<me@here.test>: Recipient address rejected';

sub case {
    my ($name, $restriction, $ask, $reply, %more) = @_;
    $w->configure(smtpd_recipient_restrictions => $restriction, %more);
    my $got = $w->ask(to => 'me@here.test', @$ask);
    return ref $reply ? like($got, $reply, $name) : is($got, "$reply\n", $name);
}

# ---- names of clients ----

my %names = (good => [ from_host => '127.0.0.2' ], liar => [ from_host => '127.0.0.3' ], nameless => [ from_host => '127.0.0.4' ],
    broken => [ from_host => '127.0.0.5' ]);

case('reject_unknown_client_hostname takes who has a name', 'reject_unknown_client_hostname', $names{good}, '250 2.1.5 Ok');
like($w->log, qr/connect from mail\.good\.test\[127\.0\.0\.2\]/, '... and the log calls it by it');
case('not who has somebody else\'s', 'reject_unknown_client_hostname', $names{liar},
    '450 4.7.25 Client host rejected: cannot find your hostname, [127.0.0.3]');
like($w->log, qr/connect from unknown\[127\.0\.0\.3\]/, '... who stays unknown');
like($w->log, qr/127\.0\.0\.3: the name of its address, mail\.liar\.test, is another address's/, '... and the log says why');
case('not who has none, with the code that is wanted', 'reject_unknown_client_hostname', $names{nameless},
    '550 5.7.25 Client host rejected: cannot find your hostname, [127.0.0.4]', unknown_client_reject_code => 550);
case('a DNS that does not answer is 450 whatever the code', 'reject_unknown_client_hostname', $names{broken},
    '450 4.7.25 Client host rejected: cannot find your hostname, [127.0.0.5]', unknown_client_reject_code => 550);
case('reject_unknown_reverse_client_hostname takes any name', 'reject_unknown_reverse_client_hostname', $names{liar}, '250 2.1.5 Ok');
case('but not none', 'reject_unknown_reverse_client_hostname', $names{nameless},
    '450 4.7.25 Client host rejected: cannot find your reverse hostname, [127.0.0.4]');
spew($table, "good.test REJECT known\nliar.test REJECT liar\n");
case('check_client_access asks for the name', "check_client_access texthash:$table", $names{good}, '554 5.7.1 <mail.good.test[127.0.0.2]>: Client host rejected: known');
case('and not for one that is not true', "check_client_access texthash:$table", $names{liar}, '250 2.1.5 Ok');
case('check_reverse_client_hostname_access does', "check_reverse_client_hostname_access texthash:$table", $names{liar},
    '554 5.7.1 <mail.liar.test>: Unverified Client host rejected: liar');
case('a name in Received:', 'reject_unknown_client_hostname', [], '250 2.1.5 Ok', mynetworks => '127.0.0.1, 127.0.0.2');
like($w->ask_until('END', to => 'me@here.test', @{ $names{good} }), qr/^250/, '... of a message');
ok($w->{relay}->wait_messages(1), '... that comes');
like(($w->{relay}->messages)[0]{content}, qr/^Received: from client\.example\.org \(mail\.good\.test \[127\.0\.0\.2\]\)/m, '... says it');
$w->configure(smtpd_peername_lookup => 'yes');
$w->ask(@{ $names{good} });
like($w->log, qr/connect from mail\.good\.test\[127\.0\.0\.2\]/, 'smtpd_peername_lookup = yes looks them up for the log alone');
$w->configure();
is($w->ask(to => 'me@here.test', @{ $names{good} }), $ok, 'nobody asks for a name');
like($w->log, qr/connect from unknown\[127\.0\.0\.2\]/, 'without it and with nobody who asks, nobody waits for names');

# ---- the name in EHLO ----

my $helo = '<%s>: Helo command rejected';
sub helo { my ($name) = @_; return [ from_host => '127.0.0.2', helo => $name ] }
case('reject_invalid_helo_hostname takes names', 'reject_invalid_helo_hostname', helo('mail.example.org'), '250 2.1.5 Ok');
case('... short ones, too', 'reject_invalid_helo_hostname', helo('mail'), '250 2.1.5 Ok');
case('... literals', 'reject_invalid_helo_hostname', helo('[192.0.2.1]'), '250 2.1.5 Ok');
case('... of IPv6', 'reject_invalid_helo_hostname', helo('[IPv6:2001:db8::1]'), '250 2.1.5 Ok');
case('not others', 'reject_invalid_helo_hostname', helo('a_b!'), '501 5.5.2 <a_b!>: Helo command rejected: Invalid name');
case('nor broken literals', 'reject_invalid_helo_hostname', helo('[192.0.2]'), '501 5.5.2 <[192.0.2]>: Helo command rejected: invalid ip address');
case('reject_non_fqdn_helo_hostname takes whole names', 'reject_non_fqdn_helo_hostname', helo('mail.example.org'), '250 2.1.5 Ok');
case('not short ones', 'reject_non_fqdn_helo_hostname', helo('mail'), '504 5.5.2 <mail>: Helo command rejected: need fully-qualified hostname');
case('nor addresses without brackets', 'reject_non_fqdn_helo_hostname', helo('192.0.2.1'),
    '504 5.5.2 <192.0.2.1>: Helo command rejected: need fully-qualified hostname');
case('reject_unknown_helo_hostname takes what is there', 'reject_unknown_helo_hostname', helo('mail.good.test'), '250 2.1.5 Ok');
case('... and what has MX hosts', 'reject_unknown_helo_hostname', helo('good.test'), '250 2.1.5 Ok');
case('not what is not', 'reject_unknown_helo_hostname', helo('no.test'), '450 4.7.1 <no.test>: Helo command rejected: Host not found');
case('what nobody knows, only if all else is permitted', 'reject_unknown_helo_hostname, reject', helo('broken.test'), "554 5.7.1 $rcpt: Access denied");
case('... then it is put off', 'reject_unknown_helo_hostname', helo('broken.test'), '450 4.7.1 <broken.test>: Helo command rejected: Host not found');

# ---- domains of addresses ----

sub from { my ($from) = @_; return [ from_host => '127.0.0.2', from => $from ] }
case('reject_unknown_sender_domain takes what is there', 'reject_unknown_sender_domain', from('a@good.test'), '250 2.1.5 Ok');
case('... with an address only', 'reject_unknown_sender_domain', from('a@only.test'), '250 2.1.5 Ok');
case('... ours', 'reject_unknown_sender_domain', from('me@here.test'), '250 2.1.5 Ok');
case('... the null sender', 'reject_unknown_sender_domain', from(''), '250 2.1.5 Ok');
case('not what is not', 'reject_unknown_sender_domain', from('a@no.test'), '450 4.1.8 <a@no.test>: Sender address rejected: Domain not found');
case('with its code', 'reject_unknown_sender_domain', from('a@no.test'), '550 5.1.8 <a@no.test>: Sender address rejected: Domain not found',
    unknown_address_reject_code => 550);
case('nor what takes no mail', 'reject_unknown_sender_domain', from('a@null.test'),
    '556 5.7.27 <a@null.test>: Sender address rejected: Domain null.test does not accept mail (nullMX)');
case('a DNS that does not answer puts off', 'reject_unknown_sender_domain', from('a@broken.test'),
    '450 4.1.8 <a@broken.test>: Sender address rejected: Domain not found', unknown_address_reject_code => 550);
case('at once if wanted', 'reject_unknown_sender_domain, reject', from('a@broken.test'),
    '450 4.1.8 <a@broken.test>: Sender address rejected: Domain not found', unknown_address_tempfail_action => 'defer');
case('reject_unknown_recipient_domain', 'reject_unknown_recipient_domain', [ to => 'a@no.test' ],
    '450 4.1.2 <a@no.test>: Recipient address rejected: Domain not found');
case('... takes what is there', 'reject_unknown_recipient_domain', [ to => 'a@good.test' ], '250 2.1.5 Ok');
case('... not what takes no mail', 'reject_unknown_recipient_domain', [ to => 'a@null.test' ],
    '556 5.1.10 <a@null.test>: Recipient address rejected: Domain null.test does not accept mail (nullMX)');

# ---- the servers of a domain ----

sub servers {
    my ($restriction, $row, $ask, $reply) = @_;
    spew($table, "$row\n");
    return case("$restriction: $row", "$restriction texthash:$table", $ask, $reply);
}
my $sender = '<a@good.test>: Sender address rejected';
servers('check_sender_mx_access', 'mx.good.test REJECT bad mx', from('a@good.test'), "554 5.7.1 $sender: bad mx");
servers('check_sender_mx_access', '192.0.2.25 REJECT bad mx', from('a@good.test'), "554 5.7.1 $sender: bad mx");
servers('check_sender_mx_access', '192.0.2.99 REJECT bad mx', from('a@good.test'), '250 2.1.5 Ok');
servers('check_sender_mx_access', 'only.test REJECT its own', from('a@only.test'), '554 5.7.1 <a@only.test>: Sender address rejected: its own');
servers('check_sender_mx_access', 'mx.good.test OK', from('a@good.test'), '250 2.1.5 Ok');
like($w->log, qr/OK permits nobody by what the DNS says of others/, '... permits nobody');
servers('check_sender_ns_access', 'evil.test REJECT bad ns', from('a@good.test'), "554 5.7.1 $sender: bad ns");
servers('check_sender_ns_access', '192.0.2.53 REJECT bad ns', from('a@sub.good.test'), '554 5.7.1 <a@sub.good.test>: Sender address rejected: bad ns');
servers('check_sender_a_access', '192.0.2.26 REJECT bad a', from('a@only.test'), '554 5.7.1 <a@only.test>: Sender address rejected: bad a');
servers('check_sender_a_access', '192.0.2.27 REJECT bad a', from('a@only.test'), '250 2.1.5 Ok');
servers('check_recipient_mx_access', '192.0.2.25 REJECT bad', [ to => 'a@good.test' ], '554 5.7.1 <a@good.test>: Recipient address rejected: bad');
servers('check_recipient_ns_access', 'evil.test REJECT bad', [ to => 'a@good.test' ], '554 5.7.1 <a@good.test>: Recipient address rejected: bad');
servers('check_recipient_a_access', '192.0.2.26 REJECT bad', [ to => 'a@only.test' ], '554 5.7.1 <a@only.test>: Recipient address rejected: bad');
servers('check_helo_mx_access', '192.0.2.25 REJECT bad', helo('good.test'), '554 5.7.1 <good.test>: Helo command rejected: bad');
servers('check_helo_ns_access', 'evil.test REJECT bad', helo('good.test'), '554 5.7.1 <good.test>: Helo command rejected: bad');
servers('check_helo_a_access', '192.0.2.26 REJECT bad', helo('only.test'), '554 5.7.1 <only.test>: Helo command rejected: bad');
servers('check_client_a_access', '127.0.0.2 REJECT bad', $names{good}, '554 5.7.1 <mail.good.test[127.0.0.2]>: Client host rejected: bad');
servers('check_client_mx_access', 'mail.good.test REJECT bad', $names{good}, '554 5.7.1 <mail.good.test[127.0.0.2]>: Client host rejected: bad');
servers('check_client_ns_access', 'evil.test REJECT bad', $names{good}, '554 5.7.1 <mail.good.test[127.0.0.2]>: Client host rejected: bad');
servers('check_reverse_client_hostname_a_access', '192.0.2.99 REJECT bad', $names{liar}, '554 5.7.1 <mail.liar.test>: Unverified Client host rejected: bad');
servers('check_reverse_client_hostname_mx_access', 'mail.liar.test REJECT bad', $names{liar}, '554 5.7.1 <mail.liar.test>: Unverified Client host rejected: bad');
servers('check_reverse_client_hostname_ns_access', 'evil.test REJECT bad', $names{liar}, '250 2.1.5 Ok');

# ---- lists in the DNS ----

case('reject_rbl_client', 'reject_rbl_client bl.test', $names{good},
    '554 5.7.1 Service unavailable; Client host [127.0.0.2] blocked using bl.test; see http://bl.test/?127.0.0.2');
case('... without a reason', 'reject_rbl_client bl.test', [ addr => '192.0.2.1' ], '554 5.7.1 Service unavailable; Client host [192.0.2.1] blocked using bl.test');
case('... takes who is not in it', 'reject_rbl_client bl.test', $names{nameless}, '250 2.1.5 Ok');
case('... with the filter that fits', 'reject_rbl_client bl.test=127.0.0.[2;4..9]', $names{good}, qr/^554 .* blocked using bl\.test;/);
case('... with another', 'reject_rbl_client bl.test=127.0.0.[5..9]', $names{good}, '250 2.1.5 Ok');
case('... a list that does not answer refuses nobody', 'reject_rbl_client broken.test', $names{liar}, '250 2.1.5 Ok');
like($w->log, qr/access restrictions: broken\.test: /, '... and is named in the log');
case('... with its own code', 'reject_rbl_client bl.test', $names{good}, qr/^550 5\.7\.1 Service unavailable; Client host/, maps_rbl_reject_code => 550);
$w->configure(smtpd_recipient_restrictions => 'reject_rbl_client bl.test', default_rbl_reply => '550 5.7.9 $helo_name is in ${rbl_domain?$rbl_domain}${rbl_domain:nothing}');
is($w->ask(to => 'me@here.test', @{ $names{good} }), "550 5.7.9 client.example.org is in bl.test\n", '... and its own words');
spew($table, "bl.test 553 5.7.3 ask \$rbl_domain about \$client_address\n");
case('... or those of rbl_reply_maps', 'reject_rbl_client bl.test=127.0.0.4', $names{good}, '553 5.7.3 ask bl.test about 127.0.0.2',
    rbl_reply_maps => "texthash:$table");
case('... warn_if_reject', 'warn_if_reject reject_rbl_client bl.test', $names{good}, '250 2.1.5 Ok');
like($w->log, qr/reject_warning: RCPT from .* blocked using bl\.test/, '... logs it');
case('reject_rhsbl_sender', 'reject_rhsbl_sender dbl.test', from('a@evil.org'), '554 5.7.1 Service unavailable; Sender address [a@evil.org] blocked using dbl.test');
case('... takes others', 'reject_rhsbl_sender dbl.test', from('a@good.test'), '250 2.1.5 Ok');
case('reject_rhsbl_recipient', 'reject_rhsbl_recipient dbl.test', [], '554 5.7.1 Service unavailable; Recipient address [me@here.test] blocked using dbl.test');
case('reject_rhsbl_helo', 'reject_rhsbl_helo dbl.test', helo('helo.test'), '554 5.7.1 Service unavailable; Helo command [helo.test] blocked using dbl.test');
case('reject_rhsbl_client', 'reject_rhsbl_client dbl.test', $names{good}, '554 5.7.1 Service unavailable; Client host [mail.good.test] blocked using dbl.test');
case('... not by a name that is not true', 'reject_rhsbl_client dbl.test', $names{liar}, '250 2.1.5 Ok');
case('reject_rhsbl_reverse_client', 'reject_rhsbl_reverse_client dbl.test', $names{liar},
    '554 5.7.1 Service unavailable; Unverified Client host [mail.liar.test] blocked using dbl.test');
case('permit_dnswl_client', 'permit_dnswl_client wl.test, reject', $names{good}, '250 2.1.5 Ok');
case('... not others', 'permit_dnswl_client wl.test, reject', $names{liar}, "554 5.7.1 $rcpt: Access denied");
case('... and lets nobody relay', 'permit_dnswl_client wl.test, reject_unauth_destination', [ @{ $names{good} }, to => 'you@example.net' ],
    '554 5.7.1 <you@example.net>: Relay access denied', smtpd_relay_restrictions => '');
case('permit_rhswl_client', 'permit_rhswl_client rhswl.test, reject', $names{good}, '250 2.1.5 Ok');
case('... not others', 'permit_rhswl_client rhswl.test, reject', $names{liar}, "554 5.7.1 $rcpt: Access denied");

# ---- a table may name what a class has opened ----

spew($table, "good.test careful\n");
$w->configure(smtpd_recipient_restrictions => "check_sender_access texthash:$table", raw => "restriction_class careful { restrictions = \"reject_rbl_client bl.test\" }\n");
like($w->ask(to => 'me@here.test', @{ $names{good} }, from => 'a@good.test'), qr/^554 .* blocked using bl\.test/, 'a class from a table asks the DNS');

# ---- or any restriction that needs no more than the DNS ----

spew($table, "good.test reject_rbl_client bl.test\nname.test reject_unknown_client_hostname\nold.test check_helo_access texthash:$table\nmany.test sleep 0, reject_unknown_sender_domain\n");
$w->configure(smtpd_recipient_restrictions => "check_sender_access texthash:$table");
like($w->ask(to => 'me@here.test', @{ $names{good} }, from => 'a@good.test'), qr/^554 .* blocked using bl\.test/, 'a list in the DNS that only a row names');
like($w->ask(to => 'me@here.test', @{ $names{good} }, from => 'a@many.test'), qr/^450 4\.1\.8 .*Domain not found/, '... a domain that does not exist');
is($w->ask(to => 'me@here.test', @{ $names{good} }, from => 'a@name.test'), "451 4.3.5 Server configuration error\n", '... names of clients that nobody looks up are our fault');
like($w->log, qr/reject_unknown_client_hostname: the names of clients are not looked up, .*smtpd_peername_lookup = yes/, '... and the log says what to do');
like($w->test->baton(['check'])->{out}, qr/texthash:\Q$table\E:2: reject_unknown_client_hostname: the names of clients are not looked up/, 'baton check names the row');
unlike($w->test->baton(['check'])->{out}, qr/texthash:\Q$table\E:[134]:/, '... and no other');

# ---- permit_mx_backup ----

my $backup = 'permit_mx_backup, reject_unauth_destination';
my %relay = (smtpd_relay_restrictions => $backup);
my $denied = sub { "554 5.7.1 <$_[0]>: Relay access denied" };
sub backup { my ($name, $to, $reply, %more) = @_; return case($name, '', [ addr => '192.0.2.1', to => $to ], $reply, %relay, %more) }
backup('permit_mx_backup: a domain that we are an MX host of', 'a@backup.test', '250 2.1.5 Ok');
backup('... one of ours', 'me@here.test', '250 2.1.5 Ok');
backup('... and no other', 'a@good.test', $denied->('a@good.test'));
backup('... nor one without MX', 'a@only.test', $denied->('a@only.test'));
backup('... nor one that takes no mail', 'a@null.test', $denied->('a@null.test'));
backup('... nor one whose host is 127.0.0.1', 'a@tricky.test', $denied->('a@tricky.test'));
backup('... nor a route', 'a%x.test@backup.test', qr/^554 5\.7\.1 /);
backup('... what cannot be looked up is put off', 'a@broken.test', '450 4.4.4 <a@broken.test>: Recipient address rejected: Unable to look up mail exchanger information');
backup('permit_mx_backup_networks: the first host is in them', 'a@backup.test', '250 2.1.5 Ok', permit_mx_backup_networks => '192.0.2.0/24');
backup('... or not', 'a@backup.test', $denied->('a@backup.test'), permit_mx_backup_networks => '198.51.100.0/24');
backup('... all of the first are', 'a@twice.test', $denied->('a@twice.test'), permit_mx_backup_networks => '192.0.2.0/24');
backup('... they are', 'a@twice.test', '250 2.1.5 Ok', permit_mx_backup_networks => '192.0.2.0/24, 192.0.3.0/24');
backup('... one without an address', 'a@nowhere.test', $denied->('a@nowhere.test'), permit_mx_backup_networks => '192.0.2.0/24');
$w->write_config(%relay);
like($w->test->baton(['check'])->{out}, qr/permit_mx_backup relays for every domain whose owner .*permit_mx_backup_networks/, 'baton check warns of it without networks');

# ---- tables that would keep clients waiting ----

$w->write_config(rbl_reply_maps => 'tcp:127.0.0.1:1', smtpd_milter_maps => 'socketmap:inet:127.0.0.1:1:x');
my $check = $w->test->baton(['check']);
like($check->{out}, qr/^error .*rbl_reply_maps: tcp:127\.0\.0\.1:1 may keep clients waiting, .*write a table that is a file/m, 'rbl_reply_maps');
like($check->{out}, qr/^error .*smtpd_milter_maps: socketmap:\S+ may keep clients waiting/m, 'smtpd_milter_maps');

done_testing;
