#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use Baton::Units;
run_units(qw(test_smtp_reply test_smtp_server test_smtp_client test_smtp_pair test_proxy test_milter test_auth_wire));
