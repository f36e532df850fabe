#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
# MTA-STS: what domains publish of their mail servers, fetched by HTTPS from a server of the test's own, kept, and kept to.
use strict;
use warnings;
use FindBin;
use IO::Socket::INET;
use Test::More;
use lib "$FindBin::Bin/lib";
use Baton::Cert;
use Baton::Test;

my $build = build_dir();
plan skip_all => 'baton-fetch is not built' if !-x "$build/baton-fetch";
plan skip_all => 'python3 is not installed' if !grep { -x "$_/python3" } split /:/, $ENV{PATH};

my $text = "From: me\@client.example.test\nTo: you\@example.test\nSubject: hello\n\nbody\n";
my $t = Baton::Test->new;

# ---- the web --------------------------------------------------------------------------------------------------------------

my @domains = qw(good wild badmx badcert testing none long gone redirect html big broken);
my $web = Baton::Cert::make($t->dir, names => [ map { "mta-sts.$_.test" } @domains ]);
my $port = free_port();
sub policy { my ($mode, @mx) = @_; return join '', map { "$_\r\n" } 'version: STSv1', "mode: $mode", 'max_age: 86400', map { "mx: $_" } @mx }
my %policies = (
    good => policy('enforce', 'mx.good.test'), wild => policy('enforce', '*.wild.test'), badmx => policy('enforce', 'other.badmx.test'),
    badcert => policy('enforce', 'mx.badcert.test'), testing => policy('testing', 'other.testing.test'), none => policy('none'),
    gone => policy('enforce', 'mx.gone.test'), long => policy('enforce', 'mx.long.test'), html => policy('enforce', 'nowhere.test'), big => policy('enforce', 'nowhere.test') . "x: y\r\n" x 20000,
    broken => "version: STSv1\nmode: enforce\n", redirect => '',
);
mkdir $t->path('web');
spew($t->path("web/mta-sts.$_.test"), $policies{$_}) for keys %policies;
spew($t->path('web.py'), <<'END');
import http.server, ssl, sys, os
class H(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        host = self.headers['Host'].split(':')[0]
        if self.path != '/.well-known/mta-sts.txt': self.send_error(404); return
        try: body = open(os.path.join(sys.argv[2], host), 'rb').read()
        except OSError: self.send_error(404); return
        if 'redirect' in host:
            self.send_response(302); self.send_header('Location', 'https://mta-sts.good.test:%s/.well-known/mta-sts.txt' % sys.argv[1]); self.end_headers(); return
        self.send_response(200)
        self.send_header('Content-Type', 'text/html' if 'html' in host else 'text/plain; charset=utf-8')
        self.send_header('Content-Length', str(len(body)))
        self.end_headers()
        self.wfile.write(body)
s = http.server.ThreadingHTTPServer(('127.0.0.1', int(sys.argv[1])), H)
c = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
c.load_cert_chain(sys.argv[3], sys.argv[4])
s.socket = c.wrap_socket(s.socket, server_side=True)
s.serve_forever()
END
my $server;
sub start_web {
    $server = $t->_spawn([ 'python3', $t->path('web.py'), $port, $t->path('web'), $web->{cert}, $web->{key} ],
        stdout => $t->path('web.log'), stderr => $t->path('web.log'));
    (wait_until { IO::Socket::INET->new(PeerAddr => "127.0.0.1:$port") } 10) or die 'the web does not start: ' . slurp($t->path('web.log'));
}
sub stop_web { Baton::Test::_end($server, 'TERM', 5) }
start_web();

# ---- the mail servers and the names ---------------------------------------------------------------------------------------------

my $mx = Baton::Cert::make($t->dir, names => [ map { "mx.$_.test" } grep { $_ ne 'badcert' && $_ ne 'testing' } @domains ]);
my $sink = $t->sink(args => [ '--cert', $mx->{cert}, '--key', $mx->{key} ]);
my %zone = map { ("$_.test MX" => ["10 mx.$_.test"], "mx.$_.test A" => ['127.0.0.1'], "mta-sts.$_.test A" => ['127.0.0.1'],
    "_mta-sts.$_.test TXT" => ['v=STSv1; id=20240131;']) } @domains;
$zone{'plain.test A'} = ['127.0.0.1'];
my %later = %zone;
delete $later{"_mta-sts.$_.test TXT"} for qw(good badcert);
$later{'_mta-sts.gone.test TXT'} = ['v=STSv1; id=20240201'];

$t->config(relayhost => '', inet_protocols => 'ipv4', minimal_backoff_time => '1s', maximal_backoff_time => '1s', smtp_tcp_port => $sink->port,
    smtp_tls_CAfile => $web->{ca}, smtp_tls_loglevel => 1, mta_sts_port => $port);
sub up { my ($zone) = @_; $t->start_batond(env => { BATON_NAMESERVERS => $t->nameserver($zone) }) }
sub mail { my ($to) = @_; $t->sendmail([ '-f', 'me@client.example.test', $to ], input => $text) }
sub sent {
    my ($domain, $how, $name) = @_;
    mail("a\@$domain.test");
    ok($t->wait_log(qr/to=<a\@$domain\.test>.*status=sent/), $name) or diag $t->log_text;
    log_like($t, qr/: $how TLS connection established to mx\.$domain\.test/, "  $how") if $how;
}
sub kept {
    my ($domain, $why, $name) = @_;
    mail("a\@$domain.test");
    ok($t->wait_log(qr/to=<a\@$domain\.test>.*status=deferred .*$why/), $name) or diag $t->log_text;
    unlike($t->log_text, qr/to=<a\@$domain\.test>.*status=sent/, '  and nothing was sent');
}

up(\%zone);
sent('good', 'Verified', 'a policy that is kept to: the host is named, and its certificate is for it');
ok($t->wait_log(qr/MTA-STS: good\.test has policy 20240131: mode enforce, 1 mx, for 86400 s/), 'the log tells of a new policy');
sent('wild', 'Verified', 'a pattern');
kept('badmx', 'the policy of badmx\.test does not name this host', 'a host that the policy does not name gets nothing');
kept('badcert', 'the certificate is for', 'nor one whose certificate is for another');
sent('testing', 'Trusted', 'mode testing: mail goes there');
ok($t->wait_log(qr/MTA-STS \(testing\): the policy of testing\.test does not name mx\.testing\.test/), 'and the log says that the host is not named,');
ok($t->wait_log(qr/MTA-STS \(testing\): in mode enforce no mail would go here: the certificate is for/), 'and what is wrong with its certificate');
sent('none', '', 'mode none');
sent('plain', '', 'a domain without a policy');
sent('gone', 'Verified', 'one more, for later');
for ([ redirect => 'the server says 302' ], [ html => 'its type is text/html' ], [ big => 'more than 64 KiB' ], [ broken => 'it has no max_age' ]) {
    my ($domain, $why) = @$_;
    sent($domain, '', "a policy that cannot be had ($domain) is as none");
    ok($t->wait_log(qr/warning: MTA-STS: the policy 20240131 of $domain\.test cannot be had: .*$why.*; none counts/), '  and the log says why');
}
ok(-s $t->spool . '/mta-sts/good.test', 'policies are kept on disk');
is($t->stop_batond, 0, 'batond leaves');

# ---- later: the record is gone, the web is away --------------------------------------------------------------------------------------

stop_web();
up(\%later);
sent('good', 'Verified', 'a policy counts as long as it is good, without its record');
kept('badcert', 'the certificate is for', 'also when mail would go through without it');
sent('gone', 'Verified', 'one that cannot be fetched anew as well,');
ok($t->wait_log(qr/MTA-STS: the policy 20240201 of gone\.test cannot be had: .*the one before still counts/), 'which the log says');
sent('long', '', 'one that has never been fetched does not');
is($t->stop_batond, 0, 'batond leaves');

# ---- a row, and a switch ----------------------------------------------------------------------------------------------------------------

my %row = (smtp_tls_policy_maps => 'inline:{ badcert.test = encrypt }');
$t->config(relayhost => '', inet_protocols => 'ipv4', smtp_tcp_port => $sink->port, smtp_tls_CAfile => $web->{ca}, mta_sts_port => $port, %row);
up(\%later);
ok($t->wait_log(qr/to=<a\@badcert\.test>.*status=sent/), 'a row of smtp_tls_policy_maps goes before a policy') or diag $t->log_text;
$t->stop_batond;
done_testing;
