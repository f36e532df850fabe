# SPDX-License-Identifier: Apache-2.0
# lib.sh - what the benchmarks share: where the peers are, and a Baton built as it is shipped. Sourced by bash.
. "$(dirname "${BASH_SOURCE[0]}")/../script/lib.sh"
peers=${PEERS:-$top/../shared/peers}
[ "${1:-}" != --peers ] || { peers=${2:?--peers needs a folder}; shift 2; }
[ "$(id -u)" = 0 ] || die "the benchmarks need root: control groups, chroots, other users"
[ -x "$peers/peer" ] || die "no peers at $peers: give their folder with --peers DIR or PEERS=DIR (see bench/README.md)"
export PEERS_EXTRA=$top/bench/peers.d P=${PEERS_DIR:-/var/tmp/peers}
mkdir -p "$P/run"
exec 9> "$P/run/bench.lock" # one at a time: they share ports, control groups and the disk
flock -n 9 || { note "waiting for another benchmark to end"; flock 9; }
[ -x "$P/bin/tools" ] || "$peers/setup" postfix

note "building Baton as it is shipped, into $P/baton"
build "$top/build-bench" --prefix="$P/baton" --with-user=mail --with-group=mail --without-systemdsystemunitdir CFLAGS='-O2 -g' \
    > "$P/run/baton-build.log" 2>&1 &&
    make -s -C "$top/build-bench" bench/bare_drop install >> "$P/run/baton-build.log" 2>&1 ||
    { tail "$P/run/baton-build.log"; die "the build failed: $P/run/baton-build.log"; }

peer() { "$peers/peer" "$@" 9>&-; }
tools() { "$P/bin/tools" "$@" 9>&-; }
field() { sed -n "s/.*$1=\([0-9.]*\).*/\1/p" <<< "$2"; }
median() { sort -g | awk '{v[NR]=$1} END{if(NR) print NR%2 ? v[(NR+1)/2] : (v[NR/2]+v[NR/2+1])/2}'; }
ratio() { awk -v a="$1" -v b="$2" 'BEGIN{ if (b > 0) printf "%.2f", a / b; else printf "-" }'; }
judge() {  # VALUE LIMIT: yes or NO
    awk -v a="$1" -v b="$2" 'BEGIN{ print a <= b ? "yes" : "NO" }'
}
trap 'for p in baton postfix; do peer stop $p >/dev/null 2>&1; done' EXIT
for p in baton postfix; do peer stop $p >/dev/null 2>&1; done

cgroup() {  # NAME: the control group that the peers' tools put it in
    if [ -d /sys/fs/cgroup/cpuacct ]; then echo "/sys/fs/cgroup/cpuacct/peer-$1"; else echo "/sys/fs/cgroup/peer-$1"; fi
}
switches() {  # NAME: how often its threads were woken or preempted so far
    local p
    for p in $(cat "$(cgroup "$1")/cgroup.procs"); do cat /proc/"$p"/task/*/status 2>/dev/null; done |
        awk '/ctxt_switches/ { n += $2 } END { print n + 0 }'
}
pss_kib() {  # PID: its share of memory
    awk '/^Pss:/ { print $2 }' /proc/"$1"/smaps_rollup
}
