#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
# A relayhost goes wrong in each step in each way, once, and is as it should be from then on: the mail arrives, is never bounced, and
# comes twice only if it had come whole and nobody could know.
use strict;
use warnings;
use Test::More;
use FindBin;
use lib "$FindBin::Bin/lib";
use Baton::Test;
use IO::Select;
use IO::Socket::INET;
use Socket qw(SOL_SOCKET SO_LINGER);
use POSIX ();
use Time::HiRes qw(time);

skip_all_unless_server(); # a relayhost for each domain

my %good = (
    banner => "220 fake ESMTP\r\n", ehlo => "250-fake\r\n250-PIPELINING\r\n250-8BITMIME\r\n250 SIZE\r\n", mail => "250 2.1.0 ok\r\n",
    rcpt => "250 2.1.5 ok\r\n", data => "354 go\r\n", dot => "250 2.0.0 taken\r\n", rset => "250 ok\r\n", quit => "221 bye\r\n",
);

# What comes instead of the reply; "then" is what follows: close the connection, or say no more, or go on as if nothing were
my %faults = (
    'closes'                    => { text => '', then => 'close' },
    'closes within a reply'     => { text => '25', then => 'close' },
    'closes between two lines'  => { text => "250-one\r\n", then => 'close' },
    'resets the connection'     => { text => '', then => 'reset' },
    'says nothing'              => { text => '', then => 'hang' },
    '421 and closes'            => { text => "421 4.3.2 going down\r\n", then => 'close' },
    '421 and stays'             => { text => "421 4.3.2 going down\r\n", then => 'hang' },
    '450'                       => { text => "450 4.2.0 not now\r\n" },
    'no code'                   => { text => "what?\r\n", then => 'hang' },
    'an unknown code'           => { text => "999 odd\r\n", then => 'hang' },
    'a code that changes'       => { text => "250-one\r\n451 two\r\n", then => 'hang' },
    'noise'                     => { text => join('', map { chr($_ * 7 % 256) } 1 .. 3000) . "\r\n", then => 'hang' },
    'NUL and lone CR'           => { text => "2\0" . "50 ok\r250 ok\r\r\n", then => 'hang' },
    'a line without end'        => { text => '250 ' . 'x' x 8192, then => 'more', pause => 0.01 },
    'a reply without end'       => { text => "250-more\r\n" x 50, then => 'more', pause => 0.01 },
    'a line without end, slow'  => { text => 'x', then => 'more', pause => 0.2 },
    'a reply without end, slow' => { text => "250-more\r\n", then => 'more', pause => 0.2 },
    'a byte now and then'       => { then => 'slow', pause => 0.02 },
);
my @steps = qw(banner ehlo mail rcpt data dot quit);

# ---- the relayhosts: one process, a port for each case -------------------------------------------------------------------------

sub next_line {
    my ($c) = @_;
    return $1 if $c->{in} =~ s/\A([^\n]*)\n//;
    return;
}

sub record { my ($log, @what) = @_; syswrite $log, join(' ', @what) . "\n" }

# Says what belongs to a step, or goes wrong, which each port does once. False when the connection is over or stuck.
sub act {
    my ($c, $step) = @_;
    my $case = $c->{case};
    my $fault = $case->{step} eq $step && !$case->{had}++ ? $case->{fault} : { text => $good{$step} };
    my $then = $fault->{then} // '';
    $c->{out} .= $fault->{text} // '';
    @$c{qw(at pause)} = (0, $fault->{pause}) if defined $fault->{pause};
    $c->{$then} = 1 if $then;
    $c->{slow} = $good{$step} if $then eq 'slow';
    $c->{more} = $fault->{text} if $then eq 'more';
    record($c->{log}, 'taken', $case->{n}, $c->{seen}) if $step eq 'dot' && !$fault->{then} && ($fault->{text} // '') =~ /^250 /;
    record($c->{log}, 'taken', $case->{n}, $c->{seen}) if $step eq 'dot' && $then eq 'slow';
    return;
}

my %step_of = (EHLO => 'ehlo', HELO => 'ehlo', MAIL => 'mail', RCPT => 'rcpt', DATA => 'data', RSET => 'rset', QUIT => 'quit');

sub converse {
    my ($c) = @_;
    while (!grep { $c->{$_} } qw(close reset hang more)) {
        if ($c->{in_data}) {
            return if $c->{in} !~ s/\A(.*?\r\n)\.\r\n//s;
            my $text = $1;
            $c->{seen} = $text =~ /^Subject: (\S+)\r\n.*\nlast line\r\n\z/ms ? $1 : 'damaged';
            record($c->{log}, 'whole', $c->{case}{n}, $c->{seen});
            $c->{in_data} = 0;
            act($c, 'dot');
            next;
        }
        my $line = next_line($c) // return;
        my $step = $step_of{ uc substr $line, 0, 4 } // next;
        my $before = length $c->{out};
        act($c, $step);
        $c->{in_data} = $step eq 'data' && (substr($c->{out}, $before) =~ /^354/ || $c->{slow});
        $c->{close} = 1 if $step eq 'quit' && !$c->{slow};
    }
}

sub pour {
    my ($c) = @_;
    if (($c->{slow} || $c->{more}) && $c->{at} <= time && length $c->{out} < 65536) {
        $c->{out} .= $c->{more} // substr $c->{slow}, 0, 1, '';
        $c->{at} = time + $c->{pause};
    }
    if (length $c->{out}) {
        my $n = syswrite $c->{s}, $c->{out};
        return 0 if !defined $n && !$!{EAGAIN};
        substr $c->{out}, 0, $n // 0, '';
    }
    return 1 if length $c->{out} || $c->{slow} || $c->{more};
    setsockopt $c->{s}, SOL_SOCKET, SO_LINGER, pack 'ii', 1, 0 if $c->{reset};
    return !($c->{reset} || $c->{close});
}

sub serve {
    my ($cases, $log) = @_;
    $SIG{PIPE} = 'IGNORE';
    my $parent = getppid;
    my %case = map { $_->{listener} => $_ } @$cases;
    my $listeners = IO::Select->new(map { $_->{listener} } @$cases);
    my %conns;
    while (getppid == $parent) {
        my @more = map { $_->{s} } grep { length $_->{out} } values %conns;
        my @slow = grep { $_->{slow} || $_->{more} } values %conns;
        my ($in) = IO::Select->select(IO::Select->new($listeners->handles, map { $_->{s} } values %conns), IO::Select->new(@more), undef,
            @slow ? 0.01 : 0.5);
        for my $s (@{ $in // [] }) {
            if (my $case = $case{$s}) {
                my $new = $s->accept or next;
                $new->blocking(0);
                my $c = $conns{$new} = { s => $new, case => $case, in => '', out => '', log => $log };
                act($c, 'banner');
                next;
            }
            my $c = $conns{$s};
            my $n = sysread $s, $c->{in}, 65536, length $c->{in};
            delete $conns{$s} if defined $n ? !$n : !$!{EAGAIN};
        }
        for my $key (keys %conns) {
            converse($conns{$key});
            delete $conns{$key} if !pour($conns{$key});
        }
    }
    POSIX::_exit(0);
}

# ---- the cases ---------------------------------------------------------------------------------------------------------------

my (@cases, %rows);
for my $step (@steps) {
    for my $name (sort keys %faults) {
        my $port = free_port();
        my $listener = IO::Socket::INET->new(LocalAddr => '127.0.0.1', LocalPort => $port, Listen => 16, ReuseAddr => 1) or die "port $port: $!";
        push @cases, { n => scalar @cases, step => $step, name => $name, fault => $faults{$name}, port => $port, listener => $listener };
        $rows{"d$#cases.test"} = "smtp:[127.0.0.1]:$port";
    }
}

my $t = Baton::Test->new;
my $path = $t->path('relayhosts.log');
spew($path, '');
open my $log, '>>', $path or die "$path: $!";
my $pid = fork // die "fork: $!";
if (!$pid) {
    setpgrp 0, 0;
    eval { serve(\@cases, $log) };
    print STDERR $@;
    POSIX::_exit(1);
}
Baton::Test::register_group($pid, 'relayhosts');
close $_->{listener} for @cases;

spew($t->path('transport'), join '', map { "$_ $rows{$_}\n" } sort keys %rows);
$t->config(relayhost => '', transport_maps => 'texthash:' . $t->path('transport'), minimal_backoff_time => '1s', maximal_backoff_time => '1s',
    queue_run_delay => '1s', (map { ("smtp_${_}_timeout" => '2s') } qw(helo mail rcpt data_init data_xfer data_done rset quit)));
$t->start_batond;

for my $case (@cases) {
    my $r = $t->sendmail([ '-f', 'me@example.test', "you\@d$case->{n}.test" ],
        input => "Subject: m$case->{n}\n\n" . "some more of it\n" x 200 . "last line\n");
    is($r->{code}, 0, "message $case->{n} is taken") or diag $r->{err} if $r->{code};
}

sub records { my ($what, $n) = @_; return [ slurp($path) =~ /^$what $n (\S+)$/mg ] }

wait_until { !grep { !@{ records('taken', $_->{n}) } } @cases } 90;
wait_until { $t->baton([ 'queue', 'list' ])->{out} !~ /\@d\d+\.test/ } 30;
my $text = $t->log_text;
for my $case (@cases) {
    my $what = "$case->{step}: $case->{name}";
    my $n = $case->{n};
    my @took = @{ records('taken', $n) };
    my @whole = @{ records('whole', $n) };
    like("@took", qr/^m$n(?: m$n)*\z/, "$what: it arrives, and whole");
    my $again = $case->{step} eq 'dot' ? qr/status=deferred/ : qr/may be sent more than once/; # as on a machine that is slow
    my $most = 1 + (() = $text =~ /to=<you\@d$n\.test>.*$again/g);
    cmp_ok(scalar @whole, '<=', $most, "$what: it is sent no more often than it must be");
}
unlike($text, qr/status=(?:bounced|expired)/, 'nothing is bounced');
is(scalar(() = $text =~ /was ended by signal|out of memory|bug:/g), 0, 'and the relay has lived');
my ($relay) = $text =~ m{baton/relay\[(\d+)\]};
my ($peak) = (slurp("/proc/$relay/status") // '') =~ /^VmHWM:\s+(\d+)/m;
cmp_ok($peak, '<', 60_000, 'with little memory') if $peak && (slurp(build_dir() . '/build.h') // '') !~ /^#define WITH_SANITIZERS/m;
kill 'KILL', $pid;
waitpid $pid, 0;
Baton::Test::forget_group($pid);
done_testing;
