# config: the parameters, declared once; reading, checking, printing
noinst_LIBRARIES += config/libconfig.a
config_libconfig_a_CFLAGS = $(AM_CFLAGS) $(CONFUSE_CFLAGS) $(JANSSON_CFLAGS)
config_libconfig_a_SOURCES = \
	config/access.c config/access.h \
	config/check.c config/check_restrict.c \
	config/config.h config/config_int.h \
	config/convert.c config/convert_net.c \
	config/deliver.c \
	config/differs.h \
	config/env.c \
	config/expand.c \
	config/fields.c \
	config/view.c \
	config/ldap.c \
	config/milter.c \
	config/params.c config/params.h \
	config/postfix.h config/postfix_defaults.c config/postfix_expand.c config/postfix_lines.c config/postfix_main.c \
	config/postfix_master.c \
	config/read.c config/reader_int.h \
	config/reference.c config/reference_int.h \
	config/relayhost.c \
	config/report.c \
	config/restrict.c config/restrict_filter.c config/restrict.h config/restrictions.h \
	config/sasl.c config/sasl_conf.c config/sasl_conf.h \
	config/scan.c config/scan_int.h config/scan_value.c \
	config/secret.c \
	config/show.c config/show_json.c config/show_mdoc.c \
	config/suggest.c \
	config/template.c config/template.h \
	config/tls.c \
	config/transport.c \
	config/whole.c

if HAVE_CMOCKA
check_PROGRAMS += t/unit/test_scan t/unit/test_config t/unit/test_postfix
endif
CONFIG_TEST_LIBS = config/libconfig.a lib/map/libmap.a lib/base/libbase.a $(CONFUSE_LIBS)
t_unit_test_scan_SOURCES = t/unit/test_scan.c t/unit/unit.h
t_unit_test_sasl_SOURCES = t/unit/test_sasl.c t/unit/unit.h
t_unit_test_sasl_LDADD = $(CONFIG_TEST_LIBS) $(CMOCKA_LIBS)
t_unit_test_scan_LDADD = $(CONFIG_TEST_LIBS) $(CMOCKA_LIBS)
t_unit_test_config_SOURCES = t/unit/test_config.c t/unit/unit.h
t_unit_test_config_LDADD = $(CONFIG_TEST_LIBS) $(CMOCKA_LIBS)
t_unit_test_postfix_SOURCES = t/unit/test_postfix.c t/unit/unit.h
t_unit_test_postfix_LDADD = $(CONFIG_TEST_LIBS) $(CMOCKA_LIBS)

check_PROGRAMS += t/fuzz/fuzz_config t/fuzz/fuzz_postfix
t_fuzz_fuzz_postfix_SOURCES = t/fuzz/fuzz_postfix.c t/fuzz/replay.c
t_fuzz_fuzz_postfix_LDADD = $(CONFIG_TEST_LIBS)
t_fuzz_fuzz_config_SOURCES = t/fuzz/fuzz_config.c t/fuzz/replay.c
t_fuzz_fuzz_config_LDADD = $(CONFIG_TEST_LIBS)
