/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/drop.h"

#include "mail/received.h"
#include "spool/spool.h"

static int write_piece(void *drop, struct span data, struct err *e)
{
    return spool_drop_write(drop, data, e);
}

static int write_all(struct spool_drop *drop, const struct config *cfg, const struct envelope *env,
                     const struct message *m, const char *id, struct err *e)
{
    struct received r = {
        .myhostname = cfg->myhostname,
        .id = id,
        .rcpt = env->n_rcpts == 1 ? env->rcpts[0].address : NULL,
        .now_us = env->arrival_us,
        .uid = env->uid,
        .is_utf8 = env->smtputf8,
    };
    struct buf head;
    int rc;

    /* One piece for both: most messages are small, and a write is a system call. */
    buf_init(&head, BUF_NO_MAX);
    received_format(&r, &head);
    buf_addspan(&head, buf_span(&m->section));
    if (m->spilled == 0 && m->body.len < 64 * 1024) {
        buf_addspan(&head, buf_span(&m->body));
        rc = spool_drop_write(drop, buf_span(&head), e);
    } else {
        rc = spool_drop_write(drop, buf_span(&head), e);
        if (rc == 0)
            rc = message_body(m, write_piece, drop, e);
    }
    buf_fini(&head);
    return rc;
}

int drop_message(const struct config *cfg, const struct envelope *env, const struct message *m, char *id,
                 struct err *e)
{
    struct spool_drop *drop = spool_drop_begin(cfg->queue_directory, env, e);

    if (!drop)
        return -1;
    spool_id_format(spool_drop_id(drop), id);
    if (write_all(drop, cfg, env, m, id, e) < 0) {
        spool_drop_abort(drop);
        return -1;
    }
    return spool_drop_commit(drop, e);
}
