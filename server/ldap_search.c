/* SPDX-License-Identifier: Apache-2.0
 *
 * ldap.so: searching. Some searches are under way at a time, over one connection; their answers come in any order. */
#include "server/ldap_wire_int.h"

#include "base/clock.h"
#include "base/mem.h"

#include <errno.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/time.h>

/* slapd ends a connection on which more wait (conn_max_pending, 100). */
enum { UNDER_WAY_MAX = 32 };

struct run {
    struct ldap_wire *wire;
    struct ldap_search *const *searches;
    size_t n, next;
    struct {
        struct ldap_search *search; /* NULL: free */
        int id;
    } under_way[UNDER_WAY_MAX];
    size_t n_under_way;
};

/* ---- entries ---- */

void ldap_wire_forget(struct ldap_search *s)
{
    for (size_t i = 0; i < s->n; i++) {
        struct ldap_entry *entry = &s->at[i];
        for (size_t j = 0; j < entry->n; j++)
            free(entry->values[j].at);
        free(entry->values);
        free(entry->dn);
    }
    free(s->at);
    s->at = NULL;
    s->n = 0;
}

/* "mail;lang-en" is a mail. */
static bool find_attr(const struct ldap_search *s, const char *name, size_t *place)
{
    size_t len = strcspn(name, ";");

    for (size_t i = 0; s->attrs[i]; i++)
        if (strncasecmp(s->attrs[i], name, len) == 0 && (s->attrs[i][len] == '\0' || strcasecmp(s->attrs[i], name) == 0)) {
            *place = i;
            return true;
        }
    return false;
}

static void take_values(struct ldap_entry *entry, size_t attr, struct berval **values)
{
    for (; *values; values++) {
        const struct berval *v = *values;
        char *copy = xmalloc(v->bv_len + 1);
        memcpy(copy, v->bv_val, v->bv_len);
        copy[v->bv_len] = '\0';
        entry->values = xreallocarray(entry->values, entry->n + 1, sizeof *entry->values);
        entry->values[entry->n++] = (struct ldap_value){ .attr = attr, .at = copy, .len = v->bv_len };
    }
}

static void take_entry(LDAP *ld, LDAPMessage *message, struct ldap_search *s)
{
    struct ldap_entry entry = { 0 };
    BerElement *place = NULL;
    char *dn = ldap_get_dn(ld, message);
    size_t attr;

    entry.dn = xstrdup(dn ? dn : "");
    ldap_memfree(dn);
    for (char *name = ldap_first_attribute(ld, message, &place); name; name = ldap_next_attribute(ld, message, place)) {
        struct berval **values = find_attr(s, name, &attr) ? ldap_get_values_len(ld, message, name) : NULL;
        if (values) {
            take_values(&entry, attr, values);
            ldap_value_free_len(values);
        }
        ldap_memfree(name);
    }
    ber_free(place, 0);
    s->at = xreallocarray(s->at, s->n + 1, sizeof *s->at);
    s->at[s->n++] = entry;
}

/* ---- one search ---- */

static int size_limit(const struct ldap_table *t)
{
    return t->size_limit ? t->size_limit : t->expansion_limit;
}

static void fail(struct ldap_search *s, const struct err *why, bool is_hanging)
{
    ldap_wire_forget(s);
    s->outcome = LDAP_NO_ANSWER;
    s->is_hanging = is_hanging;
    s->err = *why;
}

static void fail_with(struct run *r, struct ldap_search *s, int code)
{
    struct err e;

    if (code == LDAP_SIZELIMIT_EXCEEDED)
        err_set(&e, ERR_PERMANENT, "the search finds more than %d entries (size_limit, or the server's own limit)",
                size_limit(r->wire->table));
    else if (code == LDAP_FILTER_ERROR)
        err_set(&e, ERR_CONFIG, "query_filter: \"%s\" is no filter", s->filter);
    else if (code == LDAP_REFERRAL)
        err_set(&e, ERR_CONFIG, "%s refers to another server: name that in server_host, or set chase_referrals = yes", r->wire->to);
    else
        ldap_wire_failed(r->wire->ld, code, &e, "cannot answer", r->wire->to);
    fail(s, &e, false);
}

static void finish(struct run *r, struct ldap_search *s, LDAPMessage *chain)
{
    LDAP *ld = r->wire->ld;
    int code = LDAP_OTHER;
    LDAPMessage *last = NULL;

    for (LDAPMessage *m = ldap_first_message(ld, chain); m; m = ldap_next_message(ld, m)) {
        if (ldap_msgtype(m) == LDAP_RES_SEARCH_ENTRY)
            take_entry(ld, m, s);
        else if (ldap_msgtype(m) == LDAP_RES_SEARCH_RESULT)
            last = m;
    }
    if (last)
        ldap_parse_result(ld, last, &code, NULL, NULL, NULL, NULL, 0);
    if (code == LDAP_SUCCESS) {
        s->outcome = LDAP_ANSWERED;
    } else if (code == LDAP_NO_SUCH_OBJECT) {
        ldap_wire_forget(s);
        s->outcome = LDAP_NO_BASE;
    } else {
        fail_with(r, s, code);
    }
}

/* ---- all of them ---- */

/* -1: the connection is gone. */
static int send_one(struct run *r)
{
    const struct ldap_table *t = r->wire->table;
    struct ldap_search *s = r->searches[r->next];
    struct timeval limit = { .tv_sec = (time_t)(t->timeout / USEC_PER_SEC) };
    size_t place = 0;
    int id;

    while (r->under_way[place].search)
        place++;
    int code = ldap_search_ext(r->wire->ld, s->base, (int)s->scope, s->filter, (char **)(uintptr_t)s->attrs, 0, NULL, NULL, &limit,
                               size_limit(t), &id);
    if (code == LDAP_SERVER_DOWN)
        return -1;
    r->next++;
    if (code != LDAP_SUCCESS) {
        fail_with(r, s, code);
        return 0;
    }
    r->under_way[place].search = s;
    r->under_way[place].id = id;
    r->n_under_way++;
    return 0;
}

/* 1: one has its answer. 0: none came in time. -1: the connection is gone. */
static int receive_one(struct run *r)
{
    struct timeval limit = { .tv_sec = (time_t)(r->wire->table->timeout / USEC_PER_SEC) };
    LDAPMessage *chain = NULL;
    int got = ldap_result(r->wire->ld, LDAP_RES_ANY, LDAP_MSG_ALL, &limit, &chain);

    if (got <= 0)
        return got;
    int id = ldap_msgid(chain);
    for (size_t i = 0; i < UNDER_WAY_MAX; i++)
        if (r->under_way[i].search && r->under_way[i].id == id) {
            struct ldap_search *s = r->under_way[i].search;
            r->under_way[i].search = NULL;
            r->n_under_way--;
            finish(r, s, chain);
            break;
        }
    ldap_msgfree(chain);
    return 1;
}

/* What is under way has to be asked again, over another connection: it goes to the front of those that wait. */
static struct ldap_search **not_yet_answered(const struct run *r, size_t *n)
{
    struct ldap_search **rest = xcalloc(r->n + 1, sizeof(struct ldap_search *));

    *n = 0;
    for (size_t i = 0; i < UNDER_WAY_MAX; i++)
        if (r->under_way[i].search)
            rest[(*n)++] = r->under_way[i].search;
    for (size_t i = r->next; i < r->n; i++)
        rest[(*n)++] = r->searches[i];
    return rest;
}

static void fail_all(struct ldap_search *const *searches, size_t n, const struct err *why, bool is_hanging)
{
    for (size_t i = 0; i < n; i++)
        fail(searches[i], why, is_hanging);
}

/* Over the connection that is there, to its end. Fills `rest` with what it left unanswered (the caller's to free) and says why. */
static size_t run(struct ldap_wire *w, struct ldap_search *const *searches, size_t n, struct ldap_search ***rest, struct err *e,
                  bool *is_hanging)
{
    struct run r = { .wire = w, .searches = searches, .n = n };
    int got = 1;

    errno = 0;
    while (got > 0 && (r.next < r.n || r.n_under_way)) {
        if (r.next < r.n && r.n_under_way < UNDER_WAY_MAX)
            got = send_one(&r) < 0 ? -1 : 1;
        else
            got = receive_one(&r);
    }
    if (got > 0)
        return 0;
    *is_hanging = got == 0;
    if (got == 0)
        err_set(e, ERR_TEMPORARY, "%s has not answered within %d seconds", w->to, (int)(w->table->timeout / USEC_PER_SEC));
    else
        ldap_wire_failed(w->ld, LDAP_SERVER_DOWN, e, "has closed the connection", w->to);
    ldap_wire_drop(w);
    size_t n_rest;
    *rest = not_yet_answered(&r, &n_rest);
    return n_rest;
}

void ldap_wire_search(struct ldap_wire *w, struct ldap_search *const *searches, size_t n)
{
    struct ldap_search *const *now = searches, **rest = NULL, **before = NULL;
    bool is_hanging = false;
    struct err e;

    for (int attempt = 0; n > 0 && attempt < 2; attempt++) {
        int64_t start_us = clock_mono_us();
        if (!w->ld && ldap_wire_connect(w, &e) < 0) {
            is_hanging = clock_mono_us() - start_us >= w->table->timeout;
            break;
        }
        before = rest;
        rest = NULL;
        n = run(w, now, n, &rest, &e, &is_hanging);
        free(before);
        now = rest;
        if (is_hanging)
            break;
    }
    if (n > 0)
        fail_all(now, n, &e, is_hanging);
    free(rest);
}
