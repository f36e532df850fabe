# lib/net: event loop glue, sockets, TLS, DNS
noinst_LIBRARIES += lib/net/libnet.a
lib_net_libnet_a_SOURCES = \
	lib/net/addr.c lib/net/addr.h \
	lib/net/conn.c lib/net/conn.h lib/net/conn_int.h \
	lib/net/conn_end.c \
	lib/net/conn_tls.c \
	lib/net/dial.c lib/net/dial.h \
	lib/net/dns.c lib/net/dns.h lib/net/dns_int.h \
	lib/net/dns_channel.c lib/net/dns_list.c \
	lib/net/interfaces.c lib/net/interfaces.h \
	lib/net/listen.c lib/net/listen.h \
	lib/net/loop.c lib/net/loop.h lib/net/loop_int.h \
	lib/net/offload.c lib/net/offload.h lib/net/offload_patient.c \
	lib/net/outbox.c \
	lib/net/tls.c lib/net/tls.h lib/net/tls_int.h \
	lib/net/tls_authorities.c \
	lib/net/tls_cert.c \
	lib/net/tls_chain.c \
	lib/net/tls_client.c \
	lib/net/tls_link.c \
	lib/net/tls_print.c \
	lib/net/tls_server.c \
	lib/net/tls_ticket.c
lib_net_libnet_a_CPPFLAGS = $(AM_CPPFLAGS) $(UV_CFLAGS) $(CARES_CFLAGS) $(IDN2_CFLAGS)

# What a program with lib/net links, behind lib/net/libnet.a lib/base/libbase.a
NET_LIBS = $(UV_LIBS) $(CARES_LIBS) $(IDN2_LIBS) $(MBEDTLS_LIBS)

if HAVE_CMOCKA
check_PROGRAMS += t/unit/test_conn t/unit/test_dns t/unit/test_tls
endif
t_unit_test_conn_SOURCES = t/unit/test_conn.c t/unit/unit.h
t_unit_test_conn_LDADD = lib/net/libnet.a lib/base/libbase.a $(NET_LIBS) $(CMOCKA_LIBS)
t_unit_test_tls_SOURCES = t/unit/test_tls.c t/unit/unit.h
t_unit_test_tls_LDADD = lib/net/libnet.a lib/base/libbase.a $(NET_LIBS) $(CMOCKA_LIBS)
t_unit_test_dns_SOURCES = t/unit/test_dns.c t/unit/unit.h
t_unit_test_dns_LDADD = lib/net/libnet.a lib/base/libbase.a $(NET_LIBS) $(CMOCKA_LIBS)
