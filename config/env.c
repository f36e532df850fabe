/* SPDX-License-Identifier: Apache-2.0
 *
 * env.c - the configuration from the environment: BATON_<PARAMETER>=value, and a login. A container
 * needs no file. */
#include "config/reader_int.h"

#include "base/mem.h"

#include <stdlib.h>

extern char **environ;

/* Names that are not parameters and not mistakes: ours, and those of a test's own settings. */
static bool is_reserved(struct span name)
{
    static const char *const others[] = {
        "CONF",  "NAMESERVERS", "LOGIN_USER", "LOGIN_PASSWORD", "LOGIN_PASSWORD_FILE",
        "BUILD", "SRC",         "BINDIR"
    };

    for (size_t i = 0; i < ARRAY_LEN(others); i++)
        if (span_eq(name, span_str(others[i])))
            return true;
    return span_starts(name, "TEST_");
}

static void take_variable(struct reader *rd, const char *variable, const char *text)
{
    char name[100], shown[120];
    size_t len = strlen(variable);

    if (len >= sizeof name)
        return;
    memcpy(name, variable, len + 1);
    ascii_lower_str(name);
    snprintf(shown, sizeof shown, ENV_PREFIX "%s", variable);
    const struct config_option *o = config_option_find(config_params, N_PARAMS, span_str(name));
    if (!o) {
        const char *near = suggest_param(span_str(name));
        remark(rd->report, CONFIG_WARNING, (struct place){ .variable = shown },
               "there is no parameter %s%s%s", name, near ? "; did you mean " : "",
               near ? near : "");
        return;
    }
    struct config_value *v = &rd->cfg->values[o - config_params];
    value_fini(v);
    strlist_add(&v->raw, span_str(text));
    v->origin = FROM_ENVIRONMENT;
}

void reader_take_environment(struct reader *rd)
{
    for (char **at = environ; at && *at; at++) { /* NULL after clearenv() */
        if (strncmp(*at, ENV_PREFIX, sizeof ENV_PREFIX - 1) != 0)
            continue;
        struct span entry = span_from(span_str(*at), sizeof ENV_PREFIX - 1);
        struct span name = span_of(entry.at, span_find(entry, '='));
        if (name.len == entry.len || is_reserved(name))
            continue;
        char *variable = span_dup(name);
        take_variable(rd, variable, entry.at + name.len + 1);
        free(variable);
    }
}

/* BATON_LOGIN_USER and a password make the login for the relayhost: a container needs no file. */
void reader_take_login(struct reader *rd)
{
    struct config *cfg = rd->cfg;
    struct config_report *r = rd->report;
    const char *user = getenv(ENV_LOGIN_USER), *file = getenv(ENV_LOGIN_PASSWORD_FILE);
    const char *password = getenv(ENV_LOGIN_PASSWORD);

    if (!user && !file && !password)
        return;
    if (!user || !*user || (!file && !password)) {
        remark(r, CONFIG_ERROR,
               (struct place){ .variable = user ? ENV_LOGIN_USER : ENV_LOGIN_PASSWORD },
               ENV_LOGIN_USER " and one of " ENV_LOGIN_PASSWORD " and " ENV_LOGIN_PASSWORD_FILE
                              " go together");
        return;
    }
    for (size_t i = 0; i < cfg->relayhost.n; i++) {
        struct login l = { .user = xstrdup(user),
                           .password = password != NULL,
                           .password_file = xstrdup(password || !file ? "" : file) };
        struct err e;
        if (config_login_for(cfg, &cfg->relayhost.at[i]) ||
            relayhost_parse(&l.host, span_str(cfg->relayhost.at[i].text), &e) < 0) {
            free(l.user);
            free(l.password_file);
            continue;
        }
        cfg->logins = xreallocarray(cfg->logins, cfg->n_logins + 1, sizeof *cfg->logins);
        cfg->logins[cfg->n_logins++] = l;
    }
}
