/* SPDX-License-Identifier: Apache-2.0
 *
 * local_hand_over.c - mailboxes that another transport has (mailbox_transport), for those few whose mail has come to local because of
 * an alias or a ~/.forward: others do not come here (server/ways.c). It is done as mail_owner, as the relay would be there; whoever
 * has become a user by then has a helper that has not. */
#include "server/local_int.h"

#include "server/submit.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

/* The message for this recipient only. */
static void to_hop(const struct delivery *d, const struct relayhost *hop, const char *service_nexthop, struct outcome *out)
{
    struct envelope env;

    envelope_copy(&env, &d->mail->env);
    while (env.n_rcpts) {
        struct rcpt *r = &env.rcpts[--env.n_rcpts];
        free(r->address);
        free(r->orcpt);
        free(r->original);
    }
    envelope_add(&env, d->rcpt->address);
    submit_lmtp(hop, service_nexthop, service_nexthop ? service_nexthop : d->mail->deliver->cfg->myhostname, &env, d->mail->content, out);
    envelope_fini(&env);
}

static void to_lmtp(const struct delivery *d, const char *nexthop, struct outcome *out)
{
    const struct config *cfg = d->mail->deliver->cfg;
    struct span rest = span_str(nexthop), first = { 0 };
    struct relayhost hop;
    struct err e;

    span_word(&rest, "", &first);
    if (lmtp_hop_parse(&hop, first, cfg->lmtp_tcp_port, &e) < 0) {
        outcome_defer(out, "4.3.5", &e);
        return;
    }
    if (hop.path && hop.path[0] != '/') {
        char *path = xasprintf("%s/%s", cfg->queue_directory, hop.path);
        free(hop.path);
        hop.path = path;
    }
    if (!hop.path && config_lmtp_tls_level(cfg, &hop) > CONFIG_TLS_MAY)
        outcome_set(out, "4.3.5", "mailbox_transport wants TLS, which mail that an alias or ~/.forward leaves in the mailbox cannot have: "
                                  "give it a UNIX socket, or let them name an address instead");
    else
        to_hop(d, &hop, NULL, out);
    relayhost_fini(&hop);
}

/* Our own worker has a socket for it. */
static void to_service(const struct delivery *d, const struct transport *t, struct outcome *out)
{
    const char *kind = transport_is_builtin(span_str(t->name)) ? "" : "pipe.";
    char *path = xasprintf("%s/private/%s%s", d->mail->deliver->cfg->queue_directory, kind, t->name);
    const struct relayhost hop = { .path = path };

    to_hop(d, &hop, t->nexthop[0] ? t->nexthop : "-", out);
    free(path);
}

/* "5.1.1 text" of error: and retry: */
static void refuse(const char *text, bool is_retry, struct outcome *out)
{
    char dsn[12] = "";
    size_t n = strspn(text, "0123456789.");

    if (n >= 5 && n < sizeof dsn && (text[0] == '4' || text[0] == '5') && text[1] == '.') {
        memcpy(dsn, text, n);
        text += n + strspn(text + n, " \t");
    }
    outcome_set(out, dsn[0] ? dsn : is_retry ? "4.0.0" : "5.0.0", "%s", *text ? text : "mail for this address is not delivered here");
}

void local_hand_over(const struct delivery *d, const char *transport, struct outcome *out)
{
    const struct deliver *w = d->mail->deliver;
    const struct identity id = { .uid = w->ids.uid, .gid = w->ids.gid };
    struct transport t;
    struct err e;

    if (transport_parse(&t, span_str(transport), &e) < 0) {
        outcome_defer(out, "4.3.5", &e);
        return;
    }
    if (identity_become(&id, (gid_t)-1, &e) < 0)
        outcome_defer(out, "4.3.5", &e);
    else if (local_is_loop(d, out))
        ;
    else if (strcmp(t.name, "lmtp") == 0)
        to_lmtp(d, t.nexthop, out);
    else if (strcmp(t.name, "error") == 0 || strcmp(t.name, "retry") == 0)
        refuse(t.nexthop, t.name[0] == 'r', out);
    else if (strcmp(t.name, "discard") == 0)
        outcome_set(out, "2.0.0", "%s", t.nexthop[0] ? t.nexthop : "discarded");
    else if (strcmp(t.name, "virtual") == 0 || !transport_is_builtin(span_str(t.name)))
        to_service(d, &t, out);
    else
        outcome_set(out, "4.3.5", "%s: has no mailboxes: mail that an alias or ~/.forward leaves in the mailbox cannot be given to it", t.name);
    transport_fini(&t);
}

/* ---- a helper ---- */

_Noreturn static void help(const struct delivery *d, int fd)
{
    static struct outcome out;
    char go;
    ssize_t n;

    while ((n = read(fd, &go, 1)) < 0 && errno == EINTR)
        ;
    if (n == 1) {
        local_hand_over(d, d->plan->transport, &out);
        n = write(fd, &out, sizeof out);
    }
    _exit(0);
}

int local_helper_start(struct local_helper *h, const struct delivery *d, struct err *e)
{
    int fds[2];

    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) < 0)
        return err_sys(e, "make a pair of sockets");
    pid_t pid = fork();
    if (pid == 0) {
        close(fds[0]);
        help(d, fds[1]);
    }
    close(fds[1]);
    if (pid < 0) {
        err_sys(e, "start a process to deliver");
        close(fds[0]);
        return -1;
    }
    *h = (struct local_helper){ .pid = pid, .fd = fds[0] };
    return 0;
}

void local_helper_ask(const struct local_helper *h, struct outcome *out)
{
    ssize_t n = send(h->fd, "g", 1, MSG_NOSIGNAL);

    while (n == 1 && (n = read(h->fd, out, sizeof *out)) < 0 && errno == EINTR)
        n = 1;
    if (n != (ssize_t)sizeof *out)
        outcome_set(out, "4.3.0", "the process that hands mail over has ended without a result");
}

void local_helper_end(struct local_helper *h)
{
    int status;

    if (h->pid <= 0)
        return;
    close(h->fd);
    while (waitpid(h->pid, &status, 0) < 0 && errno == EINTR)
        ;
    h->pid = 0;
}
