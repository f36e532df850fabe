/* SPDX-License-Identifier: Apache-2.0
 *
 * check.c - rules between parameters: one small function each, with one message that names the
 * cure.
 *
 * They run when every value is good by itself. An error keeps everything from starting; a warning
 * is for what works, but hardly as it was meant. */
#include "config/config_int.h"

#include "base/clock.h"
#include "base/mem.h"

#include <strings.h>

typedef void rule_fn(const struct config *cfg, struct config_report *r);

static struct place at_line(const struct config *cfg, int line)
{
    return (struct place){ .file = cfg->file, .line = line };
}

static void backoff_has_an_order(const struct config *cfg, struct config_report *r)
{
    if (cfg->minimal_backoff_time > cfg->maximal_backoff_time)
        remark_param(r, cfg, PARAM_minimal_backoff_time, CONFIG_ERROR,
                     "%s is longer than maximal_backoff_time (%s); make it the shorter one",
                     cfg->values[PARAM_minimal_backoff_time].shown,
                     cfg->values[PARAM_maximal_backoff_time].shown);
}

static void delay_warning_comes_in_time(const struct config *cfg, struct config_report *r)
{
    if (cfg->delay_warning_time > 0 && cfg->maximal_queue_lifetime > 0 &&
        cfg->delay_warning_time >= cfg->maximal_queue_lifetime)
        remark_param(
            r, cfg, PARAM_delay_warning_time, CONFIG_WARNING,
            "%s is not before the end of maximal_queue_lifetime (%s): nobody will ever be warned",
            cfg->values[PARAM_delay_warning_time].shown,
            cfg->values[PARAM_maximal_queue_lifetime].shown);
}

static void header_fits_message(const struct config *cfg, struct config_report *r)
{
    if (cfg->message_size_limit && cfg->header_size_limit > cfg->message_size_limit)
        remark_param(r, cfg, PARAM_header_size_limit, CONFIG_ERROR,
                     "it is larger than message_size_limit (%s): make it smaller",
                     cfg->values[PARAM_message_size_limit].shown);
}

static void minfree_is_enough(const struct config *cfg, struct config_report *r)
{
    if (cfg->queue_minfree &&
        cfg->queue_minfree < cfg->message_size_limit + cfg->message_size_limit / 2)
        remark_param(r, cfg, PARAM_queue_minfree, CONFIG_NOTICE,
                     "1.5 times message_size_limit is kept free anyway, which is more than this");
}

static void error_limits_have_an_order(const struct config *cfg, struct config_report *r)
{
    if (cfg->smtpd_soft_error_limit > cfg->smtpd_hard_error_limit)
        remark_param(r, cfg, PARAM_smtpd_soft_error_limit, CONFIG_WARNING,
                     "it is above smtpd_hard_error_limit (%d) and so without effect",
                     cfg->smtpd_hard_error_limit);
}

static void ciphers_have_their_place(const struct config *cfg, struct config_report *r)
{
    if (cfg->smtp_tls_CApath[0] && cfg->smtp_tls_CAfile[0])
        remark_param(r, cfg, PARAM_smtp_tls_CApath, CONFIG_NOTICE,
                     "smtp_tls_CAfile is set too: the authorities of both are trusted");
}

/* RFC 5321 4.5.3.1.6: everybody has to take lines of 998. */
static void lines_are_long_enough(const struct config *cfg, struct config_report *r)
{
    if (cfg->smtp_line_length_limit > 0 && cfg->smtp_line_length_limit < 998)
        remark_param(r, cfg, PARAM_smtp_line_length_limit, CONFIG_ERROR, "it is 0 (lines are not broken) or 998 at least");
}

/* ---- where mail goes ---- */

static bool is_own_name(const struct config *cfg, const char *host)
{
    return strcasecmp(host, cfg->myhostname) == 0;
}

static void relayhost_is_somebody_else(const struct config *cfg, struct config_report *r)
{
    for (size_t i = 0; i < cfg->relayhost.n; i++)
        if (is_own_name(cfg, cfg->relayhost.at[i].host) && cfg->relayhost.at[i].port == 25)
            remark_param(
                r, cfg, PARAM_relayhost, CONFIG_ERROR,
                "\"%s\" is this machine itself (myhostname): mail would go round in a circle; write the host "
                "that takes your mail",
                cfg->relayhost.at[i].text);
}

static bool is_loopback(const struct relayhost *h)
{
    return strcmp(h->host, "localhost") == 0 || strcmp(h->host, "::1") == 0 ||
           (h->is_address && strncmp(h->host, "127.", 4) == 0);
}

static void login_is_not_in_the_clear(const struct config *cfg, struct config_report *r)
{
    for (size_t i = 0; i < cfg->relayhost.n; i++) {
        const struct relayhost *h = &cfg->relayhost.at[i];
        enum config_tls_level level = config_tls_level(cfg, h);
        if (!config_login_for(cfg, h) || level >= CONFIG_TLS_VERIFY || is_loopback(h))
            continue; /* loopback: a tunnel of the administrator's own */
        if (level == CONFIG_TLS_ENCRYPT)
            remark_param(
                r, cfg, PARAM_smtp_tls_security_level, CONFIG_WARNING,
                "\"encrypt\" does not look at the certificate of %s: anybody on the way can ask for the password; "
                "write \"secure\", or nothing",
                h->text);
        else
            remark_param(
                r, cfg, PARAM_smtp_tls_security_level, CONFIG_ERROR,
                "\"%s\" may send the password for %s in the clear; write \"secure\", or nothing",
                cfg->values[PARAM_smtp_tls_security_level].shown, h->text);
    }
}

static void implicit_tls_is_not_switched_off(const struct config *cfg, struct config_report *r)
{
    for (size_t i = 0; i < cfg->relayhost.n; i++)
        if (config_tls_is_implicit(&cfg->relayhost.at[i]) &&
            cfg->smtp_tls_security_level == CONFIG_TLS_NONE)
            remark_param(
                r, cfg, PARAM_smtp_tls_security_level, CONFIG_ERROR,
                "\"none\" and port 465 of %s contradict each other: that port speaks TLS only",
                cfg->relayhost.at[i].text);
}

/* ---- logins ---- */

static void login_says_who_and_how(const struct config *cfg, struct config_report *r)
{
    for (size_t i = 0; i < cfg->n_logins; i++) {
        const struct login *l = &cfg->logins[i];
        int ways = l->password + (l->password_file[0] != '\0') + (l->password_command.n > 0);
        if (ways != 1)
            remark(
                r, CONFIG_ERROR, at_line(cfg, l->line),
                "login \"%s\": %s of password, password_file and password_command is set; write one",
                l->host.text, ways ? "more than one" : "none");
    }
}

/* A row of theirs may be what a login is for. */
static bool has_tables_of_next_hops(const struct config *cfg)
{
    return cfg->transport_maps.n || cfg->sender_dependent_relayhost_maps.n || cfg->sender_dependent_default_transport_maps.n;
}

static void login_is_for_a_relayhost(const struct config *cfg, struct config_report *r)
{
    for (size_t i = 0; i < cfg->n_logins; i++) {
        const struct login *l = &cfg->logins[i];
        bool is_used = has_tables_of_next_hops(cfg);
        for (size_t j = 0; j < cfg->relayhost.n; j++)
            is_used |= config_login_for(cfg, &cfg->relayhost.at[j]) == l;
        is_used |= login_is_for_a_transport(cfg, l);
        if (!is_used)
            remark(
                r, CONFIG_WARNING, at_line(cfg, l->line),
                "login \"%s\" is for none of the hosts in relayhost (\"%s\") or a transport; write its title as the "
                "relayhost is written",
                l->host.text, cfg->values[PARAM_relayhost].shown);
    }
}

/* ---- receiving ---- */

static bool is_everywhere(const struct cidr *n)
{
    return n->bits == 0 && !n->is_negated;
}

/* What is a name may be anywhere. */
static bool is_loopback_only(const struct strlist *interfaces)
{
    struct cidr c;
    struct err e;

    for (size_t i = 0; i < interfaces->n; i++) {
        const char *text = interfaces->at[i];
        bool is_address = cidr_parse(&c, span_str(text), &e) == 0;
        if (strcasecmp(text, "loopback-only") != 0 && strcmp(text, "::1") != 0 &&
            (!is_address || c.family != AF_INET || c.addr[0] != 127))
            return false;
    }
    return true;
}

/* Whether mynetworks of `cfg`, the whole configuration or a view, counts there. */
static bool goes_by_networks_of(const struct config *cfg, const struct listen *l)
{
    return cfg->view_of ? l->view == cfg : !l->view || !config_is_own(l->view, PARAM_mynetworks);
}

/* A section's address counts there, and not inet_interfaces. */
static bool is_reached_from_here_only(const struct config *cfg)
{
    bool is_here = is_loopback_only(&cfg->inet_interfaces);

    for (size_t i = 0; i < cfg->n_listens; i++)
        if (!cfg->listens[i].path[0] && goes_by_networks_of(cfg, &cfg->listens[i]))
            is_here &= is_loopback_only(&cfg->listens[i].address);
    return is_here;
}

static void networks_do_not_hold_the_world(const struct config *cfg, struct config_report *r)
{
    bool is_loopback = is_reached_from_here_only(cfg);

    for (size_t i = 0; i < cfg->mynetworks.n; i++)
        if (is_everywhere(&cfg->mynetworks.at[i]))
            remark_param(
                r, cfg, PARAM_mynetworks, is_loopback ? CONFIG_WARNING : CONFIG_ERROR,
                "it holds every address there is: whoever reaches this machine could send to anywhere; write your "
                "own networks");
}

static void xclient_is_not_for_the_world(const struct config *cfg, struct config_report *r)
{
    for (size_t i = 0; i < cfg->smtpd_authorized_xclient_hosts.n; i++)
        if (is_everywhere(&cfg->smtpd_authorized_xclient_hosts.at[i]))
            remark_param(r, cfg, PARAM_smtpd_authorized_xclient_hosts, CONFIG_ERROR,
                         "it holds every address there is: anybody could say to be anybody; write the addresses of "
                         "your proxies");
}

static void interface_words_stand_alone(const struct config *cfg, struct config_report *r)
{
    for (size_t i = 0; i < cfg->inet_interfaces.n && cfg->inet_interfaces.n > 1; i++)
        if (strcasecmp(cfg->inet_interfaces.at[i], "all") == 0)
            remark_param(r, cfg, PARAM_inet_interfaces, CONFIG_WARNING,
                         "\"all\" makes the other addresses needless");
}

/* On loopback all clients are this machine, and none of them is counted. */
static void one_client_cannot_take_all(const struct config *cfg, struct config_report *r)
{
    bool is_loopback =
        cfg->inet_interfaces.n == 1 && strcasecmp(cfg->inet_interfaces.at[0], "loopback-only") == 0;
    int limit = cfg->smtpd_client_connection_count_limit;

    if (!is_loopback && cfg->inet_interfaces.n && limit >= cfg->default_process_limit)
        remark_param(r, cfg, PARAM_default_process_limit, CONFIG_WARNING,
                     "smtpd_client_connection_count_limit (%d) is not below it: one client can take all "
                     "connections and keep out the others",
                     limit);
}

/* relay/ceiling.h: a worker counts 4 MiB, a connection 8 KiB at least, and new ones come up to three quarters. */
static void memory_fits_connections(const struct config *cfg, struct config_report *r)
{
    uint64_t need = (uint64_t)cfg->default_process_limit * 8192 / 3 * 4 + config_receivers(cfg) * UINT64_C(4194304);

    if (cfg->receive_memory_limit < need)
        remark_param(r, cfg, PARAM_receive_memory_limit, CONFIG_WARNING,
                     "default_process_limit (%d) connections take more, six times as much within TLS: make it "
                     "%llu at least",
                     cfg->default_process_limit, (unsigned long long)need);
    if (cfg->receive_memory_limit / 16 < 4 * cfg->header_size_limit)
        remark_param(r, cfg, PARAM_receive_memory_limit, CONFIG_WARNING,
                     "a few messages with headers of header_size_limit (%s) fill it: make it 64 times that",
                     cfg->values[PARAM_header_size_limit].shown);
}

static void listen_has_one_place(const struct config *cfg, struct config_report *r)
{
    for (size_t i = 0; i < cfg->n_listens; i++)
        if (cfg->listens[i].path[0] && cfg->listens[i].port != 25)
            remark(r, CONFIG_ERROR, at_line(cfg, cfg->listens[i].line),
                   "listen %s: it has a path and a port; write one of the two",
                   cfg->listens[i].name);
}

static void forbidden_commands_are_words(const struct config *cfg, struct config_report *r)
{
    for (size_t i = 0; i < cfg->smtpd_forbidden_commands.n; i++) {
        const char *word = cfg->smtpd_forbidden_commands.at[i];
        if (word[strcspn(word, ":/{}^[]")]) {
            remark_param(r, cfg, PARAM_smtpd_forbidden_commands, CONFIG_ERROR,
                         "\"%s\": it takes the names of commands, no patterns; what begins with no letter is refused anyway",
                         word);
            return;
        }
    }
}

/* Whether the two can be told apart without asking for names; what is left, the sockets themselves will say. */
static bool interfaces_meet(const struct strlist *a, const struct strlist *b)
{
    for (size_t i = 0; i < a->n; i++)
        for (size_t j = 0; j < b->n; j++)
            if (strcasecmp(a->at[i], "all") == 0 || strcasecmp(b->at[j], "all") == 0 ||
                strcasecmp(a->at[i], b->at[j]) == 0)
                return true;
    return false;
}

static void listens_do_not_meet(const struct config *cfg, struct config_report *r)
{
    for (size_t i = 0; i < cfg->n_listens; i++)
        for (size_t j = 0; j < i; j++) {
            const struct listen *now = &cfg->listens[i], *before = &cfg->listens[j];
            bool is_path = now->path[0] || before->path[0];
            if (is_path ? strcmp(now->path, before->path) != 0
                        : now->port != before->port || !interfaces_meet(&now->address, &before->address))
                continue;
            if (is_path)
                remark(r, CONFIG_ERROR, at_line(cfg, now->line),
                       "listen %s: listen %s (line %d) has this path already; give one of them another",
                       now->name, before->name, before->line);
            else
                remark(r, CONFIG_ERROR, at_line(cfg, now->line),
                       "listen %s: listen %s (line %d) has port %d of the same address already; give one of them "
                       "another port or address",
                       now->name, before->name, before->line, now->port);
        }
}

static void lmtp_is_not_at_port_25(const struct config *cfg, struct config_report *r)
{
    for (size_t i = 0; i < cfg->n_listens; i++) {
        const struct listen *l = &cfg->listens[i];
        if (l->protocol == CONFIG_LISTEN_LMTP && !l->path[0] && l->port == 25)
            remark(r, CONFIG_ERROR, at_line(cfg, l->line),
                   "listen %s: LMTP may not be spoken at port 25 (RFC 2033 5); write port = 24, or a path",
                   l->name);
    }
}

static void proxies_are_named(const struct config *cfg, struct config_report *r)
{
    for (size_t i = 0; i < cfg->n_listens; i++) {
        const struct listen *l = &cfg->listens[i];
        bool is_proxied = l->proxy != CONFIG_PROXY_NO;
        if (is_proxied && !l->proxy_networks.n && !l->path[0])
            remark(r, CONFIG_ERROR, at_line(cfg, l->line),
                   "listen %s: proxy is set, but not by whom; write the addresses of your proxies: "
                   "proxy_networks = \"192.0.2.10\"",
                   l->name);
        if (!is_proxied && l->proxy_networks.n)
            remark(r, CONFIG_ERROR, at_line(cfg, l->line),
                   "listen %s: proxy_networks says nothing without proxy = \"haproxy\"", l->name);
        for (size_t k = 0; k < l->proxy_networks.n; k++)
            if (is_everywhere(&l->proxy_networks.at[k]))
                remark(r, CONFIG_ERROR, at_line(cfg, l->line),
                       "listen %s: proxy_networks holds every address there is: anybody could say to be anybody; "
                       "write the addresses of your proxies",
                       l->name);
    }
}

static void destinations_lead_somewhere(const struct config *cfg, struct config_report *r)
{
    if (cfg->mydestination.n && cfg->alias_maps.n == 0 &&
        config_is_written(cfg, "local_transport") && strcmp(cfg->local_transport.name, "error") == 0)
        remark_param(
            r, cfg, PARAM_mydestination, CONFIG_WARNING,
            "mail for these domains is returned: local_transport says so, and there are no alias_maps");
}

static void nothing_leaves(const struct config *cfg, struct config_report *r)
{
    if (strcmp(cfg->default_transport.name, "error") == 0)
        remark_param(r, cfg, PARAM_default_transport, CONFIG_WARNING,
                     "all mail is returned to its sender");
}

static void params_are_built(const struct config *cfg, struct config_report *r)
{
#ifndef WITH_SERVER
    for (int p = 0; p < N_PARAMS; p++)
        if (config_params[p].who & SERVER && cfg->values[p].origin != FROM_DEFAULT && config_is_own(cfg, (enum config_param)p))
            remark_param(r, cfg, (enum config_param)p, CONFIG_ERROR,
                         "it belongs to the server module, and this Baton was built without it (--disable-server): delete "
                         "the line, or install a Baton that has it");
#else
    (void)cfg;
    (void)r;
#endif
}

/* In a build with --disable-server. */
static void what_is_not_built_is_not_set(const struct config *cfg, struct config_report *r)
{
#ifndef WITH_SERVER
    params_are_built(cfg, r);
    for (size_t i = 0; i < cfg->n_restriction_classes; i++)
        remark(r, CONFIG_ERROR, at_line(cfg, cfg->restriction_classes[i].line),
               "restriction_class %s: it belongs to the server module, and this Baton was built without it "
               "(--disable-server)",
               cfg->restriction_classes[i].name);
    for (size_t i = 0; i < cfg->n_pipes; i++)
        remark(r, CONFIG_ERROR, at_line(cfg, cfg->pipes[i].line),
               "pipe %s: it belongs to the server module, and this Baton was built without it (--disable-server)", cfg->pipes[i].name);
    for (size_t i = 0; i < cfg->n_listens; i++)
        if (cfg->listens[i].milters.n)
            remark(r, CONFIG_ERROR, at_line(cfg, cfg->listens[i].line),
                   "listen %s: milters belong to the server module, and this Baton was built without it (--disable-server)",
                   cfg->listens[i].name);
    for (size_t i = 0; i < cfg->n_listens; i++)
        if (cfg->listens[i].auth > CONFIG_LISTEN_AUTH_NO)
            remark(r, CONFIG_ERROR, at_line(cfg, cfg->listens[i].line),
                   "listen %s: auth belongs to the server module, and this Baton was built without it (--disable-server)",
                   cfg->listens[i].name);
#else
    (void)cfg;
    (void)r;
#endif
}

/* Those of them that are about a client: for each section listen that has parameters of its own. */
static void check_views(const struct config *cfg, struct config_report *r)
{
    const struct config *view;

    for (size_t i = 1; (view = config_each_view(cfg, i)); i++) {
        if (config_is_own(view, PARAM_smtpd_soft_error_limit) || config_is_own(view, PARAM_smtpd_hard_error_limit))
            error_limits_have_an_order(view, r);
        if (config_is_own(view, PARAM_mynetworks))
            networks_do_not_hold_the_world(view, r);
        if (config_is_own(view, PARAM_smtpd_authorized_xclient_hosts))
            xclient_is_not_for_the_world(view, r);
        if (config_is_own(view, PARAM_smtpd_forbidden_commands))
            forbidden_commands_are_words(view, r);
        params_are_built(view, r);
    }
}

static rule_fn *const rules[] = {
    backoff_has_an_order,
    delay_warning_comes_in_time,
    header_fits_message,
    minfree_is_enough,
    error_limits_have_an_order,
    ciphers_have_their_place,
    lines_are_long_enough,
    relayhost_is_somebody_else,
    login_is_not_in_the_clear,
    implicit_tls_is_not_switched_off,
    login_says_who_and_how,
    login_is_for_a_relayhost,
    networks_do_not_hold_the_world,
    xclient_is_not_for_the_world,
    interface_words_stand_alone,
    one_client_cannot_take_all,
    memory_fits_connections,
    listen_has_one_place,
    forbidden_commands_are_words,
    listens_do_not_meet,
    lmtp_is_not_at_port_25,
    proxies_are_named,
    check_views,
    check_tls,
    check_deliver,
    check_restrictions,
    what_is_not_built_is_not_set,
    check_transports,
    check_sasl,
    destinations_lead_somewhere,
    nothing_leaves,
};

void check_rules(const struct config *cfg, struct config_report *r)
{
    for (size_t i = 0; i < ARRAY_LEN(rules); i++)
        rules[i](cfg, r);
}
