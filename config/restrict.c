/* SPDX-License-Identifier: Apache-2.0
 *
 * restrict.c - the text of a list of restrictions to the list. A word that is no restriction is taken for a class; whether it is
 * one, check_restrict.c finds out when all sections have been read. */
#include "config/restrict.h"

#include "base/mem.h"
#include "config/config_int.h"
#include "map/map.h"

#include <stdlib.h>

const struct restriction_kind restriction_kinds[N_RESTRICTIONS] = {
#define RESTRICTION(n, needs_, argument_) { #n, RESTRICTION_NEEDS_##needs_, RESTRICTION_TAKES_##argument_ },
#include "config/restrictions.h"
};

static const struct {
    const char *name;
    enum restriction_id id;
} synonyms[] = {
#define SYNONYM(n, restriction) { #n, RESTRICTION_##restriction },
#include "config/restrictions.h"
};

static const struct {
    const char *name, *why;
} left_out[] = {
#define LEFT_OUT(n, why_) { #n, why_ },
#include "config/restrictions.h"
};

static enum restriction_id find(struct span name)
{
    for (int i = 0; i < N_RESTRICTIONS; i++)
        if (span_ieq_str(name, restriction_kinds[i].name))
            return (enum restriction_id)i;
    for (size_t i = 0; i < ARRAY_LEN(synonyms); i++)
        if (span_ieq_str(name, synonyms[i].name))
            return synonyms[i].id;
    return RESTRICTION_CLASS;
}

static int check_left_out(struct span name, struct err *e)
{
    for (size_t i = 0; i < ARRAY_LEN(left_out); i++)
        if (span_ieq_str(name, left_out[i].name))
            return err_set(e, ERR_CONFIG, "\"%s\": %s", left_out[i].name, left_out[i].why);
    return 0;
}

/* ---- arguments ---- */

static int take_table(struct span word, char **arg, struct err *e)
{
    size_t colon = span_find(word, ':');
    struct span type = span_of(word.at, colon), name = span_from(word, colon + 1);

    if (word.at[0] == '/')
        type = SPAN("hash"), name = word;
    else if (colon == word.len || !name.len)
        return err_set(e, ERR_CONFIG, "it takes a table, \"type:name\", as hash:/etc/baton/access, and not \"%.*s\"",
                       (int)word.len, word.at);
    if (map_check_type(type, e) < 0)
        return -1;
    if (map_is_file(type) && name.at[0] != '/' && name.at[0] != '{')
        return err_set(e, ERR_CONFIG, "\"%.*s\" is no full file name: it begins with /", (int)word.len, word.at);
    *arg = xasprintf("%.*s:%.*s", (int)type.len, type.at, (int)name.len, name.at);
    return 0;
}

static int take_seconds(struct span word, char **arg, struct err *e)
{
    uint64_t n;
    bool has_unit = word.len > 1 && word.at[word.len - 1] == 's';

    if (!span_u64(span_of(word.at, word.len - has_unit), &n) || n > 300)
        return err_set(e, ERR_CONFIG, "it takes a number of seconds, 300 at most, and not \"%.*s\"", (int)word.len, word.at);
    *arg = xasprintf("%u", (unsigned)n);
    return 0;
}

static int take_domain(struct span word, char **arg, struct err *e)
{
    static const unsigned char nowhere[4];
    struct span name = span_of(word.at, span_find(word, '='));

    if (!hostname_is_sane(name) || span_find(name, '.') == name.len)
        return err_set(e, ERR_CONFIG,
                       "it takes the domain of a list in the DNS, as zen.spamhaus.org or zen.spamhaus.org=127.0.0.[2..11], and not "
                       "\"%.*s\"",
                       (int)word.len, word.at);
    if (name.len < word.len && restriction_filter_match(span_from(word, name.len + 1), nowhere) < 0)
        return err_set(e, ERR_CONFIG, "\"%.*s\": behind the \"=\" stands an address, as 127.0.0.2, 127.0.0.[2..11] or 127.0.[1;3].[0..255]",
                       (int)word.len, word.at);
    *arg = span_dup(word);
    return 0;
}

/* "unix:private/policy", "inet:host:port", or one of these and options in braces. */
static int take_service(struct span word, char **arg, struct err *e)
{
    struct span inside = word, first = word;

    if (word.len >= 2 && word.at[0] == '{' && word.at[word.len - 1] == '}') {
        inside = span_of(word.at + 1, word.len - 2);
        if (!map_next_spec(&inside, &first))
            first = SPAN("");
    }
    if (!(span_starts(first, "unix:") && first.len > 5) && !(span_starts(first, "inet:") && first.len > 5))
        return err_set(e, ERR_CONFIG,
                       "it takes a policy server, unix:/run/policy.sock or inet:127.0.0.1:10031, and not \"%.*s\"", (int)word.len,
                       word.at);
    *arg = span_dup(word);
    return 0;
}

static int take_argument(struct span *rest, const struct restriction_kind *kind, char **arg, struct err *e)
{
    struct span word;

    if (kind->argument == RESTRICTION_TAKES_NONE)
        return 0;
    struct span behind = *rest;
    if (!map_next_spec(&behind, &word))
        word = SPAN("");
    else if (find(word) != RESTRICTION_CLASS)
        return err_set(e, ERR_CONFIG, "%s: what it takes is missing before \"%.*s\"", kind->name, (int)word.len, word.at);
    else
        *rest = behind;
    if (!word.len)
        return err_set(e, ERR_CONFIG, "%s: what it takes is missing behind it, at the end of the list", kind->name);
    int result = kind->argument == RESTRICTION_TAKES_TABLE    ? take_table(word, arg, e)
                 : kind->argument == RESTRICTION_TAKES_TIME   ? take_seconds(word, arg, e)
                 : kind->argument == RESTRICTION_TAKES_DOMAIN ? take_domain(word, arg, e)
                                                              : take_service(word, arg, e);
    return result < 0 ? err_prefix(e, "%s", kind->name) : 0;
}

/* ---- lists ---- */

/* A table that belongs to no check_*_access; Postfix took it for one of the list's own. */
static int take_class(struct span word, char **arg, struct err *e)
{
    if (span_find(word, ':') < word.len)
        return err_set(e, ERR_CONFIG,
                       "\"%.*s\": write what it is asked about in front of it: check_client_access, check_helo_access, "
                       "check_sender_access or check_recipient_access",
                       (int)word.len, word.at);
    *arg = span_dup(word);
    return 0;
}

int restrictions_parse(struct span text, struct restriction_list *out, struct err *e)
{
    struct span word;

    while (map_next_spec(&text, &word)) {
        struct restriction r = { .id = find(word) };
        if (check_left_out(word, e) < 0)
            return -1;
        if (r.id == RESTRICTION_CLASS ? take_class(word, &r.arg, e) < 0
                                      : take_argument(&text, &restriction_kinds[r.id], &r.arg, e) < 0)
            return -1;
        out->at = xreallocarray(out->at, out->n + 1, sizeof *out->at);
        out->at[out->n++] = r;
    }
    return 0;
}

void restrictions_fini(struct restriction_list *l)
{
    for (size_t i = 0; i < l->n; i++)
        free(l->at[i].arg);
    free(l->at);
    *l = (struct restriction_list){ 0 };
}

int convert_restrictions(struct conversion *c, void *field)
{
    struct buf text;
    struct restriction_list out = { 0 };

    buf_init(&text, BUF_NO_MAX);
    for (size_t i = 0; i < c->text->n; i++)
        buf_addf(&text, "%s%s", i ? ", " : "", c->text->at[i]);
    for (size_t i = 0; i < text.len; i++)
        if (text.at[i] == '\n' || text.at[i] == '\r' || text.at[i] == '\t')
            text.at[i] = ' ';
    int result = has_control_character(buf_cstr(&text)) ? err_set(c->err, ERR_CONFIG, "it holds a control character")
                                                        : restrictions_parse(buf_span(&text), &out, c->err);
    buf_fini(&text);
    if (result < 0)
        restrictions_fini(&out);
    else
        *(struct restriction_list *)field = out;
    return result;
}

/* ---- those of a configuration ---- */

const enum config_param restriction_params[N_RESTRICT_PLACES] = {
    [RESTRICT_CLIENT] = PARAM_smtpd_client_restrictions, [RESTRICT_HELO] = PARAM_smtpd_helo_restrictions,
    [RESTRICT_SENDER] = PARAM_smtpd_sender_restrictions, [RESTRICT_RELAY] = PARAM_smtpd_relay_restrictions,
    [RESTRICT_RECIPIENT] = PARAM_smtpd_recipient_restrictions, [RESTRICT_DATA] = PARAM_smtpd_data_restrictions,
    [RESTRICT_END] = PARAM_smtpd_end_of_data_restrictions,
};

const struct restriction_list *config_restrictions(const struct config *cfg, enum restriction_place place)
{
    switch (place) {
    case RESTRICT_CLIENT: return &cfg->smtpd_client_restrictions;
    case RESTRICT_HELO: return &cfg->smtpd_helo_restrictions;
    case RESTRICT_SENDER: return &cfg->smtpd_sender_restrictions;
    case RESTRICT_RELAY: return &cfg->smtpd_relay_restrictions;
    case RESTRICT_RECIPIENT: return &cfg->smtpd_recipient_restrictions;
    case RESTRICT_DATA: return &cfg->smtpd_data_restrictions;
    default: return &cfg->smtpd_end_of_data_restrictions;
    }
}

const struct restriction_list *config_restriction_class(const struct config *cfg, const char *name)
{
    for (size_t i = 0; i < cfg->n_restriction_classes; i++)
        if (span_ieq_str(span_str(name), cfg->restriction_classes[i].name))
            return &cfg->restriction_classes[i].restrictions;
    return NULL;
}

static void nearer(struct span name, const char *candidate, size_t *distance, const char **best)
{
    size_t d = span_distance(name, span_str(candidate));

    if (d >= *distance)
        return;
    *distance = d;
    *best = candidate;
}

const char *restriction_suggest(const struct config *cfg, const char *text)
{
    struct span name = span_str(text);
    size_t distance = name.len / 3 + 1;
    const char *best = NULL;

    if (name.len < 2 || name.len > SPAN_DISTANCE_MAX)
        return NULL;
    for (int i = 0; i < N_RESTRICTIONS; i++)
        nearer(name, restriction_kinds[i].name, &distance, &best);
    for (size_t i = 0; i < cfg->n_restriction_classes; i++)
        nearer(name, cfg->restriction_classes[i].name, &distance, &best);
    return best;
}

/* ---- tables ---- */

static void each_access_table(const char *name, const struct restriction_list *l, config_map_fn *fn, void *arg)
{
    for (size_t i = 0; i < l->n; i++)
        if (l->at[i].id != RESTRICTION_CLASS && restriction_kinds[l->at[i].id].argument == RESTRICTION_TAKES_TABLE)
            fn(arg, name, l->at[i].arg);
}

void config_each_access_table(const struct config *cfg, config_map_fn *fn, void *arg)
{
    const struct config *view;

    for (size_t i = 0; (view = config_each_view(cfg, i)); i++)
        for (int p = 0; p < N_RESTRICT_PLACES; p++)
            if (config_is_own(view, restriction_params[p]))
                each_access_table(config_params[restriction_params[p]].name, config_restrictions(view, (enum restriction_place)p), fn,
                                  arg);
    for (size_t i = 0; i < cfg->n_restriction_classes; i++)
        each_access_table("restriction_class", &cfg->restriction_classes[i].restrictions, fn, arg);
}

void config_each_address_map(const struct config *cfg, config_map_fn *fn, void *arg)
{
    each_access_table("local_header_rewrite_clients", &cfg->local_header_rewrite_clients, fn, arg);
}

/* ---- what they ask for ---- */

static unsigned asks(enum restriction_id id)
{
    switch (id) {
    case RESTRICTION_check_policy_service: return RESTRICT_ASKS_SERVICE;
    case RESTRICTION_reject_unknown_client_hostname:
    case RESTRICTION_reject_unknown_reverse_client_hostname:
    case RESTRICTION_check_client_access:
    case RESTRICTION_check_reverse_client_hostname_access: return RESTRICT_ASKS_NAMES | RESTRICT_ASKS_DNS;
    case RESTRICTION_check_client_mx_access:
    case RESTRICTION_check_client_ns_access:
    case RESTRICTION_check_client_a_access:
    case RESTRICTION_check_reverse_client_hostname_mx_access:
    case RESTRICTION_check_reverse_client_hostname_ns_access:
    case RESTRICTION_check_reverse_client_hostname_a_access:
    case RESTRICTION_reject_rhsbl_client:
    case RESTRICTION_reject_rhsbl_reverse_client:
    case RESTRICTION_permit_rhswl_client: return RESTRICT_ASKS_NAMES | RESTRICT_ASKS_DNS;
    case RESTRICTION_check_helo_mx_access:
    case RESTRICTION_check_helo_ns_access:
    case RESTRICTION_check_helo_a_access:
    case RESTRICTION_check_sender_mx_access:
    case RESTRICTION_check_sender_ns_access:
    case RESTRICTION_check_sender_a_access:
    case RESTRICTION_check_recipient_mx_access:
    case RESTRICTION_check_recipient_ns_access:
    case RESTRICTION_check_recipient_a_access:
    case RESTRICTION_permit_mx_backup:
    case RESTRICTION_reject_rbl_client:
    case RESTRICTION_permit_dnswl_client:
    case RESTRICTION_reject_rhsbl_helo:
    case RESTRICTION_reject_rhsbl_sender:
    case RESTRICTION_reject_rhsbl_recipient:
    case RESTRICTION_reject_unknown_helo_hostname:
    case RESTRICTION_reject_unknown_sender_domain:
    case RESTRICTION_reject_unknown_recipient_domain: return RESTRICT_ASKS_DNS;
    default: return 0;
    }
}

/* Whether a table has no use for the names of clients. */
static bool holds_no_names(const char *table)
{
    return strncmp(table, "cidr:", 5) == 0 || strncmp(table, "static:", 7) == 0;
}

unsigned restrictions_ask(const struct restriction_list *l)
{
    unsigned all = 0;

    for (size_t i = 0; i < l->n; i++)
        if (l->at[i].id != RESTRICTION_check_client_access || !holds_no_names(l->at[i].arg))
            all |= asks(l->at[i].id);
    return all;
}

/* An answer may be the name of any restriction. */
static bool may_name_others(const struct restriction *r)
{
    return r->id != RESTRICTION_CLASS && r->id != RESTRICTION_check_address_map &&
           (restriction_kinds[r->id].argument == RESTRICTION_TAKES_TABLE || r->id == RESTRICTION_check_policy_service);
}

static unsigned rows_ask(const struct restriction_list *l)
{
    for (size_t i = 0; i < l->n; i++)
        if (may_name_others(&l->at[i]))
            return RESTRICT_ASKS_DNS;
    return 0;
}

/* Of one listener's clients. */
static unsigned view_asks(const struct config *view)
{
    unsigned all = 0;

    for (int p = 0; p < N_RESTRICT_PLACES; p++)
        all |= restrictions_ask(config_restrictions(view, (enum restriction_place)p)) |
               rows_ask(config_restrictions(view, (enum restriction_place)p));
    for (size_t i = 0; i < view->n_restriction_classes; i++)
        all |= restrictions_ask(&view->restriction_classes[i].restrictions) | rows_ask(&view->restriction_classes[i].restrictions);
    if (view->smtpd_peername_lookup == CONFIG_PEERNAME_YES)
        all |= RESTRICT_ASKS_NAMES | RESTRICT_ASKS_DNS;
    if (view->smtpd_peername_lookup == CONFIG_PEERNAME_NO)
        all &= ~(unsigned)RESTRICT_ASKS_NAMES;
    return all;
}

unsigned config_restrictions_ask(const struct config *cfg)
{
    const struct config *view;
    unsigned all = 0;

    for (size_t i = 0; (view = config_each_view(cfg, i)); i++)
        all |= view_asks(view);
    return all;
}

/* ---- what rows of tables may name ---- */

static bool has_same(const struct restriction_list *l, const struct restriction *r)
{
    bool is_table = restriction_kinds[r->id].argument == RESTRICTION_TAKES_TABLE;

    for (size_t i = 0; i < l->n; i++) {
        const struct restriction *one = &l->at[i];
        if (one->id == RESTRICTION_CLASS || !one->arg || strcmp(one->arg, r->arg) != 0)
            continue;
        if (one->id == r->id || (is_table && restriction_kinds[one->id].argument == RESTRICTION_TAKES_TABLE))
            return true;
    }
    return false;
}

static bool is_opened(const struct config *cfg, const struct restriction *r)
{
    const struct config *view;

    for (size_t i = 0; (view = config_each_view(cfg, i)); i++)
        for (int p = 0; p < N_RESTRICT_PLACES; p++)
            if (has_same(config_restrictions(view, (enum restriction_place)p), r))
                return true;
    for (size_t i = 0; i < cfg->n_restriction_classes; i++)
        if (has_same(&cfg->restriction_classes[i].restrictions, r))
            return true;
    return false;
}

#define INTO_A_CLASS "write it into a section restriction_class NAME, and NAME into the table"

int restriction_check_row(const struct config *cfg, const struct restriction *r, struct err *e)
{
    const struct restriction_list one = { (struct restriction *)(uintptr_t)r, 1 };

    if (r->id == RESTRICTION_CLASS)
        return 0;
    enum restriction_argument takes = restriction_kinds[r->id].argument;
    if ((takes == RESTRICTION_TAKES_TABLE || takes == RESTRICTION_TAKES_SERVICE) && !is_opened(cfg, r))
        return err_set(e, ERR_CONFIG, "%s %.200s: it was not opened, because no list of baton.conf names it; " INTO_A_CLASS,
                       restriction_kinds[r->id].name, r->arg);
    if (restrictions_ask(&one) & RESTRICT_ASKS_NAMES && !(config_restrictions_ask(cfg) & RESTRICT_ASKS_NAMES))
        return err_set(e, ERR_CONFIG,
                       "%s: the names of clients are not looked up, because no list of baton.conf asks for them; " INTO_A_CLASS
                       ", or set smtpd_peername_lookup = yes",
                       restriction_kinds[r->id].name);
    return 0;
}
