/* SPDX-License-Identifier: Apache-2.0
 *
 * The engine of the relay's client (smtp/client.h), with a socket that may be waited for. */
#include "server/submit.h"

#include "base/log.h"
#include "base/mem.h"
#include "server/copy.h"
#include "smtp/client.h"

#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { TIMEOUT_MS = 300000 };

struct submission {
    const struct envelope *env;
    struct smtp_message message;
    struct copy copy;
    struct buf ready;  /* content that was not asked for yet; begins with the head */
    uint64_t ready_at; /* the offset of its beginning */
    struct smtp_client *client;
    struct outcome *out;
    struct smtp_result refusal;
    bool is_lmtp, is_refused, is_done, is_closed;
};

/* ---- what the engine asks ---- */

static long on_content(void *arg, uint64_t offset, char *to, size_t len)
{
    struct submission *s = arg;
    struct span piece;
    struct err e;
    int rc = 1;

    if (offset < s->ready_at)
        return -1;
    buf_drop(&s->ready, (size_t)(offset - s->ready_at));
    s->ready_at = offset;
    while (!s->ready.len && (rc = copy_next(&s->copy, &piece, &e)) > 0)
        buf_addspan(&s->ready, piece);
    if (rc < 0)
        return -1;
    len = len < s->ready.len ? len : s->ready.len;
    memcpy(to, s->ready.at, len);
    return (long)len;
}

static void on_ready(void *arg)
{
    struct submission *s = arg;

    if (s->is_done)
        smtp_client_quit(s->client);
    else
        smtp_client_send(s->client, &s->message);
}

static void on_rcpt(void *arg, size_t index, const struct smtp_result *result)
{
    struct submission *s = arg;
    const char *as = strstr(result->reply.text, "queued as ");

    (void)index;
    if (smtp_reply_class(&result->reply) != 2) {
        s->is_refused = true;
        if (smtp_reply_class(&result->reply) != 5 || !s->refusal.reply.code)
            s->refusal = *result;
    } else if (s->is_lmtp) {
        outcome_set(s->out, "2.0.0", "delivered by LMTP: %s", result->reply.text);
    } else if (as) {
        outcome_set(s->out, "2.0.0", "forwarded as %s", as + strlen("queued as "));
    } else {
        outcome_set(s->out, "2.0.0", "forwarded");
    }
}

static void on_done(void *arg)
{
    struct submission *s = arg;
    s->is_done = true;
}

static void on_closed(void *arg, const struct smtp_result *why)
{
    struct submission *s = arg;

    s->is_closed = true;
    if (why && !s->is_done) {
        s->is_refused = true;
        s->refusal = *why;
    }
}

static const struct smtp_client_ops ops = { .ready = on_ready, .content = on_content, .rcpt = on_rcpt, .done = on_done, .closed = on_closed };

/* ---- the socket ---- */

static int dial_host(const struct relayhost *hop, struct err *e)
{
    const struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG };
    struct addrinfo *list = NULL;
    char port[8];
    int fd = -1;

    snprintf(port, sizeof port, "%u", hop->port);
    int rc = getaddrinfo(hop->host, port, &hints, &list);
    if (rc != 0)
        return err_set(e, ERR_TEMPORARY, "look up %s: %s", hop->host, gai_strerror(rc));
    err_set(e, ERR_TEMPORARY, "%s has no address", hop->host);
    for (struct addrinfo *a = list; a && fd < 0; a = a->ai_next) {
        fd = socket(a->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (fd < 0 || connect(fd, a->ai_addr, a->ai_addrlen) == 0)
            continue;
        err_sys(e, "connect to %s:%s", hop->host, port);
        close(fd);
        fd = -1;
    }
    freeaddrinfo(list);
    return fd;
}

static int dial_path(const char *path, struct err *e)
{
    struct sockaddr_un at = { .sun_family = AF_UNIX };

    if (strlen(path) >= sizeof at.sun_path)
        return err_set(e, ERR_CONFIG, "%s: a socket's path is too long", path);
    memcpy(at.sun_path, path, strlen(path));
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (const struct sockaddr *)&at, sizeof at) < 0) {
        err_sys(e, "connect to %s", path);
        if (fd >= 0)
            close(fd);
        return -1;
    }
    return fd;
}

static bool send_all(int fd, struct submission *s)
{
    struct span out;

    while ((out = smtp_client_output(s->client)).len) {
        ssize_t n = send(fd, out.at, out.len, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return false;
        smtp_client_sent(s->client, (size_t)n);
    }
    return true;
}

static void converse(int fd, struct submission *s)
{
    struct pollfd wait = { .fd = fd, .events = POLLIN };
    char in[8192];

    while (!s->is_closed && !s->is_done) {
        if (!send_all(fd, s)) {
            smtp_client_lost(s->client, "lost connection");
            return;
        }
        if (s->is_closed || s->is_done)
            return;
        int n = poll(&wait, 1, TIMEOUT_MS);
        if (n < 0 && errno == EINTR)
            continue;
        ssize_t got = n > 0 ? read(fd, in, sizeof in) : 0;
        if (got > 0)
            smtp_client_input(s->client, span_of(in, (size_t)got));
        else
            smtp_client_lost(s->client, n == 0 ? "conversation timed out" : "lost connection");
    }
}

/* ---- the message ---- */

static void add_head(struct submission *s, struct span head)
{
    while (head.len) {
        size_t end = span_find(head, '\n');
        buf_add(&s->ready, head.at, end);
        buf_adds(&s->ready, "\r\n");
        head = span_from(head, end + 1);
    }
}

/* What it will be when it is sent: the engine has to know before. */
static int measure(const struct content *c, struct smtp_message *m, struct err *e)
{
    struct copy copy;
    struct span piece;
    bool at_start = true;
    int rc;

    copy_init(&copy, c, COPY_CRLF);
    while ((rc = copy_next(&copy, &piece, e)) > 0)
        for (size_t i = 0; i < piece.len; i++) {
            m->has_dot_line |= at_start && piece.at[i] == '.';
            m->is_8bit |= (unsigned char)piece.at[i] >= 0x80;
            at_start = piece.at[i] == '\n';
            m->size_bytes++;
        }
    copy_fini(&copy);
    return rc;
}

static void say_refusal(const struct submission *s, struct outcome *out)
{
    char dsn[12];
    const struct smtp_reply *r = &s->refusal.reply;

    outcome_set(out, smtp_reply_dsn(r, dsn), s->is_lmtp ? "mailbox_transport said: %s" : "mail could not be forwarded: %s", r->text);
    out->kind = smtp_reply_class(r) == 5 ? OUTCOME_BOUNCED : OUTCOME_DEFERRED;
    out->dsn[0] = smtp_reply_class(r) == 5 ? '5' : '4';
}

static void submit(const struct relayhost *hop, const struct smtp_client_config *cfg, const struct envelope *env, struct span head,
                   const struct content *c, struct outcome *out)
{
    struct submission s = { .env = env, .out = out, .is_lmtp = cfg->is_lmtp, .message = { .env = env, .n_rcpts = env->n_rcpts } };
    const struct rcpt **rcpts = xcalloc(env->n_rcpts, sizeof *rcpts);
    struct err e;

    buf_init(&s.ready, BUF_NO_MAX);
    add_head(&s, head);
    s.message.size_bytes = s.ready.len;
    copy_init(&s.copy, c, COPY_CRLF);
    for (size_t i = 0; i < env->n_rcpts; i++)
        rcpts[i] = &env->rcpts[i];
    s.message.rcpts = rcpts;
    outcome_set(out, "4.3.0", "mail could not be forwarded");
    int fd = measure(c, &s.message, &e) < 0 ? -1 : hop->path ? dial_path(hop->path, &e) : dial_host(hop, &e);
    if (fd < 0) {
        outcome_defer(out, "4.3.0", &e);
    } else {
        s.client = smtp_client_new(cfg, &ops, &s);
        converse(fd, &s);
        if (s.is_refused)
            say_refusal(&s, out);
        smtp_client_free(s.client);
        close(fd);
    }
    copy_fini(&s.copy);
    buf_fini(&s.ready);
    free(rcpts);
}

void submit_mail(const char *socket_path, const char *hello, const struct envelope *env, struct span head, const struct content *c,
                 struct outcome *out)
{
    const struct smtp_client_config cfg = { .helo_name = hello, .sends_8bit_anyway = true };
    const struct relayhost hop = { .path = (char *)(uintptr_t)socket_path };
    submit(&hop, &cfg, env, head, c, out);
}

void submit_lmtp(const struct relayhost *hop, bool is_service, const char *hello, const struct envelope *env, const struct content *c,
                 struct outcome *out)
{
    const struct smtp_client_config cfg = { .is_lmtp = true, .tells_origin = is_service, .helo_name = hello, .sends_8bit_anyway = true };
    submit(hop, &cfg, env, span_of(NULL, 0), c, out);
}
