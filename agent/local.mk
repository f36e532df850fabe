# agent: sendmail, mailq, newaliases
sbin_PROGRAMS += sendmail
sendmail_SOURCES = \
	agent/agent.h \
	agent/drop.c agent/drop.h \
	agent/flags.c agent/flags.h \
	agent/mailq.c \
	agent/main.c \
	agent/message.c agent/message.h \
	agent/newaliases.c \
	agent/sendmail.c \
	agent/stdio_smtp.c \
	agent/submit.c agent/submit.h \
	agent/user.c agent/user.h
sendmail_LDADD = control/libqueue.a relay/libroute.a config/libconfig.a lib/spool/libspool.a lib/map/libmap.a lib/smtp/libsmtp.a lib/mail/libmail.a \
	lib/base/libbase.a $(CONFUSE_AGENT_LIBS)
