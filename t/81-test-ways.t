#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
# `baton test` where there is no relayhost in the way: the MX hosts of a domain, with what MTA-STS says of them, and LMTP by TCP.
use strict;
use warnings;
use FindBin;
use Test::More;
use lib "$FindBin::Bin/lib";
use Baton::Dovecot;
use Baton::Test;

my $t = Baton::Test->new;
my $cert = $t->certificate(names => [ 'mx.good.test', 'mx.testing.test', '127.0.0.1' ]);
my $sink = $t->sink(args => [ '--cert', $cert->{cert}, '--key', $cert->{key}, '--reply', 'nobody@*=550 5.1.1 no such user' ]);
my $port = $sink->port;
my %zone = (
    'example.test MX' => [ '20 live.example.test', '10 dead.example.test', '15 nothing.example.test' ],
    'live.example.test A' => ['127.0.0.1'], 'dead.example.test A' => ['127.0.0.2'],
    'plain.test A' => ['127.0.0.1'],
    'null.test MX' => ['0 .'],
    'ours.test MX' => [ '10 client.example.test', '20 worse.test' ], 'worse.test A' => ['127.0.0.1'],
    'self.test MX' => ['10 mx.self.test'], 'mx.self.test A' => ['127.0.0.9'],
    'broken.test *' => 'SERVFAIL',
);
my %conf = (myhostname => 'client.example.test', relayhost => '', inet_protocols => 'ipv4', smtp_tcp_port => $port, alias_maps => '',
    inet_interfaces => '127.0.0.9', smtp_tls_CAfile => $cert->{ca}, smtp_tls_mta_sts => 'no',
    (Baton::Test::is_root() ? (mail_owner => 'nobody', setgid_group => 'nogroup') : ()));
sub walk { my ($to, %o) = @_; return $t->baton([ 'test', '-f', 'me@client.example.test', $to ], env => { BATON_NAMESERVERS => $t->nameserver({ %zone, %{ $o{zone} // {} } }) }) }

skip_all_unless_server(); # of the null client t/81-test.t

subtest 'the hosts of a domain, in their order' => sub {
    $t->config(%conf);
    my $r = walk('you@example.test');
    is($r->{code}, 0, 'one of them takes it: exit 0') or diag $r->{out}, $r->{err};
    my $out = $r->{out};
    like($out, qr/^ok +domain +example\.test\n(?:ok +name +example\.test has the mail exchanger \S+ \(\d\d\)\n){3}/m, 'they are told');
    like($out, qr/\(10\)\n.*\(15\)\n.*\(20\)\n/, 'by preference');
    like($out, qr/^warning +connect +.*127\.0\.0\.2.*refused.*\n +many networks block port 25/mi, 'the first is dead, which is no error yet');
    like($out, qr/^warning +name +.*nothing\.example\.test/m, 'the second has no address');
    like($out, qr/^ok +name +live\.example\.test: 127\.0\.0\.1\nok +TLS policy +may, by smtp_tls_security_level\nok +connect +127\.0\.0\.1:\d+/m,
        'the third is reached');
    like($out, qr/^ok +TLS +TLSv1.*\nnote +certificate .*does not ask for more/m, 'its certificate is looked at');
    like($out, qr/^Who was asked takes mail for you\@example\.test\. \(None was sent\.\)$/m, 'and the result');
    $r = walk('you@plain.test');
    is($r->{code}, 0, 'a domain without MX is its own host') or diag $r->{out};
    like($r->{out}, qr/^ok +name +plain\.test has no MX records/m, 'which is told');
    $r = walk('nobody@plain.test');
    is($r->{code}, 69, 'a recipient that is not there: exit 69');
    like($r->{out}, qr/^error +RCPT TO .*550 5\.1\.1.*\n +mail for this recipient would be returned/m, 'with the words of the host');
    is(scalar(() = $sink->messages), 0, 'nothing was sent');
};

subtest 'where it stops' => sub {
    for my $case (
        [ 'a@nowhere.test', qr/^error +name +.*nowhere\.test.*\n +is the domain spelt right/m, 'a domain that does not exist' ],
        [ 'a@null.test', qr/^error +name +null\.test says that it takes no mail \(MX "\."\)\n +mail for it is returned/m, 'one that takes no mail' ],
        [ 'a@ours.test', qr/^note +name +client\.example\.test is left out.*\n(?:.*\n)*error +route +mail for ours\.test loops back to myself\n +if this machine/m,
            'one whose best host is us by name' ],
        [ 'a@self.test', qr/^note +name +mx\.self\.test is left out: its address is one of this machine.*\nerror +route +mail for self\.test loops/m,
            'by address' ],
        [ 'a@broken.test', qr/^error +name +.*\n +does this machine's DNS work/m, 'a name server that fails' ],
    ) {
        my ($to, $want, $name) = @$case;
        my $r = walk($to);
        is($r->{code}, 69, "$name: exit 69");
        like($r->{out}, $want, 'and why') or diag $r->{err};
    }
    $t->config(%conf, smtp_fallback_relay => "[127.0.0.1]:$port");
    my $r = walk('a@nowhere.test');
    is($r->{code}, 0, 'smtp_fallback_relay takes what has no host') or diag $r->{out};
    like($r->{out}, qr/^ok +fallback +\[127\.0\.0\.1\]:$port \(smtp_fallback_relay\)$/m, 'and is named');
};

subtest 'which TLS' => sub {
    $t->config(%conf, smtp_tls_policy_maps => 'inline:{ plain.test = secure, example.test = perhaps }');
    my $r = walk('a@plain.test');
    is($r->{code}, 69, 'a row that wants a certificate that is not there: exit 69');
    like($r->{out}, qr/^ok +TLS policy +secure, by smtp_tls_policy_maps$/m, 'the row is named');
    like($r->{out}, qr/^error +TLS +the certificate is for .*\n +the host has to put that right/m, 'and what is wrong with the certificate') or diag $r->{out};
    $r = walk('a@example.test');
    like($r->{out}, qr/^error +TLS policy +smtp_tls_policy_maps: example\.test: "perhaps" is no level/m, 'a row that cannot be read') or diag $r->{out};
    my $bare = $t->sink;
    $t->config(%conf, smtp_tcp_port => $bare->port, smtp_tls_security_level => 'encrypt');
    $r = walk('a@plain.test');
    like($r->{out}, qr/^error +STARTTLS .*\n +it offers no TLS, which the policy above wants/m, 'a host without TLS where it is demanded') or diag $r->{out};
};

subtest 'MTA-STS' => sub {
    plan skip_all => 'baton-fetch is not built' if !-x build_dir() . '/baton-fetch';
    plan skip_all => 'openssl is not installed' if !grep { -x "$_/openssl" } split /:/, $ENV{PATH};
    my @domains = qw(good bad testing);
    my $web = $t->certificate(names => [ map { "mta-sts.$_.test" } @domains ]);
    my $at = free_port();
    my %policy = (good => "mode: enforce\r\nmx: mx.good.test", bad => "mode: enforce\r\nmx: other.bad.test", testing => "mode: testing\r\nmx: mx.testing.test");
    spew($t->path('all.pem'), join '', map { slurp($_) } $cert->{ca}, $web->{ca});
    for my $d (@domains) {
        $zone{"$d.test MX"} = ["10 mx.$d.test"];
        $zone{"mx.$d.test A"} = $zone{"mta-sts.$d.test A"} = ['127.0.0.1'];
        $zone{"_mta-sts.$d.test TXT"} = ['v=STSv1; id=1;'];
    }
    my $folder = $t->path('www');
    mkdir $_ for $folder, "$folder/.well-known";
    my $server = $t->_spawn([ 'sh', '-c', 'cd "$1" && shift && exec openssl s_server "$@"', 'sh', $folder, '-accept', "127.0.0.1:$at", '-cert', $web->{cert},
        '-key', $web->{key}, '-HTTP', '-quiet' ], stdout => $t->path('web.log'), stderr => $t->path('web.log'));
    (wait_until { IO::Socket::INET->new(PeerAddr => "127.0.0.1:$at") } 10) or die 'the web does not start: ' . slurp($t->path('web.log'));
    $t->config(%conf, smtp_tls_mta_sts => 'yes', mta_sts_port => $at, smtp_tls_CAfile => $t->path('all.pem'));
    my $ask = sub {
        my ($d) = @_;
        my $body = "version: STSv1\r\n$policy{$d}\r\nmax_age: 86400\r\n";
        spew("$folder/.well-known/mta-sts.txt", "HTTP/1.0 200 ok\r\nContent-Type: text/plain\r\n\r\n$body");
        return walk("a\@$d.test");
    };
    my $r = $ask->('good');
    is($r->{code}, 0, 'a policy that is kept to') or diag $r->{out}, $r->{err}, slurp($t->path('web.log'));
    like($r->{out}, qr/^ok +MTA-STS +good\.test publishes mode enforce: mx\.good\.test\nok +TLS policy +secure, by MTA-STS$/m, 'is told');
    like($r->{out}, qr/^ok +certificate +for mx\.good\.test/m, 'and the certificate is verified');
    $r = $ask->('bad');
    is($r->{code}, 69, 'a policy that does not name the host: exit 69');
    like($r->{out}, qr/^error +TLS policy +MTA-STS: the policy of bad\.test does not name this host\n +the domain has to put that right/m, 'and what to do') or diag $r->{out};
    $r = $ask->('testing');
    is($r->{code}, 0, 'mode testing') or diag $r->{out};
    ok(!-e $t->spool . '/mta-sts', 'nothing is kept on disk');
    Baton::Test::_end($server, 'TERM', 5);
    delete $zone{'mta-sts.good.test A'};
    $r = walk('a@good.test');
    is($r->{code}, 0, 'a policy that cannot be had does not count');
    like($r->{out}, qr/^ok +MTA-STS +good\.test has no policy that counts$/m, 'which is told');
    like($r->{err}, qr/MTA-STS: the policy 1 of good\.test cannot be had/, 'and why') or diag $r->{out};
};

subtest 'LMTP by TCP, to a real Dovecot' => sub {
    plan skip_all => 'dovecot is not installed' if !Baton::Dovecot::is_there();
    my $own = $t->certificate(names => [ 'localhost', '127.0.0.1' ]);
    my $d = $t->dovecot(users => { 'joe@here.test' => 'x' }, cert => $own);
    my %lmtp = (%conf, mydestination => 'here.test', local_recipient_maps => '', lmtp_tls_CAfile => $own->{ca});
    my $hop = 'lmtp:inet:127.0.0.1:' . $d->lmtp_port;
    $t->config(%lmtp, mailbox_transport => $hop, lmtp_tls_security_level => 'secure');
    my $r = walk('joe@here.test');
    is($r->{code}, 0, 'it takes the recipient: exit 0') or diag $r->{out}, $r->{err}, $d->log_text;
    like($r->{out}, qr/^ok +route +joe\@here\.test goes to \Q$hop\E\nok +LMTP +.*\n/m, 'the way is told');
    like($r->{out}, qr/^ok +TLS policy +secure, by lmtp_tls_security_level$/m, 'which TLS');
    like($r->{out}, qr/^ok +TLS +TLSv1.*\nok +certificate +for .*\bok +LHLO /ms, 'TLS, the certificate, and LHLO');
    like($r->{out}, qr/^ok +recipient +<joe\@here\.test>: 250/m, 'and the recipient');
    $r = walk('nobody@here.test');
    is($r->{code}, 69, 'whom Dovecot does not know: exit 69');
    like($r->{out}, qr/^error +RCPT TO .*550/m, 'with its words');
    $t->config(%lmtp, mailbox_transport => $hop, lmtp_tls_security_level => 'verify', lmtp_tls_CAfile => $t->certificate(names => ['x.test'], self_signed => 1)->{cert});
    $r = walk('joe@here.test');
    is($r->{code}, 69, 'a certificate of an authority that is not known');
    like($r->{out}, qr/^error +TLS +.*\n +if the authority is your own, name its certificate in lmtp_tls_CAfile/m, 'and where to name it') or diag $r->{out};
    my $closed = free_port();
    $t->config(%lmtp, mailbox_transport => "lmtp:inet:127.0.0.1:$closed inet:127.0.0.1:" . $d->lmtp_port);
    $r = walk('joe@here.test');
    is($r->{code}, 0, 'a second host takes it where the first does not answer') or diag $r->{out};
    like($r->{out}, qr/^warning +connect +.*refused.*\n +does its server run, and listen there/mi, 'which is told');
};

done_testing;
undef $t;
