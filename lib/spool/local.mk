# lib/spool: the spool
noinst_LIBRARIES += lib/spool/libspool.a
EXTRA_DIST += lib/spool/FORMAT
lib_spool_libspool_a_CPPFLAGS = $(AM_CPPFLAGS) $(XXHASH_CFLAGS)
lib_spool_libspool_a_SOURCES = \
	lib/spool/arrive.c lib/spool/arrive.h \
	lib/spool/commit.c \
	lib/spool/compact.c \
	lib/spool/drop.c lib/spool/drop.h lib/spool/drop_int.h \
	lib/spool/folder.c \
	lib/spool/id.c lib/spool/id.h \
	lib/spool/index.c lib/spool/index.h \
	lib/spool/io.c lib/spool/io.h \
	lib/spool/journal.c lib/spool/journal.h \
	lib/spool/message.c \
	lib/spool/read.c \
	lib/spool/record.c lib/spool/record.h \
	lib/spool/recover.c \
	lib/spool/scan.c lib/spool/scan.h \
	lib/spool/scratch.c \
	lib/spool/segment.c lib/spool/segment.h \
	lib/spool/settle.c \
	lib/spool/shared.c lib/spool/shared.h \
	lib/spool/single.c lib/spool/single.h \
	lib/spool/spool.c lib/spool/spool.h lib/spool/spool_int.h \
	lib/spool/state.c lib/spool/state.h \
	lib/spool/sum.c lib/spool/sum.h \
	lib/spool/takein.c \
	lib/spool/traits.c lib/spool/traits.h \
	lib/spool/window.c lib/spool/window.h

if HAVE_CMOCKA
check_PROGRAMS += t/unit/test_spool t/unit/test_spool_corner t/unit/test_spool_cut t/unit/test_spool_record t/unit/test_spool_space
endif
SPOOL_KIT = t/unit/spool_kit.c t/unit/spool_kit.h t/unit/unit.h
t_unit_test_spool_SOURCES = t/unit/test_spool.c $(SPOOL_KIT)
t_unit_test_spool_LDADD = lib/spool/libspool.a lib/base/libbase.a $(CMOCKA_LIBS)
t_unit_test_spool_corner_SOURCES = t/unit/test_spool_corner.c t/unit/sim_fs.c t/unit/sim_fs.h $(SPOOL_KIT)
t_unit_test_spool_corner_LDADD = lib/spool/libspool.a lib/base/libbase.a $(CMOCKA_LIBS)
t_unit_test_spool_space_SOURCES = t/unit/test_spool_space.c $(SPOOL_KIT)
t_unit_test_spool_space_LDADD = lib/spool/libspool.a lib/base/libbase.a $(CMOCKA_LIBS)
t_unit_test_spool_record_SOURCES = t/unit/test_spool_record.c t/unit/sim_fs.c t/unit/sim_fs.h t/unit/unit.h
t_unit_test_spool_record_LDADD = lib/spool/libspool.a lib/base/libbase.a $(CMOCKA_LIBS)
t_unit_test_spool_cut_SOURCES = t/unit/test_spool_cut.c t/unit/sim_fs.c t/unit/sim_fs.h $(SPOOL_KIT)
t_unit_test_spool_cut_LDADD = lib/spool/libspool.a lib/base/libbase.a $(CMOCKA_LIBS)

check_PROGRAMS += t/fuzz/fuzz_spool_record
t_fuzz_fuzz_spool_record_SOURCES = t/fuzz/fuzz_spool_record.c t/fuzz/replay.c
t_fuzz_fuzz_spool_record_LDADD = lib/spool/libspool.a lib/base/libbase.a
