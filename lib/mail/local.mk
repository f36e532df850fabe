# lib/mail: RFC 5322 and 5321 grammar, fix-ups, delivery reports
noinst_HEADERS += \
	lib/mail/address.h lib/mail/date.h lib/mail/fixup.h lib/mail/header.h lib/mail/lines.h lib/mail/received.h \
	lib/mail/report.h lib/mail/xtext.h
