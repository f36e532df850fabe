# SPDX-License-Identifier: Apache-2.0
package Baton::Filter;

=head1 NAME

Baton::Filter - real filters (milters) for a test: OpenDKIM, rspamd, and one written with python3-milter

=head1 SYNOPSIS

    my $dkim = Baton::Filter->opendkim($t, domain => 'example.test', mode => 's');      # 's' signs, 'v' verifies
    my $spam = Baton::Filter->rspamd($t);
    my $own  = Baton::Filter->python($t, <<'CODE');     # the body of class Filter(Milter.Base)
        def eom(self):
            self.addheader("X-Seen", "yes")
            return Milter.CONTINUE
    CODE
    $t->config(smtpd_milters => $dkim->address . ', ' . $spam->address);
    $dkim->stop; $dkim->up; $own->hang; $own->go_on; $own->log_text

Each is started with a configuration of its own in the test's folder, on loopback or a UNIX socket there, and ends with the test.
opendkim: `keys => $other` verifies with the key of another one. Whether they are installed: has('opendkim').

=cut

use strict;
use warnings;
use Baton::Test ();
use Carp qw(croak);
use File::Path ();
use IO::Socket::INET;
use IO::Socket::UNIX;
use POSIX ();
use Scalar::Util ();

my %program = (opendkim => '/usr/sbin/opendkim', rspamd => '/usr/bin/rspamd', python => '/usr/bin/python3');

sub has {
    my ($what) = @_;
    return -x $program{$what} && system("$program{python} -c 'import Milter' 2>/dev/null") == 0 if $what eq 'python';
    return -x $program{$what};
}

sub _new {
    my ($class, $t, $what) = @_;
    my $n = ++$t->{n_filters};
    my $dir = $t->path("$what-$n");
    File::Path::make_path($dir);
    my $self = bless { t => $t, dir => $dir, what => $what }, $class;
    Scalar::Util::weaken($self->{t});
    push @{ $t->{children} }, $self;
    Scalar::Util::weaken($t->{children}[-1]);
    return $self;
}

sub address  { $_[0]{path} ? "unix:$_[0]{path}" : "inet:127.0.0.1:$_[0]{port}" }
sub dir      { $_[0]{dir} }
sub log_text { (Baton::Test::slurp("$_[0]{dir}/log") // '') . (Baton::Test::slurp("$_[0]{dir}/out") // '') }

# The worker is another user than we are, when we are root.
sub _open_to_all { my ($self) = @_; chmod 0755, $self->{dir} }

sub opendkim {
    my ($class, $t, %o) = @_;
    my $self = $class->_new($t, 'opendkim');
    my ($dir, $domain, $mode) = ($self->{dir}, $o{domain} // 'example.test', $o{mode} // 's');
    $self->_open_to_all;
    $self->{path} = "$dir/socket";
    if ($o{keys}) {
        $self->{public} = $o{keys}{public};
    } else {
        system('opendkim-genkey', '-D', $dir, '-d', $domain, '-s', 'mail', '-b', '2048') == 0 or croak 'opendkim-genkey';
        my $key = Baton::Test::slurp("$dir/mail.txt");
        my $txt = join '', $key =~ /"([^"]*)"/g;
        $self->{public} = "$dir/public";
        Baton::Test::spew($self->{public}, "mail._domainkey.$domain $txt\n");
    }
    Baton::Test::spew("$dir/hosts", "127.0.0.1\nlocalhost\n");
    Baton::Test::spew("$dir/none", "192.0.2.254\n");
    my $role = $mode eq 'v' ? "InternalHosts $dir/none\n" : "Domain $domain\nSelector mail\nKeyFile $dir/mail.private\nInternalHosts $dir/hosts\n";
    Baton::Test::spew("$dir/conf", <<"CONF");
Mode $mode
Socket local:$self->{path}
UMask 000
Background no
Syslog no
LogWhy yes
RequireSafeKeys no
AuthservID verifier.test
TestPublicKeys $self->{public}
$role
CONF
    $self->{command} = [ $program{opendkim}, '-f', '-x', "$dir/conf", (Baton::Test::is_root() ? ('-u', 'root') : ()) ];
    return $self->up;
}

sub rspamd {
    my ($class, $t, %o) = @_;
    my $self = $class->_new($t, 'rspamd');
    my $dir = $self->{dir};
    $self->{port} = Baton::Test::free_port();
    File::Path::make_path("$dir/db", "$dir/run", "$dir/logs");
    my @user = Baton::Test::is_root() ? ('-u', '_rspamd', '-g', '_rspamd') : ();
    if (@user) {
        my ($uid, $gid) = (getpwnam '_rspamd')[2, 3];
        chown $uid, $gid, "$dir/db", "$dir/run", "$dir/logs", $dir;
    }
    $self->_open_to_all;
    # Debian 13 has the list of top level domains in the package publicsuffix
    my ($tld) = grep { -e } map { "/usr/share/$_/effective_tld_names.dat" } qw(rspamd publicsuffix);
    # One worker that filters by itself, few modules, and nobody outside is asked.
    Baton::Test::spew("$dir/conf", <<"CONF");
options {
    pidfile = "$dir/run/pid"; filters = ""; dns { timeout = 0.2s; retransmits = 1; nameserver = ["127.0.0.1:1"]; }
    cache_file = "$dir/db/symbols.cache"; map_watch_interval = 1d; tempdir = "$dir/run"; local_addrs = "192.0.2.1"; url_tld = "$tld";
    explicit_modules = []; rrd = "$dir/db/rrd"; history_file = "$dir/db/history"; dynamic_conf = "$dir/db/dynamic";
}
logging { type = "file"; filename = "$dir/logs/log"; level = "info"; }
worker "rspamd_proxy" {
    bind_socket = "127.0.0.1:$self->{port}"; milter = yes; timeout = 30s; count = 1;
    upstream "local" { default = yes; self_scan = yes; }
}
actions { reject = 15; add_header = 6; greylist = null; }
milter_headers { use = ["x-spamd-result", "x-spam-level", "x-rspamd-server"]; extended_spam_headers = true; skip_local = false; skip_authenticated = false; }
lua = "/usr/share/rspamd/rules/rspamd.lua"
modules { path = "/usr/share/rspamd/plugins"; }
CONF
    $self->{command} = [ $program{rspamd}, '-f', @user, '-c', "$dir/conf" ];
    return $self->up;
}

sub python {
    my ($class, $t, $body, %o) = @_;
    my $self = $class->_new($t, 'python');
    my $dir = $self->{dir};
    $self->_open_to_all;
    if ($o{inet}) { $self->{port} = Baton::Test::free_port() } else { $self->{path} = "$dir/socket" }
    my $socket = $self->{path} ? "unix:$self->{path}" : "inet:$self->{port}\@127.0.0.1";
    my $flags = $o{flags} // 'Milter.CHGBODY | Milter.CHGHDRS | Milter.ADDHDRS | Milter.ADDRCPT | Milter.DELRCPT | Milter.CHGFROM | Milter.QUARANTINE | Milter.ADDRCPT_PAR | Milter.SETSYMLIST';
    $body =~ s/^/    /mg if $body !~ /^    /;
    Baton::Test::spew("$dir/filter.py", <<"CODE");
import Milter, os, sys, time
log = open("$dir/log", "a", 1)
@{[ $o{class} // '' ]}
class Filter(Milter.Base):
$body
os.umask(0)
Milter.factory = Filter
Milter.set_flags($flags)
Milter.runmilter("test", "$socket", 60)
CODE
    $self->{command} = [ $program{python}, "$dir/filter.py" ];
    return $self->up;
}

sub _answers {
    my ($self) = @_;
    return $self->{path} ? -S $self->{path} && IO::Socket::UNIX->new(Peer => $self->{path})
                         : IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $self->{port}, Timeout => 1);
}

sub up {
    my ($self) = @_;
    unlink $self->{path} if $self->{path};
    $self->{pid} = $self->{t}->_spawn($self->{command}, stdout => "$self->{dir}/out", stderr => "$self->{dir}/out");
    my $ready = Baton::Test::wait_until {
        croak "$self->{what} left:\n" . $self->log_text if waitpid($self->{pid}, POSIX::WNOHANG()) == $self->{pid};
        return $self->_answers;
    } 30;
    croak "$self->{what} does not answer:\n" . $self->log_text if !$ready;
    return $self;
}

sub stop {
    my ($self) = @_;
    my $pid = delete $self->{pid} // return;
    $self->go_on($pid);
    # libmilter looks every five seconds whether it has been told to leave
    return Baton::Test::_end($pid, $self->{what} eq 'python' ? 'KILL' : 'TERM', 10);
}

sub hang  { my ($self) = @_; Baton::Test::stop_processes(-$self->{pid}); $self->{is_hung} = 1 }
sub go_on { my ($self, $pid) = @_; kill 'CONT', -($pid // $self->{pid}) if delete $self->{is_hung} }

sub DESTROY { local ($?, $@, $!); $_[0]->stop }

1;
