/* SPDX-License-Identifier: Apache-2.0
 *
 * baton status: does it run, what waits, and what is wrong. Exit status 0: it runs and nothing is wrong; 1: something is;
 * 3: it does not run (as `systemctl status` has it). */
#include "base/clock.h"
#include "base/mem.h"
#include "control/ask.h"
#include "control/command.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { STATUS_TROUBLE = 1, STATUS_DOWN = 3 };

struct trouble {
    char *line; /* that the rest points into */
    char *fields[6]; /* "trouble", since, destination, text, kind, next try */
};

struct facts {
    struct {
        char *line, *name, *value;
    } at[32];
    size_t n;
    struct trouble *troubles;
    size_t n_troubles;
};

static void read_facts(FILE *in, struct facts *f)
{
    char *line = NULL;
    size_t cap = 0;

    while (getline(&line, &cap, in) >= 0) {
        if (strncmp(line, "trouble\t", 8) == 0) {
            f->troubles = xreallocarray(f->troubles, f->n_troubles + 1, sizeof *f->troubles);
            struct trouble *t = &f->troubles[f->n_troubles++];
            t->line = xstrdup(line);
            ask_fields(t->line, t->fields, 6);
        } else if (f->n < ARRAY_LEN(f->at)) {
            char *pair[2], *copy = xstrdup(line);
            ask_fields(copy, pair, 2);
            f->at[f->n].line = copy;
            f->at[f->n].name = pair[0];
            f->at[f->n++].value = pair[1];
        }
    }
    free(line);
}

static void free_facts(struct facts *f)
{
    for (size_t i = 0; i < f->n; i++)
        free(f->at[i].line);
    for (size_t i = 0; i < f->n_troubles; i++)
        free(f->troubles[i].line);
    free(f->troubles);
}

static const char *fact(const struct facts *f, const char *name)
{
    for (size_t i = 0; i < f->n; i++)
        if (strcmp(f->at[i].name, name) == 0)
            return f->at[i].value;
    return "";
}

static const char *date_of(const char *us, char out[32])
{
    struct tm tm;
    time_t t = (time_t)(strtoll(us, NULL, 10) / USEC_PER_SEC);

    if (t == 0)
        return "now";
    strftime(out, 32, "%Y-%m-%d %H:%M:%S", localtime_r(&t, &tm));
    return out;
}

static void print_text(const struct facts *f)
{
    char date[32];

    printf("batond %s runs since %s (pid %s)\n", fact(f, "version"), date_of(fact(f, "since"), date), fact(f, "pid"));
    printf("relayhost    %s\n", fact(f, "relayhost")[0] ? fact(f, "relayhost") : "(none)");
    printf("waiting      %s %s, %s active, %s on hold, %llu KiB; %llu KiB on disk\n", fact(f, "waiting"),
           strcmp(fact(f, "waiting"), "1") == 0 ? "message" : "messages", fact(f, "active"), fact(f, "held"), strtoull(fact(f, "bytes"), NULL, 10) / 1024,
           strtoull(fact(f, "disk"), NULL, 10) / 1024);
    printf("connections  %s\n", fact(f, "connections"));
    if (strcmp(fact(f, "next"), "0") != 0)
        printf("next try     %s\n", date_of(fact(f, "next"), date));
    for (size_t i = 0; i < f->n_troubles; i++) {
        char **t = f->troubles[i].fields;
        bool is_config = strcmp(t[4], "configuration") == 0;
        printf("%s      %s, since %s: %s\n", is_config ? "TROUBLE" : "waiting", t[2], date_of(t[1], date), t[3]);
        if (is_config)
            puts("             Its mail is kept and tried again; it needs somebody to change something.");
    }
}

/* In seconds, as `baton --json queue` has it. */
static json_t *seconds(const char *us)
{
    return json_real((double)atoll(us) / 1e6);
}

static void print_json(const struct facts *f)
{
    json_t *o = json_object(), *troubles = json_array();

    json_object_set_new(o, "running", json_true());
    for (size_t i = 0; i < f->n; i++) {
        char *end;
        long long n = strtoll(f->at[i].value, &end, 10);
        bool is_number = *f->at[i].value && !*end;
        bool is_time = strcmp(f->at[i].name, "since") == 0 || strcmp(f->at[i].name, "next") == 0;
        json_object_set_new(o, f->at[i].name,
                            is_time     ? seconds(f->at[i].value)
                            : is_number ? json_integer(n)
                                        : json_string(f->at[i].value));
    }
    for (size_t i = 0; i < f->n_troubles; i++) {
        char **t = f->troubles[i].fields;
        json_array_append_new(troubles, json_pack("{s:o, s:s, s:s, s:s, s:o}", "since", seconds(t[1]), "destination", t[2],
                                                  "text", t[3], "kind", t[4], "next", seconds(t[5])));
    }
    json_object_set_new(o, "trouble", troubles);
    json_dumpf(o, stdout, JSON_INDENT(2) | JSON_ENSURE_ASCII);
    putchar('\n');
    json_decref(o);
}

static int is_not_running(const struct command_options *o, const struct config *cfg, const struct err *e)
{
    bool is_down = e->sys == ENOENT || e->sys == ECONNREFUSED;

    if (o->json)
        puts("{\"running\": false}");
    else if (is_down)
        printf("batond does not run (queue %s)\n", cfg->queue_directory);
    else
        fprintf(stderr, "baton status: %s\n", e->text);
    return STATUS_DOWN;
}

static int run(const struct command_options *o, int argc, char **argv)
{
    struct facts f = { 0 };
    struct err e;
    int status;

    (void)argv;
    if (argc > 1)
        return command_usage(&cmd_status);
    struct config *cfg = command_config(o);
    if (!cfg)
        return EX_CONFIG;
    FILE *in = ask(cfg, "status", &e);
    if (in) {
        read_facts(in, &f);
        fclose(in);
        o->json ? print_json(&f) : print_text(&f);
        status = f.n_troubles ? STATUS_TROUBLE : EX_OK;
        free_facts(&f);
    } else {
        status = is_not_running(o, cfg, &e);
    }
    config_free(cfg);
    return status;
}

const struct command cmd_status = {
    .name = "status",
    .help = "does batond run, what waits, what is wrong",
    .usage = "[-c FILE] [--json] status\n\n"
             "Exit status: 0 it runs and nothing is wrong, 1 something is wrong, 3 it does not run.\n",
    .run = run,
};
