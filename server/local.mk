# server: the optional module; none.c stands for all of it when it is not built
noinst_LIBRARIES += server/libserver.a
EXTRA_DIST += server/README.md
if SERVER
server_libserver_a_SOURCES = \
	server/server.c
EXTRA_DIST += server/none.c
else
server_libserver_a_SOURCES = server/none.c
EXTRA_DIST += server/server.c
endif
