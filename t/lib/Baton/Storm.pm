# SPDX-License-Identifier: Apache-2.0
package Baton::Storm;

=head1 NAME

Baton::Storm - mail from many clients at once, and what of it was promised and has come

=head1 SYNOPSIS

    my $storm = Baton::Storm->new($t);              # with a sink of its own; $storm->sink->address is the relayhost
    $t->config(relayhost => $storm->sink->address, $storm->listen);
    $t->start_batond;
    $storm->start(qw(small bdat many large sendmail));
    ... kill, fill, break ...
    my $sum = $storm->finish;                       # clients end, all that was promised is waited for
    is($sum->{missing}, 0);

Each client is a process that notes what it was promised (250 after the content, or exit 0 of sendmail) the moment it
reads it; a message is sent once, whatever comes of it. Content is its own proof: a field of the header has the digest of
the body. What the sink keeps is read, compared, noted and removed by one more process, so that a storm may last.

finish() returns
    promised     messages     recipients     of what was promised
    missing      recipients of promised messages for whom nothing came
    damaged      files of the sink that were not as they were sent
    duplicates   copies beyond the first: mail transactions in which somebody got what he had already
    worst        the most copies that one recipient got
    unpromised   messages that came though the client was never told 250: allowed
    replies      { code => n }: what clients were told at the end of a message, when not 250; 'none': the connection went
    kinds        { kind => promised messages }

=cut

use strict;
use warnings;
use Baton::Test qw(wait_until slurp free_port);
use Carp qw(croak);
use Digest::MD5 qw(md5_hex);
use IO::Socket::INET;
use POSIX ();
use Time::HiRes qw(time sleep);

use constant PATIENCE => 30; # seconds for one reply: a daemon that is gone closes the connection at once

# kind => how many recipients, bytes, how it is sent, at most how many a second
my %kinds = (
    small    => { rcpts => [1, 1],    bytes => [100, 4000],       way => \&_data,     rate => 200 },
    pipeline => { rcpts => [1, 3],    bytes => [100, 8000],       way => \&_pipeline, rate => 200 },
    bdat     => { rcpts => [1, 2],    bytes => [100, 60000],      way => \&_bdat,     rate => 100 },
    many     => { rcpts => [60, 150], bytes => [100, 3000],       way => \&_data,     rate => 4 },
    large    => { rcpts => [1, 2],    bytes => [270_000, 900_000], way => \&_data,    rate => 8 },
    largebdat => { rcpts => [1, 1],   bytes => [270_000, 900_000], way => \&_bdat,    rate => 8 },
    sendmail => { rcpts => [1, 3],    bytes => [100, 20_000],     way => \&_sendmail, rate => 40 },
    largesendmail => { rcpts => [1, 2], bytes => [270_000, 600_000], way => \&_sendmail, rate => 4 },
);

sub new {
    my ($class, $t) = @_;
    my $self = bless { t => $t, dir => $t->path('storm'), port => free_port(), clients => {}, n => 0 }, $class;
    mkdir $self->{dir} or croak "$self->{dir}: $!";
    $self->{sink} = $t->sink;
    $self->{pool} = _pool();
    return $self;
}

sub sink { $_[0]{sink} }
sub port { $_[0]{port} }

# What the configuration needs for it
sub config {
    my ($self) = @_;
    return (relayhost => $self->{sink}->address, minimal_backoff_time => '1s', maximal_backoff_time => '2s',
        raw => qq(listen storm { address = "127.0.0.1", port = $self->{port} }\n));
}

# Lines of all kinds: short, long, empty, with a dot in front, with bytes above 127
sub _pool {
    my $pool = '';
    my $n = 0;
    srand 7;
    while (length $pool < 1_000_000) {
        my $line = join '', map { chr(33 + int rand 90) } 1 .. rand 90;
        $line = '.' . $line if $n % 13 == 0;
        $line = '.' if $n % 101 == 0;
        $line = "gr\xfc\xdfe $line" if $n % 29 == 0;
        $pool .= $line . "\n";
        $n++;
    }
    srand;
    return $pool;
}

# ---- clients -----------------------------------------------------------------------------------------------------------

# start(kind, ...): one client each
sub start {
    my ($self, @kinds) = @_;
    $self->_child('checker', sub { $self->_check_files }) if !$self->{checker}++;
    for my $kind (@kinds) {
        my $name = $kind . ++$self->{n};
        croak "no kind $kind" if !$kinds{$kind};
        $self->_child($name, sub { $self->_client($name, $kinds{$kind}) });
    }
    return $self;
}

sub _child {
    my ($self, $name, $code) = @_;
    my $pid = fork // croak "fork: $!";
    if (!$pid) {
        setpgrp 0, 0;
        srand;
        $SIG{PIPE} = 'IGNORE';
        eval { $code->(); 1 } or print STDERR "storm $name: $@";
        POSIX::_exit($@ ? 1 : 0);
    }
    POSIX::setpgid($pid, $pid);
    Baton::Test::register_group($pid, "storm $name");
    $self->{clients}{$pid} = $name;
}

# send_one(name, bytes): one message from here, noted as those of the clients are; the code that it was answered with
sub send_one {
    my ($self, $name, $bytes) = @_;
    $self->start if !$self->{checker};
    my $m = $self->_message($name, { rcpts => [1, 1], bytes => [$bytes, $bytes] });
    my ($code, $text) = _data({ storm => $self }, $m);
    if ($code eq '250') { _note($self->_open_note('promised.one'), "$m->{id} $m->{n} $m->{md5}") }
    else { _note($self->_open_note('told.one'), "$code " . ($text // '')) }
    return $code;
}

sub _is_over { -e "$_[0]{dir}/over" }

sub _between { my ($range) = @_; return $range->[0] + int rand($range->[1] - $range->[0] + 1) }

sub _note { my ($fh, $line) = @_; syswrite $fh, "$line\n" or die "note: $!" }

sub _open_note {
    my ($self, $name) = @_;
    open my $fh, '>>', "$self->{dir}/$name" or die "$name: $!";
    return $fh;
}

sub _client {
    my ($self, $name, $kind) = @_;
    my %c = (storm => $self, promised => $self->_open_note("promised.$name"), told => $self->_open_note("told.$name"));
    my $next = time;
    for (my $n = 1; !$self->_is_over; $n++) {
        my $m = $self->_message("$name-$n", $kind);
        my ($code, $text) = $kind->{way}->(\%c, $m);
        if ($code eq '250') { _note($c{promised}, "$m->{id} $m->{n} $m->{md5}") }
        else {
            _note($c{told}, "$code " . ($text // ''));
            delete $c{socket};
            sleep 0.02;
        }
        $next = time if $next < time - 1;
        $next += 1 / $kind->{rate};
        my $left = $next - time;
        sleep $left if $left > 0;
    }
}

sub _message {
    my ($self, $id, $kind) = @_;
    my ($n, $bytes) = (_between($kind->{rcpts}), _between($kind->{bytes}));
    my $from = index($self->{pool}, "\n", int rand(length($self->{pool}) - $bytes)) + 1;
    my $to = index($self->{pool}, "\n", $from + $bytes);
    my $body = substr $self->{pool}, $from, ($to < 0 ? length $self->{pool} : $to + 1) - $from;
    my $md5 = md5_hex($body);
    return {
        id => $id, n => $n, md5 => $md5, rcpts => [ map { "$id.$_\@example.test" } 0 .. $n - 1 ],
        text => "From: storm\@example.test\nSubject: $id\nX-Storm: $id $n $md5\n\n$body",
    };
}

# ---- ways of sending -----------------------------------------------------------------------------------------------------

sub _connect {
    my ($c) = @_;
    return $c->{socket} if $c->{socket};
    my $s = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $c->{storm}{port}, Timeout => 5) or return;
    binmode $s;
    $c->{socket} = $s;
    $c->{in} = '';
    (_reply($c))[0] eq '220' && (_say($c, 'EHLO storm.example.test'))[0] eq '250' or return delete $c->{socket} && undef;
    return $s;
}

sub _line {
    my ($c) = @_;
    while ($c->{in} !~ /\n/) {
        my $ready = '';
        vec($ready, fileno $c->{socket}, 1) = 1;
        select($ready, undef, undef, PATIENCE) or return;
        sysread $c->{socket}, $c->{in}, 65536, length $c->{in} or return;
    }
    $c->{in} =~ s/^(.*?)\r?\n//;
    return $1;
}

# (code, last line); ('none') when the connection went
sub _reply {
    my ($c) = @_;
    while (defined(my $line = _line($c))) {
        return ($1, $line) if $line =~ /^(\d{3}) /;
        return ('odd', $line) if $line !~ /^\d{3}-/;
    }
    return ('none');
}

sub _send {
    my ($c, $text) = @_;
    my $at = 0;
    while ($at < length $text) {
        my $n = syswrite $c->{socket}, $text, 65536, $at or return 0;
        $at += $n;
    }
    return 1;
}

sub _say { my ($c, $text) = @_; return _send($c, "$text\r\n") ? _reply($c) : ('none') }

sub _crlf { my ($text) = @_; $text =~ s/\n/\r\n/g; return $text }

sub _dotted { my ($text) = @_; $text =~ s/^\./../mg; return _crlf($text) . ".\r\n" }

sub _envelope { my ($m) = @_; return ('MAIL FROM:<storm@example.test> BODY=8BITMIME', map { "RCPT TO:<$_>" } @{ $m->{rcpts} }) }

sub _data {
    my ($c, $m) = @_;
    _connect($c) or return ('none');
    for (_envelope($m)) {
        my @said = _say($c, $_);
        return @said if $said[0] ne '250';
    }
    my @said = _say($c, 'DATA');
    return @said if $said[0] ne '354';
    return _send($c, _dotted($m->{text})) ? _reply($c) : ('none');
}

sub _pipeline {
    my ($c, $m) = @_;
    _connect($c) or return ('none');
    my @commands = (_envelope($m), 'DATA');
    _send($c, join '', map { "$_\r\n" } @commands) or return ('none');
    my @said;
    for (@commands) {
        my @one = _reply($c);
        @said = @one if !@said && $one[0] !~ /^(?:250|354)$/;
        return @one if $one[0] eq 'none';
    }
    return @said if @said;
    return _send($c, _dotted($m->{text})) ? _reply($c) : ('none');
}

sub _bdat {
    my ($c, $m) = @_;
    _connect($c) or return ('none');
    my @commands = _envelope($m);
    _send($c, join '', map { "$_\r\n" } @commands) or return ('none');
    for (@commands) {
        my @one = _reply($c);
        return @one if $one[0] ne '250';
    }
    my $text = _crlf($m->{text});
    my @said;
    for (my $at = 0; $at < length $text;) {
        my $n = 1 + int rand length $text;
        $n = length($text) - $at if $n > length($text) - $at;
        my $last = $at + $n == length $text;
        _send($c, "BDAT $n" . ($last ? ' LAST' : '') . "\r\n" . substr $text, $at, $n) or return ('none');
        @said = _reply($c);
        return @said if $said[0] ne '250';
        $at += $n;
    }
    return @said;
}

sub _sendmail {
    my ($c, $m) = @_;
    my $t = $c->{storm}{t};
    my $r = $t->run([ $t->bin . '/sendmail', '-C', $t->conf, '-f', 'storm@example.test', '-i', @{ $m->{rcpts} } ],
        input => $m->{text}, timeout => 60, env => { BATON_CONF => undef, %{ $c->{storm}{sendmail_env} || {} } });
    return ('250') if $r->{code} == 0 && !$r->{signal};
    $r->{err} =~ s/\s+/ /g;
    return ("exit$r->{code}", $r->{err});
}

# ---- what comes ----------------------------------------------------------------------------------------------------------

sub _check_files {
    my ($self) = @_;
    my $dir = $self->{sink}->maildir . '/new';
    my $got = $self->_open_note('got');
    while (!-e "$self->{dir}/done") {
        opendir my $d, $dir or die "$dir: $!";
        my @files = grep { !/^\./ } readdir $d;
        closedir $d;
        for my $file (@files) {
            _note($got, _judge(slurp("$dir/$file")));
            unlink "$dir/$file";
        }
        sleep 0.02 if !@files;
    }
}

# "ID MD5 number,number..." or "damaged ..."
sub _judge {
    my ($text) = @_;
    my ($head, $body) = $text =~ /\A(.*?\n)\n(.*)\z/s or return 'damaged: no header';
    my ($id, $n, $md5) = $head =~ /^X-Storm: (\S+) (\d+) (\w+)$/m or return 'damaged: no X-Storm';
    return "damaged: $id: " . length($body) . ' bytes of body do not fit the digest' if md5_hex($body) ne $md5;
    my @rcpts;
    for ($head =~ /^Delivered-To: (.*)$/mg) {
        return "damaged: $id is for $_" if !/^\Q$id\E\.(\d+)\@example\.test$/ || $1 >= $n;
        push @rcpts, $1;
    }
    return "$id $md5 " . join ',', @rcpts;
}

# ---- the end -------------------------------------------------------------------------------------------------------------

# wait_promised(n, seconds): till clients were promised so many
sub wait_promised { my ($self, $n, $seconds) = @_; return wait_until { $self->promised >= $n } $seconds // 20 }

# told(code): how many messages were answered so at their end
sub told {
    my ($self, $code) = @_;
    my $n = 0;
    for my $file (glob "$self->{dir}/told.*") { $n += () = slurp($file) =~ /^\Q$code\E\b/mg }
    return $n;
}

sub promised { my ($self) = @_; return scalar keys %{ $self->_promised } }

sub _promised {
    my ($self) = @_;
    my %promised;
    for my $file (glob "$self->{dir}/promised.*") {
        /^(\S+) (\d+) (\w+)$/ and $promised{$1} = [ $2, $3 ] for split /\n/, slurp($file);
    }
    return \%promised;
}

# Reads what was noted since the last time
sub _read_got {
    my ($self) = @_;
    my $g = $self->{got} ||= { at => 0, copies => {}, damaged => [] };
    open my $fh, '<', "$self->{dir}/got" or return $g;
    seek $fh, $g->{at}, 0;
    while (<$fh>) {
        last if !/\n\z/;
        $g->{at} += length;
        if (/^(\S+) (\w+) ([\d,]+)$/) {
            $g->{copies}{$1}{md5} = $2;
            my $again = 0;
            $again |= $g->{copies}{$1}{rcpts}{$_}++ for split /,/, $3;
            $g->{again}++ if $again;
        } else { chomp; push @{ $g->{damaged} }, $_ }
    }
    return $g;
}

sub _missing {
    my ($self, $promised) = @_;
    my $g = $self->_read_got;
    my @missing;
    for my $id (keys %$promised) {
        my $came = $g->{copies}{$id};
        push @missing, map { "$id.$_" } grep { !$came || !$came->{rcpts}{$_} || $came->{md5} ne $promised->{$id}[1] }
          0 .. $promised->{$id}[0] - 1;
    }
    return @missing;
}

sub _end {
    my ($self, $which, $seconds) = @_;
    my @pids = grep { $self->{clients}{$_} =~ $which } keys %{ $self->{clients} };
    my $all = wait_until {
        @pids = grep { waitpid($_, POSIX::WNOHANG()) == 0 } @pids;
        !@pids;
    } $seconds;
    for my $pid (@pids) { kill 'KILL', -$pid; waitpid $pid, 0 }
    for my $pid (grep { $self->{clients}{$_} =~ $which } keys %{ $self->{clients} }) {
        Baton::Test::forget_group($pid);
        delete $self->{clients}{$pid};
    }
    return $all;
}

# stop(): the clients end after the message that they are at; batond may be down
sub stop {
    my ($self) = @_;
    Baton::Test::spew("$self->{dir}/over", '');
    return $self->_end(qr/^(?!checker)/, PATIENCE * 2);
}

# finish(seconds): stops the clients, waits till all that was promised has come, and sums up
sub finish {
    my ($self, $seconds) = @_;
    $self->stop or croak 'clients hang';
    my $promised = $self->_promised;
    my @missing;
    my $last = -1;
    my $end = time + ($seconds // 30);
    while (@missing = $self->_missing($promised)) {
        $end = time + ($seconds // 30) if @missing != $last; # as long as mail comes, it is waited for
        $last = @missing;
        last if time > $end;
        sleep 0.1;
    }
    sleep 0.3; # copies that are still on their way are counted, too: this only makes the count larger
    Baton::Test::spew("$self->{dir}/done", '');
    $self->_end(qr/^checker/, 10);
    return $self->_sum($promised, [ $self->_missing($promised) ]);
}

sub _sum {
    my ($self, $promised, $missing) = @_;
    my $g = $self->_read_got;
    my %sum = (promised => scalar keys %$promised, recipients => 0, missing => scalar @$missing, duplicates => $g->{again} // 0, worst => 0,
        damaged => scalar @{ $g->{damaged} }, unpromised => 0, replies => {}, kinds => {},
        examples => [ @$missing[0 .. ($#$missing > 9 ? 9 : $#$missing)], @{ $g->{damaged} } ]);
    for (keys %$promised) {
        $sum{recipients} += $promised->{$_}[0];
        /^([a-z]+)/ and $sum{kinds}{$1}++;
    }
    for my $id (keys %{ $g->{copies} }) {
        $sum{unpromised}++ if !$promised->{$id};
        for my $n (values %{ $g->{copies}{$id}{rcpts} }) { $sum{worst} = $n if $n > $sum{worst} }
    }
    for my $file (glob "$self->{dir}/told.*") {
        /^(\S+)/ and $sum{replies}{$1}++ for split /\n/, slurp($file);
    }
    return \%sum;
}

# The sum as text, for people
sub describe {
    my ($sum) = @_;
    my $list = sub { my ($h) = @_; join(', ', map { "$_ $h->{$_}" } sort keys %$h) || 'none' };
    return "$sum->{promised} promised to $sum->{recipients} recipients: $sum->{missing} missing, $sum->{damaged} damaged, "
      . "$sum->{duplicates} duplicates ($sum->{worst} copies at most), $sum->{unpromised} came unpromised; by kind: "
      . $list->($sum->{kinds}) . '; other answers: ' . $list->($sum->{replies});
}

1;
