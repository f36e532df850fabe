#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
# Every fuzz target takes its corpus, and mutations of it, without falling over. t/fuzz/README says how to fuzz for real.
use strict;
use warnings;
use FindBin;
use Test::More;

my $build = $ENV{BATON_BUILD} // '.';
my @sources = glob "$FindBin::Bin/fuzz/fuzz_*.c";
ok(@sources > 0, 'there are fuzz targets');
for (@sources) {
    my ($name) = m{/fuzz_(\w+)\.c$};
    my $program = "$build/t/fuzz/fuzz_$name";
    if (!-x $program) { fail("fuzz_$name is built (make check builds it)"); next }
    my $said = `'$program' '$FindBin::Bin/fuzz/corpus/$name' 2>&1`;
    is($?, 0, "$name takes its corpus and mutations of it") or diag $said;
}
done_testing();
