# fetch: baton-fetch, the one program with libcurl in it
EXTRA_DIST += fetch/README.md
if SERVER
pkglibexec_PROGRAMS = baton-fetch
endif
baton_fetch_SOURCES = fetch/main.c
baton_fetch_CPPFLAGS = $(AM_CPPFLAGS) $(CURL_CFLAGS)
baton_fetch_LDADD = $(CURL_LIBS)
