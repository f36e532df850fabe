/* SPDX-License-Identifier: Apache-2.0
 *
 * tables.h - what is done with lookup tables on the command line, for `baton map` and for the names postmap and postalias. Each
 * function takes tables as "type:name", or the name of a text alone, which is a hash; tells what went wrong on stderr; and
 * returns an exit status: of sysexits.h, or TABLES_NOT_FOUND. */
#ifndef CONTROL_TABLES_H
#define CONTROL_TABLES_H

#include "map/map.h"

enum { TABLES_NOT_FOUND = 1 };

struct tables_options {
    const char *me;         /* the name in complaints: "postmap" */
    struct map_options map; /* its complain and arg are set by the functions */
    unsigned build;         /* MAP_BUILD_* */
    bool is_json;           /* an object a row: { "key": ..., "value": ... } */
    bool is_short_json;     /* { KEY: VALUE } */
    bool is_verbose;
    const char *config_file; /* for tables that are a section of the configuration; NULL: the usual one */
};

/* Indexes of texts; a table that has none is looked through, and that is all. */
int tables_make(const struct tables_options *o, char *const *specs);
/* Rows of stdin go into the index. */
int tables_add(const struct tables_options *o, char *const *specs);
/* The first table that has `key` ("-": each line of stdin) answers. */
int tables_query(const struct tables_options *o, const char *key, char *const *specs);
/* Deletes `key` ("-": each line of stdin) from the indexes. */
int tables_delete(const struct tables_options *o, const char *key, char *const *specs);
int tables_dump(const struct tables_options *o, char *const *specs);

/* postmap(1), and postalias(1) with `is_aliases`: their options, and their exit status. */
int postmap_main(int argc, char **argv, bool is_aliases);

#endif
