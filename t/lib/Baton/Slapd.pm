# SPDX-License-Identifier: Apache-2.0
package Baton::Slapd;

=head1 NAME

Baton::Slapd - a real slapd of a test's own, in a temporary folder, on loopback

=head1 SYNOPSIS

    my $slapd = Baton::Slapd->start($t);         # or skip_all when there is none; tls => { cert, key, ca } of Baton::Cert
    $slapd->add('cn=info', mailacceptinggeneralid => 'info@example.com', maildrop => [ 'a@example.net', 'b@example.net' ]);
    $slapd->url;      # ldap://127.0.0.1:PORT;  ->port, ->ldaps_url, ->ldapi_url, ->base (dc=example,dc=com), ->host
    $slapd->hang; $slapd->wake; $slapd->stop; $slapd->restart;

The directory has the schema that the handbook implies: mailacceptinggeneralid and maildrop. cn=reader,BASE has the password
"read it"; cn=admin,BASE is the root. Options: acl => lines of slapd.conf, conf => more of them, sasl => 1 (a user in sasldb is
the test's to make).

=cut

use strict;
use warnings;
use Carp qw(croak);
use IO::Socket::INET;
use POSIX ();
use Baton::Test ();

our $base = 'dc=example,dc=com';

sub program { my ($p) = grep { -x } map { "$_/slapd" } qw(/usr/sbin /usr/lib/openldap /usr/libexec); return $p }

# Plans to skip the test where there is no slapd
sub need { program() or Test::More::plan(skip_all => 'slapd is not installed') }

my $schema = <<'END';
attributetype ( 1.3.6.1.4.1.4203.666.1.900 NAME 'mailAcceptingGeneralId'
    EQUALITY caseIgnoreMatch SUBSTR caseIgnoreSubstringsMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.15 )
attributetype ( 1.3.6.1.4.1.4203.666.1.901 NAME 'maildrop'
    EQUALITY caseIgnoreMatch SUBSTR caseIgnoreSubstringsMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.15 )
attributetype ( 1.3.6.1.4.1.4203.666.1.902 NAME 'memberRef'
    EQUALITY caseExactMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.15 )
objectclass ( 1.3.6.1.4.1.4203.666.3.900 NAME 'mailThing' SUP top STRUCTURAL MUST cn
    MAY ( mailAcceptingGeneralId $ maildrop $ memberRef $ member $ mail $ description $ userPassword ) )
END

sub start {
    my ($class, $t, %o) = @_;
    my $dir = $t->path('slapd-' . ++$t->{n});
    mkdir $_ or croak "$_: $!" for $dir, "$dir/db";
    my $self = bless { t => $t, dir => $dir, port => Baton::Test::free_port(), tls_port => Baton::Test::free_port(), %o }, $class;
    my ($schemas) = grep { -d } qw(/etc/ldap/schema /etc/openldap/schema);
    my ($modules) = grep { -e "$_/back_mdb.la" || -e "$_/back_mdb.so" } qw(/usr/lib/ldap /usr/lib64/openldap /usr/lib/openldap);
    my $tls = $o{tls} ? "TLSCACertificateFile $o{tls}{ca}\nTLSCertificateFile $o{tls}{cert}\nTLSCertificateKeyFile $o{tls}{key}\n" : '';
    my $acl = $o{acl} // "access to attrs=userPassword by anonymous auth by * none\naccess to * by * read\n";
    Baton::Test::spew("$dir/mail.schema", $schema);
    Baton::Test::spew("$dir/slapd.conf", <<"END");
include $schemas/core.schema
include $schemas/cosine.schema
include $dir/mail.schema
pidfile $dir/slapd.pid
argsfile $dir/slapd.args
@{[ $modules ? "modulepath $modules\nmoduleload back_mdb" : '' ]}
$tls@{[ $o{conf} // '' ]}
sizelimit unlimited
database mdb
suffix "$base"
rootdn "cn=admin,$base"
rootpw secret
directory $dir/db
index objectClass,mailAcceptingGeneralId,cn eq
dbnosync
maxsize 1073741824
$acl
END
    $self->restart;
    $self->_ldap('ldapadd', "dn: $base\nobjectClass: dcObject\nobjectClass: organization\no: test\n\n"
          . "dn: cn=reader,$base\nobjectClass: mailThing\ncn: reader\nuserPassword: read it\n");
    return $self;
}

sub port     { $_[0]{port} }
sub host     { "127.0.0.1:$_[0]{port}" }
sub url      { 'ldap://' . $_[0]->host }
sub ldaps_url { "ldaps://127.0.0.1:$_[0]{tls_port}" }
sub base     { $base }
sub pid      { $_[0]{pid} }
sub log_text { Baton::Test::slurp("$_[0]{dir}/log") // '' }

sub ldapi_url { my ($self) = @_; (my $path = "$self->{dir}/ldapi") =~ s{/}{%2F}g; return "ldapi://$path" }

# Starts it again, at the same places; returns when it answers
sub restart {
    my ($self) = @_;
    $self->stop if $self->{pid};
    my $urls = join ' ', $self->url, $self->ldapi_url, $self->{tls} ? $self->ldaps_url : ();
    # -d keeps it in the foreground
    $self->{pid} = $self->{t}->_spawn([ program(), '-d', $self->{level} // '0', '-f', "$self->{dir}/slapd.conf", '-h', $urls ],
        stdout => "$self->{dir}/log", stderr => "$self->{dir}/log");
    push @{ $self->{t}{children} }, $self if !$self->{is_known}++;
    Baton::Test::wait_until { IO::Socket::INET->new(PeerAddr => $self->host) } 15
      or croak 'slapd does not answer: ' . $self->log_text;
}

sub stop {
    my ($self) = @_;
    my $pid = delete $self->{pid} // return;
    kill 'CONT', $pid;
    Baton::Test::_end($pid, 'TERM', 5);
}

sub hang { Baton::Test::stop_processes($_[0]{pid}) }
sub wake { kill 'CONT', $_[0]{pid} }

# add('cn=info', attribute => value or [values], ...): a mailThing below the base
sub add {
    my ($self, $rdn, %attrs) = @_;
    $self->add_many([ $rdn, %attrs ]);
}

sub add_many {
    my ($self, @entries) = @_;
    my $ldif = '';
    for (@entries) {
        my ($rdn, %attrs) = @$_;
        my ($cn) = $rdn =~ /^cn=([^,]*)/;
        $ldif .= "dn: $rdn,$base\nobjectClass: mailThing\ncn: $cn\n";
        for my $name (sort keys %attrs) {
            $ldif .= "$name: $_\n" for ref $attrs{$name} ? @{ $attrs{$name} } : $attrs{$name};
        }
        $ldif .= "\n";
    }
    $self->_ldap('ldapadd', $ldif);
}

sub delete { my ($self, $rdn) = @_; $self->_ldap('ldapdelete', "$rdn,$base\n") }

sub _ldap {
    my ($self, $program, $input) = @_;
    my $r = $self->{t}->run([ $program, '-x', '-H', $self->url, '-D', "cn=admin,$base", '-w', 'secret' ], input => $input,
        env => { LDAPNOINIT => 1 }, timeout => 300);
    croak "$program: $r->{err}" if $r->{code};
}

1;
