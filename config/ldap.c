/* SPDX-License-Identifier: Apache-2.0
 *
 * ldap.c - a table in a directory: a section `ldap NAME`, or a file as Postfix's ldap_table(5) has it, "name = value" lines of
 * main.cf's form. A value of such a file is taken as it stands: no $name is replaced, no quotes are taken off. */
#include "config/config_int.h"

#include "base/mem.h"

#include <stdlib.h>
#include <strings.h>
#include <sys/stat.h>

/* ---- rules ---- */

static bool has_scheme(const struct ldap_table *t, const char *scheme)
{
    for (size_t i = 0; i < t->server_host.n; i++)
        if (strncasecmp(t->server_host.at[i], scheme, strlen(scheme)) == 0)
            return true;
    return false;
}

int ldap_check(const struct ldap_table *t, struct err *e)
{
    bool has_login = t->bind_dn[0] || t->bind_pw;

    if (t->start_tls && has_scheme(t, "ldaps:"))
        return err_set(e, ERR_CONFIG, "start_tls = yes and ldaps:// contradict each other: ldaps:// is TLS already");
    if (t->version < 3 && (t->start_tls || has_scheme(t, "ldaps:") || t->bind == CONFIG_LDAP_BIND_SASL))
        return err_set(e, ERR_CONFIG, "version = %d has no TLS and no SASL: leave it out", t->version);
    if (t->bind == CONFIG_LDAP_BIND_NONE && has_login)
        return err_set(e, ERR_CONFIG, "bind = no, and yet a bind_dn or bind_pw is set: leave one of them out");
    if (t->bind == CONFIG_LDAP_BIND_SIMPLE && t->bind_dn[0] && !t->bind_pw)
        return err_set(e, ERR_CONFIG, "bind_dn has no bind_pw beside it: a login without a password is an anonymous one (RFC 4513 5.1.2)");
    if (t->tls_key[0] && !t->tls_cert[0])
        return err_set(e, ERR_CONFIG, "tls_key is set, but no tls_cert");
    if (!t->result_attribute.n && !t->leaf_result_attribute.n && !t->terminal_result_attribute.n)
        return err_set(e, ERR_CONFIG, "no attribute is named: result_attribute = maildrop");
    return 0;
}

/* ---- a file ---- */

struct ldap_file {
    const char *path;
    mode_t mode;
    struct ldap_table *table;
    char **password;
    struct span text;
    int line, next_line;
    int line_of[N_LDAP_OPTIONS]; /* 0: not written */
};

static bool is_comment(struct span line)
{
    line = span_trim(line);
    return line.len == 0 || line.at[0] == '#';
}

static struct span take_line(struct ldap_file *f)
{
    size_t end = span_find(f->text, '\n');
    struct span line = span_of(f->text.at, end);

    f->text = span_from(f->text, end + 1);
    f->next_line++;
    return line;
}

/* Whether the next line that is no comment goes on with the one before. */
static bool goes_on(struct ldap_file *f)
{
    while (f->text.len && is_comment(span_of(f->text.at, span_find(f->text, '\n'))))
        take_line(f);
    return f->text.len && (f->text.at[0] == ' ' || f->text.at[0] == '\t');
}

/* The next statement; false at the end. It is wiped by the caller: it may hold the password. */
static bool next_statement(struct ldap_file *f, struct buf *out)
{
    struct span line;

    buf_clear(out);
    do {
        if (f->text.len == 0)
            return false;
        f->line = f->next_line;
        line = take_line(f);
    } while (is_comment(line));
    buf_addspan(out, line);
    while (goes_on(f)) {
        buf_addc(out, ' ');
        buf_addspan(out, span_trim(take_line(f)));
    }
    return true;
}

static int no_such_parameter(struct span name, struct err *e)
{
    const char *near = suggest_option(config_ldap_options, N_LDAP_OPTIONS, name);

    return err_set(e, ERR_CONFIG, "there is no parameter %.*s in a table of type ldap%s%s%s",
                   (int)(name.len > 100 ? 100 : name.len), name.at, near ? "; did you mean " : "", near ? near : "", near ? "?" : "");
}

static int take_secret(struct ldap_file *f, struct span value, struct err *e)
{
    if (f->mode & S_IROTH)
        return err_set(e, ERR_CONFIG, "bind_pw: everybody may read this file, and the password in it; chmod o-r %s", f->path);
    if (memchr(value.at, '\0', value.len))
        return err_set(e, ERR_CONFIG, "bind_pw holds a NUL");
    config_secret_free(*f->password);
    *f->password = span_dup(value);
    f->table->bind_pw = true;
    return 0;
}

static int convert(struct ldap_table *t, const struct config_option *o, char *text, struct err *e)
{
    struct strlist list = { &text, 1 };
    struct conversion c = { .option = o, .text = &list, .err = e };

    return convert_value(&c, t) < 0 ? err_prefix(e, "%s", o->name) : 0;
}

static int take_statement(struct ldap_file *f, struct span statement, struct err *e)
{
    size_t equals = span_find(statement, '=');
    struct span name = span_trim(span_of(statement.at, equals)), value = span_trim(span_from(statement, equals + 1));

    if (equals == statement.len || statement.at[0] == ' ' || statement.at[0] == '\t')
        return err_set(e, ERR_CONFIG, "this is no \"name = value\"");
    if (span_eq(name, SPAN("result_filter")))
        name = SPAN("result_format");
    const struct config_option *o = config_option_find(config_ldap_options, N_LDAP_OPTIONS, name);
    if (!o)
        return no_such_parameter(name, e);
    if (f->line_of[o - config_ldap_options])
        return err_set(e, ERR_CONFIG, "%s: it is set in line %d already", o->name, f->line_of[o - config_ldap_options]);
    f->line_of[o - config_ldap_options] = f->line;
    if (value.len >= 2 && value.at[0] == '"' && value.at[value.len - 1] == '"')
        return err_set(e, ERR_CONFIG, "%s: its value stands in quotes, which would be a part of it; write it without", o->name);
    if (o->type == TYPE_SECRET)
        return take_secret(f, value, e);
    char *text = span_dup(value);
    int rc = memchr(value.at, '\0', value.len) ? err_set(e, ERR_CONFIG, "%s holds a NUL", o->name) : convert(f->table, o, text, e);
    free(text);
    return rc;
}

static int read_statements(struct ldap_file *f, struct err *e)
{
    struct buf statement;
    int rc = 0;

    buf_init(&statement, CONFIG_FILE_MAX);
    buf_room(&statement, f->text.len); /* at once: no copy of a password stays behind */
    while (rc == 0 && next_statement(f, &statement))
        if (take_statement(f, buf_span(&statement), e) < 0)
            rc = err_prefix(e, "%s:%d", f->path, f->line);
    wipe(statement.at, statement.cap);
    buf_fini(&statement);
    return rc;
}

static int take_defaults(struct ldap_file *f, struct err *e)
{
    for (size_t i = 0; i < N_LDAP_OPTIONS; i++) {
        const struct config_option *o = &config_ldap_options[i];
        if (f->line_of[i] || o->type == TYPE_SECRET)
            continue;
        if (o->not_empty && !*o->def)
            return err_set(e, ERR_CONFIG, "%s: %s is missing", f->path, o->name);
        if (convert(f->table, o, (char *)(uintptr_t)o->def, e) < 0)
            return err_prefix(e, "%s", f->path);
    }
    return ldap_check(f->table, e) < 0 ? err_prefix(e, "%s", f->path) : 0;
}

static struct ldap_table *from_file(const char *path, char **password, struct err *e)
{
    struct ldap_file f = { .path = path, .password = password, .next_line = 1 };
    size_t len;
    char *text = read_whole(path, CONFIG_FILE_MAX, &len, &f.mode, e);

    if (!text) {
        err_prefix(e, "%s", path);
        return NULL;
    }
    e->sys = 0;
    f.text = span_of(text, len);
    f.table = xcalloc(1, sizeof *f.table);
    f.table->name = xstrdup(path);
    if (read_statements(&f, e) < 0 || take_defaults(&f, e) < 0) {
        config_ldap_table_free(f.table);
        config_secret_free(*password);
        *password = NULL;
        f.table = NULL;
    }
    wipe(text, len);
    free(text);
    return f.table;
}

/* ---- a section ---- */

/* A second one with the same values: the configuration may go before the table that was opened with it does. */
static struct ldap_table *from_section(const struct config *cfg, const struct ldap_table *s, char **password, struct err *e)
{
    if (s->bind_pw && !(*password = config_ldap_secret(cfg, s, e)))
        return NULL;
    struct ldap_table *t = xmalloc(sizeof *t);
    *t = *s;
    t->name = xstrdup(s->name);
    convert_own(config_ldap_options, N_LDAP_OPTIONS, t);
    return t;
}

struct ldap_table *config_ldap_table(const struct config *cfg, const char *name, char **password, struct err *e)
{
    struct err ignored;

    *password = NULL;
    if (name[0] == '/')
        return from_file(name, password, e ? e : &ignored);
    for (size_t i = 0; cfg && i < cfg->n_ldaps; i++)
        if (strcasecmp(cfg->ldaps[i].name, name) == 0)
            return from_section(cfg, &cfg->ldaps[i], password, e);
    err_set(e, ERR_CONFIG, "there is no section ldap %s { } in the configuration, and the name of a file begins with /", name);
    return NULL;
}

void config_ldap_table_free(struct ldap_table *t)
{
    if (!t)
        return;
    free(t->name);
    convert_free(config_ldap_options, N_LDAP_OPTIONS, t);
    free(t);
}
