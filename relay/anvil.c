/* SPDX-License-Identifier: Apache-2.0
 *
 * A client's place is in one set of 16, by a hash with a secret seed: nobody can choose addresses that push another out.
 * Each set has a lock, which is held for some dozen instructions; uncontended it costs no system call.
 *
 * What lies under a lock may be left half-done by a worker that is killed, and is harmless so: a connection cell is one
 * number that only its worker writes (and that is taken back when it is reaped), a rate that lacks an event is off by
 * one, a place whose key is half written belongs to nobody and is idle. So the next one to have the lock just goes on. */
#include "relay/anvil.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <time.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

enum {
    WORKERS = 64,
    WAYS = 16,
    MIN_SETS = 1024,
    MAX_SETS = 65536,
    NAME_MAX_LEN = 63,
    COMPLAIN_US = 60000000,
};

struct key { /* no holes: it is hashed and compared as bytes */
    uint8_t family; /* 0: a place that was never used */
    uint8_t service;
    uint8_t address[16];
};

struct window {
    int64_t start_us;
    uint32_t n;
};

struct place {
    struct key key;
    int64_t used_us;
    uint16_t connections[WORKERS];
    struct window windows[ANVIL_EVENTS];
};

struct guard { /* apart from the places: pages of sets that nobody uses are never touched */
    pthread_mutex_t lock;
    bool is_used;
};

struct service {
    char name[NAME_MAX_LEN + 1];
    _Atomic uint32_t connections[WORKERS];
    _Atomic int64_t complained_us;
};

enum { PEAK_CONNECTIONS = ANVIL_EVENTS, N_PEAKS };

struct peak {
    _Atomic uint32_t n;
    struct key key;
    int64_t real_us;
};

struct anvil {
    size_t bytes;
    unsigned n_workers, n_sets;
    uint64_t seed;
    struct service services[ANVIL_SERVICES];
    pthread_mutex_t peaks_lock;
    struct peak peaks[N_PEAKS];
    _Atomic int64_t reported_us;
    struct guard *guards; /* in the same mapping, at the same address in every worker */
    struct place *places;
};

/* ---- locks ---- */

static void lock(pthread_mutex_t *m)
{
    int code = pthread_mutex_lock(m);
    if (code == EOWNERDEAD) /* killed in the middle: see above */
        pthread_mutex_consistent(m);
    else if (code != 0)
        bug("a lock of the client table: %s", strerror(code));
}

static void unlock(pthread_mutex_t *m)
{
    pthread_mutex_unlock(m);
}

static void init_locks(struct anvil *a)
{
    pthread_mutexattr_t how;

    pthread_mutexattr_init(&how);
    pthread_mutexattr_setpshared(&how, PTHREAD_PROCESS_SHARED);
    pthread_mutexattr_setrobust(&how, PTHREAD_MUTEX_ROBUST);
    pthread_mutex_init(&a->peaks_lock, &how);
    for (unsigned i = 0; i < a->n_sets; i++)
        pthread_mutex_init(&a->guards[i].lock, &how);
    pthread_mutexattr_destroy(&how);
}

/* ---- making it ---- */

static unsigned sets_for(unsigned n_clients)
{
    unsigned n = MIN_SETS;
    while (n < MAX_SETS && (uint64_t)n * WAYS < 4 * (uint64_t)n_clients)
        n *= 2;
    return n;
}

struct anvil *anvil_new(unsigned n_workers, unsigned n_clients, struct err *e)
{
    unsigned n_sets = sets_for(n_clients);
    size_t head = (sizeof(struct anvil) + 63) & ~(size_t)63;
    size_t guards = (n_sets * sizeof(struct guard) + 4095) & ~(size_t)4095;
    size_t bytes = head + guards + (size_t)n_sets * WAYS * sizeof(struct place);

    BUG_IF(n_workers > WORKERS);
    struct anvil *a = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (a == MAP_FAILED) {
        err_sys(e, "shared memory of %zu bytes", bytes);
        return NULL;
    }
    a->bytes = bytes;
    a->n_workers = n_workers;
    a->n_sets = n_sets;
    a->guards = (struct guard *)((char *)a + head);
    a->places = (struct place *)((char *)a + head + guards);
    if (getrandom(&a->seed, sizeof a->seed, GRND_NONBLOCK) != sizeof a->seed)
        a->seed = (uint64_t)clock_real_us();
    atomic_store(&a->reported_us, clock_mono_us());
    init_locks(a);
    return a;
}

void anvil_free(struct anvil *a)
{
    if (a)
        munmap(a, a->bytes);
}

void anvil_forget_worker(struct anvil *a, unsigned worker)
{
    BUG_IF(worker >= a->n_workers);
    for (int i = 0; i < ANVIL_SERVICES; i++)
        atomic_store(&a->services[i].connections[worker], 0);
    for (unsigned set = 0; set < a->n_sets; set++) {
        struct guard *g = &a->guards[set];
        if (!g->is_used)
            continue;
        lock(&g->lock);
        for (int i = 0; i < WAYS; i++)
            a->places[set * WAYS + (unsigned)i].connections[worker] = 0;
        unlock(&g->lock);
    }
}

/* ---- services ---- */

static unsigned service_sum(const struct anvil *a, const struct service *s)
{
    unsigned sum = 0;
    for (unsigned i = 0; i < a->n_workers; i++)
        sum += atomic_load_explicit(&s->connections[i], memory_order_seq_cst);
    return sum;
}

int anvil_service(struct anvil *a, const char *name)
{
    char want[NAME_MAX_LEN + 1];
    int unused = -1;

    snprintf(want, sizeof want, "%s", name);
    for (int i = 0; i < ANVIL_SERVICES; i++) {
        struct service *s = &a->services[i];
        if (strcmp(s->name, want) == 0)
            return i;
        if (unused < 0 || (a->services[unused].name[0] && !s->name[0]))
            unused = service_sum(a, s) == 0 ? i : unused;
    }
    if (unused < 0)
        return ANVIL_SERVICES - 1;
    memcpy(a->services[unused].name, want, sizeof want);
    return unused;
}

unsigned anvil_enter(struct anvil *a, unsigned worker, int service)
{
    struct service *s = &a->services[service];

    /* First counted, then looked: of two that come at once for the last place, one at least sees both. */
    atomic_fetch_add(&s->connections[worker], 1);
    return service_sum(a, s);
}

void anvil_leave(struct anvil *a, unsigned worker, int service)
{
    atomic_fetch_sub(&a->services[service].connections[worker], 1);
}

bool anvil_may_complain(struct anvil *a, int service, int64_t now_us)
{
    struct service *s = &a->services[service];
    int64_t last = atomic_load(&s->complained_us);

    return (!last || now_us - last >= COMPLAIN_US) && atomic_compare_exchange_strong(&s->complained_us, &last, now_us);
}

/* ---- a client's place ---- */

static bool make_key(const struct anvil_who *who, struct key *k)
{
    const void *address = NULL;
    int bits = who->ipv6_bits, size = 16;

    *k = (struct key){ .service = (uint8_t)who->service };
    if (who->address->sa_family == AF_INET) {
        address = &((const struct sockaddr_in *)(const void *)who->address)->sin_addr;
    } else if (who->address->sa_family == AF_INET6) {
        const struct in6_addr *in6 = &((const struct sockaddr_in6 *)(const void *)who->address)->sin6_addr;
        address = IN6_IS_ADDR_V4MAPPED(in6) ? in6->s6_addr + 12 : in6->s6_addr;
        if (IN6_IS_ADDR_V4MAPPED(in6))
            size = 4;
    } else {
        return false;
    }
    if (who->address->sa_family == AF_INET)
        size = 4;
    if (size == 4)
        bits = who->ipv4_bits;
    k->family = size == 4 ? AF_INET : AF_INET6;
    memcpy(k->address, address, (size_t)size);
    for (int i = 0; i < size; i++) {
        int keep = bits - 8 * i;
        k->address[i] &= keep >= 8 ? 0xff : keep <= 0 ? 0 : (uint8_t)(0xff << (8 - keep));
    }
    return true;
}

static unsigned connections_of(const struct anvil *a, const struct place *p)
{
    unsigned sum = 0;
    for (unsigned i = 0; i < a->n_workers; i++)
        sum += p->connections[i];
    return sum;
}

/* Under the lock of `set`. NULL: all are held. */
static struct place *find(struct anvil *a, unsigned set, const struct key *k)
{
    struct place *at = &a->places[(size_t)set * WAYS], *oldest = NULL;

    for (int i = 0; i < WAYS; i++) {
        if (memcmp(&at[i].key, k, sizeof *k) == 0)
            return &at[i];
    }
    for (int i = 0; i < WAYS; i++) {
        if ((!oldest || at[i].used_us < oldest->used_us) && connections_of(a, &at[i]) == 0)
            oldest = &at[i];
    }
    if (oldest)
        *oldest = (struct place){ .key = *k };
    return oldest;
}

static unsigned count(struct window *w, int64_t now_us, int64_t unit_us)
{
    if (!w->n || now_us - w->start_us >= unit_us)
        *w = (struct window){ .start_us = now_us };
    return w->n < UINT32_MAX ? ++w->n : w->n;
}

/* ---- peaks ---- */

static void note_peak(struct anvil *a, int which, unsigned n, const struct key *k)
{
    struct peak *p = &a->peaks[which];

    if (n <= atomic_load_explicit(&p->n, memory_order_relaxed))
        return;
    lock(&a->peaks_lock);
    if (n > p->n) {
        p->key = *k;
        p->real_us = clock_real_us();
        p->n = n;
    }
    unlock(&a->peaks_lock);
}

static void log_peak(const struct anvil *a, int which, const struct peak *p, int64_t unit_us)
{
    static const char *const names[] = { "connection rate", "message rate", "recipient rate", "auth rate",
                                         "newtls rate",     "connection count" };
    char address[INET6_ADDRSTRLEN], when[32];
    time_t at = (time_t)(p->real_us / USEC_PER_SEC);
    struct tm tm;

    inet_ntop(p->key.family, p->key.address, address, sizeof address);
    strftime(when, sizeof when, "%b %e %H:%M:%S", localtime_r(&at, &tm));
    if (which == PEAK_CONNECTIONS)
        log_info("statistics: max %s %u for (%s:%s) at %s", names[which], p->n, a->services[p->key.service].name, address,
                 when);
    else
        log_info("statistics: max %s %u/%llds for (%s:%s) at %s", names[which], p->n, (long long)(unit_us / USEC_PER_SEC),
                 a->services[p->key.service].name, address, when);
}

void anvil_report(struct anvil *a, int64_t apart_us, int64_t unit_us)
{
    int64_t now = clock_mono_us(), last = atomic_load(&a->reported_us);
    struct peak peaks[N_PEAKS];

    if (now - last < apart_us || !atomic_compare_exchange_strong(&a->reported_us, &last, now))
        return;
    lock(&a->peaks_lock);
    for (int i = 0; i < N_PEAKS; i++) {
        peaks[i].n = atomic_load(&a->peaks[i].n);
        peaks[i].key = a->peaks[i].key;
        peaks[i].real_us = a->peaks[i].real_us;
        atomic_store(&a->peaks[i].n, 0);
    }
    unlock(&a->peaks_lock);
    for (int i = 0; i < N_PEAKS; i++)
        if (peaks[i].n)
            log_peak(a, i, &peaks[i], unit_us);
}

/* ---- events ---- */

void anvil_connect(struct anvil *a, unsigned worker, const struct anvil_who *who, int64_t now_us, int64_t unit_us,
                   struct anvil_seat *seat, struct anvil_counts *out)
{
    struct key k;

    *seat = (struct anvil_seat){ 0 };
    *out = (struct anvil_counts){ 0 };
    if (!make_key(who, &k))
        return;
    unsigned set = (unsigned)(XXH3_64bits_withSeed(&k, sizeof k, a->seed) & (a->n_sets - 1));
    struct guard *g = &a->guards[set];
    lock(&g->lock);
    g->is_used = true;
    struct place *p = find(a, set, &k);
    if (p && p->connections[worker] < UINT16_MAX) {
        p->used_us = now_us;
        p->connections[worker]++;
        out->connections = connections_of(a, p);
        out->rate = count(&p->windows[ANVIL_CONNECT], now_us, unit_us);
        seat->place = (uint32_t)(p - a->places) + 1;
    }
    unlock(&g->lock);
    note_peak(a, PEAK_CONNECTIONS, out->connections, &k);
    note_peak(a, ANVIL_CONNECT, out->rate, &k);
}

void anvil_disconnect(struct anvil *a, unsigned worker, struct anvil_seat *seat)
{
    if (!seat->place)
        return;
    struct place *p = &a->places[seat->place - 1];
    struct guard *g = &a->guards[(seat->place - 1) / WAYS];
    lock(&g->lock);
    BUG_IF(p->connections[worker] == 0);
    p->connections[worker]--;
    unlock(&g->lock);
    *seat = (struct anvil_seat){ 0 };
}

unsigned anvil_count(struct anvil *a, const struct anvil_seat *seat, enum anvil_event event, int64_t now_us,
                     int64_t unit_us)
{
    if (!seat->place)
        return 0;
    struct place *p = &a->places[seat->place - 1];
    struct guard *g = &a->guards[(seat->place - 1) / WAYS];
    lock(&g->lock);
    p->used_us = now_us;
    unsigned n = count(&p->windows[event], now_us, unit_us);
    struct key k = p->key;
    unlock(&g->lock);
    note_peak(a, event, n, &k);
    return n;
}
