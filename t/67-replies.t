#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
# Every reply that Postfix's smtpd has and that can come here, provoked over a real connection: code, enhanced code and shape are
# what logs are searched for, and what clients have been written against.
use strict;
use warnings;
use FindBin;
use Test::More;
use lib "$FindBin::Bin/lib";
use Baton::Client;
use Baton::Test;

sub world {
    my (%config) = @_;
    my $t = Baton::Test->new;
    my $port = free_port();
    spew($t->path('aliases'), "me: x\@example.test\n");
    $t->config(relayhost => $t->fake_relay->address, mydestination => 'here.test', alias_maps => $t->path('aliases'),
        local_transport => 'error:5.1.1 User unknown', message_size_limit => 3000, header_size_limit => 1024, smtpd_recipient_limit => 100,
        smtpd_soft_error_limit => 1000, smtpd_hard_error_limit => 1000, raw => "listen smtp { address = \"127.0.0.1\", port = $port }\n", %config);
    $t->start_batond;
    return ($t, $port);
}

my @mail = ('EHLO me', 'MAIL FROM:<me@example.test>');
my @rcpt = (@mail, 'RCPT TO:<you@example.test>');
my $host = quotemeta 'client.example.test';

# name, what was said before, what is said, the reply (anchored at both ends), whether it is the last word
my @table = (
    [ 'QUIT',                        [],              'QUIT',                        '221 2\.0\.0 Bye', 'closes' ],
    [ 'HELO',                        [],              'HELO me',                     "250 $host" ],
    [ 'MAIL',                        ['EHLO me'],     'MAIL FROM:<me@example.test>', '250 2\.1\.0 Ok' ],
    [ 'RCPT',                        \@mail,          'RCPT TO:<you@example.test>',  '250 2\.1\.5 Ok' ],
    [ 'DATA',                        \@rcpt,          'DATA',                        '354 End data with <CR><LF>\.<CR><LF>' ],
    [ 'a message',                   [ @rcpt, 'DATA' ], "Subject: x\r\n\r\nx\r\n.",  '250 2\.0\.0 Ok: queued as \w+' ],
    [ 'RSET',                        \@rcpt,          'RSET',                        '250 2\.0\.0 Ok' ],
    [ 'NOOP',                        [],              'NOOP',                        '250 2\.0\.0 Ok' ],
    [ 'NOOP with words',             [],              'NOOP my mind',                '250 2\.0\.0 Ok' ],
    [ 'VRFY',                        ['EHLO me'],     'VRFY me',                     '252 2\.0\.0 .+' ],
    [ 'a chunk',                     \@rcpt,          "BDAT 4\r\nx: y" =~ s/\r\n\z//r, '250 2\.0\.0 Ok: 4 bytes', 'raw' ],
    [ 'the last chunk',              \@rcpt,          "BDAT 10 LAST\r\nx: y\r\n\r\nx\n", '250 2\.0\.0 Ok: (?:9 bytes )?queued as \w+', 'raw' ],
    [ 'no command',                  [],              'FROBNICATE',                  '500 5\.5\.2 Error: command not recognized' ],
    [ 'an empty line',               [],              '',                            '500 5\.5\.2 Error: bad syntax' ],
    [ 'control characters',          [],              "NOOP \x01",                   '500 5\.5\.2 Error: bad syntax' ],
    [ 'a long line',                 [],              'NOOP ' . 'x' x 3000,          "500 5\\.5\\.2 $host Error: command too long" ],
    [ 'EHLO without a name',         [],              'EHLO',                        '501 Syntax: EHLO hostname' ],
    [ 'HELO without a name',         [],              'HELO',                        '501 Syntax: HELO hostname' ],
    [ 'MAIL without FROM',           ['EHLO me'],     'MAIL <me@example.test>',      '501 5\.5\.4 Syntax: MAIL FROM:<address>' ],
    [ 'RCPT without TO',             \@mail,          'RCPT <me@example.test>',      '501 5\.5\.4 Syntax: RCPT TO:<address>' ],
    [ 'DATA with words',             \@rcpt,          'DATA now',                    '501 5\.5\.4 Syntax: DATA' ],
    [ 'RSET with words',             [],              'RSET all',                    '501 5\.5\.4 Syntax: RSET' ],
    [ 'VRFY without a word',         ['EHLO me'],     'VRFY',                        '501 5\.5\.4 Syntax: VRFY address' ],
    [ 'a broken sender',             ['EHLO me'],     'MAIL FROM:<me@example..test>', '501 5\.1\.7 Bad sender address syntax' ],
    [ 'a broken recipient',          \@mail,          'RCPT TO:<a@b@c>',             '501 5\.1\.3 Bad recipient address syntax' ],
    [ 'an empty recipient',          \@mail,          'RCPT TO:<>',                  '501 5\.1\.3 Bad recipient address syntax' ],
    [ 'a broken SIZE',               ['EHLO me'],     "$mail[1] SIZE=ten",           '501 5\.5\.4 Bad message size syntax' ],
    [ 'a broken ENVID',              ['EHLO me'],     "$mail[1] ENVID=a+",           '501 5\.5\.4 Bad ENVID parameter syntax' ],
    [ 'a broken RET',                ['EHLO me'],     "$mail[1] RET=SOME",           '501 5\.5\.4 Bad RET parameter syntax' ],
    [ 'a broken NOTIFY',             \@mail,          "$rcpt[2] NOTIFY=OFTEN",       '501 5\.5\.4 Bad NOTIFY parameter syntax' ],
    [ 'a broken ORCPT',              \@mail,          "$rcpt[2] ORCPT=a",            '501 5\.5\.4 Bad ORCPT parameter syntax' ],
    [ 'an option of MAIL',           ['EHLO me'],     "$mail[1] COLOUR=red",         '555 5\.5\.4 Unsupported option: COLOUR=red' ],
    [ 'an option of RCPT',           \@mail,          "$rcpt[2] COLOUR=red",         '555 5\.5\.4 Unsupported option: COLOUR=red' ],
    [ 'STARTTLS where there is none', ['EHLO me'],    'STARTTLS',                    '502 5\.5\.1 Error: command not implemented' ],
    [ 'AUTH where there is none',    ['EHLO me'],     'AUTH PLAIN',                  '503 5\.5\.1 Error: authentication not enabled' ],
    [ 'MAIL before EHLO',            [],              $mail[1],                      '503 5\.5\.1 Error: send HELO/EHLO first' ],
    [ 'MAIL in MAIL',                \@mail,          $mail[1],                      '503 5\.5\.1 Error: nested MAIL command' ],
    [ 'RCPT before MAIL',            ['EHLO me'],     $rcpt[2],                      '503 5\.5\.1 Error: need MAIL command' ],
    [ 'DATA before MAIL',            ['EHLO me'],     'DATA',                        '503 5\.5\.1 Error: need RCPT command' ],
    [ 'DATA without recipients',     \@mail,          'DATA',                        '554 5\.5\.1 Error: no valid recipients' ],
    [ 'a chunk before MAIL',         ['EHLO me'],     "BDAT 1\r\nx",                 '503 5\.5\.1 Error: need RCPT command', 'raw' ],
    [ 'a broken BDAT',               \@rcpt,          'BDAT many',                   '521 5\.5\.4 Syntax: BDAT count \[LAST\]', 'closes' ],
    [ 'a size that is too large',    ['EHLO me'],     "$mail[1] SIZE=3001",          '552 5\.3\.4 Message size exceeds fixed limit' ],
    [ 'content that is',             [ @rcpt, 'DATA' ], ('x' x 76 . "\r\n") x 50 . '.', '552 5\.3\.4 Error: message file too big' ],
    [ 'a chunk that is',             \@rcpt,          "BDAT 3001\r\n" . 'x' x 3001,  '552 5\.3\.4 Chunk exceeds message size limit', 'raw' ],
    [ 'a sender in UTF-8',           ['EHLO me'],     "MAIL FROM:<\xc3\xa4\@example.test>", '553 5\.6\.7 Must declare SMTPUTF8 to permit unicode address' ],
    [ 'a recipient in UTF-8',        \@mail,          "RCPT TO:<\xc3\xa4\@example.test>", '553 5\.6\.7 Must declare SMTPUTF8 to permit unicode address' ],
    [ 'one recipient too many',      [ @mail, map { "RCPT TO:<u$_\@example.test>" } 1 .. 100 ], $rcpt[2], '452 4\.5\.3 Error: too many recipients' ],
    [ 'nobody of ours',              \@mail,          'RCPT TO:<nobody@here.test>',  '550 5\.1\.1 <nobody@here\.test>: Recipient address rejected: User unknown' ],
    [ 'XCLIENT of a stranger',       ['EHLO me'],     'XCLIENT ADDR=192.0.2.1',      '550 5\.7\.0 Error: insufficient authorization' ],
    [ 'HTTP',                        [],              'GET / HTTP/1.1',              '221 2\.7\.0 Error: .+', 'closes' ],
    [ 'what begins with no letter',  [],              '{"mail": 1}',                 '221 2\.7\.0 Error: .+', 'closes' ],
    [ 'too many hops',               [ @rcpt, 'DATA' ], "Received: x\r\n" x 50 . "\r\n.", '554 5\.4\.0 Error: too many hops' ],
);

sub provoke {
    my ($port, $name, $before, $what, $want, $how) = @_;
    my $c = Baton::Client->new(port => $port) or return fail($name);
    $c->reply;
    $c->say($_) for @$before;
    $c->send_raw(($how // '') eq 'raw' ? $what : "$what\r\n");
    like($c->reply // 'silence', qr/\A$want\n\z/, $name);
    is($c->reply, '', "$name: and hangs up") if ($how // '') eq 'closes';
}

subtest 'the catalogue' => sub {
    my ($t, $port) = world();
    provoke($port, @$_) for @table;
    my $c = Baton::Client->new(port => $port);
    is($c->reply, "220 client.example.test ESMTP Baton\n", 'the greeting');
    is_deeply([ map { s/ .*//r } $c->say('EHLO me') =~ /^250[ -](.*)$/mg ],
        [ 'client.example.test', qw(PIPELINING SIZE VRFY ENHANCEDSTATUSCODES 8BITMIME DSN SMTPUTF8 CHUNKING) ], 'EHLO names what there is, in Postfix\'s order');
};

subtest 'what depends on the configuration' => sub {
    my ($t, $port) = world(mynetworks => '192.0.2.1', disable_vrfy_command => 'yes', strict_rfc821_envelopes => 'yes', smtpd_helo_required => 'no',
        smtpd_discard_ehlo_keywords => 'chunking, SMTPUTF8, silent-discard', smtpd_forbidden_commands => 'XYZZY');
    provoke($port, @$_) for
      [ 'a stranger', \@mail, $rcpt[2], '554 5\.7\.1 <you@example\.test>: Relay access denied' ],
      [ 'VRFY', ['EHLO me'], 'VRFY me', '502 5\.5\.1 VRFY command is disabled' ],
      [ 'an address without brackets', ['EHLO me'], 'MAIL FROM:me@example.test', '501 5\.1\.7 Bad sender address syntax' ],
      [ 'MAIL without EHLO', [], $mail[1], '250 2\.1\.0 Ok' ],
      [ 'a refusal without EHLO', [ $mail[1] ], $rcpt[2], '554 5\.7\.1 <you@example\.test>: Relay access denied' ],
      [ 'BDAT', \@rcpt, "BDAT 1\r\nx", '502 5\.5\.1 Error: command not implemented', 'raw' ],
      [ 'a forbidden command', [], 'xyzzy', '221 2\.7\.0 Error: .+', 'closes' ],
      [ 'one that is not', [], 'GET / HTTP/1.1', '500 5\.5\.2 Error: command not recognized' ];
    my $c = Baton::Client->new(port => $port);
    unlike($c->greet, qr/CHUNKING|SMTPUTF8|VRFY/, 'EHLO does not name what is discarded');
};

subtest 'errors wear a client out' => sub {
    my ($t, $port) = world(smtpd_soft_error_limit => 1, smtpd_hard_error_limit => 3, smtpd_error_sleep_time => '0s', smtpd_timeout => '1s', smtpd_junk_command_limit => 2);
    provoke($port, 'too many errors', [ ('FROBNICATE') x 3 ], 'FROBNICATE', "421 4\\.7\\.0 $host Error: too many errors", 'closes');
    provoke($port, 'too much junk', [ ('NOOP') x 4 ], 'NOOP', "421 4\\.7\\.0 $host Error: too many errors", 'closes');
    my $c = Baton::Client->new(port => $port);
    $c->reply;
    like($c->reply, qr/\A421 4\.4\.2 $host Error: timeout exceeded\n\z/, 'silence');
};

subtest 'a queue without space' => sub {
    my ($t, $port) = world(queue_minfree => '8000000000000000');
    provoke($port, 'MAIL', ['EHLO me'], $mail[1], '452 4\.3\.1 Insufficient system storage');
};

subtest 'a value that cannot be is refused' => sub {
    for ([ smtpd_discard_ehlo_keywords => 'chunkin', qr/it is "pipelining" or .*, not "chunkin"/ ],
        [ smtpd_forbidden_commands => 'regexp:{{/^[^A-Z]/ Bogus}}', qr/it takes the names of commands, no patterns/ ],
        [ smtpd_forbid_bare_newline => 'maybe', qr/it is "normalize" or "yes" or "reject" or "no", not "maybe"/ ]) {
        my $t = Baton::Test->new;
        $t->config($_->[0] => $_->[1]);
        my $r = $t->baton(['config']);
        is($r->{code}, 78, "$_->[0]: exit 78");
        like($r->{err}, $_->[2], "$_->[0]: says what it takes");
    }
};

done_testing();
