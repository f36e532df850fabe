# bench: benchmarks beside real peers; README.md tells how to run them and holds the last table
EXTRA_PROGRAMS = bench/bare_drop bench/fill_spool
bench_bare_drop_SOURCES = bench/bare_drop.c
bench_fill_spool_SOURCES = bench/fill_spool.c
bench_fill_spool_LDADD = lib/spool/libspool.a lib/base/libbase.a
EXTRA_DIST += bench/lib.sh bench/submit bench/idle bench/backlog bench/queue bench/relay bench/connections bench/clients.pl bench/peers.d/baton bench/peers.d/postfix-tls
