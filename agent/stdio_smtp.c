/* SPDX-License-Identifier: Apache-2.0
 *
 * -bs: SMTP on stdin and stdout. When the daemon runs, bytes are passed on to its socket and back, and that is all;
 * else the same engine runs here, and puts what it takes into the drop. */
#include "agent/agent.h"

#include "agent/drop.h"
#include "agent/message.h"
#include "agent/submit.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "smtp/server.h"
#include "spool/spool.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum { LINGER_MS = 5000, GREETING_MS = 5000 };

/* ---- passing on ------------------------------------------------------------------------------------------------ */

static int write_all(int fd, struct span s)
{
    while (s.len) {
        ssize_t n = write(fd, s.at, s.len);
        if (n > 0) {
            s = span_from(s, (size_t)n);
        } else if (errno == EAGAIN) {
            struct pollfd p = { .fd = fd, .events = POLLOUT };
            poll(&p, 1, -1);
        } else if (errno != EINTR) {
            return -1;
        }
    }
    return 0;
}

/* One read from `from` to `to`. 0 at its end, -1 on trouble. */
static int pass(int from, int to)
{
    static char chunk[16 * 1024];
    ssize_t n = read(from, chunk, sizeof chunk);

    if (n < 0)
        return errno == EINTR || errno == EAGAIN ? 1 : -1;
    return n == 0 ? 0 : write_all(to, span_of(chunk, (size_t)n)) < 0 ? -1 : 1;
}

/* A daemon that hangs never greets: then we can still be one ourselves. */
static bool greets(int sock)
{
    struct pollfd p = { .fd = sock, .events = POLLIN };
    int n;

    do
        n = poll(&p, 1, GREETING_MS);
    while (n < 0 && errno == EINTR);
    return n > 0 && !(p.revents & (POLLERR | POLLHUP) && !(p.revents & POLLIN));
}

/* The caller may end its input before it has read all replies: what still comes within LINGER_MS gets out. */
static int pass_on(int sock)
{
    struct pollfd p[2] = { { .fd = sock, .events = POLLIN }, { .fd = STDIN_FILENO, .events = POLLIN } };

    for (;;) {
        int n = poll(p, 2, p[1].fd < 0 ? LINGER_MS : -1);
        if (n == 0)
            return EX_OK;
        if (n < 0 && errno != EINTR)
            return complain(EX_OSERR, "poll: %s", strerror(errno));
        if (n < 0)
            continue;
        if (p[0].revents) {
            int rc = pass(sock, STDOUT_FILENO);
            if (rc <= 0)
                return rc == 0 ? EX_OK : EX_IOERR;
        }
        if (p[1].revents && pass(STDIN_FILENO, sock) <= 0)
            p[1].fd = -1;
    }
}

/* ---- answering ourselves --------------------------------------------------------------------------------------- */

struct session {
    const struct config *cfg;
    struct smtp_server *server;
    struct envelope *env; /* borrowed from the engine while a transaction is open */
    struct message message;
    bool has_message;
    int status; /* of message_add() */
    struct err trouble;
};

static void on_mail(void *arg, struct smtp_cmd *c, struct envelope *env, uint64_t size)
{
    struct session *s = arg;

    (void)size;
    env->uid = getuid();
    env->arrival_us = clock_real_us();
    s->env = env;
    smtp_answer(c, 250, "2.1.0", "Ok");
}

static void on_rcpt(void *arg, struct smtp_cmd *c, struct envelope *env, struct rcpt *r)
{
    (void)arg;
    (void)env;
    if (r->address[0] == '-')
        smtp_answer(c, 501, "5.1.3", "an address that begins with '-' is not taken");
    else
        smtp_answer(c, 250, "2.1.5", "Ok");
}

static void forget(struct session *s)
{
    if (s->has_message)
        message_fini(&s->message);
    s->has_message = false;
}

static void on_reset(void *arg)
{
    struct session *s = arg;

    forget(s);
    s->env = NULL;
}

static void on_data_begin(void *arg, struct smtp_cmd *c, struct envelope *env)
{
    struct session *s = arg;

    (void)env;
    forget(s);
    message_init(&s->message, s->cfg, false);
    s->has_message = true;
    s->status = 0;
    smtp_answer(c, 354, NULL, "End data with <CR><LF>.<CR><LF>");
}

static bool on_data(void *arg, struct span content)
{
    struct session *s = arg;

    if (!s->status)
        s->status = message_add(&s->message, content, &s->trouble);
    return s->status == 0;
}

static int keep(struct session *s, char *id)
{
    char seed[64];
    struct fixup_facts facts = {
        .myhostname = s->cfg->myhostname,
        .myorigin = s->cfg->myorigin,
        .sender = s->env->sender,
        .id = seed,
        .now_us = clock_real_us(),
        .flags = FIXUP_ADD | FIXUP_COMPLETE | (s->env->smtputf8 ? 0 : FIXUP_ENCODE),
        .field_max = s->cfg->header_size_limit,
    };
    snprintf(seed, sizeof seed, "%llx.%lx", (unsigned long long)facts.now_us, (unsigned long)getpid());
    if (!s->status)
        s->status = message_end(&s->message, &s->trouble);
    if (!s->status)
        s->status = message_fix(&s->message, &facts, &s->trouble);
    if (s->status)
        return -1;
    s->env->smtputf8 |= s->message.fixed.needs_smtputf8;
    if (message_is_8bit(&s->message))
        s->env->body = BODY_8BITMIME;
    return drop_message(s->cfg, s->env, &s->message, id, &s->trouble);
}

static void on_data_end(void *arg, struct smtp_cmd *c, const struct smtp_data_info *info)
{
    struct session *s = arg;
    char id[SPOOL_ID_TEXT];

    (void)info;
    if (keep(s, id) == 0)
        smtp_answer(c, 250, "2.0.0", "Ok: queued as %s", id);
    else if (s->trouble.kind == ERR_PERMANENT)
        smtp_answer(c, s->status == EX_UNAVAILABLE ? 552 : 550, s->status == EX_UNAVAILABLE ? "5.3.4" : "5.6.0", "%s",
                    s->trouble.text);
    else
        smtp_answer(c, 451, "4.3.0", "%s", s->trouble.text);
    forget(s);
    s->env = NULL;
}

static const struct smtp_server_ops ops = {
    .mail = on_mail,
    .rcpt = on_rcpt,
    .data_begin = on_data_begin,
    .data = on_data,
    .data_end = on_data_end,
    .reset = on_reset,
};

/* Everything that is ready to be said. */
static int say(struct session *s)
{
    struct span out;

    while ((out = smtp_server_output(s->server)).len) {
        if (write_all(STDOUT_FILENO, out) < 0)
            return -1;
        smtp_server_sent(s->server, out.len);
    }
    return 0;
}

static int answer(const struct config *cfg)
{
    static char chunk[16 * 1024];
    struct session s = { .cfg = cfg };
    struct smtp_server_config engine = { .may_talk_early = true,
                                         .hostname = cfg->myhostname,
                                         .bare_lf = SMTP_BARE_LF_ENDS,
                                         .limits = SMTP_SERVER_LIMITS_DEFAULT };
    ssize_t n = 1;

    engine.limits.message_size = cfg->message_size_limit;
    s.server = smtp_server_new(&engine, &ops, &s);
    while (say(&s) == 0 && !smtp_server_is_closing(s.server) && n > 0) {
        n = read(STDIN_FILENO, chunk, sizeof chunk);
        if (n > 0)
            smtp_server_input(s.server, span_of(chunk, (size_t)n));
        else if (n < 0 && errno == EINTR)
            n = 1;
    }
    smtp_server_free(s.server);
    return n < 0 ? complain(EX_IOERR, "stdin: %s", strerror(errno)) : EX_OK;
}

int stdio_smtp_run(const struct options *o, const struct config *cfg)
{
    struct err e;
    int sock = submit_connect(cfg, &e);

    (void)o;
    if (sock >= 0 && greets(sock))
        return pass_on(sock);
    if (sock >= 0)
        close(sock);
    return answer(cfg);
}
