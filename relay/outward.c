/* SPDX-License-Identifier: Apache-2.0 */
#include "relay/outward.h"

#include "base/mem.h"
#include "mail/fixup.h"
#include "relay/rewriting.h"

#include <stdlib.h>

enum { PIECE = 16384, HEAD_MAX = 4 << 20 }; /* a longer header section leaves as it is */

struct outward_ask {
    struct attempt *a;
    struct buf section; /* its header section; empty when there is none within reach */
    struct outward *made;
    bool has_changed;
    struct rewriting *rewriting; /* NULL: nothing is waited for */
    outward_fn *done;
    void *arg;
};

/* ---- a pass ---- */

/* The address as it shall leave. */
static char *rewrite(struct outward_ask *o, struct rewriting *w, const char *address)
{
    struct buf now;
    char *out;

    buf_init(&now, BUF_NO_MAX);
    if (rewriting_address(w, address, REWRITE_GENERIC, &now) > 0) {
        o->has_changed = true;
        buf_cstr(&now);
        out = buf_take(&now);
    } else {
        out = xstrdup(address);
    }
    buf_fini(&now);
    return out;
}

static void make_envelope(struct outward_ask *o, struct rewriting *w)
{
    struct outward *out = o->made;
    const struct attempt *a = o->a;

    out->env = a->env;
    out->env.sender = rewrite(o, w, a->env.sender);
    out->rcpts = xcalloc(a->n ? a->n : 1, sizeof *out->rcpts);
    for (size_t i = 0; i < a->n; i++) {
        out->rcpts[i] = *attempt_rcpt(a, i);
        out->rcpts[i].address = rewrite(o, w, out->rcpts[i].address);
        out->n++;
    }
}

static int rewrite_in_header(void *arg, const char *address, enum fixup_address what, struct buf *out)
{
    (void)what;
    return rewriting_address(arg, address, REWRITE_GENERIC, out);
}

static void make_header(struct outward_ask *o, struct rewriting *w)
{
    struct outward *out = o->made;

    if (o->section.len && fixup_rewrite(buf_span(&o->section), rewrite_in_header, w, &out->head) > 0) {
        out->head_len = o->section.len;
        o->has_changed = true;
    } else {
        buf_clear(&out->head);
    }
    out->size = o->a->info.size - out->head_len + out->head.len;
}

static void make(void *arg, struct rewriting *w)
{
    struct outward_ask *o = arg;

    outward_free(o->made);
    o->has_changed = false;
    o->made = xcalloc(1, sizeof *o->made);
    buf_init(&o->made->head, BUF_NO_MAX);
    make_envelope(o, w);
    make_header(o, w);
}

/* ---- around it ---- */

/* Up to its empty line, and with it. */
static int read_header(const struct attempt *a, struct buf *section, struct err *e)
{
    while (section->len < HEAD_MAX) {
        size_t from = section->len > 3 ? section->len - 3 : 0;
        char *room = buf_room(section, PIECE);
        long n = spool_body_read(a->body, section->len, room, PIECE, e);
        if (n < 0)
            return -1;
        if (n == 0)
            break;
        section->len += (size_t)n;
        const char *end = memmem(section->at + from, section->len - from, "\r\n\r\n", 4);
        if (end) {
            section->len = (size_t)(end - section->at) + 4;
            return 0;
        }
    }
    buf_clear(section);
    return 0;
}

static void fini(struct outward_ask *o)
{
    rewriting_cancel(o->rewriting);
    outward_free(o->made);
    buf_fini(&o->section);
}

static int put(struct outward_ask *o, bool cannot_tell, struct err *e)
{
    if (cannot_tell)
        return err_set(e, ERR_TEMPORARY, "smtp_generic_maps cannot tell");
    if (o->has_changed) {
        o->a->outward = o->made;
        o->made = NULL;
    }
    return 0;
}

static void made(void *arg, bool cannot_tell)
{
    struct outward_ask *o = arg;
    outward_fn *done = o->done;
    void *of = o->arg;
    struct err e;
    int rc = put(o, cannot_tell, &e);

    o->rewriting = NULL;
    fini(o);
    free(o);
    done(of, rc, &e);
}

bool outward_now(struct attempt *a, int *rc, struct err *e)
{
    struct outward_ask o = { .a = a };
    bool cannot_tell = false, is_done = true;

    buf_init(&o.section, BUF_NO_MAX);
    *rc = read_header(a, &o.section, e);
    if (*rc == 0)
        is_done = rewriting_now(a->relay->resolver, make, &o, &cannot_tell);
    if (*rc == 0 && is_done)
        *rc = put(&o, cannot_tell, e);
    fini(&o);
    return is_done;
}

struct outward_ask *outward_start(struct attempt *a, outward_fn *done, void *arg)
{
    struct outward_ask *o = xcalloc(1, sizeof *o);
    struct err e = { 0 };

    o->a = a;
    o->done = done;
    o->arg = arg;
    buf_init(&o->section, BUF_NO_MAX);
    if (read_header(a, &o->section, &e) < 0) {
        outward_cancel(o);
        done(arg, -1, &e);
        return NULL;
    }
    struct rewriting *w = rewriting_start(a->relay->resolver, make, made, o);
    if (!w)
        return NULL; /* done() was called from inside, and `o` is gone */
    o->rewriting = w;
    return o;
}

void outward_cancel(struct outward_ask *o)
{
    if (!o)
        return;
    fini(o);
    free(o);
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
