/* SPDX-License-Identifier: Apache-2.0
 *
 * Which part of a segment may be read depends on its writer. One that lives says in shared memory how far it has synced;
 * of one that is gone, all whole records count. A segment that was left for the next has a seal, and that decides. */
#include "spool/arrive.h"

#include "base/mem.h"
#include "spool/scan.h"
#include "spool/single.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

#define LOOK_SEARCH (1u << 20) /* a looker does not read a whole unused segment to find nothing */

/* ---- names -------------------------------------------------------------------------------------------------------- */

static void note_name(void *arg, const char *name)
{
    struct names *names = arg;
    uint64_t id;

    if (spool_id_parse(span_str(name), &id)) {
        if (names->n == names->cap) {
            names->cap = names->cap ? names->cap * 2 : 64;
            names->id = xreallocarray(names->id, names->cap, sizeof *names->id);
        }
        names->id[names->n++] = id;
    } else if (strncmp(name, SINGLE_TMP, strlen(SINGLE_TMP)) == 0) {
        names->tmp = xreallocarray(names->tmp, names->n_tmp + 1, sizeof *names->tmp);
        names->tmp[names->n_tmp++] = xstrdup(name);
    }
}

static int by_id(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

int names_list(const struct spool *s, const char *folder, struct names *names)
{
    char path[PATH_MAX];

    *names = (struct names){ 0 };
    snprintf(path, sizeof path, "%s/%s", s->dir, folder);
    if (s->io->list(s->io, path, note_name, names) < 0) {
        int sys = errno;
        names_fini(names);
        errno = sys;
        return -1;
    }
    if (names->n)
        qsort(names->id, names->n, sizeof *names->id, by_id);
    return 0;
}

void names_fini(struct names *names)
{
    for (size_t i = 0; i < names->n_tmp; i++)
        free(names->tmp[i]);
    free(names->tmp);
    free(names->id);
    *names = (struct names){ 0 };
}

/* ---- the first page ----------------------------------------------------------------------------------------------- */

struct view {
    bool is_gone; /* no such file */
    bool is_dead; /* killed: nothing in it counts */
    bool is_sealed;
    uint64_t limit;
};

static int view_page(struct spool *s, struct segment *seg, const struct page *page, struct view *v, struct err *e)
{
    const struct page_header *h = &page->header;

    if (page->has_header && (h->version > SPOOL_VERSION || h->kind != SEGMENT_JOURNAL))
        return err_set(e, ERR_CONFIG, "%s/journal: a segment of version %u, kind %u: written by a newer Baton", s->dir,
                       h->version, h->kind);
    /* The name tells the generation when the header is torn. When they differ, a crash came between W1 and W5. */
    seg->gen = page->has_header ? h->gen : seg->name;
    v->is_dead = page->killed >= seg->gen;
    if (v->is_dead && seg->gen < seg->name)
        seg->gen = seg->name;
    v->is_sealed = page->seal_gen == seg->gen;
    if (v->is_sealed && page->seal_end < v->limit)
        v->limit = page->seal_end;
    return 0;
}

static int view(struct spool *s, struct segment *seg, struct view *v, struct err *e)
{
    char bytes[PAGE_BYTES] = { 0 };
    struct spool_io_stat st;
    struct page page;
    int fd = segment_fd(s, seg);

    *v = (struct view){ 0 };
    if (fd < 0 && errno == ENOENT) {
        v->is_gone = true;
        return 0;
    }
    /* One that was cut off before its first page was there holds nothing. */
    if (fd < 0 || s->io->stat(s->io, fd, &st) < 0 || io_read(s->io, fd, bytes, sizeof bytes, 0) < 0) {
        char text[SPOOL_ID_TEXT];
        return err_sys(e, "read %s/journal/%s", s->dir, spool_id_format(seg->name, text));
    }
    s->ledger.disk_bytes += st.size - seg->size;
    seg->size = v->limit = st.size;
    page_decode(bytes, &page);
    seg->is_viewed = true;
    int rc = view_page(s, seg, &page, v, e);
    /* Between opening it and reading this it was freed, and is another by now. */
    v->is_gone = s->role == SPOOL_LOOK && seg->gen > seg->name;
    return rc;
}

/* ---- how far may it be read? -------------------------------------------------------------------------------------- */

struct standing {
    bool is_left;     /* not now: its writer has not synced anything in it */
    bool is_finished; /* its writer is gone, or has left it */
    bool is_synced;   /* up to `limit` */
    uint64_t limit;
};

/* journal/ was listed before the lines were read: what lies below a line's numbers is of a predecessor. */
static struct standing standing_of(struct spool *s, const struct segment *seg)
{
    struct shared_line line;

    if (s->role == SPOOL_RELAY && seg->slot == ID_SLOT_RELAY)
        return (struct standing){ .is_finished = true };
    if (!s->shared) {
        /* The newest of each slot may have a writer. */
        for (struct list *at = seg->link.next; at != &s->ledger.journals; at = at->next)
            if (list_entry(at, struct segment, link)->slot == seg->slot)
                return (struct standing){ .is_finished = true };
        return (struct standing){ .limit = UINT64_MAX };
    }
    if (seg->slot >= shared_slots(s->shared))
        return (struct standing){ .is_finished = true };
    if (!shared_read(s->shared, seg->slot, &line))
        return (struct standing){ .is_left = true };
    if (line.gen == seg->name)
        return (struct standing){ .is_synced = true, .limit = line.end };
    return seg->name < line.gen || seg->name < line.opened || !line.opened ? (struct standing){ .is_finished = true }
                                                                           : (struct standing){ .is_left = true };
}

/* ---- reading on --------------------------------------------------------------------------------------------------- */

static bool is_recycled(struct spool *s, struct segment *seg)
{
    char bytes[PAGE_BYTES] = { 0 };
    struct page page;

    if (s->role != SPOOL_LOOK)
        return false;
    io_read(s->io, seg->fd, bytes, sizeof bytes, 0);
    page_decode(bytes, &page);
    return page.killed >= seg->gen || (page.has_header && page.header.gen != seg->gen);
}

/* A gap is damage when what was there had been synced: because a later batch follows, or a seal or a writer says so.
 * Else it is a write that was cut off, and promised to nobody. */
static void report_gaps(struct spool *s, struct segment *seg, const struct scan *sc, bool is_synced)
{
    char text[SPOOL_ID_TEXT];

    if (sc->n_gaps && is_recycled(s, seg))
        return;
    spool_id_format(seg->name, text);
    for (size_t i = 0; i < sc->n_gaps; i++) {
        const struct gap *g = &sc->gaps[i];
        if (is_synced || g->after < sc->last_batch || g->after > g->before + 1)
            spool_damaged(s, "%s/journal/%s: damaged from offset %llu to %llu: what was recorded there is lost", s->dir,
                          text, (unsigned long long)g->from, (unsigned long long)g->to);
    }
}

static void report_tail(struct spool *s, struct segment *seg, uint64_t from, uint64_t to)
{
    char text[SPOOL_ID_TEXT];

    if (!is_recycled(s, seg))
        spool_damaged(s, "%s/journal/%s: damaged from offset %llu to %llu: what was recorded there is lost", s->dir,
                      spool_id_format(seg->name, text), (unsigned long long)from, (unsigned long long)to);
}

/* The number of the last batch: only its records can be torn. */
static uint64_t last_batch(struct spool *s, struct segment *seg, uint64_t limit, uint64_t search_max)
{
    struct scan sc;
    struct record r;
    const char *head;

    scan_init(&sc, s->io, seg->fd, seg->gen, seg->end, limit, NULL);
    sc.search_max = search_max;
    while (scan_next(&sc, &r, &head))
        ;
    scan_fini(&sc);
    return sc.last_batch;
}

static int read_on(struct spool *s, struct segment *seg, const struct standing *st, uint64_t limit, record_fn *fn,
                   struct err *e)
{
    struct scan sc;
    struct record r;
    const char *head;
    uint64_t search_max = UINT64_MAX;

    if (segment_fd(s, seg) < 0)
        return err_sys(e, "open a segment of %s/journal", s->dir);
    if (!st->is_finished && !st->is_synced)
        search_max = s->is_started ? 0 : s->role == SPOOL_LOOK ? LOOK_SEARCH : UINT64_MAX;
    segment_hold(seg);
    scan_init(&sc, s->io, seg->fd, seg->gen, seg->end, limit, st->is_synced ? &s->arrivals : NULL);
    sc.search_max = search_max;
    if (!st->is_synced)
        sc.check_from = search_max == 0 ? 0 : last_batch(s, seg, limit, search_max);
    while (scan_next(&sc, &r, &head))
        fn(s, seg, scan_at(&sc, &r), &r, head);
    report_gaps(s, seg, &sc, st->is_synced);
    if (st->is_synced && sc.end < limit)
        report_tail(s, seg, sc.end, limit);
    seg->end = st->is_synced ? limit : sc.end;
    seg->is_stuck |= is_recycled(s, seg);
    bool is_newer = sc.is_newer;
    scan_fini(&sc);
    segment_unhold(s, seg);
    return is_newer ? err_set(e, ERR_CONFIG, "%s/journal holds records that a newer Baton wrote", s->dir) : 0;
}

static int advance(struct spool *s, struct segment *seg, record_fn *fn, bool *vanished, struct err *e)
{
    struct standing st = standing_of(s, seg);
    struct view v = { .limit = st.limit };

    if (st.is_left || (st.is_synced && seg->is_viewed && st.limit <= seg->end))
        return 0;
    if ((!seg->is_viewed || !st.is_synced) && view(s, seg, &v, e) < 0)
        return -1;
    if (v.is_gone || v.is_dead) {
        *vanished = true;
        seg->is_sealed = true;
        seg->is_stuck = v.is_gone;
        segment_check(s, seg);
        return 0;
    }
    if (v.is_sealed)
        st.is_synced = st.is_finished = true;
    else if (st.is_synced)
        v.limit = st.limit;
    if (seg->end < PAGE_BYTES)
        seg->end = PAGE_BYTES;
    if (seg->end < v.limit && read_on(s, seg, &st, v.limit, fn, e) < 0)
        return -1;
    *vanished |= s->role == SPOOL_LOOK && seg->is_stuck; /* under our hands: what lived in it is elsewhere now */
    seg->is_sealed = st.is_finished || seg->is_stuck;
    segment_check(s, seg);
    return 0;
}

static int list_journals(struct spool *s, struct err *e)
{
    struct names names;

    if (names_list(s, "journal", &names) < 0)
        return err_sys(e, "list %s/journal", s->dir);
    for (size_t i = 0; i < names.n; i++)
        /* Ours are entered when they have been written. */
        if (!(s->is_started && s->role == SPOOL_RELAY && ID_SLOT(names.id[i]) == ID_SLOT_RELAY) &&
            !segment_find_journal(&s->ledger, names.id[i]))
            segment_new(&s->ledger, names.id[i], names.id[i], false);
    names_fini(&names);
    return 0;
}

/* Whether a line speaks of a segment that we have not seen. */
static bool lines_tell_more(struct spool *s)
{
    struct shared_line line;

    for (unsigned i = 0; i < shared_slots(s->shared); i++)
        if (!shared_read(s->shared, i, &line) || (line.gen && !segment_find_journal(&s->ledger, line.gen)))
            return true;
    return false;
}

int arrive_journals(struct spool *s, record_fn *fn, bool *vanished, struct err *e)
{
    if ((!s->is_started || !s->shared || lines_tell_more(s)) && list_journals(s, e) < 0)
        return -1;
    list_each(at, &s->ledger.journals)
    {
        struct segment *seg = list_entry(at, struct segment, link);
        if (!seg->is_sealed && seg != s->own && advance(s, seg, fn, vanished, e) < 0)
            return -1;
    }
    return 0;
}

/* ---- telling ------------------------------------------------------------------------------------------------------ */

void arrive_tell(struct spool *s, const struct entry *en, const struct record *r, const char *head)
{
    struct segment *seg = segment_at(&s->ledger, en->segment);
    struct spool_state st;
    struct envelope env;
    struct err e;
    char text[SPOOL_ID_TEXT];

    if (read_envelope(s, seg, r, head, &env, &e) < 0) {
        spool_damaged(s, "message %s: %s", spool_id_format(r->id, text), e.text);
        return;
    }
    if (read_state(s, en, &st, &e) < 0 && s->role != SPOOL_LOOK) /* it may have moved on meanwhile */
        spool_damaged(s, "message %s: its state is lost and it starts anew: %s", spool_id_format(r->id, text), e.text);
    struct spool_info info = {
        .id = r->id,
        .size = r->size,
        .arrival_us = env.arrival_us,
        .has_dot_line = r->flags & RECORD_DOT_LINE,
        .has_long_line = r->flags & RECORD_LONG_LINE,
        .is_8bit = r->flags & RECORD_8BIT,
        .is_from_drop = id_is_drops(r->id),
    };
    bool has_state = en->state_segment != PLACE_NONE || en->is_pending;
    if (!has_state)
        st.is_held = env.is_held;
    s->ops->found(s->arg, &info, &env, has_state || st.is_held ? &st : NULL);
    spool_state_fini(&st);
    envelope_fini(&env);
}

static void message_arrived(struct spool *s, struct segment *seg, uint64_t offset, const struct record *r,
                            const char *head)
{
    /* States and ends are written by the relay alone, and it knows its own. */
    if (r->type != RECORD_MESSAGE)
        return;
    if (index_find(&s->index, r->id)) {
        settle_add_copy(s, r->id, seg);
        return;
    }
    struct entry *en = index_add(&s->index, r->id);
    settle_place(s, en, seg, offset, r);
    arrive_tell(s, en, r, head);
}

static void tell_own(struct spool *s)
{
    uint64_t *ids = s->arrived;
    size_t n = s->n_arrived;
    struct buf head;
    struct record r;
    struct err e;

    /* found() may make more of them. */
    s->arrived = NULL;
    s->n_arrived = s->cap_arrived = 0;
    buf_init(&head, BUF_NO_MAX);
    for (size_t i = 0; i < n; i++) {
        struct entry *en = index_find(&s->index, ids[i]);
        if (!en)
            continue;
        if (read_head(s, segment_at(&s->ledger, en->segment), en->offset8 * UINT64_C(8), &r, &head, &e) < 0)
            spool_damaged(s, "%s", e.text);
        else
            arrive_tell(s, en, &r, head.at);
    }
    buf_fini(&head);
    free(ids);
}

static int poll_all(struct spool *s, bool drop_too, struct err *e)
{
    bool vanished = false;

    BUG_IF(s->role == SPOOL_RECEIVE);
    if (s->role == SPOOL_LOOK)
        return 0;
    BUG_IF(!s->is_started);
    tell_own(s);
    int rc = arrive_journals(s, message_arrived, &vanished, e);
    if (rc == 0 && drop_too)
        rc = takein_drop(s, message_arrived, e);
    if (rc == 0 && (!s->shared || shared_large(s->shared) != s->large_seen))
        rc = takein_large(s, message_arrived, e);
    commit_kick(s);
    return rc;
}

int spool_poll(struct spool *s, struct err *e)
{
    return poll_all(s, true, e);
}

int spool_poll_committed(struct spool *s, struct err *e)
{
    return poll_all(s, false, e);
}
