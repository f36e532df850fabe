/* SPDX-License-Identifier: Apache-2.0
 *
 * A server that says anything to Dovecot's authentication protocol. First byte: how the rest is cut. However that is, the same comes
 * of it; nothing is told before it is ready, and what is told has no control characters. */
#include "base/mem.h"
#include "smtp/auth_wire.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct caller {
    struct buf told;
    bool is_ready;
};

static void check_text(const char *s)
{
    for (; s && *s; s++)
        BUG_IF((unsigned char)*s < ' ' || *s == 0x7f);
}

static void on_ready(void *arg)
{
    struct caller *c = arg;

    BUG_IF(c->is_ready);
    c->is_ready = true;
    buf_adds(&c->told, "ready;");
}

static void on_reply(void *arg, const struct auth_wire_reply *r)
{
    struct caller *c = arg;

    BUG_IF(!c->is_ready);
    check_text(r->user);
    check_text(r->reason);
    for (size_t i = 0; i < r->challenge.len; i++)
        BUG_IF((unsigned char)r->challenge.at[i] <= ' ');
    buf_addf(&c->told, "%d %u %.*s %s %s %d;", r->kind, r->id, (int)r->challenge.len, r->challenge.at ? r->challenge.at : "",
             r->user ? r->user : "", r->reason ? r->reason : "", r->is_temporary);
}

static char *read_all(struct span all, size_t piece)
{
    static const struct auth_wire_ops ops = { on_ready, on_reply };
    struct caller c = { 0 };
    struct auth_wire w;
    struct err e;

    buf_init(&c.told, BUF_NO_MAX);
    auth_wire_init(&w);
    while (all.len) {
        size_t n = piece && piece < all.len ? piece : all.len;
        if (auth_wire_input(&w, span_of(all.at, n), &ops, &c, &e) < 0) {
            buf_adds(&c.told, e.text);
            break;
        }
        all = span_from(all, n);
    }
    BUG_IF(c.is_ready && !w.n_mechs);
    for (size_t i = 0; i < w.n_mechs; i++)
        check_text(w.mechs[i].name);
    auth_wire_fini(&w);
    buf_cstr(&c.told);
    return buf_take(&c.told);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (!size)
        return 0;
    struct span all = span_of((const char *)data + 1, size - 1);
    char *whole = read_all(all, 0), *cut = read_all(all, data[0] % 32 + 1);

    BUG_IF(strcmp(whole, cut) != 0);
    free(whole);
    free(cut);
    return 0;
}
