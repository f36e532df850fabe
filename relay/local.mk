# relay: batond

# where mail goes, for baton test and check too
noinst_LIBRARIES += relay/libroute.a
relay_libroute_a_SOURCES = relay/alias.c relay/alias.h \
	relay/expand.c relay/extension.c relay/extension.h relay/lookup.c relay/lookup.h relay/lookup_int.h relay/lookup_tables.c relay/match.c relay/match.h \
	relay/own.c relay/own.h relay/resolve.c relay/resolve.h relay/resolve_int.h relay/rewriting.c relay/rewriting.h relay/route_hooks.h

# from a next hop to its hosts and what TLS they get, for baton test too
noinst_LIBRARIES += relay/libway.a
relay_libway_a_SOURCES = relay/fetcher.c relay/fetcher.h relay/mta_sts.c relay/mta_sts.h relay/mta_sts_policy.c relay/mta_sts_policy.h \
	relay/tls_policy.c relay/tls_policy.h relay/tls_policy_row.c relay/walk.c relay/walk.h \
	relay/worker.c relay/worker.h

# what clients are shown, for baton check too
noinst_LIBRARIES += relay/libcerts.a
relay_libcerts_a_SOURCES = relay/certs.c relay/certs.h

EXTRA_DIST += relay/README.md
sbin_PROGRAMS += batond
batond_SOURCES = \
	relay/anvil.c relay/anvil.h \
	relay/attempt.c relay/attempt.h \
	relay/auth.h \
	relay/bounce.c relay/bounce.h \
	relay/ceiling.c relay/ceiling.h \
	relay/children.c \
	relay/control.c relay/control.h \
	relay/draft.c relay/draft.h \
	relay/flow.c relay/flow.h \
	relay/gate.c relay/gate.h \
	relay/hooks.h \
	relay/intake.c \
	relay/limits.c relay/limits.h \
	relay/listeners.c relay/listeners.h \
	relay/logline.c relay/logline.h \
	relay/main.c \
	relay/notify.c relay/notify.h \
	relay/operate.c relay/operate.h \
	relay/outward.c relay/outward.h \
	relay/ours.c relay/ours.h \
	relay/peer.c relay/peer.h relay/peer_int.h \
	relay/peer_open.c \
	relay/peer_pool.c \
	relay/peer_work.c \
	relay/policy.c relay/policy.h \
	relay/pressure.c \
	relay/queue.c relay/queue.h relay/queue_int.h \
	relay/queue_order.c \
	relay/receive.c \
	relay/relay.c relay/relay_int.h \
	relay/resident.c relay/resident.h \
	relay/schedule.c \
	relay/session.c relay/session.h relay/session_int.h \
	relay/session_auth.c \
	relay/session_content.c \
	relay/session_envelope.c \
	relay/session_header.c \
	relay/session_mail.c \
	relay/session_name.c \
	relay/session_proxy.c \
	relay/session_time.c \
	relay/session_tls.c \
	relay/settle.c \
	relay/rehearse.c relay/supervise.c relay/supervise.h relay/supervise_int.h \
	relay/tls_setup.c relay/tls_setup.h \
	relay/transport.c relay/transport.h \
	relay/window.c relay/window.h
batond_CPPFLAGS = $(AM_CPPFLAGS) $(UV_CFLAGS) $(CARES_CFLAGS) $(SECCOMP_CFLAGS)
batond_LDFLAGS = $(AM_LDFLAGS) $(LOADS_MODULES)
batond_LDADD = server/libserver.a relay/libway.a server/libmaps.a relay/libcerts.a relay/libroute.a server/librouting.a relay/libroute.a relay/libjail.a config/libconfig.a lib/spool/libspool.a lib/smtp/libsmtp.a lib/mail/libmail.a lib/net/libnet.a lib/map/libmap.a \
	lib/base/libbase.a $(MAP_LIBS) $(CONFUSE_LIBS) $(UV_LIBS) $(CARES_LIBS) $(IDN2_LIBS) $(MBEDTLS_LIBS) $(SECCOMP_LIBS)

if HAVE_CMOCKA
check_PROGRAMS += t/unit/test_queue t/unit/test_resolve t/unit/test_window t/unit/test_flow
endif
t_unit_test_queue_SOURCES = t/unit/test_queue.c t/unit/unit.h relay/queue.c relay/queue.h relay/queue_int.h relay/queue_order.c
t_unit_test_queue_LDADD = lib/base/libbase.a $(CMOCKA_LIBS)
t_unit_test_flow_SOURCES = t/unit/test_flow.c t/unit/unit.h relay/flow.c relay/flow.h
t_unit_test_flow_LDADD = lib/base/libbase.a $(CMOCKA_LIBS)
t_unit_test_window_SOURCES = t/unit/test_window.c t/unit/unit.h relay/window.c relay/window.h
t_unit_test_window_LDADD = $(CMOCKA_LIBS)
t_unit_test_resolve_SOURCES = t/unit/test_resolve.c t/unit/unit.h
t_unit_test_resolve_LDADD = relay/libroute.a server/librouting.a relay/libroute.a config/libconfig.a lib/spool/libspool.a lib/map/libmap.a lib/mail/libmail.a lib/net/libnet.a lib/base/libbase.a \
	$(MAP_LIBS) $(CONFUSE_LIBS) $(CMOCKA_LIBS)

if HAVE_CMOCKA
check_PROGRAMS += t/unit/test_anvil
endif
t_unit_test_anvil_SOURCES = t/unit/test_anvil.c t/unit/unit.h relay/anvil.c relay/anvil.h
t_unit_test_anvil_LDADD = lib/base/libbase.a $(CMOCKA_LIBS)

# the jail, a library of its own for its test
noinst_LIBRARIES += relay/libjail.a
relay_libjail_a_SOURCES = relay/jail.c relay/jail.h relay/jail_int.h relay/jail_files.c relay/jail_calls.c

if HAVE_CMOCKA
check_PROGRAMS += t/unit/test_jail
endif
t_unit_test_jail_SOURCES = t/unit/test_jail.c t/unit/unit.h
t_unit_test_jail_LDADD = relay/libjail.a lib/net/libnet.a lib/base/libbase.a $(NET_LIBS) $(SECCOMP_LIBS) $(CMOCKA_LIBS)

if HAVE_CMOCKA
check_PROGRAMS += t/unit/test_tls_policy t/unit/test_mta_sts
endif
t_unit_test_mta_sts_SOURCES = t/unit/test_mta_sts.c t/unit/unit.h relay/mta_sts_policy.c relay/mta_sts_policy.h
t_unit_test_mta_sts_LDADD = lib/base/libbase.a $(CMOCKA_LIBS)
check_PROGRAMS += t/fuzz/fuzz_mta_sts
t_fuzz_fuzz_mta_sts_SOURCES = t/fuzz/fuzz_mta_sts.c t/fuzz/replay.c relay/mta_sts_policy.c relay/mta_sts_policy.h
t_fuzz_fuzz_mta_sts_LDADD = lib/base/libbase.a
t_unit_test_tls_policy_SOURCES = t/unit/test_tls_policy.c t/unit/unit.h relay/tls_policy_row.c relay/tls_policy.h
t_unit_test_tls_policy_LDADD = config/libconfig.a lib/map/libmap.a lib/base/libbase.a $(CONFUSE_LIBS) $(CMOCKA_LIBS)
