# SPDX-License-Identifier: Apache-2.0
package Baton::Cert;

# Certificates for TLS tests, made on the spot with openssl(1), so that none in the tree can expire.

use strict;
use warnings;
use Carp qw(croak);

my $n = 0;

# make($dir, names => [...], days => 30, self_signed => 0, cn => text): { ca, key, cert } as PEM paths. One CA a folder.
sub make {
    my ($dir, %o) = @_;
    my @names = @{ $o{names} || ['127.0.0.1'] };
    my $base = "$dir/cert-" . ++$n;
    my $san = join ',', map { (/^[0-9.]+$|:/ ? 'IP:' : 'DNS:') . $_ } @names;
    my %c = (ca => "$dir/ca.pem", key => "$base.key", cert => "$base.pem");
    my @new_key = qw(-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes);
    if (!-e $c{ca}) {
        # With all that strict clients ask for (Python from 3.13 on)
        _openssl(qw(req -x509), @new_key, qw(-days 3650 -subj), '/CN=Baton test authority',
            '-addext', 'keyUsage=critical,keyCertSign,cRLSign',
            '-keyout', "$dir/ca.key", '-out', $c{ca});
    }
    my $subject = '/CN=' . ($o{cn} // $names[0]);
    my $expired = ($o{days} // 30) <= 0;
    if ($o{self_signed}) {
        _openssl(qw(req -x509), @new_key, '-days', $o{days} // 30, '-subj', $subject, '-addext', "subjectAltName=$san",
            '-keyout', $c{key}, '-out', $c{cert});
    } else {
        _openssl('req', @new_key, '-subj', $subject, '-addext', "subjectAltName=$san", '-keyout', $c{key}, '-out', "$base.csr");
        # `openssl x509` cannot make a certificate that has expired already; `openssl ca` can, with a folder of its own
        mkdir "$base.ca";
        _write("$base.ca/index.txt", '');
        _write("$base.ca/ca.conf", "[ca]\ndefault_ca=c\n[c]\ndir=$base.ca\ndatabase=\$dir/index.txt\nnew_certs_dir=\$dir\n"
              . "rand_serial=yes\ndefault_md=sha256\npolicy=p\ncopy_extensions=copy\nunique_subject=no\nx509_extensions=e\n[p]\ncommonName=supplied\n"
              . "[e]\nsubjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid\n");
        my @when = $expired ? qw(-startdate 20200101000000Z -enddate 20200201000000Z) : ('-days', $o{days} // 30);
        _openssl('ca', '-batch', '-notext', '-config', "$base.ca/ca.conf", '-cert', $c{ca}, '-keyfile', "$dir/ca.key", @when,
            '-in', "$base.csr", '-out', $c{cert});
    }
    chmod 0600, $c{key}; # one that others may read is refused
    chmod 0644, $c{cert};
    return \%c;
}

sub _write { my ($path, $text) = @_; open my $fh, '>', $path or croak "$path: $!"; print $fh $text; close $fh }

sub _openssl {
    my (@args) = @_;
    my $pid = open my $out, '-|';
    croak "fork: $!" if !defined $pid;
    if (!$pid) {
        open STDERR, '>&', \*STDOUT;
        exec 'openssl', @args or exit 127;
    }
    my $said = do { local $/; <$out> };
    close $out or croak "openssl $args[0] failed: $said";
}

1;
