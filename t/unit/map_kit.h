/* SPDX-License-Identifier: Apache-2.0
 *
 * map_kit.h - what the tests of tables share: a folder, files in it, questions and answers as strings, complaints, a clock. */
#ifndef MAP_KIT_H
#define MAP_KIT_H

#include "unit.h"

#include "map/map.h"

/* A folder of its own, as setup and teardown of a group. */
int map_kit_setup(void **state);
int map_kit_teardown(void **state);

/* "DIR/name", in one of four buffers used in turn. */
const char *map_kit_path(const char *name);
/* Writes a file in it, over what was there; returns its path. */
const char *map_kit_write(const char *name, const char *text);
/* The same, by a new file that is renamed. */
const char *map_kit_replace(const char *name, const char *text);

/* Opens "TYPE:DIR/name", or what `spec` says; complaints go to map_kit_said. It must work. */
struct map *map_kit_open(const char *type, const char *name);
struct map *map_kit_open_spec(const char *spec, struct map_options o);
extern char map_kit_said[8192];

/* The answer, "(not found)", or "(failed)"; in a static buffer. */
const char *map_kit_ask(struct map *m, const char *key);
/* All rows, "key=value;" each. */
const char *map_kit_dump(struct map *m);

/* The clock stands still from setup on; so many milliseconds pass. */
void map_kit_wait(int ms);

#endif
