# lib/base: buffers, log, errors, clock, envelope - what everything else stands on
noinst_LIBRARIES += lib/base/libbase.a
lib_base_libbase_a_SOURCES = \
	lib/base/base64.c lib/base/base64.h \
	lib/base/buf.c lib/base/buf.h \
	lib/base/cidr.c lib/base/cidr.h \
	lib/base/clock.c lib/base/clock.h \
	lib/base/envelope.c lib/base/envelope.h \
	lib/base/err.c lib/base/err.h \
	lib/base/list.h \
	lib/base/log.c lib/base/log.h \
	lib/base/mem.c lib/base/mem.h \
	lib/base/packed.c lib/base/packed.h \
	lib/base/runner.h \
	lib/base/span.c lib/base/span.h

if HAVE_CMOCKA
check_PROGRAMS += t/unit/test_base
endif
t_unit_test_base_SOURCES = t/unit/test_base.c t/unit/unit.h
t_unit_test_base_LDADD = lib/base/libbase.a $(CMOCKA_LIBS)
