# lib/net: event loop glue, sockets, TLS, DNS
noinst_HEADERS += \
	lib/net/addr.h lib/net/conn.h lib/net/dial.h lib/net/dns.h lib/net/listen.h lib/net/loop.h \
	lib/net/offload.h lib/net/tls.h
