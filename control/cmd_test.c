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
    struct findings *f;
    struct envelope *env; /* gets it */
    int result;
};

static void tell_ways(void *arg, const struct resolution *res)
{
    struct ways *w = arg;
    struct envelope expanded;

    w->result = res->cannot_tell ? -1 : 0;
    if (res->cannot_tell) {
        findings_add(w->f, FINDING_ERROR, "address", "a table cannot tell at the moment where <%s> goes", w->env->rcpts[0].address);
        return;
    }
    envelope_init(&expanded);
    envelope_set_sender(&expanded, w->env->sender);
    for (size_t i = 0; i < res->n; i++) {
        const struct route *route = &res->at[i].route;
        if (res->has_changed)
            findings_add(w->f, FINDING_OK, "address", "%s is %s", w->env->rcpts[0].address, res->at[i].address);
        envelope_add(&expanded, res->at[i].address);
        if (route->kind == ROUTE_REFUSED) {
            findings_add(w->f, FINDING_ERROR, "address", "<%s>: %s %s", res->at[i].address, route->status, route->text);
            findings_advise(w->f, "its domain is in mydestination, it has no alias, and local_transport says so");
            w->result = -1;
        }
    }
    envelope_fini(w->env);
    *w->env = expanded;
}

/* Aliases, and the domain for a name without one, as the relay does it. */
static int expand(const struct config *cfg, struct envelope *env, struct findings *f)
{
    struct ways w = { .f = f, .env = env };
    struct err e;
    struct resolver *r = resolver_new(cfg, &e);

    if (!r) {
        findings_add(f, FINDING_ERROR, "aliases", "%s", e.text);
        return -1;
    }
    resolve_list(r, env, NULL, tell_ways, &w);
    resolver_free(r);
    return w.result;
}

static bool walk(const struct config *cfg, const struct probe_mail *mail, struct envelope *env,
                 struct findings *f)
{
    if (expand(cfg, env, f) < 0)
        return false;
    return probe_mail(cfg, mail, f);
}

static int end(struct findings *f, const struct config *cfg, const char *recipient, bool is_taken)
{
    if (is_taken)
        findings_end(f, "The relayhost takes mail for %s. (None was sent.)", recipient);
    else if (cfg->relayhost.n == 0)
        findings_end(f, "There is no relayhost: mail for %s is kept until one is set.", recipient);
    else
        findings_end(f, "Mail for %s stops here.", recipient);
    findings_free(f);
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
    const struct probe_mail mail = { .env = &env, .is_verbose = is_verbose };
    struct findings *f = findings_new(o->json);
    log_open("baton", LOG_TO_STDERR, NULL, LOG_LEVEL_WARN);
    bool is_taken = walk(cfg, &mail, &env, f);
    int status = end(f, cfg, recipient.text, is_taken);
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
