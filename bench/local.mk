# bench: benchmarks beside real peers; README.md tells how to run them and holds the last table
EXTRA_PROGRAMS = bench/bare_drop bench/fill_spool bench/map_lookup bench/tls_handshakes
bench_bare_drop_SOURCES = bench/bare_drop.c
bench_fill_spool_SOURCES = bench/fill_spool.c
bench_fill_spool_LDADD = lib/spool/libspool.a lib/base/libbase.a
bench_map_lookup_SOURCES = bench/map_lookup.c
bench_map_lookup_LDADD = lib/map/libmap.a lib/base/libbase.a $(MAP_LIBS)
bench_tls_handshakes_SOURCES = bench/tls_handshakes.c
bench_tls_handshakes_LDADD = $(MBEDTLS_LIBS)
EXTRA_DIST += bench/lib.sh bench/submit bench/idle bench/backlog bench/map bench/queue bench/relay bench/connections bench/server bench/clients.pl bench/peers.d/baton bench/peers.d/postfix-server bench/peers.d/postfix-tls
