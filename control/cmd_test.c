/* SPDX-License-Identifier: Apache-2.0
 *
 * baton test ADDRESS - walks the way to the relayhost aloud, and says where it stops and what to
 * change. */
#include "control/command.h"
#include "control/probe.h"

#include "base/log.h"
#include "mail/address.h"
#include "relay/resolve.h"

#include <getopt.h>
#include <pwd.h>
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

struct ways { /* what an address expands to */
    const struct config *cfg;
    struct findings *f;
    struct envelope *env; /* gets those that go by SMTP to the relayhost */
    bool stops;           /* nothing comes of it */
    bool ends_here;       /* all is given to somebody else than the relayhost */
    bool is_verbose, is_refused;
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

/* What is walked aloud: a way to all of relayhost, by SMTP. */
static bool is_relayhost(const struct config *cfg, const struct route *route)
{
    const char *colon = route->kind == ROUTE_NEXT_HOP ? strchr(route->nexthop, ':') : NULL;
    struct span rest = span_str(colon ? colon + 1 : ""), word;

    if (route->kind == ROUTE_NOWHERE)
        return true;
    if (!colon || (strncmp(route->nexthop, "smtp:", 5) != 0 && strncmp(route->nexthop, "relay:", 6) != 0))
        return false;
    for (size_t i = 0; i < cfg->relayhost.n; i++)
        if (!span_word(&rest, "", &word) || !span_eq(word, span_str(cfg->relayhost.at[i].text)))
            return false;
    return cfg->relayhost.n && span_trim(rest).len == 0;
}

/* Asked at its socket, whoever else gets the message. */
static void walk_lmtp(struct ways *w, const struct resolved *to)
{
    struct envelope one;
    const struct probe_mail mail = { .env = &one, .is_verbose = w->is_verbose };

    envelope_init(&one);
    envelope_set_sender(&one, w->env->sender);
    envelope_add(&one, to->address);
    if (!probe_lmtp(w->cfg, &mail, to->route.nexthop + strlen("lmtp:"), w->f))
        w->stops = w->is_refused = true;
    envelope_fini(&one);
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
    } else if (!is_relayhost(w->cfg, route)) {
        findings_add(w->f, FINDING_OK, "route", "%s goes to %s", to->address, route->nexthop);
        if (strncmp(route->nexthop, "lmtp:unix:", 10) == 0 && !strstr(route->nexthop, " inet:"))
            walk_lmtp(w, to);
    }
}

static void tell_ways(void *arg, const struct resolution *res)
{
    struct ways *w = arg;
    struct envelope expanded;

    w->ends_here = res->n > 0;
    if (res->cannot_tell) {
        findings_add(w->f, FINDING_ERROR, "address", "a table cannot tell at the moment where <%s> goes", w->env->rcpts[0].address);
        w->stops = true;
        return;
    }
    for (size_t i = 0; i < res->n && res->has_changed; i++)
        findings_add(w->f, FINDING_OK, "address", "%s is %s", w->env->rcpts[0].address, res->at[i].address);
    envelope_init(&expanded);
    envelope_set_sender(&expanded, w->env->sender);
    for (size_t i = 0; i < res->n; i++) {
        tell_way(w, &res->at[i]);
        if (is_relayhost(w->cfg, &res->at[i].route)) {
            envelope_add(&expanded, res->at[i].address);
            w->ends_here = false;
        }
    }
    envelope_fini(w->env);
    *w->env = expanded;
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

enum walked { WALK_STOPS, WALK_REFUSED, WALK_TAKEN, WALK_ENDS_HERE };

static enum walked walk(const struct config *cfg, const struct probe_mail *mail, struct envelope *env, struct findings *f)
{
    struct ways w = { .cfg = cfg, .f = f, .env = env, .is_verbose = mail->is_verbose };

    if (expand(cfg, &w) < 0)
        return w.is_refused ? WALK_REFUSED : WALK_STOPS;
    if (w.ends_here)
        return WALK_ENDS_HERE;
    return probe_mail(cfg, mail, f) ? WALK_TAKEN : WALK_STOPS;
}

static int end(struct findings *f, const struct config *cfg, const char *recipient, enum walked walked)
{
    if (walked == WALK_ENDS_HERE)
        findings_end(f, "Mail for %s does not go to the relayhost.", recipient);
    else if (walked == WALK_TAKEN)
        findings_end(f, "The relayhost takes mail for %s. (None was sent.)", recipient);
    else if (walked == WALK_STOPS && cfg->relayhost.n == 0)
        findings_end(f, "There is no relayhost: mail for %s is kept until one is set.", recipient);
    else
        findings_end(f, "Mail for %s stops here.", recipient);
    findings_free(f);
    return walked != WALK_STOPS && walked != WALK_REFUSED ? EX_OK : EX_UNAVAILABLE;
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
    const struct probe_mail mail = { .env = &env, .is_verbose = is_verbose };
    struct findings *f = findings_new(o->json);
    log_open("baton", LOG_TO_STDERR, NULL, LOG_LEVEL_WARN);
    enum walked walked = walk(cfg, &mail, &env, f);
    int status = end(f, cfg, recipient.text, walked);
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
    .help = "walk the way of a message to the relayhost, aloud",
    .usage =
        "[-c FILE] [--json] test [-v] [-f SENDER] ADDRESS\n\n"
        "Name, connection, TLS, certificate, login, sender, recipient: each step is told, and where it stops,\n"
        "what to change. No message is sent.\n"
        "  -f SENDER, --from SENDER  whom it is from (the name of who runs this, @myorigin)\n"
        "  -v, --verbose             the conversation too\n"
        "Exit status: 0 when the relayhost would take it, 69 when not, 78 when the configuration is wrong.\n",
    .run = run,
};
