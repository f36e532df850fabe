/* SPDX-License-Identifier: Apache-2.0
 *
 * arrive.h - learning of messages: at the start of everything, afterwards of what has come since. It is the same
 * reading; only what is done with each record differs. */
#ifndef SPOOL_ARRIVE_H
#define SPOOL_ARRIVE_H

#include "spool/spool_int.h"

/* Done with each record that is read: recover.c's, or arrive.c's own. */
typedef void record_fn(struct spool *s, struct segment *seg, uint64_t offset, const struct record *r, const char *head);

/* Lists journal/ and takes up what is new in each segment there, as far as it was synced. Sets *vanished when a segment
 * went away meanwhile (a looker only). */
int arrive_journals(struct spool *s, record_fn *fn, bool *vanished, struct err *e);
/* Calls found(). */
void arrive_tell(struct spool *s, const struct entry *en, const struct record *r, const char *head);

/* takein.c: what lies in drop/ goes into large/ (a looker leaves it there); then the files of large/ that are not known
 * yet. One that is damaged is reported once. */
int takein_drop(struct spool *s, record_fn *fn, struct err *e);
int takein_large(struct spool *s, record_fn *fn, struct err *e);
/* Removes what writers that are gone left unfinished in large/. */
void takein_sweep(struct spool *s);

/* The ids that name files of a folder, in order. */
struct names {
    uint64_t *id;
    size_t n, cap;
    char **tmp; /* the names that begin with SINGLE_TMP */
    size_t n_tmp;
};
int names_list(const struct spool *s, const char *folder, struct names *names);
void names_fini(struct names *names);

#endif
