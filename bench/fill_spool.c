/* SPDX-License-Identifier: Apache-2.0
 *
 * fill_spool DIR MESSAGES BYTES [RECIPIENTS] - fills a spool that no daemon uses, as a receive worker would have: the same
 * library, the same records, many messages a sync. For benchmarks with more messages than one wants to send by SMTP.
 *
 * Every message is BYTES long; its recipients are "userN@dest.test". An existing spool is added to. */
#include "base/clock.h"
#include "base/mem.h"
#include "spool/spool.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BATCH = 2000 }; /* messages a sync */

struct task {
    runner_fn *work, *done;
    void *arg;
};

/* Works when told to: nothing else happens here, so a thread would only wait. */
struct inline_runner {
    struct runner runner;
    struct task tasks[4];
    size_t n;
};

static void run(struct runner *runner, runner_fn *work, runner_fn *done, void *arg)
{
    struct inline_runner *r = (struct inline_runner *)runner;
    r->tasks[r->n++] = (struct task){ work, done, arg };
}

static void work_all(struct inline_runner *r)
{
    while (r->n) {
        struct task t = r->tasks[0];
        memmove(r->tasks, r->tasks + 1, --r->n * sizeof *r->tasks);
        t.work(t.arg);
        t.done(t.arg);
    }
}

static void die(const struct err *e)
{
    fprintf(stderr, "fill_spool: %s\n", e->text);
    exit(1);
}

static void on_done(void *arg, enum spool_result result, const struct err *e)
{
    if (result != SPOOL_KEPT)
        die(e);
    ++*(unsigned long *)arg;
}

static char *make_content(size_t bytes)
{
    static const char header[] = "From: from@client.test\r\nTo: to@dest.test\r\nSubject: filler\r\n\r\n";
    char *text = xmalloc(bytes + sizeof header);
    size_t at = sizeof header - 1;

    memcpy(text, header, sizeof header);
    for (; at + 2 <= bytes; at++)
        text[at] = at % 64 == 62 ? '\r' : at % 64 == 63 ? '\n' : 'x';
    if (at < 2)
        at = 2;
    memcpy(text + at - 2, "\r\n", 2);
    text[at] = '\0';
    return text;
}

static void add(struct spool *s, unsigned long n, unsigned long n_rcpts, const char *content, unsigned long *kept)
{
    struct envelope env;
    struct err e;
    char to[64];

    envelope_init(&env);
    envelope_set_sender(&env, "from@client.test");
    env.arrival_us = clock_real_us();
    for (unsigned long i = 0; i < n_rcpts; i++) {
        snprintf(to, sizeof to, "user%lu@dest.test", n + i);
        envelope_add(&env, to);
    }
    struct spool_msg *m = spool_begin(s, &env, &e);
    if (!m || spool_write(m, span_str(content), &e) < 0)
        die(&e);
    spool_commit(m, on_done, kept);
    envelope_fini(&env);
}

int main(int argc, char **argv)
{
    struct inline_runner runner = { .runner.run = run };
    unsigned long n, n_rcpts, kept = 0;
    struct err e;

    if (argc < 4 || argc > 5) {
        fputs("usage: fill_spool DIR MESSAGES BYTES [RECIPIENTS]\n", stderr);
        return 2;
    }
    const struct spool_config sc = { .dir = argv[1], .role = SPOOL_RECEIVE, .runner = &runner.runner };
    n = strtoul(argv[2], NULL, 10);
    n_rcpts = argc > 4 ? strtoul(argv[4], NULL, 10) : 1;
    char *content = make_content(strtoul(argv[3], NULL, 10));
    struct spool *s = spool_open(&sc, &e);
    if (!s)
        die(&e);
    for (unsigned long i = 0; i < n; i++) {
        add(s, i, n_rcpts, content, &kept);
        if (i % BATCH == BATCH - 1)
            work_all(&runner);
    }
    work_all(&runner);
    spool_close(s);
    free(content);
    printf("%lu messages\n", kept);
    return kept == n ? 0 : 1;
}
