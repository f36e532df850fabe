# lib/smtp: the protocol engines, client and server; no I/O
noinst_HEADERS += lib/smtp/client.h lib/smtp/reply.h lib/smtp/server.h lib/smtp/verdict.h
