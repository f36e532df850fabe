/* SPDX-License-Identifier: Apache-2.0
 *
 * read.c - a file to a struct config.
 *
 * libconfuse is given one statement at a time, from scan.c's form of it: so an error in one does
 * not hide the next. Each value is first kept as the text that was written; when all have been read
 * they are expanded, made into fields, and looked at together. A login's password never comes by
 * here: secret.c reads it when it is needed. */
#include "config/reader_int.h"

#include "base/mem.h"

#include <confuse.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>

/* libconfuse's error function gets nothing of ours with it. One thread loads at a time anyway: its
 * lexer is global. */
static struct reader *reading;

static void on_confuse_error(cfg_t *cfg, const char *fmt, va_list ap)
{
    struct buf text;

    buf_init(&text, BUF_NO_MAX);
    buf_vaddf(&text, fmt, ap);
    remark(reading->report, CONFIG_ERROR, reader_at(reading, reading->base_line + cfg->line - 1),
           "%s", buf_cstr(&text));
    buf_fini(&text);
}

/* ---- one statement ---- */

static const char *unknown_name(const struct reader *rd, struct span name)
{
    static char text[400];
    const struct section *in = rd->open;
    const char *near = in ? suggest_option(in->options, in->n_options, name) : suggest_param(name);
    const char *cure = in ? NULL : suggest_postfix(name);

    if (cure)
        snprintf(text, sizeof text, "%s", cure);
    else if (in && in->options == config_listen_options && span_eq(name, SPAN("smtpd_milters")))
        snprintf(text, sizeof text, "in a section listen it is called milters");
    else if (in && config_option_find(config_params, N_PARAMS, name))
        snprintf(text, sizeof text,
                 "it is a parameter of its own%s: write it outside of the section",
                 in->options == config_listen_options ? ", the same for all listeners" : "");
    else if (near)
        snprintf(text, sizeof text, "there is no such parameter%s%s; did you mean %s?",
                 in ? " in a section " : "", in ? in->kind : "", near);
    else
        snprintf(text, sizeof text, "there is no such parameter%s%s", in ? " in a section " : "",
                 in ? in->kind : "");
    return text;
}

/* The texts of the value, by libconfuse. */
static bool parse_value(struct reader *rd, const struct scan_item *it, struct strlist *out)
{
    char name[] = "value";
    cfg_opt_t options[] = { CFG_STR_LIST(name, NULL, CFGF_NONE), CFG_END() };
    cfg_t *cfg = cfg_init(options, CFGF_NONE);
    size_t size = strlen(it->value) + 32;
    char *statement = xmalloc(size);

    BUG_IF(!cfg);
    snprintf(statement, size, "%s = %s\n", name, it->value);
    rd->base_line = it->line;
    reading = rd;
    cfg_set_error_function(cfg, on_confuse_error);
    bool is_good = cfg_parse_buf(cfg, statement) == CFG_SUCCESS;
    if (is_good)
        for (unsigned i = 0; i < cfg_size(cfg, name); i++)
            strlist_add(out, span_str(cfg_getnstr(cfg, name, i)));
    free(statement);
    cfg_free(cfg);
    return is_good;
}

static bool same_text(const struct strlist *a, const struct strlist *b)
{
    if (a->n != b->n)
        return false;
    for (size_t i = 0; i < a->n; i++)
        if (strcmp(a->at[i], b->at[i]) != 0)
            return false;
    return true;
}

/* The later one wins, as in a main.cf; but two that differ are a contradiction. */
static void note_twice(struct reader *rd, const struct config_option *o,
                       const struct config_value *v, const struct scan_item *it,
                       const struct strlist *now)
{
    if (same_text(&v->raw, now))
        remark(rd->report, CONFIG_WARNING, reader_at(rd, it->line),
               "%s: it is set in line %d already", o->name, v->line);
    else
        remark(rd->report, CONFIG_ERROR, reader_at(rd, it->line),
               "%s: it is set in line %d already, to something else; delete one of the two",
               o->name, v->line);
}

static void keep_value(struct reader *rd, const struct config_option *o, struct config_value *v,
                       const struct scan_item *it)
{
    struct strlist now = { 0 };

    if (!parse_value(rd, it, &now))
        return;
    if (it->is_append) {
        if (v->origin == FROM_DEFAULT && *o->def)
            strlist_add(&v->raw, span_str(o->def));
        for (size_t i = 0; i < now.n; i++)
            strlist_add(&v->raw, span_str(now.at[i]));
        strlist_clear(&now);
        v->is_list = true;
    } else {
        if (v->origin == FROM_FILE)
            note_twice(rd, o, v, it, &now);
        strlist_clear(&v->raw);
        v->raw = now;
        v->is_list = it->value[0] == '{';
    }
    v->origin = FROM_FILE;
    v->line = it->line;
}

/* In a section listen: a parameter that may differ from listener to listener. NULL: it is none. */
static struct config_value *own_value(struct section *in, struct span name, const struct config_option **o)
{
    if (!in || in->options != config_listen_options)
        return NULL;
    *o = config_option_find(config_params, N_PARAMS, name);
    if (!*o || !((*o)->who & LISTENER))
        return NULL;
    if (!in->own)
        in->own = xcalloc(N_PARAMS, sizeof *in->own);
    return &in->own[*o - config_params];
}

/* Where the value of `name` is kept, or NULL. */
static struct config_value *find_value(struct reader *rd, struct span name, const struct config_option **o)
{
    struct section *in = rd->open;
    const struct config_option *table = in ? in->options : config_params;

    *o = config_option_find(table, in ? in->n_options : N_PARAMS, name);
    return *o ? (in ? in->values : rd->cfg->values) + (*o - table) : own_value(in, name, o);
}

static void on_assign(struct reader *rd, const struct scan_item *it)
{
    const struct config_option *o;
    struct config_value *v = find_value(rd, it->name, &o);

    if (!v) {
        remark(rd->report, CONFIG_ERROR, reader_at(rd, it->line), "%.*s: %s", (int)it->name.len,
               it->name.at, unknown_name(rd, it->name));
        return;
    }
    if (it->is_append && rd->open && rd->open->own && v >= rd->open->own && v < rd->open->own + N_PARAMS) {
        remark(rd->report, CONFIG_ERROR, reader_at(rd, it->line),
               "%s: += adds to nothing in a section: write = and the whole value", o->name);
        return;
    }
    if (o->type != TYPE_SECRET) {
        keep_value(rd, o, v, it);
        return;
    }
    if (v->origin == FROM_FILE)
        remark(rd->report, CONFIG_ERROR, reader_at(rd, it->line),
               "%s: it is set in line %d already; delete one of the two", o->name, v->line);
    if (it->value[0] == '{')
        remark(rd->report, CONFIG_ERROR, reader_at(rd, it->line),
               "%s: it takes one value, not a list", o->name);
    /* A password that is only a name of the environment is no secret of the file's. */
    if ((rd->mode & S_IROTH) && strncmp(it->value, "\"\\${", 4) != 0)
        remark(
            rd->report, CONFIG_ERROR, reader_at(rd, it->line),
            "%s: everybody may read this file, and the password in it; chmod o-r %s, or write password_file = "
            "\"FILE\" with the password in a file of its own",
            o->name, rd->cfg->file);
    v->origin = FROM_FILE;
    v->line = it->line;
}

/* ---- sections ---- */

static const struct {
    const char *name;
    const struct config_option *options;
    size_t n;
} section_kinds[] = {
    { "login", config_login_options, N_LOGIN_OPTIONS },
    { "listen", config_listen_options, N_LISTEN_OPTIONS },
    { "pipe", config_pipe_options, N_PIPE_OPTIONS },
    { "restriction_class", config_restriction_class_options, N_RESTRICTION_CLASS_OPTIONS },
    { "ldap", config_ldap_options, N_LDAP_OPTIONS },
};

enum config_shape config_section_shape_of(const char *kind, struct span name)
{
    const struct config_option *o = NULL;

    for (size_t i = 0; i < ARRAY_LEN(section_kinds); i++)
        if (strcmp(section_kinds[i].name, kind) == 0)
            o = config_option_find(section_kinds[i].options, section_kinds[i].n, name);
    if (!o && strcmp(kind, "listen") == 0) {
        o = config_option_find(config_params, N_PARAMS, name);
        return o && o->who & LISTENER ? config_shape_of(name) : CONFIG_SHAPE_NONE;
    }
    return config_option_shape(o);
}

static void on_open(struct reader *rd, const struct scan_item *it)
{
    struct section s = { .kind = "", .line = it->line };
    struct buf title;

    buf_init(&title, BUF_NO_MAX);
    for (size_t i = 0; i < ARRAY_LEN(section_kinds); i++)
        if (span_eq(it->name, span_str(section_kinds[i].name)))
            s = (struct section){ section_kinds[i].name,
                                  section_kinds[i].options,
                                  section_kinds[i].n,
                                  NULL,
                                  it->line,
                                  NULL,
                                  NULL };
    if (it->value)
        prescan_unquote(it->value, &title);
    if (!s.n_options)
        remark(rd->report, CONFIG_ERROR, reader_at(rd, it->line),
               "there is no section \"%.*s\"; there are login \"HOST\" { }, listen NAME { }, pipe NAME { }, ldap NAME { } and restriction_class NAME { }",
               (int)it->name.len, it->name.at);
    else if (!title.len)
        remark(rd->report, CONFIG_ERROR, reader_at(rd, it->line),
               "a section %s has a title: write %s \"%s\" {", s.kind, s.kind,
               s.options == config_login_options ? "[smtp.example.com]:587" : "name");
    s.title = buf_take(&title);
    s.values = xcalloc(s.n_options ? s.n_options : 1, sizeof *s.values);
    for (size_t i = 0; i < rd->n_sections && s.n_options; i++)
        if (rd->sections[i].options == s.options && strcasecmp(rd->sections[i].title, s.title) == 0)
            remark(rd->report, CONFIG_ERROR, reader_at(rd, it->line),
                   "%s \"%s\": there is such a section in line %d already; make one of the two",
                   s.kind, s.title, rd->sections[i].line);
    rd->sections = xreallocarray(rd->sections, rd->n_sections + 1, sizeof *rd->sections);
    rd->sections[rd->n_sections] = s;
    rd->open = &rd->sections[rd->n_sections++];
}

static void section_fini(struct section *s)
{
    for (size_t i = 0; i < s->n_options; i++)
        value_fini(&s->values[i]);
    for (int p = 0; s->own && p < N_PARAMS; p++)
        value_fini(&s->own[p]);
    free(s->own);
    free(s->values);
    free(s->title);
}

static void read_statements(struct reader *rd, struct span text)
{
    struct scan scan;
    const struct scan_item *it;

    prescan_init(&scan, text);
    while ((it = prescan_next(&scan))->kind != SCAN_END) {
        if (it->kind == SCAN_FAULT)
            remark(rd->report, CONFIG_ERROR, reader_at(rd, it->line), "%s", it->fault);
        else if (it->kind == SCAN_OPEN)
            on_open(rd, it);
        else if (it->kind == SCAN_CLOSE)
            rd->open = NULL;
        else if (!rd->open || rd->open->n_options) /* what is in an unknown section is unknown */
            on_assign(rd, it);
    }
    prescan_fini(&scan);
    rd->open = NULL;
}

/* ---- the whole ---- */

static void read_text(struct reader *rd, struct span text)
{
    if (span_find(text, '\0') < text.len)
        remark(rd->report, CONFIG_ERROR, (struct place){ .file = rd->cfg->file },
               "it holds a NUL byte: it is no text");
    else
        read_statements(rd, text);
}

/* 0, also when there is no file and none was asked for. */
static int read_file(struct reader *rd, const char *file, bool may_be_missing)
{
    struct err e = { 0 };
    size_t len;

    rd->cfg->file = xstrdup(file);
    char *text = read_whole(file, CONFIG_FILE_MAX, &len, &rd->mode, &e);
    if (!text && e.sys == ENOENT && may_be_missing) {
        remark(rd->report, CONFIG_NOTICE, (struct place){ .file = file },
               "there is no such file: defaults and the environment count");
        free(rd->cfg->file);
        rd->cfg->file = NULL;
        return 0;
    }
    if (!text) {
        rd->report->is_unreadable = e.sys == EACCES || e.sys == EPERM;
        remark(
            rd->report, CONFIG_ERROR, (struct place){ .file = file }, "%s%s", e.text,
            e.sys == EACCES
                ? " (look at the rights of the file, and of the folders above it, for the user who runs this)"
                : "");
        return -1;
    }
    read_text(rd, span_of(text, len));
    wipe(text, len);
    free(text);
    return 0;
}

/* Takes what was read so far; NULL when it had an error. */
static struct config *finish(struct reader *rd, bool is_read)
{
    struct config *cfg = rd->cfg;

    if (is_read) {
        if (cfg->flags & CONFIG_ENV)
            reader_take_environment(rd);
        reader_make_fields(rd);
        if (rd->report->n_errors == 0)
            check_rules(cfg, rd->report);
    }
    remark_once(rd->report);
    remark_sort(rd->report);
    for (size_t i = 0; i < rd->n_sections; i++)
        section_fini(&rd->sections[i]);
    free(rd->sections);
    if (rd->report->n_errors == 0)
        return cfg;
    config_free(cfg);
    return NULL;
}

struct config *config_load_text(struct span text, const char *name, struct config_report *r)
{
    struct config *cfg = xcalloc(1, sizeof *cfg);
    struct reader rd = { .cfg = cfg, .report = r };

    cfg->file = xstrdup(name);
    cfg->flags = CONFIG_SECTIONS;
    cfg->values = xcalloc(N_PARAMS, sizeof *cfg->values);
    read_text(&rd, text);
    return finish(&rd, true);
}

struct config *config_load(const char *file, unsigned flags, struct config_report *r)
{
    struct config *cfg = xcalloc(1, sizeof *cfg);
    struct reader rd = { .cfg = cfg, .report = r };
    const char *from_env = flags & CONFIG_ENV ? getenv("BATON_CONF") : NULL;

    if (!file && from_env && *from_env)
        file = from_env;
    cfg->flags = flags;
    cfg->values = xcalloc(N_PARAMS, sizeof *cfg->values);
    return finish(&rd, read_file(&rd, file ? file : SYSCONFDIR "/baton/baton.conf", !file) == 0);
}

void config_free(struct config *cfg)
{
    if (!cfg)
        return;
    for (size_t i = 0; i < cfg->n_logins; i++) {
        relayhost_fini(&cfg->logins[i].host);
        convert_free(config_login_options, N_LOGIN_OPTIONS, &cfg->logins[i]);
    }
    for (size_t i = 0; i < cfg->n_listens; i++) {
        view_free(cfg->listens[i].view);
        free(cfg->listens[i].name);
        convert_free(config_listen_options, N_LISTEN_OPTIONS, &cfg->listens[i]);
    }
    for (size_t i = 0; i < cfg->n_restriction_classes; i++) {
        free(cfg->restriction_classes[i].name);
        convert_free(config_restriction_class_options, N_RESTRICTION_CLASS_OPTIONS, &cfg->restriction_classes[i]);
    }
    for (size_t i = 0; i < cfg->n_pipes; i++) {
        free(cfg->pipes[i].name);
        convert_free(config_pipe_options, N_PIPE_OPTIONS, &cfg->pipes[i]);
    }
    for (size_t i = 0; i < cfg->n_ldaps; i++) {
        free(cfg->ldaps[i].name);
        convert_free(config_ldap_options, N_LDAP_OPTIONS, &cfg->ldaps[i]);
    }
    for (int p = 0; p < N_PARAMS; p++)
        value_fini(&cfg->values[p]);
    convert_free(config_params, N_PARAMS, cfg);
    free(cfg->values);
    free(cfg->logins);
    free(cfg->listens);
    free(cfg->restriction_classes);
    free(cfg->pipes);
    free(cfg->ldaps);
    free(cfg->file);
    free(cfg);
}

bool config_needs_restart(const struct config *old, const struct config *now, struct buf *names)
{
    bool differs = false;

    for (int p = 0; p < N_PARAMS; p++) {
        if (config_params[p].change == LIVE ||
            strcmp(old->values[p].shown, now->values[p].shown) == 0)
            continue;
        buf_addf(names, "%s%s", differs ? " " : "", config_params[p].name);
        differs = true;
    }
    return differs;
}
