#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
# What sendmail makes of a message: -t in all its forms, header, line ends, dots, bytes beyond ASCII, limits.
use strict;
use warnings;
use FindBin;
use Test::More;
use lib "$FindBin::Bin/lib";
use Baton::Test;

my $t = Baton::Test->new;
$t->config(myorigin => 'origin.example.test', message_size_limit => '3000000', header_size_limit => '4096');
my $daemon = $t->fake_daemon;
my $taken = 0;

sub sent {
    my ($args, $input, %o) = @_;
    my $r = $t->sendmail($args, input => $input, %o);
    diag("sendmail @$args: $r->{code} $r->{err}") if $r->{code};
    return undef if $r->{code};
    my @all = $daemon->wait_messages(++$taken);
    return $all[ $taken - 1 ];
}

# ---- -t ---------------------------------------------------------------------------------------------------------------------

my @headers = (
    [ "To: a\@b.test\n",                                   'a@b.test', 'To' ],
    [ "To: a\@b.test\nCc: c\@d.test\nBcc: e\@f.test\n",    'a@b.test c@d.test e@f.test', 'To, Cc and Bcc' ],
    [ "TO : a\@b.test\nbCC:c\@d.test\n",                   'a@b.test c@d.test', 'names in any case, blanks before the colon' ],
    [ "To: a\@b.test,\n c\@d.test,\n\te\@f.test\n",        'a@b.test c@d.test e@f.test', 'folded' ],
    [ "To: a\@b.test,\r\n c\@d.test\r\nSubject: x\r\n",    'a@b.test c@d.test', 'folded, with CRLF' ],
    [ "To: \"Doe, John\" <a\@b.test>, Jane (x, y) <c\@d.test>\n", 'a@b.test c@d.test', 'names with commas, comments' ],
    [ "To: a\@b.test (John Doe), c\@d.test\n",             'a@b.test c@d.test', 'a name in a comment' ],
    [ "To: Team: a\@b.test, c\@d.test;, e\@f.test\n",      'a@b.test c@d.test e@f.test', 'a group' ],
    [ "To: undisclosed-recipients:;\nBcc: a\@b.test\n",    'a@b.test', 'an empty group' ],
    [ "To: =?utf-8?Q?J=C3=B6rg?= <a\@b.test>\n",           'a@b.test', 'an encoded word' ],
    [ "To: J\xc3\xb6rg <a\@b.test>\n",                     'a@b.test', 'a name in raw UTF-8' ],
    [ "To: root, \"a b\"\@c.test\n",                       'root "a b"@c.test', 'unqualified, quoted' ],
    [ "To: <\@x.test,\@y.test:a\@b.test>\n",               'a@b.test', 'a source route' ],
    [ "To: a\@b.test\nResent-To: c\@d.test\nResent-Bcc: e\@f.test\n", 'c@d.test e@f.test', 'Resent- fields stand alone' ],
    [ "To: a\@b.test\nResent-From: c\@d.test\n",           'a@b.test', 'Resent-From is no recipient' ],
    [ "To: a\@b.test, a\@b.test\nCc: a\@b.test\n",         'a@b.test', 'each only once' ],
    [ "From joe Thu Jan 1 00:00:00 1970\nTo: a\@b.test\n", 'a@b.test', 'behind the "From " line of a mailbox' ],
    [ "To: a\@b.test;c\@d.test\n",                         'a@b.test c@d.test', 'semicolons used as commas' ],
);
for (@headers) {
    my ($header, $want, $name) = @$_;
    my $m = sent([ '-t', '-i' ], $header . "\nTo: body\@b.test\n");
    is($m && "@{$m->{rcpts}}", $want, "-t: $name");
    ok($m && $m->{content} !~ /^(?:Resent-)?Bcc/mi, "-t: $name: no Bcc in what is sent");
}
{
    my $m = sent([ '-t', 'x@y.test', 'z' ], "To: a\@b.test, x\@y.test\n\n");
    is("@{$m->{rcpts}}", 'x@y.test z a@b.test', '-t adds to those of the command line');
    $m = sent(['x@y.test'], "To: a\@b.test\nBcc: secret\@b.test\n\n");
    is("@{$m->{rcpts}}", 'x@y.test', 'without -t the header names nobody');
    unlike($m->{content}, qr/secret/, 'and Bcc is removed all the same');
}
for (
    [ "To: a\@b.test\nCc: John Doe\n",      qr/header field Cc: address "John Doe"/ ],
    [ "To: \"a\@b.test\n",                  qr/header field To:.*quotation mark/ ],
    [ "Bcc: -oQ/tmp\@b.test\n",             qr/header field Bcc:.*begins with '-'/ ],
    [ "To: a\@b.test c\@d.test\n",          qr/comma/ ],
    [ "Subject: x\n",                       qr/No recipient addresses found in message header/ ],
    [ "",                                   qr/No recipient addresses found/ ],
    [ "To:\n",                              qr/No recipient addresses found/ ],
  )
{
    my ($header, $why) = @$_;
    my $r = $t->sendmail(['-t'], input => "$header\nx\n");
    is($r->{code}, 65, "-t: $why: 65");
    like($r->{err}, $why, "-t: $why: it says so");
}

# ---- the header section -----------------------------------------------------------------------------------------------------

{
    my $m = sent([ '-f', 'joe@b.test', 'a@b.test' ], "Subject: x\n\nbody\n");
    my ($head, $body) = split /\r\n\r\n/, $m->{content}, 2;
    like($head, qr/^Date: \w{3}, \d{1,2} \w{3} \d{4} \d\d:\d\d:\d\d [+-]\d{4}/m, 'a Date is added');
    like($head, qr/^From: joe\@b\.test\r$/m, 'a From is added');
    like($head, qr/^Message-ID: <[^@ ]+\@client\.example\.test>/m, 'a Message-ID is added');
    like($head, qr/^To: undisclosed-recipients:;/m, 'a To is added');
    is($body, "body\r\n", 'the body is as it was');
    $m = sent(['-t'], "From: f\@g.test\nDate: d\nMessage-Id: <m\@n.test>\nTo: a\@b.test\nReturn-Path: <x\@y.test>\nContent-Length: 7\n\nx\n");
    is($m->{content}, "From: f\@g.test\r\nDate: d\r\nMessage-Id: <m\@n.test>\r\nTo: a\@b.test\r\n\r\nx\r\n",
        'what is there stays, Return-Path and Content-Length go');
    $m = sent(['-t'], "From: joe\nReply-To: Jim <jim>, x\@y.test\nTo: root (r)\nCc: u\@host\n\n");
    like($m->{content}, qr/\AFrom: joe\@origin\.example\.test\r\nReply-To: Jim <jim\@origin\.example\.test>, x\@y\.test\r\nTo: root\@origin\.example\.test \(r\)\r\nCc: u\@host\r\n/,
        'unqualified addresses are completed in place, user@host is left alone');
    $m = sent([ '-t', '-f', 'j@k.test' ], "From: a\@b.test\nDate: d\nMessage-ID: <m>\nTo: a\@b.test\nResent-To: c\@d.test\n\n");
    like($m->{content}, qr/^Resent-Date: [^\n]*\nResent-From: j\@k\.test\r\nResent-Message-ID: </m, 'Resent- fields are completed');
    $m = sent(['a@b.test'], "no header at all\nsecond line\n");
    like($m->{content}, qr/\r\n\r\nno header at all\r\nsecond line\r\n\z/, 'text without a header is all body');
    $m = sent(['a@b.test'], "");
    like($m->{content}, qr/\ADate: .*\r\n\r\n\z/s, 'an empty message is a message');
}

# ---- lines --------------------------------------------------------------------------------------------------------------------

sub body_of { my ($m) = @_; return $m ? $m->{content} =~ s/\A.*?\r\n\r\n//sr : undef }

for (
    [ [],      "a\nb\n",                 "a\r\nb\r\n",            'LF' ],
    [ [],      "a\r\nb\r\n",             "a\r\nb\r\n",            'CRLF' ],
    [ [],      "a\r\nb\nc",              "a\r\nb\r\nc\r\n",       'mixed, no end at the last' ],
    [ [],      "10%\r20%\n",             "10%\r\n20%\r\n",        'a CR alone' ],
    [ [],      "a\0b\n",                 "ab\r\n",                'NUL' ],
    [ [],      "a\n.\nb\n",              "a\r\n",                 'a dot alone ends the message' ],
    [ [],      "a\r\n.\r\nb\r\n",        "a\r\n",                 'with CRLF too' ],
    [ ['-i'],  "a\n.\nb\n",              "a\r\n.\r\nb\r\n",       'with -i it does not' ],
    [ ['-oi'], "a\n.\nb\n",              "a\r\n.\r\nb\r\n",       'with -oi neither' ],
    [ [],      "..\n.x\nx.\n",           "..\r\n.x\r\nx.\r\n",    'other lines with dots are text' ],
    [ [],      "From joe\n>From jim\n",  "From joe\r\n>From jim\r\n", '"From " lines in the body' ],
    [ [],      'x' x 5000 . "\n",        'x' x 5000 . "\r\n",     'a long line stays whole' ],
  )
{
    my ($args, $in, $out, $name) = @$_;
    is(body_of(sent([ @$args, 'a@b.test' ], "Subject: x\n\n$in")), $out, "body: $name");
}
{
    my $m = sent(['a@b.test'], "Subject: x\rBcc: y\n\n");
    like($m->{content}, qr/^Subject: x Bcc: y\r$/m, 'a CR alone begins no field');
}

# ---- bytes beyond ASCII ---------------------------------------------------------------------------------------------------------

for (
    [ ['a@b.test'],         "Subject: x\n\nplain\n",            '',                        'ASCII' ],
    [ ['a@b.test'],         "Subject: x\n\n\xc3\xa4\n",         'BODY=8BITMIME',           '8-bit body' ],
    [ ['a@b.test'],         "Subject: x\n\n\xe4\xff\n",         'BODY=8BITMIME',           '8-bit body that is no UTF-8' ],
    [ [ '-B7BIT', 'a@b.test' ], "Subject: x\n\n\xc3\xa4\n",     'BODY=8BITMIME',           'whatever -B says' ],
    [ ["j\xc3\xb6\@b.test"], "Subject: x\n\nplain\n",           'BODY=8BITMIME SMTPUTF8',  'UTF-8 in a recipient' ],
    [ [ '-f', "j\xc3\xb6\@b.test", 'a@b.test' ], "Subject: x\n\nplain\n", 'BODY=8BITMIME SMTPUTF8', 'UTF-8 in the sender' ],
    [ ['-t'],               "To: j\xc3\xb6\@b.test\n\nplain\n", 'BODY=8BITMIME SMTPUTF8',  'UTF-8 in an address of the header' ],
    [ ['-t'],               "Subject: gr\xc3\xbc\xc3\x9f\nTo: J\xc3\xb6 <a\@b.test>\n\nx\n", '', 'UTF-8 in Subject and names is encoded' ],
    [ ['-t'],               "Subject: gr\xfc\nTo: a\@b.test\n\nx\n", 'BODY=8BITMIME', 'Latin-1 in Subject is just sent' ],
  )
{
    my ($args, $in, $want, $name) = @$_;
    my $m = sent($args, $in);
    (my $got = $m ? $m->{params} : '') =~ s/SIZE=\d+ ?//;
    is($got, $want, $name);
}
{
    my $r = $t->sendmail(["j\xf6\@b.test"], input => "\n");
    is($r->{code}, 65, 'an address in Latin-1 is refused');
}

# ---- limits ---------------------------------------------------------------------------------------------------------------------

{
    my $m = sent(['a@b.test'], "Subject: x\n\n" . ("x" x 99 . "\n") x 25000);
    is(length body_of($m), 25000 * 101, 'a message larger than what is kept in memory arrives whole');
    my ($size) = $m->{params} =~ /SIZE=(\d+)/;
    is($size, length $m->{content}, 'SIZE is its size');
    my $r = $t->sendmail(['a@b.test'], input => "Subject: x\n\n" . ("x" x 99 . "\n") x 31000);
    is($r->{code}, 69, 'a message over the limit: 69');
    like($r->{err}, qr/message_size_limit, 3000000 bytes/, 'and what the limit is');
    $r = $t->sendmail(['a@b.test'], input => 'X-Long: ' . ('x' x 70 . "\n ") x 100 . "\n\nbody\n");
    is($r->{code}, 65, 'a header field over the limit: 65');
    like($r->{err}, qr/"X-Long".*header_size_limit, 4096 bytes/, 'which, and what the limit is');
    $m = sent(['-t'], 'Bcc: ' . join(",\n ", map { "user$_\@b.test" } 1 .. 200) . "\n\nbody\n");
    is(scalar @{ $m->{rcpts} }, 200, 'two hundred recipients of one field');
}
is(scalar(my @all = $daemon->messages), $taken, 'nothing else reached the daemon');
is(scalar $t->drop, 0, 'and nothing the drop');
done_testing();
