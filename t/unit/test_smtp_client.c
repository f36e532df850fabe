/* SPDX-License-Identifier: Apache-2.0
 *
 * The client's side against transcripts. Behind it stands a caller with a list of messages to
 * send; "! send N" and "! quit" are said when it is ready. */
#include "base/mem.h"
#include "smtp/client.h"

#include "transcript.h"
#include "unit.h"

#include <stdio.h>
#include <stdlib.h>

struct rig {
    struct transcript t;
    struct smtp_client *c;
    struct smtp_client_config cfg;
    const char *content;
    struct envelope env;
    struct smtp_message m;
    bool breaks;            /* content cannot be read */
    bool frees_at_result;
    unsigned sends_at_once; /* ready() sends so many by itself */
};

static struct rcpt rcpts[] = {
    { .address = (char *)"a@x.example", .notify = NOTIFY_NEVER },
    { .address = (char *)"b@x.example", .orcpt = (char *)"rfc822;b+c@y.example" },
    { .address = (char *)"c@x.example" },
};
static const struct rcpt *const list[] = { &rcpts[0], &rcpts[1], &rcpts[2] };

static void on_ready(void *arg)
{
    struct rig *r = arg;
    if (r->sends_at_once) {
        r->sends_at_once--;
        smtp_client_send(r->c, &r->m);
    } else {
        transcript_note(&r->t, "ready");
    }
}

static void on_starttls(void *arg)
{
    struct rig *r = arg;
    transcript_note(&r->t, "starttls");
}

static long on_content(void *arg, uint64_t offset, char *to, size_t len)
{
    struct rig *r = arg;
    size_t left = strlen(r->content) - (size_t)offset;
    if (r->breaks && offset > 0)
        return -1;
    size_t n = left < len ? left : len;
    if (n > 4)
        n = 4;
    memcpy(to, r->content + offset, n);
    return (long)n;
}

static void note_result(struct rig *r, const char *what, const struct smtp_result *res)
{
    char text[1100], dsn[12];
    transcript_note(&r->t, "%s [%s%s %s] %s", what, res->is_ours ? "us at " : "",
                    smtp_stage_name(res->stage), smtp_reply_dsn(&res->reply, dsn),
                    smtp_reply_format(&res->reply, text, sizeof text));
}

static void on_rcpt(void *arg, size_t index, const struct smtp_result *res)
{
    struct rig *r = arg;
    char what[32];
    snprintf(what, sizeof what, "rcpt %zu", index);
    note_result(r, what, res);
    if (r->frees_at_result) {
        smtp_client_free(r->c);
        r->c = NULL;
    }
}

static void on_done(void *arg)
{
    struct rig *r = arg;
    transcript_note(&r->t, "done");
}

static void on_closed(void *arg, const struct smtp_result *why)
{
    struct rig *r = arg;
    if (why)
        note_result(r, "closed", why);
    else
        transcript_note(&r->t, "closed");
}

static const struct smtp_client_ops ops = {
    .ready = on_ready,
    .starttls = on_starttls,
    .content = on_content,
    .rcpt = on_rcpt,
    .done = on_done,
    .closed = on_closed,
};

/* ---- the rig --------------------------------------------------------------------------------- */

static void feed(void *arg, struct span bytes)
{
    struct rig *r = arg;
    if (r->c)
        smtp_client_input(r->c, bytes);
}

static void take(void *arg, struct buf *out)
{
    struct rig *r = arg;
    struct span s;

    while (r->c && (s = smtp_client_output(r->c)).len) {
        size_t n = r->t.bytewise ? 1 : s.len;
        buf_add(out, s.at, n);
        smtp_client_sent(r->c, n);
    }
}

static void act(void *arg, const char *name)
{
    struct rig *r = arg;
    static const char *const phases[] = { "helo", "starttls",  "auth",      "idle", "mail", "rcpt",
                                          "init", "xfer",      "eod",       "rset", "quit", "closed" };

    if (strncmp(name, "send ", 5) == 0) {
        struct smtp_message m = r->m; /* gone when we return */
        m.n_rcpts = (size_t)(name[5] - '0');
        smtp_client_send(r->c, &m);
        memset(&m, 0xff, sizeof m);
    } else if (strcmp(name, "quit") == 0) {
        smtp_client_quit(r->c);
    } else if (strcmp(name, "lost") == 0) {
        smtp_client_lost(r->c, "lost connection");
    } else if (strcmp(name, "tls") == 0) {
        smtp_client_tls_started(r->c);
    } else if (strcmp(name, "phase xfer") == 0 && r->t.bytewise) {
        return; /* it has been sent already */
    } else if (strncmp(name, "phase ", 6) == 0) {
        assert_string_equal(phases[smtp_client_phase(r->c)], name + 6);
    } else {
        fail_msg("what is \"%s\"?", name);
    }
}

static void run_with(void (*set_up)(struct rig *r), const char *script)
{
    for (int bytewise = 0; bytewise < 2; bytewise++) {
        struct rig r = { .cfg = { .helo_name = "me" }, .content = "x\r\n.y\r\n" };
        transcript_init(&r.t);
        r.env = (struct envelope){ .sender = (char *)"s@x.example" };
        r.m = (struct smtp_message){ &r.env, list, 1, 0, true, false, 0 };
        r.t = (struct transcript){ .engine = 'C',
                                   .bytewise = bytewise,
                                   .engine_arg = &r,
                                   .feed = feed,
                                   .take = take,
                                   .act = act,
                                   .events = r.t.events,
                                   .said = r.t.said,
                                   .piece = r.t.piece };
        if (set_up)
            set_up(&r);
        r.m.size_bytes = strlen(r.content);
        r.c = smtp_client_new(&r.cfg, &ops, &r);
        transcript_run(&r.t, script);
        smtp_client_free(r.c);
        transcript_fini(&r.t);
    }
}

static void run(const char *script)
{
    run_with(NULL, script);
}

#define OLD                                                                                        \
    "S: 220 mx\n"                                                                                  \
    "C: EHLO me\n"                                                                                 \
    "S: 250 mx\n"                                                                                  \
    "= ready\n"

#define OLD_NOT_READY                                                                              \
    "S: 220 mx\n"                                                                                  \
    "C: EHLO me\n"                                                                                 \
    "S: 250 mx\n"

#define FULL                                                                                       \
    "S: 220 mx\n"                                                                                  \
    "C: EHLO me\n"                                                                                 \
    "S: 250-mx\n"                                                                                  \
    "S: 250-PIPELINING\n"                                                                          \
    "S: 250-SIZE 100\n"                                                                            \
    "S: 250-8BITMIME\n"                                                                            \
    "S: 250-DSN\n"                                                                                 \
    "S: 250 SMTPUTF8\n"                                                                            \
    "= ready\n"

#define CHUNKS                                                                                     \
    "S: 220 mx\n"                                                                                  \
    "C: EHLO me\n"                                                                                 \
    "S: 250-mx\n"                                                                                  \
    "S: 250-PIPELINING\n"                                                                          \
    "S: 250 CHUNKING\n"                                                                            \
    "= ready\n"

/* ---- the session ----------------------------------------------------------------------------- */

static void a_plain_server_gets_one_command_at_a_time(void **state)
{
    (void)state;
    run("! phase helo\n" OLD "! phase idle\n"
        "! send 1\n"
        "! phase mail\n"
        "C: MAIL FROM:<s@x.example>\n"
        "S: 250 ok\n"
        "! phase rcpt\n"
        "C: RCPT TO:<a@x.example>\n"
        "S: 250 ok\n"
        "! phase init\n"
        "C: DATA\n"
        "S: 354 go\n"
        "! phase xfer\n"
        "C: x\n"
        "C: ..y\n"
        "C: .\n"
        "! phase eod\n"
        "S: 250 2.0.0 Ok: queued\n"
        "= rcpt 0 [end of DATA 2.0.0] 250 2.0.0 Ok: queued\n"
        "= done\n"
        "= ready\n"
        "! quit\n"
        "C: QUIT\n"
        "! phase quit\n"
        "S: 221 bye\n"
        "= closed\n"
        "! phase closed\n");
}

static void a_server_without_ehlo_gets_helo(void **state)
{
    (void)state;
    run("S: 220 mx\n"
        "C: EHLO me\n"
        "S: 502 what?\n"
        "C: HELO me\n"
        "S: 250 mx\n"
        "= ready\n");
    run("S: 220 mx\n"
        "C: EHLO me\n"
        "S: 500 what?\n"
        "C: HELO me\n"
        "S: 550 5.7.1 I do not like your name\n"
        "= closed [EHLO 5.7.1] 550 5.7.1 I do not like your name\n");
    run("S: 220 mx\n"
        "C: EHLO me\n"
        "S: 421 later\n"
        "= closed [EHLO 4.0.0] 421 later\n");
    run("S: 554 no service\n"
        "= closed [greeting 5.0.0] 554 no service\n");
    run("S: 220-a\n"
        "S: 220-b\n"
        "S: 220 c\n"
        "C: EHLO me\n");
}

static void everything_that_is_offered_is_used(void **state)
{
    (void)state;
    run(FULL "! send 2\n"
             "C: MAIL FROM:<s@x.example> SIZE=7\n"
             "C: RCPT TO:<a@x.example> NOTIFY=NEVER\n"
             "C: RCPT TO:<b@x.example> ORCPT=rfc822;b+2Bc@y.example\n"
             "C: DATA\n"
             "S: 250 ok\n"
             "S: 550-5.1.1 no such\n"
             "S: 550 5.1.1 user\n"
             "= rcpt 0 [RCPT TO 5.1.1] 550 5.1.1 no such user\n"
             "S: 250 ok\n"
             "S: 354 go\n"
             "C: x\n"
             "C: ..y\n"
             "C: .\n"
             "S: 250 ok\n"
             "= rcpt 1 [end of DATA 2.0.0] 250 ok\n"
             "= done\n"
             "= ready\n");
}

static void set_utf8(struct rig *r)
{
    r->env = (struct envelope){ .sender = (char *)"gr\xc3\xbc@x.example",
                                .smtputf8 = true,
                                .ret = RET_HDRS,
                                .envid = (char *)"a+b" };
    r->m.is_8bit = true;
}

static void set_utf8_in_name_only(struct rig *r)
{
    r->env.smtputf8 = true;
}

static void set_utf8_rcpt(struct rig *r)
{
    static struct rcpt gruen = { .address = (char *)"gr\xc3\xbcn@x.example" };
    static const struct rcpt *const one[] = { &gruen };
    r->m.rcpts = one;
}

static void smtputf8_is_asked_for_where_it_is_needed(void **state)
{
    (void)state;
    run_with(set_utf8_in_name_only, OLD "! send 1\n"
                                        "C: MAIL FROM:<s@x.example>\n");
    run_with(set_utf8_rcpt, OLD "! send 1\n"
                                "= rcpt 0 [us at MAIL FROM 5.6.7]*\n"
                                "= done\n"
                                "= ready\n");
    run_with(set_utf8_rcpt, FULL "! send 1\n"
                                 "C: MAIL FROM:<s@x.example> SIZE=7 SMTPUTF8\n"
                                 "C: RCPT TO:<gr\xc3\xbcn@x.example>\n"
                                 "C: DATA\n");
}

static void unicode_and_8_bits_are_announced_or_not_sent(void **state)
{
    (void)state;
    run_with(set_utf8, FULL "! send 1\n"
                            "C: MAIL FROM:<gr\xc3\xbc@x.example> SIZE=7 BODY=8BITMIME SMTPUTF8 "
                            "RET=HDRS ENVID=a+2Bb\n"
                            "C: RCPT TO:<a@x.example> NOTIFY=NEVER\n"
                            "C: DATA\n");
    run_with(set_utf8, OLD "! send 1\n"
                           "= rcpt 0 [us at MAIL FROM 5.6.7] SMTPUTF8 is required, but was not "
                           "offered by the server\n"
                           "= done\n"
                           "= ready\n");
}

static void set_8bit(struct rig *r)
{
    r->m.is_8bit = true;
}

static void set_8bit_anyway(struct rig *r)
{
    r->m.is_8bit = true;
    r->cfg.sends_8bit_anyway = true;
}

static void eight_bits_go_to_an_old_server_only_if_wanted(void **state)
{
    (void)state;
    run_with(set_8bit, OLD "! send 1\n"
                           "= rcpt 0 [us at MAIL FROM 5.6.3]*\n"
                           "= done\n"
                           "= ready\n");
    run_with(set_8bit_anyway, OLD "! send 1\n"
                                  "C: MAIL FROM:<s@x.example>\n");
}

static void set_big(struct rig *r)
{
    r->content = "0123456789012345678901234567890123456789012345678901234567890123456789"
                 "01234567890123456789012345678\r\n";
    r->sends_at_once = 3;
}

static void a_message_larger_than_the_server_takes_is_not_sent(void **state)
{
    (void)state;
    /* and the caller may go on from within, however often */
    run_with(set_big, "S: 220 mx\n"
                      "C: EHLO me\n"
                      "S: 250-mx\n"
                      "S: 250 SIZE 100\n"
                      "= rcpt 0 [us at MAIL FROM 5.3.4] message size 101 exceeds the size limit "
                      "100 of the server\n"
                      "= done\n"
                      "= rcpt 0*\n"
                      "= done\n"
                      "= rcpt 0*\n"
                      "= done\n"
                      "= ready\n");
}

/* ---- refusals -------------------------------------------------------------------------------- */

static void a_refused_sender_is_every_recipients_result(void **state)
{
    (void)state;
    run(OLD "! send 2\n"
            "C: MAIL FROM:<s@x.example>\n"
            "S: 550 5.7.1 no\n"
            "= rcpt 0 [MAIL FROM 5.7.1] 550 5.7.1 no\n"
            "= rcpt 1 [MAIL FROM 5.7.1] 550 5.7.1 no\n"
            "= done\n"
            "= ready\n");
    run(FULL "! send 2\n"
             "C: MAIL*\n"
             "C: RCPT*\n"
             "C: RCPT*\n"
             "C: DATA\n"
             "S: 550 5.7.1 no\n"
             "= rcpt 0 [MAIL FROM 5.7.1] 550 5.7.1 no\n"
             "= rcpt 1 [MAIL FROM 5.7.1] 550 5.7.1 no\n"
             "S: 503 what\n"
             "S: 503 what\n"
             "S: 503 what\n"
             "= done\n"
             "= ready\n");
}

static void all_recipients_refused_means_no_content(void **state)
{
    (void)state;
    run(OLD "! send 1\n"
            "C: MAIL*\n"
            "S: 250 ok\n"
            "C: RCPT*\n"
            "S: 450 4.2.0 later\n"
            "= rcpt 0 [RCPT TO 4.2.0] 450 4.2.0 later\n"
            "= done\n"
            "C: RSET\n"
            "! phase rset\n"
            "S: 250 ok\n"
            "= ready\n");
    run(FULL "! send 1\n"
             "C: MAIL*\n"
             "C: RCPT*\n"
             "C: DATA\n"
             "S: 250 ok\n"
             "S: 550 no\n"
             "= rcpt 0 [RCPT TO 5.0.0] 550 no\n"
             "S: 554 no valid recipients\n"
             "= done\n"
             "C: RSET\n"
             "S: 250 ok\n"
             "= ready\n");
    /* one that says 354 to nobody gets a dot */
    run(FULL "! send 1\n"
             "C: MAIL*\n"
             "C: RCPT*\n"
             "C: DATA\n"
             "S: 250 ok\n"
             "S: 550 no\n"
             "= rcpt 0*\n"
             "S: 354 go\n"
             "C: .\n"
             "S: 250 what was that\n"
             "= done\n"
             "= ready\n");
}

static void refused_data_leaves_the_connection_usable(void **state)
{
    (void)state;
    run(FULL "! send 1\n"
             "C: MAIL*\n"
             "C: RCPT*\n"
             "C: DATA\n"
             "S: 250 ok\n"
             "S: 250 ok\n"
             "S: 452 4.3.1 full\n"
             "= rcpt 0 [DATA 4.3.1] 452 4.3.1 full\n"
             "= done\n"
             "C: RSET\n"
             "S: 250 ok\n"
             "= ready\n");
}

/* ---- BDAT ------------------------------------------------------------------------------------ */

static void a_small_message_goes_out_in_one_flight(void **state)
{
    (void)state;
    run(CHUNKS "! send 1\n"
               "C: MAIL FROM:<s@x.example>\n"
               "C: RCPT TO:<a@x.example>\n"
               "C: BDAT 7 LAST\n"
               "C: x\n"
               "C: .y\n"
               "! phase mail\n"
               "S: 250 ok\n"
               "S: 250 ok\n"
               "! phase eod\n"
               "S: 250 ok\n"
               "= rcpt 0 [end of DATA 2.0.0] 250 ok\n"
               "= done\n"
               "= ready\n");
}

static void a_chunk_for_nobody_is_answered_all_the_same(void **state)
{
    (void)state;
    run(CHUNKS "! send 1\n"
               "C: MAIL*\n"
               "C: RCPT*\n"
               "C: BDAT 7 LAST\n"
               "C: x\n"
               "C: .y\n"
               "S: 250 ok\n"
               "S: 550 no\n"
               "= rcpt 0*\n"
               "S: 554 no valid recipients\n"
               "= done\n"
               "C: RSET\n"
               "S: 250 ok\n"
               "= ready\n");
}

static void set_large(struct rig *r)
{
    static char large[70002];
    memset(large, 'x', 70000);
    large[69998] = '\r';
    large[69999] = '\n';
    r->content = large;
}

static void a_large_message_waits_for_its_recipients(void **state)
{
    (void)state;
    run_with(set_large, CHUNKS "! send 1\n"
                               "C: MAIL*\n"
                               "C: RCPT*\n"
                               "S: 250 ok\n"
                               "S: 550 no\n"
                               "= rcpt 0*\n"
                               "= done\n"
                               "C: RSET\n"
                               "S: 250 ok\n"
                               "= ready\n");
}

/* ---- LMTP ------------------------------------------------------------------------------------ */

static void set_lmtp(struct rig *r)
{
    r->cfg.is_lmtp = true;
}

#define LHLO                                                                                       \
    "S: 220 mx\n"                                                                                  \
    "C: LHLO me\n"                                                                                 \
    "S: 250-mx\n"                                                                                  \
    "S: 250 PIPELINING\n"                                                                          \
    "= ready\n"                                                                                    \
    "! send 3\n"                                                                                   \
    "C: MAIL*\n"                                                                                   \
    "C: RCPT*\n"                                                                                   \
    "C: RCPT*\n"                                                                                   \
    "C: RCPT*\n"                                                                                   \
    "C: DATA\n"                                                                                    \
    "S: 250 ok\n"                                                                                  \
    "S: 250 ok\n"                                                                                  \
    "S: 550 no\n"                                                                                  \
    "= rcpt 1 [RCPT TO 5.0.0] 550 no\n"                                                            \
    "S: 250 ok\n"                                                                                  \
    "S: 354 go\n"                                                                                  \
    "C: x\n"                                                                                       \
    "C: ..y\n"                                                                                     \
    "C: .\n"

static void lmtp_has_a_reply_for_each_recipient(void **state)
{
    (void)state;
    run_with(set_lmtp, LHLO "S: 250 2.0.0 <a@x.example> Saved\n"
                            "= rcpt 0 [end of DATA 2.0.0] 250 2.0.0 <a@x.example> Saved\n"
                            "S: 452 4.2.2 full\n"
                            "= rcpt 2 [end of DATA 4.2.2] 452 4.2.2 full\n"
                            "= done\n"
                            "= ready\n");
    run_with(set_lmtp, LHLO "S: 250 2.0.0 Saved\n"
                            "= rcpt 0*\n"
                            "! lost\n"
                            "= rcpt 2 [us at end of DATA 4.4.2] lost connection while sending end "
                            "of data -- message may be sent more than once\n"
                            "= done\n"
                            "= closed [us at end of DATA 4.4.2]*\n");
    run_with(set_lmtp, "S: 220 mx\n"
                       "C: LHLO me\n"
                       "S: 500 this is SMTP\n"
                       "= closed [EHLO 5.0.0] 500 this is SMTP\n");
}

/* ---- STARTTLS -------------------------------------------------------------------------------- */

static void set_may(struct rig *r)
{
    r->cfg.tls = SMTP_TLS_MAY;
}

static void set_required(struct rig *r)
{
    r->cfg.tls = SMTP_TLS_REQUIRED;
}

#define TLS                                                                                        \
    "S: 220 mx\n"                                                                                  \
    "C: EHLO me\n"                                                                                 \
    "S: 250-mx\n"                                                                                  \
    "S: 250-SIZE 3\n"                                                                              \
    "S: 250 STARTTLS\n"                                                                            \
    "C: STARTTLS\n"                                                                                \
    "! phase starttls\n"

static void what_was_offered_before_tls_is_forgotten(void **state)
{
    (void)state;
    run_with(set_required, TLS "S: 220 go\n"
                               "= starttls\n"
                               "! tls\n"
                               "C: EHLO me\n"
                               "S: 250 mx\n"
                               "= ready\n"
                               "! send 1\n"
                               "C: MAIL FROM:<s@x.example>\n");
}

static void refused_tls_is_the_end_only_where_it_is_required(void **state)
{
    (void)state;
    run_with(set_may, TLS "S: 454 4.7.0 not now\n"
                          "= ready\n");
    run_with(set_required, TLS "S: 454 4.7.0 not now\n"
                               "= closed [STARTTLS 4.7.0] 454 4.7.0 not now\n");
    run_with(set_required, "S: 220 mx\n"
                           "C: EHLO me\n"
                           "S: 250 mx\n"
                           "= closed [us at STARTTLS 4.7.4] TLS is required, but was not offered "
                           "by the server\n");
}

static void a_reply_slipped_in_behind_starttls_is_the_end(void **state)
{
    (void)state;
    run_with(set_required, TLS "S+ 220 go\n"
                               "S: 250 AUTH PLAIN\n"
                               "= starttls\n"
                               "= closed [us at STARTTLS 4.7.0] the server sent data behind its "
                               "reply to STARTTLS\n");
}

/* ---- AUTH ------------------------------------------------------------------------------------ */

static void set_login(struct rig *r)
{
    r->cfg.user = "joe";
    r->cfg.secret = "secret";
    r->cfg.may_auth_in_clear = true;
}

static void set_login_with_tls_only(struct rig *r)
{
    set_login(r);
    r->cfg.may_auth_in_clear = false;
}

static void set_login_login(struct rig *r)
{
    set_login(r);
    r->cfg.mechanisms = "xoauth2, login plain";
}

#define AUTH                                                                                       \
    "S: 220 mx\n"                                                                                  \
    "C: EHLO me\n"                                                                                 \
    "S: 250-mx\n"                                                                                  \
    "S: 250 AUTH login PLAIN CRAM-MD5\n"

static void a_login_is_made(void **state)
{
    (void)state;
    run_with(set_login, AUTH "C: AUTH PLAIN AGpvZQBzZWNyZXQ=\n"
                             "! phase auth\n"
                             "S: 235 ok\n"
                             "= ready\n");
    run_with(set_login_login, AUTH "C: AUTH LOGIN\n"
                                   "S: 334 VXNlcm5hbWU6\n"
                                   "C: am9l\n"
                                   "S: 334 UGFzc3dvcmQ6\n"
                                   "C: c2VjcmV0\n"
                                   "S: 235 ok\n"
                                   "= ready\n");
    run_with(set_login, "S: 220 mx\n"
                        "C: EHLO me\n"
                        "S: 250-mx\n"
                        "S: 250 AUTH=LOGIN\n"
                        "C: AUTH LOGIN\n");
}

/* RFC 4954 5 */
static void set_submitter(struct rig *r)
{
    r->env.login = (char *)"joe";
    r->env.submitter = (char *)"e=mc2@x.example";
}

static void set_submitter_and_login(struct rig *r)
{
    set_login(r);
    set_submitter(r);
}

static void set_submitter_of_a_stranger(struct rig *r)
{
    set_submitter(r);
    r->env.login = NULL;
}

static void set_submitter_of_a_stranger_and_login(struct rig *r)
{
    set_login(r);
    set_submitter_of_a_stranger(r);
}

static void who_submitted_it_is_said_where_it_may(void **state)
{
    (void)state;
    run_with(set_submitter, AUTH "= ready\n! send 1\nC: MAIL FROM:<s@x.example> AUTH=e+3Dmc2@x.example\n");
    run_with(set_submitter, "S: 220 mx\nC: EHLO me\nS: 250 mx\n= ready\n! send 1\nC: MAIL FROM:<s@x.example>\n");
    run_with(set_submitter_and_login, AUTH
             "C: AUTH PLAIN*\nS: 235 ok\n= ready\n! send 1\nC: MAIL FROM:<s@x.example> AUTH=e+3Dmc2@x.example\n");
    run_with(set_submitter_of_a_stranger, AUTH "= ready\n! send 1\nC: MAIL FROM:<s@x.example>\n");
    run_with(set_submitter_of_a_stranger_and_login, AUTH
             "C: AUTH PLAIN*\nS: 235 ok\n= ready\n! send 1\nC: MAIL FROM:<s@x.example> AUTH=<>\n");
}

static void a_login_that_fails_is_the_end(void **state)
{
    (void)state;
    run_with(set_login, AUTH "C: AUTH PLAIN*\n"
                             "S: 535 5.7.8 wrong\n"
                             "= closed [AUTH 5.7.8] 535 5.7.8 wrong\n");
    run_with(set_login, AUTH "C: AUTH PLAIN*\n"
                             "S: 334 more\n"
                             "C: *\n"
                             "S: 501 aborted\n"
                             "= closed [AUTH 5.0.0] 501 aborted\n");
    run_with(set_login, "S: 220 mx\n"
                        "C: EHLO me\n"
                        "S: 250-mx\n"
                        "S: 250 AUTH GSSAPI\n"
                        "= closed [us at AUTH 4.7.0] the server offers no way to log in that we "
                        "have (it offers GSSAPI)\n");
    run_with(set_login, OLD_NOT_READY
             "= closed [us at AUTH 4.7.0] a login is configured, but the server offers none\n");
    run_with(set_login_with_tls_only, AUTH
             "= closed [us at AUTH 4.7.11] the password is not sent without TLS*\n");
}

/* ---- what goes wrong ------------------------------------------------------------------------- */

static void set_ready_to_data(struct rig *r)
{
    r->sends_at_once = 1;
}

#define TO_DATA                                                                                    \
    OLD_NOT_READY "C: MAIL*\n"                                                                     \
                  "S: 250 ok\n"                                                                    \
                  "C: RCPT*\n"                                                                     \
                  "S: 250 ok\n"                                                                    \
                  "C: DATA\n"

static void a_421_ends_it_in_any_phase(void **state)
{
    (void)state;
    run(OLD "S: 421 4.3.2 shutting down\n"
            "= closed [idle 4.3.2] 421 4.3.2 shutting down\n");
    run(OLD "! send 2\n"
            "C: MAIL*\n"
            "S: 250 ok\n"
            "C: RCPT*\n"
            "S: 421 4.7.0 too much\n"
            "= rcpt 0 [RCPT TO 4.7.0] 421 4.7.0 too much\n"
            "= rcpt 1 [RCPT TO 4.7.0] 421 4.7.0 too much\n"
            "= done\n"
            "= closed [RCPT TO 4.7.0] 421 4.7.0 too much\n");
    run_with(set_ready_to_data, TO_DATA "S: 354 go\n"
                                        "C: x\nC: ..y\nC: .\n"
                                        "S: 421 4.3.0 oops\n"
                                        "= rcpt 0 [end of DATA 4.3.0] 421 4.3.0 oops\n"
                                        "= done\n"
                                        "= closed*\n");
}

static void a_lost_connection_is_a_temporary_result(void **state)
{
    (void)state;
    run("! lost\n"
        "= closed [us at greeting 4.4.2] lost connection while receiving the initial server "
        "greeting\n");
    run_with(set_ready_to_data, TO_DATA "! lost\n"
                                        "= rcpt 0 [us at DATA 4.4.2] lost connection while sending "
                                        "DATA command\n"
                                        "= done\n"
                                        "= closed [us at DATA 4.4.2]*\n");
    run(OLD "! quit\n"
            "C: QUIT\n"
            "! lost\n"
            "= closed\n");
}

static void a_reply_nobody_asked_for_delivers_nothing(void **state)
{
    (void)state;
    run(OLD "S: 250 ok\n"
            "= closed [us at idle 4.5.0] unexpected reply from the server: 250 ok\n");
    run_with(set_ready_to_data, TO_DATA "S: 250 ok\n"
                                        "= rcpt 0 [us at DATA 4.5.0]*\n"
                                        "= done\n"
                                        "= closed*\n");
    run("S: HTTP/1.1 400 Bad Request\n"
        "= closed [us at greeting 4.5.0] the server does not speak SMTP\n");
}

static void a_message_that_has_not_left_cannot_have_been_taken(void **state)
{
    struct rig r = { .cfg = { .helo_name = "me" }, .content = "x\r\n", .sends_at_once = 1 };
    struct span out;
    (void)state;

    transcript_init(&r.t);
    r.env = (struct envelope){ .sender = (char *)"s@x.example" };
    r.m = (struct smtp_message){ &r.env, list, 1, 3, false, false, 0 };
    r.c = smtp_client_new(&r.cfg, &ops, &r);
    smtp_client_input(r.c, SPAN("220 mx\r\n"));
    take(&r, &r.t.said);
    smtp_client_input(r.c, SPAN("250-mx\r\n250-PIPELINING\r\n250 CHUNKING\r\n"));
    out = smtp_client_output(r.c);
    smtp_client_sent(r.c, out.len - 1);
    smtp_client_input(r.c, SPAN("250 ok\r\n250 ok\r\n250 taken\r\n"));
    assert_non_null(strstr(buf_cstr(&r.t.events), "rcpt 0 [us at end of DATA 4.5.0]"));
    smtp_client_free(r.c);
    transcript_fini(&r.t);
}

static void set_broken(struct rig *r)
{
    r->sends_at_once = 1;
    r->breaks = true;
}

static void half_a_message_is_never_ended(void **state)
{
    (void)state;
    run_with(set_broken, TO_DATA "S: 354 go\n"
                                 "= rcpt 0 [us at end of DATA 4.3.0] the message cannot be read "
                                 "from the spool\n"
                                 "= done\n"
                                 "= closed [us at end of DATA 4.3.0]*\n"
                                 "C| x\\r\\n..\n");
}

static void set_evil(struct rig *r)
{
    static struct rcpt evil = { .address = (char *)"a@x\r\nRCPT TO:<b@x" };
    static const struct rcpt *const one[] = { &evil };
    r->m.rcpts = one;
    r->sends_at_once = 1;
}

static void an_address_cannot_end_its_line(void **state)
{
    (void)state;
    run_with(set_evil, OLD_NOT_READY "C: MAIL*\n"
                                     "S: 250 ok\n"
                                     "C: RCPT TO:<a@x\?\?RCPT TO:<b@x>\n");
}

static void set_frees(struct rig *r)
{
    r->sends_at_once = 1;
    r->frees_at_result = true;
}

static void a_caller_may_free_it_from_within(void **state)
{
    (void)state;
    run_with(set_frees, TO_DATA "S: 554 no\n"
                                "= rcpt 0*\n");
    run_with(set_frees, TO_DATA "S: 421 no\n"
                                "= rcpt 0*\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_plain_server_gets_one_command_at_a_time),
        cmocka_unit_test(a_server_without_ehlo_gets_helo),
        cmocka_unit_test(everything_that_is_offered_is_used),
        cmocka_unit_test(smtputf8_is_asked_for_where_it_is_needed),
        cmocka_unit_test(unicode_and_8_bits_are_announced_or_not_sent),
        cmocka_unit_test(eight_bits_go_to_an_old_server_only_if_wanted),
        cmocka_unit_test(a_message_larger_than_the_server_takes_is_not_sent),
        cmocka_unit_test(a_refused_sender_is_every_recipients_result),
        cmocka_unit_test(all_recipients_refused_means_no_content),
        cmocka_unit_test(refused_data_leaves_the_connection_usable),
        cmocka_unit_test(a_small_message_goes_out_in_one_flight),
        cmocka_unit_test(a_chunk_for_nobody_is_answered_all_the_same),
        cmocka_unit_test(a_large_message_waits_for_its_recipients),
        cmocka_unit_test(lmtp_has_a_reply_for_each_recipient),
        cmocka_unit_test(what_was_offered_before_tls_is_forgotten),
        cmocka_unit_test(refused_tls_is_the_end_only_where_it_is_required),
        cmocka_unit_test(a_reply_slipped_in_behind_starttls_is_the_end),
        cmocka_unit_test(a_login_is_made),
        cmocka_unit_test(who_submitted_it_is_said_where_it_may),
        cmocka_unit_test(a_login_that_fails_is_the_end),
        cmocka_unit_test(a_421_ends_it_in_any_phase),
        cmocka_unit_test(a_lost_connection_is_a_temporary_result),
        cmocka_unit_test(a_reply_nobody_asked_for_delivers_nothing),
        cmocka_unit_test(a_message_that_has_not_left_cannot_have_been_taken),
        cmocka_unit_test(half_a_message_is_never_ended),
        cmocka_unit_test(an_address_cannot_end_its_line),
        cmocka_unit_test(a_caller_may_free_it_from_within),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
