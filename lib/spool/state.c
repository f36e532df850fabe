/* SPDX-License-Identifier: Apache-2.0 */
#include "spool/state.h"

#include "base/mem.h"
#include "base/packed.h"

#include <stdlib.h>

void spool_rcpt_fini(struct spool_rcpt *r)
{
    free(r->rcpt.address);
    free(r->rcpt.orcpt);
    free(r->rcpt.original);
    free(r->reason);
}

void spool_state_fini(struct spool_state *st)
{
    for (size_t i = 0; i < st->n_rcpts; i++)
        spool_rcpt_fini(&st->rcpts[i]);
    free(st->rcpts);
    free(st->reason);
    *st = (struct spool_state){ 0 };
}

void state_pack(const struct spool_state *st, struct buf *out)
{
    if (st->next_us > 0)
        buf_addf(out, "t%lld\n", (long long)st->next_us);
    if (st->attempts)
        buf_addf(out, "c%u\n", st->attempts);
    if (st->is_held || st->was_warned)
        buf_addf(out, "f%s%s\n", st->is_held ? "H" : "", st->was_warned ? "W" : "");
    packed_put(out, 'x', st->reason);
    /* What belongs to a recipient follows it. */
    for (size_t i = 0; i < st->n_rcpts; i++) {
        const struct spool_rcpt *r = &st->rcpts[i];
        packed_put(out, 'r', r->rcpt.address);
        packed_put(out, 'o', r->rcpt.orcpt);
        packed_put(out, 'a', r->rcpt.original);
        if (r->rcpt.notify)
            buf_addf(out, "n%u\n", r->rcpt.notify);
        packed_put(out, 'w', r->reason);
    }
}

static void replace(char **at, struct span value)
{
    free(*at);
    *at = span_dup(value);
}

static void add_rcpt(struct spool_state *st, struct span address)
{
    /* Grows at the powers of two: there is no capacity to remember. */
    if ((st->n_rcpts & (st->n_rcpts - 1)) == 0)
        st->rcpts = xreallocarray(st->rcpts, st->n_rcpts ? st->n_rcpts * 2 : 1, sizeof *st->rcpts);
    st->rcpts[st->n_rcpts++] = (struct spool_rcpt){ .rcpt = { .address = span_dup(address) } };
}

static int unpack_line(struct spool_state *st, char key, struct span v, struct err *e)
{
    struct spool_rcpt *r = st->n_rcpts ? &st->rcpts[st->n_rcpts - 1] : NULL;
    uint64_t number = 0;

    if (strchr("tcn", key) && !span_u64(v, &number))
        return err_set(e, ERR_PERMANENT, "bad number after '%c'", key);
    if (strchr("oanw", key) && !r)
        return err_set(e, ERR_PERMANENT, "'%c' before the first recipient", key);
    switch (key) {
    case 't': st->next_us = (int64_t)number; break;
    case 'c': st->attempts = (unsigned)number; break;
    case 'x': replace(&st->reason, v); break;
    case 'r': add_rcpt(st, v); break;
    case 'o': replace(&r->rcpt.orcpt, v); break;
    case 'a': replace(&r->rcpt.original, v); break;
    case 'n': r->rcpt.notify = (unsigned char)number; break;
    case 'w': replace(&r->reason, v); break;
    case 'f':
        st->is_held = span_find(v, 'H') < v.len;
        st->was_warned = span_find(v, 'W') < v.len;
        break;
    default: return packed_unknown(key, e);
    }
    return 0;
}

int state_unpack(struct spool_state *st, struct span packed, struct err *e)
{
    struct span value;
    char key;
    int found;

    *st = (struct spool_state){ 0 };
    while ((found = packed_next(&packed, &key, &value, e)) > 0)
        if (unpack_line(st, key, value, e) < 0)
            break;
    if (found == 0)
        return 0;
    spool_state_fini(st);
    return err_prefix(e, "state");
}
