/* SPDX-License-Identifier: Apache-2.0
 *
 * show_mdoc.c - the tables as mdoc(7), for baton.conf(5). */
#include "config/config_int.h"

#include "base/mem.h"

#include <string.h>

#define LINE_MAX_LEN 76

static const char *const type_names[N_TYPES] = {
    [TYPE_STR] = "text",
    [TYPE_HOST] = "name",
    [TYPE_ORIGIN] = "domain",
    [TYPE_PATH] = "file",
    [TYPE_ADDRESS4] = "address",
    [TYPE_ADDRESS6] = "address",
    [TYPE_LOG] = "where",
    [TYPE_LIST] = "list",
    [TYPE_COMMAND] = "program",
    [TYPE_MAPS] = "tables",
    [TYPE_MATCH] = "domains",
    [TYPE_MILTERS] = "milters",
    [TYPE_INTERFACES] = "addresses",
    [TYPE_TIME] = "time",
    [TYPE_SIZE] = "size",
    [TYPE_INT] = "number",
    [TYPE_PORT] = "port",
    [TYPE_MODE] = "mode",
    [TYPE_BOOL] = "yes|no",
    [TYPE_ENUM] = "word",
    [TYPE_FLAGS] = "words",
    [TYPE_NETWORKS] = "networks",
    [TYPE_RELAYHOSTS] = "hosts",
    [TYPE_TRANSPORT] = "transport",
    [TYPE_TLSVERSIONS] = "versions",
    [TYPE_FEEDBACK] = "feedback",
    [TYPE_RESTRICTIONS] = "restrictions",
    [TYPE_TEMPLATE] = "text",
    [TYPE_TEMPLATES] = "program",
    [TYPE_SECRET] = "text",
};

static void add_char(struct buf *out, char c, bool is_line_start)
{
    if (is_line_start && (c == '.' || c == '\''))
        buf_adds(out, "\\&");
    if (c == '\\')
        buf_adds(out, "\\e");
    else
        buf_addc(out, c);
}

static bool ends_sentence(const char *s)
{
    return *s == '.' && s[1] == ' ' &&
           (s[2] == '`' || s[2] == '"' || (s[2] >= 'A' && s[2] <= 'Z') || ascii_is_digit(s[2]));
}

/* A macro's argument: what could be taken for a macro or for the end of the argument is protected.
 */
static void add_argument(struct buf *out, struct span s)
{
    buf_addc(out, '"');
    for (size_t i = 0; i < s.len; i++)
        if (s.at[i] == '"')
            buf_adds(out, "\\(dq");
        else
            add_char(out, s.at[i], false);
    buf_addc(out, '"');
}

static bool is_at_line_start(const struct buf *out)
{
    return out->len == 0 || out->at[out->len - 1] == '\n';
}

/* `word` becomes .Ic word, with the punctuation behind it. Returns where the text goes on. */
static const char *add_word(struct buf *out, const char *s)
{
    const char *end = strchr(s, '`');

    if (!is_at_line_start(out)) {
        while (out->at[out->len - 1] == ' ')
            out->len--;
        buf_addc(out, '\n');
    }
    BUG_IF(!end);
    buf_addf(out, ".Ic %s%.*s", *s == '%' ? "\\&" : "", (int)(end - s), s); /* %D is a macro */
    for (s = end + 1; *s && strchr(",.:;)", *s); s++)
        buf_addf(out, " %c", *s);
    buf_addc(out, '\n');
    return *s == ' ' ? s + 1 : s;
}

/* Would the word behind this blank make the line too long? */
static bool is_time_to_wrap(const struct buf *out, const char *s)
{
    struct span text = buf_span(out);
    size_t before = span_rfind(text, '\n');
    size_t line_len = before == text.len ? text.len : text.len - before - 1;

    return *s == ' ' && line_len + 1 + strcspn(s + 1, " ") > LINE_MAX_LEN;
}

static void add_text(struct buf *out, const char *s)
{
    while (*s) {
        if (*s == '`') {
            s = add_word(out, s + 1);
        } else if (ends_sentence(s)) {
            buf_adds(out, ".\n");
            s += 2;
        } else if (is_time_to_wrap(out, s)) {
            buf_addc(out, '\n');
            s++;
        } else {
            add_char(out, *s, is_at_line_start(out));
            s++;
        }
    }
    if (!is_at_line_start(out))
        buf_addc(out, '\n');
}

static void add_words(struct buf *out, const struct config_word *w)
{
    for (; w->word; w++)
        if (!strchr(w->word, ','))
            buf_addf(out, "%s%s", w->word, w[1].word && !strchr(w[1].word, ',') ? "|" : "");
}

static void add_option(struct buf *out, const struct config_option *o)
{
    struct buf kind;

    buf_init(&kind, BUF_NO_MAX);
    if (o->words)
        add_words(&kind, o->words);
    else
        buf_adds(&kind, type_names[o->type]);
    buf_addf(out, ".It Ic %s Li = Ar ", o->name);
    add_argument(out, buf_span(&kind));
    buf_addc(out, '\n');
    buf_fini(&kind);
    add_text(out, o->doc);
    if (*o->def) {
        buf_adds(out, "Default:\n.Ql ");
        add_argument(out, span_str(o->def));
        buf_adds(out, " .\n");
    }
}

static void add_options(struct buf *out, const struct config_option *table, size_t n,
                        bool says_restart)
{
    buf_adds(out, ".Bl -tag -width Ds\n");
    for (size_t i = 0; i < n; i++) {
        add_option(out, &table[i]);
        if (says_restart && table[i].change == RESTART)
            buf_adds(out, "A change needs a restart.\n");
    }
    buf_adds(out, ".El\n");
}

static void add_differences(struct buf *out)
{
    static const struct {
        const char *name;
        enum config_param param;
        const char *theirs, *why;
    } all[] = {
#define DIFFERS(name, theirs, why) { #name, PARAM_##name, theirs, why },
#include "config/differs.h"
    };

    buf_adds(out, ".Bl -tag -width Ds\n");
    for (size_t i = 0; i < ARRAY_LEN(all); i++) {
        buf_addf(out, ".It Ic %s\nPostfix: ", all[i].name);
        add_text(out, all[i].theirs);
        buf_adds(out, ".br\nBaton: ");
        const char *ours = config_params[all[i].param].def;
        add_text(out, *ours ? ours : "empty");
        buf_adds(out, ".br\n");
        add_text(out, all[i].why);
    }
    buf_adds(out, ".El\n");
}

static void add_listeners(struct buf *out)
{
    struct buf names;

    buf_init(&names, BUF_NO_MAX);
    for (int p = 0; p < N_PARAMS; p++)
        if (config_params[p].who & LISTENER)
            buf_addf(&names, "%s`%s`", names.len ? ", " : "", config_params[p].name);
    buf_addc(&names, '.');
    add_text(out, buf_cstr(&names));
    buf_fini(&names);
}

int config_show_mdoc(const char *what, struct buf *out, struct err *e)
{
    if (strcmp(what, "parameters") == 0)
        add_options(out, config_params, N_PARAMS, true);
    else if (strcmp(what, "login") == 0)
        add_options(out, config_login_options, N_LOGIN_OPTIONS, false);
    else if (strcmp(what, "listen") == 0)
        add_options(out, config_listen_options, N_LISTEN_OPTIONS, false);
    else if (strcmp(what, "listener") == 0)
        add_listeners(out);
    else if (strcmp(what, "restriction_class") == 0)
        add_options(out, config_restriction_class_options, N_RESTRICTION_CLASS_OPTIONS, false);
    else if (strcmp(what, "ldap") == 0)
        add_options(out, config_ldap_options, N_LDAP_OPTIONS, false);
    else if (strcmp(what, "pipe") == 0)
        add_options(out, config_pipe_options, N_PIPE_OPTIONS, false);
    else if (strcmp(what, "differences") == 0)
        add_differences(out);
    else
        return err_set(e, ERR_CONFIG,
                       "there is no list \"%s\": there are parameters, login, listen, listener, restriction_class, ldap, pipe, differences",
                       what);
    return 0;
}
