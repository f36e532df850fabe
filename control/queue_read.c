/* SPDX-License-Identifier: Apache-2.0 */
#include "control/queue_read.h"

#include "base/log.h"
#include "base/mem.h"
#include "control/ask.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct gathering { /* an item whose recipients are still coming */
    struct queue_item item;
    char *line; /* that its texts point into */
    struct queue_rcpt *rcpts;
    char **lines;
    size_t cap;
    bool is_open;
    queue_item_fn *fn;
    void *arg;
};

static void finish_item(struct gathering *g)
{
    if (!g->is_open)
        return;
    g->item.rcpts = g->rcpts;
    g->fn(g->arg, &g->item);
    for (size_t i = 0; i < g->item.n_rcpts; i++)
        free(g->lines[i]);
    free(g->line);
    g->is_open = false;
}

static void add_rcpt(struct gathering *g, const char *address, const char *reason, char *line)
{
    if (g->item.n_rcpts == g->cap) {
        g->cap = g->cap ? g->cap * 2 : 8;
        g->rcpts = xreallocarray(g->rcpts, g->cap, sizeof *g->rcpts);
        g->lines = xreallocarray(g->lines, g->cap, sizeof *g->lines);
    }
    g->lines[g->item.n_rcpts] = line;
    g->rcpts[g->item.n_rcpts++] = (struct queue_rcpt){ address, reason };
}

/* ---- from the relay ---- */

static void take_line(struct gathering *g, char *text)
{
    char *line = xstrdup(text), *f[9];

    ask_fields(line, f, ARRAY_LEN(f));
    if (strcmp(f[0], "m") == 0) {
        finish_item(g);
        g->is_open = true;
        g->line = line;
        g->item = (struct queue_item){
            .state = f[2],
            .size = strtoull(f[3], NULL, 10),
            .arrival_us = strtoll(f[4], NULL, 10),
            .next_us = strtoll(f[5], NULL, 10),
            .attempts = (unsigned)strtoul(f[6], NULL, 10),
            .sender = f[7],
            .reason = f[8],
        };
        snprintf(g->item.id, sizeof g->item.id, "%s", f[1]);
    } else if (strcmp(f[0], "r") == 0 && g->is_open) {
        add_rcpt(g, f[1], f[2], line);
    } else {
        free(line);
    }
}

static int read_relay(const struct config *cfg, const char *id, struct gathering *g, struct err *e)
{
    char *question = xasprintf("queue list%s%s", id ? " " : "", id ? id : "");
    FILE *in = ask(cfg, question, e);
    char *line = NULL;
    size_t cap = 0;

    free(question);
    if (!in)
        return -1;
    while (getline(&line, &cap, in) >= 0)
        take_line(g, line);
    finish_item(g);
    int rc = ferror(in) ? err_sys(e, "the answer of batond") : 0;
    free(line);
    fclose(in);
    return rc;
}

/* ---- from the spool ---- */

struct look {
    struct gathering g;
    uint64_t only; /* 0: all */
    bool is_found;
};

static char *printable(const char *s)
{
    char text[2048];
    return xstrdup(log_escape(span_str(s ? s : ""), text, sizeof text));
}

static void found(void *arg, const struct spool_info *info, const struct envelope *env, const struct spool_state *st)
{
    struct look *l = arg;
    size_t n = st && st->n_rcpts ? st->n_rcpts : env->n_rcpts;

    if (l->only && l->only != info->id)
        return;
    l->is_found = true;
    char *sender = printable(env->sender), *reason = printable(st ? st->reason : NULL);
    l->g.is_open = true;
    l->g.line = sender;
    l->g.item = (struct queue_item){
        .state = st && st->is_held ? "hold" : st && st->attempts ? "deferred" : "ready",
        .size = info->size,
        .arrival_us = info->arrival_us,
        .next_us = st ? st->next_us : 0,
        .attempts = st ? st->attempts : 0,
        .sender = sender,
        .reason = reason,
    };
    spool_id_format(info->id, l->g.item.id);
    for (size_t i = 0; i < n; i++) {
        bool has_own = st && st->n_rcpts;
        char *address = printable(has_own ? st->rcpts[i].rcpt.address : env->rcpts[i].address);
        char *why = printable(has_own ? st->rcpts[i].reason : NULL);
        char *both = xasprintf("%s%c%s", address, '\0', why);
        add_rcpt(&l->g, both, both + strlen(both) + 1, both);
        free(address);
        free(why);
    }
    finish_item(&l->g);
    free(reason);
}

static void damaged(void *arg, const char *text)
{
    (void)arg;
    fprintf(stderr, "spool: %s\n", text);
}

static int read_spool(const struct config *cfg, const char *id, struct look *l, struct err *e)
{
    static const struct spool_ops ops = { found, damaged };
    const struct spool_config sc = { .dir = cfg->queue_directory, .role = SPOOL_LOOK, .ops = &ops, .arg = l };

    if (id && !spool_id_parse(span_str(id), &l->only))
        return err_set(e, ERR_PERMANENT, "\"%s\" is not the id of a message", id);
    struct spool *s = spool_open(&sc, e);
    int rc = s ? spool_start(s, e) : -1;
    spool_close(s);
    if (rc == 0 && id && !l->is_found)
        rc = err_set(e, ERR_PERMANENT, "there is no message %s", id);
    return rc;
}

int queue_read(const struct config *cfg, const char *id, queue_item_fn *fn, void *arg, struct err *e)
{
    struct look l = { .g = { .fn = fn, .arg = arg } };
    int rc = read_relay(cfg, id, &l.g, e);

    if (rc < 0 && (e->sys == ENOENT || e->sys == ECONNREFUSED))
        rc = read_spool(cfg, id, &l, e);
    if (rc < 0 && e->sys == EACCES)
        err_prefix(e, "batond does not run, and without it only root may look into the queue");
    free(l.g.rcpts);
    free(l.g.lines);
    return rc;
}
