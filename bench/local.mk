# bench: benchmarks beside real peers; README.md tells how to run them and holds the last table
EXTRA_PROGRAMS = bench/bare_drop
bench_bare_drop_SOURCES = bench/bare_drop.c
EXTRA_DIST += bench/lib.sh bench/submit bench/idle bench/backlog bench/relay bench/connections bench/clients.pl bench/peers.d/baton bench/peers.d/postfix-tls
