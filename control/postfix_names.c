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

static const char *const queue_names[] = { "deferred", "hold", "active", "incoming", NULL };

/* Which messages are meant: of these queues, none named being all, and of these ids. */
struct choice {
    char *const *queues;
    int n_queues;
    const struct words *ids; /* sorted; NULL: any */
    struct words *found;
};

static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* A queue of Postfix's, and what baton says of a message there. */
static bool is_in(const struct queue_item *item, const char *queue)
{
    return strcmp(item->state, strcmp(queue, "incoming") == 0 ? "ready" : queue) == 0;
}

static void pick(void *arg, const struct queue_item *item)
{
    const struct choice *c = arg;
    const char *id = item->id;
    bool is_meant = c->n_queues == 0;

    for (int i = 0; i < c->n_queues && !is_meant; i++)
        is_meant = is_in(item, c->queues[i]);
    if (is_meant && (!c->ids || bsearch(&id, c->ids->at, c->ids->n, sizeof *c->ids->at, by_text)))
        add_word(c->found, id);
}

static int choose(struct choice *c)
{
    const struct command_options none = { 0 };
    struct config *cfg = command_config(&none);
    struct err e;

    if (!cfg)
        return EX_CONFIG;
    if (c->ids)
        qsort(c->ids->at, c->ids->n, sizeof *c->ids->at, by_text);
    int rc = queue_read(cfg, NULL, pick, c, &e);
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

/* Some at a time: one that leaves meanwhile keeps the others of its lot from being changed, and a question has an end. Then
 * each is said alone. */
static int say_each(const char *verb, const struct words *ids)
{
    enum { LOT = 500 };
    int worst = EX_OK;

    for (size_t i = 0; i < ids->n; i += LOT) {
        struct words w = { 0 };
        size_t end = ids->n - i < LOT ? ids->n : i + LOT;
        add_word(&w, "baton");
        add_word(&w, "queue");
        add_word(&w, verb);
        for (size_t k = i; k < end; k++)
            add_word(&w, ids->at[k]);
        int status = run_words(&w);
        for (size_t k = i; status == EX_DATAERR && end - i > 1 && k < end; k++)
            SAY("queue", verb, ids->at[k]);
        worst = status != EX_OK && status != EX_DATAERR ? status : worst;
    }
    return worst;
}

/* What is not in the queues that are named, or is gone, is passed over, as by Postfix. */
static int change(const char *verb, const char *id, char *const *queues, int n_queues)
{
    bool is_list = strcmp(id, "-") == 0, is_all = strcmp(id, "ALL") == 0;
    struct words ids = { 0 }, found = { 0 };
    struct choice c = { queues, n_queues, is_all ? NULL : &ids, &found };

    if (!is_list && n_queues == 0)
        return SAY("queue", verb, id);
    if (is_list)
        add_lines(&ids);
    else if (!is_all)
        add_word(&ids, id);
    int status = !is_all && !ids.n ? EX_OK : choose(&c);
    if (status == EX_OK)
        status = say_each(verb, &found);
    free_words(&ids);
    free_words(&found);
    return status;
}

static const char *unknown_queue(char *const *names, int n)
{
    for (int i = 0; i < n; i++) {
        const char *const *known = queue_names;
        while (*known && strcmp(*known, names[i]) != 0)
            known++;
        if (!*known)
            return names[i];
    }
    return NULL;
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
    const char *unknown = unknown_queue(argv + optind, argc - optind);
    if (unknown) {
        fprintf(stderr, "postsuper: there is no queue \"%s\"\n", unknown);
        return usage(text);
    }
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
