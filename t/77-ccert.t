#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
# Certificates of clients: asked for, demanded, known by authority and by fingerprint; what restrictions, logs, Received:, policy servers
# make of them; and sessions that are resumed, which never count for one.
use strict;
use warnings;
use Test::More;
use FindBin;
use lib "$FindBin::Bin/lib";
use Baton::Client;
use Baton::Filter;
use Baton::PolicyServer;
use Baton::Test;

skip_all_unless_server();
plan skip_all => 'IO::Socket::SSL is not installed' if !eval { require IO::Socket::SSL; 1 };

my $t = Baton::Test->new;
my $sink = $t->sink;
mkdir $t->path($_) for qw(theirs);
my $c = $t->certificate(names => ['mx.example.test']);
my %of = (
    good => $t->certificate(names => ['app.example.test'], cn => 'app.example.test'),
    listed => $t->certificate(names => ['listed.example.test'], self_signed => 1),
    bykey => $t->certificate(names => ['bykey.example.test'], self_signed => 1),
    stranger => Baton::Cert::make($t->path('theirs'), names => ['stranger.example.test']),
    expired => $t->certificate(names => ['old.example.test'], days => -1),
    hostile => $t->certificate(names => ['x.example.test'], self_signed => 1, cn => 'a) by evil (x";'),
);

$of{rsa} = { map { $_ => $t->path("rsa.$_") } qw(key cert) };
$t->run([ qw(openssl req -x509 -newkey rsa:2048 -nodes -days 30 -subj /CN=rsa.example.test -keyout), $of{rsa}{key}, '-out', $of{rsa}{cert} ]);

# openssl's word for it, in the form of Postfix's tables
sub print_of {
    my ($file, $digest) = @_;
    my $r = $t->run([ qw(openssl x509 -noout -fingerprint), '-' . ($digest // 'sha256'), '-in', $file ]);
    return $r->{out} =~ /=([0-9A-F:]+)/ ? $1 : die "no fingerprint: $r->{err}";
}

sub key_print_of {
    my ($file) = @_;
    my $r = $t->run([ 'sh', '-c', 'openssl x509 -noout -pubkey -in "$1" | openssl pkey -pubin -outform DER | openssl dgst -sha256 -c', 'sh', $file ]);
    return $r->{out} =~ /([0-9a-f:]{95})/ ? uc $1 : die "no fingerprint: $r->{err}";
}

my %port = map { $_ => free_port() } qw(may encrypt demand implicit plain);
my $listens = join '', map { "listen $_->[0] { address = 127.0.0.1 port = $port{$_->[0]} $_->[1] }\n" }
    [ may => 'tls = may' ], [ encrypt => 'tls = encrypt' ], [ demand => 'tls = encrypt smtpd_tls_req_ccert = yes' ],
    [ implicit => 'tls = implicit smtpd_tls_req_ccert = yes' ], [ plain => 'tls = may smtpd_tls_ask_ccert = no' ];
my $policy = Baton::PolicyServer->start(dir => $t->dir);
my $relay = $t->path('relay_ccerts');
my $access = $t->path('access');
spew($relay, print_of($of{listed}{cert}) . " listed\n" . print_of($of{rsa}{cert}) . " rsa\n" . lc(key_print_of($of{bykey}{cert})) . " by its key\n");
spew($access, print_of($of{stranger}{cert}) . " REJECT go away\n" . key_print_of($of{good}{cert}) . " OK\n");
my %conf = (relayhost => $sink->address, myhostname => 'mx.example.test', smtpd_tls_cert_file => $c->{cert}, smtpd_tls_key_file => $c->{key},
    mynetworks => '192.0.2.0/24', smtpd_tls_ask_ccert => 'yes', smtpd_tls_CAfile => $c->{ca}, smtpd_tls_loglevel => 2,
    smtpd_tls_received_header => 'yes', relay_clientcerts => "hash:$relay", smtpd_authorized_xclient_hosts => '127.0.0.0/8', raw => $listens,
    smtpd_relay_restrictions => 'permit_mynetworks, permit_tls_clientcerts, reject_unauth_destination');
sub configure { $t->config(%conf, @_); $t->stop_batond if $t->batond_pid; $t->start_batond }

# A client within TLS that has said EHLO; who: whose certificate it shows
sub client {
    my ($port, $who, %o) = @_;
    my %own = $who ? (cert => $of{$who}{cert}, key => $of{$who}{key}) : ();
    my $s = Baton::Client->new(port => $port);
    if ($port == $port{implicit}) {
        $s->handshake(%own, %o) or return $s;
        $s->{first} = $s->reply;
        return $s;
    }
    $s->greet;
    $s->starttls(%own, %o) or return $s;
    $s->{first} = $s->say('EHLO client.test');
    return $s;
}

sub rcpt {
    my ($s, $to) = @_;
    $s->say('MAIL FROM:<me@client.test>');
    return $s->say('RCPT TO:<' . ($to // 'you@elsewhere.test') . '>');
}

my $ok = "250 2.1.5 Ok\n";
my $denied = "554 5.7.1 <you\@elsewhere.test>: Relay access denied\n";
my @versions = ('TLSv1_2');
push @versions, 'TLSv1_3' if do { configure(); client($port{may}, undef, version => 'TLSv1_3')->{is_tls} };
note "versions: @versions";

for my $v (@versions) {
    subtest "who may relay, $v" => sub {
        is(rcpt(client($port{may}, undef, version => $v)), $denied, 'a client without a certificate may not');
        is(rcpt(client($port{may}, 'listed', version => $v)), $ok, 'one whose certificate is in relay_clientcerts may, whoever has made it');
        is(rcpt(client($port{may}, 'bykey', version => $v)), $ok, '... or whose key is, in small letters');
        is(rcpt(client($port{may}, 'rsa', version => $v)), $ok, '... or that has an RSA key');
        is(rcpt(client($port{may}, 'good', version => $v)), $denied, 'one of our authority alone may not');
        is(rcpt(client($port{may}, 'stranger', version => $v)), $denied, 'nor may a stranger');
        is(rcpt(client($port{plain}, 'listed', version => $v)), $denied, 'where none is asked for nobody may');
        my $s = client($port{may}, 'listed', version => $v);
        is($s->say('XCLIENT ADDR=198.51.100.7 NAME=[UNAVAILABLE]'), "220 mx.example.test ESMTP Baton\n", 'who speaks for others by XCLIENT');
        $s->say('EHLO other.test');
        is(rcpt($s), $denied, '... does not lend them its certificate');
    };

    subtest "where a trusted certificate is demanded, $v" => sub {
        is(rcpt(client($port{demand}, 'good', version => $v)), $denied, 'one of our authority gets in (and may not relay for that)');
        like(client($port{demand}, 'good', version => $v)->{first}, qr/^250[ -]mx\.example\.test/, '... and is greeted');
        for ([ undef, 'No client certificate presented' ], map { [ $_, 'Client certificate not trusted' ] } qw(listed stranger expired)) {
            my ($who, $why) = @$_;
            my $s = client($port{demand}, $who, version => $v);
            is($s->{first}, "421 4.7.1 mx.example.test Error: $why\n", ($who // 'none') . ': no');
            ok($s->ended, '... and the end');
        }
        like(client($port{implicit}, 'good', version => $v)->{first}, qr/^220 mx\.example\.test/, 'implicit TLS: greeted');
        is(client($port{implicit}, undef, version => $v)->{first}, "421 4.7.1 mx.example.test Error: No client certificate presented\n", '... or not');
        like(client($port{encrypt}, undef, version => $v)->{first}, qr/^250/, 'where it is only asked for, others get in');
        ok($t->wait_log(qr/NOQUEUE: abort: TLS from unknown\[127\.0\.0\.1\]: Client certificate not trusted: the certificate has expired on 2020-02-01/),
            'the log says who and why');
    };
}

subtest 'the log, as Postfix has it' => sub {
    configure();
    client($port{may}, $_) for 'good', 'stranger', undef;
    ok($t->wait_log(qr/ $_ TLS connection established from unknown\[127\.0\.0\.1\]: TLSv1\.[23] with cipher \S+ \((\d+)\/\1 bits\)$/), $_)
        for qw(Trusted Untrusted Anonymous);
    my ($print, $key) = (print_of($of{good}{cert}), key_print_of($of{good}{cert}));
    ok($t->wait_log(qr/unknown\[127\.0\.0\.1\]: subject_CN=app\.example\.test, issuer=Baton test authority, fingerprint=$print, pkey_fingerprint=$key$/),
        'whose it is, and its fingerprints, as openssl makes them');
};

subtest 'Received:' => sub {
    configure(smtpd_relay_restrictions => 'permit_tls_all_clientcerts, permit_tls_clientcerts, reject_unauth_destination', relay_clientcerts => "static:yes",
        mynetworks => '127.0.0.0/8', smtpd_recipient_restrictions => 'reject_unauth_destination', relay_domains => 'elsewhere.test');
    my %want = (good => 'Client CN "app.example.test", Issuer "Baton test authority" (verified OK)',
        stranger => 'Client CN "stranger.example.test", Issuer "Baton test authority" (not verified)',
        hostile => 'Client CN "a? by evil ?x??", Issuer "a? by evil ?x??" (not verified)', '' => 'Client did not present a certificate');
    my $n = 0;
    for my $who (sort keys %want) {
        like(client($port{may}, $who || undef)->deliver(to => "$n\@elsewhere.test"), qr/^250 /, ($who || 'none') . ' is taken');
        my ($m) = ($sink->wait_messages(++$n))[-1];
        like($m, qr/bits\)\)\r?\n\t\(\Q$want{$who}\E\)\r?\n\tby mx\.example\.test/, '... and named') or diag $m;
    }
    client($port{plain}, 'good')->deliver(to => 'x@elsewhere.test');
    like(($sink->wait_messages(++$n))[-1], qr/\(No client certificate requested\)/, 'where it is not asked for that is said');
};

subtest 'restrictions' => sub {
    configure(smtpd_relay_restrictions => 'permit_tls_all_clientcerts, reject_unauth_destination');
    is(rcpt(client($port{may}, 'good')), $ok, 'permit_tls_all_clientcerts: of our authority');
    is(rcpt(client($port{may}, $_)), $denied, "... and not $_") for qw(listed stranger expired);
    configure(smtpd_relay_restrictions => "check_ccert_access hash:$access, reject_unauth_destination");
    is(rcpt(client($port{may}, 'good')), $ok, 'check_ccert_access: by its key');
    is(rcpt(client($port{may}, 'stranger')), "554 5.7.1 <unknown[127.0.0.1]>: Client certificate rejected: go away\n", '... by its fingerprint');
    is(rcpt(client($port{may}, 'listed')), $denied, '... one that is not there');
    is(rcpt(client($port{may}, undef)), $denied, '... none');
    configure(smtpd_tls_fingerprint_digest => 'sha1', relay_clientcerts => 'inline:{ {' . print_of($of{stranger}{cert}, 'sha1') . ' = x} }');
    is(rcpt(client($port{may}, 'stranger')), $ok, 'with another digest');
    is(rcpt(client($port{may}, 'listed')), $denied, '... others are not found');
    configure(smtpd_tls_ccert_verifydepth => 0, smtpd_relay_restrictions => 'permit_tls_all_clientcerts, reject_unauth_destination');
    is(rcpt(client($port{may}, 'good')), $denied, 'smtpd_tls_ccert_verifydepth = 0: no authority above it');
    configure(smtpd_tls_CAfile => '', smtpd_tls_CApath => '', smtpd_relay_restrictions => 'permit_tls_all_clientcerts, permit_tls_clientcerts, reject_unauth_destination',
        raw => $listens =~ s/ smtpd_tls_req_ccert = yes//gr);
    is(rcpt(client($port{may}, 'good')), $denied, 'without authorities of our own none is trusted, the system has what it will');
    is(rcpt(client($port{may}, 'listed')), $ok, '... and fingerprints count');
};

subtest 'authorities that give anybody a certificate' => sub {
    my %check = (relayhost => $sink->address, smtpd_tls_cert_file => $c->{cert}, smtpd_tls_key_file => $c->{key}, smtpd_tls_ask_ccert => 'yes');
    my $permit = 'smtpd_relay_restrictions = "permit_tls_all_clientcerts, reject_unauth_destination"';
    my $listen = "listen own {\n address = 127.0.0.1\n port = $port{may}\n $permit\n}\n";
    for my $file (qw(/etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-bundle.crt /etc/pki/tls/certs/ca-bundle.crt)) {
        $t->config(%check, smtpd_tls_CAfile => $file, raw => $listen);
        like($t->baton(['check'])->{out}, qr/^error .*listen own: smtpd_relay_restrictions: everybody with a certificate, and anybody gets one, is permitted/m, $file);
    }
    my ($many, $one) = ($t->path('many.pem'), $t->path('one.pem'));
    for my $n (1 .. 21) {
        $t->run([ qw(openssl req -x509 -days 30 -key), $of{listed}{key}, '-subj', "/CN=authority $n", '-out', $one ]);
        spew($many, (-e $many ? slurp($many) : '') . slurp($one));
    }
    $t->config(%check, smtpd_tls_CAfile => $many, raw => $listen);
    like($t->baton(['check'])->{out}, qr/^warning +client certs +permit_tls_all_clientcerts permits whoever has a certificate of one of 21 authorities/m, 'many, and one listener permits all');
    $t->config(%check, smtpd_tls_CAfile => $many, raw => $listen =~ s/permit_tls_all_clientcerts, //r);
    like($t->baton(['check'])->{out}, qr/^ok +client certs +asked for; 21 authorities/m, '... none does');
};

subtest 'headers of those whose certificate is in relay_clientcerts' => sub {
    my $fake = $t->fake_relay;
    my $own = 'relay_clientcerts = "inline:{ {' . print_of($of{stranger}{cert}) . ' = x} }"';
    configure(relayhost => $fake->address, mynetworks => '127.0.0.0/8', local_header_rewrite_clients => 'permit_tls_clientcerts', relay_domains => 'elsewhere.test',
        canonical_maps => 'inline:{ ann@old.test = ann@new.test }', raw => $listens =~ s/tls = may/tls = may $own/r);
    my $n = 0;
    for ([ encrypt => 'listed', 1 ], [ encrypt => 'stranger', 0 ], [ may => 'stranger', 1 ], [ may => 'listed', 0 ]) {
        my ($at, $who, $is_ours) = @$_;
        my $s = client($port{$at}, $who);
        rcpt($s, 'you@elsewhere.test');
        $s->say('DATA');
        like($s->say("From: me\@client.test\r\nTo: ann\@old.test\r\n\r\nx\r\n."), qr/^250 /, "listener $at, $who");
        my ($m) = ($fake->wait_messages(++$n))[-1];
        like($m->{content}, $is_ours ? qr/^To: ann\@new\.test\r$/m : qr/^To: ann\@old\.test\r$/m, $is_ours ? '... is one of us' : '... is not');
    }
};

subtest 'a policy server is told' => sub {
    configure(smtpd_recipient_restrictions => 'check_policy_service ' . $policy->place, relay_domains => 'elsewhere.test');
    rcpt(client($port{may}, 'good'));
    my $told = ($policy->requests)[-1];
    is($told->{ccert_subject}, 'app.example.test', 'the name');
    is($told->{ccert_issuer}, 'Baton+20test+20authority', '... who has made it, in xtext');
    is($told->{ccert_fingerprint}, print_of($of{good}{cert}), '... its fingerprint');
    is($told->{ccert_pubkey_fingerprint}, key_print_of($of{good}{cert}), '... and that of its key');
    rcpt(client($port{may}, 'stranger'));
    $told = ($policy->requests)[-1];
    is("$told->{ccert_subject}|$told->{ccert_issuer}", '|', 'the names of a stranger are not passed on');
    is($told->{ccert_fingerprint}, print_of($of{stranger}{cert}), '... its fingerprint is');
    rcpt(client($port{may}, undef));
    is(($policy->requests)[-1]{ccert_fingerprint}, '', 'none: nothing');
};

subtest 'a milter is told' => sub {
    plan skip_all => 'pymilter is not installed' if !Baton::Filter::has('python');
    my $f = Baton::Filter->python($t, <<'END');
def hello(self, name): # with which these macros come
    return Milter.CONTINUE
def envfrom(self, f, *more):
    log.write("%s|%s\n" % (self.getsymval("{cert_subject}"), self.getsymval("{cert_issuer}")))
    return Milter.CONTINUE
END
    configure(smtpd_milters => $f->address);
    rcpt(client($port{may}, 'good'));
    ok(wait_until(sub { $f->log_text =~ /^app\.example\.test\|Baton test authority$/m }), 'the name, and who has made it') or diag $f->log_text;
    rcpt(client($port{may}, undef));
    ok(wait_until(sub { $f->log_text =~ /^None\|None$/m }), 'none: nothing') or diag $f->log_text;
};

# ---- sessions ------------------------------------------------------------------------------------------------------------------

sub s_client {
    my ($port, @args) = @_;
    splice @args, -2 if @args > 1 && $args[-2] eq '-sess_in' && !-s $args[-1]; # openssl was given nothing to keep
    my $r = $t->run([ qw(openssl s_client -starttls smtp -ign_eof -crlf -connect), "127.0.0.1:$port", @args ],
        input => "EHLO me\nMAIL FROM:<me\@client.test>\nRCPT TO:<you\@elsewhere.test>\nQUIT\n", timeout => 15);
    my $said = $r->{out} . $r->{err};
    return join ' ', $said =~ /^(New|Reused), TLSv/m, $said =~ /^(250 2\.1\.5|554 5\.7\.1|421 4\.7\.1)/m;
}

configure(smtpd_forbid_unauth_pipelining => 'no');
for my $v (@versions) {
    my @v = ('-' . lc $v =~ s/v//r);
    my @mine = ('-cert', $of{listed}{cert}, '-key', $of{listed}{key});
    my $file = $t->path("session-$v");
    subtest "sessions, $v" => sub {
        is(s_client($port{may}, @v, @mine, '-sess_out', $file), 'New 250 2.1.5', 'with its certificate a client may relay');
        is(s_client($port{may}, @v, '-sess_in', $file), 'New 554 5.7.1', 'its session is no way around: without the certificate it may not');
        is(s_client($port{may}, @v, @mine, '-sess_in', $file), 'New 250 2.1.5', 'and with it the handshake is made anew');
        unlink $file;
        is(s_client($port{may}, @v, '-sess_out', $file), 'New 554 5.7.1', 'a session without one');
        is(s_client($port{may}, @v, '-sess_in', $file), 'Reused 554 5.7.1', '... is resumed, and stays without');
        is(s_client($port{may}, @v, @mine, '-sess_in', $file), 'Reused 554 5.7.1', '... also when there is one now');
        unlink $file;
        s_client($port{plain}, @v, '-sess_out', $file);
        is(s_client($port{plain}, @v, '-sess_in', $file), 'Reused 554 5.7.1', 'a session of a listener that does not ask is resumed there');
        is(s_client($port{may}, @v, @mine, '-sess_in', $file), 'New 250 2.1.5', '... and not where one is asked for');
        is(s_client($port{demand}, @v, '-sess_in', $file), 'New 421 4.7.1', '... nor where one is demanded');
        unlink $file;
        s_client($port{demand}, @v, '-cert', $of{good}{cert}, '-key', $of{good}{key}, '-sess_out', $file);
        is(s_client($port{demand}, @v, '-sess_in', $file), 'New 421 4.7.1', 'nor does a session from there open the door again');
    };
}

SKIP: {
    my ($swaks) = grep { -x } map { "$_/swaks" } split /:/, $ENV{PATH};
    skip 'swaks is not installed', 2 if !$swaks;
    my @to = ($swaks, qw(--from me@example.test --to you@elsewhere.test --server 127.0.0.1 --timeout 10 --tls --port), $port{encrypt});
    my $r = $t->run([ @to, '--tls-cert', $of{listed}{cert}, '--tls-key', $of{listed}{key} ]);
    is($r->{code}, 0, 'swaks relays with its certificate') or diag $r->{out};
    $r = $t->run(\@to);
    isnt($r->{code}, 0, 'and not without');
}

subtest 'a reload takes up another authority' => sub {
    configure(smtpd_relay_restrictions => 'permit_tls_all_clientcerts, reject_unauth_destination');
    is(rcpt(client($port{may}, 'good')), $ok, 'before');
    $t->config(%conf, smtpd_tls_CAfile => $t->path('theirs/ca.pem'), smtpd_relay_restrictions => 'permit_tls_all_clientcerts, reject_unauth_destination');
    ok($t->reload_batond, 'the reload');
    ok(wait_until(sub { rcpt(client($port{may}, 'stranger')) eq $ok }), 'theirs is ours now');
    is(rcpt(client($port{may}, 'good')), $denied, '... and ours is not');
};

done_testing;
