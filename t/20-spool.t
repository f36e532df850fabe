#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use Baton::Units;
run_units(qw(test_spool_record test_spool test_spool_space test_spool_corner test_spool_cut));
