#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use Baton::Test;
use Baton::Units;
skip_all_unless_server();
run_units(qw(test_deliver test_errands));
