# config: the parameters, declared once; reading, checking, printing
noinst_LIBRARIES += config/libconfig.a
config_libconfig_a_CFLAGS = $(AM_CFLAGS) $(CONFUSE_CFLAGS) $(JANSSON_CFLAGS)
config_libconfig_a_SOURCES = \
	config/check.c \
	config/config.h config/config_int.h \
	config/convert.c config/convert_net.c \
	config/differs.h \
	config/expand.c \
	config/params.c config/params.h \
	config/read.c \
	config/report.c \
	config/scan.c \
	config/secret.c \
	config/show.c config/show_json.c config/show_mdoc.c \
	config/suggest.c
