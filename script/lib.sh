# SPDX-License-Identifier: Apache-2.0
# lib.sh - what script/demo and script/test share. Sourced by bash; `top` is the checkout.
set -u
top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
export LC_ALL=C.UTF-8 PATH="$PATH:/usr/sbin:/sbin"
jobs=$(nproc 2>/dev/null || echo 2)

# The tools of the distribution, not others that a PATH may put before them (a Perl with its own modules, say)
perl=/usr/bin/perl prove=/usr/bin/prove

if [ -t 1 ]; then bold=$'\e[1m' red=$'\e[31m' dim=$'\e[2m' off=$'\e[0m'; else bold='' red='' dim='' off=''; fi
say() { printf '%s\n' "${bold}$*${off}"; }
note() { printf '%s\n' "${dim}  $*${off}"; }
die() { printf '%s\n' "${red}$*${off}" >&2; exit 1; }

# ---- packages ---------------------------------------------------------------------------------------------------------

# Debian 12 and 13 call them the same. ca-certificates is what TLS to a relayhost is verified with: not for building, but
# without it an installed Baton has nobody to trust.
for_build="gcc libc6-dev make autoconf automake pkg-config libuv1-dev libmbedtls-dev libc-ares-dev libconfuse-dev
    libxxhash-dev libidn2-dev libjansson-dev liblmdb-dev libpcre2-dev libseccomp-dev ca-certificates
    libldap-dev libcurl4-openssl-dev libsasl2-dev"
for_demo="util-linux"
for_test="perl git openssl libio-socket-ssl-perl libcmocka-dev clang xz-utils mandoc strace procps util-linux e2fsprogs systemd
    python3 python3-milter python3-dkim opendkim opendkim-tools rspamd php-cli bsd-mailx s-nail mutt git-email cron libmime-lite-perl haproxy swaks curl slapd ldap-utils dovecot-imapd dovecot-lmtpd
    sasl2-bin libsasl2-modules libsasl2-modules-db
    postgrey postfix-policyd-spf-python procmail maildrop"

missing() {  # PACKAGE...: those of them that are not installed
    local p
    for p; do
        case $(dpkg-query -W -f='${Status}' "$p" 2>/dev/null) in *' installed') ;; *) printf '%s ' "$p" ;; esac
    done
}

install_missing() {  # WHAT-FOR PACKAGE...: with apt, as root or by sudo; silent when all is there
    local what=$1 need; shift
    command -v dpkg-query >/dev/null || {
        note "not Debian: make sure that these are here: $*"
        return 0
    }
    need=$(missing "$@")
    [ -n "$need" ] || return 0
    local apt=(apt-get)
    if [ "$(id -u)" != 0 ]; then
        command -v sudo >/dev/null || die "$what needs packages that are not installed. As root: apt-get install $need"
        apt=(sudo apt-get)
    fi
    say "Installing what $what needs: $need"
    # shellcheck disable=SC2086
    DEBIAN_FRONTEND=noninteractive "${apt[@]}" install -qq -y --no-install-recommends $need >/dev/null 2>&1 ||
        { DEBIAN_FRONTEND=noninteractive "${apt[@]}" update -qq &&
          DEBIAN_FRONTEND=noninteractive "${apt[@]}" install -qq -y --no-install-recommends $need >/dev/null; } ||
        die "apt-get install $need failed"
}

# ---- building ----------------------------------------------------------------------------------------------------------

bootstrap() {  # configure and Makefile.in, when they are missing or older than what they are made of
    local f
    if [ -x "$top/configure" ] && [ -e "$top/Makefile.in" ]; then
        f=$(find "$top" -path "$top/build-*" -prune -o \( -name configure.ac -o -name Makefile.am -o -name local.mk \) \
            -newer "$top/Makefile.in" -print | head -n 1)
        [ -n "$f" ] || return 0
    fi
    (cd "$top" && autoreconf -i)
}

build() {  # DIR CONFIGURE-ARGUMENTS...: configured (when that changed) and made in DIR
    local dir=$1; shift
    mkdir -p "$dir" || return
    bootstrap || return
    (
        cd "$dir" || exit
        if [ ! -e config.status ] || [ "$(cat configured-with 2>/dev/null)" != "$*" ]; then
            "$top/configure" "$@" && printf '%s' "$*" > configured-with || exit
        fi
        make -s -j"$jobs"
    )
}
