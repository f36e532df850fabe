# t: what `make check` runs: prove over t/*.t; the unit tests are programs in t/unit that print TAP
EXTRA_DIST += $(wildcard $(srcdir)/t/*.t $(srcdir)/t/lib/Baton/*.pm) \
	t/fuzz/README t/lsan.supp $(wildcard $(srcdir)/t/fuzz/corpus/*/*)

TEST_CPPFLAGS = $(AM_CPPFLAGS) -DTOP_SRCDIR=\"$(abs_top_srcdir)\"

# Between libc and the programs, for faults that no disk shows when asked (t/lib/Baton/FailIO.pm); as it is in all builds
EXTRA_DIST += t/fault/fail_io.c
check_DATA = t/fault/fail_io.so
CLEANFILES += t/fault/fail_io.so
t/fault/fail_io.so: t/fault/fail_io.c
	$(AM_V_CC)$(MKDIR_P) t/fault && $(CC) -D_GNU_SOURCE -std=c11 -O1 -g -Wall -Wextra -Werror -shared -fPIC -o $@ \
		$(srcdir)/t/fault/fail_io.c -ldl

PROVE = prove
TESTS_TO_RUN = $(srcdir)/t
check-local:
	BATON_SRC=$(abs_top_srcdir) BATON_BUILD=$(abs_top_builddir) $(PROVE) $(PROVEFLAGS) $(TESTS_TO_RUN)
