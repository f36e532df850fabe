#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
# sendmail's command line: every flag in every spelling that callers use, and what the daemon is told.
use strict;
use warnings;
use FindBin;
use Test::More;
use lib "$FindBin::Bin/lib";
use Baton::Test;

my $t = Baton::Test->new;
$t->config(myorigin => 'origin.example.test');
my $daemon = $t->fake_daemon;
my $taken = 0;

# sent([arguments], input): what the daemon took, or undef when sendmail left with another status than 0
sub sent {
    my ($args, $input, %o) = @_;
    my $r = $t->sendmail($args, input => $input // "Subject: x\n\nbody\n", %o);
    diag("sendmail @$args: $r->{code} $r->{err}") if $r->{code} != ($o{code} // 0);
    return undef if $r->{code};
    my @all = $daemon->wait_messages(++$taken);
    return $all[ $taken - 1 ];
}

# ---- the sender -----------------------------------------------------------------------------------------------------

my @senders = (
    [ [qw(-f a@b.test)],            'a@b.test',                 '-f ADDRESS' ],
    [ [qw(-fa@b.test)],             'a@b.test',                 '-fADDRESS' ],
    [ [qw(-r a@b.test)],            'a@b.test',                 '-r ADDRESS' ],
    [ [qw(-ra@b.test)],             'a@b.test',                 '-rADDRESS' ],
    [ [ '-f', '' ],                 '',                         '-f ""' ],
    [ [ '-f', '<>' ],               '',                         '-f <>' ],
    [ ['-f<>'],                     '',                         '-f<>' ],
    [ ['-r<>'],                     '',                         '-r<>' ],
    [ [ '-f', '<a@b.test>' ],       'a@b.test',                 '-f <ADDRESS>' ],
    [ [ '-f', 'Joe D <a@b.test>' ], 'a@b.test',                 '-f with a name' ],
    [ [ '-f', 'joe' ],              'joe@origin.example.test',  '-f without a domain gets the origin' ],
    [ [ '-f', '"a b"@c.test' ],     '"a b"@c.test',             '-f with a quoted local part' ],
    [ [ '-f', 'x@y.test', '-fa@b.test' ], 'a@b.test',           'the last -f counts' ],
);
for (@senders) {
    my ($args, $want, $name) = @$_;
    my $m = sent([ @$args, '-i', 'to@c.test' ]);
    is($m && $m->{from}, $want, $name);
}

# ---- flags that mean nothing to us, in the spellings of real callers ----------------------------------------------------

my @lines = (
    '-t', '-t -i', '-ti', '-it', '-t -oi', '-oi -t', '-o i -t', '-oi -oem -t', '-t -oem -odi', '-FCronDaemon -i -B8BITMIME -oem',
    '-FCronDaemon -odi -oem -or0s', '-FCronDaemon -i -odi -oem -oi -t -f root', '-FAnacron -odi', '-i -f joe --', '-i --',
    '-oem -oi -f a@b.test -N success,failure -R hdrs --', '-oem -oi -B8BITMIME --', '-G -i -f a@b.test --', '-bm', '-b m', '-bm -i',
    '-i -m -v', '-em', '-ep', '-eq', '-ew', '-e m', '-U', '-n', '-x', '-m', '-c', '-d0.1', '-d', '-h 25', '-h25', '-L tag', '-Ltag',
    '-Am', '-Ac', '-A c', '-B 7BIT', '-B7BIT', '-O DeliveryMode=b', '-OQueueDirectory=/tmp', '-pSMTP:host', '-p ESMTP', '-X /dev/null',
    '-oX', '-oQ/tmp', '-om', '-oA/etc/aliases', '-o MaxHops=4', '-N never', '-Nnever', '-N success,failure,delay', '-NDELAY', '-Rfull',
    '-R hdrs', '-RHDRS', '-V envid1', '-Venvid1', '-bq', '-odq', '-odb', '-s', '-S', '-T', '-E', '-J', '-D', '-Mx1', '-M x1', '-Qreason',
    '-oi -odb -oem', '-v',
);
for my $line (@lines) {
    my $m = sent([ split(/ /, $line), 'to@c.test' ], "To: to\@c.test\n\nbody\n");
    is_deeply($m && $m->{rcpts}, ['to@c.test'], "$line") or diag explain $m;
}
{
    my $m = sent([ 'one@c.test', '-oi', 'two@c.test', '-f', 'a@b.test' ]);
    is_deeply([ @$m{qw(from rcpts)} ], [ 'a@b.test', [qw(one@c.test two@c.test)] ], 'flags may stand behind recipients');
    $m = sent([ 'one@c.test, Two <two@c.test>', 'three' ]);
    is_deeply($m->{rcpts}, [qw(one@c.test two@c.test three)], 'a recipient may be a list with names');
    $m = sent([ '-i', '--', 'one@c.test' ]);
    is_deeply($m->{rcpts}, ['one@c.test'], '-- ends the flags');
}

# ---- delivery reports ---------------------------------------------------------------------------------------------------

my @reports = (
    [ '-N never',                 '', 'NOTIFY=NEVER' ],
    [ '-N success,delay,failure', '', 'NOTIFY=SUCCESS,FAILURE,DELAY' ],
    [ '-N FAILURE',               '', 'NOTIFY=FAILURE' ],
    [ '-R full',                  'RET=FULL', '' ],
    [ '-R hdrs -V a+b=c',         'RET=HDRS ENVID=a+2Bb+3Dc', '' ],
);
for (@reports) {
    my ($line, $params, $rcpt) = @$_;
    my $m = sent([ split(/ /, $line), 'to@c.test' ]);
    (my $got = $m->{params}) =~ s/SIZE=\d+ ?//;
    is("$got/$m->{rcpt_params}[0]", "$params/$rcpt", $line);
}

# ---- who it is from when nobody says ----------------------------------------------------------------------------------------

{
    my $login = getpwuid $>;
    my $m = sent(['to@c.test']);
    is($m->{from}, "$login\@origin.example.test", 'the sender is who calls, at the origin');
    $m = sent([ '-F', 'Joe "Q" User', 'to@c.test' ]);
    like($m->{content}, qr/^From: "Joe \\"Q\\" User" <\Q$m->{from}\E>\r$/m, '-F NAME is the full name of a From that is added');
    $m = sent([ '-FJoe', 'to@c.test' ], "From: other\@c.test\n\nx\n");
    unlike($m->{content}, qr/Joe/, 'but of no other');
    $m = sent(['to@c.test'], undef, env => { NAME => "J\xc3\xb6rg" });
    like($m->{content}, qr/^From: =\?utf-8\?B\?SsO2cmc=\?= </m, '$NAME is one too, encoded if need be');
    $m = sent([ '-f', '', 'to@c.test' ]);
    like($m->{content}, qr/^From: Mail Delivery System <MAILER-DAEMON\@origin\.example\.test>\r$/m, 'From of the null sender');
}

# ---- what is refused, and how -----------------------------------------------------------------------------------------------

my @refused = (
    [ [],                                64, qr/Recipient addresses must be specified/, 'no recipient at all', 65 ],
    [ ['-t'],                            65, qr/No recipient addresses found in message header/, '-t without any in the header' ],
    [ [ '--', '-x@c.test' ],             65, qr/begins with '-'/, 'a recipient that begins with a dash' ],
    [ [ '-f', '-x@c.test', 'to@c.test' ], 65, qr/begins with '-'/, 'a sender that begins with a dash' ],
    [ [ '-f', 'a b', 'to@c.test' ],      65, qr/sender: address "a b"/, 'a sender that cannot be read' ],
    [ [ '-f', 'a@b.test, c@d.test', 'to@c.test' ], 65, qr/not one address/, 'two senders' ],
    [ ['to@c..test'],                    65, qr/recipient: address "to\@c\.\.test": .*empty label/, 'a recipient that cannot be read' ],
    [ ['to@[1.2.3]'],                    65, qr/no IP address/, 'a literal that is none' ],
    [ [ '-Z', 'to@c.test' ],             64, qr/no flag -Z/, 'a flag that nobody has' ],
    [ [ '--frobnicate', 'to@c.test' ],   64, qr/no flag --frobnicate/, 'a long flag that nobody has' ],
    [ [ 'to@c.test', '-f' ],             64, qr/-f needs a value/, 'a flag that lacks its value' ],
    [ [ '-N', 'sometimes', 'to@c.test' ], 64, qr/-N "sometimes": it is never/, 'a bad -N' ],
    [ [ '-N', 'never,delay', 'to@c.test' ], 64, qr/-N/, '-N never does not go with others' ],
    [ [ '-R', 'half', 'to@c.test' ],     64, qr/-R "half"/, 'a bad -R' ],
    [ [ '-V', 'x' x 101, 'to@c.test' ],  64, qr/100/, 'a -V that is too long' ],
    [ ['-bd'],                           64, qr/batond/, '-bd: that is batond' ],
    [ [qw(-bd -q30m)],                   64, qr/batond/, '-bd -q30m: that too' ],
    [ ['-bt'],                           64, qr/modes are/, 'a mode that nobody has' ],
);
for (@refused) {
    my ($args, $code, $why, $name, $other) = @$_;
    my $r = $t->sendmail($args, input => "Subject: x\n\nbody\n");
    is($r->{code}, $other // $code, "$name: " . ($other // $code));
    like($r->{err}, $why, "$name: it says so");
}
is(scalar($daemon->messages), $taken, 'nothing of that reached the daemon');

# ---- the rest -----------------------------------------------------------------------------------------------------------------

{
    my $r = $t->sendmail(['--version']);
    like($r->{out}, qr/^sendmail \(Baton\) \d/, '--version');
    $r = $t->sendmail(['--help']);
    like($r->{out}, qr/^usage: sendmail/, '--help');
    is($r->{code}, 0, '--help leaves with 0');
    my $manual = slurp(source_dir() . '/man/sendmail.8');
    my %in_help = map { $_ => 1 } $r->{out} =~ /(?<=\s)-(\w)\b/g;
    my @missing = grep { $manual !~ /^\.It Fl $_(?: |$)|Fl ${_}[a-z]\b/m && $manual !~ /^\.It .*Fl $_\b/m } sort keys %in_help;
    is("@missing", '', 'the manual has every flag');
    $r = $t->sendmail([ '-bv', 'joe', 'Two <two@c.test>' ]);
    is($r->{out}, "joe\@origin.example.test\ntwo\@c.test\n", '-bv prints addresses as they would be used');
    $r = $t->sendmail([ '-bv', 'a@' ]);
    is($r->{code}, 65, '-bv refuses one that cannot be read');
    $r = $t->sendmail([ '-v', 'to@c.test' ], input => "\nx\n");
    like($r->{err}, qr/batond has it: 250 2\.0\.0 taken/, '-v tells who took the message');
}
done_testing();
