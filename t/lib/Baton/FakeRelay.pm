# SPDX-License-Identifier: Apache-2.0
package Baton::FakeRelay;

=head1 NAME

Baton::FakeRelay - an SMTP server that does what a script says, for the faults a real one cannot be made to show

=head1 SYNOPSIS

    my $relay = $t->fake_relay(
        capabilities => [qw(PIPELINING 8BITMIME SIZE)],
        rcpt => { 'a@b.test' => '550 5.1.1 no such user', else => '250 2.1.5 ok' },
        dot  => [ 'drop', '250 2.0.0 taken' ],        # the first time it hangs up, then it takes the message
    );
    my ($m) = $relay->wait_messages(1);               # { from, rcpts, params, rcpt_params, content, login, tls, connection }
    $relay->wait_transcript(qr/^3 C: MAIL FROM/m);    # "connection-number C: what the client said" and "... S: our reply"
    $relay->script(rcpt => '250 ok');                 # a new script from the next command on

=head1 SCRIPT

After LHLO it speaks LMTP: `dot` is said for each recipient (and goes by recipient), and the message has those that were taken in
{taken}.

Stages: banner ehlo helo starttls auth mail rcpt data dot bdat rset noop vrfy quit, and 'unknown'. What a stage does:

    '250 text'                a reply; lines separated by \n
    'drop'                    close the connection without a word
    'hang'                    say nothing, keep the connection
    { reply => '250 text', wait => 0.5, then => 'drop', dribble => 0.05 }   all optional: wait before it, seconds between
                              its bytes, close after it
    { 'a@b.test' => ..., else => ... }            by recipient or sender (mail, rcpt)
    [ first, second, ... ]    one after the other, over all connections; the last one stays

Further: capabilities => [...] of the EHLO reply (STARTTLS is added with tls => 'starttls' until TLS runs, AUTH is not added
for you); tls => 'starttls' or 'implicit' with cert => { key, cert } from $t->certificate (needs IO::Socket::SSL: see
has_tls); port; path (a UNIX socket instead: the daemon's, for sendmail); listen => 0 (starts silent: nobody listens; up() changes that).

=cut

use strict;
use warnings;
use Baton::Test ();
use Carp qw(croak);
use Fcntl ();
use IO::Select;
use IO::Socket::INET;
use IO::Socket::UNIX;
use JSON::PP ();
use MIME::Base64 ();
use POSIX ();
use Time::HiRes qw(time);

my %default = (
    banner => '220 fake.example.test ESMTP', ehlo => '250 fake.example.test', helo => '250 fake.example.test',
    starttls => '220 2.0.0 go ahead', auth => '235 2.7.0 welcome', mail => '250 2.1.0 ok', rcpt => '250 2.1.5 ok',
    data => '354 go ahead', dot => '250 2.0.0 taken as FAKE', bdat => '250 2.0.0 chunk', rset => '250 2.0.0 ok',
    noop => '250 2.0.0 ok', vrfy => '252 2.0.0 perhaps', quit => '221 2.0.0 bye', unknown => '500 5.5.2 what?',
    capabilities => [qw(PIPELINING 8BITMIME ENHANCEDSTATUSCODES SMTPUTF8 DSN)],
);

sub has_tls { eval { require IO::Socket::SSL; 1 } }

# ---- what a test calls -------------------------------------------------------------------------------------------------

sub start {
    my ($class, $dir, %script) = @_;
    mkdir $dir;
    my $self = bless { dir => $dir, path => delete $script{path} }, $class;
    $self->{port} = delete $script{port} // Baton::Test::free_port() if !defined $self->{path};
    my $listen = delete $script{listen} // 1;
    $self->{tls} = delete $script{tls} // '';
    $self->{cert} = delete $script{cert};
    $self->script(%script);
    $self->up if $listen;
    return $self;
}

sub port    { $_[0]{port} }
sub address { "[127.0.0.1]:$_[0]{port}" }

# A new script, instead of the old one, from the next command on
sub script {
    my ($self, %script) = @_;
    Baton::Test::spew("$self->{dir}/script.new", JSON::PP->new->encode({ %default, %script, '' => ++$self->{version} }));
    rename "$self->{dir}/script.new", "$self->{dir}/script" or croak "script: $!";
}

sub up {
    my ($self) = @_;
    return if $self->{pid};
    unlink $self->{path} if defined $self->{path};
    my $listener = defined $self->{path} ? IO::Socket::UNIX->new(Local => $self->{path}, Listen => 128)
      : IO::Socket::INET->new(LocalAddr => '127.0.0.1', LocalPort => $self->{port}, Listen => 128, ReuseAddr => 1);
    croak(($self->{path} // "port $self->{port}") . ": $!") if !$listener;
    chmod 0777, $self->{path} if defined $self->{path};
    my $pid = fork // croak "fork: $!";
    if (!$pid) {
        setpgrp 0, 0;
        $SIG{TERM} = sub { POSIX::_exit(0) };
        eval { $self->_serve($listener); 1 } or print STDERR "fake relay: $@";
        POSIX::_exit(1);
    }
    POSIX::setpgid($pid, $pid);
    Baton::Test::register_group($pid, 'fake relay');
    $self->{pid} = $pid;
}

# Gone: connections break, new ones are refused
sub stop {
    my ($self) = @_;
    my $pid = delete $self->{pid} // return;
    kill 'KILL', $pid;
    waitpid $pid, 0;
    Baton::Test::forget_group($pid);
}

sub transcript { Baton::Test::slurp("$_[0]{dir}/transcript") // '' }

sub wait_transcript {
    my ($self, $want, $seconds) = @_;
    return Baton::Test::wait_until { $self->transcript =~ $want } $seconds // 10;
}

# What was taken with a 2xx at its end, in order
sub messages {
    my ($self) = @_;
    return map {
        my $m = JSON::PP::decode_json(Baton::Test::slurp($_));
        $m->{content} = Baton::Test::slurp(s/message-(?=\d+\z)/content-/r);
        $m;
      } sort { ($a =~ /(\d+)$/)[0] <=> ($b =~ /(\d+)$/)[0] } glob "$self->{dir}/message-*";
}

sub wait_messages {
    my ($self, $n, $seconds) = @_;
    Baton::Test::wait_until { (() = glob "$self->{dir}/message-*") >= $n } $seconds // 15;
    return $self->messages;
}

# How many connections there have been
sub connections { my ($self) = @_; my $n = () = $self->transcript =~ /^\d+ connected$/mg; return $n }

sub DESTROY { my ($self) = @_; local ($?, $@, $!); $self->stop }

# ---- the server's process: one loop over all connections ------------------------------------------------------------

sub _serve {
    my ($self, $listener) = @_;
    delete $self->{pid};
    open my $log, '>>', "$self->{dir}/transcript" or die "transcript: $!";
    $log->autoflush(1);
    $self->{log} = $log;
    my (%conns, $count);
    my $parent = getppid;
    while (1) {
        my @ready = IO::Select->new($listener, map { $_->{is_deaf} ? () : $_->{sock} } values %conns)
          ->can_read(_next_due(\%conns));
        POSIX::_exit(0) if getppid != $parent; # the test was killed: do not stay behind
        for my $sock (@ready) {
            if ($sock == $listener) {
                my $new = $listener->accept or next;
                $self->_say_log(++$count, 'connected');
                my $c = $conns{$new} = { sock => $new, n => $count, in => '', out => [], phase => 'command', tls => 0 };
                next if $self->{tls} eq 'implicit' && !$self->_start_tls($c, \%conns);
                $self->_do($c, 'banner');
                next;
            }
            my ($c) = grep { $_->{sock} == $sock } values %conns or next;
            do {
                my $n = sysread $sock, $c->{in}, 65536, length $c->{in};
                if (!$n) {
                    next if !defined $n && $!{EAGAIN};
                    $self->_close(\%conns, $c, 'client closed');
                    last;
                }
            } while ($c->{tls} && $sock->pending);
            $self->_input($c) if !$c->{is_closed};
        }
        $self->_flush(\%conns, $_) for values %conns;
    }
}

sub _say_log { my ($self, $n, $text) = @_; print { $self->{log} } "$n $text\n" }

sub _next_due {
    my ($conns) = @_;
    my ($first) = sort { $a <=> $b } map { @{ $_->{out} } ? $_->{out}[0]{due} : () } values %$conns;
    return 1 if !defined $first || $first > time + 1;
    return $first > time ? $first - time : 0;
}

sub _close {
    my ($self, $conns, $c, $why) = @_;
    return if $c->{is_closed}++;
    $self->_say_log($c->{n}, $why);
    my ($key) = grep { $conns->{$_} == $c } keys %$conns;
    delete $conns->{$key};
    close $c->{sock};
}

# Writes what is due. Blocking writes: replies are short.
sub _flush {
    my ($self, $conns, $c) = @_;
    while (@{ $c->{out} } && $c->{out}[0]{due} <= time) {
        my $item = shift @{ $c->{out} };
        if (defined $item->{text}) {
            local $SIG{PIPE} = 'IGNORE';
            if (!defined syswrite $c->{sock}, $item->{text}) { $self->_close($conns, $c, 'client gone'); return }
        }
        if ($item->{then} eq 'drop') { $self->_close($conns, $c, 'dropped'); return }
        if ($item->{then} eq 'starttls') { $self->_start_tls($c, $conns) or return }
    }
}

sub _start_tls {
    my ($self, $c, $conns) = @_;
    require IO::Socket::SSL;
    my $ok = IO::Socket::SSL->start_SSL($c->{sock}, SSL_server => 1, Timeout => 10,
        SSL_cert_file => $self->{cert}{cert}, SSL_key_file => $self->{cert}{key});
    if (!$ok) { $self->_close($conns, $c, "TLS failed: " . IO::Socket::SSL::errstr()); return 0 }
    $self->_say_log($c->{n}, 'TLS ' . $c->{sock}->get_sslversion);
    @$c{qw(tls in phase)} = (1, '', 'command');
    return 1;
}

# Picks what the script says for a stage: by address, in turn, or always the same
sub _pick {
    my ($self, $stage, $address) = @_;
    my $inode = (stat "$self->{dir}/script")[1];
    if (($self->{inode} // -1) != $inode) {
        $self->{plan} = JSON::PP::decode_json(Baton::Test::slurp("$self->{dir}/script"));
        $self->{inode} = $inode;
        $self->{turn} = {};
    }
    my $what = $self->{plan}{$stage};
    my $key = $stage;
    if (ref $what eq 'HASH' && grep { /\@|^else$/ } keys %$what) {
        $key = exists $what->{ $address // '' } ? $address : 'else';
        $what = $what->{$key} // $default{$stage};
        $key = "$stage $key";
    }
    if (ref $what eq 'ARRAY') {
        my $turn = $self->{turn}{$key}++;
        $what = $what->[ $turn < @$what ? $turn : -1 ];
    }
    return { then => '', wait => 0, %$what } if ref $what eq 'HASH';
    return { then => 'drop', wait => 0 } if $what eq 'drop';
    return { then => 'hang', wait => 0 } if $what eq 'hang';
    return { then => '', wait => 0, reply => $what };
}

# Queues the reply of a stage; true when it was a 2xx or 3xx
sub _do {
    my ($self, $c, $stage, %o) = @_;
    my $act = $self->_pick($stage, $o{address});
    my $text = $act->{reply};
    if ($stage eq 'ehlo' && defined $text && $text =~ /^250 /) {
        my @caps = @{ $self->{plan}{capabilities} };
        push @caps, 'STARTTLS' if $self->{tls} eq 'starttls' && !$c->{tls};
        $text = join "\n", (map { my $l = $_; $l =~ s/^250 /250-/; $l } $text), map { "250-$_" } @caps;
        $text =~ s/250-([^\n]*)\z/250 $1/;
    }
    if (defined $text) {
        $self->_say_log($c->{n}, "S: $_") for split /\n/, $text;
        $text =~ s/\n/\r\n/g;
        $text .= "\r\n";
    }
    my $due = time + $act->{wait};
    $due = $c->{out}[-1]{due} if @{ $c->{out} } && $c->{out}[-1]{due} > $due;
    my $then = $act->{then} || $o{then} || '';
    if ($act->{dribble} && defined $text) {
        push @{ $c->{out} }, { due => $due += $act->{dribble}, text => $_, then => '' } for split //, $text;
        push @{ $c->{out} }, { due => $due, then => $then };
    } else {
        push @{ $c->{out} }, { due => $due, text => $text, then => $then };
    }
    $c->{is_deaf} = 1 if $then eq 'hang';
    return defined $text && $text =~ /^[23]/ && $then ne 'drop';
}

# ---- the conversation ----------------------------------------------------------------------------------------------------

my %verbs = (
    EHLO => \&_ehlo, HELO => \&_ehlo, LHLO => \&_lhlo, MAIL => \&_mail, RCPT => \&_rcpt, DATA => \&_data, BDAT => \&_bdat, AUTH => \&_auth,
    STARTTLS => \&_starttls, RSET => \&_rset, QUIT => sub { $_[0]->_do($_[1], 'quit', then => 'drop') },
    NOOP => sub { $_[0]->_do($_[1], 'noop') }, VRFY => sub { $_[0]->_do($_[1], 'vrfy') },
);

sub _input {
    my ($self, $c) = @_;
    while (!$c->{is_deaf}) {
        if ($c->{phase} eq 'chunk') {
            return if length $c->{in} < $c->{want};
            $c->{content} .= substr $c->{in}, 0, $c->{want}, '';
            $c->{phase} = 'command';
            $self->_say_log($c->{n}, "C: <chunk of $c->{want} bytes>");
            $c->{is_last} ? $self->_end_of_message($c) : $self->_do($c, 'bdat');
        } elsif ($c->{phase} eq 'content') {
            if ($c->{in} =~ s/\A\.\r\n//) { $c->{content} = '' }
            elsif ($c->{in} =~ s/\A(.*?\r\n)\.\r\n//s) { $c->{content} = $1 }
            else { return }
            $c->{content} =~ s/^\.//mg;
            $self->_say_log($c->{n}, 'C: <content of ' . length($c->{content}) . ' bytes> .');
            $c->{phase} = 'command';
            $self->_end_of_message($c);
        } else {
            $c->{in} =~ s/\A([^\n]*)\n// or return;
            (my $line = $1) =~ s/\r\z//;
            $self->_say_log($c->{n}, "C: $line");
            if (my $continue = delete $c->{auth_step}) { $continue->($line); next }
            my ($verb, $rest) = $line =~ /^(\S*)\s*(.*)$/;
            my $do = $verbs{ uc $verb };
            $do ? $do->($self, $c, $rest, uc $verb) : $self->_do($c, 'unknown');
        }
    }
}

sub _forget { my ($c) = @_; $c->{mail} = undef; $c->{content} = '' }

sub _ehlo { my ($self, $c, $rest, $verb) = @_; _forget($c); $c->{helo} = $rest; $self->_do($c, lc $verb) }
sub _lhlo { my ($self, $c, $rest) = @_; $c->{is_lmtp} = 1; _ehlo($self, $c, $rest, 'EHLO') }
sub _rset { my ($self, $c) = @_; _forget($c); $self->_do($c, 'rset') }

sub _mail {
    my ($self, $c, $rest) = @_;
    my ($from, $params) = $rest =~ /^FROM:\s*<(.*?)>\s*(.*)$/i;
    my $ok = $self->_do($c, 'mail', address => $from);
    $c->{mail} = { from => $from, params => $params, rcpts => [], rcpt_params => [], connection => $c->{n},
        helo => $c->{helo}, login => $c->{login}, tls => $c->{tls} } if $ok;
    $c->{content} = '';
}

sub _rcpt {
    my ($self, $c, $rest) = @_;
    my ($to, $params) = $rest =~ /^TO:\s*<(.*?)>\s*(.*)$/i;
    if (!$c->{mail}) { return $self->_fixed($c, '503 5.5.1 MAIL first') }
    return if !$self->_do($c, 'rcpt', address => $to);
    push @{ $c->{mail}{rcpts} }, $to;
    push @{ $c->{mail}{rcpt_params} }, $params;
}

sub _data {
    my ($self, $c) = @_;
    return $self->_fixed($c, '554 5.5.1 no valid recipients') if !$c->{mail} || !@{ $c->{mail}{rcpts} };
    $c->{phase} = 'content' if $self->_do($c, 'data');
}

sub _bdat {
    my ($self, $c, $rest) = @_;
    my ($n, $last) = $rest =~ /^(\d+)(?:\s+(LAST))?$/i;
    return $self->_fixed($c, '501 5.5.4 BDAT size [LAST]') if !defined $n;
    @$c{qw(phase want is_last)} = ('chunk', $n, $last);
}

sub _end_of_message {
    my ($self, $c) = @_;
    my $m = $c->{mail};
    my $content = $c->{content};
    if ((!$m || !@{ $m->{rcpts} })) {
        _forget($c);
        return $self->_fixed($c, '554 5.5.1 no valid recipients');
    }
    my @for = $c->{is_lmtp} ? @{ $m->{rcpts} } : (undef);
    my @taken = grep { $self->_do($c, 'dot', address => $_) } @for;
    $m->{taken} = \@taken if $c->{is_lmtp};
    if (@taken) {
        my $file = "$self->{dir}/new";
        Baton::Test::spew("$self->{dir}/content-" . ++$self->{taken}, $content);
        Baton::Test::spew($file, JSON::PP->new->ascii->encode({ %$m, time => time }));
        rename $file, "$self->{dir}/message-$self->{taken}";
    }
    _forget($c);
}

sub _starttls {
    my ($self, $c) = @_;
    return $self->_do($c, 'unknown') if $self->{tls} ne 'starttls' || $c->{tls};
    my $act = $self->_do($c, 'starttls', then => 'starttls');
    $c->{out}[-1]{then} = '' if !$act && $c->{out}[-1]{then} eq 'starttls';
    $c->{in} = '' if $act; # RFC 3207: what was sent before TLS is nothing we heard
}

sub _auth {
    my ($self, $c, $rest) = @_;
    my ($how, $initial) = $rest =~ /^(\S+)\s*(\S*)/;
    my @words;
    my $finish = sub {
        my @decoded = map { MIME::Base64::decode_base64($_) } @words;
        my ($user, $password) = uc $how eq 'PLAIN' ? (split /\0/, $decoded[0], 3)[ 1, 2 ] : @decoded;
        $c->{login} = { mechanism => uc $how, user => $user, password => $password } if $self->_do($c, 'auth');
    };
    my $need = uc $how eq 'LOGIN' ? 2 : 1;
    my @ask = uc $how eq 'LOGIN' ? ('334 VXNlcm5hbWU6', '334 UGFzc3dvcmQ6') : ('334 ');
    push @words, $initial if length $initial;
    my $step;
    $step = sub {
        if (@words == $need) { $finish->(); undef $step; return }
        $self->_fixed($c, $ask[ @words ]);
        $c->{auth_step} = sub { push @words, $_[0]; $step->() };
    };
    $step->();
}

sub _fixed {
    my ($self, $c, $reply) = @_;
    $self->_say_log($c->{n}, "S: $reply");
    push @{ $c->{out} }, { due => time, text => "$reply\r\n", then => '' };
}

1;
