# server: the optional module; none.c stands for all of it when it is not built
noinst_LIBRARIES += server/libserver.a server/libmaps.a server/librouting.a
EXTRA_DIST += server/README.md server/exports
AUTH_FILES = \
	server/auth.c server/auth.h \
	server/auth_dovecot.c server/auth_dovecot_int.h \
	server/auth_dovecot_try.c \
	server/auth_sasl.c server/sasl.h
RESTRICT_FILES = \
	server/access.c server/access.h server/access_keys.c server/access_server.c \
	server/policy_request.c server/policy_service.c server/policy_service.h \
	server/rbl.c server/rbl.h \
	server/restrict.c server/restrict.h server/restrict_int.h server/restrict_fns.h \
	server/restrict_address.c server/restrict_backup.c server/restrict_ccert.c server/restrict_host.c server/restrict_login.c server/restrict_plain.c server/restrict_tables.c
DELIVER_FILES = \
	server/command.c server/command.h \
	server/content.c server/content.h \
	server/copy.c server/copy.h \
	server/deliver.c server/deliver.h \
	server/deliver_local.c \
	server/deliver_pipe.c \
	server/deliver_session.c \
	server/deliver_virtual.c \
	server/delivery_head.c server/delivery_origin.c \
	server/errands.c server/errands.h \
	server/file.c server/file.h \
	server/forward_service.c \
	server/forwards.c server/forwards.h \
	server/identity.c server/identity.h \
	server/local_env.c \
	server/local_forward.c \
	server/local_hand_over.c \
	server/local_int.h \
	server/local_mailbox.c \
	server/local_run.c \
	server/maildir.c server/maildir.h \
	server/mbox.c server/mbox.h \
	server/outcome.c server/outcome.h \
	server/submit.c server/submit.h
ROUTING_FILES = \
	server/class.c server/infer.c server/keys.c server/listed.c server/remarks.c server/rewrite.c \
	server/routing.c server/routing_int.h server/virtual.c server/ways.c
if SERVER
server_libserver_a_SOURCES = \
	$(AUTH_FILES) \
	$(RESTRICT_FILES) \
	$(DELIVER_FILES) \
	server/milter.c server/milter.h server/milter_int.h \
	server/milter_change.c \
	server/milter_link.c server/milter_link_int.h \
	server/milter_macros.c \
	server/milter_say.c \
	server/server.c
# tables, for baton too
server_libmaps_a_SOURCES = \
	server/ldap_wire.h \
	server/map_ldap.c server/map_ldap.h server/map_ldap_int.h \
	server/map_ldap_ask.c \
	server/map_ldap_cache.c server/map_ldap_cache.h \
	server/map_ldap_expand.c server/map_ldap_expand.h \
	server/map_ldap_result.c \
	server/maps.c \
	server/module.c server/module.h
server_libmaps_a_CPPFLAGS = $(AM_CPPFLAGS) -DMODULEDIR=\"$(moduledir)\"
# where mail goes, for baton too
server_librouting_a_SOURCES = $(ROUTING_FILES)
EXTRA_DIST += server/none.c server/none_maps.c server/none_routing.c

# What needs a library of its own: loaded when the configuration names it (module.h). A program that loads one is linked with
# LOADS_MODULES, which lets it see server/exports.
moduledir = $(libdir)/baton
module_PROGRAMS = server/ldap.so server/sasl.so
LOADS_MODULES = -Wl,--dynamic-list=$(srcdir)/server/exports
server_ldap_so_SOURCES = server/ldap_wire.c server/ldap_wire.h server/ldap_wire_int.h server/ldap_search.c \
	server/ldap_watch.c server/module.h
server_ldap_so_CFLAGS = $(AM_CFLAGS) -fPIC
server_ldap_so_CPPFLAGS = $(AM_CPPFLAGS) $(LDAP_CFLAGS)
server_ldap_so_LDFLAGS = $(AM_LDFLAGS) -shared
server_ldap_so_LDADD = $(LDAP_LIBS)
server_sasl_so_SOURCES = server/sasl_module.c server/sasl.h server/module.h
server_sasl_so_CFLAGS = $(AM_CFLAGS) -fPIC
server_sasl_so_CPPFLAGS = $(AM_CPPFLAGS) $(SASL_CFLAGS)
server_sasl_so_LDFLAGS = $(AM_LDFLAGS) -shared
server_sasl_so_LDADD = $(SASL_LIBS)
else
server_libserver_a_SOURCES = server/none.c
server_libmaps_a_SOURCES = server/none_maps.c
server_librouting_a_SOURCES = server/none_routing.c
EXTRA_DIST += $(wildcard $(srcdir)/server/*.[ch])
endif

# the lists of access restrictions as config/ reads them
if SERVER
if HAVE_CMOCKA
check_PROGRAMS += t/unit/test_restrictions t/unit/test_sasl
endif
endif
t_unit_test_restrictions_SOURCES = t/unit/test_restrictions.c t/unit/unit.h
t_unit_test_restrictions_LDADD = $(CONFIG_TEST_LIBS) $(CMOCKA_LIBS)

# where mail goes with classes of addresses
if SERVER
if HAVE_CMOCKA
check_PROGRAMS += t/unit/test_routing
endif
endif
t_unit_test_routing_SOURCES = t/unit/test_routing.c t/unit/unit.h
t_unit_test_routing_LDADD = $(t_unit_test_resolve_LDADD)

# what of a directory's tables needs no directory
if HAVE_CMOCKA
check_PROGRAMS += t/unit/test_ldap_expand
endif
t_unit_test_ldap_expand_SOURCES = t/unit/test_ldap_expand.c t/unit/unit.h server/map_ldap_expand.c server/map_ldap_expand.h
t_unit_test_ldap_expand_LDADD = lib/base/libbase.a $(CMOCKA_LIBS)
check_PROGRAMS += t/fuzz/fuzz_ldap
t_fuzz_fuzz_ldap_SOURCES = t/fuzz/fuzz_ldap.c t/fuzz/replay.c server/map_ldap_expand.c server/map_ldap_expand.h
t_fuzz_fuzz_ldap_LDADD = lib/base/libbase.a

# what access tables and policy servers say, without anybody who goes by it
ACCESS_TEST_FILES = server/access_keys.c server/policy_request.c
if HAVE_CMOCKA
check_PROGRAMS += t/unit/test_access
endif
check_PROGRAMS += t/fuzz/fuzz_access
t_unit_test_access_SOURCES = t/unit/test_access.c t/unit/unit.h $(ACCESS_TEST_FILES)
t_unit_test_access_LDADD = config/libconfig.a lib/map/libmap.a lib/net/libnet.a lib/mail/libmail.a lib/base/libbase.a $(CONFUSE_LIBS) $(CMOCKA_LIBS)
t_fuzz_fuzz_access_SOURCES = t/fuzz/fuzz_access.c t/fuzz/replay.c server/policy_request.c
t_fuzz_fuzz_access_LDADD = config/libconfig.a lib/map/libmap.a lib/net/libnet.a lib/mail/libmail.a lib/base/libbase.a $(CONFUSE_LIBS)

# what deliveries are made of; the calls that write are wrapped, to fail them and to see what a power cut would leave
if SERVER
if HAVE_CMOCKA
check_PROGRAMS += t/unit/test_deliver t/unit/test_errands
endif
endif
t_unit_test_deliver_SOURCES = t/unit/test_deliver.c t/unit/unit.h
t_unit_test_deliver_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=open -Wl,--wrap=write -Wl,--wrap=fsync -Wl,--wrap=link -Wl,--wrap=unlink -Wl,--wrap=mkdir
t_unit_test_errands_SOURCES = t/unit/test_errands.c t/unit/unit.h server/errands.c server/outcome.c
t_unit_test_errands_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=kill -Wl,--wrap=loop_now_ms
t_unit_test_errands_LDADD = lib/net/libnet.a lib/base/libbase.a $(NET_LIBS) $(CMOCKA_LIBS)
t_unit_test_deliver_LDADD = server/libserver.a config/libconfig.a lib/smtp/libsmtp.a lib/map/libmap.a lib/mail/libmail.a lib/base/libbase.a \
	$(MAP_LIBS) $(CONFUSE_LIBS) $(CMOCKA_LIBS)
