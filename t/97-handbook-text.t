#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
# doc/handbook.md names no parameter that is not there, its lines of configuration load, and its links lead somewhere.
use strict;
use warnings;
use FindBin;
use Test::More;
use lib "$FindBin::Bin/lib";
use Baton::Test;

skip_all_unless_server();
my $t = Baton::Test->new;
my $cert = $t->certificate;
my $text = slurp(source_dir() . '/doc/handbook.md');
my $config = slurp(source_dir() . '/config/params.h') . slurp(source_dir() . '/config/restrictions.h');
my %is_known = map { $_ => 1 } $config =~ /^[A-Z_]+\((\w+),/mg;

# ---- links ----
my %anchor = map { my $a = lc; $a =~ s/[^\w\- ]//g; $a =~ s/ /-/g; $a => 1 } $text =~ /^## (.*)$/mg;
my @links = $text =~ /\]\(#([^)]+)\)/g;
ok($anchor{$_}, "the link to $_ leads somewhere") for @links;
for my $heading (sort keys %anchor) {
    ok(scalar(grep { $_ eq $heading } @links), "$heading is in the list of contents");
}

# ---- names ----
my %others = map { $_ => 1 } qw(auth_username_format auth_mechanisms another_domain pwcheck_method mech_list unix_listener inet_listener sasl_method sasl_username);
for my $name (sort keys %{ { map { $_ => 1 } $text =~ /`([a-z0-9]+(?:_[a-zA-Z0-9]+)+)(?= = |`)/g } }) {
    ok($is_known{$name}, "$name is a parameter") if !$others{$name};
}

# ---- blocks of configuration: what is indented, and has name = "value" or a section in each line ----
my @blocks;
for my $block ($text =~ /((?:^ {4,}\S.*\n)+(?:^\n(?=^ {4,}\S))?)/mg) {
    my ($indent) = $block =~ /^( +)/;
    my $lines = $block =~ s/^$indent//mgr;
    push @blocks, $lines
      if $lines =~ /\A(?:(?:[a-z_A-Z]+ = ".*"(?: +#.*)?|(?:listen|login|ldap|pipe) \S+ \{.*|    [a-z_]+ = ".*"|\}|)\n)+\z/ && $lines =~ /\S/;
}
ok(@blocks > 20, 'there are blocks of configuration: ' . @blocks);
for my $block (@blocks) {
    my $front = join '', map { my ($n) = /^(\w+)/; $block =~ /^$n =/m ? '' : "$_\n" } 'relayhost = "[smtp.example.com]:587"', 'mynetworks = "127.0.0.0/8"',
      qq(smtpd_tls_cert_file = "$cert->{cert}"), qq(smtpd_tls_key_file = "$cert->{key}"), 'smtpd_sasl_auth_enable = "yes"', 'mydomain = "example.com"';
    $front =~ s/^smtpd_tls_.*\n//mg if $block =~ /smtpd_tls_cert_file/;
    spew($t->conf, $front . $block, 0600);
    my $r = $t->baton(['config']);
    is($r->{code}, 0, 'it loads: ' . ($block =~ /\A(.*)/)[0]) or diag $r->{err}, $block;
}

done_testing;
