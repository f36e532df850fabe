# lib/smtp: the protocol engines, client and server; no I/O
noinst_LIBRARIES += lib/smtp/libsmtp.a
lib_smtp_libsmtp_a_SOURCES = \
	lib/smtp/auth_wire.c lib/smtp/auth_wire.h \
	lib/smtp/client.c lib/smtp/client.h lib/smtp/client_int.h \
	lib/smtp/client_auth.c \
	lib/smtp/client_mail.c \
	lib/smtp/dot.c lib/smtp/dot.h \
	lib/smtp/milter.c lib/smtp/milter.h lib/smtp/milter_int.h \
	lib/smtp/milter_reply.c \
	lib/smtp/params.c lib/smtp/params.h \
	lib/smtp/proxy.c lib/smtp/proxy.h \
	lib/smtp/reply.c lib/smtp/reply.h \
	lib/smtp/server.c lib/smtp/server.h lib/smtp/server_int.h \
	lib/smtp/server_auth.c \
	lib/smtp/server_data.c \
	lib/smtp/server_mail.c \
	lib/smtp/server_rcpt.c \
	lib/smtp/server_reply.c \
	lib/smtp/server_verb.c \
	lib/smtp/server_xclient.c \
	lib/smtp/verdict.c lib/smtp/verdict.h

if HAVE_CMOCKA
check_PROGRAMS += t/unit/test_smtp_server t/unit/test_smtp_client t/unit/test_smtp_reply t/unit/test_smtp_pair
check_PROGRAMS += t/unit/test_proxy t/unit/test_milter t/unit/test_auth_wire
endif
t_unit_test_milter_SOURCES = t/unit/test_milter.c t/unit/unit.h
t_unit_test_milter_LDADD = $(SMTP_LIBS) $(CMOCKA_LIBS)
t_unit_test_auth_wire_SOURCES = t/unit/test_auth_wire.c t/unit/unit.h
t_unit_test_auth_wire_LDADD = $(SMTP_LIBS) $(CMOCKA_LIBS)
t_unit_test_proxy_SOURCES = t/unit/test_proxy.c t/unit/unit.h
t_unit_test_proxy_LDADD = $(SMTP_LIBS) $(CMOCKA_LIBS)
SMTP_LIBS = lib/smtp/libsmtp.a lib/mail/libmail.a lib/base/libbase.a
t_unit_test_smtp_server_SOURCES = t/unit/test_smtp_server.c t/unit/transcript.c t/unit/transcript.h t/unit/unit.h
t_unit_test_smtp_server_LDADD = $(SMTP_LIBS) $(CMOCKA_LIBS)
t_unit_test_smtp_client_SOURCES = t/unit/test_smtp_client.c t/unit/transcript.c t/unit/transcript.h t/unit/unit.h
t_unit_test_smtp_client_LDADD = $(SMTP_LIBS) $(CMOCKA_LIBS)
t_unit_test_smtp_reply_SOURCES = t/unit/test_smtp_reply.c t/unit/unit.h
t_unit_test_smtp_reply_LDADD = $(SMTP_LIBS) $(CMOCKA_LIBS)
t_unit_test_smtp_pair_SOURCES = t/unit/test_smtp_pair.c t/unit/unit.h
t_unit_test_smtp_pair_LDADD = $(SMTP_LIBS) $(CMOCKA_LIBS)

check_PROGRAMS += t/fuzz/fuzz_smtp_server t/fuzz/fuzz_smtp_reply t/fuzz/fuzz_milter t/fuzz/fuzz_auth_wire
t_fuzz_fuzz_auth_wire_SOURCES = t/fuzz/fuzz_auth_wire.c t/fuzz/replay.c
t_fuzz_fuzz_auth_wire_LDADD = $(SMTP_LIBS)
t_fuzz_fuzz_milter_SOURCES = t/fuzz/fuzz_milter.c t/fuzz/replay.c
t_fuzz_fuzz_milter_LDADD = $(SMTP_LIBS)
t_fuzz_fuzz_smtp_server_SOURCES = t/fuzz/fuzz_smtp_server.c t/fuzz/replay.c
t_fuzz_fuzz_smtp_server_LDADD = $(SMTP_LIBS)
t_fuzz_fuzz_smtp_reply_SOURCES = t/fuzz/fuzz_smtp_reply.c t/fuzz/replay.c
t_fuzz_fuzz_smtp_reply_LDADD = $(SMTP_LIBS)
check_PROGRAMS += t/fuzz/fuzz_dot
t_fuzz_fuzz_dot_SOURCES = t/fuzz/fuzz_dot.c t/fuzz/replay.c
t_fuzz_fuzz_dot_LDADD = $(SMTP_LIBS)
check_PROGRAMS += t/fuzz/fuzz_proxy
t_fuzz_fuzz_proxy_SOURCES = t/fuzz/fuzz_proxy.c t/fuzz/replay.c
t_fuzz_fuzz_proxy_LDADD = $(SMTP_LIBS)
