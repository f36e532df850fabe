# relay: batond

# What batond links for jail.h: relay/libjail.a before lib/base/libbase.a, and $(SECCOMP_LIBS)
noinst_LIBRARIES += relay/libjail.a
relay_libjail_a_SOURCES = relay/jail.c relay/jail.h relay/jail_int.h relay/jail_files.c relay/jail_calls.c

if HAVE_CMOCKA
check_PROGRAMS += t/unit/test_jail
endif
t_unit_test_jail_SOURCES = t/unit/test_jail.c t/unit/unit.h
t_unit_test_jail_LDADD = relay/libjail.a lib/net/libnet.a lib/base/libbase.a $(NET_LIBS) $(SECCOMP_LIBS) $(CMOCKA_LIBS)
