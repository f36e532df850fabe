# SPDX-License-Identifier: Apache-2.0
# debian-root.sh - runs script/test inside another Debian. Sourced by script/test.

make_root() {  # DIR [SUITE]: a small Debian there, unless there is one
    local dir=$1 suite=${2:-trixie} mirror
    [ ! -x "$dir/usr/bin/apt-get" ] || return 0
    install_missing "a Debian root" debootstrap
    # The mirror that this machine uses; debootstrap's own default otherwise
    mirror=$(cat /etc/apt/sources.list /etc/apt/sources.list.d/*.{list,sources} 2>/dev/null |
        sed -nE 's/^URIs: *([^ ]+).*/\1/p; s/^deb (\[[^]]*\] )?([^ ]+) .*/\2/p' | grep -v security | head -n 1)
    say "Making a Debian ($suite) in $dir"
    debootstrap --variant=minbase "$suite" "$dir" ${mirror:+"$mirror"} > "$work/debootstrap.log" 2>&1 ||
        { tail "$work/debootstrap.log"; die "debootstrap failed: $work/debootstrap.log"; }
    # apt's own settings of this machine (a proxy, a mirror that asks for one), without its sources
    cp -a /etc/apt/apt.conf.d/. "$dir/etc/apt/apt.conf.d/" 2>/dev/null
    printf '#!/bin/sh\nexit 101\n' > "$dir/usr/sbin/policy-rc.d"
    chmod +x "$dir/usr/sbin/policy-rc.d"
}

# The checkout as it stands, uncommitted changes and all, becomes a clone in the root; script/test runs there.
run_in_root() {  # DIR ARGUMENTS...
    local dir=$1 in=/srv/baton; shift
    [ -n "$1" ] || shift
    make_root "$dir"
    local dest=$dir$in f
    rm -rf "$dest/checkout"
    mkdir -p "$dest/checkout"
    if [ -e "$top/.git" ]; then
        git clone -q --no-hardlinks "$top" "$dest/clone.new" && mv "$dest/clone.new/.git" "$dest/checkout/" && rm -rf "$dest/clone.new"
        (cd "$top" && git ls-files -z -co --exclude-standard | while IFS= read -r -d '' f; do
            [ ! -e "$f" ] && [ ! -L "$f" ] || printf '%s\0' "$f"; done | tar --null -T - -cf -) | tar -C "$dest/checkout" -xf -
    else
        tar -C "$top" --exclude='./build-*' -cf - . | tar -C "$dest/checkout" -xf -
    fi
    [ ! -e /etc/resolv.conf ] || cp -L /etc/resolv.conf "$dir/etc/resolv.conf"
    say "In $(sed -n 's/^PRETTY_NAME="\(.*\)"/\1/p' "$dir/etc/os-release"), $dir"
    # Mounts of its own, gone with it; loopback is this machine's. The root is one of them, for the tests that mount.
    unshare --mount --pid --fork --kill-child --propagation private bash -c '
        mount --bind "$0" "$0" && mount -t proc proc "$0/proc" && mount --rbind /dev "$0/dev" && mount -t tmpfs tmpfs "$0/run" || exit
        exec chroot "$0" /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root TERM="${TERM:-dumb}" ${CI:+CI="$CI"} \
            ${http_proxy:+http_proxy="$http_proxy"} ${https_proxy:+https_proxy="$https_proxy"} \
            bash -c "git config --global --add safe.directory \"*\" 2>/dev/null; exec \"\$0\" \"\$@\"" "$@"' \
        "$dir" "$in/checkout/script/test" "$@"
}
