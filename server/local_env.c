/* SPDX-License-Identifier: Apache-2.0 */
#include "server/local_int.h"

#include <string.h>

static const char *recipient_of(const struct local_names *n) { return n->d->rcpt->address; }
static const char *original_of(const struct local_names *n) { return delivery_original(n->d); }
static const char *sender_of(const struct local_names *n) { return n->d->mail->env.sender[0] ? n->d->mail->env.sender : "MAILER-DAEMON"; }
static const char *local_of(const struct local_names *n) { return n->d->plan->local; }
static const char *extension_of(const struct local_names *n) { return n->d->plan->extension[0] ? n->d->plan->extension : NULL; }
static const char *domain_of(const struct local_names *n) { return n->d->plan->domain; }
static const char *user_of(const struct local_names *n) { return n->id && n->id->name ? n->id->name : NULL; }
static const char *home_of(const struct local_names *n) { return n->id ? n->id->home : NULL; }
static const char *shell_of(const struct local_names *n) { return n->id ? n->id->shell : NULL; }
static const char *delimiter_of(const struct local_names *n) { return n->d->mail->deliver->cfg->recipient_delimiter; }

/* The same things by the two names that people know them by. */
static const struct {
    const char *name, *variable;
    const char *(*get)(const struct local_names *n);
} names[] = {
    { "home", "HOME", home_of },
    { "user", "USER", user_of },
    { NULL, "LOGNAME", user_of },
    { "shell", "SHELL", shell_of },
    { "local", "LOCAL", local_of },
    { "extension", "EXTENSION", extension_of },
    { "domain", "DOMAIN", domain_of },
    { NULL, "SENDER", sender_of },
    { "recipient", "RECIPIENT", recipient_of },
    { NULL, "ORIGINAL_RECIPIENT", original_of },
    { "recipient_delimiter", NULL, delimiter_of },
};

/* As part of a file's name an extension, which a stranger chose, leads nowhere else. */
static bool leads_elsewhere(const char *name, const char *value)
{
    return strcmp(name, "extension") == 0 && strchr(value, '/');
}

enum template_value local_value(void *arg, struct span name, struct buf *out)
{
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        if (!names[i].name || !span_eq(name, span_str(names[i].name)))
            continue;
        const char *value = names[i].get(arg);
        if (value && leads_elsewhere(names[i].name, value))
            value = NULL;
        if (value)
            buf_adds(out, value);
        return value ? TEMPLATE_DEFINED : TEMPLATE_UNDEFINED;
    }
    return TEMPLATE_UNKNOWN;
}

/* What programs do with a sender's characters, nobody knows: some become "_". */
static void add_filtered(const struct local_names *n, const char *value, struct buf *out)
{
    const char *good = n->d->mail->deliver->cfg->command_expansion_filter;

    for (; *value; value++)
        buf_addc(out, strchr(good, *value) ? *value : '_');
}

static bool add_origin(const struct local_names *n, struct span name, struct buf *out)
{
    struct buf value;

    buf_init(&value, BUF_NO_MAX);
    bool is_known = delivery_origin(n->d, name, &value);
    add_filtered(n, buf_cstr(&value), out);
    buf_fini(&value);
    return is_known;
}

enum template_value local_env_value(void *arg, struct span name, struct buf *out)
{
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        if (!names[i].variable || !span_eq(name, span_str(names[i].variable)))
            continue;
        const char *value = names[i].get(arg);
        if (value)
            add_filtered(arg, value, out);
        return value ? TEMPLATE_DEFINED : TEMPLATE_UNDEFINED;
    }
    return add_origin(arg, name, out) ? TEMPLATE_DEFINED : TEMPLATE_UNKNOWN;
}

/* Those that have a value. */
static void add_origins(const struct local_names *n, struct strlist *env)
{
    struct buf line;
    const char *name;

    buf_init(&line, BUF_NO_MAX);
    for (size_t i = 0; (name = delivery_origin_name(i)); i++) {
        size_t len = strlen(name) + 1;
        buf_clear(&line);
        for (const char *c = name; *c; c++)
            buf_addc(&line, (char)(*c >= 'a' && *c <= 'z' ? *c - 'a' + 'A' : *c));
        buf_addc(&line, '=');
        add_origin(n, span_str(name), &line);
        if (line.len > len)
            strlist_add(env, buf_span(&line));
    }
    buf_fini(&line);
}

void local_env(const struct local_names *n, struct strlist *env)
{
    struct buf line;

    strlist_add(env, SPAN("PATH=/usr/bin:/bin:/usr/sbin:/sbin"));
    buf_init(&line, BUF_NO_MAX);
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        const char *value = names[i].variable ? names[i].get(n) : NULL;
        if (!value)
            continue;
        buf_clear(&line);
        buf_addf(&line, "%s=", names[i].variable);
        add_filtered(n, value, &line);
        strlist_add(env, buf_span(&line));
    }
    add_origins(n, env);
    buf_fini(&line);
}
