/* SPDX-License-Identifier: Apache-2.0 */
#include "relay/outward.h"

#include "base/mem.h"
#include "mail/fixup.h"

#include <stdlib.h>

enum { PIECE = 16384, HEAD_MAX = 4 << 20 }; /* a longer header section leaves as it is */

/* The address as it shall leave; NULL when it stays. */
static int rewrite(struct resolver *r, const char *address, char **out)
{
    struct buf now;

    *out = NULL;
    buf_init(&now, BUF_NO_MAX);
    int rc = resolve_rewrite(r, address, REWRITE_GENERIC, &now);
    if (rc > 0) {
        buf_cstr(&now);
        *out = buf_take(&now);
    }
    buf_fini(&now);
    return rc;
}

static int rewrite_in_header(void *arg, const char *address, bool is_sender, struct buf *out)
{
    (void)is_sender;
    return resolve_rewrite(arg, address, REWRITE_GENERIC, out);
}

/* 1: it has changed. */
static int make_envelope(struct outward *o, const struct attempt *a)
{
    struct resolver *r = a->relay->resolver;
    char *sender;
    int rc = rewrite(r, a->env.sender, &sender), changed = rc;

    o->env = a->env;
    o->env.sender = sender ? sender : xstrdup(a->env.sender);
    o->rcpts = xcalloc(a->n ? a->n : 1, sizeof *o->rcpts);
    for (size_t i = 0; i < a->n && rc >= 0; i++) {
        char *address;
        rc = rewrite(r, attempt_rcpt(a, i)->address, &address);
        changed |= rc > 0;
        o->rcpts[i] = *attempt_rcpt(a, i);
        o->rcpts[i].address = address ? address : xstrdup(o->rcpts[i].address);
        o->n++;
    }
    return rc < 0 ? -1 : changed;
}

/* Up to its empty line, and with it; 0 when there is none within reach. */
static int read_header(const struct attempt *a, struct buf *section, struct err *e)
{
    while (section->len < HEAD_MAX) {
        size_t from = section->len > 3 ? section->len - 3 : 0;
        char *room = buf_room(section, PIECE);
        long n = spool_body_read(a->body, section->len, room, PIECE, e);
        if (n < 0)
            return -1;
        if (n == 0)
            return 0;
        section->len += (size_t)n;
        const char *end = memmem(section->at + from, section->len - from, "\r\n\r\n", 4);
        if (end) {
            section->len = (size_t)(end - section->at) + 4;
            return 1;
        }
    }
    return 0;
}

static int make_header(struct outward *o, const struct attempt *a, struct err *e)
{
    struct buf section;

    buf_init(&section, BUF_NO_MAX);
    int rc = read_header(a, &section, e);
    if (rc > 0)
        rc = fixup_rewrite(buf_span(&section), rewrite_in_header, a->relay->resolver, &o->head);
    if (rc > 0)
        o->head_len = section.len;
    else
        buf_clear(&o->head);
    buf_fini(&section);
    return rc;
}

int outward_make(struct attempt *a, struct err *e)
{
    struct outward *o = xcalloc(1, sizeof *o);

    buf_init(&o->head, BUF_NO_MAX);
    err_set(e, ERR_TEMPORARY, "smtp_generic_maps cannot tell");
    int envelope = make_envelope(o, a), header = envelope < 0 ? -1 : make_header(o, a, e);
    o->size = a->info.size - o->head_len + o->head.len;
    if (header >= 0 && (envelope > 0 || header > 0)) {
        a->outward = o;
        return 0;
    }
    outward_free(o);
    return header < 0 ? -1 : 0;
}

void outward_free(struct outward *o)
{
    if (!o)
        return;
    free(o->env.sender);
    for (size_t i = 0; i < o->n; i++)
        free(o->rcpts[i].address);
    free(o->rcpts);
    buf_fini(&o->head);
    free(o);
}

long outward_read(const struct attempt *a, uint64_t offset, char *to, size_t len, struct err *e)
{
    const struct outward *o = a->outward;

    if (!o)
        return spool_body_read(a->body, offset, to, len, e);
    if (offset >= o->head.len)
        return spool_body_read(a->body, offset - o->head.len + o->head_len, to, len, e);
    size_t n = o->head.len - offset < len ? (size_t)(o->head.len - offset) : len;
    memcpy(to, o->head.at + offset, n);
    return (long)n;
}
