/* SPDX-License-Identifier: Apache-2.0
 *
 * import_listen.c - the services of a master.cf: smtpd at a port is a listen section, and what Postfix needs for its own working
 * is nothing. */
#include "control/import.h"

#include "base/mem.h"

#include <stdlib.h>

/* Programs whose work batond does by itself. */
static const char *const built_in[] = {
    "anvil",  "bounce", "cleanup", "discard",  "dnsblog", "error",  "flush",  "lmtp",    "local",
    "oqmgr",  "pickup", "postlogd", "proxymap", "qmgr",    "scache", "showq",  "smtp",    "tlsmgr",
    "tlsproxy", "trivial-rewrite", "verify", "virtual",
};

static bool is_built_in(const char *command)
{
    for (size_t i = 0; i < ARRAY_LEN(built_in); i++)
        if (strcmp(built_in[i], command) == 0)
            return true;
    return false;
}

static char *source_of(const struct postfix_service *s)
{
    return xasprintf("master.cf:%d: %s", s->line, s->text);
}

static char *source_of_override(const struct postfix_service *s, const struct postfix_override *o)
{
    return xasprintf("master.cf:%d: %s: -o %s=%s", s->line, s->name, o->name, o->value);
}

static bool is_listener(const struct postfix_service *s)
{
    return strcmp(s->type, "inet") == 0 && (strcmp(s->command, "smtpd") == 0 || strcmp(s->command, "postscreen") == 0);
}

/* "smtp" of "[::1]:smtp"; *address is what stands before it, or empty. */
static struct span port_of(const struct postfix_service *s, struct span *address)
{
    struct span name = span_str(s->name);
    size_t colon = span_rfind(name, ':');

    *address = colon < name.len ? span_of(name.at, colon) : span_of(NULL, 0);
    return colon < name.len ? span_from(name, colon + 1) : name;
}

static bool is_smtp_port(struct span port)
{
    return span_eq(port, SPAN("smtp")) || span_eq(port, SPAN("25"));
}

/* The service that a batond without any listen section has, too. */
static bool is_default(const struct postfix_service *s)
{
    struct span address, port = port_of(s, &address);

    return is_smtp_port(port) && !address.len && s->n_overrides == 0 && strcmp(s->maxproc, "-") == 0 &&
           strcmp(s->command, "smtpd") == 0;
}

/* ---- one listener ---- */

struct tls_words {
    const char *level, *tls;
};

static const struct tls_words tls_words[] = { { "", "no" }, { "none", "no" }, { "may", "may" }, { "encrypt", "encrypt" } };

static struct import_line *find_line(struct import_item *it, const char *name)
{
    for (size_t i = 0; i < it->n_lines; i++)
        if (strcmp(it->lines[i].name, name) == 0 && it->lines[i].value)
            return &it->lines[i];
    return NULL;
}

static void set_line(struct import_item *it, const char *name, const char *value, const char *source)
{
    struct import_line *l = find_line(it, name);

    if (!l) {
        import_add(it, name, value, source);
        return;
    }
    free(l->value);
    l->value = xstrdup(value);
}

/* AUTH of a service: whether main.cf has it on, whether it does, and whether a list of its own lets in nobody else. */
struct auth {
    bool main_has, has, is_demanded;
};

/* "permit_sasl_authenticated, reject", whatever parts the two */
static bool lets_in_who_logs_in(const char *name, const char *value)
{
    struct span rest = span_str(value), first, second, more;
    size_t len = strlen(name);

    return len > 13 && strcmp(name + len - 13, "_restrictions") == 0 && postfix_list_next(&rest, &first) &&
           postfix_list_next(&rest, &second) && !postfix_list_next(&rest, &more) &&
           span_ieq(first, SPAN("permit_sasl_authenticated")) && span_ieq(second, SPAN("reject"));
}

/* The overrides that are another word in a listen section. True when it was one. `is_set`: main.cf says something of it, too. */
static bool take_known(struct import_item *it, struct auth *auth, bool is_set, const char *name, const char *value, const char *source)
{
    struct import_line *tls = find_line(it, "tls");

    if (strcmp(name, "smtpd_sasl_auth_enable") == 0 || strcmp(name, "syslog_name") == 0)
        return true;
    if (auth->has && lets_in_who_logs_in(name, value)) { /* without AUTH it lets in nobody, and is carried */
        auth->is_demanded = true;
        return !is_set; /* else the list takes the place of that one, too */
    }
    if (strcmp(name, "smtpd_tls_wrappermode") == 0) {
        if (strcasecmp(value, "yes") == 0)
            set_line(it, "tls", "implicit", source);
        return true;
    }
    for (size_t i = 0; strcmp(name, "smtpd_tls_security_level") == 0 && i < ARRAY_LEN(tls_words); i++)
        if (strcasecmp(tls_words[i].level, value) == 0) {
            if (!tls)
                set_line(it, "tls", tls_words[i].tls, source);
            return true;
        }
    if (strcmp(name, "smtpd_upstream_proxy_protocol") == 0) {
        set_line(it, "proxy", value, source);
        return true;
    }
    return false;
}

static bool is_our_default(const char *name, const char *value)
{
    char *copy = xstrdup(name), *const names[] = { copy, NULL };
    struct buf out;

    buf_init(&out, BUF_NO_MAX);
    bool is = config_show(NULL, names, CONFIG_SHOW_DEFAULTS | CONFIG_SHOW_VALUE_ONLY, &out, NULL) == 0 &&
              span_ieq(span_trim(buf_span(&out)), span_str(value));
    buf_fini(&out);
    free(copy);
    return is;
}

/* What is written outside of the sections counts, also where import_defaults() did it; else our default. */
static bool is_same_outside(struct import *im, const char *name, const char *value)
{
    if (!postfix_find(&im->main, name) && !import_find_param(im, name))
        return is_our_default(name, value);
    char *counts = postfix_value(&im->main, name, NULL);
    bool is_same = counts && strcasecmp(counts, value) == 0;
    free(counts);
    return is_same;
}

static void take_override(struct import *im, struct import_item *it, struct auth *auth, const char *name, const char *value, const char *source)
{
    char *seen = import_as_seen_from_here(im, name, value, &it->notes), *quoted = import_quote(seen, true);
    const char *own = strncmp(name, "smtpd_", 6) == 0 ? name + 6 : name; /* smtpd_milters is milters there */

    if (own != name && config_section_shape_of("listen", span_str(own)) != CONFIG_SHAPE_NONE) {
        set_line(it, own, quoted, source);
    } else if (!take_known(it, auth, postfix_find(&im->main, name), name, value, source) && !is_same_outside(im, name, value)) {
        if (config_section_shape_of("listen", span_str(name)) != CONFIG_SHAPE_NONE)
            set_line(it, name, quoted, source);
        else
            import_line_lose(import_add(it, name, NULL, source), "%s",
                             config_shape_of(span_str(name)) != CONFIG_SHAPE_NONE
                                 ? "it counts for all listeners with Baton: set it outside of the section if that will do"
                                 : "a listen section has nothing like it");
        import_look_at_tables(im, it, seen);
    }
    free(seen);
    free(quoted);
}

static void add_overrides(struct import *im, struct import_item *it, struct auth *auth, const struct postfix_service *s)
{
    for (size_t i = 0; i < s->n_overrides; i++) {
        char *source = source_of_override(s, &s->overrides[i]);
        struct buf value;
        struct err e;
        buf_init(&value, BUF_NO_MAX);
        if (postfix_expand(&im->main, span_str(s->overrides[i].value), &value, &e) == 0)
            take_override(im, it, auth, s->overrides[i].name, buf_cstr(&value), source);
        else
            import_line_lose(import_add(it, s->overrides[i].name, NULL, source), "%s", e.text);
        buf_fini(&value);
        free(source);
    }
}

static bool is_on(struct import *im, const char *name)
{
    char *value = postfix_value(&im->main, name, NULL);
    bool is = value && strcasecmp(value, "yes") == 0;

    free(value);
    return is;
}

static struct auth auth_of(struct import *im, const struct postfix_service *s)
{
    struct auth auth = { .main_has = is_on(im, "smtpd_sasl_auth_enable") };

    auth.has = auth.main_has;
    for (size_t i = 0; i < s->n_overrides; i++) {
        struct buf value;
        if (strcmp(s->overrides[i].name, "smtpd_sasl_auth_enable") != 0)
            continue;
        buf_init(&value, BUF_NO_MAX);
        if (postfix_expand(&im->main, span_str(s->overrides[i].value), &value, NULL) == 0)
            auth.has = span_ieq(buf_span(&value), SPAN("yes"));
        buf_fini(&value);
    }
    return auth;
}

/* With AUTH on, the ports made for users demand it of themselves. */
static void add_auth(struct import_item *it, const struct auth *auth, struct span port, const char *source)
{
    bool is_for_users = span_eq(port, SPAN("submission")) || span_eq(port, SPAN("587")) || span_eq(port, SPAN("submissions")) ||
                        span_eq(port, SPAN("smtps")) || span_eq(port, SPAN("465"));

    if (!auth->has && auth->main_has)
        set_line(it, "auth", "no", source);
    else if (auth->is_demanded && (!auth->main_has || !is_for_users))
        set_line(it, "auth", "required", source);
    else if (auth->has && !auth->is_demanded && (!auth->main_has || is_for_users))
        set_line(it, "auth", "may", source);
}

static char *title_of(struct span port, struct span address, const struct import *im)
{
    char *title = span_eq(port, SPAN("25"))                                     ? xstrdup("smtp")
                  : span_eq(port, SPAN("smtps")) || span_eq(port, SPAN("465")) ? xstrdup("submissions")
                  : span_eq(port, SPAN("587"))                                  ? xstrdup("submission")
                                                                                : span_dup(port);
    unsigned same = 0;

    for (size_t i = 0; i < im->n_items; i++)
        same += im->items[i].kind && strcmp(im->items[i].kind, "listen") == 0 && strcmp(im->items[i].title, title) == 0;
    if (same || address.len) {
        char *longer = xasprintf("%s-%.*s", title, (int)address.len, address.at);
        free(title);
        title = longer;
    }
    return title;
}

static void add_listener(struct import *im, const struct postfix_service *s)
{
    struct span address, port = port_of(s, &address);
    char *source = source_of(s), *title = title_of(port, address, im), *where = span_dup(address), *at = span_dup(port);
    struct import_item *it = import_section(im, "listen", title);
    struct auth auth = auth_of(im, s);

    if (address.len)
        import_add(it, "address", where, source);
    import_add(it, "port", span_eq(port, SPAN("smtps")) ? "submissions" : at, source);
    if (strcmp(s->maxproc, "-") != 0 && strcmp(s->command, "smtpd") == 0)
        import_add(it, "process_limit", strcmp(s->maxproc, "0") == 0 ? "100000" : s->maxproc, source);
    if (strcmp(s->command, "postscreen") == 0)
        import_note(&it->notes, "Postfix had postscreen here: Baton has none, but its limits (smtpd_client_connection_count_limit and "
                                "kin) keep the many away.");
    add_overrides(im, it, &auth, s);
    add_auth(it, &auth, port, source);
    free(source);
    free(title);
    free(where);
    free(at);
}

/* ---- others ---- */

static bool needs_nothing(const struct postfix_service *s)
{
    for (size_t i = 0; i < s->n_overrides; i++)
        if (strcmp(s->overrides[i].name, "syslog_name") != 0 && strcmp(s->overrides[i].name, "smtp_fallback_relay") != 0)
            return false;
    return is_built_in(s->command) || (strcmp(s->command, "smtpd") == 0 && strcmp(s->type, "pass") == 0);
}

/* smtp and lmtp under a name of the administrator's, which rows of transport_maps and the like refer to */
static bool is_other_client(const struct postfix_service *s)
{
    static const char *const usual[] = { "smtp", "lmtp", "relay" };

    if (strcmp(s->type, "unix") != 0 || (strcmp(s->command, "smtp") != 0 && strcmp(s->command, "lmtp") != 0))
        return false;
    for (size_t i = 0; i < ARRAY_LEN(usual); i++)
        if (strcmp(s->name, usual[i]) == 0)
            return false;
    return true;
}

static void add_other(struct import *im, const struct postfix_service *s)
{
    char *source = source_of(s);

    if (is_other_client(s) && !import_is_used_transport(im, s))
        import_note(&im->not_needed, "the service %s", s->name);
    else if (is_other_client(s))
        import_lose(im, "service", source,
                    "there is one smtp and one lmtp: write \"%s:\" where tables and parameters have \"%s:\", and what it was to do "
                    "otherwise into the parameters", s->command, s->name);
    else if (!needs_nothing(s))
        import_lose(im, "service", source, "%s",
                    strcmp(s->command, "spawn") == 0 ? "Baton starts no programs for others: let systemd do it, with a socket unit"
                    : is_built_in(s->command)          ? "Baton has no second service of this kind with options of its own: set "
                                                         "what counts for all in the parameters"
                                                       : "Baton has no such service");
    free(source);
}

/* Nothing listens: with us that is an empty inet_interfaces. */
static void listen_nowhere(struct import *im)
{
    for (size_t i = 0; i < im->n_items; i++)
        if (!im->items[i].kind && strcmp(im->items[i].lines[0].name, "inet_interfaces") == 0)
            im->items[i].lines[0].fate = IMPORT_NEEDLESS;
    struct import_item *it = import_param(im, "inet_interfaces", "", NULL, NULL);
    import_note(&it->notes, "No service of master.cf listens.");
}

void import_services(struct import *im)
{
    size_t listeners = 0, defaults = 0;

    for (size_t i = 0; i < im->master.faults.n; i++) {
        char *source = xasprintf("master.cf:%d", im->master.faults.at[i].line);
        import_lose(im, "service", source, "%s", im->master.faults.at[i].text);
        free(source);
    }
    for (size_t i = 0; i < im->master.n; i++) {
        listeners += is_listener(&im->master.at[i]);
        defaults += is_listener(&im->master.at[i]) && is_default(&im->master.at[i]);
    }
    for (size_t i = 0; i < im->master.n; i++) {
        const struct postfix_service *s = &im->master.at[i];
        if (s->is_taken)
            continue;
        if (!is_listener(s))
            add_other(im, s);
        else if (listeners != 1 || defaults != 1)
            add_listener(im, s);
    }
    if (im->has_master && !listeners)
        listen_nowhere(im);
}
