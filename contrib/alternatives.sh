#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# alternatives.sh [PREFIX] - makes Baton below PREFIX (/usr/local) a choice of `alternatives --config mta` (Fedora, RHEL)
prefix=${1:-/usr/local}
exec alternatives --install /usr/sbin/sendmail mta "$prefix/sbin/sendmail" 40 \
    --slave /usr/bin/mailq mta-mailq "$prefix/bin/mailq" \
    --slave /usr/bin/newaliases mta-newaliases "$prefix/bin/newaliases" \
    --slave /usr/lib/sendmail mta-sendmail "$prefix/sbin/sendmail" --initscript baton
