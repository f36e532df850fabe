# lib/map: lookup tables
noinst_LIBRARIES += lib/map/libmap.a
lib_map_libmap_a_CFLAGS = $(AM_CFLAGS) $(PCRE2_CFLAGS)
lib_map_libmap_a_SOURCES = \
	lib/map/map.c lib/map/map.h lib/map/map_int.h lib/map/map_kind.h \
	lib/map/map_ask.c \
	lib/map/map_build.c lib/map/map_build.h lib/map/map_build_int.h \
	lib/map/map_cidr.c \
	lib/map/map_dial.c \
	lib/map/map_edit.c \
	lib/map/map_file.c \
	lib/map/map_index.c lib/map/map_index.h \
	lib/map/map_inline.c \
	lib/map/map_lmdb.c \
	lib/map/map_names.c \
	lib/map/map_new.c \
	lib/map/map_pattern.c \
	lib/map/map_pcre.c \
	lib/map/map_regexp.c \
	lib/map/map_register.c \
	lib/map/map_rules.c \
	lib/map/map_socket.c \
	lib/map/map_static.c \
	lib/map/map_table.c \
	lib/map/map_text.c \
	lib/map/map_texts.c \
	lib/map/map_union.c \
	lib/map/map_unix.c

# What a program with all types links, behind lib/map/libmap.a lib/base/libbase.a; texts alone need nothing
MAP_LIBS = $(LMDB_LIBS) $(PCRE2_LIBS)

if HAVE_CMOCKA
check_PROGRAMS += t/unit/test_map t/unit/test_map_index t/unit/test_map_rules t/unit/test_map_served
endif
MAP_KIT = t/unit/map_kit.c t/unit/map_kit.h t/unit/unit.h
MAP_TEST_LIBS = lib/map/libmap.a lib/base/libbase.a $(MAP_LIBS) $(CMOCKA_LIBS)
t_unit_test_map_SOURCES = t/unit/test_map.c $(MAP_KIT)
t_unit_test_map_LDADD = $(MAP_TEST_LIBS)
t_unit_test_map_index_SOURCES = t/unit/test_map_index.c $(MAP_KIT)
t_unit_test_map_index_LDADD = $(MAP_TEST_LIBS)
t_unit_test_map_rules_SOURCES = t/unit/test_map_rules.c $(MAP_KIT)
t_unit_test_map_rules_LDADD = $(MAP_TEST_LIBS)
t_unit_test_map_served_SOURCES = t/unit/test_map_served.c $(MAP_KIT)
t_unit_test_map_served_LDADD = lib/map/libmap.a lib/net/libnet.a lib/base/libbase.a $(MAP_LIBS) $(NET_LIBS) $(CMOCKA_LIBS) -lpthread

check_PROGRAMS += t/fuzz/fuzz_map_text t/fuzz/fuzz_map_rules t/fuzz/fuzz_map_cidr
t_fuzz_fuzz_map_text_SOURCES = t/fuzz/fuzz_map_text.c t/fuzz/replay.c
t_fuzz_fuzz_map_text_LDADD = lib/map/libmap.a lib/base/libbase.a $(MAP_LIBS)
t_fuzz_fuzz_map_rules_SOURCES = t/fuzz/fuzz_map_rules.c t/fuzz/replay.c
t_fuzz_fuzz_map_rules_LDADD = lib/map/libmap.a lib/base/libbase.a $(MAP_LIBS)
t_fuzz_fuzz_map_cidr_SOURCES = t/fuzz/fuzz_map_cidr.c t/fuzz/replay.c
t_fuzz_fuzz_map_cidr_LDADD = lib/map/libmap.a lib/base/libbase.a $(MAP_LIBS)
