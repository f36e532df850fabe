/* SPDX-License-Identifier: Apache-2.0
 *
 * spool_kit.h - what the tests of the spool share: a runner that works when told to, a relay that remembers what it was
 * told, messages whose content tells who they are. */
#ifndef SPOOL_KIT_H
#define SPOOL_KIT_H

#include "base/list.h"
#include "base/mem.h"
#include "base/runner.h"
#include "spool/io.h"
#include "spool/spool.h"

#include "unit.h"

/* ---- a runner ----------------------------------------------------------------------------------------------------- */

struct task {
    struct task *next;
    runner_fn *work, *done;
    void *arg;
};

struct kit_runner {
    struct runner runner; /* first */
    struct task *first, **last;
};

void kit_runner_init(struct kit_runner *r);
/* Runs the first task; false when there is none. */
bool kit_runner_one(struct kit_runner *r);
void kit_runner_all(struct kit_runner *r);

/* ---- what a relay was told ---------------------------------------------------------------------------------------- */

struct told {
    uint64_t id;
    char *sender;
    unsigned attempts;
    bool has_state;
    struct spool_info info;
    uid_t uid;
};

struct kit_relay {
    struct told *told;
    size_t n_told;
    char *damage; /* all lines, or NULL */
    unsigned n_damaged;
};

extern const struct spool_ops kit_ops; /* arg: a struct kit_relay */
void kit_relay_fini(struct kit_relay *r);
const struct told *kit_told(const struct kit_relay *r, uint64_t id); /* or NULL; fails the test when told twice */

/* ---- spools ------------------------------------------------------------------------------------------------------- */

struct kit_done {
    unsigned kept, failed;
    struct err err;
};
void kit_count(void *arg, enum spool_result result, const struct err *e); /* arg: a struct kit_done */

char *kit_folder(void);            /* a spool made in a new temporary folder */
void kit_folder_remove(char *dir); /* and frees it */
unsigned kit_files(const char *dir, const char *folder);

struct spool *kit_open(const char *dir, enum spool_role role, struct kit_runner *r, struct kit_relay *relay,
                       const struct spool_limits *limits, struct spool_shared *shared);
struct envelope kit_envelope(const char *sender);
/* `size` bytes of lines that follow from `seed`. */
void kit_content(struct buf *b, unsigned seed, size_t size);
/* Begins, writes, commits; returns the id. `sender` tells the seed of the content. */
uint64_t kit_put(struct spool *s, unsigned seed, size_t size, struct kit_done *done);
/* Whether the content of `id` is kit_content(seed, size), read in odd pieces. */
bool kit_is_whole(struct spool *s, uint64_t id, unsigned seed, size_t size);

#endif
