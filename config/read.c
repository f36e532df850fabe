/* SPDX-License-Identifier: Apache-2.0
 *
 * read.c - a file, and the environment, to a struct config.
 *
 * libconfuse is given one statement at a time, from scan.c's form of it: so an error in one does not hide the next.
 * Each value is first kept as the text that was written; when all have been read they are expanded, made into fields,
 * and looked at together. A login's password never comes by here: secret.c reads it when it is needed. */
#include "config/config_int.h"

#include "base/mem.h"

#include <confuse.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

extern char **environ;

struct section { /* a login or listen section as written */
    const char *kind;
    const struct config_option *options;
    size_t n_options;
    char *title;
    int line;
    struct config_value *values;
};

struct reader {
    struct config *cfg;
    struct config_report *report;
    struct section *sections;
    size_t n_sections;
    struct section *open; /* in which we are, or NULL */
    int base_line;        /* of the statement that libconfuse reads */
    mode_t mode;          /* of the file */
};

/* libconfuse's error function gets nothing of ours with it. One thread loads at a time anyway: its lexer is global. */
static struct reader *reading;

static struct place here(const struct reader *rd, int line)
{
    return (struct place){ .file = rd->cfg->file, .line = line };
}

static void on_confuse_error(cfg_t *cfg, const char *fmt, va_list ap)
{
    struct buf text;

    buf_init(&text, BUF_NO_MAX);
    buf_vaddf(&text, fmt, ap);
    remark(reading->report, CONFIG_ERROR, here(reading, reading->base_line + cfg->line - 1), "%s",
           buf_cstr(&text));
    buf_fini(&text);
}

/* ---- files ---- */

char *read_whole(const char *file, size_t size_max, size_t *len, mode_t *mode, struct err *e)
{
    int fd = open(file, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    char *text = NULL;
    struct stat st;
    ssize_t got;

    *len = 0;
    if (fd < 0) {
        err_sys(e, "cannot read it");
        return NULL;
    }
    if (fstat(fd, &st) < 0) {
        err_sys(e, "cannot look at it");
        goto fail;
    }
    if (S_ISDIR(st.st_mode)) {
        err_set(e, ERR_CONFIG, "it is a folder");
        goto fail;
    }
    *mode = st.st_mode;
    /* One piece of memory from the start: a secret in it leaves no copies behind. A file has its size, a pipe has none. */
    if (S_ISREG(st.st_mode) && st.st_size > 0 && (uint64_t)st.st_size <= size_max)
        size_max = (size_t)st.st_size;
    text = xmalloc(size_max + 1);
    while ((got = read(fd, text + *len, size_max + 1 - *len)) > 0)
        if ((*len += (size_t)got) > size_max) {
            err_set(e, ERR_CONFIG, "it is larger than %zu bytes", size_max);
            goto fail;
        }
    if (got < 0) {
        err_sys(e, "cannot read it");
        goto fail;
    }
    text[*len] = '\0';
    close(fd);
    return text;
fail:
    if (text)
        wipe(text, *len);
    free(text);
    close(fd);
    return NULL;
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
    else if (in && config_option_find(config_params, N_PARAMS, name))
        snprintf(text, sizeof text, "it is a parameter of its own: write it outside of the section");
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
static void note_twice(struct reader *rd, const struct config_option *o, const struct config_value *v,
                       const struct scan_item *it, const struct strlist *now)
{
    if (same_text(&v->raw, now))
        remark(rd->report, CONFIG_WARNING, here(rd, it->line), "%s: it is set in line %d already", o->name,
               v->line);
    else
        remark(rd->report, CONFIG_ERROR, here(rd, it->line),
               "%s: it is set in line %d already, to something else; delete one of the two", o->name, v->line);
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

static void on_assign(struct reader *rd, const struct scan_item *it)
{
    struct section *in = rd->open;
    const struct config_option *table = in ? in->options : config_params;
    const struct config_option *o = config_option_find(table, in ? in->n_options : N_PARAMS, it->name);

    if (!o) {
        remark(rd->report, CONFIG_ERROR, here(rd, it->line), "%.*s: %s", (int)it->name.len, it->name.at,
               unknown_name(rd, it->name));
        return;
    }
    struct config_value *v = (in ? in->values : rd->cfg->values) + (o - table);
    if (o->type != TYPE_SECRET) {
        keep_value(rd, o, v, it);
        return;
    }
    if (v->origin == FROM_FILE)
        remark(rd->report, CONFIG_ERROR, here(rd, it->line), "%s: it is set in line %d already; delete one of the two",
               o->name, v->line);
    if (it->value[0] == '{')
        remark(rd->report, CONFIG_ERROR, here(rd, it->line), "%s: it takes one value, not a list", o->name);
    /* A password that is only a name of the environment is no secret of the file's. */
    if ((rd->mode & S_IROTH) && strncmp(it->value, "\"\\${", 4) != 0)
        remark(rd->report, CONFIG_ERROR, here(rd, it->line),
               "%s: everybody may read this file, and the password in it; chmod o-r %s, or write password_file = "
               "\"FILE\" with the password in a file of its own", o->name, rd->cfg->file);
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
};

static void on_open(struct reader *rd, const struct scan_item *it)
{
    struct section s = { .kind = "", .line = it->line };
    struct buf title;

    buf_init(&title, BUF_NO_MAX);
    for (size_t i = 0; i < ARRAY_LEN(section_kinds); i++)
        if (span_eq(it->name, span_str(section_kinds[i].name)))
            s = (struct section){ section_kinds[i].name, section_kinds[i].options, section_kinds[i].n, NULL,
                                  it->line, NULL };
    if (it->value)
        scan_unquote(it->value, &title);
    if (!s.n_options)
        remark(rd->report, CONFIG_ERROR, here(rd, it->line),
               "there is no section \"%.*s\"; there are login \"HOST\" { } and listen NAME { }", (int)it->name.len,
               it->name.at);
    else if (!title.len)
        remark(rd->report, CONFIG_ERROR, here(rd, it->line), "a section %s has a title: write %s \"%s\" {", s.kind,
               s.kind, s.n_options == N_LOGIN_OPTIONS ? "[smtp.example.com]:587" : "name");
    s.title = buf_take(&title);
    s.values = xcalloc(s.n_options ? s.n_options : 1, sizeof *s.values);
    for (size_t i = 0; i < rd->n_sections && s.n_options; i++)
        if (rd->sections[i].options == s.options && strcasecmp(rd->sections[i].title, s.title) == 0)
            remark(rd->report, CONFIG_ERROR, here(rd, it->line),
                   "%s \"%s\": there is such a section in line %d already; make one of the two", s.kind, s.title,
                   rd->sections[i].line);
    rd->sections = xreallocarray(rd->sections, rd->n_sections + 1, sizeof *rd->sections);
    rd->sections[rd->n_sections] = s;
    rd->open = &rd->sections[rd->n_sections++];
}

static void section_fini(struct section *s)
{
    for (size_t i = 0; i < s->n_options; i++)
        value_fini(&s->values[i]);
    free(s->values);
    free(s->title);
}

static void read_statements(struct reader *rd, struct span text)
{
    struct scan scan;
    const struct scan_item *it;

    scan_init(&scan, text);
    while ((it = scan_next(&scan))->kind != SCAN_END) {
        if (it->kind == SCAN_FAULT)
            remark(rd->report, CONFIG_ERROR, here(rd, it->line), "%s", it->fault);
        else if (it->kind == SCAN_OPEN)
            on_open(rd, it);
        else if (it->kind == SCAN_CLOSE)
            rd->open = NULL;
        else if (!rd->open || rd->open->n_options) /* what is in an unknown section is unknown */
            on_assign(rd, it);
    }
    scan_fini(&scan);
    rd->open = NULL;
}

/* ---- the environment ---- */

static bool is_reserved(struct span name)
{
    static const char *const others[] = { "CONF", "BUILD", "SRC", "LOGIN_USER", "LOGIN_PASSWORD", "LOGIN_PASSWORD_FILE" };

    for (size_t i = 0; i < ARRAY_LEN(others); i++)
        if (span_eq(name, span_str(others[i])))
            return true;
    return false;
}

static void take_variable(struct reader *rd, const char *variable, const char *text)
{
    char name[100], shown[120];
    size_t len = strlen(variable);

    if (len >= sizeof name)
        return;
    memcpy(name, variable, len + 1);
    ascii_lower_str(name);
    snprintf(shown, sizeof shown, ENV_PREFIX "%s", variable);
    const struct config_option *o = config_option_find(config_params, N_PARAMS, span_str(name));
    if (!o) {
        const char *near = suggest_param(span_str(name));
        remark(rd->report, CONFIG_WARNING, (struct place){ .variable = shown },
               "there is no parameter %s%s%s", name, near ? "; did you mean " : "", near ? near : "");
        return;
    }
    struct config_value *v = &rd->cfg->values[o - config_params];
    value_fini(v);
    strlist_add(&v->raw, span_str(text));
    v->origin = FROM_ENVIRONMENT;
}

static void read_environment(struct reader *rd)
{
    for (char **at = environ; at && *at; at++) { /* NULL after clearenv() */
        if (strncmp(*at, ENV_PREFIX, sizeof ENV_PREFIX - 1) != 0)
            continue;
        struct span entry = span_from(span_str(*at), sizeof ENV_PREFIX - 1);
        struct span name = span_of(entry.at, span_find(entry, '='));
        if (name.len == entry.len || is_reserved(name))
            continue;
        char *variable = span_dup(name);
        take_variable(rd, variable, entry.at + name.len + 1);
        free(variable);
    }
}

/* BATON_LOGIN_USER and a password make the login for the relayhost: a container needs no file. */
static void login_from_environment(struct config *cfg, struct config_report *r)
{
    const char *user = getenv(ENV_LOGIN_USER), *file = getenv(ENV_LOGIN_PASSWORD_FILE);
    const char *password = getenv(ENV_LOGIN_PASSWORD);

    if (!user && !file && !password)
        return;
    if (!user || !*user || (!file && !password)) {
        remark(r, CONFIG_ERROR, (struct place){ .variable = user ? ENV_LOGIN_USER : ENV_LOGIN_PASSWORD },
               ENV_LOGIN_USER " and one of " ENV_LOGIN_PASSWORD " and " ENV_LOGIN_PASSWORD_FILE " go together");
        return;
    }
    for (size_t i = 0; i < cfg->relayhost.n; i++) {
        struct login l = { .user = xstrdup(user), .password = password != NULL,
                           .password_file = xstrdup(password || !file ? "" : file) };
        struct err e;
        if (config_login_for(cfg, &cfg->relayhost.at[i]) ||
            relayhost_parse(&l.host, span_str(cfg->relayhost.at[i].text), &e) < 0) {
            free(l.user);
            free(l.password_file);
            continue;
        }
        cfg->logins = xreallocarray(cfg->logins, cfg->n_logins + 1, sizeof *cfg->logins);
        cfg->logins[cfg->n_logins++] = l;
    }
}

/* ---- text to fields ---- */

static void convert_params(struct reader *rd)
{
    struct config *cfg = rd->cfg;
    struct err e = { 0 };
    struct conversion c = { .err = &e };

    for (int i = 0; i < N_PARAMS; i++) {
        enum config_param p = (enum config_param)i;
        const struct config_value *v = &cfg->values[p];
        if (v->state != VALUE_DONE)
            continue;
        c.option = &config_params[p];
        c.text = &v->text;
        c.is_list = v->is_list;
        c.notice[0] = '\0';
        if (convert_value(&c, cfg) < 0)
            remark_param(rd->report, cfg, p, CONFIG_ERROR, "%s", e.text);
        else if (*c.notice)
            remark_param(rd->report, cfg, p, c.notice_severity, "%s", c.notice);
    }
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
        if (expand_list(rd->cfg, &raw, &text, &e) < 0 || convert_value(&c, base) < 0) {
            if (*e.text)
                remark(rd->report, CONFIG_ERROR, here(rd, line), "%s \"%s\": %s: %s", s->kind, s->title, o->name, e.text);
        } else if (*c.notice) {
            remark(rd->report, c.notice_severity, here(rd, line), "%s \"%s\": %s: %s", s->kind, s->title, o->name, c.notice);
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

    if (expand_list(cfg, &raw, &text, &e) < 0 || relayhost_parse(&l.host, span_str(text.at[0]), &e) < 0)
        if (*e.text)
            remark(rd->report, CONFIG_ERROR, here(rd, s->line), "login \"%s\": %s", s->title, e.text);
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

static void make_fields(struct reader *rd)
{
    expand_all(rd->cfg, rd->report);
    convert_params(rd);
    for (size_t i = 0; i < rd->n_sections && rd->cfg->flags & CONFIG_ENV; i++) {
        const struct section *s = &rd->sections[i];
        if (s->options == config_login_options)
            make_login(rd, s);
        else if (s->options == config_listen_options)
            make_listen(rd, s);
    }
    if (rd->cfg->flags & CONFIG_ENV)
        login_from_environment(rd->cfg, rd->report);
}

/* ---- the whole ---- */

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
        remark(rd->report, CONFIG_ERROR, (struct place){ .file = file }, "%s%s", e.text,
               e.sys == EACCES ? " (look at the rights of the file, and of the folders above it, for the user who runs this)"
                               : "");
        return -1;
    }
    if (strlen(text) < len)
        remark(rd->report, CONFIG_ERROR, (struct place){ .file = file }, "it holds a NUL byte: it is no text");
    else
        read_statements(rd, span_of(text, len));
    wipe(text, len);
    free(text);
    return 0;
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
    if (read_file(&rd, file ? file : SYSCONFDIR "/baton/baton.conf", !file) == 0) {
        if (flags & CONFIG_ENV)
            read_environment(&rd);
        make_fields(&rd);
        if (r->n_errors == 0)
            check_rules(cfg, r);
    }
    remark_sort(r);
    for (size_t i = 0; i < rd.n_sections; i++)
        section_fini(&rd.sections[i]);
    free(rd.sections);
    if (r->n_errors == 0)
        return cfg;
    config_free(cfg);
    return NULL;
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
        free(cfg->listens[i].name);
        convert_free(config_listen_options, N_LISTEN_OPTIONS, &cfg->listens[i]);
    }
    for (int p = 0; p < N_PARAMS; p++)
        value_fini(&cfg->values[p]);
    convert_free(config_params, N_PARAMS, cfg);
    free(cfg->values);
    free(cfg->logins);
    free(cfg->listens);
    free(cfg->file);
    free(cfg);
}

bool config_needs_restart(const struct config *old, const struct config *now, struct buf *names)
{
    bool differs = false;

    for (int p = 0; p < N_PARAMS; p++) {
        if (config_params[p].change == LIVE || strcmp(old->values[p].shown, now->values[p].shown) == 0)
            continue;
        buf_addf(names, "%s%s", differs ? " " : "", config_params[p].name);
        differs = true;
    }
    return differs;
}
