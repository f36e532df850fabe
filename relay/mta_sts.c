/* SPDX-License-Identifier: Apache-2.0
 *
 *     TXT _mta-sts.DOMAIN ─▶ a new id? ─▶ addresses of mta-sts.DOMAIN ─▶ https ─▶ kept, in memory and in a file
 *            │ none, no answer   │ the same        │ none                 │ fails
 *            └───────────────────┴──────── what is kept, as long as it is good ──────────┘
 */
#include "relay/mta_sts.h"

#include "base/clock.h"
#include "base/list.h"
#include "base/log.h"
#include "base/mem.h"
#include "relay/fetcher.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    BUCKETS = 256,
    LOOK_EVERY_S = 300,   /* at the record, while mail goes there */
    FETCH_AGAIN_S = 300,  /* after a failure (RFC 8461 3.3) */
    FILE_MAX_BYTES = 70000,
};

struct domain {
    struct domain *next;
    char *name; /* A-labels */
    char id[MTA_STS_ID_MAX + 1], new_id[MTA_STS_ID_MAX + 1]; /* of the policy that is kept; of the one that is being fetched */
    bool has_policy, is_asking;
    struct mta_sts_policy policy;
    int64_t fetched_us;              /* real */
    int64_t look_us, fetch_us;       /* mono: not before */
    struct list asks;
    struct dns_query *query;
    struct mta_sts *of;
};

struct mta_sts {
    const struct config *cfg; /* borrowed */
    struct fetcher *fetcher;
    struct dns *dns;
    char *folder;
    bool only_looks; /* it does not keep what it fetches */
    struct domain *buckets[BUCKETS];
};

struct mta_sts_ask {
    struct list link;
    mta_sts_fn *done;
    void *arg;
};

/* ---- the folder ---- */

static int make_folder(const struct mta_sts *s, uid_t uid, gid_t gid, struct err *e)
{
    if (mkdir(s->folder, 0700) < 0 && errno != EEXIST)
        return err_sys(e, "make the folder %s", s->folder);
    if (geteuid() == 0 && chown(s->folder, uid, gid) < 0)
        return err_sys(e, "give the folder %s to its owner", s->folder);
    return 0;
}

static struct mta_sts *make(const struct config *cfg, uid_t uid, gid_t gid, bool only_looks, struct err *e)
{
    struct mta_sts *s = xcalloc(1, sizeof *s);

    s->cfg = cfg;
    s->only_looks = only_looks;
    s->folder = xasprintf("%s/mta-sts", cfg->queue_directory);
    if ((only_looks || make_folder(s, uid, gid, e) == 0) && (s->fetcher = fetcher_new(uid, gid, e)))
        return s;
    free(s->folder);
    free(s);
    return NULL;
}

struct mta_sts *mta_sts_new(const struct config *cfg, uid_t uid, gid_t gid, struct err *e)
{
    return make(cfg, uid, gid, false, e);
}

struct mta_sts *mta_sts_look(const struct config *cfg, uid_t uid, gid_t gid, struct err *e)
{
    return make(cfg, uid, gid, true, e);
}

static char *file_of(const struct domain *d)
{
    return xasprintf("%s/%s", d->of->folder, d->name);
}

/* "id seconds" in the first line, and the policy as it came. */
static void keep_in_file(const struct domain *d, struct span text)
{
    char *path = file_of(d), *fresh = xasprintf("%s.new", path);
    int fd = open(fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    struct buf b;

    buf_init(&b, BUF_NO_MAX);
    buf_addf(&b, "%s %lld\n", d->id, (long long)(d->fetched_us / USEC_PER_SEC));
    buf_addspan(&b, text);
    bool is_good = fd >= 0 && write(fd, b.at, b.len) == (ssize_t)b.len && fdatasync(fd) == 0;
    if (fd >= 0)
        close(fd);
    if (!is_good || rename(fresh, path) < 0)
        log_warn("MTA-STS: the policy of %s cannot be kept in %s: %s", d->name, path, strerror(errno));
    buf_fini(&b);
    free(fresh);
    free(path);
}

static bool take_kept(struct domain *d, char *text, size_t len)
{
    char *end = memchr(text, '\n', len), *blank = end ? memchr(text, ' ', (size_t)(end - text)) : NULL;
    struct err e;

    if (!blank || blank - text > MTA_STS_ID_MAX)
        return false;
    memcpy(d->id, text, (size_t)(blank - text));
    d->fetched_us = strtoll(blank, NULL, 10) * USEC_PER_SEC;
    return mta_sts_policy_parse(span_of(end + 1, len - (size_t)(end + 1 - text)), &d->policy, &e) == 0;
}

static void read_file(struct domain *d)
{
    char *path = file_of(d), *text = xmalloc(FILE_MAX_BYTES + 1);
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    ssize_t n = fd >= 0 ? read(fd, text, FILE_MAX_BYTES) : -1;

    if (n > 0) {
        text[n] = '\0';
        d->has_policy = take_kept(d, text, (size_t)n);
    }
    if (fd >= 0)
        close(fd);
    free(text);
    free(path);
}

/* ---- domains ---- */

static struct domain *domain_of(struct mta_sts *s, const char *name)
{
    size_t hash = 5381;

    for (const char *p = name; *p; p++)
        hash = hash * 33 + (unsigned char)*p;
    struct domain **at = &s->buckets[hash % BUCKETS];
    for (struct domain *d = *at; d; d = d->next)
        if (strcmp(d->name, name) == 0)
            return d;
    struct domain *d = xcalloc(1, sizeof *d);
    d->next = *at;
    d->name = xstrdup(name);
    d->of = s;
    list_init(&d->asks);
    *at = d;
    read_file(d);
    return d;
}

static bool is_good(const struct domain *d)
{
    int64_t age_us = clock_real_us() - d->fetched_us;
    return d->has_policy && age_us < d->policy.max_age_s * USEC_PER_SEC && age_us > -USEC_PER_SEC * 86400;
}

/* All who wait: a callback may ask anew, or cancel others. */
static void answer(struct domain *d)
{
    d->is_asking = false;
    while (!list_is_empty(&d->asks) && !d->is_asking) {
        struct mta_sts_ask *a = list_entry(d->asks.next, struct mta_sts_ask, link);
        list_remove(&a->link);
        a->done(a->arg, is_good(d) ? &d->policy : NULL);
        free(a);
    }
}

/* ---- fetching ---- */

static void not_fetched(struct domain *d, const char *why)
{
    d->fetch_us = clock_mono_us() + FETCH_AGAIN_S * USEC_PER_SEC;
    log_warn("MTA-STS: the policy %s of %s cannot be had: %s; %s", d->new_id, d->name, log_safe_str(why),
             is_good(d) ? "the one before still counts" : "none counts");
    answer(d);
}

static void on_fetched(void *arg, struct span text, const char *why)
{
    struct domain *d = arg;
    struct mta_sts_policy p;
    struct err e;

    if (why || mta_sts_policy_parse(text, &p, &e) < 0) {
        not_fetched(d, why ? why : e.text);
        return;
    }
    mta_sts_policy_fini(&d->policy);
    d->policy = p;
    d->has_policy = true;
    d->fetched_us = clock_real_us();
    memcpy(d->id, d->new_id, sizeof d->id);
    log_info("MTA-STS: %s has policy %s: mode %s, %zu mx, for %lld s", d->name, d->id, mta_sts_mode_name(p.mode), p.n_mx,
             (long long)p.max_age_s);
    if (!d->of->only_looks)
        keep_in_file(d, text);
    answer(d);
}

static void on_addresses(void *arg, enum dns_outcome outcome, const struct addr_list *found, const struct err *why)
{
    struct domain *d = arg;
    const struct config *cfg = d->of->cfg;
    char text[ADDR_TEXT];
    struct buf resolve;

    d->query = NULL;
    if (outcome != DNS_FOUND) {
        not_fetched(d, why->text);
        return;
    }
    buf_init(&resolve, BUF_NO_MAX);
    buf_addf(&resolve, "mta-sts.%s:%d:", d->name, cfg->mta_sts_port);
    for (size_t i = 0; i < found->n; i++) {
        const union addr *a = &found->at[i];
        buf_addf(&resolve, a->sa.sa_family == AF_INET6 ? "%s[%s]" : "%s%s", i ? "," : "", sockaddr_format(&a->sa, text, sizeof text));
    }
    char *url = cfg->mta_sts_port == 443 ? xasprintf("https://mta-sts.%s/.well-known/mta-sts.txt", d->name)
                                         : xasprintf("https://mta-sts.%s:%d/.well-known/mta-sts.txt", d->name, cfg->mta_sts_port);
    fetcher_get(d->of->fetcher, url, buf_cstr(&resolve), cfg->smtp_tls_CAfile[0] ? cfg->smtp_tls_CAfile : NULL, on_fetched, d);
    free(url);
    buf_fini(&resolve);
}

static void fetch(struct domain *d)
{
    char *host = xasprintf("mta-sts.%s", d->name);
    unsigned families = (d->of->cfg->inet_protocols & CONFIG_IPV4 ? DNS_IPV4 : 0u) |
                        (d->of->cfg->inet_protocols & CONFIG_IPV6 ? DNS_IPV6 : 0u);

    d->query = dns_hosts(d->of->dns, host, 443, families, on_addresses, d);
    free(host);
}

/* The one record that begins with v=STSv1; several are as none (RFC 8461 3.1). */
static bool find_record(char *const *found, size_t n, char id[MTA_STS_ID_MAX + 1])
{
    bool has = false;
    size_t like_it = 0;

    for (size_t i = 0; i < n; i++) {
        if (strncmp(found[i], "v=STSv1", 7) != 0)
            continue;
        like_it++;
        has = mta_sts_record(found[i], id);
    }
    return has && like_it == 1;
}

/* Before it expires, and well before: while it is good a failure costs nothing. */
static bool is_due(const struct domain *d)
{
    return !is_good(d) || clock_real_us() - d->fetched_us > d->policy.max_age_s * USEC_PER_SEC / 2;
}

static void on_record(void *arg, enum dns_outcome outcome, char *const *found, size_t n, const struct err *why)
{
    struct domain *d = arg;

    (void)why;
    d->query = NULL;
    d->look_us = clock_mono_us() + LOOK_EVERY_S * USEC_PER_SEC;
    bool has_record = outcome == DNS_FOUND && find_record(found, n, d->new_id);
    if (has_record && clock_mono_us() >= d->fetch_us && (!d->has_policy || strcmp(d->id, d->new_id) != 0 || is_due(d)))
        fetch(d);
    else
        answer(d);
}

/* ---- the door ---- */

int mta_sts_start(struct mta_sts *s, struct loop *l, struct dns *dns, struct err *e)
{
    s->dns = dns;
    return fetcher_start(s->fetcher, l, e);
}

void mta_sts_free(struct mta_sts *s)
{
    if (!s)
        return;
    fetcher_free(s->fetcher);
    for (size_t i = 0; i < BUCKETS; i++)
        for (struct domain *d = s->buckets[i], *next; d; d = next) {
            next = d->next;
            dns_cancel(d->query);
            while (!list_is_empty(&d->asks))
                mta_sts_cancel(list_entry(d->asks.next, struct mta_sts_ask, link));
            mta_sts_policy_fini(&d->policy);
            free(d->name);
            free(d);
        }
    free(s->folder);
    free(s);
}

struct mta_sts_ask *mta_sts_ask(struct mta_sts *s, const char *domain, mta_sts_fn *done, void *arg)
{
    char *name = dns_ascii_name(span_str(domain), NULL);

    if (!name || strchr(name, '/') || name[0] == '.') {
        free(name);
        done(arg, NULL);
        return NULL;
    }
    struct domain *d = domain_of(s, name);
    free(name);
    if (!d->is_asking && clock_mono_us() < d->look_us) {
        done(arg, is_good(d) ? &d->policy : NULL);
        return NULL;
    }
    struct mta_sts_ask *a = xcalloc(1, sizeof *a);
    a->done = done;
    a->arg = arg;
    list_append(&d->asks, &a->link);
    if (!d->is_asking) {
        d->is_asking = true;
        char *record = xasprintf("_mta-sts.%s", d->name);
        d->query = dns_txt(s->dns, record, on_record, d);
        free(record);
    }
    return a;
}

void mta_sts_cancel(struct mta_sts_ask *a)
{
    if (!a)
        return;
    list_remove(&a->link);
    free(a);
}
