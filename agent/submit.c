/* SPDX-License-Identifier: Apache-2.0
 *
 * Two turns: EHLO, MAIL and all RCPT in one write, without waiting for the greeting (the peer is our own daemon,
 * and this saves a wake-up of each side); then, when all was taken, the content as one BDAT chunk, which needs no
 * dot-stuffing, with QUIT behind it. Both directions are watched while we write, so that many recipients cannot
 * wedge the two. */
#include "agent/submit.h"

#include "base/clock.h"
#include "base/log.h"
#include "mail/xtext.h"
#include "smtp/reply.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sysexits.h>
#include <unistd.h>

enum { PATIENCE_MS = 5000, PATIENCE_AT_END_MS = 10000 };

struct talk {
    int fd;
    struct buf in;
    struct smtp_reply_reader reader;
    bool has_chunking, has_utf8, has_dsn;
};

/* ---- the socket ------------------------------------------------------------------------------------------------ */

/* A path may be longer than sun_path: then through a handle on its folder. */
static int set_path(struct sockaddr_un *sa, const char *queue_directory, int *folder)
{
    char path[PATH_MAX];
    int n = snprintf(path, sizeof path, "%s/public/submit", queue_directory);

    *folder = -1;
    if (n >= 0 && (size_t)n < sizeof sa->sun_path) {
        memcpy(sa->sun_path, path, (size_t)n + 1);
        return 0;
    }
    if (n < 0 || (size_t)n >= sizeof path) {
        errno = ENAMETOOLONG;
        return -1;
    }
    path[strlen(path) - strlen("/submit")] = '\0';
    *folder = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    snprintf(sa->sun_path, sizeof sa->sun_path, "/proc/self/fd/%d/submit", *folder);
    return *folder < 0 ? -1 : 0;
}

int submit_connect(const struct config *cfg, struct err *e)
{
    struct sockaddr_un sa = { .sun_family = AF_UNIX };
    int64_t end = clock_mono_us() + PATIENCE_MS * 1000;
    int folder, rc, fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (fd < 0)
        return err_sys(e, "cannot make a socket");
    rc = set_path(&sa, cfg->queue_directory, &folder);
    while (rc == 0 && (rc = connect(fd, (struct sockaddr *)&sa, sizeof sa)) < 0) {
        if (errno != EINTR && (errno != EAGAIN || clock_mono_us() > end))
            break;
        if (errno == EAGAIN) /* its backlog is full: no event tells when that is over */
            poll(NULL, 0, 10);
        rc = 0;
    }
    if (rc < 0)
        err_sys(e, "batond does not answer at %s/public/submit", cfg->queue_directory);
    if (folder >= 0)
        close(folder);
    if (rc == 0)
        return fd;
    close(fd);
    return -1;
}

/* ---- waiting --------------------------------------------------------------------------------------------------- */

static int wait_for(const struct talk *t, short events, int ms, struct err *e)
{
    struct pollfd p = { .fd = t->fd, .events = events };
    int n;

    do
        n = poll(&p, 1, ms);
    while (n < 0 && errno == EINTR);
    if (n == 0)
        return err_set(e, ERR_TEMPORARY, "batond has not moved for %d s", ms / 1000);
    return n < 0 ? err_sys(e, "poll") : p.revents;
}

static int receive(struct talk *t, struct err *e)
{
    char *room = buf_room(&t->in, 4096);
    ssize_t n = room ? recv(t->fd, room, 4096, 0) : -1;

    if (!room)
        return err_set(e, ERR_TEMPORARY, "batond talks without end");
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return 0;
    if (n < 0)
        return err_sys(e, "the connection to batond");
    if (n == 0)
        return err_set(e, ERR_TEMPORARY, "batond has closed the connection");
    t->in.len += (size_t)n;
    return 0;
}

/* Sends all, and keeps what the daemon says meanwhile. */
static int send_all(struct talk *t, struct span out, struct err *e)
{
    while (out.len) {
        ssize_t n = send(t->fd, out.at, out.len, MSG_NOSIGNAL);
        if (n >= 0) {
            out = span_from(out, (size_t)n);
            continue;
        }
        if (errno == EINTR)
            continue;
        if (errno != EAGAIN)
            return err_sys(e, "the connection to batond");
        int events = wait_for(t, POLLIN | POLLOUT, PATIENCE_MS, e);
        if (events < 0 || ((events & POLLIN) && receive(t, e) < 0))
            return -1;
    }
    return 0;
}

static int send_piece(void *talk, struct span data, struct err *e)
{
    return send_all(talk, data, e);
}

static void note_extension(struct talk *t, struct span line)
{
    t->has_chunking |= span_ieq_str(line, "CHUNKING");
    t->has_utf8 |= span_ieq_str(line, "SMTPUTF8");
    t->has_dsn |= span_ieq_str(line, "DSN");
}

/* The next reply, in t->reader.reply. */
static int next_reply(struct talk *t, int ms, struct err *e)
{
    for (;;) {
        struct span in = buf_span(&t->in), line = { NULL, 0 };
        enum smtp_read what = in.len ? smtp_reply_read(&t->reader, &in, &line) : SMTP_READ_MORE;
        if (what == SMTP_READ_LINE || what == SMTP_READ_DONE)
            note_extension(t, span_trim(line));
        buf_drop(&t->in, t->in.len - in.len);
        if (what == SMTP_READ_DONE)
            return 0;
        if (what == SMTP_READ_BAD)
            return err_set(e, ERR_TEMPORARY, "batond does not speak SMTP");
        if (what == SMTP_READ_MORE && (wait_for(t, POLLIN, ms, e) < 0 || receive(t, e) < 0))
            return -1;
    }
}

/* ---- what is said ---------------------------------------------------------------------------------------------- */

static void add_mail(struct buf *out, const struct envelope *env, uint64_t size)
{
    buf_addf(out, "MAIL FROM:<%s> SIZE=%llu", env->sender, (unsigned long long)size);
    if (env->body == BODY_8BITMIME)
        buf_adds(out, " BODY=8BITMIME");
    if (env->smtputf8)
        buf_adds(out, " SMTPUTF8");
    if (env->ret)
        buf_adds(out, env->ret == RET_FULL ? " RET=FULL" : " RET=HDRS");
    if (env->envid) {
        buf_adds(out, " ENVID=");
        xtext_encode(span_str(env->envid), out);
    }
    buf_adds(out, "\r\n");
}

static void add_rcpt(struct buf *out, const struct rcpt *r)
{
    static const struct {
        unsigned bit;
        const char *name;
    } names[] = { { NOTIFY_NEVER, "NEVER" },
                  { NOTIFY_SUCCESS, "SUCCESS" },
                  { NOTIFY_FAILURE, "FAILURE" },
                  { NOTIFY_DELAY, "DELAY" } };
    const char *before = " NOTIFY=";

    buf_addf(out, "RCPT TO:<%s>", r->address);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (r->notify & names[i].bit) {
            buf_addf(out, "%s%s", before, names[i].name);
            before = ",";
        }
    buf_adds(out, "\r\n");
}

/* ---- what is answered ------------------------------------------------------------------------------------------ */

/* By the enhanced code (RFC 3463), as callers of sendmail expect it. */
static int status_of(const struct smtp_reply *r)
{
    static const struct {
        unsigned subject, detail; /* detail 0: any */
        int status;
    } table[] = {
        { 1, 1, EX_NOUSER }, { 1, 2, EX_NOHOST },      { 1, 10, EX_NOHOST }, { 1, 0, EX_DATAERR },
        { 2, 0, EX_NOUSER }, { 3, 0, EX_UNAVAILABLE }, { 6, 0, EX_DATAERR }, { 7, 0, EX_NOPERM },
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        if (r->subject == table[i].subject && (r->detail == table[i].detail || table[i].detail == 0))
            return table[i].status;
    return EX_UNAVAILABLE;
}

/* 0: go on. -1: it is decided, *out says what. */
static int judge(const struct smtp_reply *r, const char *about, struct submit_result *out)
{
    char said[SMTP_REPLY_TEXT + 40];

    if (r->code >= 200 && r->code < 300)
        return 0;
    smtp_reply_format(r, said, sizeof said);
    snprintf(out->said, sizeof out->said, "%s%s%s", about ? about : "", about ? ": " : "", said);
    out->outcome = r->code >= 500 && about ? SUBMIT_REFUSED : SUBMIT_AWAY;
    out->status = status_of(r);
    return -1;
}

static int expect(struct talk *t, int ms, const char *about, struct submit_result *r)
{
    struct err e;

    if (next_reply(t, ms, &e) < 0) {
        snprintf(r->said, sizeof r->said, "%s", e.text);
        return -1;
    }
    return judge(&t->reader.reply, about, r);
}

static bool can_all(const struct talk *t, const struct envelope *env, struct submit_result *r)
{
    bool wants_dsn = env->ret || env->envid || (env->n_rcpts && env->rcpts[0].notify);

    if (t->has_chunking && (t->has_utf8 || !env->smtputf8) && (t->has_dsn || !wants_dsn))
        return true;
    snprintf(r->said, sizeof r->said, "what listens there is no batond");
    return false;
}

/* ---- the two turns --------------------------------------------------------------------------------------------- */

static int send_envelope(struct talk *t, const struct config *cfg, const struct envelope *env, uint64_t size,
                         struct err *e)
{
    struct buf out;
    int rc;

    buf_init(&out, BUF_NO_MAX);
    buf_addf(&out, "EHLO %s\r\n", cfg->myhostname);
    add_mail(&out, env, size);
    for (size_t i = 0; i < env->n_rcpts; i++)
        add_rcpt(&out, &env->rcpts[i]);
    rc = send_all(t, buf_span(&out), e);
    buf_fini(&out);
    return rc;
}

static int read_verdicts(struct talk *t, const struct envelope *env, struct submit_result *r)
{
    char about[600];

    if (expect(t, PATIENCE_MS, NULL, r) < 0 || expect(t, PATIENCE_MS, NULL, r) < 0 || !can_all(t, env, r))
        return -1;
    snprintf(about, sizeof about, "sender <%s>", env->sender);
    if (expect(t, PATIENCE_MS, about, r) < 0)
        return -1;
    for (size_t i = 0; i < env->n_rcpts; i++) {
        snprintf(about, sizeof about, "recipient <%s>", env->rcpts[i].address);
        if (expect(t, PATIENCE_MS, about, r) < 0)
            return -1;
    }
    return 0;
}

static int send_content(struct talk *t, const struct message *m, struct err *e)
{
    struct buf out;
    bool is_small = m->spilled == 0 && m->body.len < 64 * 1024;
    int rc;

    buf_init(&out, BUF_NO_MAX);
    buf_addf(&out, "BDAT %llu LAST\r\n", (unsigned long long)message_size(m));
    buf_addspan(&out, buf_span(&m->section));
    if (is_small) {
        buf_addspan(&out, buf_span(&m->body));
        buf_adds(&out, "QUIT\r\n");
    }
    rc = send_all(t, buf_span(&out), e);
    buf_fini(&out);
    if (rc < 0 || is_small)
        return rc;
    return message_body(m, send_piece, t, e) < 0 ? -1 : send_all(t, SPAN("QUIT\r\n"), e);
}

static void converse(struct talk *t, const struct config *cfg, const struct envelope *env, const struct message *m,
                     struct submit_result *r)
{
    struct err e;

    if (send_envelope(t, cfg, env, message_size(m), &e) < 0) {
        snprintf(r->said, sizeof r->said, "%s", e.text);
        return;
    }
    if (read_verdicts(t, env, r) < 0)
        return;
    if (send_content(t, m, &e) < 0) {
        /* It may have said why it hung up: too large, a full disk. */
        if (t->in.len == 0 || expect(t, 0, "message", r) == 0)
            snprintf(r->said, sizeof r->said, "%s", e.text);
        return;
    }
    if (expect(t, PATIENCE_AT_END_MS, "message", r) < 0)
        return;
    r->outcome = SUBMIT_TAKEN;
    smtp_reply_format(&t->reader.reply, r->said, sizeof r->said);
}

void submit_message(const struct config *cfg, const struct envelope *env, const struct message *m,
                    struct submit_result *r)
{
    struct talk t = { .fd = -1 };
    struct err e;

    *r = (struct submit_result){ .outcome = SUBMIT_AWAY };
    t.fd = submit_connect(cfg, &e);
    if (t.fd < 0) {
        snprintf(r->said, sizeof r->said, "%s", e.text);
        return;
    }
    /* Replies to as many recipients as there are may be waiting. */
    buf_init(&t.in, 64 * 1024 + env->n_rcpts * SMTP_REPLY_TEXT);
    smtp_reply_reader_init(&t.reader);
    converse(&t, cfg, env, m, r);
    buf_fini(&t.in);
    close(t.fd);
}
