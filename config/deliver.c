/* SPDX-License-Identifier: Apache-2.0
 *
 * deliver.c - what of the configuration is about delivery on this machine: which services there are to be, and the rules for them. */
#include "config/config_int.h"
#include "config/template.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

/* Tables of transports may name any of them, and nobody knows before they are asked. */
static bool has_transport_table(const struct config *cfg)
{
    for (int p = 0; p < N_PARAMS; p++) {
        const struct config_option *o = &config_params[p];
        const void *field = (const char *)cfg + o->offset;
        if (o->type == TYPE_MAPS && span_iends(span_str(o->name), "transport_maps") && ((const struct strlist *)field)->n)
            return true;
    }
    return false;
}

/* By a default that only counts when there is such mail. */
static bool counts(const struct config *cfg, enum config_param p)
{
    if (p == PARAM_virtual_transport)
        return cfg->virtual_mailbox_domains.n > 0;
    return p != PARAM_local_transport || config_is_written(cfg, "local_transport");
}

static bool is_named(const struct config *cfg, const char *service)
{
    if (strcmp(service, "local") == 0 && cfg->mydestination.n && !config_is_written(cfg, "local_transport"))
        return true; /* what counts then (server/routing.c) */
    for (int p = 0; p < N_PARAMS; p++) {
        const struct config_option *o = &config_params[p];
        const struct transport *t = (const void *)((const char *)cfg + o->offset);
        if (o->type == TYPE_TRANSPORT && counts(cfg, (enum config_param)p) && strcmp(t->name, service) == 0)
            return true;
    }
    return false;
}

bool config_asks_for_forwards(const struct config *cfg)
{
#ifndef WITH_SERVER
    return false;
#endif
    return cfg->forward_path[0] && (cfg->mailbox_transport.name[0] || cfg->mailbox_transport_maps.n) &&
           (has_transport_table(cfg) || is_named(cfg, "local"));
}

void config_deliveries(const struct config *cfg, struct strlist *names)
{
    static const char *const services[] = { "local", "virtual" };
#ifndef WITH_SERVER
    return; /* nobody would serve them */
#endif
    bool is_any = has_transport_table(cfg);

    for (size_t i = 0; i < ARRAY_LEN(services); i++)
        if (is_any || is_named(cfg, services[i]))
            strlist_add(names, span_str(services[i]));
    if (config_asks_for_forwards(cfg))
        strlist_add(names, SPAN("forward"));
    for (size_t i = 0; i < cfg->n_pipes; i++) {
        char *name = xasprintf("pipe.%s", cfg->pipes[i].name);
        strlist_add(names, span_str(name));
        free(name);
    }
}

/* ---- templates ---- */

/* Of each kind, the names that may stand in it; NULL at the end. The deliveries themselves give them their values. */
static const char *const command_names[] = {
    "HOME", "USER", "LOGNAME", "SHELL", "LOCAL", "EXTENSION", "DOMAIN", "SENDER", "RECIPIENT", "ORIGINAL_RECIPIENT",
    "CLIENT_ADDRESS", "CLIENT_HELO", "CLIENT_HOSTNAME", "CLIENT_PORT", "CLIENT_PROTOCOL", "SASL_METHOD", "SASL_SENDER", "SASL_USERNAME", NULL,
};
static const char *const user_names[] = {
    "user", "home", "shell", "recipient", "extension", "domain", "local", "recipient_delimiter", NULL,
};
static const char *const pipe_names[] = {
    "recipient", "original_recipient", "user", "extension", "mailbox", "domain", "nexthop", "sender", "queue_id", "size",
    "client_address", "client_helo", "client_hostname", "client_port", "client_protocol", "sasl_method", "sasl_sender", "sasl_username", NULL,
};

static enum template_value is_among(void *arg, struct span name, struct buf *out)
{
    (void)out;
    for (const char *const *n = arg; *n; n++)
        if (span_eq(name, span_str(*n)))
            return TEMPLATE_DEFINED;
    return TEMPLATE_UNKNOWN;
}

static int names_are_known(const char *text, const char *const *names, struct err *e)
{
    struct buf out;

    buf_init(&out, BUF_NO_MAX);
    int rc = template_expand(span_str(text), is_among, (void *)(uintptr_t)names, &out, e);
    buf_fini(&out);
    return rc < 0 ? -1 : 0;
}

static void check_user_templates(const struct config *cfg, struct config_report *r)
{
    static const enum config_param params[] = { PARAM_forward_path, PARAM_command_execution_directory };
    struct err e;

    for (size_t i = 0; i < ARRAY_LEN(params); i++)
        if (names_are_known(*(char *const *)(const void *)((const char *)cfg + config_params[params[i]].offset), user_names, &e) < 0)
            remark_param(r, cfg, params[i], CONFIG_ERROR, "%s", e.text);
}

static void check_mailbox_command(const struct config *cfg, struct config_report *r)
{
    struct strlist words = { 0 };
    struct err e;
    int rc = cfg->mailbox_command[0] ? command_split(span_str(cfg->mailbox_command), &words, &e) : 0;

    for (size_t i = 0; i < words.n && rc == 0; i++)
        rc = names_are_known(words.at[i], command_names, &e);
    if (rc < 0)
        remark_param(r, cfg, PARAM_mailbox_command, CONFIG_ERROR, "%s", e.text);
    strlist_clear(&words);
}

/* ---- rules ---- */

static bool is_root_name(const char *user)
{
    size_t n = strcspn(user, ":");
    return span_eq(span_of(user, n), SPAN("root")) || span_eq(span_of(user, n), SPAN("0"));
}

static void check_virtual(const struct config *cfg, struct config_report *r)
{
    static const enum config_param needed[] = { PARAM_virtual_mailbox_maps, PARAM_virtual_uid_maps, PARAM_virtual_gid_maps };

    if (!is_named(cfg, "virtual"))
        return;
    for (size_t i = 0; i < ARRAY_LEN(needed); i++)
        if (!cfg->values[needed[i]].shown[0])
            remark_param(r, cfg, needed[i], CONFIG_WARNING, "mail goes to virtual mailboxes and waits, for this is not set; write it, like \"%s\"",
                         needed[i] == PARAM_virtual_mailbox_maps ? "hash:/etc/baton/vmailbox" : "static:5000");
}

static bool is_service_name(const char *name)
{
    static const char *const taken[] = { "local", "virtual", "smtp", "lmtp", "relay", "error", "retry", "discard", "pipe" };

    for (size_t i = 0; i < ARRAY_LEN(taken); i++)
        if (strcmp(name, taken[i]) == 0)
            return false;
    for (const char *c = name; *c; c++)
        if (!ascii_is_alnum((unsigned char)*c) && *c != '-' && *c != '_')
            return false;
    return *name && strlen(name) <= 40;
}

static const char *wrong_flag(const char *flags)
{
    return flags + strspn(flags, "BDFORXhqu.>");
}

static void check_pipe(const struct config *cfg, const struct pipe_service *p, struct config_report *r)
{
    struct place at = { .file = cfg->file, .line = p->line };
    struct err e;

    if (!is_service_name(p->name))
        remark(r, CONFIG_ERROR, at, "pipe \"%s\": a name has letters, digits, - and _, and is no other transport's; write another", p->name);
    if (is_root_name(p->user))
        remark(r, CONFIG_ERROR, at, "pipe %s: no program gets mail as root: name another user", p->name);
    if (*wrong_flag(p->flags))
        remark(r, CONFIG_ERROR, at, "pipe %s: there is no flag \"%c\"; there are B D F O R X h q u . and >", p->name,
               *wrong_flag(p->flags));
    if (strpbrk(p->flags, "DO") && p->recipient_limit > 1)
        remark(r, CONFIG_ERROR, at, "pipe %s: the flags D and O write one recipient on top; make recipient_limit 1", p->name);
    if (!p->argv.n)
        remark(r, CONFIG_ERROR, at, "pipe %s: it has no argv: name the program, argv = \"/usr/bin/program\"", p->name);
    for (size_t i = 0; i < p->argv.n; i++)
        if (names_are_known(p->argv.at[i], pipe_names, &e) < 0)
            remark(r, CONFIG_ERROR, at, "pipe %s: argv: %s", p->name, e.text);
}

void check_deliver(const struct config *cfg, struct config_report *r)
{
    check_user_templates(cfg, r);
    check_mailbox_command(cfg, r);
    check_virtual(cfg, r);
    if (is_root_name(cfg->default_privs))
        remark_param(r, cfg, PARAM_default_privs, CONFIG_ERROR, "no program gets mail as root: name a user without rights");
    for (size_t i = 0; i < cfg->n_pipes; i++)
        check_pipe(cfg, &cfg->pipes[i], r);
}
