/* SPDX-License-Identifier: Apache-2.0
 *
 * sasl.c - who may log in, where, and who is asked about it. */
#include "config/config_int.h"

#include "base/mem.h"
#include "smtp/auth_wire.h"

#include <stdlib.h>

enum { PORT_SUBMISSION = 587, PORT_SUBMISSIONS = 465 };

/* ---- where ---- */

enum config_listen_auth config_listen_auth(const struct config *cfg, const struct listen *l)
{
    if (l && l->auth != CONFIG_LISTEN_AUTH_AUTO)
        return (enum config_listen_auth)l->auth;
    if (!config_view(cfg, l)->smtpd_sasl_auth_enable || (l && (l->path[0] || l->protocol == CONFIG_LISTEN_LMTP)))
        return CONFIG_LISTEN_AUTH_NO;
    return l && (l->port == PORT_SUBMISSION || l->port == PORT_SUBMISSIONS) ? CONFIG_LISTEN_AUTH_REQUIRED : CONFIG_LISTEN_AUTH_MAY;
}

bool config_uses_auth(const struct config *cfg)
{
    bool uses = cfg->n_listens == 0 && config_listen_auth(cfg, NULL) != CONFIG_LISTEN_AUTH_NO;

    for (size_t i = 0; i < cfg->n_listens; i++)
        uses |= config_listen_auth(cfg, &cfg->listens[i]) != CONFIG_LISTEN_AUTH_NO;
    return uses;
}

/* ---- who is asked ---- */

/* "inet: <host> : <port>", with or without the blanks and brackets. */
static int read_host(struct config_sasl_place *p, struct span text, struct err *e)
{
    size_t colon = span_rfind(text, ':');
    struct span host = span_trim(span_of(text.at, colon)), port = span_trim(span_from(text, colon + 1));
    struct buf b;

    if (!host.len || !port.len)
        return err_set(e, ERR_CONFIG, "it has no host or no port; write inet:host:port");
    buf_init(&b, BUF_NO_MAX);
    if (*host.at == '[' && host.at[host.len - 1] == ']')
        host = span_of(host.at + 1, host.len - 2);
    buf_addf(&b, "[%.*s]:%.*s", (int)host.len, host.at, (int)port.len, port.at);
    int done = relayhost_parse(&p->host, buf_span(&b), e);
    buf_fini(&b);
    return done;
}

int config_sasl_place(const struct config *cfg, struct config_sasl_place *out, struct err *e)
{
    struct span text = span_trim(span_str(cfg->smtpd_sasl_path[0] ? cfg->smtpd_sasl_path : "private/auth"));
    struct buf path;

    *out = (struct config_sasl_place){ 0 };
    if (span_istarts(text, "inet:"))
        return read_host(out, span_from(text, 5), e);
    if (span_istarts(text, "unix:"))
        text = span_trim(span_from(text, 5));
    if (!text.len)
        return err_set(e, ERR_CONFIG, "it names no socket; write unix:/path");
    buf_init(&path, BUF_NO_MAX);
    if (*text.at != '/')
        buf_addf(&path, "%s/", cfg->queue_directory);
    buf_addspan(&path, text);
    out->path = buf_take(&path);
    return 0;
}

void config_sasl_place_fini(struct config_sasl_place *p)
{
    free(p->path);
    relayhost_fini(&p->host);
    *p = (struct config_sasl_place){ 0 };
}

const char *config_sasl_application(const struct config *cfg)
{
    return cfg->smtpd_sasl_path[0] ? cfg->smtpd_sasl_path : "smtpd";
}

bool config_sasl_lets_pass(const struct config *cfg, struct span mechanism)
{
    for (size_t i = 0; i < cfg->smtpd_sasl_mechanism_filter.n; i++) {
        struct span word = span_str(cfg->smtpd_sasl_mechanism_filter.at[i]);
        bool is_no = word.len && *word.at == '!';
        if (is_no)
            word = span_from(word, 1);
        if (span_istarts(word, "static:") || span_ieq(word, mechanism))
            return !is_no;
    }
    return false;
}

static bool suits(const struct config *cfg, const struct auth_mech *m, unsigned options)
{
    static const struct {
        unsigned option, trait;
        bool must_have;
    } rules[] = {
        { CONFIG_SASL_NOANONYMOUS, AUTH_MECH_ANONYMOUS, false },
        { CONFIG_SASL_NOPLAINTEXT, AUTH_MECH_PLAINTEXT, false },
        { CONFIG_SASL_NODICTIONARY, AUTH_MECH_DICTIONARY, false },
        { CONFIG_SASL_NOACTIVE, AUTH_MECH_ACTIVE, false },
        { CONFIG_SASL_FORWARD_SECRECY, AUTH_MECH_FORWARD_SECRECY, true },
        { CONFIG_SASL_MUTUAL_AUTH, AUTH_MECH_MUTUAL_AUTH, true },
    };

    /* Channel binding needs what the server has heard of the TLS session: nobody tells it. */
    if (m->traits & (AUTH_MECH_PRIVATE | AUTH_MECH_CHANNEL_BINDING) || !config_sasl_lets_pass(cfg, span_str(m->name)))
        return false;
    for (size_t i = 0; i < ARRAY_LEN(rules); i++)
        if (options & rules[i].option && !(m->traits & rules[i].trait) == rules[i].must_have)
            return false;
    return true;
}

char *config_sasl_list(const struct config *cfg, const struct auth_wire *w, bool is_encrypted)
{
    unsigned options = is_encrypted ? cfg->smtpd_sasl_tls_security_options : cfg->smtpd_sasl_security_options;
    struct buf b;

    buf_init(&b, BUF_NO_MAX);
    for (size_t i = 0; i < w->n_mechs; i++)
        if (suits(cfg, &w->mechs[i], options))
            buf_addf(&b, "%s%s", b.len ? " " : "", w->mechs[i].name);
    buf_cstr(&b);
    return buf_take(&b);
}

/* ---- rules ---- */

static void sasl_path_is_a_place(const struct config *cfg, struct config_report *r)
{
    struct config_sasl_place place;
    struct err e;

    if (cfg->smtpd_sasl_type == CONFIG_SASL_DOVECOT) {
        if (config_sasl_place(cfg, &place, &e) < 0)
            remark_param(r, cfg, PARAM_smtpd_sasl_path, CONFIG_ERROR, "\"%s\": %s", cfg->smtpd_sasl_path, e.text);
        config_sasl_place_fini(&place);
        if (strcmp(cfg->smtpd_sasl_path, "smtpd") == 0)
            remark_param(r, cfg, PARAM_smtpd_sasl_path, CONFIG_WARNING,
                         "\"smtpd\" is what Cyrus SASL wants here; set smtpd_sasl_type = cyrus, or the path of Dovecot's socket");
    } else if (cfg->smtpd_sasl_path[strcspn(cfg->smtpd_sasl_path, "/:")]) {
        remark_param(r, cfg, PARAM_smtpd_sasl_path, CONFIG_ERROR,
                     "\"%s\" is the name of no application of Cyrus SASL: write smtpd, or set smtpd_sasl_type = dovecot",
                     cfg->smtpd_sasl_path);
    }
}

static void filter_has_words(const struct config *cfg, struct config_report *r)
{
    for (size_t i = 0; i < cfg->smtpd_sasl_mechanism_filter.n; i++) {
        const char *word = cfg->smtpd_sasl_mechanism_filter.at[i];
        if (strchr(word, ':') && strncmp(word + (*word == '!'), "static:", 7) != 0)
            remark_param(r, cfg, PARAM_smtpd_sasl_mechanism_filter, CONFIG_ERROR,
                         "\"%s\": it takes names of mechanisms and static:rest, no other tables", word);
    }
}

/* smtpd_tls_auth_only is fulfilled by nobody there. */
static bool nobody_can_log_in(const struct config *cfg, const struct listen *l)
{
    return config_view(cfg, l)->smtpd_tls_auth_only && config_listen_auth(cfg, l) != CONFIG_LISTEN_AUTH_NO &&
           config_listen_tls(cfg, l) == CONFIG_LISTEN_TLS_NO;
}

#define NOBODY                                                                                                                 \
    "nobody can log in: smtpd_tls_auth_only demands TLS, and there is none%s; set smtpd_tls_cert_file and smtpd_tls_key_file"

static void auth_has_tls(const struct config *cfg, struct config_report *r)
{
    if (cfg->n_listens == 0 && nobody_can_log_in(cfg, NULL))
        remark_param(r, cfg, PARAM_smtpd_sasl_auth_enable, CONFIG_WARNING, NOBODY, "");
    for (size_t i = 0; i < cfg->n_listens; i++) {
        const struct listen *l = &cfg->listens[i];
        bool is_asked = l->auth != CONFIG_LISTEN_AUTH_AUTO || config_listen_auth(cfg, l) == CONFIG_LISTEN_AUTH_REQUIRED;
        if (!config_has_certificate(cfg) && nobody_can_log_in(cfg, l))
            remark_param(r, cfg, PARAM_smtpd_sasl_auth_enable, CONFIG_WARNING, NOBODY, "");
        else if (is_asked && nobody_can_log_in(cfg, l))
            remark(r, CONFIG_WARNING, (struct place){ .file = cfg->file, .line = l->line },
                   "listen %s: nobody can log in: smtpd_tls_auth_only demands TLS, which is switched off here", l->name);
        if (!config_has_certificate(cfg) && nobody_can_log_in(cfg, l))
            return;
    }
}

void check_sasl(const struct config *cfg, struct config_report *r)
{
    filter_has_words(cfg, r);
    if (!config_uses_auth(cfg))
        return;
    sasl_path_is_a_place(cfg, r);
    auth_has_tls(cfg, r);
}
