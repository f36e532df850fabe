# control: baton, the operator's command
sbin_PROGRAMS += baton
baton_SOURCES = \
	control/cmd_config.c \
	control/command.h \
	control/main.c
baton_LDADD = config/libconfig.a lib/base/libbase.a $(CONFUSE_LIBS) $(JANSSON_LIBS)

# what waits, for mailq too
noinst_LIBRARIES += control/libqueue.a
control_libqueue_a_SOURCES = control/ask.c control/ask.h control/queue_read.c control/queue_read.h
