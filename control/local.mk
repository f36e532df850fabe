# control: baton, the operator's command
sbin_PROGRAMS += baton
baton_CFLAGS = $(AM_CFLAGS) $(JANSSON_CFLAGS)
baton_CPPFLAGS = $(AM_CPPFLAGS) -DDOCDIR=\"$(docdir)\"
baton_SOURCES = \
	control/checks.h \
	control/checks_access.c \
	control/checks_auth.c \
	control/checks_host.c \
	control/checks_mail.c \
	control/checks_milters.c \
	control/checks_routes.c \
	control/checks_tls.c \
	control/checks_transports.c \
	control/checks_deliver.c control/checks_rows.c control/checks_unit.c control/checks_ways.c \
	control/cmd_check.c \
	control/cmd_config.c \
	control/cmd_daemon.c \
	control/cmd_import.c \
	control/cmd_map.c \
	control/cmd_queue.c \
	control/cmd_sink.c \
	control/cmd_status.c \
	control/cmd_test.c \
	control/command.h \
	control/findings.c control/findings.h \
	control/import.c control/import.h control/import_ldap.c control/import_listen.c control/import_login.c control/import_names.c control/import_networks.c \
	control/import_params.c control/import_pipe.c control/import_print.c control/import_settle.c control/import_tables.c \
	control/main.c \
	control/maildir.c control/maildir.h \
	control/offline.c control/offline.h \
	control/postfix_names.c control/postfix_names.h \
	control/postmap.c \
	control/probe.c control/probe.h control/probe_int.h control/probe_session.c control/probe_walk.c \
	control/reach.c control/reach.h \
	control/sink.c control/sink.h \
	control/tables.c control/tables.h
baton_LDFLAGS = $(AM_LDFLAGS) $(LOADS_MODULES)
baton_LDADD = control/libqueue.a relay/libway.a server/libmaps.a relay/libcerts.a relay/libroute.a server/librouting.a relay/libroute.a relay/libjail.a config/libconfig.a lib/spool/libspool.a lib/net/libnet.a lib/map/libmap.a lib/smtp/libsmtp.a lib/mail/libmail.a lib/base/libbase.a \
	$(NET_LIBS) $(MAP_LIBS) $(CONFUSE_LIBS) $(JANSSON_LIBS) $(SECCOMP_LIBS)

# what waits, for mailq too
noinst_LIBRARIES += control/libqueue.a
control_libqueue_a_SOURCES = control/ask.c control/ask.h control/queue_print.c control/queue_read.c control/queue_read.h
