#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
# sendmail and the daemon: taken, refused, deferred, hanging, gone; and the drop behind it.
use strict;
use warnings;
use FindBin;
use Test::More;
use Time::HiRes qw(time);
use lib "$FindBin::Bin/lib";
use Baton::Test;

sub world {
    my ($has_daemon, %script) = @_;
    my $t = Baton::Test->new;
    $t->config;
    mkdir $t->spool;
    mkdir $t->spool . '/drop';
    return ($t, $has_daemon ? $t->fake_daemon(%script) : undef);
}
sub files { my ($t) = @_; return grep { -e } glob $t->spool . '/drop/{,.}[!.]*' }
my $message = "From: a\@b.test\nTo: c\@d.test\nSubject: x\n\nbody\n";

# ---- the drop ---------------------------------------------------------------------------------------------------------------

{
    my ($t) = world(0);
    my $r = $t->sendmail([ '-t', '-v' ], input => $message);
    is($r->{code}, 0, 'without a daemon the message is kept');
    like($r->{err}, qr/kept as (\w{8,}) until batond takes it/, '-v says where');
    my ($id) = $r->{err} =~ /kept as (\w+)/;
    my @drop = $t->drop;
    is(@drop, 1, 'as one file');
    like($drop[0], qr/Received: by client\.example\.test \(Baton, from userid $>\)\r\n\tid $id\r\n\tfor <c\@d\.test>; .*\r\nFrom: a\@b\.test\r\n/m,
        'with a Received field that names the uid and the id');
    like($drop[0], qr/\r\n\r\nbody\r\n/, 'and the body');
    $r = $t->sendmail([ '-t', 'e@f.test' ], input => $message);
    my ($new) = grep { /userid/ && !/\Q$id/ } $t->drop;
    unlike($new, qr/\tfor </, 'several recipients do not learn of each other');
    $r = $t->sendmail(['-t'], input => $message . ('x' x 99 . "\n") x 30000);
    is($r->{code}, 0, 'a message larger than what is kept in memory');
    my ($large) = grep { length > 2_000_000 } $t->drop;
    like($large, qr/body\r\n(?:x{99}\r\n){30000}/, 'is in the drop whole') if $large;
    ok($large, 'it is there');
}
{
    my ($t) = world(0);
    rmdir $t->spool . '/drop';
    my $r = $t->sendmail(['-t'], input => $message);
    is($r->{code}, 75, 'without a daemon and without a drop: 75');
    like($r->{err}, qr{batond does not answer at \S+/public/submit.*\n.*not taken: there is no queue in \S+ yet: batond makes it}, 'both are told');
    my $listen = IO::Socket::UNIX->new(Local => do { mkdir $t->spool . '/public'; $t->spool . '/public/submit' }, Listen => 1);
    close $listen;
    $r = $t->sendmail(['-t'], input => $message);
    is($r->{code}, 75, 'a socket that nobody listens at is no daemon either');
}
{
    my ($t) = world(0);
    my $sh = $t->run([ 'sh', '-c', 'ulimit -f 8; exec "$@"', 'sh', program('sendmail'), '-C', $t->conf, '-t' ],
        input => $message . ('x' x 99 . "\n") x 3000);
    is($sh->{code}, 75, 'when the file cannot grow: 75');
    like($sh->{err}, qr/not taken: .*File too large/, 'and why');
    is(files($t), 0, 'with nothing left behind');
}
SKIP: {
    skip 'needs root to mount a small disk', 3 if !is_root() || system('unshare -m true 2>/dev/null');
    my ($t) = world(0);
    my $r = $t->run([ 'unshare', '-m', 'sh', '-c', 'd=$1; shift; mount -t tmpfs -o size=64k none "$d" && "$@"; rc=$?; ls -A "$d"; exit $rc',
            'sh', $t->spool . '/drop', program('sendmail'), '-C', $t->conf, '-t' ], input => $message . ('x' x 99 . "\n") x 3000);
    is($r->{code}, 75, 'on a full disk: 75');
    like($r->{err}, qr/No space left/, 'and why');
    is($r->{out}, '', 'with nothing left behind');
}
SKIP: {
    my ($t) = world(0);
    chmod 0555, $t->spool . '/drop';
    my $r = $t->sendmail(['-t'], input => $message, uid => 65534);
    is($r->{code}, 75, 'a drop that the user may not write: 75');
    like($r->{err}, qr/Permission denied/, 'and why');
    is(files($t), 0, 'with nothing left behind');
}

# ---- what the daemon says -----------------------------------------------------------------------------------------------------

my @verdicts = (
    [ { rcpt => '550 5.1.1 no such user' },                 67, 'a recipient that does not exist' ],
    [ { rcpt => { 'c@d.test' => '250 ok', else => '550 5.1.1 no such user' } }, 67, 'one of several that does not exist' ],
    [ { rcpt => '550 5.1.2 no such host' },                 68, 'a host that does not exist' ],
    [ { rcpt => '501 5.1.3 bad address' },                  65, 'an address it cannot read' ],
    [ { mail => '552 5.3.4 too large' },                    69, 'a message too large for it' ],
    [ { dot  => '552 5.3.4 too large' },                    69, 'the same at the end' ],
    [ { mail => '550 5.7.1 not you' },                      77, 'a sender that may not' ],
    [ { dot  => '550 5.6.0 bad content' },                  65, 'content that it does not want' ],
    [ { dot  => '554 no' },                                 69, 'a refusal without a reason' ],
);
for (@verdicts) {
    my ($script, $code, $name) = @$_;
    my ($t, $daemon) = world(1, %$script);
    my $r = $t->sendmail([ '-t', 'e@f.test' ], input => $message);
    is($r->{code}, $code, "$name: $code");
    like($r->{err}, qr/: 5\d\d /, "$name: in its words");
    is(scalar($daemon->messages) + files($t), 0, "$name: nobody has it");
}
my @troubles = (
    [ { banner => '421 4.3.2 shutting down' },                 'one that shuts down' ],
    [ { banner => 'drop' },                                    'one that hangs up at once' ],
    [ { banner => '554 go away' },                             'one that wants nobody' ],
    [ { ehlo => 'drop' },                                      'one that hangs up at EHLO' ],
    [ { capabilities => [] },                                  'something else that speaks SMTP' ],
    [ { banner => "hello\n" },                                 'something that does not' ],
    [ { mail => '452 4.3.1 disk full' },                       'a full disk at MAIL' ],
    [ { rcpt => { 'e@f.test' => '452 4.5.3 too many', else => '250 ok' } }, 'a 4xx for one recipient' ],
    [ { dot => '451 4.3.0 later' },                            'a 4xx at the end' ],
    [ { dot => 'drop' },                                       'one that hangs up at the end' ],
);
for (@troubles) {
    my ($script, $name) = @$_;
    my ($t, $daemon) = world(1, %$script);
    my $r = $t->sendmail([ '-t', 'e@f.test' ], input => $message);
    is($r->{code}, 0, "$name: sendmail leaves with 0");
    is(files($t), 1, "$name: the drop has the message");
    is($r->{err}, '', "$name: and nothing is said of it");
}

# ---- time --------------------------------------------------------------------------------------------------------------------

# They wait beside each other.
{
    my @cases = (
        [ 'hangs from the start', { banner => 'hang' }, 4, 8 ],
        [ 'hangs in the middle',  { rcpt => 'hang' },   4, 8 ],
        [ 'hangs at the end',     { dot => 'hang' },    9, 14 ],
    );
    my @running;
    for (@cases) {
        my ($name, $script, $min, $max) = @$_;
        my ($t, $daemon) = world(1, %$script);
        my $out = $t->path('status');
        my $pid = fork // die "fork: $!";
        if (!$pid) {
            my $from = time;
            my $r = $t->sendmail(['-t'], input => $message);
            spew($out, "$r->{code} " . (time - $from));
            POSIX::_exit(0);
        }
        push @running, [ $t, $daemon, $pid, $out ];
    }
    for my $case (@cases) {
        my ($name, undef, $min, $max) = @$case;
        my ($t, $daemon, $pid, $out) = @{ shift @running };
        waitpid $pid, 0;
        my ($code, $seconds) = split / /, slurp($out);
        is($code, 0, "a daemon that $name: sendmail leaves with 0");
        is(files($t), 1, "a daemon that $name: the drop has the message");
        cmp_ok($seconds, '<', $max * ($ENV{BATON_TEST_SLOW} || 1), "a daemon that $name costs a bounded wait");
        cmp_ok($seconds, '>=', $min, "a daemon that $name is waited for");
    }
}
{
    my ($t, $daemon) = world(1, rcpt => { reply => '250 ok', wait => 1 });
    my $r = $t->sendmail([ map { "u$_\@d.test" } 1 .. 3 ], input => $message);
    is_deeply([ $r->{code}, scalar $daemon->messages, scalar files($t) ], [ 0, 1, 0 ], 'a daemon that is slow but moves is waited for');
}
{
    my ($t, $daemon) = world(1);
    my $r = $t->sendmail([ map { "user$_\@d.test" } 1 .. 5000 ], input => $message);
    my ($m) = $daemon->messages;
    is(scalar @{ $m->{rcpts} }, 5000, 'five thousand recipients do not wedge the two');
}
done_testing();
