/* SPDX-License-Identifier: Apache-2.0 */
#include "relay/listeners.h"

#include "base/log.h"
#include "base/mem.h"
#include "net/interfaces.h"
#include "net/listen.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

static struct listening *add(struct listeners *l, enum listen_kind kind, const char *name, const char *path,
                             const union addr *at)
{
    l->at = xreallocarray(l->at, l->n + 1, sizeof *l->at);
    struct listening *li = &l->at[l->n++];
    *li = (struct listening){
        .kind = kind, .name = xstrdup(name), .section = -1, .path = xstrdup_or_null(path), .mode = 0666, .fd = -1,
    };
    if (at)
        li->at = *at;
    return li;
}

static void add_unix(struct listeners *l, const struct config *cfg, enum listen_kind kind, const char *file,
                     const char *name)
{
    char *path = xasprintf("%s/public/%s", cfg->queue_directory, file);
    add(l, kind, name, path, NULL);
    free(path);
}

/* ---- names to addresses ---- */

static int add_tcp(struct listeners *l, const struct config *cfg, const char *name, const struct sockaddr *sa, int port,
                   struct err *e)
{
    char text[ADDR_TEXT];
    union addr at;

    if (!addr_set(&at, sa))
        return 0;
    if (!(cfg->inet_protocols & (sa->sa_family == AF_INET ? CONFIG_IPV4 : CONFIG_IPV6)))
        return 0;
    addr_set_port(&at, (uint16_t)port);
    for (size_t i = 0; i < l->n; i++) {
        const struct listening *other = &l->at[i];
        if (other->kind != LISTEN_SMTP || other->path || !addr_eq(&other->at, &at))
            continue;
        if (other->section < 0) /* the same section, by another name */
            return 0;
        return err_set(e, ERR_CONFIG, "listen %s (line %d) and listen %s both mean %s: give one of them another address or port",
                       other->name, cfg->listens[other->section].line, name, addr_format(&at, text));
    }
    add(l, LISTEN_SMTP, name, NULL, &at);
    return 0;
}

static int add_text(struct listeners *l, const struct config *cfg, const char *name, const char *text, int port, struct err *e)
{
    union addr at;
    return addr_parse(&at, span_str(text), 0) ? add_tcp(l, cfg, name, &at.sa, port, e) : 0;
}

/* Containers often have no ::1. */
static bool has_ipv6(void)
{
    struct addr_list all = { 0 };
    bool has = interfaces_addresses(&all, NULL) < 0;

    for (size_t i = 0; i < all.n; i++)
        has |= all.at[i].sa.sa_family == AF_INET6;
    addr_list_fini(&all);
    return has;
}

static int add_name(struct listeners *l, const struct config *cfg, const char *name, const char *host, int port,
                    struct err *e)
{
    const struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE };
    struct addrinfo *found;
    int rc = getaddrinfo(host, NULL, &hints, &found);

    if (rc != 0)
        return err_set(e, ERR_CONFIG, "inet_interfaces: \"%s\" has no address: %s", host, gai_strerror(rc));
    for (struct addrinfo *ai = found; ai && rc == 0; ai = ai->ai_next)
        rc = add_tcp(l, cfg, name, ai->ai_addr, port, e);
    freeaddrinfo(found);
    return rc;
}

static int add_pair(struct listeners *l, const struct config *cfg, const char *name, const char *ipv4, const char *ipv6,
                    int port, struct err *e)
{
    if (add_text(l, cfg, name, ipv4, port, e) < 0)
        return -1;
    return has_ipv6() ? add_text(l, cfg, name, ipv6, port, e) : 0;
}

static int add_interfaces(struct listeners *l, const struct config *cfg, const char *name,
                          const struct strlist *interfaces, int port, struct err *e)
{
    union addr literal;
    int rc = 0;

    for (size_t i = 0; i < interfaces->n && rc == 0; i++) {
        const char *text = interfaces->at[i];
        if (strcmp(text, "all") == 0)
            rc = add_pair(l, cfg, name, "0.0.0.0", "::", port, e);
        else if (strcmp(text, "loopback-only") == 0)
            rc = add_pair(l, cfg, name, "127.0.0.1", "::1", port, e);
        else if (addr_parse(&literal, span_str(text), 0))
            rc = add_text(l, cfg, name, text, port, e);
        else
            rc = add_name(l, cfg, name, text, port, e);
    }
    return rc;
}

static void add_deliveries(struct listeners *l, const struct config *cfg)
{
    struct strlist names = { 0 };

    config_deliveries(cfg, &names);
    for (size_t i = 0; i < names.n; i++) {
        char *path = xasprintf("%s/private/%s", cfg->queue_directory, names.at[i]);
        add(l, LISTEN_DELIVER, names.at[i], path, NULL);
        free(path);
    }
    strlist_clear(&names);
}

static int list_all(struct listeners *l, const struct config *cfg, struct err *e)
{
    add_unix(l, cfg, LISTEN_SUBMIT, "submit", "local submission");
    add_unix(l, cfg, LISTEN_CONTROL, "control", "control");
    add_deliveries(l, cfg);
    if (cfg->n_listens == 0 && add_interfaces(l, cfg, "smtp", &cfg->inet_interfaces, 25, e) < 0)
        return -1;
    for (size_t i = 0; i < l->n; i++)
        l->at[i].process_limit = cfg->default_process_limit;
    for (size_t i = 0; i < cfg->n_listens; i++) {
        const struct listen *sec = &cfg->listens[i];
        size_t first = l->n;
        if (sec->path[0])
            add(l, LISTEN_SMTP, sec->name, sec->path, NULL)->mode = (unsigned)sec->mode;
        else if (add_interfaces(l, cfg, sec->name, &sec->address, sec->port, e) < 0)
            return -1;
        for (; first < l->n; first++) {
            l->at[first].section = (int)i;
            l->at[first].process_limit = sec->process_limit;
        }
    }
    return 0;
}

/* ---- opening ---- */

static int open_one(struct listening *li, bool is_default, struct err *e)
{
    char text[ADDR_TEXT];

    if (li->path) {
        li->fd = listen_open_unix(li->path, li->mode, e);
        return li->fd < 0 ? -1 : 0;
    }
    li->fd = listen_open_tcp(&li->at, 0, e);
    if (li->fd >= 0)
        return 0;
    if (is_default && geteuid() != 0 && (e->sys == EACCES || e->sys == EPERM)) {
        log_info("not listening on %s: only root may have this port (a listen section can name another)",
                 addr_format(&li->at, text));
        return 0;
    }
    if (e->sys == EADDRINUSE)
        err_set(e, ERR_CONFIG,
                "listen on %s: another program has it: stop that one, or give listen %s another port, or set "
                "inet_interfaces to \"\" (sendmail works without)",
                addr_format(&li->at, text), li->name);
    return -1;
}

static bool is_same(const struct listening *a, const struct listening *b)
{
    if (a->kind != b->kind || !a->path != !b->path)
        return false;
    return a->path ? strcmp(a->path, b->path) == 0 : addr_eq(&a->at, &b->at);
}

static void fini(struct listening *li)
{
    if (li->fd >= 0)
        close(li->fd);
    free(li->name);
    free(li->path);
}

void listeners_free(struct listeners *l)
{
    if (!l)
        return;
    for (size_t i = 0; i < l->n; i++)
        fini(&l->at[i]);
    free(l->at);
    free(l);
}

int listeners_reopen(struct listeners *l, const struct config *cfg, struct err *e)
{
    struct listeners now = { 0 };

    if (list_all(&now, cfg, e) < 0)
        goto fail;
    for (size_t i = 0; i < now.n; i++) {
        struct listening *old = NULL;
        for (size_t k = 0; k < l->n && !old; k++)
            if (l->at[k].fd >= 0 && is_same(&l->at[k], &now.at[i]))
                old = &l->at[k];
        now.at[i].fd = old ? fcntl(old->fd, F_DUPFD_CLOEXEC, 3) : -1;
        if (old && now.at[i].path && now.at[i].mode != old->mode && chmod(now.at[i].path, (mode_t)now.at[i].mode) < 0) {
            err_sys(e, "change the mode of %s", now.at[i].path);
            goto fail;
        }
        if (now.at[i].fd < 0 && open_one(&now.at[i], cfg->n_listens == 0, e) < 0)
            goto fail;
    }
    for (size_t i = 0; i < l->n; i++)
        fini(&l->at[i]);
    free(l->at);
    *l = now;
    return 0;
fail:
    for (size_t i = 0; i < now.n; i++)
        fini(&now.at[i]);
    free(now.at);
    return -1;
}

bool listeners_have(const struct listeners *l, enum listen_kind kind)
{
    for (size_t i = 0; i < l->n; i++)
        if (l->at[i].kind == kind)
            return true;
    return false;
}

unsigned listeners_allow_files(const struct listeners *l)
{
    enum { OTHERS = 512 }; /* segments, the log, connections that are being closed */
    struct rlimit now;
    unsigned n = 0;

    for (size_t i = 0; i < l->n; i++)
        n += l->at[i].kind == LISTEN_CONTROL || l->at[i].kind == LISTEN_DELIVER ? 0 : (unsigned)l->at[i].process_limit;
    if (getrlimit(RLIMIT_NOFILE, &now) < 0 || now.rlim_cur >= n + OTHERS)
        return n;
    rlim_t want = now.rlim_max < n + OTHERS ? now.rlim_max : n + OTHERS;
    if (want < n + OTHERS)
        log_warn("%u connections may come (process limits), but only %llu files may be open: raise that limit (ulimit -n, "
                 "LimitNOFILE=)",
                 n, (unsigned long long)want);
    now.rlim_cur = want;
    if (setrlimit(RLIMIT_NOFILE, &now) < 0)
        log_warn("cannot raise the limit of open files to %llu: %s", (unsigned long long)want, strerror(errno));
    return n;
}

struct listeners *listeners_open(const struct config *cfg, struct err *e)
{
    struct listeners *l = xcalloc(1, sizeof *l);

    if (listeners_reopen(l, cfg, e) < 0) {
        listeners_free(l);
        return NULL;
    }
    return l;
}
