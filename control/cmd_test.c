/* SPDX-License-Identifier: Apache-2.0
 *
 * baton test ADDRESS - walks the way of a message aloud, to the relayhost, the hosts of the domain or LMTP servers, and says where it
 * stops and what to change. */
#include "control/command.h"
#include "control/probe.h"

#include "base/log.h"
#include "base/mem.h"
#include "mail/address.h"
#include "relay/resolve.h"

#include <getopt.h>
#include <pwd.h>
#include <stdlib.h>
#include <unistd.h>

static const struct option long_options[] = {
    { "from", required_argument, NULL, 'f' },
    { "verbose", no_argument, NULL, 'v' },
    { NULL, 0, NULL, 0 },
};

static int take_address(struct address *a, const char *text, unsigned flags)
{
    struct err e;

    if (address_parse_path(a, span_str(text), flags | ADDRESS_BARE | ADDRESS_LOCAL | ADDRESS_UTF8,
                           NULL, &e) == 0)
        return 0;
    fprintf(stderr, "baton test: %s\n", e.text);
    return -1;
}

/* As sendmail would write it. */
static int complete(struct address *a, const struct config *cfg)
{
    struct err e;

    if (!a->len || a->has_domain || address_complete(a, cfg->myorigin, &e) == 0)
        return 0;
    fprintf(stderr, "baton test: %s\n", e.text);
    return -1;
}

static const char *own_login(void)
{
    const struct passwd *pw = getpwuid(getuid());
    return pw ? pw->pw_name : "nobody";
}

struct way { /* a next hop, and who is behind it */
    char *nexthop;
    struct envelope env;
    bool is_relayhost;
};

struct ways { /* what an address expands to */
    const struct config *cfg;
    struct findings *f;
    const struct envelope *env; /* what was asked for */
    struct way *at;             /* those that can be walked */
    size_t n;
    bool stops;     /* nothing comes of it */
    bool has_none;  /* there is no relayhost, and one is needed */
    bool goes_else; /* some of it goes where nobody can be asked */
};

static void tell_class(void *arg, const struct resolve_verdict *v)
{
    struct ways *w = arg;
    const char *address = w->env->rcpts[0].address;

    if (v->cannot_tell)
        return; /* it will be said again */
    if (v->unlisted && v->class != CLASS_INFERRED) {
        findings_add(w->f, FINDING_ERROR, "address", "<%s>: %s", address, v->unlisted);
        findings_advise(w->f, "batond refuses it at RCPT");
        w->stops = true;
    } else if (v->class != CLASS_DEFAULT) {
        findings_add(w->f, FINDING_OK, "address", "%s: %s address", address, address_class_name(v->class));
    } else if (v->is_ours) {
        findings_add(w->f, FINDING_OK, "address", "%s is ours: virtual_alias_maps has it", address);
    }
}

static bool is_relayhost(const struct config *cfg, const char *nexthop)
{
    struct span rest = span_str(strchr(nexthop, ':') + 1), word;

    for (size_t i = 0; i < cfg->relayhost.n; i++)
        if (!span_word(&rest, "", &word) || !span_eq(word, span_str(cfg->relayhost.at[i].text)))
            return false;
    return cfg->relayhost.n && span_trim(rest).len == 0;
}

static struct way *way_to(struct ways *w, const char *nexthop)
{
    for (size_t i = 0; i < w->n; i++)
        if (strcmp(w->at[i].nexthop, nexthop) == 0)
            return &w->at[i];
    w->at = xreallocarray(w->at, w->n + 1, sizeof *w->at);
    struct way *way = &w->at[w->n++];
    *way = (struct way){ .nexthop = xstrdup(nexthop), .is_relayhost = is_relayhost(w->cfg, nexthop) };
    envelope_init(&way->env);
    envelope_set_sender(&way->env, w->env->sender);
    return way;
}

static void tell_way(struct ways *w, const struct resolved *to)
{
    const struct route *route = &to->route;

    if (route->kind == ROUTE_REFUSED) {
        findings_add(w->f, FINDING_ERROR, "address", "<%s>: %s %s", to->address, route->status, route->text);
        findings_advise(w->f, strstr(route->text, "virtual alias table")
                                  ? "its domain has virtual aliases only, and it has none"
                                  : "its domain is in mydestination, it has no alias, and local_transport says so; or transport_maps does");
        w->stops = true;
    } else if (route->kind == ROUTE_NOWHERE) {
        w->has_none = true;
    } else {
        bool can = probe_can(route->nexthop);
        if (!can || !is_relayhost(w->cfg, route->nexthop))
            findings_add(w->f, FINDING_OK, "route", "%s goes to %s", to->address, route->nexthop);
        if (can)
            envelope_add(&way_to(w, route->nexthop)->env, to->address);
        w->goes_else |= !can;
    }
}

static void tell_ways(void *arg, const struct resolution *res)
{
    struct ways *w = arg;

    if (res->cannot_tell) {
        findings_add(w->f, FINDING_ERROR, "address", "a table cannot tell at the moment where <%s> goes", w->env->rcpts[0].address);
        w->stops = true;
        return;
    }
    for (size_t i = 0; i < res->n && res->has_changed; i++)
        findings_add(w->f, FINDING_OK, "address", "%s is %s", w->env->rcpts[0].address, res->at[i].address);
    for (size_t i = 0; i < res->n; i++)
        tell_way(w, &res->at[i]);
}

/* What it is to us, aliases, and the domain for a name without one, as the relay does it. */
static int expand(const struct config *cfg, struct ways *w)
{
    struct err e;
    struct resolver *r = resolver_new(cfg, &e);

    if (!r) {
        findings_add(w->f, FINDING_ERROR, "aliases", "%s", e.text);
        return -1;
    }
    resolve_rcpt(r, w->env->sender, w->env->rcpts[0].address, tell_class, w);
    if (!w->stops)
        resolve_list(r, w->env, NULL, tell_ways, w);
    resolver_free(r);
    return w->stops ? -1 : 0;
}

/* True when all who were asked take it. */
static bool walk(struct ways *w, bool is_verbose)
{
    struct probe *p = w->n ? probe_new(w->cfg, is_verbose, w->f) : NULL;
    bool is_taken = p || !w->n;

    for (size_t i = 0; p && i < w->n; i++)
        is_taken = probe_mail(p, w->at[i].nexthop, &w->at[i].env) && is_taken;
    probe_free(p);
    return is_taken;
}

static bool is_all_relayhost(const struct ways *w)
{
    for (size_t i = 0; i < w->n; i++)
        if (!w->at[i].is_relayhost)
            return false;
    return !w->goes_else;
}

static void end(const struct ways *w, bool is_taken, const char *recipient)
{
    if (is_taken && !w->n)
        findings_end(w->f, "Mail for %s does not go to the relayhost.", recipient);
    else if (is_taken)
        findings_end(w->f, "%s mail for %s. (None was sent.)", is_all_relayhost(w) ? "The relayhost takes" : "Who was asked takes", recipient);
    else if (w->has_none && !w->stops)
        findings_end(w->f, "There is no relayhost: mail for %s is kept until one is set.", recipient);
    else
        findings_end(w->f, "Mail for %s stops here.", recipient);
}

static int walk_aloud(const struct config *cfg, const struct envelope *env, bool is_json, bool is_verbose)
{
    struct ways w = { .cfg = cfg, .env = env, .f = findings_new(is_json) };

    log_open("baton", LOG_TO_STDERR, NULL, LOG_LEVEL_WARN);
    bool is_taken = expand(cfg, &w) == 0 && walk(&w, is_verbose) && !w.has_none;
    end(&w, is_taken, env->rcpts[0].address);
    for (size_t i = 0; i < w.n; i++) {
        envelope_fini(&w.at[i].env);
        free(w.at[i].nexthop);
    }
    free(w.at);
    findings_free(w.f);
    return is_taken ? EX_OK : EX_UNAVAILABLE;
}

static int test(const struct command_options *o, const char *from, const char *to, bool is_verbose)
{
    struct config *cfg = command_config(o);
    struct address sender, recipient;
    struct envelope env;

    if (!cfg)
        return EX_CONFIG;
    if (take_address(&sender, from ? from : own_login(), ADDRESS_NULL) < 0 ||
        take_address(&recipient, to, 0) < 0 || complete(&sender, cfg) < 0) {
        config_free(cfg);
        return EX_DATAERR;
    }
    envelope_init(&env);
    envelope_set_sender(&env, sender.text);
    envelope_add(&env, recipient.text);
    int status = walk_aloud(cfg, &env, o->json, is_verbose);
    envelope_fini(&env);
    config_free(cfg);
    return status;
}

static int run(const struct command_options *o, int argc, char **argv)
{
    const char *from = NULL;
    bool is_verbose = false;
    int c;

    while ((c = getopt_long(argc, argv, "+f:v", long_options, NULL)) != -1) {
        if (c == 'f')
            from = optarg;
        else if (c == 'v')
            is_verbose = true;
        else
            return command_usage(&cmd_test);
    }
    if (optind + 1 != argc)
        return command_usage(&cmd_test);
    return test(o, from, argv[optind], is_verbose);
}

const struct command cmd_test = {
    .name = "test",
    .help = "walk the way of a message, aloud",
    .usage =
        "[-c FILE] [--json] test [-v] [-f SENDER] ADDRESS\n\n"
        "Name, connection, TLS, certificate, login, sender, recipient: each step is told, and where it stops,\n"
        "what to change: to the relayhost, to the hosts of the domain, to LMTP servers. No message is sent.\n"
        "  -f SENDER, --from SENDER  whom it is from (the name of who runs this, @myorigin)\n"
        "  -v, --verbose             the conversation too\n"
        "Exit status: 0 when all who are asked would take it, 69 when not, 78 when the configuration is wrong.\n",
    .run = run,
};
