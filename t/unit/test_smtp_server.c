/* SPDX-License-Identifier: Apache-2.0
 *
 * The server's side against transcripts. The caller behind it takes everything, but for
 * addresses with a meaning: no@... is refused, later@... is answered when the test says so. */
#include "base/mem.h"
#include "smtp/server.h"

#include "transcript.h"
#include "unit.h"

#include <stdio.h>
#include <stdlib.h>

struct rig {
    struct transcript t;
    struct smtp_server *s;
    struct smtp_server_config cfg;
    struct smtp_cmd *open; /* a question that waits */
    char open_text[64];
    struct envelope *env;
    struct buf content;
    bool frees_at_rcpt, refuses_content, waits_at_end;
};

static void on_hello(void *arg, struct smtp_cmd *c, const char *name, bool is_esmtp)
{
    (void)arg, (void)is_esmtp;
    if (strcmp(name, "bad") == 0)
        smtp_answer(c, 550, "5.7.1", "go away");
    else
        smtp_answer(c, 250, NULL, "hello");
}

static void answer_or_wait(struct rig *r, struct smtp_cmd *c, const char *address, int code,
                           const char *dsn)
{
    if (strncmp(address, "later@", 6) == 0) {
        r->open = c;
        snprintf(r->open_text, sizeof r->open_text, "%d %s", code, dsn);
    } else if (strncmp(address, "no@", 3) == 0) {
        smtp_answer(c, 550, "5.7.1", "no");
    } else if (strncmp(address, "421@", 4) == 0) {
        smtp_answer(c, 421, "4.3.2", "not now");
    } else {
        smtp_answer(c, code, dsn, "Ok");
    }
}

static void on_mail(void *arg, struct smtp_cmd *c, struct envelope *env, uint64_t size)
{
    struct rig *r = arg;
    r->env = env;
    transcript_note(&r->t, "mail <%s> size=%llu body=%d utf8=%d ret=%d envid=%s", env->sender,
                    (unsigned long long)size, env->body, env->smtputf8, env->ret,
                    env->envid ? env->envid : "-");
    answer_or_wait(r, c, env->sender, 250, "2.1.0");
}

static void on_rcpt(void *arg, struct smtp_cmd *c, struct envelope *env, struct rcpt *rcpt)
{
    struct rig *r = arg;
    (void)env;
    transcript_note(&r->t, "rcpt <%s> notify=%d orcpt=%s", rcpt->address, rcpt->notify,
                    rcpt->orcpt ? rcpt->orcpt : "-");
    if (r->frees_at_rcpt) {
        smtp_server_free(r->s);
        r->s = NULL;
        return;
    }
    answer_or_wait(r, c, rcpt->address, 250, "2.1.5");
}

static void on_data_begin(void *arg, struct smtp_cmd *c, struct envelope *env)
{
    struct rig *r = arg;
    transcript_note(&r->t, "begin %zu", env->n_rcpts);
    buf_clear(&r->content);
    if (r->refuses_content)
        smtp_answer(c, 452, "4.3.1", "disk full");
    else
        smtp_answer(c, 354, NULL, "go");
}

static bool on_data(void *arg, struct span content)
{
    struct rig *r = arg;
    buf_addspan(&r->content, content);
    return true;
}

static void on_data_end(void *arg, struct smtp_cmd *c, const struct smtp_data_info *info)
{
    struct rig *r = arg;
    struct buf shown;

    assert_int_equal(info->size_bytes, r->content.len);
    buf_init(&shown, BUF_NO_MAX);
    for (size_t i = 0; i < r->content.len; i++) {
        char ch = r->content.at[i];
        if (ch == '\r')
            buf_adds(&shown, "\\r");
        else if (ch == '\n')
            buf_adds(&shown, "\\n");
        else
            buf_addc(&shown, ch);
    }
    transcript_note(&r->t, "end \"%s\"%s%s%s%s", buf_cstr(&shown),
                    info->has_dot_line ? " dot" : "", info->is_8bit ? " 8bit" : "",
                    info->had_bare_lf ? " lf" : "", info->had_bad_bytes ? " bad" : "");
    buf_fini(&shown);
    if (r->waits_at_end)
        r->open = c;
    else
        smtp_answer(c, 250, "2.0.0", "Ok: queued as X");
}

static void on_reset(void *arg)
{
    struct rig *r = arg;
    transcript_note(&r->t, "reset");
}

static void on_start_tls(void *arg)
{
    struct rig *r = arg;
    transcript_note(&r->t, "start_tls");
}

static void on_auth(void *arg, struct smtp_cmd *c, const char *mech, struct span initial)
{
    struct rig *r = arg;
    transcript_note(&r->t, "auth %s %s%.*s", mech, initial.at ? "initial=" : "none",
                    (int)initial.len, initial.at ? initial.at : "");
    if (span_eq(initial, SPAN("Z29vZA=="))) {
        smtp_server_set_login(r->s, "joe");
        smtp_answer(c, 235, "2.7.0", "Authentication successful");
    } else if (initial.at) {
        smtp_answer(c, 535, "5.7.8", "Error: authentication failed");
    } else {
        smtp_auth_challenge(c, SPAN("VXNlcm5hbWU6"));
    }
}

static void on_auth_response(void *arg, struct smtp_cmd *c, struct span response)
{
    struct rig *r = arg;
    transcript_note(&r->t, "response %.*s", (int)response.len, response.at);
    if (span_eq(response, SPAN("am9l")))
        smtp_auth_challenge(c, SPAN("UGFzc3dvcmQ6"));
    else
        smtp_answer(c, 235, "2.7.0", "Authentication successful");
}

static void on_auth_abort(void *arg)
{
    struct rig *r = arg;
    transcript_note(&r->t, "auth aborted");
}

static void on_slow_down(void *arg, unsigned n)
{
    struct rig *r = arg;
    transcript_note(&r->t, "slow down %u", n);
}

static const struct smtp_server_ops ops = {
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
    .auth_abort = on_auth_abort,
    .slow_down = on_slow_down,
};

/* ---- the rig --------------------------------------------------------------------------------- */

static void feed(void *arg, struct span bytes)
{
    struct rig *r = arg;
    if (r->s)
        smtp_server_input(r->s, bytes);
}

static void take(void *arg, struct buf *out)
{
    struct rig *r = arg;
    struct span s;

    while (r->s && (s = smtp_server_output(r->s)).len) {
        size_t n = r->t.bytewise ? 1 : s.len;
        buf_add(out, s.at, n);
        smtp_server_sent(r->s, n);
    }
}

static void act(void *arg, const char *name)
{
    struct rig *r = arg;

    if (strcmp(name, "answer") == 0) {
        struct smtp_cmd *c = r->open;
        r->open = NULL;
        assert_non_null(c);
        assert_false(smtp_server_wants_input(r->s));
        smtp_answer(c, 250, "2.0.0", "later is now");
    } else if (strcmp(name, "refuse 2nd") == 0) {
        struct smtp_cmd *c = r->open;
        smtp_answer_rcpt(c, 1, 552, "5.2.2", "full");
        smtp_answer(c, 250, "2.0.0", "saved");
    } else if (strcmp(name, "tls") == 0) {
        smtp_server_tls_started(r->s);
    } else if (strcmp(name, "auth no") == 0) {
        smtp_server_set_auth(r->s, SMTP_AUTH_NO, NULL);
    } else if (strcmp(name, "auth later") == 0) {
        smtp_server_set_auth(r->s, SMTP_AUTH_LATER, NULL);
    } else if (strcmp(name, "auth after tls") == 0) {
        smtp_server_set_auth(r->s, SMTP_AUTH_AFTER_TLS, NULL);
    } else if (strcmp(name, "auth login") == 0) {
        smtp_server_set_auth(r->s, SMTP_AUTH_OFFERED, "LOGIN");
    } else if (strcmp(name, "closing") == 0) {
        assert_true(smtp_server_is_closing(r->s));
    } else if (strcmp(name, "open") == 0) {
        assert_false(smtp_server_is_closing(r->s));
    } else if (strcmp(name, "timeout") == 0) {
        smtp_server_shut(r->s, 421, "4.4.2", "mx.example Error: timeout exceeded");
    } else if (strcmp(name, "gone") == 0) {
        smtp_server_free(r->s);
        r->s = NULL;
    } else if (strcmp(name, "wants nothing") == 0) {
        assert_false(smtp_server_wants_input(r->s));
    } else if (strcmp(name, "pause") == 0) {
        smtp_server_pause(r->s);
    } else if (strcmp(name, "resume") == 0) {
        smtp_server_resume(r->s);
    } else if (strncmp(name, "after ", 6) == 0) {
        assert_string_equal(smtp_server_after(r->s), name + 6);
    } else {
        fail_msg("what is \"%s\"?", name);
    }
}

static void rig_init(struct rig *r)
{
    *r = (struct rig){ .cfg = { .hostname = "mx.example",
                                .offers_starttls = true,
                                .mechanisms = "PLAIN LOGIN",
                                .limits = SMTP_SERVER_LIMITS_DEFAULT } };
    transcript_init(&r->t);
    buf_init(&r->content, BUF_NO_MAX);
    r->t.engine_arg = r;
    r->t.feed = feed;
    r->t.take = take;
    r->t.act = act;
}

static void rig_run(struct rig *r, const char *script)
{
    r->s = smtp_server_new(&r->cfg, &ops, r);
    transcript_run(&r->t, script);
    smtp_server_free(r->s);
    r->s = NULL;
    transcript_fini(&r->t);
    buf_fini(&r->content);
}

/* Whole lines, then byte by byte: the same must come of it. */
static void run_with(void (*set_up)(struct rig *r), const char *script)
{
    for (int bytewise = 0; bytewise < 2; bytewise++) {
        struct rig r;
        rig_init(&r);
        r.t.bytewise = bytewise;
        if (set_up)
            set_up(&r);
        rig_run(&r, script);
    }
}

static void run(const char *script)
{
    run_with(NULL, script);
}

/* Only as it stands: where it matters what comes in one piece. */
static void run_pieces(void (*set_up)(struct rig *r), const char *script)
{
    struct rig r;
    rig_init(&r);
    if (set_up)
        set_up(&r);
    rig_run(&r, script);
}

#define HELLO                                                                                      \
    "S: 220 mx.example ESMTP\n"                                                                    \
    "C: EHLO me\n"                                                                                 \
    "S: 250-mx.example\n"                                                                          \
    "S: 250-PIPELINING\n"                                                                          \
    "S: 250-SIZE 10240000\n"                                                                       \
    "S: 250-VRFY\n"                                                                                \
    "S: 250-STARTTLS\n"                                                                            \
    "S: 250-AUTH PLAIN LOGIN\n"                                                                    \
    "S: 250-ENHANCEDSTATUSCODES\n"                                                                 \
    "S: 250-8BITMIME\n"                                                                            \
    "S: 250-DSN\n"                                                                                 \
    "S: 250-SMTPUTF8\n"                                                                            \
    "S: 250 CHUNKING\n"

#define MAIL                                                                                       \
    "C: MAIL FROM:<a@b.example>\n"                                                                 \
    "= mail <a@b.example> size=0 body=0 utf8=0 ret=0 envid=-\n"                                    \
    "S: 250 2.1.0 Ok\n"

#define RCPT                                                                                       \
    "C: RCPT TO:<c@d.example>\n"                                                                   \
    "= rcpt <c@d.example> notify=0 orcpt=-\n"                                                      \
    "S: 250 2.1.5 Ok\n"

#define DATA                                                                                       \
    "C: DATA\n"                                                                                    \
    "= begin 1\n"                                                                                  \
    "S: 354 End data with <CR><LF>.<CR><LF>\n"

/* ---- conversations --------------------------------------------------------------------------- */

static void a_message_goes_through(void **state)
{
    (void)state;
    run(HELLO MAIL RCPT DATA "C: Subject: x\n"
                             "C: \n"
                             "C: ..dot\n"
                             "C: .\n"
                             "= end \"Subject: x\\r\\n\\r\\n.dot\\r\\n\" dot\n"
                             "S: 250 2.0.0 Ok: queued as X\n"
                             "! after END-OF-MESSAGE\n" MAIL RCPT DATA "C: .\n"
                             "= end \"\"\n"
                             "S: 250 2.0.0 Ok: queued as X\n"
                             "C: quit\n"
                             "S: 221 2.0.0 Bye\n"
                             "! closing\n");
}

static void helo_is_answered_without_extensions(void **state)
{
    (void)state;
    run("S: 220 mx.example ESMTP\n"
        "C: HELO me\n"
        "S: 250 mx.example\n" MAIL RCPT);
}

static void commands_out_of_place_are_refused(void **state)
{
    (void)state;
    run("S: 220*\n"
        "C: MAIL FROM:<a@b>\n"
        "S: 503 5.5.1 Error: send HELO/EHLO first\n"
        "C: EHLO\n"
        "S: 501 Syntax: EHLO hostname\n"
        "C: LHLO x\n"
        "S: 500 5.5.1 Error: this is SMTP: send EHLO\n"
        "C: HELO bad\n"
        "S: 550 5.7.1 go away\n"
        "C: HELO me\n"
        "S: 250*\n"
        "C: RCPT TO:<c@d>\n"
        "S: 503 5.5.1 Error: need MAIL command\n"
        "C: DATA\n"
        "S: 503 5.5.1 Error: need RCPT command\n" MAIL
        "C: MAIL FROM:<a@b>\n"
        "S: 503 5.5.1 Error: nested MAIL command\n"
        "C: DATA\n"
        "S: 554 5.5.1 Error: no valid recipients\n"
        "C: DATA now\n"
        "S: 501 5.5.4 Syntax: DATA\n"
        "C: RSET\n"
        "= reset\n"
        "S: 250 2.0.0 Ok\n");
}

static void bad_addresses_and_parameters_are_named(void **state)
{
    static const char *const cases[][2] = {
        { "MAIL <a@b>", "501 5.5.4 Syntax: MAIL FROM:<address>" },
        { "MAIL FROM:", "501 5.5.4 Syntax: MAIL FROM:<address>" },
        { "MAIL FROM:<a@b", "501 5.1.7 Bad sender address syntax" },
        { "MAIL FROM:<a@b> SIZE=x", "501 5.5.4 Bad message size syntax" },
        { "MAIL FROM:<a@b> SIZE=1 SIZE=2", "501 5.5.4 Bad message size syntax" },
        { "MAIL FROM:<a@b> SIZE=10240001", "552 5.3.4 Message size exceeds fixed limit" },
        { "MAIL FROM:<a@b> BODY=BINARYMIME", "555 5.5.4 Unsupported option: BODY=BINARYMIME" },
        { "MAIL FROM:<a@b> RET=ALL", "501 5.5.4 Bad RET parameter syntax" },
        { "MAIL FROM:<a@b> ENVID=a+zz", "501 5.5.4 Bad ENVID parameter syntax" },
        { "MAIL FROM:<a@b> ENVID=", "501 5.5.4 Bad ENVID parameter syntax" },
        { "MAIL FROM:<a@b> ENVID=a+0D+0A", "501 5.5.4 Bad ENVID parameter syntax" },
        { "MAIL FROM:<a@b> FOO=bar", "555 5.5.4 Unsupported option: FOO=bar" },
        { "MAIL FROM:<a@b> AUTH=+", "501 5.5.4 Bad AUTH parameter syntax" },
        { "MAIL FROM:<a@b> AUTH=a+0Ab", "501 5.5.4 Bad AUTH parameter syntax" },
        { "MAIL FROM:<a@b> AUTH=<> AUTH=a", "503 5.5.4 Error: multiple AUTH= options" },
        { "AUTH PLAIN eA== eA==", "501 5.5.4 Syntax: AUTH mechanism" },
        { "MAIL FROM:<gr\xc3\xbc@b.example>",
          "553 5.6.7 Must declare SMTPUTF8 to permit unicode address" },
        { "MAIL FROM:<gr\xc3@b.example> SMTPUTF8", "501 5.1.7 Bad sender address syntax" },
        { "MA\x01IL", "500 5.5.2 Error: bad syntax" },
        { "", "500 5.5.2 Error: bad syntax" },
        { "FROB", "500 5.5.2 Error: command not recognized" },
        { "VRFY", "501 5.5.4 Syntax: VRFY address" },
        { "VRFY x", "252 2.0.0 Cannot VRFY user, but will accept message" },
        { "NOOP x y", "250 2.0.0 Ok" },
        { "HELP", "214 2.0.0 See RFC 5321" },
        { "RSET x", "501 5.5.4 Syntax: RSET" },
    };
    char script[1000];
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        snprintf(script, sizeof script, "%sC: %s\nS: %s\n", HELLO, cases[i][0], cases[i][1]);
        run(script);
    }
}

static void bad_recipients_are_named(void **state)
{
    static const char *const cases[][2] = {
        { "RCPT <a@b>", "501 5.5.4 Syntax: RCPT TO:<address>" },
        { "RCPT TO:", "501 5.5.4 Syntax: RCPT TO:<address>" },
        { "RCPT TO:<>", "501 5.1.3 Bad recipient address syntax" },
        { "RCPT TO:<a@b> NOTIFY=NEVER,DELAY", "501 5.5.4 Bad NOTIFY parameter syntax" },
        { "RCPT TO:<a@b> NOTIFY=", "501 5.5.4 Bad NOTIFY parameter syntax" },
        { "RCPT TO:<a@b> NOTIFY=DELAY,", "501 5.5.4 Bad NOTIFY parameter syntax" },
        { "RCPT TO:<a@b> ORCPT=x", "501 5.5.4 Bad ORCPT parameter syntax" },
        { "RCPT TO:<a@b> SIZE=1", "555 5.5.4 Unsupported option: SIZE=1" },
    };
    char script[1000];
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        snprintf(script, sizeof script, "%sC: %s\nS: %s\nC: RSET\n= reset\nS: 250*\n", HELLO MAIL, cases[i][0],
                 cases[i][1]);
        run(script);
    }
}

static void all_parameters_reach_the_envelope(void **state)
{
    (void)state;
    run(HELLO
        "C: mail from: <@x.example:a@b.example> size=1000 BODY=8bitmime SMTPUTF8 RET=HDRS "
        "ENVID=a+2Bb AUTH=<>\n"
        "= mail <a@b.example> size=1000 body=1 utf8=1 ret=2 envid=a+b\n"
        "S: 250 2.1.0 Ok\n"
        "C: RCPT TO:<c@d.example> NOTIFY=success,delay ORCPT=rfc822;x+2By@z.example\n"
        "= rcpt <c@d.example> notify=5 orcpt=rfc822;x+y@z.example\n"
        "S: 250 2.1.5 Ok\n"
        "C: RCPT TO:<postmaster>\n"
        "= rcpt <postmaster> notify=0 orcpt=-\n"
        "S: 250 2.1.5 Ok\n"
        "C: RCPT TO:<no@d.example>\n"
        "= rcpt <no@d.example> notify=0 orcpt=-\n"
        "S: 550 5.7.1 no\n"
        "C: DATA\n"
        "= begin 2\n"
        "S: 354*\n"
        "C: .\n"
        "= end \"\"\n"
        "S: 250*\n");
}

static void an_answer_may_come_later_and_commands_wait_for_it(void **state)
{
    (void)state;
    run_pieces(NULL, HELLO "C+ MAIL FROM:<later@b>\n"
                           "C: RCPT TO:<c@d.example>\n"
                           "= mail <later@b>*\n"
                           "! wants nothing\n"
                           "! answer\n"
                           "= rcpt <c@d.example>*\n"
                           "S: 250 2.0.0 later is now\n"
                           "S: 250 2.1.5 Ok\n");
}

static void set_wait(struct rig *r)
{
    r->waits_at_end = true;
}

static void a_commit_may_be_waited_for(void **state)
{
    (void)state;
    run_with(set_wait, HELLO MAIL RCPT DATA "C: .\n"
                                            "= end \"\"\n"
                                            "! wants nothing\n"
                                            "! answer\n"
                                            "S: 250 2.0.0 later is now\n" MAIL);
    run_pieces(set_wait, HELLO MAIL RCPT DATA "C+ .\n"
                                              "C: QUIT\n"
                                              "= end \"\"\n"
                                              "! answer\n"
                                              "S: 250 2.0.0 later is now\n"
                                              "S: 221 2.0.0 Bye\n");
    run_with(set_wait, HELLO MAIL RCPT DATA "C: .\n"
                                            "= end \"\"\n"
                                            "! gone\n"
                                            "= reset\n");
}

static void pipelined_commands_are_answered_in_one_go(void **state)
{
    (void)state;
    run_pieces(NULL, HELLO "C+ MAIL FROM:<a@b.example>\n"
                           "C+ RCPT TO:<c@d.example>\n"
                           "C+ RCPT TO:<no@d.example>\n"
                           "C: DATA\n"
                           "S: 250 2.1.0 Ok\n"
                           "S: 250 2.1.5 Ok\n"
                           "S: 550 5.7.1 no\n"
                           "S: 354*\n"
                           "= mail*\n"
                           "= rcpt*\n"
                           "= rcpt*\n"
                           "= begin 1\n"
                           "C+ x\n"
                           "C+ .\n"
                           "C: MAIL FROM:<a@b.example>\n"
                           "= end \"x\\r\\n\"\n"
                           "= mail*\n"
                           "S: 250 2.0.0 Ok: queued as X\n"
                           "S: 250 2.1.0 Ok\n");
}

#define SYNC "S: 554 5.5.0 Error: SMTP protocol synchronization\n! closing\n"

static void speaking_before_the_reply_is_the_end(void **state)
{
    (void)state;
    run_pieces(NULL, "S: 220*\n"
                     "C+ EHLO me\n"
                     "C: MAIL FROM:<a@b.example>\n" SYNC);
    run_pieces(NULL, HELLO MAIL RCPT "C+ DATA\n"
                                     "C: Subject: x\n"
                                     "= reset\n" SYNC);
    run_pieces(NULL, HELLO "C+ STARTTLS\n"
                           "C: EHLO again\n" SYNC);
    run_pieces(NULL, HELLO "C+ AUTH LOGIN\n"
                           "C: am9l\n" SYNC);
    run_pieces(NULL, "S: 220*\n"
                     "C: HELO me\n"
                     "S: 250*\n"
                     "C+ MAIL FROM:<a@b.example>\n"
                     "C: RCPT TO:<c@d.example>\n" SYNC);
}

static void an_early_talker_gets_no_banner(void **state)
{
    struct rig r;
    (void)state;
    rig_init(&r);
    r.s = smtp_server_new(&r.cfg, &ops, &r);
    smtp_server_input(r.s, SPAN("EHLO me\r\n"));
    take(&r, &r.t.said);
    assert_string_equal(buf_cstr(&r.t.said), "554 5.5.0 Error: SMTP protocol synchronization\r\n");
    assert_true(smtp_server_is_closing(r.s));
    smtp_server_free(r.s);
    transcript_fini(&r.t);
    buf_fini(&r.content);
}

static void set_local(struct rig *r)
{
    r->cfg.may_talk_early = true;
}

static void a_local_program_may_send_all_at_once(void **state)
{
    (void)state;
    run_pieces(set_local, "S: 220*\n"
                          "C+ HELO me\n"
                          "C+ MAIL FROM:<a@b.example>\n"
                          "C+ RCPT TO:<c@d.example>\n"
                          "C+ DATA\n"
                          "C+ x\n"
                          "C+ .\n"
                          "C: QUIT\n"
                          "S: 250 mx.example\n"
                          "S: 250 2.1.0 Ok\n"
                          "S: 250 2.1.5 Ok\n"
                          "S: 354*\n"
                          "S: 250 2.0.0 Ok: queued as X\n"
                          "S: 221 2.0.0 Bye\n"
                          "= mail*\n"
                          "= rcpt*\n"
                          "= begin 1\n"
                          "= end \"x\\r\\n\"\n");
}

static void other_protocols_are_shown_the_door(void **state)
{
    (void)state;
    run("S: 220*\n"
        "C: GET / HTTP/1.1\n"
        "S: 221 2.7.0 Error: this is a mail server. Goodbye.\n"
        "! closing\n");
    run_pieces(NULL, "S: 220*\n"
                     "C| \\x16\\x03\\x01\\x02\\0\\x01\n"
                     "S: 221 2.7.0 Error: this is a mail server. Goodbye.\n"
                     "! closing\n");
    run_pieces(NULL, "S: 220*\n"
                     "C| POST / HTTP/1.1\\r\\nHost: x\\r\\n\\r\\nMAIL FROM:<a@b>\\r\\n\n"
                     "S: 221 2.7.0 Error: this is a mail server. Goodbye.\n"
                     "! closing\n");
}

/* ---- smuggling ------------------------------------------------------------------------------- */

/* What stands between "x" and the second MAIL is no end of a message, and comes out as the
 * second string says. */
static const struct {
    const char *bytes, *content, *facts;
} no_ends[] = {
    { "\\n.\\n", "x\\r\\n\\r\\n", " lf" },
    { "\\n.\\r\\n", "x\\r\\n\\r\\n", " lf" },
    { "\\r\\n.\\n", "x\\r\\n\\r\\n", " lf" },
    { "\\r.\\r", "x . ", " bad" },
    { "\\r\\n.\\r", "x\\r\\n ", " bad" },
    { "\\r.\\r\\n", "x .\\r\\n", " bad" },
    { "\\r\\n.\\r\\r\\n", "x\\r\\n \\r\\n", " bad" },
    { "\\r\\n\\0.\\r\\n", "x\\r\\n .\\r\\n", " bad" },
    { "\\r\\n.\\0\\r\\n", "x\\r\\n \\r\\n", " bad" },
    { "\\r\\0\\n.\\r\\n", "x  \\r\\n\\r\\n", " lf bad" },
    { "\\r\\n.\\r\\0\\n", "x\\r\\n  \\r\\n", " lf bad" },
    { "\\r\\n..\\r\\n", "x\\r\\n.\\r\\n", " dot" },
    { "\\n..\\r\\n", "x\\r\\n.\\r\\n", " dot lf" },
    { "\\r\\n.\\x85", "x\\r\\n\x85", " 8bit" },
    { "\\xe2\\x80\\xa8.\\xe2\\x80\\xa8", "x\xe2\x80\xa8.\xe2\x80\xa8", " 8bit" },
};

static void only_crlf_dot_crlf_ends_a_message(void **state)
{
    char script[2000], want[200];
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(no_ends); i++) {
        snprintf(want, sizeof want, "%sMAIL FROM:<evil@b>\\r\\n", no_ends[i].content);
        snprintf(script, sizeof script,
                 "%sC| x%sMAIL FROM:<evil@b>\\r\\n.\\r\\n\n"
                 "= end \"%s\"%s\n"
                 "S: 250 2.0.0 Ok: queued as X\n",
                 HELLO MAIL RCPT DATA, no_ends[i].bytes, want, no_ends[i].facts);
        run(script);
    }
    run(HELLO MAIL RCPT DATA "C| x\\r\\r\\n.\\r\\n\n"
                             "= end \"x \\r\\n\" bad\n"
                             "S: 250*\n");
}

static void set_reject(struct rig *r)
{
    r->cfg.bare_lf = SMTP_BARE_LF_REJECT;
}

static void bare_lf_may_be_refused(void **state)
{
    (void)state;
    run_with(set_reject, HELLO MAIL RCPT DATA "C| a\\nb\\r\\n\n"
                                              "= reset\n"
                                              "C: .\n"
                                              "S: 550 5.5.2 Error: bare <LF> received\n"
                                              "C| NOOP\\n\n"
                                              "S: 550 5.5.2 Error: bare <LF> received\n" MAIL);
}

static void set_521(struct rig *r)
{
    r->cfg.bare_lf = SMTP_BARE_LF_REJECT;
    r->cfg.bare_lf_code = 521;
}

static void bare_lf_may_end_the_connection(void **state)
{
    (void)state;
    run_with(set_521, HELLO MAIL RCPT DATA "C| a\\nb\\r\\n\n"
                                           "= reset\n"
                                           "C: .\n"
                                           "S: 521 5.5.2 Error: bare <LF> received\n"
                                           "! closing\n");
    run_with(set_521, HELLO "C| NOOP\\n\n"
                            "S: 521 5.5.2 Error: bare <LF> received\n"
                            "! closing\n");
}

static void set_lf_ends(struct rig *r)
{
    r->cfg.bare_lf = SMTP_BARE_LF_ENDS;
    r->cfg.offers_starttls = false;
    r->cfg.mechanisms = NULL;
    r->cfg.hidden = ~0U;
}

#define LF_DATA                                                                                    \
    "S: 220 mx.example ESMTP\n"                                                                    \
    "C| EHLO me\\n\n"                                                                              \
    "S: 250 mx.example\n"                                                                          \
    "C| MAIL FROM:<a@b.example>\\n\n"                                                              \
    "= mail <a@b.example> size=0 body=0 utf8=0 ret=0 envid=-\n"                                    \
    "S: 250 2.1.0 Ok\n"                                                                            \
    "C| RCPT TO:<c@d.example>\\n\n"                                                                \
    "= rcpt <c@d.example> notify=0 orcpt=-\n"                                                      \
    "S: 250 2.1.5 Ok\n"                                                                            \
    "C| DATA\\n\n"                                                                                 \
    "= begin 1\n"                                                                                  \
    "S: 354 End data with <CR><LF>.<CR><LF>\n"

static void a_client_that_knows_lf_only_ends_with_it(void **state)
{
    (void)state;
    run_with(set_lf_ends, LF_DATA "C| x\\n..\\ny\\n.\\n\n"
                                  "= end \"x\\r\\n.\\r\\ny\\r\\n\" dot lf\n"
                                  "S: 250*\n"
                                  "C| QUIT\\n\n"
                                  "S: 221*\n");
    run_with(set_lf_ends, LF_DATA "C| .\\n\n"
                                  "= end \"\"\n"
                                  "S: 250*\n");
}

/* One CRLF, in the commands or in the content, and LF is no end any more. */
static void one_that_knows_crlf_does_not(void **state)
{
    (void)state;
    run_with(set_lf_ends, LF_DATA "C| x\\r\\n\\n.\\nMAIL FROM:<evil@b>\\r\\n.\\r\\n\n"
                                  "= end \"x\\r\\n\\r\\n\\r\\nMAIL FROM:<evil@b>\\r\\n\" lf\n"
                                  "S: 250*\n");
    run_with(set_lf_ends, "S: 220 mx.example ESMTP\n"
                          "C: EHLO me\n"
                          "S: 250 mx.example\n" MAIL RCPT DATA
                          "C| x\\n.\\nMAIL FROM:<evil@b>\\n.\\r\\n\\r\\n.\\r\\n\n"
                          "= end \"x\\r\\n\\r\\nMAIL FROM:<evil@b>\\r\\n\\r\\n\\r\\n\" lf\n"
                          "S: 250*\n");
}

/* ---- what may be switched off ------------------------------------------------------------------ */

static char gimme[] = "GIMME", xyzzy[] = "XYZZY";
static char *const forbidden[] = { gimme, xyzzy };

static void set_bare(struct rig *r)
{
    r->cfg.hidden = SMTP_EXT_CHUNKING | SMTP_EXT_STARTTLS | SMTP_EXT_AUTH | SMTP_EXT_DSN;
    r->cfg.has_no_vrfy = true;
    r->cfg.needs_no_hello = true;
    r->cfg.is_strict = true;
    r->cfg.forbidden = forbidden;
    r->cfg.n_forbidden = ARRAY_LEN(forbidden);
}

static void what_is_switched_off_is_neither_named_nor_taken(void **state)
{
    (void)state;
    run_with(set_bare, "S: 220 mx.example ESMTP\n" MAIL "C: RSET\n"
                       "= reset\n"
                       "S: 250*\n"
                       "C: RCPT TO:<a@b>\n"
                       "S: 503 5.5.1 Error: need MAIL command\n"
                       "C: EHLO me\n"
                       "S: 250-mx.example\n"
                       "S: 250-PIPELINING\n"
                       "S: 250-SIZE 10240000\n"
                       "S: 250-ENHANCEDSTATUSCODES\n"
                       "S: 250-8BITMIME\n"
                       "S: 250 SMTPUTF8\n"
                       "C: VRFY me\n"
                       "S: 502 5.5.1 VRFY command is disabled\n"
                       "C: STARTTLS\n"
                       "S: 502 5.5.1 Error: command not implemented\n"
                       "C: AUTH PLAIN\n"
                       "S: 503 5.5.1 Error: authentication not enabled\n"
                       "C: MAIL FROM:a@b.example\n"
                       "S: 501 5.1.7 Bad sender address syntax\n" MAIL "C: RCPT TO:c@d.example\n"
                       "S: 501 5.1.3 Bad recipient address syntax\n" RCPT
                       "C| BDAT 6 LAST\\r\\nQUIT\\r\\nNOOP\\r\\n\n"
                       "= reset\n"
                       "S: 502 5.5.1 Error: command not implemented\n"
                       "S: 250 2.0.0 Ok\n"
                       "C: xyzzy\n"
                       "S: 221 2.7.0 Error: this is a mail server. Goodbye.\n"
                       "! closing\n");
}

/* ---- limits ---------------------------------------------------------------------------------- */

static void set_small(struct rig *r)
{
    r->cfg.limits.message_size = 20;
    r->cfg.limits.recipients = 2;
    r->cfg.limits.line_length = 64;
    r->cfg.limits.soft_errors = 2;
    r->cfg.limits.hard_errors = 4;
    r->cfg.limits.junk_commands = 3;
    r->cfg.mechanisms = NULL;
    r->cfg.offers_starttls = false;
}

#define SMALL                                                                                      \
    "S: 220*\n"                                                                                    \
    "C: HELO x\n"                                                                                  \
    "S: 250*\n"

static void a_message_too_large_is_refused_at_its_end_and_not_kept(void **state)
{
    (void)state;
    run_with(set_small, SMALL MAIL RCPT DATA "C: 0123456789abcdef\n"
                                             "C: more\n"
                                             "= reset\n"
                                             "C: more\n"
                                             "C: .\n"
                                             "S: 552 5.3.4 Error: message file too big\n" MAIL);
    run_with(set_small, SMALL MAIL RCPT DATA "C: 0123456789abcdef12\n"
                                             "C: .\n"
                                             "= end \"0123456789abcdef12\\r\\n\"\n"
                                             "S: 250*\n");
}

static void too_many_recipients_are_told_to_come_again(void **state)
{
    (void)state;
    run_with(set_small, SMALL MAIL RCPT RCPT "C: RCPT TO:<e@f.example>\n"
                                             "S: 452 4.5.3 Error: too many recipients\n"
                                             "C: DATA\n"
                                             "= begin 2\n"
                                             "S: 354*\n"
                                             "C: .\n"
                                             "= end \"\"\n"
                                             "S: 250*\n");
}

static void run_with_long_line(void (*set_up)(struct rig *r), const char *before, size_t len,
                               const char *after)
{
    struct buf script;

    buf_init(&script, BUF_NO_MAX);
    buf_adds(&script, before);
    while (len--)
        buf_addc(&script, 'A');
    buf_adds(&script, after);
    run_with(set_up, buf_cstr(&script));
    buf_fini(&script);
}

static void a_line_too_long_is_passed_over(void **state)
{
    (void)state;
    run_with_long_line(set_small, SMALL "C: NOOP ", 500,
                       "\nS: 500 5.5.2 mx.example Error: command too long\nC: NOOP\nS: 250*\n");
    run_with_long_line(set_small, SMALL "C: NOOP ", 64 - 7, "\nS: 250*\n");
}

static void an_endless_line_is_the_end(void **state)
{
    struct rig r;
    char junk[4096];
    (void)state;

    memset(junk, 'x', sizeof junk);
    rig_init(&r);
    r.s = smtp_server_new(&r.cfg, &ops, &r);
    take(&r, &r.t.said);
    for (int i = 0; i < 100 && !smtp_server_is_closing(r.s); i++) {
        smtp_server_input(r.s, span_of(junk, sizeof junk));
        take(&r, &r.t.said);
    }
    assert_true(smtp_server_is_closing(r.s));
    smtp_server_free(r.s);
    transcript_fini(&r.t);
    buf_fini(&r.content);
}

static void errors_slow_a_client_down_and_then_end_it(void **state)
{
    (void)state;
    run_with(set_small, SMALL "C: A\n"
                              "S: 500*\n"
                              "C: B\n"
                              "S: 500*\n"
                              "C: C\n"
                              "S: 500*\n"
                              "= slow down 3\n"
                              "C: D\n"
                              "S: 500*\n"
                              "= slow down 4\n"
                              "C: NOOP\n"
                              "S: 421 4.7.0 mx.example Error: too many errors\n"
                              "= slow down 5\n"
                              "! closing\n");
    run_with(set_small, SMALL "C: NOOP\n"
                              "S: 250*\n"
                              "C: NOOP\n"
                              "S: 250*\n"
                              "C: RSET\n"
                              "S: 250*\n"
                              "C: NOOP\n"
                              "S: 250*\n"
                              "C: NOOP\n"
                              "S: 250*\n"
                              "C: NOOP\n"
                              "S: 421 4.7.0*\n"
                              "= slow down 5\n"
                              "! closing\n");
}

static void a_client_that_does_not_read_is_not_listened_to(void **state)
{
    struct rig r;
    struct buf noops;
    (void)state;

    rig_init(&r);
    r.cfg.limits.junk_commands = 1000000;
    r.cfg.may_talk_early = true;
    buf_init(&noops, BUF_NO_MAX);
    for (int i = 0; i < 10000; i++)
        buf_adds(&noops, "NOOP\r\n");
    r.s = smtp_server_new(&r.cfg, &ops, &r);
    smtp_server_input(r.s, buf_span(&noops));
    assert_true(smtp_server_output(r.s).len < 20000);
    assert_false(smtp_server_wants_input(r.s));
    take(&r, &r.t.said);
    assert_true(smtp_server_wants_input(r.s));
    assert_int_equal(r.t.said.len, strlen("220 mx.example ESMTP\r\n") + 10000 * 14);
    smtp_server_free(r.s);
    buf_fini(&noops);
    transcript_fini(&r.t);
    buf_fini(&r.content);
}

/* ---- BDAT, LMTP ------------------------------------------------------------------------------ */

static void chunks_make_a_message(void **state)
{
    (void)state;
    run(HELLO MAIL RCPT "C| BDAT 5\\r\\na.\\r\\n.\n"
                        "= begin 1\n"
                        "S: 250 2.0.0 Ok: 5 bytes\n"
                        "C: DATA\n"
                        "S: 503 5.5.1 Error: only BDAT or RSET may follow BDAT\n"
                        "C| BDAT 6 LAST\\r\\n\\r\\n.\\r\\nx\n"
                        "= end \"a.\\r\\n.\\r\\n.\\r\\nx\\r\\n\" dot\n"
                        "S: 250 2.0.0 Ok: queued as X\n" MAIL RCPT "C: BDAT 0 LAST\n"
                        "= begin 1\n"
                        "= end \"\"\n"
                        "S: 250 2.0.0 Ok: queued as X\n" MAIL RCPT "C| BDAT 3\\r\\na\\r\\n\n"
                        "= begin 1\n"
                        "S: 250 2.0.0 Ok: 3 bytes\n"
                        "C: RSET\n"
                        "= reset\n"
                        "S: 250 2.0.0 Ok\n");
}

static void a_chunk_that_is_not_wanted_is_passed_over(void **state)
{
    (void)state;
    run(HELLO "C| BDAT 6 LAST\\r\\nNOOP\\r\\n\n"
              "S: 503 5.5.1 Error: need RCPT command\n" MAIL "C: RCPT TO:<no@d>\n"
              "= rcpt*\n"
              "S: 550 5.7.1 no\n"
              "C| BDAT 6 LAST\\r\\nNOOP\\r\\n\n"
              "S: 554 5.5.1 Error: no valid recipients\n"
              "C: NOOP\n"
              "S: 250 2.0.0 Ok\n"
              "C: RSET\n"
              "= reset\n"
              "S: 250 2.0.0 Ok\n");
    run_pieces(set_small, SMALL MAIL RCPT "C| BDAT 21\\r\\n012345678901234567890\n"
                                          "= reset\n"
                                          "S: 552 5.3.4 Chunk exceeds message size limit\n"
                                          "C| BDAT 2 LAST\\r\\n01\n"
                                          "S: 503 5.5.1 Error: need RCPT command\n" MAIL);
}

static void set_full(struct rig *r)
{
    r->refuses_content = true;
}

static void a_full_disk_is_told_before_the_content(void **state)
{
    (void)state;
    run_with(set_full, HELLO MAIL RCPT "C: DATA\n"
                                       "= begin 1\n"
                                       "S: 452 4.3.1 disk full\n"
                                       "C| BDAT 6\\r\\nNOOP\\r\\n\n"
                                       "= begin 1\n"
                                       "= reset\n"
                                       "S: 452 4.3.1 disk full\n"
                                       "C| BDAT 6 LAST\\r\\nNOOP\\r\\n\n"
                                       "S: 503 5.5.1 Error: need RCPT command\n" MAIL);
}

static void a_bad_count_is_the_end(void **state)
{
    static const char *const bad[] = { "BDAT", "BDAT x", "BDAT -1", "BDAT 5 FIRST", "BDAT 5 LAST 6",
                                       "BDAT 99999999999999999999" };
    char script[1000];
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        snprintf(script, sizeof script,
                 HELLO MAIL RCPT "C: %s\n= reset\nS: 521 5.5.4 Syntax: BDAT count [LAST]\n! closing\n",
                 bad[i]);
        run(script);
    }
}

static void set_lmtp(struct rig *r)
{
    r->cfg.is_lmtp = true;
    r->cfg.mechanisms = NULL;
    r->cfg.offers_starttls = false;
    r->waits_at_end = true;
}

#define LHLO                                                                                       \
    "S: 220 mx.example LMTP\n"                                                                     \
    "C: LHLO me\n"                                                                                 \
    "S: 250-mx.example\n"                                                                          \
    "S: 250-PIPELINING\n"                                                                          \
    "S: 250-SIZE 10240000\n"                                                                       \
    "S: 250-VRFY\n"                                                                       \
    "S: 250-ENHANCEDSTATUSCODES\n"                                                                 \
    "S: 250-8BITMIME\n"                                                                            \
    "S: 250-DSN\n"                                                                                 \
    "S: 250-SMTPUTF8\n"                                                                            \
    "S: 250 CHUNKING\n"

static void lmtp_answers_for_each_recipient(void **state)
{
    (void)state;
    run_with(set_lmtp, LHLO "C: EHLO x\n"
                            "S: 500 5.5.1 Error: this is LMTP: send LHLO\n" MAIL RCPT
                            "C: RCPT TO:<no@d>\n"
                            "= rcpt*\n"
                            "S: 550 5.7.1 no\n" RCPT "C: DATA\n"
                            "= begin 2\n"
                            "S: 354*\n"
                            "C: .\n"
                            "= end \"\"\n"
                            "! refuse 2nd\n"
                            "S: 250 2.0.0 saved\n"
                            "S: 552 5.2.2 full\n" MAIL "C: DATA\n"
                            "S: 503 5.5.1 Error: no valid recipients\n");
}

static void set_lmtp_small(struct rig *r)
{
    set_small(r);
    r->cfg.is_lmtp = true;
    r->cfg.limits.line_length = 2048;
}

static void lmtp_says_too_large_for_each_recipient(void **state)
{
    static const char hello[] = "S: 220*\nC: LHLO me\nS: 250-m*\nS: 250-P*\nS: 250-SIZE 20\nS: 250-V*\nS: 250-E*\n"
                                "S: 250-8*\nS: 250-D*\nS: 250-S*\nS: 250 C*\n" MAIL RCPT RCPT;
    char script[2000];
    (void)state;

    snprintf(script, sizeof script,
             "%sC: DATA\n= begin 2\nS: 354*\nC: 0123456789\nC: 0123456789\n= reset\nC: .\n"
             "S: 552 5.3.4 Error: message file too big\nS: 552 5.3.4 Error: message file too big\n",
             hello);
    run_with(set_lmtp_small, script);
    snprintf(script, sizeof script,
             "%sC| BDAT 21 LAST\\r\\n012345678901234567890\n= reset\n"
             "S: 552 5.3.4 Chunk exceeds*\nS: 552 5.3.4 Chunk exceeds*\nC: NOOP\nS: 250*\n",
             hello);
    run_with(set_lmtp_small, script);
}

static void a_flood_of_odd_bytes_is_read_in_linear_time(void **state)
{
    struct rig r;
    struct buf flood;
    (void)state;

    /* 1 MiB of each: with a search for the far LF at every byte this would take minutes */
    rig_init(&r);
    r.cfg.may_talk_early = true;
    buf_init(&flood, BUF_NO_MAX);
    r.s = smtp_server_new(&r.cfg, &ops, &r);
    smtp_server_input(r.s, SPAN("HELO x\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\n"));
    for (int kind = 0; kind < 3; kind++) {
        for (int i = 0; i < 1 << 20; i++)
            buf_addc(&flood, kind == 0 ? '\r' : kind == 1 ? '\0' : i & 1 ? '\r' : '\0');
        smtp_server_input(r.s, buf_span(&flood));
        buf_clear(&flood);
    }
    assert_int_equal(r.content.len, (3 << 20) - 1); /* the last CR may still find its LF */
    smtp_server_free(r.s);
    buf_fini(&flood);
    transcript_fini(&r.t);
    buf_fini(&r.content);
}

static void set_lmtp_full(struct rig *r)
{
    set_lmtp(r);
    r->refuses_content = true;
}

static void lmtp_refuses_the_last_chunk_for_each_recipient(void **state)
{
    (void)state;
    run_with(set_lmtp_full, LHLO MAIL RCPT RCPT "C| BDAT 6 LAST\\r\\nNOOP\\r\\n\n"
                                                "= begin 2\n"
                                                "= reset\n"
                                                "S: 452 4.3.1 disk full\n"
                                                "S: 452 4.3.1 disk full\n"
                                                "C: NOOP\n"
                                                "S: 250 2.0.0 Ok\n");
}

/* ---- TLS, AUTH ------------------------------------------------------------------------------- */

static void tls_forgets_what_came_before_it(void **state)
{
    (void)state;
    run(HELLO "C: STARTTLS\n"
              "S: 220 2.0.0 Ready to start TLS\n"
              "= start_tls\n"
              "! wants nothing\n"
              "! tls\n"
              "C: MAIL FROM:<a@b.example>\n"
              "S: 503 5.5.1 Error: send HELO/EHLO first\n"
              "C: EHLO me\n"
              "S: 250-mx.example\n"
              "S: 250-PIPELINING\n"
              "S: 250-SIZE 10240000\n"
              "S: 250-VRFY\n"
              "S: 250-AUTH PLAIN LOGIN\n"
              "S: 250-ENHANCEDSTATUSCODES\n"
              "S: 250-8BITMIME\n"
              "S: 250-DSN\n"
              "S: 250-SMTPUTF8\n"
              "S: 250 CHUNKING\n"
              "C: STARTTLS\n"
              "S: 554 5.5.1 Error: TLS already active\n");
}

static void what_came_in_the_clear_behind_starttls_is_thrown_away(void **state)
{
    (void)state;
    /* in one piece it is a breach of the protocol; in a piece of its own, before the handshake,
     * it is thrown away */
    run_pieces(NULL, HELLO "C: STARTTLS\n"
                           "S: 220 2.0.0 Ready to start TLS\n"
                           "= start_tls\n"
                           "C: MAIL FROM:<evil@b.example>\n"
                           "! tls\n"
                           "C: NOOP\n"
                           "S: 250 2.0.0 Ok\n");
    run_pieces(set_local, HELLO "C+ STARTTLS\n"
                                "C: MAIL FROM:<evil@b.example>\n"
                                "S: 220 2.0.0 Ready to start TLS\n"
                                "= start_tls\n"
                                "! tls\n"
                                "C: NOOP\n"
                                "S: 250 2.0.0 Ok\n");
}

static void set_requires(struct rig *r)
{
    r->cfg.requires_tls = true;
    r->cfg.requires_auth = true;
}

static void tls_and_a_login_may_be_required(void **state)
{
    (void)state;
    run_with(set_requires,
             "S: 220*\n"
             "C: EHLO me\n"
             "S: 250-mx.example\n"
             "S: 250-PIPELINING\n"
             "S: 250-SIZE 10240000\n"
             "S: 250-VRFY\n"
             "S: 250-STARTTLS\n"
             "S: 250-ENHANCEDSTATUSCODES\n"
             "S: 250-8BITMIME\n"
             "S: 250-DSN\n"
             "S: 250-SMTPUTF8\n"
             "S: 250 CHUNKING\n"
             "C: AUTH PLAIN Z29vZA==\n"
             "S: 530 5.7.0 Must issue a STARTTLS command first\n"
             "C: MAIL FROM:<a@b>\n"
             "S: 530 5.7.0 Must issue a STARTTLS command first\n"
             "C| BDAT 3 LAST\\r\\na\\r\\n\n"
             "S: 530 5.7.0 Must issue a STARTTLS command first\n"
             "C: NOOP\n"
             "S: 250 2.0.0 Ok\n"
             "C: STARTTLS\n"
             "S: 220*\n"
             "= start_tls\n"
             "! tls\n"
             "C: EHLO me\n"
             "S: 250-mx*\nS: 250-P*\nS: 250-S*\nS: 250-V*\nS: 250-AUTH PLAIN LOGIN\nS: 250-E*\nS: 250-8*\nS: "
             "250-D*\nS: 250-S*\nS: 250 C*\n"
             "C: MAIL FROM:<a@b.example>\n"
             "S: 530 5.7.0 Authentication required\n"
             "C: AUTH PLAIN Z29vZA==\n"
             "= auth PLAIN initial=Z29vZA==\n"
             "S: 235 2.7.0 Authentication successful\n"
             "C: AUTH PLAIN Z29vZA==\n"
             "S: 503 5.5.1 Error: already authenticated\n" MAIL);
}

#define EHLO_WITHOUT "C: EHLO me\nS: 250-mx*\nS: 250-P*\nS: 250-S*\nS: 250-V*\nS: 250-E*\nS: 250-8*\nS: 250-D*\nS: 250-S*\nS: 250 C*\n"
#define EHLO_WITH    "C: EHLO me\nS: 250-mx*\nS: 250-P*\nS: 250-S*\nS: 250-V*\n"
#define EHLO_REST    "S: 250-E*\nS: 250-8*\nS: 250-D*\nS: 250-S*\nS: 250 C*\n"

static void set_submission(struct rig *r)
{
    r->cfg.requires_auth = true;
    r->cfg.says_auth_twice = true;
    r->cfg.offers_starttls = false;
}

static void what_auth_has_may_change_from_ehlo_to_ehlo(void **state)
{
    (void)state;
    run_with(set_submission,
             "S: 220*\n"
             "! auth later\n" EHLO_WITHOUT
             "C: AUTH PLAIN Z29vZA==\n"
             "S: 454 4.7.0 Temporary authentication failure\n"
             "C: MAIL FROM:<a@b.example>\n"
             "S: 454 4.7.0 Temporary authentication failure\n"
             "! auth after tls\n" EHLO_WITHOUT
             "C: AUTH PLAIN Z29vZA==\n"
             "S: 504 5.5.4 Encryption required for requested authentication mechanism\n"
             "C: MAIL FROM:<a@b.example>\n"
             "S: 530 5.7.0 Authentication required\n"
             "! auth no\n" EHLO_WITHOUT
             "C: AUTH PLAIN Z29vZA==\n"
             "S: 503 5.5.1 Error: authentication not enabled\n"
             "! auth login\n" EHLO_WITH
             "S: 250-AUTH LOGIN\n"
             "S: 250-AUTH=LOGIN\n" EHLO_REST
             "C: AUTH PLAIN Z29vZA==\n"
             "S: 504 5.5.4 Unrecognized authentication type\n"
             "C: AUTH LOGIN\n"
             "= auth LOGIN none\n"
             "S: 334*\n"
             "C: *\n"
             "= auth aborted\n"
             "S: 501 5.7.0 Authentication aborted\n");
}

static void set_no_auth(struct rig *r)
{
    r->cfg.mechanisms = NULL;
}

static void auth_of_mail_is_known_where_there_is_auth(void **state)
{
    (void)state;
    run_with(set_no_auth, "S: 220*\n"
                          "C: EHLO me\nS: 250-mx*\nS: 250-P*\nS: 250-S*\nS: 250-V*\nS: 250-STARTTLS\n" EHLO_REST
                          "C: MAIL FROM:<a@b.example> AUTH=<>\n"
                          "S: 555 5.5.4 Unsupported option: AUTH=<>\n");
}

static void auth_is_a_dialogue(void **state)
{
    (void)state;
    run(HELLO "C: AUTH login\n"
              "= auth LOGIN none\n"
              "S: 334 VXNlcm5hbWU6\n"
              "C: am9l\n"
              "= response am9l\n"
              "S: 334 UGFzc3dvcmQ6\n"
              "C: c2VjcmV0\n"
              "= response c2VjcmV0\n"
              "S: 235 2.7.0 Authentication successful\n");
    run(HELLO "C: AUTH LOGIN\n"
              "= auth LOGIN none\n"
              "S: 334 VXNlcm5hbWU6\n"
              "C: *\n"
              "= auth aborted\n"
              "S: 501 5.7.0 Authentication aborted\n"
              "C: AUTH LOGIN\n"
              "= auth LOGIN none\n"
              "S: 334*\n"
              "C: a\tb\n"
              "= auth aborted\n"
              "S: 501 5.5.2 Error: invalid base64\n"
              "C: AUTH PLAIN =\n"
              "= auth PLAIN initial=\n"
              "S: 535 5.7.8 Error: authentication failed\n"
              "C: AUTH PLAIN x\n"
              "S: 501 5.5.2 Error: invalid base64\n"
              "C: AUTH CRAM-MD5\n"
              "S: 504 5.5.4 Unrecognized authentication type\n"
              "C: AUTH\n"
              "S: 501 5.5.4 Syntax: AUTH mechanism\n");
    run(HELLO "C: AUTH LOGIN\n"
              "= auth LOGIN none\n"
              "S: 334*\n"
              "! gone\n"
              "= auth aborted\n");
}

static void a_login_too_long_is_refused(void **state)
{
    (void)state;
    run_with_long_line(
        NULL, HELLO "C: AUTH LOGIN\n= auth LOGIN none\nS: 334*\nC: ", 12290,
        "\n= auth aborted\nS: 500 5.5.6 Error: SASL response limit exceeded\n" MAIL);
    run_with_long_line(NULL, HELLO "C: AUTH PLAIN ", 12000, "\n= auth*\nS: 535*\n");
}

/* ---- the end --------------------------------------------------------------------------------- */

static void a_timeout_is_told_wherever_the_conversation_stands(void **state)
{
    (void)state;
    run(HELLO MAIL RCPT DATA "C: x\n"
                             "! timeout\n"
                             "= reset\n"
                             "S: 421 4.4.2 mx.example Error: timeout exceeded\n"
                             "! closing\n");
    run("! timeout\n"
        "S: 421 4.4.2 mx.example Error: timeout exceeded\n"
        "! closing\n");
    run("! pause\n"
        "! timeout\n"
        "S: 421 4.4.2 mx.example Error: timeout exceeded\n"
        "! closing\n");
}

static void answer_421_closes(void **state)
{
    (void)state;
    run(HELLO "C: MAIL FROM:<421@b>\n"
              "= mail*\n"
              "S: 421 4.3.2 not now\n"
              "! closing\n");
}

static void set_frees(struct rig *r)
{
    r->frees_at_rcpt = true;
}

static void a_caller_may_free_it_from_within(void **state)
{
    (void)state;
    run_with(set_frees, HELLO MAIL "C: RCPT TO:<c@d>\n"
                                   "= rcpt*\n"
                                   "= reset\n");
}

static void while_paused_nothing_moves(void **state)
{
    (void)state;
    run_pieces(NULL, HELLO "! pause\n"
                           "C: NOOP\n"
                           "! wants nothing\n"
                           "! resume\n"
                           "S: 250 2.0.0 Ok\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_message_goes_through),
        cmocka_unit_test(helo_is_answered_without_extensions),
        cmocka_unit_test(commands_out_of_place_are_refused),
        cmocka_unit_test(bad_addresses_and_parameters_are_named),
        cmocka_unit_test(bad_recipients_are_named),
        cmocka_unit_test(all_parameters_reach_the_envelope),
        cmocka_unit_test(an_answer_may_come_later_and_commands_wait_for_it),
        cmocka_unit_test(a_commit_may_be_waited_for),
        cmocka_unit_test(pipelined_commands_are_answered_in_one_go),
        cmocka_unit_test(speaking_before_the_reply_is_the_end),
        cmocka_unit_test(an_early_talker_gets_no_banner),
        cmocka_unit_test(a_local_program_may_send_all_at_once),
        cmocka_unit_test(other_protocols_are_shown_the_door),
        cmocka_unit_test(only_crlf_dot_crlf_ends_a_message),
        cmocka_unit_test(bare_lf_may_be_refused),
        cmocka_unit_test(bare_lf_may_end_the_connection),
        cmocka_unit_test(a_client_that_knows_lf_only_ends_with_it),
        cmocka_unit_test(one_that_knows_crlf_does_not),
        cmocka_unit_test(what_is_switched_off_is_neither_named_nor_taken),
        cmocka_unit_test(a_message_too_large_is_refused_at_its_end_and_not_kept),
        cmocka_unit_test(too_many_recipients_are_told_to_come_again),
        cmocka_unit_test(a_line_too_long_is_passed_over),
        cmocka_unit_test(an_endless_line_is_the_end),
        cmocka_unit_test(errors_slow_a_client_down_and_then_end_it),
        cmocka_unit_test(a_client_that_does_not_read_is_not_listened_to),
        cmocka_unit_test(chunks_make_a_message),
        cmocka_unit_test(a_chunk_that_is_not_wanted_is_passed_over),
        cmocka_unit_test(a_full_disk_is_told_before_the_content),
        cmocka_unit_test(a_bad_count_is_the_end),
        cmocka_unit_test(lmtp_answers_for_each_recipient),
        cmocka_unit_test(lmtp_says_too_large_for_each_recipient),
        cmocka_unit_test(a_flood_of_odd_bytes_is_read_in_linear_time),
        cmocka_unit_test(lmtp_refuses_the_last_chunk_for_each_recipient),
        cmocka_unit_test(tls_forgets_what_came_before_it),
        cmocka_unit_test(what_came_in_the_clear_behind_starttls_is_thrown_away),
        cmocka_unit_test(tls_and_a_login_may_be_required),
        cmocka_unit_test(what_auth_has_may_change_from_ehlo_to_ehlo),
        cmocka_unit_test(auth_of_mail_is_known_where_there_is_auth),
        cmocka_unit_test(auth_is_a_dialogue),
        cmocka_unit_test(a_login_too_long_is_refused),
        cmocka_unit_test(a_timeout_is_told_wherever_the_conversation_stands),
        cmocka_unit_test(answer_421_closes),
        cmocka_unit_test(a_caller_may_free_it_from_within),
        cmocka_unit_test(while_paused_nothing_moves),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
