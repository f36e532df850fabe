# t: what `make check` runs: prove over t/*.t; the unit tests are programs in t/unit that print TAP
EXTRA_DIST += $(wildcard $(srcdir)/t/*.t $(srcdir)/t/lib/Baton/*.pm) \
	t/fuzz/README $(wildcard $(srcdir)/t/fuzz/corpus/*/*)

TEST_CPPFLAGS = $(AM_CPPFLAGS) -DTOP_SRCDIR=\"$(abs_top_srcdir)\"

PROVE = prove
TESTS_TO_RUN = $(srcdir)/t
check-local:
	BATON_SRC=$(abs_top_srcdir) BATON_BUILD=$(abs_top_builddir) $(PROVE) $(PROVEFLAGS) $(TESTS_TO_RUN)
