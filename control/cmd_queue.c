/* SPDX-License-Identifier: Apache-2.0
 *
 * baton queue: what waits, and what the operator does about it. With a running daemon its relay is asked; without one the
 * spool is read, and changed, directly. */
#include "base/clock.h"
#include "base/mem.h"
#include "control/ask.h"
#include "control/command.h"
#include "control/offline.h"
#include "control/queue_read.h"
#include "spool/spool.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static int failed(const struct err *e)
{
    fprintf(stderr, "baton queue: %s\n", e->text);
    if (e->sys == EPERM || e->sys == EACCES)
        return EX_NOPERM;
    return e->kind == ERR_CONFIG ? EX_CONFIG : e->kind == ERR_PERMANENT ? EX_DATAERR : EX_TEMPFAIL;
}

static bool is_down(const struct err *e)
{
    return e->sys == ENOENT || e->sys == ECONNREFUSED;
}

/* ---- list, show ---- */

static const char *date_of(int64_t us, char out[32])
{
    struct tm tm;
    time_t t = (time_t)(us / USEC_PER_SEC);
    strftime(out, 32, "%Y-%m-%d %H:%M:%S", localtime_r(&t, &tm));
    return out;
}

struct listing {
    bool wants_json, wants_all; /* show: every detail */
    json_t *array;
    size_t n;
    uint64_t bytes;
};

static void print_item(const struct listing *l, const struct queue_item *q)
{
    char arrival[32], next[32];

    printf("%-12s %-8s %9llu  %s  %s\n", q->id, q->state, (unsigned long long)q->size, date_of(q->arrival_us, arrival),
           q->sender[0] ? q->sender : "<>");
    if (l->wants_all || strcmp(q->state, "deferred") == 0)
        printf("    attempts: %u, next: %s\n", q->attempts, q->next_us ? date_of(q->next_us, next) : "as soon as possible");
    if (q->reason[0])
        printf("    %s\n", q->reason);
    for (size_t i = 0; i < q->n_rcpts; i++)
        printf("    to %s%s%s\n", q->rcpts[i].address, q->rcpts[i].reason[0] ? ": " : "", q->rcpts[i].reason);
}

static json_t *item_json(const struct queue_item *q)
{
    json_t *rcpts = json_array();

    for (size_t i = 0; i < q->n_rcpts; i++)
        json_array_append_new(rcpts, json_pack("{s:s, s:s}", "address", q->rcpts[i].address, "delay_reason",
                                               q->rcpts[i].reason));
    return json_pack("{s:s, s:s, s:I, s:f, s:f, s:i, s:s, s:s, s:o}", "queue_id", q->id, "queue_name", q->state,
                     "message_size", (json_int_t)q->size, "arrival_time", (double)q->arrival_us / 1e6, "next_attempt",
                     (double)q->next_us / 1e6, "attempts", (int)q->attempts, "sender", q->sender, "reason", q->reason,
                     "recipients", rcpts);
}

static void on_item(void *arg, const struct queue_item *q)
{
    struct listing *l = arg;

    l->n++;
    l->bytes += q->size;
    if (!l->wants_json) {
        print_item(l, q);
        return;
    }
    /* One object a line, as postqueue -j: a long queue needs no memory on either side. */
    json_t *object = item_json(q);
    json_dumpf(object, stdout, JSON_COMPACT | JSON_ENSURE_ASCII);
    putchar('\n');
    json_decref(object);
}

static int do_list(const struct command_options *o, const struct config *cfg, int argc, char **argv)
{
    struct listing l = { .wants_json = o->json };
    struct err e;

    if (argc > 1) {
        fprintf(stderr, "baton queue list: unexpected argument: %s\n", argv[1]);
        return EX_USAGE;
    }
    if (queue_read(cfg, NULL, on_item, &l, &e) < 0)
        return failed(&e);
    if (!o->json && l.n == 0)
        puts("the queue is empty");
    else if (!o->json)
        printf("%zu %s, %llu KiB\n", l.n, l.n == 1 ? "message" : "messages", (unsigned long long)(l.bytes + 1023) / 1024);
    return EX_OK;
}

static int do_show(const struct command_options *o, const struct config *cfg, int argc, char **argv)
{
    struct listing l = { .wants_json = o->json, .wants_all = true };
    struct err e;

    if (argc < 2) {
        fputs("baton queue show: which message? Name its id (baton queue list has them)\n", stderr);
        return EX_USAGE;
    }
    for (int i = 1; i < argc; i++)
        if (queue_read(cfg, argv[i], on_item, &l, &e) < 0)
            return failed(&e);
    return EX_OK;
}

/* ---- cat ---- */

static int cat_stream(FILE *in)
{
    char piece[16384];
    size_t n;

    while ((n = fread(piece, 1, sizeof piece, in)) > 0)
        fwrite(piece, 1, n, stdout);
    int rc = ferror(in) ? EX_IOERR : EX_OK;
    fclose(in);
    return rc;
}

static void ignore_damage(void *arg, const char *text)
{
    (void)arg;
    fprintf(stderr, "spool: %s\n", text);
}

static void ignore_found(void *arg, const struct spool_info *info, const struct envelope *env,
                         const struct spool_state *st)
{
    (void)arg;
    (void)info;
    (void)env;
    (void)st;
}

static int cat_spool(const struct config *cfg, uint64_t id)
{
    static const struct spool_ops ops = { ignore_found, ignore_damage };
    const struct spool_config sc = { .dir = cfg->queue_directory, .role = SPOOL_LOOK, .ops = &ops };
    char piece[16384];
    struct err e;
    long n = -1;
    struct spool *s = spool_open(&sc, &e);
    struct spool_body *body = s && spool_start(s, &e) == 0 ? spool_body_open(s, id, &e) : NULL;

    for (uint64_t at = 0; body && (n = spool_body_read(body, at, piece, sizeof piece, &e)) > 0; at += (uint64_t)n)
        fwrite(piece, 1, (size_t)n, stdout);
    spool_body_close(body);
    spool_close(s);
    return n < 0 ? failed(&e) : EX_OK;
}

static int do_cat(const struct command_options *o, const struct config *cfg, int argc, char **argv)
{
    struct err e;
    uint64_t id;

    (void)o;
    if (argc != 2) {
        fputs("baton queue cat: which message? Name one id\n", stderr);
        return EX_USAGE;
    }
    if (!spool_id_parse(span_str(argv[1]), &id)) {
        fprintf(stderr, "baton queue cat: \"%s\" is not the id of a message\n", argv[1]);
        return EX_DATAERR;
    }
    char *question = xasprintf("queue cat %s", argv[1]);
    FILE *in = ask(cfg, question, &e);
    free(question);
    if (in)
        return cat_stream(in);
    return is_down(&e) ? cat_spool(cfg, id) : failed(&e);
}

/* ---- hold, release, delete, retry ---- */

static int report(const struct command_options *o, const char *what, size_t n)
{
    if (o->json)
        printf("{\"%s\": %zu}\n", what, n);
    else
        printf("%zu %s %s\n", n, n == 1 ? "message" : "messages", what);
    return EX_OK;
}

static int offline(const struct command_options *o, const struct config *cfg, const char *verb, const char *what,
                   int argc, char **argv)
{
    static const char *const verbs[] = { [OFFLINE_HOLD] = "hold", [OFFLINE_RELEASE] = "release",
                                         [OFFLINE_DELETE] = "delete" };
    bool is_all = strcmp(argv[1], "ALL") == 0;
    struct err e;
    size_t n;

    for (size_t i = 0; i < ARRAY_LEN(verbs); i++) {
        if (strcmp(verb, verbs[i]) != 0)
            continue;
        if (offline_change(cfg, (enum offline_act)i, argv + 1, is_all ? 0 : (size_t)argc - 1, &n, &e) < 0) {
            if (e.sys == EACCES)
                err_prefix(&e, "batond does not run, and without it only root may change the queue");
            return failed(&e);
        }
        return report(o, what, n);
    }
    fputs("baton queue: batond does not run; it tries all mail when it is started\n", stderr);
    return EX_UNAVAILABLE;
}

static int change(const struct command_options *o, const struct config *cfg, const char *what, int argc, char **argv)
{
    char line[256], *f[2];
    struct buf question;
    struct err e;
    size_t n = 0;

    if (argc < 2) {
        fprintf(stderr, "baton queue %s: which messages? Name their ids, or ALL\n", argv[0]);
        return EX_USAGE;
    }
    buf_init(&question, BUF_NO_MAX);
    buf_addf(&question, "queue %s", strcmp(argv[0], "flush") == 0 ? "retry" : argv[0]);
    for (int i = 1; i < argc; i++)
        buf_addf(&question, " %s", argv[i]);
    FILE *in = ask(cfg, buf_cstr(&question), &e);
    buf_fini(&question);
    if (!in)
        return is_down(&e) ? offline(o, cfg, argv[0], what, argc, argv) : failed(&e);
    while (fgets(line, sizeof line, in))
        if (ask_fields(line, f, 2) == 2 && strcmp(f[0], "n") == 0)
            n = strtoul(f[1], NULL, 10);
    fclose(in);
    return report(o, what, n);
}

static int do_hold(const struct command_options *o, const struct config *cfg, int argc, char **argv)
{
    return change(o, cfg, "held", argc, argv);
}

static int do_release(const struct command_options *o, const struct config *cfg, int argc, char **argv)
{
    return change(o, cfg, "released", argc, argv);
}

static int do_delete(const struct command_options *o, const struct config *cfg, int argc, char **argv)
{
    return change(o, cfg, "deleted", argc, argv);
}

static int do_retry(const struct command_options *o, const struct config *cfg, int argc, char **argv)
{
    static char all[] = "ALL", *everything[] = { NULL, all, NULL };

    if (argc < 2) {
        everything[0] = argv[0];
        return change(o, cfg, "to be tried now", 2, everything);
    }
    return change(o, cfg, "to be tried now", argc, argv);
}

/* ---- the table ---- */

static const struct action {
    const char *name;
    int (*run)(const struct command_options *o, const struct config *cfg, int argc, char **argv);
} actions[] = {
    { "list", do_list }, { "show", do_show },       { "cat", do_cat },       { "hold", do_hold },
    { "retry", do_retry }, { "flush", do_retry },   { "release", do_release }, { "delete", do_delete },
};

static int no_such_action(const char *word)
{
    const char *names[ARRAY_LEN(actions)];

    for (size_t i = 0; i < ARRAY_LEN(actions); i++)
        names[i] = actions[i].name;
    const char *nearest = command_nearest(word, names, ARRAY_LEN(names));
    fprintf(stderr, "baton queue: there is no \"%s\"", word);
    if (nearest)
        fprintf(stderr, "; did you mean %s?\n", nearest);
    else
        fprintf(stderr, "\n");
    return nearest ? EX_USAGE : command_usage(&cmd_queue);
}

static int run(const struct command_options *o, int argc, char **argv)
{
    static char list[] = "list", *just_list[] = { list, NULL };

    if (argc < 2) {
        argv = just_list;
        argc = 1;
    } else {
        argv++;
        argc--;
    }
    for (size_t i = 0; i < ARRAY_LEN(actions); i++) {
        if (strcmp(actions[i].name, argv[0]) != 0)
            continue;
        struct config *cfg = command_config(o);
        int status = cfg ? actions[i].run(o, cfg, argc, argv) : EX_CONFIG;
        config_free(cfg);
        return status;
    }
    return no_such_action(argv[0]);
}

const struct command cmd_queue = {
    .name = "queue",
    .help = "what waits, and hold, release, retry or delete it",
    .usage = "[-c FILE] [--json] queue [list | show ID ... | cat ID | hold | release | delete ID ... | retry [ID ...]]\n\n"
             "  list      what waits, why, and when it is tried again (the default)\n"
             "  show      all about a message\n"
             "  cat       its content, as it will be sent\n"
             "  hold      keep it till it is released\n"
             "  release   the end of a hold\n"
             "  retry     try it now; without ids all that waits (flush is the same)\n"
             "  delete    drop it, without telling anybody\n"
             "For hold, release and delete, ALL stands for every message. With --json list and show print an object a\n"
             "line. Works with and without a running batond.\n",
    .run = run,
};
