#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
# No two libraries define a global function of the same name: the linker would take one of them without a word.
use strict;
use warnings;
use Test::More;
use FindBin;
use lib "$FindBin::Bin/lib";
use Baton::Test;

my @archives = glob build_dir() . '/{config,lib/*,control,relay}/lib*.a';
plan skip_all => 'nothing is built' if !@archives;
plan skip_all => 'nm is not installed' if !grep { -x "$_/nm" } split /:/, $ENV{PATH};
my %where;
for my $archive (@archives) {
    for (`nm -g --defined-only '$archive' 2>/dev/null`) {
        push @{ $where{$2} }, $archive if /^\S+ ([TDBR]) (\S+)$/ && $2 !~ /^(__|_GLOBAL|asan\.|\.)/;
    }
}
ok(keys %where > 100, 'the libraries have symbols');
my @twice = grep { @{ $where{$_} } > 1 } sort keys %where;
is_deeply(\@twice, [], 'and each has one home') or diag map { "$_: @{$where{$_}}\n" } @twice;
done_testing();
