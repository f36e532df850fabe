# SPDX-License-Identifier: Apache-2.0
# Runs unit test programs (cmocka printing TAP) and passes each of their results on under its own name.
package Baton::Units;
use strict;
use warnings;
use Test::More;
use Exporter 'import';
our @EXPORT = qw(run_units);

sub build_dir { $ENV{BATON_BUILD} // '.' }

sub run_units {
    my @programs = @_;
    for my $name (@programs) {
        my $program = build_dir() . "/t/unit/$name";
        if (!-x $program) {
            fail("$name is built (make check builds it)");
            next;
        }
        local $ENV{CMOCKA_MESSAGE_OUTPUT} = 'TAP';
        my @lines = `$program 2>&1`;
        my $status = $?;
        my ($plan) = map { /^1\.\.(\d+)/ ? $1 : () } @lines;
        my $seen = 0;
        for (@lines) {
            if (/^(not )?ok \d+ (- |# SKIP )(.*)$/) { # cmocka calls a skipped test "not ok N # SKIP name"
                $seen++;
                my ($bad, $mark, $what) = ($1, $2, $3);
                $what =~ s/_/ /g;
                if ($mark =~ /SKIP/) { Test::More->builder->skip("$name: $what") } else { ok(!$bad, "$name: $what") }
            } else {
                chomp;
                diag("$name: $_") if !/^1\.\.|^TAP version|^$/ && ($status || $ENV{TEST_VERBOSE});
            }
        }
        ok(defined $plan && $seen == $plan && $plan > 0, "$name ran all its tests");
        is($status, 0, "$name left with 0");
    }
    done_testing();
}
1;
