#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
# batond with tables in a directory: recipients are looked up from within the jail; slapd is restarted, stopped and hung in the
# middle; other clients, and other tables, do not wait for it.
use strict;
use warnings;
use FindBin;
use IO::Socket::INET;
use Test::More;
use Time::HiRes qw(time);
use lib "$FindBin::Bin/lib";
use Baton::Cert;
use Baton::Slapd;
use Baton::Test;

Baton::Slapd::need();

my $t = Baton::Test->new;
plan skip_all => 'built without the server module' if $t->baton([ 'map', 'query', 'x', 'ldap:x' ])->{err} =~ /need the server module/;
my $cert = Baton::Cert::make($t->dir, names => ['127.0.0.1']);
my $s = Baton::Slapd->start($t, tls => $cert);
my $other = Baton::Slapd->start($t);
my $sink = $t->sink;
my $base = $s->base;
# Workers keep an answer for some seconds, so each question of this test is about somebody else.
$_->add('cn=info', mailacceptinggeneralid => [ map { ("info$_\@example.com", "info$_\@example.org") } 1 .. 60 ],
    maildrop => 'joe@elsewhere.test') for $s, $other;
my $n = 0;
sub info { return 'info' . ++$n . '@example.' . ($_[0] // 'com') }

# A private key or a folder that only root may read is nothing to the workers: all is read before they give up their rights.
my $cf = spew($t->path('ldap.cf'), "server_host = 127.0.0.1:@{[ $s->port ]}\nstart_tls = yes\ntls_ca_cert_file = $cert->{ca}\n"
      . "search_base = $base\nbind_dn = cn=reader,$base\nbind_pw = read it\ntimeout = 3\ndomain = example.com\n", 0600);
spew($t->path('virtual'), "here\@example.net joe\@elsewhere.test\n");
my $port = free_port();
my %conf = (
    virtual_alias_domains => 'example.com, example.org, example.net',
    virtual_alias_maps    => "texthash:@{[ $t->path('virtual') ]}, ldap:$cf, ldap:other",
    relayhost             => $sink->address,
    minimal_backoff_time  => '1s', maximal_backoff_time => '1s',
    raw => "listen smtp { address = 127.0.0.1, port = $port }\n"
      . "ldap other { server_host = \"ldap://localhost:@{[ $other->port ]}\", search_base = \"$base\", timeout = 3, domain = example.org }\n",
);
$t->config(%conf);
$t->start_batond;

sub client { my $c = IO::Socket::INET->new(PeerAddr => "127.0.0.1:$port", Timeout => 10) or die "batond: $!"; <$c>; say_to($c, 'HELO x'); return $c }
sub say_to { my ($c, $line) = @_; print $c "$line\r\n"; my $answer; while (defined($answer = <$c>)) { last if $answer !~ /^\d+-/ } return $answer // '' }
sub rcpt {
    my ($to) = @_;
    my $c = client();
    say_to($c, 'MAIL FROM:<a@b.test>');
    my $start = time;
    my $answer = say_to($c, "RCPT TO:<$to>");
    print $c "QUIT\r\n";
    return ($answer, time - $start);
}
sub answers { my ($to, $want, $name) = @_; my ($got) = rcpt($to); like($got, $want, $name) }

# ---- asking ---------------------------------------------------------------------------------------------------------------

answers(info(), qr/^250/, 'who is in the directory is taken: StartTLS and a login from within the jail');
answers('nobody@example.com', qr/^550 5\.1\.1/, 'who is not is unknown');
answers(info('org'), qr/^250/, 'a second table, whose server is a name');
$t->sendmail([info()], input => message());
my ($m) = $sink->wait_messages(1);
ok($m && $t->wait_log(qr/to=<joe\@elsewhere\.test>, orig_to=<info\d+\@example\.com>, .*status=sent/),
    'and the mail goes where the directory says');

# ---- restarted ------------------------------------------------------------------------------------------------------------

$s->restart;
answers(info(), qr/^250/, 'slapd was restarted: asked again over a new connection');
$s->stop;
answers(info(), qr/^451 4\.3\.0/, 'slapd is away: later, not unknown');
answers('nobody2@example.com', qr/^451 4\.3\.0/, 'also for whom it has never heard of');
answers('here@example.net', qr/^250/, 'what another table says before is not asked of it');
answers(info('org'), qr/^250/, 'and what only concerns another neither');
ok($t->wait_log(qr/warning: virtual_alias_maps: ldap:\Q$cf\E: ldap:\S+ cannot be connected to: /), 'the log says why');
answers(info(), qr/^451/, "once more ($_)") for 1 .. 3;
my $told = () = $t->log_text =~ /warning: virtual_alias_maps: ldap:/g;
is($told, 1, 'but not at each question');
$s->restart;
answers(info(), qr/^250/, 'it is back');

# ---- hung -----------------------------------------------------------------------------------------------------------------

$s->hang;
my @waiting = map { my $c = client(); say_to($c, 'MAIL FROM:<a@b.test>'); print $c "RCPT TO:<@{[ info() ]}>\r\n"; $c } 1 .. 5;
my ($answer, $seconds) = rcpt('here@example.net');
ok($answer =~ /^250/ && $seconds < 2.5, 'slapd hangs: other clients do not wait') or diag "$answer $seconds";
($answer, $seconds) = rcpt(info('org'));
ok($answer =~ /^250/ && $seconds < 2.5, 'nor other directories') or diag "$answer $seconds";
my $start = time;
my @got = map { scalar <$_> } @waiting;
is(scalar(grep { /^451 4\.3\.0/ } @got), 5, 'those who wait for it are put off') or diag @got;
in_time($start, 9, 'in time');
($answer, $seconds) = rcpt(info());
ok($answer =~ /^451/ && $seconds < 2.5, 'who comes then is put off at once') or diag "$answer $seconds";
$s->wake;
my $again = info();
ok((wait_until { (rcpt($again))[0] =~ /^250/ } 15), 'it is awake, and asked again');

# ---- mail that is under way -------------------------------------------------------------------------------------------------

$s->stop;
$t->sendmail([info()], input => message(subject => 'later'));
$s->restart;
ok((wait_until { scalar grep { /^Subject: later/m } $sink->messages } 20), 'mail that came while slapd was away arrives when it is back')
  or diag $t->mailq->{out};

is($t->stop_batond, 0, 'batond leaves');
done_testing;
