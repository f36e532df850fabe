# SPDX-License-Identifier: Apache-2.0
package Baton::FailIO;

=head1 NAME

Baton::FailIO - a spool on a disk whose writes and syncs fail on command (t/fault/fail_io.c)

=head1 SYNOPSIS

    my $disk = Baton::FailIO->new($t);
    $t->start_batond(env => $disk->env);
    $disk->set(syncs_to_fail => 1);
    ... one sync fails, and what it covered is lost ...
    is($disk->get('synced_again'), 0);

=cut

use strict;
use warnings;
use Baton::Test qw(build_dir spew);
use Carp qw(croak);

# As struct control in fail_io.c
my @fields = qw(syncs_to_fail writes_to_fail one_sync_in one_write_in only_pid
    syncs failed_syncs failed_folder_syncs writes failed_writes synced_again written_again);
my %place = map { $fields[$_] => 4 * $_ } 0 .. $#fields;

sub library { build_dir() . '/t/fault/fail_io.so' }

sub new {
    my ($class, $t) = @_;
    my $path = spew($t->path('fail-io'), "\0" x 4096, 0666);
    open my $fh, '+<', $path or croak "$path: $!";
    return bless { t => $t, path => $path, fh => $fh }, $class;
}

sub env {
    my ($self) = @_;
    return {
        LD_PRELOAD => library(), FAIL_IO_DIR => $self->{t}->spool, FAIL_IO_CONTROL => $self->{path},
        ASAN_OPTIONS => join(':', $ENV{ASAN_OPTIONS} // (), 'verify_asan_link_order=0'),
    };
}

sub set {
    my ($self, %to) = @_;
    for (keys %to) {
        sysseek $self->{fh}, $place{$_} // croak("no field $_"), 0;
        syswrite $self->{fh}, pack 'L', $to{$_};
    }
}

sub get {
    my ($self, $name) = @_;
    sysseek $self->{fh}, $place{$name} // croak("no field $name"), 0;
    sysread $self->{fh}, my $bytes, 4;
    return unpack 'L', $bytes;
}

sub describe { my ($self) = @_; return join ', ', map { "$_ " . $self->get($_) } @fields[5 .. $#fields] }

1;
