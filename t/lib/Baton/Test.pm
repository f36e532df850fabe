# SPDX-License-Identifier: Apache-2.0
package Baton::Test;

=head1 NAME

Baton::Test - real processes on loopback for the scenario tests

=head1 SYNOPSIS

    use Test::More;
    use lib "$FindBin::Bin/lib";
    use Baton::Test;

    my $t = Baton::Test->new;                       # a folder of its own, gone at the end (kept if a test failed)
    my $relay = $t->fake_relay(rcpt => '450 4.7.1 later');          # or $t->sink
    $t->config(relayhost => $relay->address, queue_run_delay => '1s');
    $t->start_batond;                               # returns when it is ready, dies with its log if it never is
    my $r = $t->sendmail(['-t'], input => "To: a\@b.test\n\nhello\n");
    is($r->{code}, 0, 'sendmail takes the message') or diag $r->{err};
    ok($t->wait_log(qr/status=deferred \(.*450 4\.7\.1 later/), 'the log says why it waits');
    log_like($t, qr/^.* from=<me\@b\.test>/m, 'and from whom it is');    # the same of all of the log, of a filter's, too

Nothing here sleeps to "give it time": everything waits for an event (readiness by sd_notify, a line in a log, a
message that has arrived), looked for every few milliseconds up to a deadline. BATON_TEST_SLOW multiplies deadlines
(sanitizers, valgrind). Processes are ended by their id, by their own process group.

=cut

use strict;
use warnings;
use Carp qw(croak);
use Cwd ();
use Errno ();
use Exporter 'import';
use File::Basename ();
use File::Path     ();
use File::Temp     ();
use IO::Select;
use IO::Socket::INET;
use POSIX ();
use Scalar::Util ();
use Socket qw(AF_UNIX PF_UNIX SOCK_DGRAM PF_UNSPEC pack_sockaddr_un);
use IO::Socket::UNIX;
use Test::More ();
use Time::HiRes qw(time sleep);

our @EXPORT = qw(build_dir source_dir program free_port wait_until in_time stop_processes log_like slurp spew is_root skip_all_unless_root has_server skip_all_unless_server message);

my $slow = $ENV{BATON_TEST_SLOW} || 1;
my %worlds;                # folder => the object, weakly
my %groups;                # process groups that we lead: pid => what
my $owner = $$;

# ---- places ---------------------------------------------------------------------------------------------------------

sub build_dir  { Cwd::abs_path($ENV{BATON_BUILD} // '.') }
sub source_dir { Cwd::abs_path($ENV{BATON_SRC} // File::Basename::dirname(__FILE__) . '/../../..') }

# The path of a built program; BATON_BINDIR (a folder with all of them) tests an installed Baton instead.
sub program {
    my ($name) = @_;
    my $dir = $ENV{BATON_BINDIR} // build_dir();
    for my $path ("$dir/$name", "$dir/../sbin/$name") { return $path if -x $path }
    croak "$name is not built (make builds it; BATON_BUILD says where)";
}

sub is_root { $> == 0 }

# ---- small things -----------------------------------------------------------------------------------------------------

sub slurp {
    my ($path) = @_;
    open my $fh, '<', $path or return undef;
    binmode $fh;
    local $/;
    my $text = <$fh>;
    return $text // '';
}

sub spew {
    my ($path, $text, $mode) = @_;
    open my $fh, '>', $path or croak "$path: $!";
    binmode $fh;
    print $fh $text;
    close $fh or croak "$path: $!";
    chmod $mode, $path if defined $mode;
    return $path;
}

# A TCP port on loopback that nobody has, outside of the range that the kernel gives to outgoing connections. It stays ours
# while this process lives, also while nothing listens there: an abstract socket of that name tells other tests so.
my %given;
sub free_port {
    for (1 .. 200) {
        my $port = 12000 + int rand 20000;
        next if $given{$port};
        socket my $claim, PF_UNIX, SOCK_DGRAM, 0 or croak "socket: $!";
        next if !bind $claim, pack_sockaddr_un("\0baton-test-port-$port");
        my $s = IO::Socket::INET->new(LocalAddr => '127.0.0.1', LocalPort => $port, Listen => 1, ReuseAddr => 1)
          or next;
        close $s;
        $given{$port} = $claim;
        return $port;
    }
    croak 'no free port';
}

# Calls the block every few milliseconds till it is true; returns what it returned, or false after $seconds.
sub wait_until(&;$) {
    my ($true, $seconds) = @_;
    my $end = time + ($seconds // 10) * $slow;
    my $pause = 0.002;
    while (1) {
        my $got = $true->();
        return $got if $got;
        return '' if time > $end;
        sleep $pause;
        $pause = $pause * 1.5 if $pause < 0.05;
    }
}

# Whether no more than $seconds have gone since then, of a machine that BATON_TEST_SLOW says is quick
sub in_time {
    my ($since, $seconds, $name) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    return Test::More::cmp_ok(time - $since, '<', $seconds * $slow, $name);
}

# SIGSTOP to processes, -PID for a process group; returns when the last of their threads has stopped.
sub stop_processes {
    my %of = map { $_ => 1 } @_;
    kill 'STOP', @_;
    wait_until {
        for my $stat (glob '/proc/[0-9]*/stat') {
            my ($pid, $group) = (slurp($stat) // '') =~ /^(\d+) \(.*\) \S \d+ (\d+) /s or next;
            next if !$of{$pid} && !$of{ -$group };
            return 0 if grep { (slurp($_) // '') =~ /\) [^TtZX] [^)]*\z/ } glob "/proc/$pid/task/*/stat";
        }
        return 1;
    } or croak "@_ do not stop";
}

# Like like(), of what $of->log_text comes to hold: what is logged after a reply is there soon after it.
sub log_like {
    my ($of, $want, $name) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    my $text;
    wait_until { ($text = $of->log_text) =~ $want };
    return Test::More::like($text, $want, $name);
}

# A message of about $bytes for sendmail -t
sub message {
    my (%m) = @_;
    my $to = $m{to} // 'someone@example.test';
    my $body = $m{body} // "Hello.\n";
    $body .= ('x' x 76 . "\n") x (($m{bytes} - length $body) / 77 + 1) if $m{bytes};
    return "From: " . ($m{from} // 'sender@example.test') . "\nTo: $to\nSubject: " . ($m{subject} // 'a test') . "\n\n$body";
}

sub skip_all_unless_root {
    return if is_root();
    Test::More::plan(skip_all => 'needs root (' . ($_[0] // 'other users, mounts') . ')');
}

# Whether the build has the server module.
sub has_server { (slurp(build_dir() . '/build.h') // '') =~ /^#define WITH_SERVER 1/m }

sub skip_all_unless_server {
    return if has_server();
    Test::More::plan(skip_all => 'needs the server module (configured with --disable-server)');
}

# ---- a test's world ----------------------------------------------------------------------------------------------------

# new(): a temporary folder with the spool, the configuration and all logs. Options: name
sub new {
    my ($class, %opt) = @_;
    my $dir = File::Temp::tempdir('baton-XXXXXX', TMPDIR => 1);
    chmod 0755, $dir;
    my $self = bless { dir => $dir, spool => "$dir/spool", conf => "$dir/baton.conf", n => 0, %opt }, $class;
    mkdir "$dir/bin";
    Scalar::Util::weaken($worlds{$dir} = $self);
    return $self;
}

sub dir   { $_[0]{dir} }
sub spool { $_[0]{spool} }
sub conf  { $_[0]{conf} }
sub path  { "$_[0]{dir}/$_[1]" }

# config(name => value, ...): writes baton.conf. Values: text (quoted for you), a list reference, a reference to
# text (written as it is). 'raw' adds whole lines (sections). Sets what a test always needs unless told otherwise.
sub config {
    my ($self, %want) = @_;
    my $raw = delete $want{raw} // '';
    my %all = (
        myhostname      => 'client.example.test',
        queue_directory => $self->{spool},
        alias_maps      => '',
        inet_interfaces => '', # no SMTP listener unless a test asks for one
        (is_root() ? (mail_owner => 'nobody', setgid_group => 'nogroup') : ()),
        %want,
    );
    my $text = '';
    for my $name (sort keys %all) {
        my $value = $all{$name};
        next if !defined $value;
        $text .= "$name = " . _value($value) . "\n";
    }
    # What has a password in it may be read by its owner only, or is refused.
    spew($self->{conf}, $text . $raw, $raw =~ /\b(?:password|bind_pw)\s*=/ ? 0600 : 0644);
    return $self->{conf};
}

sub _value {
    my ($value) = @_;
    return $$value if ref $value eq 'SCALAR';
    return '{ ' . join(', ', map { _value($_) } @$value) . ' }' if ref $value eq 'ARRAY';
    $value =~ s/(["\\])/\\$1/g;
    return qq("$value");
}

# ---- running commands --------------------------------------------------------------------------------------------------

# run([command...], input => text, uid => n, gid => n, env => {NAME => value or undef}, timeout => seconds, dir => path)
# Returns { code, signal, out, err, seconds, timed_out }. With uid the command runs as that user, passwd entry or not.
sub run {
    my ($self, $command, %o) = @_;
    my $base = $self->path('run-' . $$ . '-' . ++$self->{n});
    my $start = time;
    my $pid = $self->_spawn($command, %o, stdin => $o{input}, stdout => "$base.out", stderr => "$base.err");
    my $status;
    my $timed_out = !wait_until { waitpid($pid, POSIX::WNOHANG()) == $pid ? do { $status = $?; 1 } : 0 } $o{timeout} // 30;
    if ($timed_out) {
        kill 'KILL', -$pid;
        waitpid $pid, 0;
        $status = $?;
    }
    delete $groups{$pid};
    my %r = (
        code => $status >> 8, signal => $status & 127, timed_out => $timed_out, seconds => time - $start,
        out => slurp("$base.out"), err => slurp("$base.err"),
    );
    unlink "$base.out", "$base.err", "$base.in";
    return \%r;
}

# Forks a child in a process group of its own. stdout and stderr are paths (appended to), stdin is text.
sub _spawn {
    my ($self, $command, %o) = @_;
    my $in;
    open $in, '+>', undef or croak "temporary file: $!";
    binmode $in;
    if (defined $o{stdin}) {
        print {$in} $o{stdin};
        $in->flush;
        seek $in, 0, 0;
    }
    my @files = map { open my $fh, '>>', $_ or croak "$_: $!"; $fh } @o{qw(stdout stderr)};
    my $pid = fork // croak "fork: $!";
    if (!$pid) {
        setpgrp 0, 0;
        open STDIN,  '<&', $in        or POSIX::_exit(126);
        open STDOUT, '>&', $files[0]  or POSIX::_exit(126);
        open STDERR, '>&', $files[1]  or POSIX::_exit(126);
        chdir $o{dir} if defined $o{dir};
        # BATON_* are parameters of the configuration: a test's own settings are none
        delete @ENV{ grep { /^BATON_/ } keys %ENV };
        for my $name (keys %{ $o{env} || {} }) {
            if (defined $o{env}{$name}) { $ENV{$name} = $o{env}{$name} } else { delete $ENV{$name} }
        }
        if (defined $o{uid} && is_root()) {
            my $gid = $o{gid} // $o{uid};
            $) = "$gid $gid";
            $( = $gid;
            POSIX::setuid($o{uid}) or POSIX::_exit(126);
        }
        { no warnings 'exec'; exec { $command->[0] } @$command }
        print STDERR "$command->[0]: $!\n";
        POSIX::_exit(127);
    }
    POSIX::setpgid($pid, $pid);
    $groups{$pid} = $command->[0];
    return $pid;
}

# A folder with the links sendmail, mailq and newaliases, as `make install` makes them.
sub bin {
    my ($self) = @_;
    my $bin = $self->path('bin');
    for my $name (qw(sendmail mailq newaliases)) {
        symlink program('sendmail'), "$bin/$name" if !-l "$bin/$name";
    }
    return $bin;
}

# sendmail([arguments], input => text, ...): our sendmail with this test's configuration; see run().
sub sendmail { my ($self, $args, %o) = @_; return $self->_agent('sendmail', $args // [], %o) }
sub mailq      { my ($self, %o) = @_; return $self->_agent('mailq', $o{args} // [], %o) }
sub newaliases { my ($self, %o) = @_; return $self->_agent('newaliases', $o{args} // [], %o) }

sub _agent {
    my ($self, $name, $args, %o) = @_;
    $o{env} = { BATON_CONF => undef, %{ $o{env} || {} } };
    return $self->run([ $self->bin . "/$name", '-C', $self->{conf}, @$args ], %o);
}

# baton([arguments]): the operator's command with this test's configuration
sub baton {
    my ($self, $args, %o) = @_;
    return $self->run([ program('baton'), '-c', $self->{conf}, @$args ], %o);
}

# ---- daemons -----------------------------------------------------------------------------------------------------------

# start_batond(): starts it in the foreground, its log in LOG; returns its pid once it has said READY=1.
# Options: args, env, uid, timeout, command (instead of batond -c FILE), and ready => 0 (return at once: a start that is to fail; see wait_exit).
sub start_batond {
    my ($self, %o) = @_;
    croak 'batond is running' if $self->{batond};
    my $notify = $self->_notify_socket($o{uid});
    $self->{log_from} = -s $self->log_path || 0;
    my $command = $o{command} || [ program('batond'), '-c', $self->{conf} ];
    my $pid = $self->_spawn([ @$command, @{ $o{args} || [] } ],
        %o, env => { NOTIFY_SOCKET => $notify->hostpath, %{ $o{env} || {} } },
        stdout => $self->log_path, stderr => $self->log_path);
    $self->{batond} = $pid;
    return $pid if defined $o{ready} && !$o{ready};
    my $state = $self->_wait_notify($notify, $pid, qr/^READY=1$/m, $o{timeout} // 15);
    if ($state ne 'told') {
        my $log = $self->log_text;
        $self->stop_batond;
        croak "batond did not become ready ($state); its log:\n$log";
    }
    $self->{notify} = $notify;
    return $pid;
}

sub _notify_socket {
    my ($self, $uid) = @_;
    my $path = $self->path('notify-' . ++$self->{n});
    my $s = IO::Socket::UNIX->new(Type => SOCK_DGRAM, Local => $path) or croak "$path: $!";
    chmod 0777, $path;
    $s->blocking(0);
    return $s;
}

# Waits for a message of the service manager's protocol that matches: 'told', 'exited N' or 'silent'
sub _wait_notify {
    my ($self, $socket, $pid, $want, $seconds) = @_;
    my $what = 'silent';
    wait_until {
        while (defined $socket->recv(my $text, 4096)) {
            last if !length $text;
            if ($text =~ $want) { $what = 'told'; return 1 }
        }
        if (waitpid($pid, POSIX::WNOHANG()) == $pid) {
            $self->{exit_status} = $?;
            $what = 'left with ' . ($? >> 8) . (($? & 127) ? ', signal ' . ($? & 127) : '');
            delete $self->{batond};
            delete $groups{$pid};
            return 1;
        }
        return 0;
    } $seconds;
    return $what;
}

# reload(): SIGHUP, then waits till it says READY=1 again
sub reload_batond {
    my ($self, $seconds) = @_;
    kill 'HUP', $self->{batond};
    return $self->_wait_notify($self->{notify}, $self->{batond}, qr/^READY=1$/m, $seconds // 10) eq 'told';
}

# wait_exit(): its exit status once it has left by itself, or undef
sub wait_exit {
    my ($self, $seconds) = @_;
    my $pid = delete $self->{batond} // return $self->{exit_status};
    my $status;
    wait_until { waitpid($pid, POSIX::WNOHANG()) == $pid ? do { $status = $?; 1 } : 0 } $seconds // 10;
    delete $groups{$pid} if defined $status;
    return $self->{exit_status} = $status;
}

# stop_batond(): SIGTERM and waits; its exit status. SIGKILL to all of it when it does not leave, and undef.
sub stop_batond {
    my ($self, $seconds) = @_;
    my $pid = delete $self->{batond} // return undef;
    return _end($pid, 'TERM', $seconds // 15);
}

# kill_batond(): SIGKILL to the supervisor and all its workers at once: a power cut as far as they can tell
sub kill_batond {
    my ($self) = @_;
    my $pid = delete $self->{batond} // return undef;
    return _end($pid, 'KILL', 5);
}

sub _end {
    my ($pid, $signal, $seconds) = @_;
    $signal eq 'KILL' ? kill 'KILL', -$pid : kill $signal, $pid;
    my $status;
    wait_until { waitpid($pid, POSIX::WNOHANG()) == $pid ? do { $status = $?; 1 } : 0 } $seconds;
    kill 'KILL', -$pid;
    waitpid $pid, 0 if !defined $status;
    wait_until { !kill 0, -$pid } 5; # workers are not our children: gone when the group is empty
    delete $groups{$pid};
    return $status;
}

sub batond_pid { $_[0]{batond} }

# Pids of the supervisor and its workers (its process group), lowest first
sub batond_pids {
    my ($self) = @_;
    my $group = $self->{batond} // return;
    my @pids;
    for my $stat (glob '/proc/[0-9]*/stat') {
        my $text = slurp($stat) // next;
        my ($pid, undef, undef, $pgrp) = $text =~ /^(\d+) \(.*\) (\S) (\d+) (\d+)/s or next;
        push @pids, $pid if $pgrp == $group;
    }
    # The supervisor first; numbers begin anew at times, so that it need not be the lowest.
    return sort { ($b == $group) <=> ($a == $group) || $a <=> $b } @pids;
}

# ---- the log -----------------------------------------------------------------------------------------------------------

sub log_path { "$_[0]{dir}/log" }
sub log_text { slurp($_[0]->log_path) // '' }
sub log_lines { split /\n/, $_[0]->log_text }

# The first line since the last start of batond (since => 'ever': at all) that matches, once there is one; or ''
sub wait_log {
    my ($self, $want, $seconds, %o) = @_;
    my $line = '';
    wait_until {
        my $text = $self->log_text;
        $text = substr $text, $self->{log_from} // 0 if ($o{since} // '') ne 'ever';
        for (split /\n/, $text) {
            if ($_ =~ $want) { $line = $_; return 1 }
        }
        return 0;
    } $seconds // 10;
    return $line;
}

# ---- the other side ----------------------------------------------------------------------------------------------------

# sink(): `baton sink`, the embedded relayhost. Returns an object with address, port, maildir, messages, wait_messages.
sub sink {
    my ($self, %o) = @_;
    require Baton::Sink;
    return Baton::Sink->start($self, %o);
}

# fake_relay(stage => reply, ...): see Baton::FakeRelay
sub fake_relay {
    my ($self, %script) = @_;
    require Baton::FakeRelay;
    return Baton::FakeRelay->start($self->path('relay-' . ++$self->{n}), %script);
}

# fake_daemon(stage => reply, ...): the same in batond's place, at the local socket, for what sendmail says to it
sub fake_daemon {
    my ($self, %script) = @_;
    File::Path::make_path("$self->{spool}/public");
    return $self->fake_relay(path => "$self->{spool}/public/submit",
        capabilities => [qw(PIPELINING SIZE 8BITMIME ENHANCEDSTATUSCODES DSN SMTPUTF8 CHUNKING)], %script);
}

# The messages in the drop: their raw files, oldest first
sub drop { my ($self) = @_; return map { slurp($_) } sort glob "$self->{spool}/drop/[!t]*" }

# dovecot(users => {...}, ...): a real Dovecot with LMTP, IMAP and auth sockets; see Baton::Dovecot
sub dovecot {
    my ($self, %o) = @_;
    require Baton::Dovecot;
    return Baton::Dovecot->start($self, %o);
}

# nameserver({ 'name A' => [...], ... }): its address, for BATON_NAMESERVERS; see Baton::Nameserver
sub nameserver {
    my ($self, $zone) = @_;
    require Baton::Nameserver;
    my $server = Baton::Nameserver->start($zone);
    push @{ $self->{children} }, $server;
    return $server->address;
}

# Certificates for the TLS tests, made with openssl(1): { ca, key, cert } (PEM paths) for `names`, signed by our own CA.
# Options: names => [...] (DNS names or addresses), days => n (negative: expired), self_signed => 1
sub certificate {
    my ($self, %o) = @_;
    require Baton::Cert;
    return Baton::Cert::make($self->dir, %o);
}

# ---- the end -----------------------------------------------------------------------------------------------------------

sub register_group { my ($pid, $what) = @_; $groups{$pid} = $what }
sub forget_group   { delete $groups{ $_[0] } }

# At the end of its scope, or, for one that lives as long as the test, before Test::More is taken apart
sub DESTROY { $_[0]->_finish }

sub _finish {
    my ($self) = @_;
    return if $$ != $owner || $self->{is_finished}++;
    local ($?, $@, $!);
    _end(delete $self->{batond}, 'TERM', 5) if $self->{batond};
    for my $other (@{ $self->{children} || [] }) { $other->stop if $other }
    my $ok = eval { Test::More->builder->is_passing };
    if ($ok && !$ENV{BATON_TEST_KEEP}) {
        File::Path::remove_tree($self->{dir});
    } else {
        Test::More::diag("kept for a look: $self->{dir}");
        Test::More::diag("log: $_") for $self->log_lines;
    }
}

END {
    if ($$ == $owner) {
        local $?;
        for my $world (values %worlds) { $world->_finish if $world }
        for my $pid (keys %groups) {
            kill 'KILL', -$pid;
            waitpid $pid, 0;
        }
    }
}

1;
