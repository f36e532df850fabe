/* SPDX-License-Identifier: Apache-2.0
 *
 * show_json.c - the same for programs. In a file of its own, so that sendmail does not link
 * jansson. Lists are arrays, times are seconds, sizes bytes, booleans booleans; all else is text.
 */
#include "config/config_int.h"

#include "base/clock.h"
#include "base/mem.h"

#include <jansson.h>
#include <stdlib.h>

static json_t *text(const char *s)
{
    return json_stringn_nocheck(s, strlen(s));
}

static json_t *list(const struct strlist *l)
{
    json_t *array = json_array();

    for (size_t i = 0; i < l->n; i++)
        json_array_append_new(array, text(l->at[i]));
    return array;
}

static json_t *words(const struct strlist *values)
{
    struct strlist split = { 0 };

    split_words(values, &split);
    json_t *array = list(&split);
    strlist_clear(&split);
    return array;
}

static json_t *value_of(const struct config *cfg, enum config_param p)
{
    const struct config_option *o = &config_params[p];
    const char *field = (const char *)cfg + o->offset;

    switch (o->type) {
    case TYPE_BOOL: return json_boolean(*(const bool *)field);
    case TYPE_INT: return json_integer(*(const int *)(const void *)field);
    case TYPE_TIME: return json_integer(*(const int64_t *)(const void *)field / USEC_PER_SEC);
    case TYPE_SIZE: return json_integer((json_int_t) * (const uint64_t *)(const void *)field);
    case TYPE_LIST:
    case TYPE_MAPS:
    case TYPE_MATCH:
    case TYPE_MILTERS:
    case TYPE_INTERFACES:
    case TYPE_NETWORKS:
    case TYPE_RELAYHOSTS: return words(&cfg->values[p].text);
    default: return text(cfg->values[p].shown);
    }
}

static void add_param(json_t *to, const struct config *cfg, enum config_param p, unsigned flags)
{
    if (flags & CONFIG_SHOW_NON_DEFAULT && cfg && cfg->values[p].origin == FROM_DEFAULT)
        return;
    json_object_set_new(to, config_params[p].name,
                        flags & CONFIG_SHOW_DEFAULTS || !cfg ? text(config_params[p].def)
                                                             : value_of(cfg, p));
}

static json_t *login(const struct login *l)
{
    json_t *o = json_pack("{s:o,s:o,s:b}", "host", text(l->host.text), "user", text(l->user),
                          "password", l->password);

    if (l->password_file[0])
        json_object_set_new(o, "password_file", text(l->password_file));
    if (l->password_command.n)
        json_object_set_new(o, "password_command", list(&l->password_command));
    return o;
}

static json_t *listener(const struct listen *l)
{
    json_t *o = json_pack("{s:o,s:s}", "name", text(l->name), "protocol", l->protocol == CONFIG_LISTEN_LMTP ? "lmtp" : "smtp");

    for (int p = 0; l->view && p < N_PARAMS; p++)
        if (config_is_own(l->view, (enum config_param)p))
            add_param(o, l->view, (enum config_param)p, 0);

    if (l->path[0]) {
        json_object_set_new(o, "path", text(l->path));
        return o;
    }
    json_object_set_new(o, "address", list(&l->address));
    json_object_set_new(o, "port", json_integer(l->port));
    return o;
}

static json_t *ldap_table(const struct ldap_table *t)
{
    return json_pack("{s:o,s:o,s:o,s:o,s:o,s:b}", "name", text(t->name), "server_host", list(&t->server_host), "search_base",
                     text(t->search_base), "query_filter", text(t->query_filter), "bind_dn", text(t->bind_dn), "bind_pw", t->bind_pw);
}

static json_t *pipe_service(const struct pipe_service *p)
{
    return json_pack("{s:o,s:o,s:o,s:o}", "name", text(p->name), "user", text(p->user), "argv", list(&p->argv), "flags",
                     text(p->flags));
}

static void add_sections(json_t *to, const struct config *cfg)
{
    json_t *logins = json_array(), *listens = json_array(), *ldaps = json_array(), *pipes = json_array();

    for (size_t i = 0; i < cfg->n_logins; i++)
        json_array_append_new(logins, login(&cfg->logins[i]));
    for (size_t i = 0; i < cfg->n_listens; i++)
        json_array_append_new(listens, listener(&cfg->listens[i]));
    for (size_t i = 0; i < cfg->n_ldaps; i++)
        json_array_append_new(ldaps, ldap_table(&cfg->ldaps[i]));
    for (size_t i = 0; i < cfg->n_pipes; i++)
        json_array_append_new(pipes, pipe_service(&cfg->pipes[i]));
    json_object_set_new(to, "login", logins);
    json_object_set_new(to, "listen", listens);
    json_object_set_new(to, "ldap", ldaps);
    json_object_set_new(to, "pipe", pipes);
}

int config_show_json(const struct config *cfg, char *const *names, unsigned flags, struct buf *out,
                     struct err *e)
{
    json_t *all = json_object();
    enum config_param p;
    int result = 0;

    for (char *const *name = names; name && *name && result == 0; name++)
        if ((result = config_find_param(*name, &p, e)) == 0)
            add_param(all, cfg, p, flags);
    if (!names || !*names) {
        for (int i = 0; i < N_PARAMS; i++)
            add_param(all, cfg, (enum config_param)i, flags);
        if (cfg && !(flags & CONFIG_SHOW_DEFAULTS))
            add_sections(all, cfg);
    }
    char *dump = result == 0 ? json_dumps(all, JSON_INDENT(2)) : NULL;
    if (dump)
        buf_addf(out, "%s\n", dump);
    free(dump);
    json_decref(all);
    return result;
}
