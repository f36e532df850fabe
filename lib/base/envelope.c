/* SPDX-License-Identifier: Apache-2.0
 *
 * Packed, an envelope is lines "Kvalue\n". No value holds an LF: addresses and parameters are checked for control
 * characters by whoever parsed them, and envelope_pack() trusts nobody and writes '?' for one. */
#include "base/envelope.h"

#include "base/mem.h"

#include <stdlib.h>

void envelope_init(struct envelope *e)
{
    *e = (struct envelope){ .sender = xstrdup(""), .uid = ENVELOPE_NO_UID };
}

void envelope_fini(struct envelope *e)
{
    for (size_t i = 0; i < e->n_rcpts; i++) {
        free(e->rcpts[i].address);
        free(e->rcpts[i].orcpt);
        free(e->rcpts[i].original);
    }
    free(e->rcpts);
    free(e->sender);
    free(e->envid);
    free(e->client);
    free(e->login);
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

static char *dup_or_null(const char *s)
{
    return s ? xstrdup(s) : NULL;
}

void envelope_copy(struct envelope *to, const struct envelope *from)
{
    *to = *from;
    to->sender = xstrdup(from->sender);
    to->envid = dup_or_null(from->envid);
    to->client = dup_or_null(from->client);
    to->login = dup_or_null(from->login);
    to->rcpts = NULL;
    to->n_rcpts = to->cap_rcpts = 0;
    for (size_t i = 0; i < from->n_rcpts; i++) {
        struct rcpt *r = envelope_add(to, from->rcpts[i].address);
        r->orcpt = dup_or_null(from->rcpts[i].orcpt);
        r->original = dup_or_null(from->rcpts[i].original);
        r->notify = from->rcpts[i].notify;
    }
}

static void put(struct buf *out, char key, const char *value)
{
    if (!value)
        return;
    buf_addc(out, key);
    for (; *value; value++)
        buf_addc(out, *value == '\n' || *value == '\r' ? '?' : *value);
    buf_addc(out, '\n');
}

void envelope_pack(const struct envelope *e, struct buf *out)
{
    put(out, 's', e->sender);
    put(out, 'i', e->envid);
    put(out, 'c', e->client);
    put(out, 'l', e->login);
    buf_addf(out, "t%lld\n", (long long)e->arrival_us);
    if (e->uid != ENVELOPE_NO_UID)
        buf_addf(out, "u%lu\n", (unsigned long)e->uid);
    if (e->ret || e->body || e->smtputf8 || e->is_bounce || e->is_held)
        buf_addf(out, "f%s%s%s%s%s%s\n", e->ret == RET_FULL ? "F" : "", e->ret == RET_HDRS ? "H" : "",
                 e->body == BODY_8BITMIME ? "8" : "", e->smtputf8 ? "U" : "", e->is_bounce ? "B" : "",
                 e->is_held ? "Q" : "");
    /* What belongs to a recipient follows it. */
    for (size_t i = 0; i < e->n_rcpts; i++) {
        put(out, 'r', e->rcpts[i].address);
        put(out, 'o', e->rcpts[i].orcpt);
        put(out, 'a', e->rcpts[i].original);
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
    }
}

static int unpack_line(struct envelope *e, char key, struct span v, struct err *err)
{
    struct rcpt *r = e->n_rcpts ? &e->rcpts[e->n_rcpts - 1] : NULL;
    uint64_t number = 0;

    if (strchr("tun", key) && !span_u64(v, &number))
        return err_set(err, ERR_PERMANENT, "envelope: bad number after '%c'", key);
    if (strchr("oan", key) && !r)
        return err_set(err, ERR_PERMANENT, "envelope: '%c' before the first recipient", key);
    switch (key) {
    case 's': replace(&e->sender, v); break;
    case 'i': replace(&e->envid, v); break;
    case 'c': replace(&e->client, v); break;
    case 'l': replace(&e->login, v); break;
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
    default:
        if (key < 'a' || key > 'z')
            return err_set(err, ERR_PERMANENT, "envelope: unknown key '%c': written by a newer Baton?", key);
    }
    return 0;
}

int envelope_unpack(struct envelope *e, struct span packed, struct err *err)
{
    envelope_init(e);
    while (packed.len) {
        size_t end = span_find(packed, '\n');
        if (end == packed.len || end == 0) {
            envelope_fini(e);
            return err_set(err, ERR_PERMANENT, "envelope: a line without %s", end ? "an end" : "a key");
        }
        if (unpack_line(e, packed.at[0], span_of(packed.at + 1, end - 1), err) < 0) {
            envelope_fini(e);
            return -1;
        }
        packed = span_from(packed, end + 1);
    }
    return 0;
}
