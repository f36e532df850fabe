/* SPDX-License-Identifier: Apache-2.0
 *
 * view.c - a listen section's own parameters.
 *
 * A section that has some gets a configuration of its own: a copy of the whole, in which those that it names are its own, and those
 * whose values refer to them ($name); all else is borrowed. So who asks what counts for a client asks one struct config, and need
 * not know where a value comes from. */
#include "config/reader_int.h"

#include "base/mem.h"

#include <stdlib.h>

const struct config *config_view(const struct config *cfg, const struct listen *l)
{
    return l && l->view ? l->view : cfg;
}

const struct config *config_each_view(const struct config *cfg, size_t i)
{
    if (i == 0)
        return cfg;
    for (size_t k = 0; k < cfg->n_listens; k++)
        if (cfg->listens[k].view && --i == 0)
            return cfg->listens[k].view;
    return NULL;
}

/* ---- making one ---- */

static void copy_list(const struct strlist *from, struct strlist *to)
{
    for (size_t i = 0; i < from->n; i++)
        strlist_add(to, span_str(from->at[i]));
}

static bool has_reference(const struct config_value *v, const char *def)
{
    if (v->origin == FROM_DEFAULT)
        return strchr(def, '$') != NULL;
    for (size_t i = 0; i < v->raw.n; i++)
        if (strchr(v->raw.at[i], '$'))
            return true;
    return false;
}

/* As it was written, not yet expanded. */
static struct config_value raw_of(const struct config_value *v)
{
    struct config_value out = { .origin = v->origin, .is_list = v->is_list, .line = v->line };

    copy_list(&v->raw, &out.raw);
    return out;
}

static void give_back(struct config *view, const struct config *cfg, int p)
{
    value_fini(&view->values[p]);
    view->values[p] = cfg->values[p];
    view->values[p].is_borrowed = true;
}

static bool says_the_same(const struct config_value *a, const struct config_value *b)
{
    return a->state == VALUE_DONE && b->state == VALUE_DONE && strcmp(a->shown, b->shown) == 0;
}

/* What it names, and what might refer to that: expand_all() will tell. */
static void take_own(struct config *view, const struct config *cfg, const struct config_value *own)
{
    for (int p = 0; p < N_PARAMS; p++) {
        view->values[p] = cfg->values[p];
        if (own[p].origin == FROM_FILE)
            view->values[p] = raw_of(&own[p]);
        else if (config_params[p].who & LISTENER && cfg->values[p].state == VALUE_DONE && !config_is_template(&config_params[p]) &&
                 has_reference(&cfg->values[p], config_params[p].def))
            view->values[p] = raw_of(&cfg->values[p]);
        else
            view->values[p].is_borrowed = true;
    }
}

static struct config *make_view(struct reader *rd, const struct section *s, const struct listen *l)
{
    struct config *view = xmalloc(sizeof *view);

    *view = *rd->cfg;
    view->view_of = l->name;
    view->values = xcalloc(N_PARAMS, sizeof *view->values);
    take_own(view, rd->cfg, s->own);
    expand_all(view, rd->report);
    for (int p = 0; p < N_PARAMS; p++)
        if (config_is_own(view, (enum config_param)p) &&
            ((s->own[p].origin != FROM_FILE && says_the_same(&view->values[p], &rd->cfg->values[p])) ||
             view->values[p].state != VALUE_DONE || reader_convert(rd->report, view, (enum config_param)p) < 0))
            give_back(view, rd->cfg, p);
    return view;
}

void view_free(struct config *view)
{
    if (!view)
        return;
    for (int p = 0; p < N_PARAMS; p++)
        if (config_is_own(view, (enum config_param)p)) {
            value_fini(&view->values[p]);
            convert_free(&config_params[p], 1, view);
        }
    free(view->values);
    free(view);
}

void reader_make_views(struct reader *rd)
{
    size_t n = 0; /* the sections are made in their order */

    for (size_t i = 0; i < rd->n_sections && n < rd->cfg->n_listens; i++) {
        if (rd->sections[i].options != config_listen_options)
            continue;
        struct listen *l = &rd->cfg->listens[n++];
        if (rd->sections[i].own)
            l->view = make_view(rd, &rd->sections[i], l);
    }
}
