/* SPDX-License-Identifier: Apache-2.0
 *
 * Each of these programs is a table of what it takes and of baton's words for it. */
#include "control/postfix_names.h"

#include "base/mem.h"
#include "control/command.h"
#include "control/queue_read.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- words for baton ---- */

struct words {
    char **at;
    size_t n;
};

static void add_word(struct words *w, const char *word)
{
    w->at = xreallocarray(w->at, w->n + 2, sizeof *w->at);
    w->at[w->n++] = xstrdup(word);
    w->at[w->n] = NULL;
}

static void free_words(struct words *w)
{
    for (size_t i = 0; i < w->n; i++)
        free(w->at[i]);
    free(w->at);
    *w = (struct words){ 0 };
}

/* Takes the words. */
static int run_words(struct words *w)
{
    char **copy = xcalloc(w->n + 1, sizeof *copy); /* options are taken out of it */

    memcpy(copy, w->at, w->n * sizeof *copy);
    int before = optind;
    optind = 0; /* it has options of its own */
    int status = command_main((int)w->n, copy);
    optind = before;
    free(copy);
    free_words(w);
    return status;
}

/* NULL ends the words. */
static int say(const char *const *words)
{
    struct words w = { 0 };

    add_word(&w, "baton");
    while (*words)
        add_word(&w, *words++);
    return run_words(&w);
}

#define SAY(...) say((const char *const[]){ __VA_ARGS__, NULL })

static int usage(const char *text)
{
    fprintf(stderr, "usage: %s\n", text);
    return EX_USAGE;
}

/* ---- postqueue ---- */

static int print_queue(void)
{
    const struct command_options none = { 0 };
    struct config *cfg = command_config(&none);
    struct err e;

    if (!cfg)
        return EX_CONFIG;
    int rc = queue_print(cfg, &e);
    config_free(cfg);
    if (rc < 0)
        fprintf(stderr, "postqueue: %s\n", e.text);
    return rc < 0 ? EX_UNAVAILABLE : fflush(stdout) != 0 ? EX_IOERR : EX_OK;
}

static int postqueue(int argc, char **argv)
{
    static const char text[] = "postqueue -p | -j | -f | -i ID";
    int c, status = -1;

    while ((c = getopt(argc, argv, "fi:jpv")) != -1)
        switch (c) {
        case 'p': status = print_queue(); break;
        case 'j': status = SAY("--json", "queue", "list"); break;
        case 'f': status = SAY("queue", "retry", "ALL"); break;
        case 'i': status = SAY("queue", "retry", optarg); break;
        case 'v': break;
        default: return usage(text);
        }
    return status < 0 || optind < argc ? usage(text) : status;
}

/* ---- postsuper ---- */

struct queues { /* "deferred hold": of these only */
    char *const *names;
    int n;
    struct words *to;
};

/* A queue of Postfix's, and what baton says of a message there. */
static bool is_in(const struct queue_item *item, const char *queue)
{
    return strcmp(item->state, strcmp(queue, "incoming") == 0 ? "ready" : queue) == 0;
}

static void pick(void *arg, const struct queue_item *item)
{
    const struct queues *q = arg;

    for (int i = 0; i < q->n; i++)
        if (is_in(item, q->names[i])) {
            add_word(q->to, item->id);
            return;
        }
}

static int add_those_of(struct queues *q)
{
    const struct command_options none = { 0 };
    struct config *cfg = command_config(&none);
    struct err e;

    if (!cfg)
        return EX_CONFIG;
    int rc = queue_read(cfg, NULL, pick, q, &e);
    config_free(cfg);
    if (rc < 0)
        fprintf(stderr, "postsuper: %s\n", e.text);
    return rc < 0 ? EX_UNAVAILABLE : EX_OK;
}

/* mailq | awk ... | postsuper -d - */
static void add_lines(struct words *w)
{
    char *line = NULL;
    size_t cap = 0;

    while (getline(&line, &cap, stdin) >= 0) {
        line[strcspn(line, " \t\r\n*!")] = '\0'; /* mailq's marks */
        if (*line)
            add_word(w, line);
    }
    free(line);
}

static int change(const char *verb, const char *id, char *const *queues, int n_queues)
{
    struct words w = { 0 };
    struct queues q = { queues, n_queues, &w };
    int status = EX_OK;

    add_word(&w, "baton");
    add_word(&w, "queue");
    add_word(&w, verb);
    if (strcmp(id, "-") == 0)
        add_lines(&w);
    else if (n_queues && strcmp(id, "ALL") == 0)
        status = add_those_of(&q);
    else
        add_word(&w, id);
    if (status == EX_OK && w.n > 3)
        return run_words(&w);
    free_words(&w);
    return status;
}

static const char *verb_of(int c)
{
    switch (c) {
    case 'd': return "delete";
    case 'h': return "hold";
    case 'H': return "release";
    case 'r': return "retry"; /* where it goes is looked up each time */
    default: return NULL;
    }
}

static int postsuper(int argc, char **argv)
{
    static const char text[] = "postsuper [-d | -h | -H | -r ID | - | ALL] [deferred | hold | active | incoming ...]";
    struct {
        const char *verb, *id;
    } wanted[16];
    size_t n = 0;
    bool has_any = false;
    int c, status = EX_OK;

    while ((c = getopt(argc, argv, "d:h:H:r:psSv")) != -1) {
        if (c == '?' || n == ARRAY_LEN(wanted))
            return usage(text);
        has_any = true; /* -p, -s, -S: what they put right batond does itself */
        if (verb_of(c)) {
            wanted[n].verb = verb_of(c);
            wanted[n++].id = optarg;
        }
    }
    if (!has_any)
        return usage(text);
    for (size_t i = 0; i < n && status == EX_OK; i++)
        status = change(wanted[i].verb, wanted[i].id, argv + optind, argc - optind);
    return status;
}

/* ---- postcat, postconf, postfix ---- */

static int postcat(int argc, char **argv)
{
    static const char text[] = "postcat -q ID ...";
    bool is_queue = false;
    int c, status = EX_OK;

    while ((c = getopt(argc, argv, "bhqv")) != -1) {
        if (c == '?')
            return usage(text);
        is_queue |= c == 'q';
    }
    if (!is_queue || optind == argc)
        return usage(text);
    for (; optind < argc && status == EX_OK; optind++)
        status = SAY("queue", "cat", argv[optind]);
    return status;
}

static int postconf(int argc, char **argv)
{
    static const char text[] = "postconf [-n | -d] [-h] [parameter ...]\n"
                               "Nothing is changed by it: edit the configuration, " SYSCONFDIR "/baton/baton.conf";
    struct words w = { 0 };
    int c;

    add_word(&w, "baton");
    add_word(&w, "config");
    while ((c = getopt(argc, argv, "dhn")) != -1) {
        const char option[] = { '-', (char)c, '\0' };
        if (c == '?') {
            free_words(&w);
            return usage(text);
        }
        add_word(&w, option);
    }
    while (optind < argc)
        add_word(&w, argv[optind++]);
    return run_words(&w);
}

static int postfix(int argc, char **argv)
{
    const char *what = argc == 2 ? argv[1] : "";

    if (strcmp(what, "flush") == 0)
        return SAY("queue", "retry", "ALL");
    if (strcmp(what, "abort") == 0)
        return SAY("stop");
    for (const char *const *known = (const char *const[]){ "start", "stop", "reload", "check", "status", NULL }; *known; known++)
        if (strcmp(what, *known) == 0)
            return SAY(what);
    return usage("postfix start | stop | reload | flush | check | status");
}

static const struct {
    const char *name;
    postfix_main_fn *run;
} names[] = {
    { "postqueue", postqueue }, { "postsuper", postsuper }, { "postcat", postcat }, { "postconf", postconf }, { "postfix", postfix },
};

postfix_main_fn *postfix_name(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (strcmp(names[i].name, name) == 0)
            return names[i].run;
    return NULL;
}
