/* SPDX-License-Identifier: Apache-2.0
 *
 * transport.c - "transport:nexthop" (HANDBOOK B1, B8): read, and brought into one form, so that one place has one name.
 *
 *     smtp, relay        nothing, or hosts as in relayhost
 *     lmtp               unix:/path, inet:host[:port] or host[:port]; several, tried in order
 *     local, virtual     nothing that counts
 *     error, retry       a text, with or without a status before it
 *     discard            a text
 *     NAME               of a pipe section: what it calls ${nexthop} */
#include "config/config_int.h"

#include "base/mem.h"

#include <stdlib.h>
#include <strings.h>

enum shape { SHAPE_HOSTS, SHAPE_LMTP, SHAPE_NOTHING, SHAPE_TEXT };

static const struct {
    const char *name;
    enum shape shape;
} builtin[] = {
    { "smtp", SHAPE_HOSTS },     { "relay", SHAPE_HOSTS },     { "lmtp", SHAPE_LMTP },
    { "local", SHAPE_NOTHING },  { "virtual", SHAPE_NOTHING }, { "error", SHAPE_TEXT },
    { "retry", SHAPE_TEXT },     { "discard", SHAPE_TEXT },
};

bool transport_is_builtin(struct span name)
{
    for (size_t i = 0; i < ARRAY_LEN(builtin); i++)
        if (span_eq(name, span_str(builtin[i].name)))
            return true;
    return false;
}

static enum shape shape_of(struct span name)
{
    for (size_t i = 0; i < ARRAY_LEN(builtin); i++)
        if (span_eq(name, span_str(builtin[i].name)))
            return builtin[i].shape;
    return SHAPE_TEXT;
}

static bool is_name(struct span s)
{
    for (size_t i = 0; i < s.len; i++)
        if (!ascii_is_alnum((unsigned char)s.at[i]) && s.at[i] != '-' && s.at[i] != '_')
            return false;
    return s.len > 0 && s.len <= 64;
}

void transport_fini(struct transport *t)
{
    free(t->name);
    free(t->nexthop);
    *t = (struct transport){ 0 };
}

/* ---- the hops of lmtp ---- */

int lmtp_hop_parse(struct relayhost *h, struct span text, int port, struct err *e)
{
    struct span at = span_trim(text);

    *h = (struct relayhost){ 0 };
    if (span_istarts(at, "unix:")) {
        at = span_from(at, 5);
        if (!at.len || at.len > 100)
            return err_set(e, ERR_CONFIG, at.len ? "\"%.*s\": the name of a socket has 100 bytes at most"
                                                 : "\"%.*s\": the name of a socket is missing: unix:/run/dovecot/lmtp",
                           (int)text.len, text.at);
        h->text = span_dup(text);
        h->path = span_dup(at);
        h->host = xstrdup("");
        return 0;
    }
    if (at.len && at.at[0] == '/')
        return err_set(e, ERR_CONFIG, "\"%.*s\": write lmtp:unix:%.*s for a socket", (int)text.len, text.at, (int)at.len, at.at);
    if (span_istarts(at, "inet:"))
        at = span_from(at, 5);
    if (!at.len)
        return err_set(e, ERR_CONFIG, "\"%.*s\": the name of a host is missing: inet:host.example.com:24", (int)text.len, text.at);
    if (relayhost_parse(h, at, e) < 0)
        return -1;
    if (!h->has_port)
        h->port = (uint16_t)port;
    h->is_bracketed = true; /* no MX */
    return 0;
}

/* ---- one form ---- */

/* Without blanks around colons, one blank between words: "unix: /a , inet:b : 24" is "unix:/a inet:b:24". */
static char *tidy(struct span s)
{
    struct buf b;
    bool is_open = false; /* a blank or comma was seen, and may part two words */

    buf_init(&b, BUF_NO_MAX);
    for (size_t i = 0; i < s.len; i++) {
        char ch = s.at[i];
        if (ch == ' ' || ch == '\t' || ch == ',' || ch == '\n' || ch == '\r') {
            is_open = b.len > 0 && b.at[b.len - 1] != ':';
            continue;
        }
        if (is_open && ch != ':')
            buf_addc(&b, ' ');
        is_open = false;
        buf_addc(&b, ch);
    }
    buf_cstr(&b);
    return buf_take(&b);
}

static int check_hops(const char *hops, bool is_lmtp, struct err *e)
{
    struct span rest = span_str(hops), word;
    struct relayhost h;

    while (span_word(&rest, "", &word)) {
        if ((is_lmtp ? lmtp_hop_parse(&h, word, 24, e) : relayhost_parse(&h, word, e)) < 0)
            return -1;
        relayhost_fini(&h);
    }
    return 0;
}

int transport_parse(struct transport *t, struct span text, struct err *e)
{
    struct span s = span_trim(text);
    size_t colon = span_find(s, ':');
    struct span name = span_trim(span_of(s.at, colon)), nexthop = span_trim(span_from(s, colon + 1));

    *t = (struct transport){ 0 };
    if (!is_name(name))
        return err_set(e, ERR_CONFIG,
                       "\"%.*s\" is no transport: write transport:nexthop, as \"lmtp:unix:/run/dovecot/lmtp\", \"smtp:[host]\" or "
                       "\"error:text\"",
                       (int)s.len, s.at);
    enum shape shape = shape_of(name);
    t->name = span_dup(name);
    t->nexthop = shape == SHAPE_NOTHING ? xstrdup("") : shape == SHAPE_TEXT ? span_dup(nexthop) : tidy(nexthop);
    if (shape == SHAPE_LMTP && !*t->nexthop)
        err_set(e, ERR_CONFIG, "\"lmtp\" does not say where: write \"lmtp:unix:/run/dovecot/lmtp\" or \"lmtp:inet:host:24\"");
    else if (shape == SHAPE_NOTHING || shape == SHAPE_TEXT || check_hops(t->nexthop, shape == SHAPE_LMTP, e) == 0)
        return 0;
    transport_fini(t);
    return -1;
}

/* ---- of a configuration ---- */

void config_each_transport(const struct config *cfg, config_transport_fn *fn, void *arg)
{
    const struct config *view;

    for (size_t i = 0; (view = config_each_view(cfg, i)); i++)
        for (int p = 0; p < N_PARAMS; p++) {
            const struct config_option *o = &config_params[p];
            const struct transport *t = (const struct transport *)(const void *)((const char *)view + o->offset);
            if (o->type == TYPE_TRANSPORT && t->name && config_is_own(view, (enum config_param)p))
                fn(arg, o->name, t);
        }
}

bool config_has_transport(const struct config *cfg, struct span name)
{
    for (size_t i = 0; i < cfg->n_pipes; i++)
        if (span_eq(name, span_str(cfg->pipes[i].name)))
            return true;
    return transport_is_builtin(name);
}

/* Makes this machine a destination when it is set. */
static const char *const destinations[] = {
    "mydestination",           "virtual_alias_domains", "virtual_alias_maps",     "virtual_mailbox_domains",
    "virtual_mailbox_maps",    "relay_domains",         "smtpd_sasl_auth_enable",
};

static bool is_written(const struct config *cfg, enum config_param p)
{
    return cfg->values[p].origin != FROM_DEFAULT;
}

static bool is_set(const struct config *cfg, const char *name)
{
    enum config_param p;
    struct err e;

    if (config_find_param(name, &p, &e) < 0 || !is_written(cfg, p))
        return false;
    if (config_params[p].type == TYPE_BOOL)
        return *(const bool *)((const char *)cfg + config_params[p].offset);
    return cfg->values[p].shown && *cfg->values[p].shown;
}

bool config_delivers_directly(const struct config *cfg)
{
    if (cfg->relayhost.n || is_written(cfg, PARAM_relayhost))
        return !cfg->relayhost.n;
    for (size_t i = 0; i < ARRAY_LEN(destinations); i++)
        if (is_set(cfg, destinations[i]))
            return true;
    return false;
}

bool config_hop_is_direct(const struct config *cfg, const char *hop)
{
    struct relayhost h;
    struct err e;

    if (hop[strcspn(hop, " ,\t")])
        return false;
    for (size_t i = 0; i < cfg->relayhost.n; i++)
        if (strcasecmp(cfg->relayhost.at[i].text, hop) == 0)
            return false;
    if (relayhost_parse(&h, span_str(hop), &e) < 0)
        return true; /* no domain at all */
    bool is_direct = !h.has_port && (!h.is_bracketed || h.is_address);
    relayhost_fini(&h);
    return is_direct;
}

/* ---- rules ---- */

struct login_search {
    const struct config *cfg;
    const struct login *login;
    bool is_found;
};

static void look_for_login(void *arg, const char *name, const struct transport *t)
{
    struct login_search *s = arg;
    struct span rest = span_str(t->nexthop), word;
    struct relayhost h;
    struct err e;

    (void)name;
    enum shape shape = shape_of(span_str(t->name));
    if (shape != SHAPE_LMTP && shape != SHAPE_HOSTS)
        return;
    while (span_word(&rest, "", &word)) {
        if ((shape == SHAPE_LMTP ? lmtp_hop_parse(&h, word, s->cfg->lmtp_tcp_port, &e) : relayhost_parse(&h, word, &e)) < 0)
            continue;
        s->is_found |= config_login_for(s->cfg, &h) == s->login;
        relayhost_fini(&h);
    }
}

bool login_is_for_a_transport(const struct config *cfg, const struct login *l)
{
    struct login_search s = { .cfg = cfg, .login = l };
    config_each_transport(cfg, look_for_login, &s);
    return s.is_found;
}

struct rule {
    const struct config *cfg;
    struct config_report *report;
};

static void transport_exists(void *arg, const char *name, const struct transport *t)
{
    struct rule *rule = arg;
    enum config_param param;
    struct err e;

    if (*t->name && config_find_param(name, &param, &e) == 0 && !config_has_transport(rule->cfg, span_str(t->name)))
        remark_param(rule->report, rule->cfg, param, CONFIG_ERROR,
                     "there is no transport \"%s\": there are smtp, relay, lmtp, local, virtual, error, retry, discard, and the names of "
                     "pipe sections",
                     t->name);
}

static bool gives_back_to_nobody(const struct config *cfg)
{
    const struct config *view;

    for (size_t i = 1; (view = config_each_view(cfg, i)); i++)
        if (!view->content_filter.name[0])
            return false;
    return true;
}

/* What a filter gives back comes in like any other mail. */
static void filter_is_no_circle(const struct config *cfg, struct config_report *r)
{
    const struct transport *t = &cfg->content_filter;
    bool is_pipe = *t->name && !transport_is_builtin(span_str(t->name));

    if (is_pipe)
        remark_param(r, cfg, PARAM_content_filter, CONFIG_WARNING,
                     "what it gives back by sendmail goes to it again, in a circle: write it into the listen sections of the clients "
                     "whose mail it is to see");
    else if (*t->name && shape_of(span_str(t->name)) != SHAPE_TEXT && gives_back_to_nobody(cfg))
        remark_param(r, cfg, PARAM_content_filter, CONFIG_WARNING,
                     "mail that the filter gives back goes to it again, in a circle: make a listen section for it, with content_filter = "
                     "\"\"");
}

void check_transports(const struct config *cfg, struct config_report *r)
{
    filter_is_no_circle(cfg, r);
    struct rule rule = { cfg, r };
    config_each_transport(cfg, transport_exists, &rule);
}
