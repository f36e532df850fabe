# lib/mail: RFC 5322 and 5321 grammar, fix-ups, delivery reports
noinst_LIBRARIES += lib/mail/libmail.a
lib_mail_libmail_a_SOURCES = \
	lib/mail/address.c lib/mail/address.h lib/mail/address_int.h lib/mail/address_list.c \
	lib/mail/date.c lib/mail/date.h \
	lib/mail/encode.c lib/mail/encode.h \
	lib/mail/fixup.c lib/mail/fixup.h \
	lib/mail/header.c lib/mail/header.h \
	lib/mail/lines.c lib/mail/lines.h \
	lib/mail/phrase.c \
	lib/mail/received.c lib/mail/received.h \
	lib/mail/recipients.c \
	lib/mail/report.c lib/mail/report.h \
	lib/mail/xtext.c lib/mail/xtext.h

if HAVE_CMOCKA
check_PROGRAMS += t/unit/test_address t/unit/test_mail t/unit/test_fixup t/unit/test_report
endif
MAIL_TEST_LIBS = lib/mail/libmail.a lib/base/libbase.a $(CMOCKA_LIBS)
t_unit_test_address_SOURCES = t/unit/test_address.c t/unit/unit.h
t_unit_test_address_LDADD = $(MAIL_TEST_LIBS)
t_unit_test_mail_SOURCES = t/unit/test_mail.c t/unit/unit.h
t_unit_test_mail_LDADD = $(MAIL_TEST_LIBS)
t_unit_test_fixup_SOURCES = t/unit/test_fixup.c t/unit/unit.h
t_unit_test_fixup_LDADD = $(MAIL_TEST_LIBS)
t_unit_test_report_SOURCES = t/unit/test_report.c t/unit/unit.h
t_unit_test_report_LDADD = $(MAIL_TEST_LIBS)

check_PROGRAMS += t/fuzz/fuzz_address t/fuzz/fuzz_header
t_fuzz_fuzz_address_SOURCES = t/fuzz/fuzz_address.c t/fuzz/replay.c
t_fuzz_fuzz_address_LDADD = lib/mail/libmail.a lib/base/libbase.a
t_fuzz_fuzz_header_SOURCES = t/fuzz/fuzz_header.c t/fuzz/replay.c
t_fuzz_fuzz_header_LDADD = lib/mail/libmail.a lib/base/libbase.a
