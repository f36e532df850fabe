#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
# access(5): which keys are asked for, and what each answer does, over real connections.
use strict;
use warnings;
use FindBin;
use Test::More;
use lib "$FindBin::Bin/lib";
use Baton::Restrict;
use Baton::Test;

skip_all_unless_server();
my $w = Baton::Restrict->new(config => { recipient_delimiter => '+' });
my $table = $w->test->path('access');
my @here = (addr => '192.0.2.1', to => 'me@here.test');
my $ok = "250 2.1.5 Ok\n";
my $rcpt = '<me@here.test>: Recipient address rejected';

sub with { my ($list, $value, $rows, %more) = @_; spew($table, $rows); $w->configure($list => $value, %more) }

# ---- keys ----

sub keys_of {
    my ($restriction, $cases, %more) = @_;
    for my $case (@$cases) {
        my ($key, $is_hit, @ask) = @$case;
        with(smtpd_recipient_restrictions => "$restriction texthash:$table", "$key 450 hit\n", %more);
        my $got = $w->ask(@here, @ask);
        if ($is_hit) { like($got, qr/^450 4\.7\.1 <.*>: .* rejected: hit$/, "$restriction: $key") }
        else { is($got, $ok, "$restriction: not $key") }
    }
}

keys_of('check_recipient_access', [
    [ 'me@here.test', 1 ], [ 'here.test', 1 ], [ 'test', 1 ], [ 'me@', 1 ], [ 'ME@Here.Test', 1 ], [ '.here.test', 0 ], [ '@here.test', 0 ], [ 'me', 0 ],
]);
keys_of('check_sender_access', [
    [ 'a@sub.example.org', 1, from => 'a@sub.example.org' ], [ 'example.org', 1, from => 'a@sub.example.org' ],
    [ 'a@', 1, from => 'a+x@example.org' ], [ 'a+x@', 1, from => 'a+x@example.org' ], [ 'a@example.org', 1, from => 'a+x@example.org' ],
    [ '<>', 1, from => '' ], [ 'b@example.org', 0 ],
]);
keys_of('check_sender_access', [ [ 'null', 1, from => '' ] ], smtpd_null_access_lookup_key => 'null');
keys_of('check_sender_access', [ [ 'example.org', 0, from => 'a@sub.example.org' ], [ '.example.org', 1, from => 'a@sub.example.org' ] ],
    parent_domain_matches_subdomains => 'relay_domains');
keys_of('check_client_access', [
    [ '192.0.2.1', 1 ], [ '192.0.2', 1 ], [ '192', 1 ], [ '192.0.2.2', 0 ], [ 'example.com', 1, name => 'mail.example.com' ],
    [ 'mail.example.com', 1, name => 'mail.example.com' ], [ '2001:db8', 1, addr => 'IPV6:2001:db8::1' ],
    [ 'unknown', 1 ],
]);
keys_of('check_reverse_client_hostname_access', [ [ 'example.com', 1, name => 'mail.example.com' ], [ '192.0.2.1', 1 ] ]);
keys_of('check_helo_access', [ [ 'client.example.org', 1 ], [ 'example.org', 1 ], [ '[192.0.2.7]', 1, helo => '[192.0.2.7]' ], [ 'other.test', 0 ] ]);
keys_of('check_sasl_access', [ [ 'joe', 1, login => 'joe' ], [ 'joe', 0 ] ]);

with(smtpd_client_restrictions => "check_client_access cidr:$table", "192.0.2.0/24 REJECT\n");
is($w->ask(@here), "554 5.7.1 <unknown[192.0.2.1]>: Client host rejected: Access denied\n", 'a table of networks');
is($w->ask(to => 'me@here.test'), $ok, '... and who is not in it');
with(smtpd_sender_restrictions => "check_sender_access pcre:$table", "/^(bad)\@/ REJECT no \$1\n/^org\$/ REJECT part\n");
is($w->ask(@here, from => 'bad@example.org'), "554 5.7.1 <bad\@example.org>: Sender address rejected: no bad\n", 'a table of patterns');
is($w->ask(@here), $ok, '... is not asked for parts of an address');

# ---- answers ----

sub answer {
    my ($name, $row, $reply, %more) = @_;
    with(smtpd_recipient_restrictions => "check_recipient_access texthash:$table, " . ($more{behind} // 'reject_non_fqdn_sender'), "me\@here.test $row\n");
    return is($w->ask(@here, %{ $more{ask} // {} }), $reply, $name);
}

answer('OK', 'OK', $ok, behind => 'reject');
answer('numbers are OK', '1234567', $ok, behind => 'reject');
answer('DUNNO', 'DUNNO', "554 5.7.1 $rcpt: Access denied\n", behind => 'reject');
answer('REJECT', 'REJECT', "554 5.7.1 $rcpt: Access denied\n");
answer('REJECT text', 'reject go away', "554 5.7.1 $rcpt: go away\n");
answer('REJECT status text', 'REJECT 5.7.2 go away', "554 5.7.2 $rcpt: go away\n");
answer('DEFER', 'DEFER', "450 4.7.1 $rcpt: Access denied\n");
answer('DEFER text', 'DEFER later', "450 4.7.1 $rcpt: later\n");
answer('DEFER_IF_PERMIT', 'DEFER_IF_PERMIT perhaps', "450 4.7.1 $rcpt: perhaps\n");
answer('DEFER_IF_PERMIT and a refusal', 'DEFER_IF_PERMIT perhaps', "554 5.7.1 $rcpt: Access denied\n", behind => 'reject');
answer('DEFER_IF_REJECT', 'DEFER_IF_REJECT perhaps', "450 4.7.1 $rcpt: perhaps\n", behind => 'reject');
answer('DEFER_IF_REJECT and a permit', 'DEFER_IF_REJECT perhaps', $ok, behind => 'permit_auth_destination');
answer('a code', '553 not here', "553 5.7.1 $rcpt: not here\n");
answer('a code and a status', '450 4.2.1 not now', "450 4.2.1 $rcpt: not now\n");
answer('a code alone', '550', "550 5.7.1 $rcpt: Access denied\n");
answer('a restriction', 'reject', "554 5.7.1 $rcpt: Access denied\n");
answer('restrictions', 'permit_mynetworks, reject_non_fqdn_sender, defer', "450 4.3.2 $rcpt: Try again later\n");
answer('restrictions that go on behind', 'reject_non_fqdn_sender', "554 5.7.1 $rcpt: Access denied\n", behind => 'reject');
answer('nonsense is our fault, 451', 'rejekt', "451 4.3.5 Server configuration error\n");
like($w->log, qr/access restrictions: texthash:\S+: there is no action, no restriction and no class "rejekt"; did you mean reject/, '... and the log says which');
answer('FILTER takes a transport', 'FILTER smtp:[127.0.0.1]:10025', $ok);
answer('FILTER without one is our fault', 'FILTER 127.0.0.1', "451 4.3.5 Server configuration error\n");
like($w->log, qr/FILTER takes "transport:nexthop"/, '... and the log says what to do');
answer('what was not opened', 'check_policy_service inet:127.0.0.1:1', "451 4.3.5 Server configuration error\n");
like($w->log, qr/check_policy_service inet:127\.0\.0\.1:1: it was not opened.*write it into a section restriction_class/, '... says what to do');
answer('a table that names itself', "check_recipient_access texthash:$table", "451 4.3.5 Server configuration error\n");
like($w->log, qr/lists lie deeper in each other than 20/, '... is noticed');
answer('INFO', 'INFO for the record', $ok);
like($w->log, qr/NOQUEUE: info: RCPT from unknown\[192\.0\.2\.1\]: <me\@here\.test>: Recipient address triggers INFO action for the record; from=<a\@example\.org> to=<me\@here\.test> proto=ESMTP helo=<client\.example\.org>/, '... is logged');
answer('WARN', 'WARN look', $ok);
like($w->log, qr/NOQUEUE: warn: RCPT from .*: Recipient address triggers WARN action look;/, '... is logged');

# a whole message for what changes one
sub whole {
    my ($row, %more) = @_;
    with(smtpd_recipient_restrictions => "check_recipient_access texthash:$table", "me\@here.test $row\n", %more);
    my $before = $w->{relay}->messages;
    my $reply = $w->ask_until('END', @here);
    return ($reply, $before);
}

sub arrived { my ($before) = @_; return $w->{relay}->wait_messages($before + 1) ? ($w->{relay}->messages)[$before] : undef }

my ($reply, $n) = whole('HOLD for a look');
like($reply, qr/^250 2\.0\.0 Ok: queued as (\w+)/, 'HOLD takes the message');
like($w->log, qr/NOQUEUE: hold: RCPT from .* triggers HOLD action for a look;/, '... says so');
my ($held) = $reply =~ /queued as (\w+)/;
like($w->test->baton([ 'queue', 'list' ])->{out}, qr/\Q$held\E.*(?:held|hold|!)/, '... and the queue holds it');

($reply, $n) = whole('DISCARD');
like($reply, qr/^250 2\.0\.0 Ok/, 'DISCARD says yes');
like($w->log, qr/NOQUEUE: discard: RCPT from .* triggers DISCARD action;/, '... logs it');

($reply, $n) = whole('REDIRECT other@example.net');
my $m = arrived($n);
ok($m, 'the discarded one did not come, the redirected one did');
is_deeply($m->{rcpts}, ['other@example.net'], '... to whom REDIRECT says');

($reply, $n) = whole('BCC copy@example.net');
$m = arrived($n);
is_deeply([ sort @{ $m->{rcpts} } ], [ 'copy@example.net', 'x@example.test' ], 'BCC adds one');

($reply, $n) = whole('PREPEND X-Seen: yes, it was');
$m = arrived($n);
like($m->{content}, qr/^X-Seen: yes, it was\r?$/m, 'PREPEND puts a field in front');
answer('... that is one', 'PREPEND nothing', "451 4.3.5 Server configuration error\n");

# ---- faults ----

with(smtpd_recipient_restrictions => "check_recipient_access socketmap:unix:" . $w->test->path('nobody') . ':access', '');
is($w->ask(@here), "451 4.3.0 <me\@here.test>: Temporary lookup failure\n", 'a table that cannot tell is 451');

# ---- baton check ----

with(smtpd_recipient_restrictions => "check_recipient_access texthash:$table, check_policy_service unix:" . $w->test->path('nobody'),
    "a\@here.test REJECT\nb\@here.test rejekt\nc\@here.test PREPEND nothing\nd\@here.test permit_mynetworks, reject\ne\@here.test FILTER x:\n");
my $check = $w->test->baton(['check']);
my $said = $check->{out} . $check->{err};
like($said, qr/texthash:\Q$table\E:2: there is no action, no restriction and no class "rejekt"; did you mean reject/, 'baton check names a row that is no action');
like($said, qr/texthash:\Q$table\E:3: PREPEND takes a header field/, '... one that lacks something');
like($said, qr/texthash:\Q$table\E:5: FILTER: there is no transport "x"/, '... one that cannot be done');
unlike($said, qr/texthash:\Q$table\E:[14]:/, '... and no other');
like($said, qr/policy server unix:\S+: No such file or directory: clients get 451 4\.3\.5/, '... and a policy server that nobody serves');
like($said, qr/smtpd_recipient_restrictions: texthash:\Q$table\E/, '... and opens the tables of the lists');

done_testing;
