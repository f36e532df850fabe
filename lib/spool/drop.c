/* SPDX-License-Identifier: Apache-2.0
 *
 * This file and what it stands on (single, record, sum, traits, id, io) is all of the spool that sendmail links. */
#include "spool/drop.h"

#include "base/clock.h"
#include "base/mem.h"
#include "spool/drop_int.h"
#include "spool/id.h"
#include "spool/single.h"
#include "spool/traits.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <unistd.h>

struct spool_drop {
    struct single *file;
    struct buf head; /* room for the fixed part, then the envelope */
    struct traits traits;
    uint64_t id;
};

/* Nobody hands out slots here: each takes one at random, and open(O_EXCL) tells two of the same microsecond apart. */
static unsigned random_slot(void)
{
    unsigned r;

    if (getrandom(&r, sizeof r, GRND_NONBLOCK) != sizeof r)
        r = (unsigned)getpid() * 2654435761u >> 8;
    return ID_SLOT_DROP + r % (ID_SLOT_RELAY - ID_SLOT_DROP);
}

struct spool_drop *drop_begin(struct spool_io *io, const char *dir, const struct envelope *env, struct err *e)
{
    struct spool_drop *d = xcalloc(1, sizeof *d);
    uint64_t last = 0;
    struct err why = { 0 };

    for (int tries = 0; tries < 100 && !d->file; tries++) {
        d->id = id_next(random_slot(), &last, 0);
        /* Readable for the group: the relay is not the one who writes it. */
        d->file = single_new(io, dir, "drop", d->id, 0640, &why);
        if (!d->file && why.sys != EEXIST)
            break;
    }
    if (!d->file) {
        if (e)
            *e = why;
        free(d);
        return NULL;
    }
    if (single_share(d->file, e) < 0) {
        spool_drop_abort(d);
        return NULL;
    }
    record_head_init(&d->head);
    envelope_pack(env, &d->head);
    if (d->head.len > RECORD_MAX_HEAD) {
        err_set(e, ERR_PERMANENT, "too many recipients for one message");
        spool_drop_abort(d);
        return NULL;
    }
    return d;
}

struct spool_drop *spool_drop_begin(const char *dir, const struct envelope *env, struct err *e)
{
    return drop_begin(spool_io_real(), dir, env, e);
}

uint64_t spool_drop_id(const struct spool_drop *d)
{
    return d->id;
}

int spool_drop_write(struct spool_drop *d, struct span data, struct err *e)
{
    traits_add(&d->traits, data);
    return single_write(d->file, data, e);
}

int spool_drop_commit(struct spool_drop *d, struct err *e)
{
    struct record r = {
        .type = RECORD_MESSAGE,
        .flags = traits_flags(&d->traits),
        .body_len = (uint32_t)(d->head.len - RECORD_FIXED),
    };
    int rc = single_finish(d->file, &r, &d->head, e);
    spool_drop_abort(d);
    return rc;
}

void spool_drop_abort(struct spool_drop *d)
{
    if (!d)
        return;
    single_free(d->file);
    buf_fini(&d->head);
    free(d);
}

char *spool_drop_path(const char *dir, char *out)
{
    snprintf(out, PATH_MAX, "%s/drop", dir);
    return out;
}
