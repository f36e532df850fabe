/* SPDX-License-Identifier: Apache-2.0
 *
 * A server that says anything, in any pieces, to the client's side. First byte: what kind of
 * client. Second: how the bytes are cut. Every recipient is told once, closed() comes once, and
 * nothing comes after it. */
#include "base/mem.h"
#include "smtp/client.h"
#include "smtp/verdict.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define RCPTS 4

static const char content[] = "Subject: x\r\n\r\n.y\r\n..\r\nz\r\n";

struct caller {
    struct smtp_client *c;
    unsigned seed;
    unsigned messages;
    bool has_message, is_closed;
    unsigned told;
    uint64_t offset;
    struct envelope env;
    struct smtp_message m;
    bool out_cr;
};

static struct rcpt rcpts[RCPTS] = {
    { .address = (char *)"a@x", .notify = NOTIFY_NEVER },
    { .address = (char *)"b@x", .orcpt = (char *)"rfc822;b@x" },
    { .address = (char *)"c@x", .notify = NOTIFY_DELAY | NOTIFY_SUCCESS },
    { .address = (char *)"d@x" },
};
static const struct rcpt *const list[RCPTS] = { &rcpts[0], &rcpts[1], &rcpts[2], &rcpts[3] };

static unsigned next_random(struct caller *k)
{
    k->seed = k->seed * 1103515245 + 12345;
    return k->seed >> 16 & 0x7fff;
}

static void judge(const struct smtp_result *r)
{
    char text[1100], dsn[12];

    smtp_verdict(r, true);
    smtp_verdict(r, false);
    smtp_verdict_advice(r);
    smtp_reply_dsn(&r->reply, dsn);
    smtp_reply_format(&r->reply, text, sizeof text);
    BUG_IF(strpbrk(text, "\r\n\t"));
}

static void on_ready(void *arg)
{
    struct caller *k = arg;
    BUG_IF(k->is_closed || k->has_message);
    if (!k->messages) {
        smtp_client_quit(k->c);
        return;
    }
    k->messages--;
    k->has_message = true;
    k->told = 0;
    k->offset = 0;
    smtp_client_send(k->c, &k->m);
}

static void on_starttls(void *arg)
{
    struct caller *k = arg;
    if (next_random(k) % 4)
        smtp_client_tls_started(k->c);
}

static long on_content(void *arg, uint64_t offset, char *to, size_t len)
{
    struct caller *k = arg;
    size_t n = 1 + next_random(k) % 9, left = sizeof content - 1 - (size_t)offset;
    BUG_IF(offset != k->offset || !left || len > left);
    if (next_random(k) % 256 == 0)
        return -1;
    if (n > len)
        n = len;
    memcpy(to, content + offset, n);
    k->offset += n;
    return (long)n;
}

static void on_rcpt(void *arg, size_t index, const struct smtp_result *r)
{
    struct caller *k = arg;
    BUG_IF(!k->has_message || index >= k->m.n_rcpts || k->told & 1U << index);
    k->told |= 1U << index;
    judge(r);
    if (smtp_verdict(r, true) == VERDICT_OK)
        BUG_IF(r->stage != SMTP_AT_EOD || r->is_ours || k->offset != sizeof content - 1);
}

static void on_done(void *arg)
{
    struct caller *k = arg;
    BUG_IF(!k->has_message || k->told != (1U << k->m.n_rcpts) - 1);
    k->has_message = false;
}

static void on_closed(void *arg, const struct smtp_result *why)
{
    struct caller *k = arg;
    BUG_IF(k->is_closed || k->has_message);
    k->is_closed = true;
    if (why)
        judge(why);
}

static const struct smtp_client_ops ops = {
    .ready = on_ready,
    .starttls = on_starttls,
    .content = on_content,
    .rcpt = on_rcpt,
    .done = on_done,
    .closed = on_closed,
};

static void take_output(struct caller *k)
{
    struct span out;

    while ((out = smtp_client_output(k->c)).len) {
        size_t n = 1 + next_random(k) % out.len;
        for (size_t i = 0; i < n; i++) {
            BUG_IF((out.at[i] == '\n') != k->out_cr);
            k->out_cr = out.at[i] == '\r';
        }
        smtp_client_sent(k->c, n);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    struct smtp_client_config cfg = {
        .is_lmtp = data[0] & 1,
        .tls = (enum smtp_client_tls)(data[0] >> 1 & 3) % 3,
        .has_no_pipelining = data[0] & 8,
        .has_no_chunking = data[0] & 16,
        .user = data[0] & 32 ? "joe" : NULL,
        .secret = "secret",
        .may_auth_in_clear = true,
        .helo_name = "me",
    };
    struct caller k = { .seed = data[1] * 2654435761U, .messages = 3 };
    k.env = (struct envelope){ .sender = (char *)"s@x", .smtputf8 = data[0] & 64 };
    k.m = (struct smtp_message){ .env = &k.env, .rcpts = list, .n_rcpts = 1 + (data[1] & 3), .size_bytes = sizeof content - 1,
                                 .has_dot_line = true, .is_8bit = data[0] & 128, .line_max = data[1] & 4 ? 64 : 0 };
    k.c = smtp_client_new(&cfg, &ops, &k);
    struct span in = span_of((const char *)data + 2, size - 2);
    while (in.len && !k.is_closed) {
        if (next_random(&k) % 4)
            take_output(&k);
        size_t n = 1 + next_random(&k) % in.len;
        char *piece = xmalloc(n);
        memcpy(piece, in.at, n);
        smtp_client_input(k.c, span_of(piece, n));
        free(piece);
        in = span_from(in, n);
    }
    take_output(&k);
    smtp_client_lost(k.c, "lost connection");
    BUG_IF(!k.is_closed);
    smtp_client_free(k.c);
    return 0;
}
