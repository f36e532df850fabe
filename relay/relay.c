/* SPDX-License-Identifier: Apache-2.0
 *
 * The relay worker: opens what it needs while it may, gives up its rights, learns what waits, and then only reacts: to
 * mail that the spool has found, to next hops, to operators, and to the time of the next attempt. */
#include "relay/relay_int.h"

#include "base/clock.h"
#include "base/log.h"
#include "net/offload.h"
#include "relay/attempt.h"
#include "relay/certs.h"
#include "relay/control.h"
#include "relay/jail.h"
#include "relay/listeners.h"
#include "relay/peer.h"
#include "relay/own.h"
#include "relay/transport.h"
#include "relay/mta_sts.h"
#include "relay/tls_policy.h"
#include "relay/worker.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/inotify.h>
#include <sysexits.h>
#include <unistd.h>

enum { STOP_LIMIT_MS = 20000 };

/* ---- mail that comes ---- */

static void damaged(void *arg, const char *text)
{
    (void)arg;
    log_error("spool: %s", text);
}

static const struct spool_ops spool_ops = { intake_found, damaged };

static void poll_spool(struct relay *r, int (*poll)(struct spool *s, struct err *e))
{
    struct err e;
    if (!r->is_stopping && poll(r->spool, &e) < 0)
        log_error("spool: %s", e.text);
}

static void woken(void *arg)
{
    struct relay *r = arg;
    uint64_t n;

    while (read(spool_shared_wake_fd(r->env->shared), &n, sizeof n) < 0 && errno == EINTR)
        ;
    poll_spool(r, spool_poll_committed);
}

static void dropped(void *arg)
{
    struct relay *r = arg;
    char events[4096] __attribute__((aligned(__alignof__(struct inotify_event))));

    while (read(r->drop_fd, events, sizeof events) > 0)
        ;
    poll_spool(r, spool_poll);
}

static int watch_spool(struct relay *r, struct err *e)
{
    char drop[PATH_MAX];

    r->drop_fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    if (r->drop_fd < 0)
        return err_sys(e, "inotify");
    if (inotify_add_watch(r->drop_fd, spool_drop_path(r->cfg->queue_directory, drop), IN_MOVED_TO) < 0)
        return err_sys(e, "watch %s", drop);
    if (watch_start(&r->drop_watch, r->loop, r->drop_fd, dropped, r, e) < 0)
        return -1;
    return watch_start(&r->wake_watch, r->loop, spool_shared_wake_fd(r->env->shared), woken, r, e);
}

/* ---- stopping ---- */

static void stop_now(void *arg)
{
    struct relay *r = arg;
    if (r->n_peers)
        log_warn("%u deliveries under way were cut off; they will be tried again", r->n_peers);
    loop_stop(r->loop);
}

static void stop_if_idle(void *arg)
{
    struct relay *r = arg;

    if (r->n_peers == 0 && r->n_reports == 0 && spool_is_idle(r->spool))
        loop_stop(r->loop);
    else
        timer_start(&r->due_timer, r->loop, 20, stop_if_idle, r);
}

static void stop(void *arg, int signum)
{
    struct relay *r = arg;

    (void)signum;
    if (r->is_stopping)
        return;
    r->is_stopping = true;
    control_free(r->control);
    r->control = NULL;
    watch_stop(&r->wake_watch);
    watch_stop(&r->drop_watch);
    later_cancel(&r->run_later);
    peer_stop_all(r);
    timer_start(&r->stop_timer, r->loop, STOP_LIMIT_MS, stop_now, r);
    stop_if_idle(r);
}

/* The jail knows files by their inodes: the new resolv.conf or /etc/hosts is for the next relay worker to read. */
static void names_are_stale(void *arg)
{
    log_info("resolv.conf or /etc/hosts has been replaced; a new relay worker will read it");
    stop(arg, 0);
}

/* ---- starting ---- */

/* While we may read them: a secret that cannot be had stops its relayhost, not the others, nor the taking of mail. */
static void read_secrets(struct relay *r)
{
    struct err e;

    r->logins = xcalloc(r->cfg->n_logins, sizeof *r->logins);
    for (size_t i = 0; i < r->cfg->n_logins; i++) {
        struct relay_login *l = &r->logins[i];
        l->login = &r->cfg->logins[i];
        l->secret = config_login_secret(r->cfg, l->login, &e);
        if (!l->secret) {
            l->error = xasprintf("login \"%s\": %s", l->login->host.text, e.text);
            log_error("%s", l->error);
        }
    }
}

static void wipe_secrets(struct relay *r)
{
    for (size_t i = 0; r->logins && i < r->cfg->n_logins; i++) {
        config_secret_free(r->logins[i].secret);
        free(r->logins[i].error);
    }
    free(r->logins);
}

static int open_lmtp_tls(struct relay *r, struct tls_client_options o, struct err *e)
{
    o.ca_file = r->cfg->lmtp_tls_CAfile[0] ? r->cfg->lmtp_tls_CAfile : NULL;
    o.ca_path = r->cfg->lmtp_tls_CApath[0] ? r->cfg->lmtp_tls_CApath : NULL;
    if (strcmp(r->cfg->lmtp_tls_CAfile, r->cfg->smtp_tls_CAfile) == 0 &&
        strcmp(r->cfg->lmtp_tls_CApath, r->cfg->smtp_tls_CApath) == 0)
        return 0; /* tls_verified will do */
    r->tls_lmtp = tls_client_new(&o, e);
    return r->tls_lmtp ? 0 : err_prefix(e, o.ca_file ? "lmtp_tls_CAfile" : "lmtp_tls_CApath");
}

/* `certs` has room for our own. */
static int make_tls(struct relay *r, struct tls_certs *certs, struct err *e)
{
    const struct config *cfg = r->cfg;
    struct tls_client_options o = {
        .ca_file = cfg->smtp_tls_CAfile[0] ? cfg->smtp_tls_CAfile : NULL,
        .ca_path = cfg->smtp_tls_CApath[0] ? cfg->smtp_tls_CApath : NULL,
        .min_version = cfg->smtp_tls_mandatory_protocols.min >= 13 ? TLS_1_3 : TLS_1_2,
        .grade = cfg->smtp_tls_ciphers == CONFIG_CIPHERS_HIGH ? TLS_GRADE_HIGH : TLS_GRADE_MEDIUM,
    };

    if (tls_init_process(e) < 0 || certs_load_own(cfg, certs, e) < 0)
        return -1;
    o.certs = certs;
    r->tls_verified = tls_client_new(&o, e);
    if (!r->tls_verified)
        return o.ca_file || o.ca_path ? err_prefix(e, o.ca_file ? "smtp_tls_CAfile" : "smtp_tls_CApath") : -1;
    if (open_lmtp_tls(r, o, e) < 0)
        return -1;
    o.min_version = TLS_1_2;
    o.grade = TLS_GRADE_MEDIUM;
    o.no_system_cas = !o.ca_file && !o.ca_path;
    r->tls_unverified = tls_client_new(&o, e);
    return r->tls_unverified ? 0 : -1;
}

static int open_tls(struct relay *r, struct err *e)
{
    struct tls_certs certs = { 0 };
    int rc = make_tls(r, &certs, e);

    for (size_t i = 0; i < certs.n; i++) {
        char text[600];
        if (certs_complain(certs.at[i], "servers that ask for it", text, sizeof text))
            log_warn("%s", text);
    }
    tls_certs_fini(&certs); /* the contexts have kept them */
    return rc;
}

/* What the domains have published counts only where they are delivered to. Without baton-fetch mail goes as it did before. */
static void open_mta_sts(struct relay *r, const struct worker_ids *ids)
{
    struct err e;

    if (!r->cfg->smtp_tls_mta_sts || !config_delivers_directly(r->cfg))
        return;
    r->sts = mta_sts_new(r->cfg, ids->uid, ids->gid, &e);
    if (!r->sts && e.sys == ENOENT)
        log_info("MTA-STS: policies of domains do not count, for baton-fetch is not installed: %s", e.text);
    else if (!r->sts)
        log_warn("MTA-STS: policies of domains do not count: %s", e.text);
}

static int control_fd(const struct listeners *l)
{
    for (size_t i = 0; i < l->n; i++)
        if (l->at[i].kind == LISTEN_CONTROL)
            return fcntl(l->at[i].fd, F_DUPFD_CLOEXEC, 3);
    return -1;
}

static void touched(void *arg)
{
    schedule_run(arg);
}

/* How many connections the limit of open files leaves room for; it is raised as far as it goes. */
static unsigned allow_connections(unsigned want)
{
    enum { OTHERS = 256 }; /* segments, contents, name servers */
    struct rlimit now;

    if (getrlimit(RLIMIT_NOFILE, &now) < 0)
        return want;
    rlim_t need = 2 * (rlim_t)want + OTHERS; /* a content with each */
    if (now.rlim_cur < need) {
        now.rlim_cur = now.rlim_max < need ? now.rlim_max : need;
        setrlimit(RLIMIT_NOFILE, &now);
    }
    if (getrlimit(RLIMIT_NOFILE, &now) == 0 && now.rlim_cur < need)
        want = now.rlim_cur > OTHERS + 20 ? (unsigned)((now.rlim_cur - OTHERS) / 2) : 10;
    return want;
}

/* All that the configuration names, while we may. */
static int open_outside(struct relay *r, const struct worker_ids *ids, struct err *e)
{
    if (!r->env->is_rehearsal)
        open_mta_sts(r, ids); /* its process has no business with the secrets of logins and tables */
    r->resolver = resolver_new(r->cfg, e);
    if (!r->resolver)
        return -1;
    own_addresses(r->cfg, &r->own);
    r->transports = transports_new(r->cfg);
    read_secrets(r);
    if (open_tls(r, e) < 0)
        return -1;
    r->tls_policies = tls_policies_new(r->cfg, r->tls_verified, r->tls_unverified, e);
    return r->tls_policies ? 0 : -1;
}

static int open_all(struct relay *r, struct err *e)
{
    struct worker_ids ids;
    struct spool_config sc = {
        .dir = r->cfg->queue_directory,
        .role = SPOOL_RELAY,
        /* A reload starts the new ones beside the old. */
        .limits = { .n_receivers = 2 * config_receivers(r->cfg) },
        .shared = r->env->shared,
        .ops = &spool_ops,
        .arg = r,
    };

    if (worker_ids(r->cfg, &ids, e) < 0 || open_outside(r, &ids, e) < 0)
        return -1;
    if (r->env->is_rehearsal)
        return 0;
    r->peers_max = allow_connections((unsigned)r->cfg->relay_connection_limit);
    queue_on_touch(r->queue, touched, r);
    const struct jail_options jail = {
        .role = JAIL_RELAY,
        .uid = ids.uid,
        .gid = ids.gid,
        .spool = r->cfg->queue_directory,
        .read_also = resolver_files(r->resolver),
    };
    if (jail_enter(&jail, e) < 0)
        return -1;
    r->loop = worker_loop(stop, r, e);
    if (!r->loop || !(r->dns = dns_new(r->loop, NULL, e)))
        return -1;
    dns_on_stale(r->dns, names_are_stale, r);
    sc.runner = loop_runner(r->loop);
    resolver_run_on(r->resolver, sc.runner);
    tls_policies_run_on(r->tls_policies, sc.runner);
    if (r->sts && mta_sts_start(r->sts, r->loop, r->dns, e) < 0)
        return -1;
    tls_policies_use_mta_sts(r->tls_policies, r->sts);
    r->spool = spool_open(&sc, e);
    if (!r->spool || spool_start(r->spool, e) < 0 || watch_spool(r, e) < 0)
        return -1;
    r->control = control_new(r, control_fd(r->env->listeners), e);
    if (!r->control)
        return -1;
    /* What came between reading the spool and watching it. */
    poll_spool(r, spool_poll);
    return 0;
}

static void close_all(struct relay *r)
{
    control_free(r->control);
    if (r->queue)
        peer_drop_all(r);
    attempt_drop_loads(r);
    settle_drop(r);
    timer_stop(&r->due_timer);
    timer_stop(&r->stop_timer);
    timer_stop(&r->pressure_timer);
    watch_stop(&r->wake_watch);
    watch_stop(&r->drop_watch);
    if (r->drop_fd >= 0)
        close(r->drop_fd);
    later_cancel(&r->run_later);
    queue_free(r->queue);
    spool_close(r->spool);
    mta_sts_free(r->sts);
    dns_free(r->dns);
    tls_policies_free(r->tls_policies);
    tls_client_free(r->tls_verified);
    tls_client_free(r->tls_unverified);
    tls_client_free(r->tls_lmtp);
    resolver_free(r->resolver);
    transports_free(r->transports);
    addr_list_fini(&r->own);
    wipe_secrets(r);
    loop_free(r->loop);
}

static void log_what_waits(struct relay *r)
{
    struct queue_counts c;
    queue_count(r->queue, &c);
    if (c.messages)
        log_info("%zu messages wait (%zu on hold)", c.messages, c.held);
}

static void write_out(void *arg)
{
    struct relay *r = arg;
    spool_write_out(r->spool);
}

int relay_main(const struct worker_env *env)
{
    static struct relay r;
    struct err e;
    int status = 0;

    r = (struct relay){ .env = env, .cfg = env->cfg, .drop_fd = -1, .started_us = clock_real_us() };
    list_init(&r.opening);
    list_init(&r.looking);
    list_init(&r.room_fresh);
    list_init(&r.room_again);
    list_init(&r.room_loads);
    r.queue = queue_new();
    list_init(&r.loads);
    list_init(&r.unsettled);
    srandom((unsigned)(r.started_us ^ getpid()));
    if (open_all(&r, &e) < 0) {
        status = worker_failed(env, &e);
    } else if (!env->is_rehearsal) {
        r.is_started = true;
        log_what_waits(&r);
        poll_spool(&r, spool_poll);
        worker_ready(env);
        spool_gather(r.spool);
        worker_run(r.loop, write_out, &r);
        spool_write_out(r.spool);
    }
    close_all(&r);
    return status;
}
