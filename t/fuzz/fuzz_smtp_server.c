/* SPDX-License-Identifier: Apache-2.0
 *
 * A client that says anything, in any pieces, to the server's side. First byte: what kind of
 * server. Second: how the bytes are cut, and what its caller answers, now or later. What comes
 * out must keep the promises of server.h. */
#include "base/mem.h"
#include "smtp/server.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MESSAGE_MAX 200
#define RCPTS_MAX   5

struct caller {
    struct smtp_server *s;
    unsigned seed;
    struct smtp_cmd *open;
    int open_code;
    bool is_lmtp;
    bool in_content;
    size_t n_rcpts;
    /* of the content so far */
    uint64_t size;
    bool at_line_start, seen_cr, has_dot_line, is_8bit;
    /* of the output so far */
    size_t line_len;
    bool out_cr;
};

static unsigned next_random(struct caller *k)
{
    k->seed = k->seed * 1103515245 + 12345;
    return k->seed >> 16 & 0x7fff;
}

static void reply(struct caller *k, struct smtp_cmd *c, int good)
{
    static const int bad[] = { 450, 550, 421 };
    unsigned r = next_random(k) % 16;
    int code = r < 3 ? bad[r] : good;

    if (r > 12) {
        BUG_IF(k->open);
        k->open = c;
        k->open_code = code;
    } else if (r == 12 && k->n_rcpts > 1 && k->is_lmtp && good == 251) {
        smtp_answer_rcpt(c, k->n_rcpts - 1, 450, "4.0.0", "last\nof them");
        smtp_answer(c, code, NULL, "others");
    } else {
        smtp_answer(c, code, r & 1 ? "2.0.0" : NULL, "%s", r & 2 ? "two\nlines" : "one\x01line");
    }
}

static void on_hello(void *arg, struct smtp_cmd *c, const char *name, bool is_esmtp)
{
    (void)name, (void)is_esmtp;
    reply(arg, c, 250);
}

static void on_mail(void *arg, struct smtp_cmd *c, struct envelope *env, uint64_t size_bytes)
{
    struct caller *k = arg;
    BUG_IF(k->in_content || size_bytes > MESSAGE_MAX || strpbrk(env->sender, "\r\n"));
    reply(k, c, 250);
}

static void on_rcpt(void *arg, struct smtp_cmd *c, struct envelope *env, struct rcpt *r)
{
    struct caller *k = arg;
    BUG_IF(k->in_content || env->n_rcpts > RCPTS_MAX || r != &env->rcpts[env->n_rcpts - 1]);
    BUG_IF(!*r->address || strpbrk(r->address, "\r\n"));
    reply(k, c, 250);
}

static void on_data_begin(void *arg, struct smtp_cmd *c, struct envelope *env)
{
    struct caller *k = arg;
    BUG_IF(k->in_content || !env->n_rcpts);
    k->n_rcpts = env->n_rcpts;
    k->size = 0;
    k->at_line_start = true;
    k->seen_cr = k->has_dot_line = k->is_8bit = false;
    reply(k, c, 354);
}

static bool on_data(void *arg, struct span content)
{
    struct caller *k = arg;

    BUG_IF(!content.len);
    k->in_content = true;
    k->size += content.len;
    BUG_IF(k->size > MESSAGE_MAX);
    for (size_t i = 0; i < content.len; i++) {
        unsigned char c = (unsigned char)content.at[i];
        BUG_IF(c == '\0' || (c == '\n') != k->seen_cr);
        k->has_dot_line |= k->at_line_start && c == '.';
        k->is_8bit |= c >= 0x80;
        k->at_line_start = c == '\n';
        k->seen_cr = c == '\r';
    }
    return next_random(k) % 64;
}

static void on_data_end(void *arg, struct smtp_cmd *c, const struct smtp_data_info *info)
{
    struct caller *k = arg;
    /* unless it was told to stop */
    BUG_IF(info->size_bytes < k->size);
    if (info->size_bytes == k->size)
        BUG_IF(!k->at_line_start || info->has_dot_line != k->has_dot_line || info->is_8bit != k->is_8bit);
    k->in_content = false;
    reply(k, c, 251);
}

static void on_reset(void *arg)
{
    struct caller *k = arg;
    k->in_content = false;
}

static void on_start_tls(void *arg)
{
    struct caller *k = arg;
    if (next_random(k) % 2)
        smtp_server_tls_started(k->s);
}

static void auth_step(struct caller *k, struct smtp_cmd *c)
{
    if (next_random(k) % 2)
        smtp_auth_challenge(c, SPAN("YQ=="));
    else
        reply(k, c, 235);
}

static void on_auth(void *arg, struct smtp_cmd *c, const char *mech, struct span initial)
{
    (void)mech;
    BUG_IF(initial.len % 4);
    auth_step(arg, c);
}

static void on_auth_response(void *arg, struct smtp_cmd *c, struct span response)
{
    BUG_IF(response.len % 4);
    auth_step(arg, c);
}

static void on_vrfy(void *arg, struct smtp_cmd *c, struct span what)
{
    (void)what;
    reply(arg, c, 252);
}

static void on_slow_down(void *arg, unsigned n)
{
    struct caller *k = arg;
    (void)n;
    if (next_random(k) % 4 == 0)
        smtp_server_pause(k->s);
}

static void on_xclient(void *arg, struct smtp_cmd *c, const struct smtp_xclient *x)
{
    (void)arg;
    for (int i = 0; i < SMTP_XCLIENT_N; i++)
        BUG_IF(x->value[i] && (!(x->given & 1U << i) || strpbrk(x->value[i], "\r\n")));
    smtp_answer(c, x->value[SMTP_XCLIENT_PORT] ? 421 : 220, NULL, "x");
}

static const struct smtp_server_ops ops = {
    .xclient = on_xclient,
    .hello = on_hello,
    .mail = on_mail,
    .rcpt = on_rcpt,
    .data_begin = on_data_begin,
    .data = on_data,
    .data_end = on_data_end,
    .reset = on_reset,
    .start_tls = on_start_tls,
    .auth = on_auth,
    .auth_response = on_auth_response,
    .vrfy = on_vrfy,
    .slow_down = on_slow_down,
};

/* Replies are lines: three digits, not too long, CRLF, and no control characters in between. */
static void take_output(struct caller *k)
{
    struct span out;

    while ((out = smtp_server_output(k->s)).len) {
        size_t n = 1 + next_random(k) % out.len;
        for (size_t i = 0; i < n; i++) {
            unsigned char c = (unsigned char)out.at[i];
            BUG_IF(k->line_len < 3 && !ascii_is_digit(c));
            BUG_IF((c == '\n') != k->out_cr || (c < 0x20 && c != '\r' && c != '\n'));
            k->out_cr = c == '\r';
            k->line_len = c == '\n' ? 0 : k->line_len + 1;
            BUG_IF(k->line_len > 520);
        }
        smtp_server_sent(k->s, n);
    }
}

static void answer_open(struct caller *k)
{
    struct smtp_cmd *c = k->open;

    if (!c)
        return;
    k->open = NULL;
    smtp_answer(c, k->open_code, NULL, "later");
}

static void talk(struct caller *k, struct span in)
{
    for (int idle = 0; in.len && !smtp_server_is_closing(k->s) && idle < 8; idle++) {
        take_output(k);
        if (smtp_server_wants_input(k->s)) {
            size_t n = 1 + next_random(k) % (k->seed & 0x100000 ? 3 : in.len);
            char *piece = xmalloc(n);
            n = n < in.len ? n : in.len;
            memcpy(piece, in.at, n);
            smtp_server_input(k->s, span_of(piece, n));
            free(piece);
            in = span_from(in, n);
            idle = 0;
        }
        answer_open(k);
        smtp_server_resume(k->s);
    }
    take_output(k);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    struct smtp_server_config cfg = {
        .is_lmtp = data[0] & 1,
        .offers_starttls = data[0] & 2,
        .requires_tls = data[0] & 4,
        .auth_needs_tls = data[0] & 8,
        .requires_auth = data[0] & 16,
        .offers_xclient = data[1] & 64,
        .may_talk_early = data[0] & 32,
        .mechanisms = data[0] & 64 ? "PLAIN LOGIN" : NULL,
        .bare_lf = data[0] & 128 ? SMTP_BARE_LF_REJECT
                   : data[1] & 128 ? SMTP_BARE_LF_ENDS
                                   : SMTP_BARE_LF_NORMALIZE,
        .hostname = "mx.example",
        .limits = { .line_length = 128,
                    .auth_length = 256,
                    .message_size = MESSAGE_MAX,
                    .recipients = RCPTS_MAX,
                    .soft_errors = 10,
                    .hard_errors = 40,
                    .junk_commands = 20 },
    };
    struct caller k = { .seed = data[1] * 2654435761U, .is_lmtp = cfg.is_lmtp };
    k.s = smtp_server_new(&cfg, &ops, &k);
    talk(&k, span_of((const char *)data + 2, size - 2));
    smtp_server_free(k.s);
    return 0;
}
