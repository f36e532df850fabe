#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
# check_policy_service: what a policy server is told, what its answers do, its faults; and two that people really run, postgrey and
# policyd-spf.
use strict;
use warnings;
use FindBin;
use Test::More;
use Time::HiRes qw(time);
use lib "$FindBin::Bin/lib";
use Baton::Client;
use Baton::Nameserver;
use Baton::PolicyServer;
use Baton::Restrict;
use Baton::Test;

skip_all_unless_server();
my $w = Baton::Restrict->new;
my $t = $w->test;
my @here = (addr => '192.0.2.1', to => 'me@here.test');
my $rcpt = '<me@here.test>: Recipient address rejected';
my $ok = "250 2.1.5 Ok\n";
my $p = Baton::PolicyServer->start(dir => $t->dir);

sub with { my ($place, %more) = @_; $w->configure(smtpd_recipient_restrictions => "check_policy_service $place", %more) }

# ---- what it is told ----

with($p->place, smtpd_data_restrictions => 'check_policy_service ' . $p->place, smtpd_policy_service_policy_context => 'incoming');
like($w->ask_until('END', @here, name => 'mail.example.com', login => 'joe', from => 'dunno@example.org', params => ' SIZE=1000'), qr/^250 2\.0\.0/,
    'a message passes a server that has nothing to say');
my ($at_rcpt, $at_data) = $p->requests;
my %want = (request => 'smtpd_access_policy', protocol_state => 'RCPT', protocol_name => 'ESMTP', client_address => '192.0.2.1',
    client_name => 'mail.example.com', reverse_client_name => 'mail.example.com', helo_name => 'client.example.org', sender => 'dunno@example.org', recipient => 'me@here.test',
    recipient_count => 0, queue_id => '', size => 1000, sasl_username => 'joe', server_address => '127.0.0.1', server_port => $w->port,
    encryption_protocol => '', policy_context => 'incoming', ccert_subject => '', stress => '', etrn_domain => '');
is($at_rcpt->{$_}, $want{$_}, "it is told $_") for sort keys %want;
is($at_data->{protocol_state}, 'DATA', 'at DATA it is told so');
is($at_data->{recipient_count}, 1, '... and how many recipients there are');
is($at_data->{instance}, $at_rcpt->{instance}, 'the instance is of the message');
is($p->connections, 1, 'one connection takes all questions');
$w->ask(@here, from => 'dunno@example.org');
isnt(($p->requests)[-1]{instance}, $at_rcpt->{instance}, '... and another one has another');
is($p->connections, 1, '... over the same connection');

# ---- its answers ----

sub answer { my ($name, $from, $reply, %more) = @_; return is($w->ask(@here, from => "$from\@example.org", %more), $reply, $name) }
with($p->place);
answer('OK', 'ok', $ok);
answer('REJECT', 'reject.go.away', "554 5.7.1 $rcpt: go away\n");
answer('a code', '450.later', "450 4.7.1 $rcpt: later\n");
answer('DEFER_IF_PERMIT', 'defer_if_permit.greylisted', "450 4.7.1 $rcpt: greylisted\n");
answer('nonsense is 451', 'blah', "451 4.3.5 Server configuration error\n");
with("{ unix:" . $t->path('policy.sock') . ", timeout=10s }");
my $u = Baton::PolicyServer->start(dir => $t->dir, path => $t->path('policy.sock'));
chmod 0666, $t->path('policy.sock');
answer('a UNIX socket', 'reject.by.unix', "554 5.7.1 $rcpt: by unix\n");

# ---- its faults ----

my $default = "451 4.3.5 $rcpt: Server configuration problem\n";
with($p->place, smtpd_policy_service_timeout => '1s', smtpd_policy_service_retry_delay => '0s');
answer('one that hangs', 'hang', $default);
like($w->log, qr/access restrictions: policy server inet:127\.0\.0\.1:\d+: no answer within 1 s/, '... is named in the log');
answer('one that never ends its answer', 'half', $default);
answer('one that hangs up', 'close', $default);
like($w->log, qr/it has closed the connection without an answer/, '... likewise');
answer('one that answers something else', 'garbage', $default);
like($w->log, qr/its answer is no "action=\.\.\." and an empty line/, '... likewise');
answer('it is asked again afterwards', 'reject.still', "554 5.7.1 $rcpt: still\n");
answer('one that hangs up after its answer', 'once', $ok);
answer('... is asked over a new connection', 'once', $ok);
with("{ $p->{place}, timeout=1s, try_limit=1, { default_action = DUNNO } }");
answer('default_action of one server', 'hang', $ok);
with('inet:127.0.0.1:' . free_port(), smtpd_policy_service_retry_delay => '0s');
answer('one that is not there', 'dunno', $default);
like($w->log, qr/policy server inet:127\.0\.0\.1:\d+: connect to 127\.0\.0\.1:\d+: Connection refused/, '... is named in the log');

with($p->place, smtpd_policy_service_timeout => '30s');
my $slow = Baton::Client->new(port => $w->port);
$slow->reply;
$slow->say($_) for 'XCLIENT ADDR=192.0.2.1', 'EHLO slow', 'MAIL FROM:<hang@example.org>';
$slow->send_raw("RCPT TO:<me\@here.test>\r\n");
ok(Baton::Test::wait_until(sub { ($p->requests)[-1]{sender} eq 'hang@example.org' }), 'while one client waits for it');
my $began = time;
answer('... others are served', 'dunno', $ok);
in_time($began, 5, '... at once');
$slow->close;
ok($t->wait_log(qr/lost connection after RCPT from unknown\[192\.0\.2\.1\]/), 'a client that goes while it waits is let go');

# ---- real ones ----

sub start_program {
    my ($what, @command) = @_;
    my $pid = fork // die "fork: $!";
    if (!$pid) {
        setpgrp 0, 0;
        open STDIN, '<', '/dev/null';
        open STDOUT, '>', $t->path("$what.log");
        open STDERR, '>&', \*STDOUT;
        exec @command or POSIX::_exit(127);
    }
    Baton::Test::register_group($pid, $what);
    return $pid;
}

SKIP: {
    my ($postgrey) = grep { -x } '/usr/sbin/postgrey', '/usr/bin/postgrey';
    skip 'postgrey is not installed', 4 if !$postgrey;
    my $port = free_port();
    mkdir $t->path('postgrey');
    my $user = getpwuid $>;
    my $group = getgrgid((split ' ', $))[0]);
    my $pid = start_program('postgrey', $postgrey, "--inet=127.0.0.1:$port", '--delay=1', '--dbdir=' . $t->path('postgrey'), "--user=$user", "--group=$group",
        '--pidfile=' . $t->path('postgrey/pid'));
    ok(Baton::Test::wait_until(sub { IO::Socket::INET->new(PeerAddr => "127.0.0.1:$port") }, 20), 'postgrey serves')
        or diag slurp($t->path('postgrey.log'));
    with("inet:127.0.0.1:$port");
    my @ask = (addr => '192.0.2.77', name => 'mail.example.com', from => 'new@example.com', to => 'me@here.test');
    like($w->ask(@ask), qr/^450 4\.\d\.\d <me\@here\.test>: Recipient address rejected: Greylisted/, '... greylists whom it does not know');
    my $reply;
    ok(Baton::Test::wait_until(sub { ($reply = $w->ask(@ask)) =~ /^250/ }, 20), '... and takes him when he comes again') or diag $reply;
    $w->ask_until('END', @ask);
    ok($w->{relay}->wait_messages(1), '... with his message');
    my ($m) = grep { $_->{content} =~ /X-Greylist/i } $w->{relay}->messages;
    kill 'KILL', -$pid;
    waitpid $pid, 0;
    Baton::Test::forget_group($pid);
}

SKIP: {
    my $spf = '/usr/bin/policyd-spf';
    skip 'policyd-spf is not installed', 3 if !-x $spf;
    # It speaks on stdin and stdout, as spawn(8) starts it: one a connection.
    spew($t->path('spf.conf'), "debugLevel = 0\nHELO_reject = False\nMail_From_reject = Fail\nskip_addresses = 127.0.0.0/8\n");
    my $server = IO::Socket::INET->new(LocalAddr => '127.0.0.1', Listen => 5) or die $!;
    my $port = $server->sockport;
    my $pid = fork // die "fork: $!";
    if (!$pid) {
        setpgrp 0, 0;
        while (my $c = $server->accept) {
            my $child = fork;
            next if $child;
            open STDIN, '<&', $c;
            open STDOUT, '>&', $c;
            open STDERR, '>', $t->path('spf.log');
            exec $spf, $t->path('spf.conf') or POSIX::_exit(127);
        }
    }
    Baton::Test::register_group($pid, 'policyd-spf');
    with("inet:127.0.0.1:$port");
    my $reply = $w->ask(addr => '192.0.2.9', from => 'a@here.test', to => 'me@here.test');
    is($reply, $ok, 'policyd-spf has nothing against a domain without SPF');
    is($w->ask(addr => '192.0.2.9', from => '', to => 'me@here.test'), $ok, '... nor against the null sender');
    my $end = $w->ask_until('END', addr => '192.0.2.9', from => 'a@here.test', to => 'me@here.test', body => 'by spf');
    like($end, qr/^250/, '... and the message is taken');
    ok(Baton::Test::wait_until(sub { grep { $_->{content} =~ /by spf/ } $w->{relay}->messages }), '... and comes');
    my ($m) = grep { $_->{content} =~ /by spf/ } $w->{relay}->messages;
    like($m->{content}, qr/^Received-SPF: None/mi, '... with the field that policyd-spf has put in front');
    kill 'KILL', -$pid;
    waitpid $pid, 0;
    Baton::Test::forget_group($pid);
}

done_testing;
