#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
# `baton test` and `baton check --live`: the way to the relayhost, aloud, with what to change where it stops.
use strict;
use warnings;
use FindBin;
use Test::More;
use lib "$FindBin::Bin/lib";
use Baton::Test;
use Baton::FakeRelay;

my $t = Baton::Test->new;

sub test_mail {
    my ($conf, @args) = @_;
    $conf .= qq(alias_maps = ""\n) if $conf !~ /alias_maps/;
    Baton::Test::spew($t->conf, "myhostname = c.example.test\nqueue_directory = \"" . $t->spool . "\"\n$conf", 0600);
    return $t->run([ Baton::Test::program('baton'), '-c', $t->conf, 'test', @args ]);
}

my $relay = $t->fake_relay(rcpt => { 'no@b.test' => '550 5.1.1 no such user', else => '250 2.1.5 ok' });
my $conf = 'relayhost = "' . $relay->address . "\"\n";
my $r = test_mail($conf, '-f', 'me@a.test', 'you@b.test');
is($r->{code}, 0, 'a relayhost that takes it: exit 0') or diag $r->{out}, $r->{err};
like($r->{out}, qr/^ok +connect +127\.0\.0\.1:/m, 'the connection is told');
like($r->{out}, qr/^ok +greeting +220 fake\.example\.test/m, 'the greeting');
like($r->{out}, qr/^ok +EHLO +as c\.example\.test; it offers PIPELINING/m, 'what it offers');
like($r->{out}, qr/^ok +sender +<me\@a\.test>\nok +recipient +<you\@b\.test>: 250 2\.1\.5 ok/m, 'sender and recipient');
like($r->{out}, qr/^The relayhost takes mail for you\@b\.test\. \(None was sent\.\)$/m, 'and the result');
$relay->wait_transcript(qr/C: RSET/);
is(scalar(() = $relay->messages), 0, 'no message was sent');

$r = test_mail($conf, 'no@b.test');
is($r->{code}, 69, 'one that does not: exit 69');
like($r->{out}, qr/^error +RCPT TO +127\.0\.0\.1 said: 550 5\.1\.1 no such user$/m, 'with its words');

$r = test_mail($conf, '-v', 'you@b.test');
like($r->{out}, qr/^note +we say +EHLO c\.example\.test$/m, '-v shows the conversation');

$relay->script(mail => '530 5.7.0 Authentication required');
$r = test_mail($conf, 'you@b.test');
like($r->{out}, qr/^error +MAIL FROM .*530 5\.7\.0.*\n.*login/m, 'a relayhost that wants a login: what to write');

$relay->script(mail => '250 2.1.0 ok', rcpt => '250 2.1.5 ok');
Baton::Test::spew($t->path('aliases'), "root: you\@b.test, joe\njoe: joe\@c.test\nbroken\n");
my $aliases = $conf =~ s/\z/alias_maps = \"@{[$t->path('aliases')]}\"\n/r;
$r = test_mail($aliases, 'root');
like($r->{out}, qr/^ok +address +root is you\@b\.test\nok +address +root is joe\@c\.test$/m, 'aliases are told') or diag $r->{out};
like($r->{out}, qr/^ok +recipient +<joe\@c\.test>: 250/m, 'and each address asked for');
is($r->{code}, 0, 'the relayhost takes both');
my $anybody = Baton::Test::has_server() ? "local_recipient_maps = \"\"\n" : '';
$r = test_mail($aliases . "mydestination = here.test\n${anybody}local_transport = \"error:5.1.1 not here\"\n", 'nobody@here.test');
is($r->{code}, 69, 'what local_transport refuses stops before the relayhost');
like($r->{out}, qr/^error +address +<nobody\@here\.test>: 5\.1\.1 not here$/m, 'and says so') or diag $r->{out};

# ---- what does not answer -----------------------------------------------------------------------------------------------

my $closed = Baton::Test::free_port();
$r = test_mail("relayhost = \"[127.0.0.1]:$closed\"\n", 'you@b.test');
is($r->{code}, 69, 'nobody listens: exit 69');
like($r->{out}, qr/^error +connect .*refused.*\n +is the port right\?/mi, 'and what that may be');
$r = test_mail("relayhost = \"[127.0.0.1]:$closed, " . $relay->address . "\"\n", 'you@b.test');
like($r->{out}, qr/^warning +connect .*refused/mi, 'with a second relayhost it is a warning');
$r = test_mail("relayhost = \"[nowhere.invalid]:$closed\"\n", 'you@b.test');
like($r->{out}, qr/^error +name +.*nowhere\.invalid/m, 'a name that does not exist is told as such');
$r = test_mail('', 'you@b.test');
is($r->{code}, 69, 'no relayhost: exit 69');
like($r->{out}, qr/There is no relayhost: mail for you\@b\.test is kept/, 'and what becomes of mail');
$relay->script(banner => 'drop');
$r = test_mail($conf, 'you@b.test');
like($r->{out}, qr/^error +(?:greeting|connect|the initial).*\n?/mi, 'a connection closed without a word');
is($r->{code}, 69, 'does not hang');

# ---- logins and TLS -----------------------------------------------------------------------------------------------------

my $cert = $t->certificate(names => [ 'localhost', '127.0.0.1' ]);
my $other = $t->certificate(names => ['elsewhere.example']);
chmod 0600, $cert->{key}, $other->{key};
my $sink = $t->sink(args => [ '--cert', $cert->{cert}, '--key', $cert->{key}, '--login', 'joe:pa ss' ]);
my $wrong = $t->sink(args => [ '--cert', $other->{cert}, '--key', $other->{key} ]);
sub at { 'relayhost = "[localhost]:' . $_[0]->port . "\"\ninet_protocols = ipv4\nsmtp_tls_CAfile = \"$cert->{ca}\"\n" }
sub login { 'login "[localhost]:' . $_[0]->port . "\" { user = joe, password = '$_[1]' }\n" }

$r = test_mail(at($sink) . login($sink, 'pa ss'), 'you@b.test');
is($r->{code}, 0, 'a login within verified TLS') or diag $r->{out}, $r->{err};
like($r->{out}, qr/^ok +TLS +TLSv1\.[23], /m, 'its version and cipher are told');
like($r->{out}, qr/^ok +certificate +for localhost/m, 'whom its certificate is for');
like($r->{out}, qr/^ok +login +as joe, by PLAIN$/m, 'the login');
$r = test_mail(at($sink) . login($sink, 'wrong'), 'you@b.test');
like($r->{out}, qr/^error +\S*AUTH\S* .*535.*\n +\S/m, 'a wrong password, and what to do');
unlike($r->{out}, qr/wrong/, 'which is not shown');
$r = test_mail(at($sink), 'you@b.test');
like($r->{out}, qr/^note +login +it offers one/m, 'a login that is missing is pointed out');
is($r->{code}, 69, 'and missed');
$r = test_mail(at($wrong) . "smtp_tls_security_level = secure\n", 'you@b.test');
like($r->{out}, qr/^error +TLS +.*elsewhere\.example.*\n.*(?:write the relayhost by a name|elsewhere)/m,
    'a certificate for another name: which names it is for') or diag $r->{out};
$r = test_mail('relayhost = "[localhost]:' . $sink->port . "\"\ninet_protocols = ipv4\nsmtp_tls_security_level = secure\n", 'you@b.test');
like($r->{out}, qr/^error +TLS +.*\n +if the authority is your own, name its certificate in smtp_tls_CAfile/m,
    'an authority that is not known: where to name it') or diag $r->{out};
$r = test_mail(at($wrong) . "smtp_tls_security_level = encrypt\n", 'you@b.test');
is($r->{code}, 0, 'encrypt does not look at the certificate');
like($r->{out}, qr/^note +certificate .*elsewhere/m, 'but tells what is wrong with it');

# ---- check --live -------------------------------------------------------------------------------------------------------

Baton::Test::spew($t->conf, "myhostname = c.example.test\nqueue_directory = \"" . $t->spool . "\"\nalias_maps = \"\"\n"
      . "inet_interfaces = \"\"\n" . (Baton::Test::is_root() ? "mail_owner = nobody\nsetgid_group = nogroup\n" : '')
      . at($sink) . login($sink, 'pa ss'), 0600);
$r = $t->run([ Baton::Test::program('baton'), '-c', $t->conf, 'check', '--live' ]);
is($r->{code}, 0, 'check --live goes there too') or diag $r->{out}, $r->{err};
like($r->{out}, qr/^ok +login +as joe, by PLAIN$/m, 'to the end of the login');
Baton::Test::spew($t->conf, Baton::Test::slurp($t->conf) =~ s/^alias_maps.*/alias_maps = "@{[$t->path('aliases')]}"/mr, 0600);
$r = $t->run([ Baton::Test::program('baton'), '-c', $t->conf, 'check' ]);
like($r->{out}, qr/^warning +aliases .*aliases:3: /m, 'a broken line of the aliases is told') or diag $r->{out};
like($r->{out}, qr/^ok +aliases +root's mail goes to you\@b\.test/m, 'and whom root is');
$sink->stop;
$r = $t->run([ Baton::Test::program('baton'), '-c', $t->conf, 'check', '--live' ]);
is($r->{code}, 78, 'and says when nobody is there');
$r = $t->run([ Baton::Test::program('baton'), '-c', $t->conf, 'check' ]);
is($r->{code}, 0, 'check alone leaves the network alone');
$r = $t->run([ Baton::Test::program('baton'), '-c', $t->conf, '--json', 'check' ]);
my $json = eval { require JSON::PP; JSON::PP::decode_json($r->{out}) };
ok($json && $json->{ok} && @{ $json->{findings} } > 3, 'and gives one object with --json') or diag $r->{out};

done_testing();
undef $t; # named subs hold it: its folder goes now, not at the very end
