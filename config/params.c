/* SPDX-License-Identifier: Apache-2.0
 *
 * params.c - params.h as tables, and the sets of words that ENUM parameters take. */
#include "config/config_int.h"

#include "base/log.h"
#include "base/mem.h"
#include "net/tls.h"
#include "smtp/server.h"

#include <stddef.h>
#include <string.h>

static const struct config_word protocols[] = {
    { "all", CONFIG_IPV4 | CONFIG_IPV6 },
    { "ipv4", CONFIG_IPV4 },
    { "ipv6", CONFIG_IPV6 },
    { "ipv4, ipv6", CONFIG_IPV4 | CONFIG_IPV6 },
    { "ipv6, ipv4", CONFIG_IPV4 | CONFIG_IPV6 },
    { NULL, 0 },
};

static const struct config_word tls_levels[] = {
    { "auto", CONFIG_TLS_AUTO },
    { "none", CONFIG_TLS_NONE },
    { "may", CONFIG_TLS_MAY },
    { "encrypt", CONFIG_TLS_ENCRYPT },
    { "verify", CONFIG_TLS_VERIFY },
    { "secure", CONFIG_TLS_SECURE },
    { "fingerprint", CONFIG_TLS_FINGERPRINT },
    { NULL, 0 },
};

static const struct config_word address_preferences[] = {
    { "any", 0 },
    { "ipv4", CONFIG_IPV4 },
    { "ipv6", CONFIG_IPV6 },
    { NULL, 0 },
};

static const struct config_word smtpd_tls_levels[] = {
    { "auto", CONFIG_TLS_AUTO },
    { "none", CONFIG_TLS_NONE },
    { "may", CONFIG_TLS_MAY },
    { "encrypt", CONFIG_TLS_ENCRYPT },
    { NULL, 0 },
};

static const struct config_word ldap_scopes[] = {
    { "sub", CONFIG_LDAP_SUB },
    { "one", CONFIG_LDAP_ONE },
    { "base", CONFIG_LDAP_BASE },
    { NULL, 0 },
};

static const struct config_word ldap_binds[] = {
    { "yes", CONFIG_LDAP_BIND_SIMPLE },
    { "simple", CONFIG_LDAP_BIND_SIMPLE },
    { "no", CONFIG_LDAP_BIND_NONE },
    { "none", CONFIG_LDAP_BIND_NONE },
    { "sasl", CONFIG_LDAP_BIND_SASL },
    { NULL, 0 },
};

static const struct config_word listen_tls[] = {
    { "auto", CONFIG_LISTEN_TLS_AUTO },
    { "no", CONFIG_LISTEN_TLS_NO },
    { "may", CONFIG_LISTEN_TLS_MAY },
    { "encrypt", CONFIG_LISTEN_TLS_ENCRYPT },
    { "implicit", CONFIG_LISTEN_TLS_IMPLICIT },
    { NULL, 0 },
};

static const struct config_word listen_auth[] = {
    { "auto", CONFIG_LISTEN_AUTH_AUTO },
    { "no", CONFIG_LISTEN_AUTH_NO },
    { "may", CONFIG_LISTEN_AUTH_MAY },
    { "required", CONFIG_LISTEN_AUTH_REQUIRED },
    { NULL, 0 },
};

static const struct config_word sasl_types[] = {
    { "dovecot", CONFIG_SASL_DOVECOT },
    { "cyrus", CONFIG_SASL_CYRUS },
    { NULL, 0 },
};

static const struct config_word sasl_options[] = {
    { "noplaintext", CONFIG_SASL_NOPLAINTEXT },
    { "noactive", CONFIG_SASL_NOACTIVE },
    { "nodictionary", CONFIG_SASL_NODICTIONARY },
    { "noanonymous", CONFIG_SASL_NOANONYMOUS },
    { "forward_secrecy", CONFIG_SASL_FORWARD_SECRECY },
    { "mutual_auth", CONFIG_SASL_MUTUAL_AUTH },
    { NULL, 0 },
};

static const struct config_word tls_ciphers[] = {
    { "medium", CONFIG_CIPHERS_MEDIUM },
    { "high", CONFIG_CIPHERS_HIGH },
    { NULL, 0 },
};

static const struct config_word tls_digests[] = {
    { "sha256", TLS_SHA256 },
    { "sha384", TLS_SHA384 },
    { "sha512", TLS_SHA512 },
    { "sha1", TLS_SHA1 },
    { "md5", TLS_MD5 },
    { NULL, 0 },
};

static const struct config_word rewrite_classes[] = {
    { "envelope_sender", CONFIG_ENVELOPE_SENDER },
    { "envelope_recipient", CONFIG_ENVELOPE_RCPT },
    { "header_sender", CONFIG_HEADER_SENDER },
    { "header_recipient", CONFIG_HEADER_RCPT },
    { NULL, 0 },
};

static const struct config_word log_levels[] = {
    { "error", LOG_LEVEL_ERROR },
    { "warn", LOG_LEVEL_WARN },
    { "info", LOG_LEVEL_INFO },
    { "debug", LOG_LEVEL_DEBUG },
    { NULL, 0 },
};

static const struct config_word mail_to[] = {
    { "alias", CONFIG_IN_ALIAS },
    { "forward", CONFIG_IN_FORWARD },
    { "include", CONFIG_IN_INCLUDE },
    { NULL, 0 },
};

static const struct config_word delivered_headers[] = {
    { "command", CONFIG_TO_COMMAND },
    { "file", CONFIG_TO_FILE },
    { "forward", CONFIG_TO_FORWARD },
    { NULL, 0 },
};

static const struct config_word mailbox_locks[] = {
    { "fcntl", CONFIG_LOCK_FCNTL },
    { "flock", CONFIG_LOCK_FLOCK },
    { "dotlock", CONFIG_LOCK_DOTLOCK },
    { NULL, 0 },
};

static const struct config_word listen_protocols[] = {
    { "smtp", CONFIG_LISTEN_SMTP },
    { "lmtp", CONFIG_LISTEN_LMTP },
    { NULL, 0 },
};

static const struct config_word listen_proxies[] = {
    { "no", CONFIG_PROXY_NO },
    { "haproxy", CONFIG_PROXY_HAPROXY },
    { NULL, 0 },
};

const struct config_word config_milter_actions[] = {
    { "accept", CONFIG_MILTER_ACCEPT },
    { "reject", CONFIG_MILTER_REJECT },
    { "tempfail", CONFIG_MILTER_TEMPFAIL },
    { "quarantine", CONFIG_MILTER_QUARANTINE },
    { "shutdown", CONFIG_MILTER_SHUTDOWN },
    { NULL, 0 },
};
const struct config_word config_milter_protocols[] = { { "2", 2 }, { "3", 3 }, { "4", 4 }, { "6", 6 }, { NULL, 0 } };

static const struct config_word override_options[] = {
    { "no_unknown_recipient_checks", CONFIG_NO_UNKNOWN_RECIPIENT_CHECKS },
    { "no_address_mappings", CONFIG_NO_ADDRESS_MAPPINGS },
    { "no_header_body_checks", CONFIG_NO_HEADER_BODY_CHECKS },
    { "no_milters", CONFIG_NO_MILTERS },
    { NULL, 0 },
};

static const struct config_word tempfail_actions[] = {
    { "defer_if_permit", CONFIG_TEMPFAIL_DEFER_IF_PERMIT },
    { "defer", CONFIG_TEMPFAIL_DEFER },
    { NULL, 0 },
};

static const struct config_word peername_lookups[] = {
    { "auto", CONFIG_PEERNAME_AUTO },
    { "yes", CONFIG_PEERNAME_YES },
    { "no", CONFIG_PEERNAME_NO },
    { NULL, 0 },
};

static const struct config_word bare_newline[] = {
    { "normalize", CONFIG_BARE_NEWLINE_NORMALIZE },
    { "yes", CONFIG_BARE_NEWLINE_NORMALIZE },
    { "reject", CONFIG_BARE_NEWLINE_REJECT },
    { "no", CONFIG_BARE_NEWLINE_NO },
    { NULL, 0 },
};

/* Those of Postfix that there are not here stand for nothing. */
static const struct config_word ehlo_keywords[] = {
    { "pipelining", SMTP_EXT_PIPELINING },
    { "size", SMTP_EXT_SIZE },
    { "vrfy", SMTP_EXT_VRFY },
    { "starttls", SMTP_EXT_STARTTLS },
    { "auth", SMTP_EXT_AUTH },
    { "enhancedstatuscodes", SMTP_EXT_ENHANCEDSTATUSCODES },
    { "8bitmime", SMTP_EXT_8BITMIME },
    { "dsn", SMTP_EXT_DSN },
    { "smtputf8", SMTP_EXT_SMTPUTF8 },
    { "chunking", SMTP_EXT_CHUNKING },
    { "xclient", SMTP_EXT_XCLIENT },
    { "xforward", 0 },
    { "etrn", 0 },
    { "verp", 0 },
    { "silent-discard", 0 },
    { NULL, 0 },
};

#define RANGE(low, high) .min = (low), .max = (high)
#define WORDS(set)       .words = (set)
#define ANY              .words = NULL
#define NOT_EMPTY        .not_empty = true

const struct config_option config_params[N_PARAMS] = {
#define PARAM(n, t, d, range, w, c, text)                                                          \
    { .name = #n,                                                                                  \
      .type = TYPE_##t,                                                                            \
      .def = d,                                                                                    \
      .offset = offsetof(struct config, n),                                                        \
      range,                                                                                       \
      .who = w,                                                                                    \
      .change = c,                                                                                 \
      .doc = text },
#include "config/params.h"
};

const struct config_option config_login_options[N_LOGIN_OPTIONS] = {
#define LOGIN(n, t, d, range, text)                                                                \
    { .name = #n,                                                                                  \
      .type = TYPE_##t,                                                                            \
      .def = d,                                                                                    \
      .offset = offsetof(struct login, n),                                                         \
      range,                                                                                       \
      .who = RELAY,                                                                                \
      .doc = text },
#include "config/params.h"
};

const struct config_option config_listen_options[N_LISTEN_OPTIONS] = {
#define LISTEN(n, t, d, range, text)                                                               \
    { .name = #n,                                                                                  \
      .type = TYPE_##t,                                                                            \
      .def = d,                                                                                    \
      .offset = offsetof(struct listen, n),                                                        \
      range,                                                                                       \
      .who = RECEIVE,                                                                              \
      .doc = text },
#include "config/params.h"
};

const struct config_option config_restriction_class_options[N_RESTRICTION_CLASS_OPTIONS] = {
#define RESTRICTION_CLASS(n, t, d, range, text)                                                    \
    { .name = #n,                                                                                  \
      .type = TYPE_##t,                                                                            \
      .def = d,                                                                                    \
      .offset = offsetof(struct restriction_class, n),                                             \
      range,                                                                                       \
      .who = RECEIVE | SERVER,                                                                     \
      .doc = text },
#include "config/params.h"
};

const struct config_option config_pipe_options[N_PIPE_OPTIONS] = {
#define PIPE(n, t, d, range, text)                                                                 \
    { .name = #n,                                                                                  \
      .type = TYPE_##t,                                                                            \
      .def = d,                                                                                    \
      .offset = offsetof(struct pipe_service, n),                                                  \
      range,                                                                                       \
      .who = RELAY | SERVER,                                                                       \
      .doc = text },
#include "config/params.h"
};

const struct config_option config_ldap_options[N_LDAP_OPTIONS] = {
#define LDAP(n, t, d, range, text)                                                                 \
    { .name = #n,                                                                                  \
      .type = TYPE_##t,                                                                            \
      .def = d,                                                                                    \
      .offset = offsetof(struct ldap_table, n),                                                    \
      range,                                                                                       \
      .who = RECEIVE | RELAY,                                                                      \
      .doc = text },
#include "config/params.h"
};

const struct config_option *config_option_find(const struct config_option *table, size_t n,
                                               struct span name)
{
    for (size_t i = 0; i < n; i++)
        if (span_eq(span_str(table[i].name), name))
            return &table[i];
    return NULL;
}

bool config_is_written(const struct config *cfg, const char *name)
{
    const struct config_option *o = config_option_find(config_params, N_PARAMS, span_str(name));

    BUG_IF(!o);
    return cfg->values[o - config_params].origin != FROM_DEFAULT;
}

/* Nothing else of such a list has a colon, but an address in brackets. */
static bool match_item_is_table(const char *item)
{
    item += strspn(item, "!");
    return *item != '/' && *item != '[' && strchr(item, ':');
}

static void each_map_of(const struct config *cfg, config_map_fn *fn, void *arg)
{
    for (int p = 0; p < N_PARAMS; p++) {
        const struct config_option *o = &config_params[p];
        const struct strlist *l = (const struct strlist *)(const void *)((const char *)cfg + o->offset);
        if (!config_is_own(cfg, (enum config_param)p) || (o->type != TYPE_MAPS && o->type != TYPE_MATCH))
            continue;
        for (size_t i = 0; i < l->n; i++)
            if (o->type == TYPE_MAPS || match_item_is_table(l->at[i]))
                fn(arg, o->name, l->at[i] + strspn(l->at[i], "!"));
    }
}

void config_each_map(const struct config *cfg, config_map_fn *fn, void *arg)
{
    const struct config *view;

    for (size_t i = 0; (view = config_each_view(cfg, i)); i++)
        each_map_of(view, fn, arg);
    config_each_access_table(cfg, fn, arg);
    config_each_address_map(cfg, fn, arg);
}

/* ---- for who writes a configuration ---- */

enum config_shape config_option_shape(const struct config_option *o)
{
    if (!o)
        return CONFIG_SHAPE_NONE;
    switch (o->type) {
    case TYPE_BOOL: return CONFIG_SHAPE_BOOL;
    case TYPE_ENUM: return CONFIG_SHAPE_WORD;
    case TYPE_LIST:
    case TYPE_INTERFACES:
    case TYPE_FLAGS: return CONFIG_SHAPE_LIST;
    case TYPE_NETWORKS: return CONFIG_SHAPE_NETWORKS;
    case TYPE_MAPS: return CONFIG_SHAPE_MAPS;
    case TYPE_TEMPLATE:
    case TYPE_TEMPLATES: return CONFIG_SHAPE_TEMPLATE;
    default: return CONFIG_SHAPE_TEXT;
    }
}

enum config_shape config_shape_of(struct span name)
{
    const struct config_option *o = config_option_find(config_params, N_PARAMS, name);
#ifndef WITH_SERVER
    if (o && o->who & SERVER)
        return CONFIG_SHAPE_NONE;
#endif
    return config_option_shape(o);
}
