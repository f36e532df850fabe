/* SPDX-License-Identifier: Apache-2.0
 *
 * fields.c - the texts of a configuration that was read, expanded and made into the fields of its
 * structs. */
#include "config/reader_int.h"

#include "base/mem.h"

int reader_convert(struct config_report *r, struct config *cfg, enum config_param p)
{
    const struct config_value *v = &cfg->values[p];
    struct err e;
    struct conversion c = { .option = &config_params[p], .text = &v->text, .is_list = v->is_list, .err = &e };

    if (convert_value(&c, cfg) < 0) {
        remark_param(r, cfg, p, CONFIG_ERROR, "%s", e.text);
        return -1;
    }
    if (*c.notice && v->origin != FROM_DEFAULT) /* of "$mynetworks" as a default mynetworks has told */
        remark_param(r, cfg, p, c.notice_severity, "%s", c.notice);
    return 0;
}

static void convert_params(struct reader *rd)
{
    for (int p = 0; p < N_PARAMS; p++)
        if (rd->cfg->values[p].state == VALUE_DONE)
            reader_convert(rd->report, rd->cfg, (enum config_param)p);
}

static void convert_section(struct reader *rd, const struct section *s, void *base)
{
    for (size_t i = 0; i < s->n_options; i++) {
        const struct config_option *o = &s->options[i];
        const struct config_value *v = &s->values[i];
        int line = v->origin == FROM_FILE ? v->line : s->line;
        struct strlist text = { 0 };
        struct err e = { 0 };
        struct conversion c = { .option = o, .text = &text, .is_list = v->is_list, .err = &e };

        if (o->type == TYPE_SECRET) {
            *(bool *)((char *)base + o->offset) = v->origin == FROM_FILE;
            continue;
        }
        char *def = (char *)(uintptr_t)o->def;
        struct strlist raw = v->origin == FROM_FILE ? v->raw : (struct strlist){ &def, 1 };
        if (config_is_template(o))
            c.text = &raw;
        else if (expand_list(rd->cfg, &raw, &text, &e) < 0)
            c.text = NULL;
        if (!c.text || convert_value(&c, base) < 0) {
            if (*e.text)
                remark(rd->report, CONFIG_ERROR, reader_at(rd, line), "%s \"%s\": %s: %s", s->kind,
                       s->title, o->name, e.text);
        } else if (*c.notice && v->origin == FROM_FILE) {
            remark(rd->report, c.notice_severity, reader_at(rd, line), "%s \"%s\": %s: %s", s->kind,
                   s->title, o->name, c.notice);
        }
        strlist_clear(&text);
    }
}

static void make_login(struct reader *rd, const struct section *s)
{
    struct config *cfg = rd->cfg;
    struct login l = { .line = s->line };
    char *title = s->title;
    struct strlist raw = { &title, 1 }, text = { 0 };
    struct err e = { 0 };

    if (expand_list(cfg, &raw, &text, &e) < 0 ||
        relayhost_parse(&l.host, span_str(text.at[0]), &e) < 0)
        if (*e.text)
            remark(rd->report, CONFIG_ERROR, reader_at(rd, s->line), "login \"%s\": %s", s->title,
                   e.text);
    strlist_clear(&text);
    convert_section(rd, s, &l);
    cfg->logins = xreallocarray(cfg->logins, cfg->n_logins + 1, sizeof *cfg->logins);
    cfg->logins[cfg->n_logins++] = l;
}

static void make_listen(struct reader *rd, const struct section *s)
{
    struct config *cfg = rd->cfg;
    struct listen l = { .line = s->line, .name = xstrdup(s->title) };

    convert_section(rd, s, &l);
    cfg->listens = xreallocarray(cfg->listens, cfg->n_listens + 1, sizeof *cfg->listens);
    cfg->listens[cfg->n_listens++] = l;
}

static void make_pipe(struct reader *rd, const struct section *s)
{
    struct config *cfg = rd->cfg;
    struct pipe_service p = { .line = s->line, .name = xstrdup(s->title) };

    convert_section(rd, s, &p);
    cfg->pipes = xreallocarray(cfg->pipes, cfg->n_pipes + 1, sizeof *cfg->pipes);
    cfg->pipes[cfg->n_pipes++] = p;
}

static void make_restriction_class(struct reader *rd, const struct section *s)
{
    struct config *cfg = rd->cfg;
    struct restriction_class c = { .line = s->line, .name = xstrdup(s->title) };

    convert_section(rd, s, &c);
    cfg->restriction_classes =
        xreallocarray(cfg->restriction_classes, cfg->n_restriction_classes + 1, sizeof *cfg->restriction_classes);
    cfg->restriction_classes[cfg->n_restriction_classes++] = c;
}

static void make_ldap(struct reader *rd, const struct section *s)
{
    struct config *cfg = rd->cfg;
    struct ldap_table t = { .line = s->line, .name = xstrdup(s->title) };
    struct err e;

    if (s->title[0] == '/')
        remark(rd->report, CONFIG_ERROR, reader_at(rd, s->line), "ldap \"%s\": a name that begins with / is a file's", s->title);
    convert_section(rd, s, &t);
    if (rd->report->n_errors == 0 && ldap_check(&t, &e) < 0)
        remark(rd->report, CONFIG_ERROR, reader_at(rd, s->line), "ldap \"%s\": %s", s->title, e.text);
    cfg->ldaps = xreallocarray(cfg->ldaps, cfg->n_ldaps + 1, sizeof *cfg->ldaps);
    cfg->ldaps[cfg->n_ldaps++] = t;
}

void reader_make_fields(struct reader *rd)
{
    expand_all(rd->cfg, rd->report);
    convert_params(rd);
    for (size_t i = 0; i < rd->n_sections && rd->cfg->flags & (CONFIG_ENV | CONFIG_SECTIONS); i++) {
        const struct section *s = &rd->sections[i];
        if (s->options == config_login_options)
            make_login(rd, s);
        else if (s->options == config_listen_options)
            make_listen(rd, s);
        else if (s->options == config_pipe_options)
            make_pipe(rd, s);
        else if (s->options == config_restriction_class_options)
            make_restriction_class(rd, s);
        else if (s->options == config_ldap_options)
            make_ldap(rd, s);
    }
    if (rd->cfg->flags & CONFIG_ENV)
        reader_take_login(rd);
    reader_make_views(rd);
}
