#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
# The handbook, section by section: limits against floods. 127.0.0.1 is a trusted network here, 127.0.0.2 is not.
use strict;
use warnings;
use FindBin;
use Test::More;
use lib "$FindBin::Bin/lib";
use Baton::Client;
use Baton::Handbook;
use Baton::Test;

my ($h, $t);

sub start {
    my ($lines, %o) = @_;
    $h = Baton::Handbook->new;
    $t = $h->t;
    $h->lines($lines, SET => { relayhost => '[127.0.0.1]:9', mynetworks => '127.0.0.1' }, %o);
    my $said = $h->check;
    unlike($said, qr/^error(?! +space)/m, 'baton check finds nothing in the way') or diag $said;
    $h->start;
}

sub client { return Baton::Client->new(port => $h->port, @_) }
my @stranger = (from => '127.0.0.2');

subtest 'smtpd_client_connection_rate_limit, anvil_rate_time_unit' => sub {
    start(<<'END');
smtpd_client_connection_rate_limit = "3"
anvil_rate_time_unit = "60s"
END
    like(client(@stranger)->reply, qr/^220 /, "connection $_ of a stranger") for 1 .. 3;
    like(client(@stranger)->reply, qr/^421 4\.7\.0 .*too many connections from 127\.0\.0\.2/, 'one more in the time unit is refused');
    like($t->wait_log(qr/Connection rate limit exceeded/), qr/: 4 from unknown\[127\.0\.0\.2\] for service smtp/, 'and logged');
    like(client()->reply, qr/^220 /, 'trusted networks are left out') for 1 .. 5;
};

subtest 'smtpd_client_event_limit_exceptions, smtpd_client_message_rate_limit' => sub {
    start(<<'END');
smtpd_client_message_rate_limit = "2"
smtpd_client_event_limit_exceptions = ""
END
    my $c = client();
    $c->greet;
    for (1 .. 2) {
        like($c->say('MAIL FROM:<a@example.com>'), qr/^250 /, "message $_, though the client is trusted: nobody is left out");
        $c->say('RSET');
    }
    like($c->say('MAIL FROM:<a@example.com>'), qr/^450 4\.7\.1 .*too much mail from 127\.0\.0\.1/, 'one more is put off');
};

subtest 'default_process_limit' => sub {
    start(qq(default_process_limit = "2"\n));
    my @in = map { client(from => "127.0.0.$_") } 2, 3;
    like($_->reply, qr/^220 /, 'a connection within the limit') for @in;
    like(client(from => '127.0.0.4')->reply, qr/^421 /, 'one more, of whomever, is told to come later');
    (pop @in)->close;
    ok(wait_until(sub { (client(from => '127.0.0.4')->reply // '') =~ /^220/ }), 'once one leaves there is room');
};

subtest 'queue_minfree' => sub {
    start(qq(queue_minfree = "1000000000000000"\n));
    like($h->check, qr/^error +space .*no mail is taken/m, 'baton check says that there is less');
    my $c = client();
    $c->greet;
    like($c->say('MAIL FROM:<a@example.com>'), qr/^452 4\.3\.1 Insufficient system storage/, 'without so much space no mail is taken');
    ok($t->wait_log(qr/not enough free space/), 'the log says why');
};

subtest 'header_size_limit, message_size_limit' => sub {
    start(<<'END');
header_size_limit = "102400"
message_size_limit = "10240000"
END
    my $c = client();
    $c->reply;
    like($c->say('EHLO me.example.com'), qr/^250[- ]SIZE 10240000$/m, 'EHLO names the limit');
    like($c->say('MAIL FROM:<a@example.com> SIZE=10240001'), qr/^552 5\.3\.4 /, 'a message that says to be larger is refused');
    $c->say($_) for 'MAIL FROM:<a@example.com>', 'RCPT TO:<b@example.com>', 'DATA';
    $c->send_raw('X-Long: ' . 'x ' x 60000 . "\r\n\r\ntext\r\n.\r\n");
    like($c->reply, qr/^552 5\.3\.4 /, 'a header that is larger is refused, not cut off');
    my $r = $h->smtplib("c.ehlo('me.example.com')", map({ "c.docmd('$_')" } 'MAIL FROM:<a@example.com>', 'RCPT TO:<b@example.com>', 'DATA'),
        "c.send(b'Subject: x\\r\\n\\r\\n' + (b'x' * 998 + b'\\r\\n') * 10300 + b'.\\r\\n')", 'print(c.getreply())');
    like($r->{out}, qr/^\(552, b'5\.3\.4 /, 'a message that is larger is refused') or diag $r->{err};
};

done_testing;
