/* SPDX-License-Identifier: Apache-2.0
 *
 * Packed, an envelope is lines "Kvalue\n" (packed.h). */
#include "base/envelope.h"

#include "base/mem.h"
#include "base/packed.h"

#include <stdlib.h>

void envelope_init(struct envelope *e)
{
    *e = (struct envelope){ .sender = xstrdup(""), .uid = ENVELOPE_NO_UID };
}

void envelope_forget_rcpts(struct envelope *e)
{
    for (size_t i = 0; i < e->n_rcpts; i++) {
        free(e->rcpts[i].address);
        free(e->rcpts[i].orcpt);
        free(e->rcpts[i].original);
    }
    free(e->rcpts);
    e->rcpts = NULL;
    e->n_rcpts = e->cap_rcpts = 0;
}

void envelope_fini(struct envelope *e)
{
    envelope_forget_rcpts(e);
    free(e->sender);
    free(e->envid);
    free(e->client);
    free(e->login);
    free(e->submitter);
    free(e->filter);
    *e = (struct envelope){ .uid = ENVELOPE_NO_UID };
}

struct rcpt *envelope_add(struct envelope *e, const char *address)
{
    if (e->n_rcpts == e->cap_rcpts) {
        e->cap_rcpts = e->cap_rcpts ? e->cap_rcpts * 2 : 4;
        e->rcpts = xreallocarray(e->rcpts, e->cap_rcpts, sizeof *e->rcpts);
    }
    struct rcpt *r = &e->rcpts[e->n_rcpts++];
    *r = (struct rcpt){ .address = xstrdup(address) };
    return r;
}

void envelope_set_sender(struct envelope *e, const char *address)
{
    char *copy = xstrdup(address);
    free(e->sender);
    e->sender = copy;
}

void envelope_copy(struct envelope *to, const struct envelope *from)
{
    *to = *from;
    to->sender = xstrdup(from->sender);
    to->envid = xstrdup_or_null(from->envid);
    to->client = xstrdup_or_null(from->client);
    to->login = xstrdup_or_null(from->login);
    to->submitter = xstrdup_or_null(from->submitter);
    to->filter = xstrdup_or_null(from->filter);
    to->rcpts = NULL;
    to->n_rcpts = to->cap_rcpts = 0;
    for (size_t i = 0; i < from->n_rcpts; i++) {
        struct rcpt *r = envelope_add(to, from->rcpts[i].address);
        r->orcpt = xstrdup_or_null(from->rcpts[i].orcpt);
        r->original = xstrdup_or_null(from->rcpts[i].original);
        r->notify = from->rcpts[i].notify;
    }
}

void envelope_pack(const struct envelope *e, struct buf *out)
{
    packed_put(out, 's', e->sender);
    packed_put(out, 'i', e->envid);
    packed_put(out, 'c', e->client);
    packed_put(out, 'l', e->login);
    packed_put(out, 'm', e->submitter);
    packed_put(out, 'F', e->filter);
    buf_addf(out, "t%lld\n", (long long)e->arrival_us);
    if (e->uid != ENVELOPE_NO_UID)
        buf_addf(out, "u%lu\n", (unsigned long)e->uid);
    if (e->ret || e->body || e->smtputf8 || e->is_bounce || e->is_held || e->is_unmapped)
        buf_addf(out, "f%s%s%s%s%s%s%s\n", e->ret == RET_FULL ? "F" : "", e->ret == RET_HDRS ? "H" : "",
                 e->body == BODY_8BITMIME ? "8" : "", e->smtputf8 ? "U" : "", e->is_bounce ? "B" : "",
                 e->is_held ? "Q" : "", e->is_unmapped ? "M" : "");
    /* What belongs to a recipient follows it. */
    for (size_t i = 0; i < e->n_rcpts; i++) {
        packed_put(out, 'r', e->rcpts[i].address);
        packed_put(out, 'o', e->rcpts[i].orcpt);
        packed_put(out, 'a', e->rcpts[i].original);
        if (e->rcpts[i].notify)
            buf_addf(out, "n%u\n", e->rcpts[i].notify);
    }
}

static void replace(char **at, struct span value)
{
    free(*at);
    *at = span_dup(value);
}

static void unpack_flags(struct envelope *e, struct span v)
{
    for (size_t i = 0; i < v.len; i++) {
        e->ret = v.at[i] == 'F' ? RET_FULL : v.at[i] == 'H' ? RET_HDRS : e->ret;
        e->body = v.at[i] == '8' ? BODY_8BITMIME : e->body;
        e->smtputf8 |= v.at[i] == 'U';
        e->is_bounce |= v.at[i] == 'B';
        e->is_held |= v.at[i] == 'Q';
        e->is_unmapped |= v.at[i] == 'M';
    }
}

static int unpack_line(struct envelope *e, char key, struct span v, struct err *err)
{
    struct rcpt *r = e->n_rcpts ? &e->rcpts[e->n_rcpts - 1] : NULL;
    uint64_t number = 0;

    if (strchr("tun", key) && !span_u64(v, &number))
        return err_set(err, ERR_PERMANENT, "bad number after '%c'", key);
    if (strchr("oan", key) && !r)
        return err_set(err, ERR_PERMANENT, "'%c' before the first recipient", key);
    switch (key) {
    case 's': replace(&e->sender, v); break;
    case 'i': replace(&e->envid, v); break;
    case 'c': replace(&e->client, v); break;
    case 'l': replace(&e->login, v); break;
    case 'm': replace(&e->submitter, v); break;
    case 'F': replace(&e->filter, v); break;
    case 't': e->arrival_us = (int64_t)number; break;
    case 'u': e->uid = (uid_t)number; break;
    case 'f': unpack_flags(e, v); break;
    case 'o': replace(&r->orcpt, v); break;
    case 'a': replace(&r->original, v); break;
    case 'n': r->notify = (unsigned char)number; break;
    case 'r': {
        char *address = span_dup(v);
        envelope_add(e, address);
        free(address);
        break;
    }
    default: return packed_unknown(key, err);
    }
    return 0;
}

int envelope_unpack(struct envelope *e, struct span packed, struct err *err)
{
    struct span value;
    char key;
    int found;

    envelope_init(e);
    while ((found = packed_next(&packed, &key, &value, err)) > 0)
        if (unpack_line(e, key, value, err) < 0)
            break;
    if (found == 0)
        return 0;
    envelope_fini(e);
    return err_prefix(err, "envelope");
}
