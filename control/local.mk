# control: baton, the operator's command
sbin_PROGRAMS += baton
baton_SOURCES = \
	control/cmd_config.c \
	control/command.h \
	control/main.c
baton_LDADD = config/libconfig.a lib/base/libbase.a $(CONFUSE_LIBS) $(JANSSON_LIBS)
