#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use Baton::Test;
use Baton::Units;
run_units('test_access', has_server() ? 'test_restrictions' : ());
