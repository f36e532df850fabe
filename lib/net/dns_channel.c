/* SPDX-License-Identifier: Apache-2.0
 *
 * dns_channel.c - c-ares in the loop: it says which sockets it waits for, and until when; the loop says what came. */
#include "base/mem.h"
#include "net/dns_int.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#define TIMEOUT_MS  2500
#define TRIES       3
#define RESOLV_CONF "/etc/resolv.conf"

struct sock {
    struct list link; /* in dns->socks */
    struct dns *dns;  /* borrowed */
    ares_socket_t fd;
    uv_poll_t poll;
};

static void on_timer(void *arg)
{
    struct dns *d = arg;
    ares_process_fd(d->channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
    dns_set_timer(d);
}

void dns_set_timer(struct dns *d)
{
    struct timeval tv;
    if (ares_timeout(d->channel, NULL, &tv))
        timer_start(&d->timer, d->loop, (int64_t)tv.tv_sec * 1000 + tv.tv_usec / 1000 + 1, on_timer, d);
    else
        timer_stop(&d->timer);
}

static void on_poll(uv_poll_t *uv, int status, int events)
{
    struct sock *s = uv->data;
    struct dns *d = s->dns;
    if (uv_is_closing((uv_handle_t *)uv))
        return;
    bool both = status < 0; /* c-ares finds out what is wrong by trying */
    ares_process_fd(d->channel, both || (events & UV_READABLE) ? s->fd : ARES_SOCKET_BAD,
                    both || (events & UV_WRITABLE) ? s->fd : ARES_SOCKET_BAD);
    dns_set_timer(d);
}

static struct sock *find_sock(struct dns *d, ares_socket_t fd)
{
    list_each(it, &d->socks) {
        struct sock *s = list_entry(it, struct sock, link);
        if (s->fd == fd)
            return s;
    }
    return NULL;
}

static struct sock *add_sock(struct dns *d, ares_socket_t fd)
{
    struct sock *s = xcalloc(1, sizeof(*s));
    s->dns = d;
    s->fd = fd;
    s->poll.data = s;
    if (uv_poll_init(&d->loop->uv, &s->poll, fd) < 0) {
        free(s); /* the question runs into its timeout */
        return NULL;
    }
    list_append(&d->socks, &s->link);
    return s;
}

static void on_sock_closed(uv_handle_t *h)
{
    free(h->data);
}

static void on_sock_state(void *arg, ares_socket_t fd, int readable, int writable)
{
    struct dns *d = arg;
    struct sock *s = find_sock(d, fd);
    int events = (readable ? UV_READABLE : 0) | (writable ? UV_WRITABLE : 0);
    if (!events) { /* c-ares is about to close it */
        if (s) {
            list_remove(&s->link);
            uv_close((uv_handle_t *)&s->poll, on_sock_closed);
        }
        return;
    }
    if (!s)
        s = add_sock(d, fd);
    if (s)
        uv_poll_start(&s->poll, events, on_poll);
}

static const char *file_path(const struct dns *d, size_t i)
{
    return i == 0 ? d->resolv_conf : "/etc/hosts";
}

static void look_at_files(struct dns *d)
{
    for (size_t i = 0; i < ARRAY_LEN(d->seen); i++) {
        if (stat(file_path(d, i), &d->seen[i]) < 0)
            memset(&d->seen[i], 0, sizeof(d->seen[i]));
    }
}

static int open_channel(struct dns *d, struct err *e)
{
    static char lookups[] = "b"; /* /etc/hosts is asked by dns.c */
    struct ares_options o = {
        .timeout = d->timeout_ms,
        .tries = d->tries,
        .lookups = lookups,
        .sock_state_cb = on_sock_state,
        .sock_state_cb_data = d,
        .resolvconf_path = d->resolv_conf,
    };
    int code = ares_init_options(&d->channel, &o, ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_LOOKUPS |
                                                      ARES_OPT_SOCK_STATE_CB | ARES_OPT_RESOLVCONF);
    if (code != ARES_SUCCESS) {
        d->channel = NULL;
        return err_set(e, ERR_TEMPORARY, "the DNS resolver does not start: %s", ares_strerror(code));
    }
    if (d->servers && (code = ares_set_servers_ports_csv(d->channel, d->servers)) != ARES_SUCCESS)
        return err_set(e, ERR_CONFIG, "\"%s\" is no list of name servers: %s", d->servers, ares_strerror(code));
    look_at_files(d);
    return 0;
}

ares_channel dns_files(struct dns *d)
{
    static char lookups[] = "f";
    struct ares_options o = { .lookups = lookups, .resolvconf_path = d->resolv_conf };

    if (!d->files && ares_init_options(&d->files, &o, ARES_OPT_LOOKUPS | ARES_OPT_RESOLVCONF) != ARES_SUCCESS)
        d->files = NULL;
    return d->files;
}

static void close_files(struct dns *d)
{
    if (d->files)
        ares_destroy(d->files);
    d->files = NULL;
}

static bool is_changed(const struct dns *d, size_t i)
{
    struct stat now;
    const struct stat *then = &d->seen[i];
    return stat(file_path(d, i), &now) == 0 &&
           (now.st_ino != then->st_ino || now.st_size != then->st_size || now.st_mtim.tv_sec != then->st_mtim.tv_sec ||
            now.st_mtim.tv_nsec != then->st_mtim.tv_nsec);
}

static bool is_out_of_reach(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd >= 0)
        close(fd);
    return fd < 0 && errno == EACCES;
}

static void reopen_channel(struct dns *d)
{
    ares_channel old = d->channel;
    if (open_channel(d, NULL) == 0) {
        ares_destroy(old);
        return;
    }
    if (d->channel)
        ares_destroy(d->channel);
    d->channel = old;
}

void dns_refresh(struct dns *d)
{
    bool conf_changed = !d->servers && is_changed(d, 0), hosts_changed = is_changed(d, 1);
    if (!conf_changed && !hosts_changed)
        return;
    if ((conf_changed && is_out_of_reach(file_path(d, 0))) || (hosts_changed && is_out_of_reach(file_path(d, 1)))) {
        if (d->stale_fn)
            later_start(&d->stale, d->loop, d->stale_fn, d->stale_arg);
        d->stale_fn = NULL;
        return;
    }
    if (!list_is_empty(&d->queries))
        return;
    close_files(d); /* newer c-ares keep what they have read */
    reopen_channel(d);
}

void dns_on_stale(struct dns *d, loop_fn *fn, void *arg)
{
    d->stale_fn = fn;
    d->stale_arg = arg;
}

struct dns *dns_new(struct loop *l, const struct dns_options *o, struct err *e)
{
    static const struct dns_options none = { 0 };
    struct dns *d = xcalloc(1, sizeof(*d));
    o = o ? o : &none;
    d->loop = l;
    list_init(&d->queries);
    list_init(&d->socks);
    d->timeout_ms = o->timeout_ms > 0 ? o->timeout_ms : TIMEOUT_MS;
    d->tries = o->tries > 0 ? o->tries : TRIES;
    const char *servers = o->servers ? o->servers : getenv("BATON_NAMESERVERS");
    d->servers = servers && *servers ? xstrdup(servers) : NULL;
    d->resolv_conf = xstrdup(o->resolv_conf ? o->resolv_conf : RESOLV_CONF);
    int code = ares_library_init(ARES_LIB_INIT_ALL);
    if (code != ARES_SUCCESS) {
        err_set(e, ERR_TEMPORARY, "the DNS resolver does not start: %s", ares_strerror(code));
        goto fail;
    }
    if (open_channel(d, e) == 0)
        return d;
    ares_library_cleanup();
fail:
    if (d->channel)
        ares_destroy(d->channel);
    free(d->servers);
    free(d->resolv_conf);
    free(d);
    return NULL;
}

void dns_free(struct dns *d)
{
    if (!d)
        return;
    list_each(it, &d->queries)
        dns_cancel(list_entry(it, struct dns_query, link));
    timer_stop(&d->timer);
    later_cancel(&d->stale);
    close_files(d);
    ares_destroy(d->channel); /* calls back what was under way */
    ares_library_cleanup();
    free(d->servers);
    free(d->resolv_conf);
    free(d);
}
