/* SPDX-License-Identifier: Apache-2.0
 *
 * Domains that nobody wrote down as ours, but that have addresses in virtual_alias_maps: whoever writes "info@example.com" there
 * means to get mail for it (HANDBOOK trap 0.4). They are found by a walk through the tables' keys, again when one has changed. */
#include "server/routing_int.h"

#include "base/mem.h"

#include <stdlib.h>

struct inferred {
    struct routing *of;
    unsigned generation;
    bool is_read, is_partial;
    char **at; /* sorted, in small letters */
    size_t n, cap;
};

struct inferred *infer_new(struct routing *ro)
{
    struct inferred *in = xcalloc(1, sizeof *in);

    in->of = ro;
    return in;
}

static void clear(struct inferred *in)
{
    for (size_t i = 0; i < in->n; i++)
        free(in->at[i]);
    in->n = 0;
}

void infer_free(struct inferred *in)
{
    if (!in)
        return;
    clear(in);
    free(in->at);
    free(in);
}

/* Where it stands, or belongs. */
static size_t place_of(const struct inferred *in, const char *domain, bool *is_there)
{
    size_t low = 0, high = in->n;

    *is_there = false;
    while (low < high) {
        size_t mid = (low + high) / 2;
        int order = strcmp(domain, in->at[mid]);
        if (order == 0) {
            *is_there = true;
            return mid;
        }
        if (order < 0)
            high = mid;
        else
            low = mid + 1;
    }
    return low;
}

/* A name of this machine has its aliases. */
static bool is_this_machine(const struct config *cfg, const char *domain)
{
    return strcmp(domain, "localhost") == 0 || span_ieq_str(span_str(domain), cfg->myhostname) ||
           (strncmp(domain, "localhost.", 10) == 0 && span_ieq_str(span_str(domain + 10), cfg->mydomain));
}

static int add_row(void *arg, const struct map_row *row)
{
    struct inferred *in = arg;
    size_t at = span_rfind(row->key, '@');
    bool is_there;

    if (at + 1 >= row->key.len || row->key.at[0] == '/')
        return 0;
    char domain[256];
    struct span d = span_from(row->key, at + 1);
    if (d.len >= sizeof domain)
        return 0;
    memcpy(domain, d.at, d.len);
    domain[d.len] = '\0';
    ascii_lower_str(domain);
    size_t i = place_of(in, domain, &is_there);
    if (is_there || is_this_machine(in->of->cfg, domain))
        return 0;
    if (in->n == in->cap) {
        in->cap = in->cap ? in->cap * 2 : 16;
        in->at = xreallocarray(in->at, in->cap, sizeof *in->at);
    }
    memmove(&in->at[i + 1], &in->at[i], (in->n - i) * sizeof *in->at);
    in->at[i] = xstrdup(domain);
    in->n++;
    return 0;
}

static void refresh(struct routing *ro)
{
    struct inferred *in = ro->inferred;
    unsigned generation = tables_generation(ro->virtual_alias);

    if (in->is_read && in->generation == generation)
        return;
    clear(in);
    in->is_read = true;
    in->generation = generation;
    in->is_partial = !tables_each(ro->virtual_alias, add_row, in);
}

bool infer_has(struct routing *ro, struct span domain)
{
    char name[256];
    bool is_there;

    if (!ro->inferred || domain.len >= sizeof name)
        return false;
    refresh(ro);
    memcpy(name, domain.at, domain.len);
    name[domain.len] = '\0';
    ascii_lower_str(name);
    place_of(ro->inferred, name, &is_there);
    return is_there;
}

bool infer_is_partial(struct routing *ro)
{
    if (!ro->inferred)
        return false;
    refresh(ro);
    return ro->inferred->is_partial;
}

void infer_each(struct routing *ro, void (*fn)(void *arg, const char *domain), void *arg)
{
    if (!ro->inferred)
        return;
    refresh(ro);
    for (size_t i = 0; i < ro->inferred->n; i++)
        fn(arg, ro->inferred->at[i]);
}
