# SPDX-License-Identifier: Apache-2.0
package Baton::Dovecot;

=head1 NAME

Baton::Dovecot - a real Dovecot of the test's own, in its folder, on loopback

=head1 SYNOPSIS

    Baton::Dovecot::is_there or plan skip_all => 'no dovecot';
    my $d = $t->dovecot(
        users => { 'joe@example.test' => 'secret', 'full@example.test' => 'secret' },
        quota => { 'full@example.test' => '1K' },       # storage; the rest have no limit
        cert  => $t->certificate(names => ['localhost']), # STARTTLS for LMTP and IMAP, and imaps_port
    );
    $t->config(default_transport => 'lmtp:unix:' . $d->lmtp_path);       # or 'lmtp:inet:127.0.0.1:' . $d->lmtp_port
    my ($m) = $d->wait_messages('joe@example.test', 1);                  # the files of the Maildir, as text
    IMAP at $d->imap_port; auth sockets for SMTP AUTH: $d->auth_path (unix), $d->auth_port (inet)
    $d->stop; $d->up; $d->hang; $d->go_on;                               # a server that is away, or asleep

Options: users (name => password), quota, cert, auth => 0 (no auth sockets), config => 'more lines for dovecot.conf',
lmtp_config => 'more lines within service lmtp { }', mechanisms => 'plain login', failure_delay => '0' (seconds that a wrong
password costs; further ones cost no more).

As root its processes are Debian's dovecot and dovenull, and mail belongs to nobody; as an ordinary user all is that user's.
Works with 2.3 (Debian 12) and 2.4 (Debian 13), whose configurations differ: version() says which it is.

=cut

use strict;
use warnings;
use Baton::Test ();
use Carp qw(croak);
use File::Path ();
use POSIX ();
use Scalar::Util ();

sub binary { (grep { -x } '/usr/sbin/dovecot', '/usr/local/sbin/dovecot')[0] }
sub is_there { defined binary() && -e '/usr/lib/dovecot/lmtp' }

sub version {
    my $text = `@{[ binary() ]} --version` // '';
    return $text =~ /^(\d+\.\d+)/ ? $1 : 0;
}

sub start {
    my ($class, $t, %o) = @_;
    croak 'there is no dovecot' if !is_there();
    my $n = ++$t->{n_dovecots};
    my $dir = $t->path("dovecot-$n");
    File::Path::make_path("$dir/run", "$dir/state", "$dir/mail");
    my @owner = Baton::Test::is_root() ? (getpwnam 'nobody')[2, 3] : ($>, $) + 0);
    chown @owner, "$dir/mail";
    my $self = bless {
        t => $t, dir => $dir, owner => \@owner, users => $o{users} // {}, quota => $o{quota} // {}, o => \%o,
        lmtp_port => Baton::Test::free_port(), imap_port => Baton::Test::free_port(), imaps_port => Baton::Test::free_port(),
        auth_port => Baton::Test::free_port(),
    }, $class;
    Scalar::Util::weaken($self->{t});
    $self->_write_passwd;
    Baton::Test::spew("$dir/dovecot.conf", version() >= 2.4 ? $self->_config_24 : $self->_config_23);
    $self->up;
    push @{ $t->{children} }, $self;
    Scalar::Util::weaken($t->{children}[-1]);
    return $self;
}

sub lmtp_path  { "$_[0]{dir}/run/lmtp" }
sub lmtp_port  { $_[0]{lmtp_port} }
sub imap_port  { $_[0]{imap_port} }
sub imaps_port { $_[0]{imaps_port} }
sub auth_path  { "$_[0]{dir}/run/auth-baton" }
sub auth_port  { $_[0]{auth_port} }
sub log_text   { Baton::Test::slurp("$_[0]{dir}/log") // '' }

sub _write_passwd {
    my ($self) = @_;
    my ($uid, $gid) = @{ $self->{owner} };
    my $text = '';
    for my $user (sort keys %{ $self->{users} }) {
        my $quota = $self->{quota}{$user};
        my $extra = !$quota ? '' : version() >= 2.4 ? "userdb_quota_storage_size=$quota" : "userdb_quota_rule=*:storage=$quota";
        $text .= "$user:{PLAIN}$self->{users}{$user}:$uid:$gid\::$self->{dir}/mail/$user\::$extra\n";
    }
    Baton::Test::spew("$self->{dir}/passwd", $text, 0644);
}

# What both versions say alike
sub _common {
    my ($self) = @_;
    my ($dir, $o) = @$self{qw(dir o)};
    my ($user, $group) = (scalar getpwuid $>, scalar getgrgid $) + 0);
    my $as = Baton::Test::is_root() ? '' : <<"END";
default_internal_user = $user
default_internal_group = $group
default_login_user = $user
END
    my $who = Baton::Test::is_root() ? '' : "user = $user\n  group = $group";
    my $auth = defined $o->{auth} && !$o->{auth} ? '' : <<"END";
service auth {
  unix_listener auth-baton {
    mode = 0666
  }
  inet_listener auth {
    port = $self->{auth_port}
  }
}
END
    my $lmtp_config = $o->{lmtp_config} // '';
    my $imaps = $o->{cert} ? $self->{imaps_port} : 0;
    return <<"END" . ($o->{config} // '');
base_dir = $dir/run
state_dir = $dir/state
log_path = $dir/log
listen = 127.0.0.1
first_valid_uid = 1
last_valid_uid = 0
first_valid_gid = 1
last_valid_gid = 0
auth_mechanisms = @{[ $o->{mechanisms} // 'plain login' ]}
auth_failure_delay = @{[ $o->{failure_delay} // 0 ]}s
auth_verbose = yes
lmtp_save_to_detail_mailbox = no
default_vsz_limit = @{[ version() >= 2.4 ? 'unlimited' : 0 ]}
$as
service anvil {
  chroot =
  # no penalties: an address that has failed waits 4, 8, 15 s for each next answer, whatever the password
  unix_listener anvil-auth-penalty {
    mode = 0
  }
}
service stats {
  chroot =
  unix_listener stats-writer {
    mode = 0666
  }
}
service imap-login {
  chroot =
  inet_listener imap {
    port = $self->{imap_port}
  }
  inet_listener imaps {
    port = $imaps
  }
}
service lmtp {
  $who
  unix_listener lmtp {
    mode = 0666
  }
  inet_listener lmtp {
    port = $self->{lmtp_port}
  }
  $lmtp_config
}
$auth
END
}

sub _config_23 {
    my ($self) = @_;
    my ($dir, $cert) = ($self->{dir}, $self->{o}{cert});
    my $tls = $cert ? "ssl = yes\nssl_cert = <$cert->{cert}\nssl_key = <$cert->{key}\nssl_min_protocol = TLSv1.2\n" : "ssl = no\n";
    my $quota = !%{ $self->{quota} } ? '' : <<'END';
mail_plugins = quota
protocol imap {
  mail_plugins = quota imap_quota
}
plugin {
  quota = maildir:User quota
}
END
    return <<"END" . $tls . $quota . $self->_common;
protocols = imap lmtp
disable_plaintext_auth = no
mail_location = maildir:~/Maildir
passdb {
  driver = passwd-file
  args = scheme=PLAIN username_format=%u $dir/passwd
}
userdb {
  driver = passwd-file
  args = username_format=%u $dir/passwd
}
END
}

sub _config_24 {
    my ($self) = @_;
    my ($dir, $cert) = ($self->{dir}, $self->{o}{cert});
    my $tls = $cert ? "ssl = yes\nssl_server_cert_file = $cert->{cert}\nssl_server_key_file = $cert->{key}\n" : "ssl = no\n";
    my $quota = !%{ $self->{quota} } ? '' : <<'END';
mail_plugins {
  quota = yes
}
protocol imap {
  mail_plugins {
    imap_quota = yes
  }
}
quota "User quota" {
  storage_grace = 0
}
END
    my $version = `@{[ binary() ]} --version` =~ /^(\d+\.\d+\.\d+)/ ? $1 : '2.4.0';
    return <<"END" . $tls . $quota . $self->_common;
dovecot_config_version = $version
dovecot_storage_version = $version
protocols = imap lmtp
auth_allow_cleartext = yes
mail_driver = maildir
mail_path = ~/Maildir
passdb passwd-file {
  default_password_scheme = PLAIN
  auth_username_format = %{user}
  passwd_file_path = $dir/passwd
}
userdb passwd-file {
  auth_username_format = %{user}
  passwd_file_path = $dir/passwd
}
END
}

# Up (again), on the same sockets. Ready when LMTP, IMAP and the auth sockets answer.
sub up {
    my ($self) = @_;
    my $t = $self->{t};
    $self->{pid} = $t->_spawn([ binary(), '-F', '-c', "$self->{dir}/dovecot.conf" ],
        stdout => "$self->{dir}/out", stderr => "$self->{dir}/out");
    my $ready = Baton::Test::wait_until {
        croak "dovecot left:\n" . Baton::Test::slurp("$self->{dir}/out") . $self->log_text
          if waitpid($self->{pid}, POSIX::WNOHANG()) == $self->{pid};
        my $s = IO::Socket::UNIX->new(Peer => $self->lmtp_path) or return 0;
        return (readline($s) // '') =~ /^220 /;
    } 20;
    croak "dovecot does not answer:\n" . Baton::Test::slurp("$self->{dir}/out") . $self->log_text if !$ready;
    return $self;
}

# Its children are in its process group, or have sessions of their own and end with it.
sub stop {
    my ($self) = @_;
    my $pid = delete $self->{pid} // return;
    $self->go_on;
    return Baton::Test::_end($pid, 'TERM', 10);
}

sub hang  { my ($self) = @_; Baton::Test::stop_processes(-$self->{pid}); $self->{is_hung} = 1 }
sub go_on { my ($self) = @_; kill 'CONT', -$self->{pid} if delete $self->{is_hung} && $self->{pid} }

# The messages of a user, by arrival, as text
sub messages {
    my ($self, $user) = @_;
    my $dir = "$self->{dir}/mail/$user/Maildir";
    my @files = sort { (split m{/}, $a)[-1] cmp (split m{/}, $b)[-1] } glob("$dir/new/* $dir/cur/*");
    return map { Baton::Test::slurp($_) } @files;
}

# The same once there are $n of them; an empty list if there never are
sub wait_messages {
    my ($self, $user, $n, $seconds) = @_;
    my @m;
    Baton::Test::wait_until { @m = $self->messages($user); @m >= $n } $seconds // 10;
    return @m >= $n ? @m : ();
}

sub DESTROY { local ($?, $@, $!); $_[0]->stop }

1;
