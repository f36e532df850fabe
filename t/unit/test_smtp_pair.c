/* SPDX-License-Identifier: Apache-2.0
 *
 * The client's side against the server's side, in memory: what goes in at one end must come out
 * at the other, however the bytes are cut on their way. */
#include "base/mem.h"
#include "smtp/client.h"
#include "smtp/dot.h"
#include "smtp/server.h"

#include "unit.h"

#include <stdio.h>
#include <stdlib.h>

struct pair {
    struct smtp_client *c;
    struct smtp_server *s;
    struct smtp_client_config client;
    struct smtp_server_config server;
    unsigned seed, most; /* bytes go in pieces of 1..most */
    const struct smtp_message *messages;
    size_t n_messages, at;
    const char *content;
    bool is_probe;
    bool slow; /* answers wait for the next round */
    struct smtp_cmd *open;
    int open_code;
    struct buf got;   /* what the server kept, messages parted by "|" */
    struct buf rcpts; /* the recipients it took */
    int codes[16];    /* of the client's results, in order */
    size_t n_codes, n_done;
    bool is_closed;
    struct smtp_result why;
};

static unsigned next_random(struct pair *p)
{
    p->seed = p->seed * 1103515245 + 12345;
    return p->seed >> 16 & 0x7fff;
}

/* ---- the server's caller --------------------------------------------------------------------- */

static void reply(struct pair *p, struct smtp_cmd *c, int code)
{
    if (p->slow) {
        p->open = c;
        p->open_code = code;
    } else {
        smtp_answer(c, code, NULL, "Ok");
    }
}

static void on_mail(void *arg, struct smtp_cmd *c, struct envelope *env, uint64_t size)
{
    (void)size;
    reply(arg, c, strncmp(env->sender, "no@", 3) == 0 ? 550 : 250);
}

static void on_rcpt(void *arg, struct smtp_cmd *c, struct envelope *env, struct rcpt *r)
{
    struct pair *p = arg;
    bool ok = strncmp(r->address, "no@", 3) != 0;
    (void)env;
    if (ok)
        buf_addf(&p->rcpts, "%s/%d/%s ", r->address, r->notify, r->orcpt ? r->orcpt : "");
    reply(p, c, ok ? 250 : 550);
}

static void on_data_begin(void *arg, struct smtp_cmd *c, struct envelope *env)
{
    (void)env;
    reply(arg, c, 354);
}

static bool on_data(void *arg, struct span content)
{
    struct pair *p = arg;
    buf_addspan(&p->got, content);
    return true;
}

static void on_data_end(void *arg, struct smtp_cmd *c, const struct smtp_data_info *info)
{
    struct pair *p = arg;
    (void)info;
    buf_addc(&p->got, '|');
    reply(p, c, 250);
}

static void on_reset(void *arg)
{
    (void)arg;
}

static void on_start_tls(void *arg)
{
    struct pair *p = arg;
    smtp_server_tls_started(p->s);
}

static void on_auth(void *arg, struct smtp_cmd *c, const char *mech, struct span initial)
{
    (void)arg;
    if (strcmp(mech, "PLAIN") == 0)
        smtp_answer(c, span_eq(initial, SPAN("AGpvZQBzZWNyZXQ=")) ? 235 : 535, "2.7.0", "well");
    else
        smtp_auth_challenge(c, SPAN("VXNlcm5hbWU6"));
}

static void on_auth_response(void *arg, struct smtp_cmd *c, struct span response)
{
    (void)arg;
    if (span_eq(response, SPAN("am9l")))
        smtp_auth_challenge(c, SPAN("UGFzc3dvcmQ6"));
    else
        smtp_answer(c, span_eq(response, SPAN("c2VjcmV0")) ? 235 : 535, "2.7.0", "well");
}

static const struct smtp_server_ops server_ops = {
    .mail = on_mail,
    .rcpt = on_rcpt,
    .data_begin = on_data_begin,
    .data = on_data,
    .data_end = on_data_end,
    .reset = on_reset,
    .start_tls = on_start_tls,
    .auth = on_auth,
    .auth_response = on_auth_response,
};

/* ---- the client's caller --------------------------------------------------------------------- */

static void on_ready(void *arg)
{
    struct pair *p = arg;
    if (p->at < p->n_messages)
        (p->is_probe ? smtp_client_probe : smtp_client_send)(p->c, &p->messages[p->at++]);
    else
        smtp_client_quit(p->c);
}

static void on_starttls(void *arg)
{
    struct pair *p = arg;
    smtp_client_tls_started(p->c);
}

static long on_content(void *arg, uint64_t offset, char *to, size_t len)
{
    struct pair *p = arg;
    size_t left = strlen(p->content) - offset;
    size_t n = left < len ? left : len;
    if (n > 7 && p->most < 100)
        n = 7;
    memcpy(to, p->content + offset, n);
    return (long)n;
}

static void on_result(void *arg, size_t index, const struct smtp_result *r)
{
    struct pair *p = arg;
    (void)index;
    if (p->n_codes < ARRAY_LEN(p->codes))
        p->codes[p->n_codes] = r->reply.code;
    p->n_codes++;
}

static void on_done(void *arg)
{
    struct pair *p = arg;
    p->n_done++;
}

static void on_closed(void *arg, const struct smtp_result *why)
{
    struct pair *p = arg;
    assert_false(p->is_closed);
    p->is_closed = true;
    if (why)
        p->why = *why;
}

static const struct smtp_client_ops client_ops = {
    .ready = on_ready,
    .starttls = on_starttls,
    .content = on_content,
    .rcpt = on_result,
    .done = on_done,
    .closed = on_closed,
};

/* ---- the wire -------------------------------------------------------------------------------- */

static void pair_init(struct pair *p, unsigned seed, unsigned most)
{
    *p = (struct pair){ .client = { .helo_name = "client.example" },
                        .server = { .hostname = "mx.example", .limits = SMTP_SERVER_LIMITS_DEFAULT },
                        .seed = seed,
                        .most = most };
    buf_init(&p->got, BUF_NO_MAX);
    buf_init(&p->rcpts, BUF_NO_MAX);
}

static size_t cut(struct pair *p, size_t len)
{
    size_t n = 1 + next_random(p) % p->most;
    return n < len ? n : len;
}

static bool server_to_client(struct pair *p)
{
    struct span s = smtp_server_output(p->s);
    if (!s.len)
        return false;
    char *copy = span_dup(span_of(s.at, cut(p, s.len)));
    size_t n = strlen(copy);
    smtp_server_sent(p->s, n);
    smtp_client_input(p->c, span_of(copy, n));
    free(copy);
    return true;
}

static bool client_to_server(struct pair *p)
{
    struct span s = smtp_client_output(p->c);
    if (!s.len || !smtp_server_wants_input(p->s))
        return false;
    size_t n = cut(p, s.len);
    char *copy = xmalloc(n);
    memcpy(copy, s.at, n);
    smtp_client_sent(p->c, n);
    smtp_server_input(p->s, span_of(copy, n));
    free(copy);
    return true;
}

static bool answer_late(struct pair *p)
{
    struct smtp_cmd *c = p->open;
    if (!c)
        return false;
    p->open = NULL;
    smtp_answer(c, p->open_code, NULL, "Ok");
    return true;
}

static void pair_run(struct pair *p)
{
    p->c = smtp_client_new(&p->client, &client_ops, p);
    p->s = smtp_server_new(&p->server, &server_ops, p);
    bool moved = true;
    while (!p->is_closed && moved) {
        moved = next_random(p) & 1 && server_to_client(p);
        moved |= client_to_server(p);
        moved |= server_to_client(p);
        moved |= next_random(p) & 1 && answer_late(p);
        if (!moved)
            moved = answer_late(p);
    }
}

static void pair_fini(struct pair *p)
{
    smtp_client_free(p->c);
    smtp_server_free(p->s);
    buf_fini(&p->got);
    buf_fini(&p->rcpts);
}

/* ---- what is sent ---------------------------------------------------------------------------- */

static struct rcpt anna = { .address = (char *)"anna@a.example",
                            .orcpt = (char *)"rfc822;x+y@z.example",
                            .notify = NOTIFY_SUCCESS | NOTIFY_DELAY };
static struct rcpt bert = { .address = (char *)"bert@b.example" };
static struct rcpt nobody = { .address = (char *)"no@b.example" };
static const struct rcpt *const some[] = { &anna, &nobody, &bert };
static const struct rcpt *const none[] = { &nobody, &nobody };

static const char letter[] = "Subject: x\r\n\r\n.one\r\n..two\r\n.\r\nlong long long line\r\n\r\n.\r\n";

static struct envelope sender_of(const char *sender)
{
    return (struct envelope){ .sender = (char *)sender, .envid = (char *)"id=1", .ret = RET_HDRS };
}

enum {
    PLAIN_DATA = 1,
    NO_PIPELINE = 2,
    LMTP = 4,
    SLOW = 8,
    HELO = 16, /* not used with LMTP */
};

static void send_three(unsigned how, unsigned seed, unsigned most)
{
    struct envelope ok = sender_of("joe@a.example"), bad = sender_of("no@a.example");
    struct smtp_message three[] = {
        { &ok, some, 3, sizeof letter - 1, true, false, 0 },
        { &bad, some, 3, sizeof letter - 1, true, false, 0 },
        { &ok, none, 2, sizeof letter - 1, true, false, 0 },
        { &ok, some, 3, sizeof letter - 1, true, false, 0 },
    };
    /* told as they become known: the refused one first */
    const int codes[] = { 550, 250, 250, 550, 550, 550, 550, 550, 550, 250, 250 };
    struct pair p;
    char want[300];

    pair_init(&p, seed, most);
    p.messages = three;
    p.n_messages = ARRAY_LEN(three);
    p.content = letter;
    p.slow = how & SLOW;
    p.client.is_lmtp = p.server.is_lmtp = how & LMTP;
    p.client.has_no_chunking = how & PLAIN_DATA;
    p.client.has_no_pipelining = how & NO_PIPELINE;
    p.server.may_talk_early = true; /* pieces must not look like early talk */
    pair_run(&p);
    assert_true(p.is_closed);
    if (p.why.reply.text[0])
        fail_msg("closed: %s", p.why.reply.text);
    assert_int_equal(p.n_done, 4);
    assert_int_equal(p.n_codes, ARRAY_LEN(codes));
    assert_memory_equal(p.codes, codes, sizeof codes);
    snprintf(want, sizeof want, "%s|%s|", letter, letter);
    assert_string_equal(buf_cstr(&p.got), want);
    assert_string_equal(buf_cstr(&p.rcpts),
                        "anna@a.example/5/rfc822;x+y@z.example bert@b.example/0/ "
                        "anna@a.example/5/rfc822;x+y@z.example bert@b.example/0/ ");
    pair_fini(&p);
}

static void messages_arrive_however_the_bytes_are_cut(void **state)
{
    (void)state;
    for (unsigned how = 0; how < 16; how++) {
        send_three(how, 1, 1);
        send_three(how, 1, 100000);
        for (unsigned seed = 1; seed < 20; seed++)
            send_three(how, seed, 1 + seed * 4);
    }
}

static void a_large_message_arrives_whole(void **state)
{
    static const struct rcpt *const one[] = { &anna };
    struct envelope env = sender_of("");
    struct buf big;
    (void)state;

    buf_init(&big, BUF_NO_MAX);
    for (int i = 0; big.len < 3000000; i++)
        buf_addf(&big, "%s%d%.*s\r\n", i % 7 ? "" : ".", i, i % 80,
                 "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz012");
    for (int dots = 0; dots < 2; dots++) {
        struct smtp_message m = { &env, one, 1, big.len, true, false, 0 };
        struct pair p;
        pair_init(&p, 7, 20000);
        p.messages = &m;
        p.n_messages = 1;
        p.content = buf_cstr(&big);
        p.client.has_no_chunking = dots;
        pair_run(&p);
        assert_int_equal(p.n_codes, 1);
        assert_int_equal(p.codes[0], 250);
        buf_addc(&big, '|');
        assert_true(span_eq(buf_span(&p.got), buf_span(&big)));
        big.len--;
        pair_fini(&p);
    }
    buf_fini(&big);
}

/* The content as `piece` bytes at a time are written, with lines of 64 bytes at most. */
static void broken(const char *content, size_t piece, struct buf *out)
{
    struct dot_writer w;
    size_t len = strlen(content);

    dot_writer_init(&w, true, 64);
    buf_clear(out);
    for (size_t at = 0; at < len; at += piece) {
        size_t n = len - at < piece ? len - at : piece;
        out->len += dot_write(&w, span_of(content + at, n), buf_room(out, 2 * n + DOT_WRITE_MORE));
    }
}

#define TEN "0123456789"
#define SIXTY TEN TEN TEN TEN TEN TEN
static void a_line_that_is_too_long_is_broken(void **state)
{
    static const struct {
        const char *content, *want;
    } cases[] = {
        { SIXTY "abcd\r\n" SIXTY "\r\n", SIXTY "abcd\r\n" SIXTY "\r\n" },
        { SIXTY "abcde\r\n", SIXTY "abcd\r\n e\r\n" },
        { SIXTY SIXTY TEN "\r\nx\r\n", SIXTY "0123\r\n 456789" TEN TEN TEN TEN TEN "0123456\r\n 789\r\nx\r\n" },
        { "." SIXTY "abcd\r\n.\r\n", ".." SIXTY "abc\r\n d\r\n..\r\n" },
        { SIXTY "abc\xc3\xa4" "b\r\n", SIXTY "abc\r\n \xc3\xa4" "b\r\n" },
    };
    struct buf out;
    (void)state;

    buf_init(&out, BUF_NO_MAX);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        broken(cases[i].content, 1000, &out);
        assert_true(span_eq(buf_span(&out), span_str(cases[i].want)));
        if (i < 4) { /* a character in two pieces may be parted */
            broken(cases[i].content, 1, &out);
            assert_true(span_eq(buf_span(&out), span_str(cases[i].want)));
        }
    }
    buf_fini(&out);
}

static void tls_and_a_login_come_before_the_message(void **state)
{
    static const char *const mechanisms[] = { "PLAIN LOGIN", "LOGIN" };
    static const struct rcpt *const one[] = { &bert };
    struct envelope env = sender_of("a@b.example");
    struct smtp_message m = { &env, one, 1, sizeof letter - 1, true, false, 0 };
    (void)state;

    for (size_t i = 0; i < 2; i++) {
        for (int good = 0; good < 2; good++) {
            struct pair p;
            pair_init(&p, 3, 9);
            p.messages = &m;
            p.n_messages = 1;
            p.content = letter;
            p.server.offers_starttls = p.server.requires_tls = p.server.requires_auth = true;
            p.server.mechanisms = mechanisms[i];
            p.client.tls = SMTP_TLS_REQUIRED;
            p.client.user = "joe";
            p.client.secret = good ? "secret" : "wrong";
            pair_run(&p);
            assert_true(p.is_closed);
            assert_int_equal(p.n_codes, good);
            assert_int_equal(p.why.reply.code, good ? 0 : 535);
            if (good) {
                assert_string_equal(smtp_client_mechanism(p.c), i ? "LOGIN" : "PLAIN");
            } else {
                assert_int_equal(p.why.stage, SMTP_AT_AUTH);
            }
            pair_fini(&p);
        }
    }
}

static void a_probe_asks_and_sends_nothing(void **state)
{
    struct envelope ok = sender_of("joe@a.example"), bad = sender_of("no@a.example");
    struct smtp_message three[] = {
        { &ok, some, 3, sizeof letter - 1, true, false, 0 },
        { &bad, some, 3, sizeof letter - 1, true, false, 0 },
        { &ok, none, 2, sizeof letter - 1, true, false, 0 },
    };
    const int codes[] = { 250, 550, 250, 550, 550, 550, 550, 550 };
    (void)state;

    for (unsigned how = 0; how < 16; how++) {
        struct pair p;
        pair_init(&p, how, 1 + how * 5);
        p.messages = three;
        p.n_messages = ARRAY_LEN(three);
        p.is_probe = true;
        p.slow = how & SLOW;
        p.client.is_lmtp = p.server.is_lmtp = how & LMTP;
        p.client.has_no_chunking = how & PLAIN_DATA;
        p.client.has_no_pipelining = how & NO_PIPELINE;
        p.server.may_talk_early = true;
        pair_run(&p);
        assert_true(p.is_closed);
        assert_int_equal(p.why.reply.code, 0);
        assert_int_equal(p.n_done, 3);
        assert_int_equal(p.n_codes, ARRAY_LEN(codes));
        assert_memory_equal(p.codes, codes, sizeof codes);
        assert_int_equal(p.got.len, 0);
        pair_fini(&p);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(messages_arrive_however_the_bytes_are_cut),
        cmocka_unit_test(a_large_message_arrives_whole),
        cmocka_unit_test(a_line_that_is_too_long_is_broken),
        cmocka_unit_test(tls_and_a_login_come_before_the_message),
        cmocka_unit_test(a_probe_asks_and_sends_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
