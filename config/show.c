/* SPDX-License-Identifier: Apache-2.0
 *
 * show.c - prints a configuration, "name = value" a line, as postconf does. */
#include "config/config_int.h"

#include "base/mem.h"

static const char *value_of(const struct config *cfg, enum config_param p, unsigned flags)
{
    return flags & CONFIG_SHOW_DEFAULTS || !cfg ? config_params[p].def : cfg->values[p].shown;
}

static void show_param(const struct config *cfg, enum config_param p, unsigned flags,
                       struct buf *out)
{
    const char *value = value_of(cfg, p, flags);

    if (flags & CONFIG_SHOW_NON_DEFAULT && cfg && cfg->values[p].origin == FROM_DEFAULT)
        return;
    if (flags & CONFIG_SHOW_VALUE_ONLY)
        buf_addf(out, "%s\n", value);
    else
        buf_addf(out, "%s =%s%s\n", config_params[p].name, *value ? " " : "", value);
}

/* In double quotes, as one would write it. */
static void add_quoted(struct buf *out, const char *s)
{
    buf_addc(out, '"');
    for (; *s; s++) {
        if (*s == '"' || *s == '\\')
            buf_addc(out, '\\');
        if (*s == '$')
            buf_addc(out, '$');
        buf_addc(out, *s);
    }
    buf_addc(out, '"');
}

static void add_option(struct buf *out, const char *name, const char *value)
{
    buf_addf(out, "    %s = ", name);
    add_quoted(out, value);
    buf_addc(out, '\n');
}

static void show_login(const struct login *l, struct buf *out)
{
    buf_adds(out, "login ");
    add_quoted(out, l->host.text);
    buf_adds(out, " {\n");
    add_option(out, "user", l->user);
    if (l->password)
        buf_adds(out, "    # password is set\n");
    if (l->password_file[0])
        add_option(out, "password_file", l->password_file);
    if (l->password_command.n) {
        buf_adds(out, "    password_command = { ");
        for (size_t i = 0; i < l->password_command.n; i++) {
            buf_adds(out, i ? ", " : "");
            add_quoted(out, l->password_command.at[i]);
        }
        buf_adds(out, " }\n");
    }
    buf_adds(out, "}\n");
}

static void show_listen(const struct listen *l, struct buf *out)
{
    struct buf address;

    buf_init(&address, BUF_NO_MAX);
    buf_adds(out, "listen ");
    add_quoted(out, l->name);
    buf_adds(out, " {\n");
    if (l->path[0]) {
        add_option(out, "path", l->path);
    } else {
        strlist_join(&l->address, &address);
        add_option(out, "address", buf_cstr(&address));
        buf_addf(out, "    port = %d\n", l->port);
    }
    buf_addf(out, "    protocol = %s\n", l->protocol == CONFIG_LISTEN_LMTP ? "lmtp" : "smtp");
    for (int p = 0; l->view && p < N_PARAMS; p++)
        if (config_is_own(l->view, (enum config_param)p))
            add_option(out, config_params[p].name, l->view->values[p].shown);
    buf_adds(out, "}\n");
    buf_fini(&address);
}

/* Of the many parameters those that say which directory. */
static void show_ldap(const struct ldap_table *t, struct buf *out)
{
    struct buf hosts;

    buf_init(&hosts, BUF_NO_MAX);
    strlist_join(&t->server_host, &hosts);
    buf_adds(out, "ldap ");
    add_quoted(out, t->name);
    buf_adds(out, " {\n");
    add_option(out, "server_host", buf_cstr(&hosts));
    add_option(out, "search_base", t->search_base);
    add_option(out, "query_filter", t->query_filter);
    if (t->bind_dn[0])
        add_option(out, "bind_dn", t->bind_dn);
    if (t->bind_pw)
        buf_adds(out, "    # bind_pw is set\n");
    buf_adds(out, "}\n");
    buf_fini(&hosts);
}

static void show_pipe(const struct pipe_service *p, struct buf *out)
{
    buf_adds(out, "pipe ");
    add_quoted(out, p->name);
    buf_adds(out, " {\n");
    add_option(out, "user", p->user);
    buf_adds(out, "    argv = { ");
    for (size_t i = 0; i < p->argv.n; i++) {
        buf_adds(out, i ? ", " : "");
        add_quoted(out, p->argv.at[i]);
    }
    buf_adds(out, " }\n");
    if (p->flags[0])
        add_option(out, "flags", p->flags);
    buf_adds(out, "}\n");
}

static void show_sections(const struct config *cfg, struct buf *out)
{
    for (size_t i = 0; i < cfg->n_logins; i++)
        show_login(&cfg->logins[i], out);
    for (size_t i = 0; i < cfg->n_listens; i++)
        show_listen(&cfg->listens[i], out);
    for (size_t i = 0; i < cfg->n_ldaps; i++)
        show_ldap(&cfg->ldaps[i], out);
    for (size_t i = 0; i < cfg->n_pipes; i++)
        show_pipe(&cfg->pipes[i], out);
}

int config_find_param(const char *name, enum config_param *p, struct err *e)
{
    const struct config_option *o = config_option_find(config_params, N_PARAMS, span_str(name));
    const char *near = o ? NULL : suggest_param(span_str(name));

    if (!o)
        return err_set(e, ERR_CONFIG, "there is no parameter %s%s%s%s", name,
                       near ? "; did you mean " : "", near ? near : "", near ? "?" : "");
    *p = (enum config_param)(o - config_params);
    return 0;
}

int config_show(const struct config *cfg, char *const *names, unsigned flags, struct buf *out,
                struct err *e)
{
    enum config_param p;

    for (; names && *names; names++) {
        if (config_find_param(*names, &p, e) < 0)
            return -1;
        show_param(cfg, p, flags, out);
        if (!names[1])
            return 0;
    }
    for (int i = 0; i < N_PARAMS; i++)
        show_param(cfg, (enum config_param)i, flags, out);
    if (cfg && !(flags & (CONFIG_SHOW_DEFAULTS | CONFIG_SHOW_VALUE_ONLY)))
        show_sections(cfg, out);
    return 0;
}
