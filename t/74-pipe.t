#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
# Mail for programs: pipe sections.
use strict;
use warnings;
use FindBin;
use Test::More;
use lib "$FindBin::Bin/lib";
use Baton::Lmtp;
use Baton::Test;

skip_all_unless_server();
my $t = Baton::Test->new;
chmod 0711, $t->dir;
my $user = is_root() ? 'games' : (getpwuid $>)[0] // $>;
my $other = $user eq 'games' ? 'www-data' : 'games';
my $out = $t->path('out');
mkdir $out or die "$out: $!";
chmod 0777, $out;

# Writes what it was given to a file of its own; its exit status and words are in files beside it
my $program = spew($t->path('program'), <<"END", 0755);
#!/usr/bin/perl
use strict;
my \@in = <STDIN>;
open my \$fh, '>', "$out/got.\$\$" or exit 75;
print {\$fh} map({ "arg \$_\\n" } \@ARGV), "uid \$>\\n", "group " . (\$) + 0) . "\\n", map({ "env \$_=\$ENV{\$_}\\n" } sort keys %ENV), "cwd " . readlink('/proc/self/cwd') . "\\n\\n", \@in;
close \$fh;
rename "$out/got.\$\$", "$out/done.\$\$";
print do { open my \$say, '<', "$out/say"; local \$/; <\$say> // '' };
exit do { open my \$code, '<', "$out/code"; <\$code> // 0 };
END

sub results { my @r = map { slurp($_) } glob "$out/done.*"; unlink glob "$out/done.*"; return @r }
sub answers { my ($code, $say) = @_; spew("$out/code", $code); spew("$out/say", $say // ''); chmod 0644, "$out/code", "$out/say" }

my $large = spew($t->path('sleeper'), "#!/bin/sh\nexec sleep 30\n", 0755);
sub sections { my ($extra) = @_; return <<"END" }
pipe store {
    user = "$user"
    argv = { "$program", "-f", "\${sender}", "\${user}|\${extension}|\${mailbox}", "\${domain}", "--", "\${recipient}", "\${extension?+}x", "id \${queue_id}" }
    flags = "DORhu"
    directory = "$out"
}
pipe many { user = "$user", argv = "$program \${sender} \${recipient}", recipient_limit = 3, flags = "FB>.q", null_sender = "nobody" }
pipe slow { user = "$user", argv = "$large", time_limit = 1, size = 100000 }
pipe absent { user = "$user", argv = "/nowhere/at/all" }
$extra
END

$t->config(recipient_delimiter => '+', raw => sections(is_root() ? '' : "pipe other { user = \"$other\", argv = \"$program\" }"));
$t->start_batond;

subtest 'arguments, and what is put on top' => sub {
    answers(0);
    my %said = Baton::Lmtp->new($t, 'pipe.store')->deliver('Joe@Example.ORG', ['"In fo+x"@EXAMPLE.com'],
        "Received: by client.example.test (Baton) with ESMTP id 4cQxYZ; Thu\nSubject: one\n\nHello\n");
    my ($r) = values %said;
    is($r, '250 2.0.0 delivered via store service', 'delivered');
    my ($got, @more) = results();
    is(@more, 0, 'once');
    my ($head, $message) = split /\n\n/, $got, 2;
    is_deeply([ $head =~ /^arg (.*)$/mg ], [ '-f', 'Joe@Example.ORG', 'in fo|x|in fo+x', 'example.com', '--', 'in fo+x@example.com', '+x', 'id 4cQxYZ' ], 'arguments');
    like($head, qr/^uid ${\ scalar getpwnam $user}$/m, 'by its user') if is_root();
    is_deeply([ $head =~ /^env (\w+)=/mg ], [ 'HOME', 'PATH' ], 'nothing of ours is in its environment');
    like($head, qr/^cwd \Q$out\E$/m, 'in its folder');
    like($message, qr/\AReturn-Path: <Joe\@Example\.ORG>\nX-Original-To: "In fo\+x"\@EXAMPLE\.com\nDelivered-To: "In fo\+x"\@EXAMPLE\.com\nReceived: /, 'the flags D, O and R');
    %said = Baton::Lmtp->new($t, 'pipe.store')->deliver('', ['x@example.com'], "Delivered-To: x\@example.com\n\nHello\n");
    is($said{'x@example.com'}, '550 5.4.6 mail forwarding loop for x@example.com', 'a loop is found by D');
    is(results(), 0, 'before the program is run');
};

subtest 'several at a time' => sub {
    answers(0, "stored\nand more\n");
    my @to = map { "u$_\@a.example" } 1 .. 4;
    my %said = Baton::Lmtp->new($t, 'pipe.many')->deliver('', [ @to, 'v@b.example' ], "Subject: x\n\n.dot\nFrom me\n");
    is($said{$_}, '250 2.0.0 delivered via many service (stored and more)', $_) for @to, 'v@b.example';
    my @r = sort { $a cmp $b } map { join ' ', /^arg (.*)$/mg } my @got = results();
    is_deeply(\@r, [ 'nobody u1@a.example u2@a.example u3@a.example', 'nobody u4@a.example', 'nobody v@b.example' ], 'of one domain, as many as may be');
    like($got[0], qr/\n\nFrom nobody .*\nSubject: x\n\n\.\.dot\n>From me\n\n\z/, 'the flags F, B, > and .');
};

subtest 'exit codes' => sub {
    my $l = Baton::Lmtp->new($t, 'pipe.store');
    for ([ 67, '', '550 5.1.1 user unknown' ], [ 75, "disk away\n", '450 4.3.0 temporary failure. Command output: disk away' ],
        [ 69, '', '550 5.3.0 service unavailable' ], [ 1, 'oh', "550 5.3.0 Command died with status 1: \"$program\". Command output: oh" ],
        [ 73, '', '550 5.2.0 can\'t create user output file' ], [ 77, '', '550 5.7.0 permission denied' ],
        [ 1, "4.2.2 mailbox full\n", '450 4.2.2 mailbox full' ], [ 75, '5.7.1 not you', '550 5.7.1 not you' ], [ 0, '5.7.1 never mind', '250 2.0.0 delivered via store service (5.7.1 never mind)' ]) {
        my ($code, $say, $want) = @$_;
        answers($code, $say);
        my %said = $l->deliver('joe@example.org', ['x@example.com'], "Subject: x\n\nHello\n");
        is($said{'x@example.com'}, $want, "status $code $say" =~ s/\n//r);
    }
    my %said = Baton::Lmtp->new($t, 'pipe.absent')->deliver('joe@example.org', ['x@example.com'], "Subject: x\n\nHello\n");
    is($said{'x@example.com'}, '450 4.3.5 cannot execute /nowhere/at/all: No such file or directory', 'a program that is not there');
    results();
};

subtest 'limits' => sub {
    my $l = Baton::Lmtp->new($t, 'pipe.slow');
    my %said = $l->deliver('joe@example.org', ['x@example.com'], "Subject: x\n\n" . 'x' x 90000 . "\n");
    is($said{'x@example.com'}, "450 4.3.0 Command time limit exceeded: \"$large\"", 'time');
    %said = $l->deliver('joe@example.org', ['x@example.com'], "Subject: x\n\n" . 'x' x 110000 . "\n");
    like($said{'x@example.com'}, qr/^550 5\.2\.3 message size 110\d\d\d exceeds size limit 100000 of service slow/, 'size');
};

if (!is_root()) {
    my %said = Baton::Lmtp->new($t, 'pipe.other')->deliver('joe@example.org', ['x@example.com'], "Subject: x\n\nx\n");
    like($said{'x@example.com'}, qr/^450 4\.3\.5 pipe other: batond runs as uid $> and cannot deliver as uid \d+ \($other\): start it as root/, 'somebody else\'s');
}

$t->stop_batond;
{
    my $r = $t->baton(['check']);
    like($r->{out}, qr/^ok +mailboxes +pipe store: \Q$program\E$/m, 'baton check looks at the programs');
    like($r->{out}, qr/^error +mailboxes +pipe absent: \/nowhere\/at\/all: No such file/m, 'one is not there');
    $t->config(raw => qq{pipe x { user = "no-such-user:no-such-group", argv = "/bin/cat", directory = "/nowhere" }\n});
    $r = $t->baton(['check']);
    like($r->{out}, qr/pipe x: there is no user no-such-user.*pipe x: there is no group no-such-group.*pipe x: \/nowhere: No such/s, 'nor users and folders');
}
for ([ 'pipe a/b { user = "x", argv = "/x" }', qr/a name has letters/ ], [ 'pipe x { user = "root", argv = "/x" }', qr/no program gets mail as root/ ],
    [ 'pipe x { user = "u", argv = "/x ${recpient}" }', qr/there is no \$recpient here/ ], [ 'pipe x { user = "u", argv = "/x", flags = "Dz" }', qr/there is no flag "z"/ ],
    [ 'pipe x { user = "u" }', qr/argv/ ], [ 'pipe local { user = "u", argv = "/x" }', qr/is no other transport's/ ],
    [ 'pipe x { user = "u", argv = "/x", flags = "D", recipient_limit = 2 }', qr/make recipient_limit 1/ ]) {
    $t->config(raw => "$_->[0]\n");
    my $r = $t->baton(['check']);
    like($r->{err} . $r->{out}, $_->[1], "refused: $_->[0]");
}

done_testing;
