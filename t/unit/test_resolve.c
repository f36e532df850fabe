/* SPDX-License-Identifier: Apache-2.0 */
#include "relay/resolve.h"

#include "base/mem.h"
#include "map/map_kind.h"
#include "relay/alias.h"

#include "unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static char dir[] = "/tmp/baton-resolve-XXXXXX";

static char *write_file(const char *name, const char *text)
{
    char *path = xasprintf("%s/%s", dir, name);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    assert_int_equal(fclose(f), 0);
    return path;
}

static const char aliases_text[] = "# comment\n"
                                   "root: admin@example.com\n"
                                   "team: alice, bob@example.net,\n"
                                   "   carol\n"
                                   "alice: alice@example.org\n"
                                   "ROOT: second@example.com\n"
                                   "loop1: loop2\n"
                                   "loop2: loop1\n"
                                   "self: self, other@example.com\n"
                                   "\"odd name\": odd@example.com\n"
                                   "file: /var/mail/x\n"
                                   "pipe: \"|/bin/cat\", pipe@example.com\n"
                                   "inc: :include:/etc/list\n"
                                   "final: \\alice\n"
                                   "no colon here\n";

static struct config *make_config(const char *extra)
{
    char *aliases = write_file("aliases", aliases_text);
    char *text = xasprintf("queue_directory = \"%s/q\"\nmyhostname = \"box.example.com\"\nmydomain = \"example.com\"\n"
                           "myorigin = \"example.com\"\nalias_maps = \"hash:%s\"\n%s",
                           dir, aliases, extra);
    char *path = write_file("baton.conf", text);
    struct config_report report = { 0 };
    struct config *cfg = config_load(path, 0, &report);
    if (!cfg)
        config_report_print(&report, stderr, "test", CONFIG_ERROR);
    config_report_fini(&report);
    assert_non_null(cfg);
    free(aliases);
    free(text);
    free(path);
    return cfg;
}

static void write_list(void *arg, const struct resolution *res)
{
    struct buf *out = arg;

    if (res->cannot_tell)
        buf_adds(out, "cannot tell");
    else if (!res->has_changed)
        buf_adds(out, "same");
    for (size_t i = 0; i < res->n && res->has_changed; i++)
        buf_addf(out, "%s%s", i ? " " : "", res->at[i].address);
}

static char *expand_list(struct resolver *r, const char *const *addresses)
{
    struct envelope env;
    struct buf out;

    envelope_init(&env);
    for (; *addresses; addresses++)
        envelope_add(&env, *addresses);
    buf_init(&out, BUF_NO_MAX);
    assert_null(resolve_list(r, &env, NULL, write_list, &out));
    envelope_fini(&env);
    buf_cstr(&out);
    return buf_take(&out);
}

static char *expand(struct resolver *r, const char *address)
{
    const char *const list[] = { address, NULL };
    return expand_list(r, list);
}

static void local_names_follow_their_aliases(void **state)
{
    static const struct {
        const char *address, *want;
    } cases[] = {
        { "root", "admin@example.com" },
        { "Root@localhost", "admin@example.com" },
        { "root@box.example.com", "admin@example.com" },
        { "root@example.com", "same" }, /* myorigin is not this machine */
        { "root@elsewhere.example", "same" },
        { "team", "alice@example.org bob@example.net carol@example.com" },
        { "nobody", "nobody@example.com" },
        { "x@localhost.example.com", "x@example.com" },
        { "x@box.example.com", "same" },
        { "self", "self@example.com other@example.com" },
        { "\"odd name\"@localhost", "odd@example.com" },
        { "pipe", "pipe@example.com" },
        { "final", "alice@example.com" },
        { "file", "file@example.com" },
    };
    struct err e;
    struct config *cfg = make_config("relayhost = \"[relay.example.com]:25\"\n");
    struct resolver *r = resolver_new(cfg, &e);
    (void)state;

    assert_non_null(r);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char *got = expand(r, cases[i].address);
        if (strcmp(got, cases[i].want) != 0)
            fail_msg("%s: got %s, want %s", cases[i].address, got, cases[i].want);
        free(got);
    }
    resolver_free(r);
    config_free(cfg);
}

static void a_loop_of_aliases_ends(void **state)
{
    struct err e;
    struct config *cfg = make_config("relayhost = \"[relay.example.com]:25\"\n");
    struct resolver *r = resolver_new(cfg, &e);
    (void)state;

    char *got = expand(r, "loop1");
    assert_string_equal(got, "loop1@example.com");
    free(got);
    resolver_free(r);
    config_free(cfg);
}

static void take_verdict(void *arg, const struct resolve_verdict *v)
{
    struct resolve_verdict *out = arg;
    *out = *v;
}

static struct resolve_verdict judge(struct resolver *r, const char *address)
{
    struct resolve_verdict v = { 0 };
    assert_null(resolve_rcpt(r, "", address, take_verdict, &v));
    return v;
}

static void take_route(void *arg, const struct resolution *res)
{
    struct route *out = arg;
    assert_int_equal(res->n, 1);
    *out = res->at[0].route;
}

/* Of an address that has been expanded. Valid till the next one is asked for. */
static void route_of(struct resolver *r, const char *address, struct route *out)
{
    struct envelope env;
    struct spool_rcpt rcpt = { .rcpt.address = (char *)(uintptr_t)address };
    struct spool_state st = { .rcpts = &rcpt, .n_rcpts = 1 };

    envelope_init(&env);
    assert_null(resolve_list(r, &env, &st, take_route, out));
    envelope_fini(&env);
}

static void routes_follow_the_configuration(void **state)
{
    struct route route;
    struct err e;
    struct config *cfg = make_config("relayhost = \"[relay.example.com]:587 [backup.example.com]\"\n"
                                     "mydestination = \"here.example\"\n"
                                     "local_transport = \"error: 5.1.1 local delivery disabled\"\n");
    struct resolver *r = resolver_new(cfg, &e);
    (void)state;

    route_of(r, "a@example.org", &route);
    assert_int_equal(route.kind, ROUTE_NEXT_HOP);
    assert_string_equal(route.nexthop, "smtp:[relay.example.com]:587 [backup.example.com]");
    route_of(r, "a@HERE.example", &route);
    assert_int_equal(route.kind, ROUTE_REFUSED);
    assert_string_equal(route.status, "5.1.1");
    assert_string_equal(route.text, "local delivery disabled");
    assert_int_equal(judge(r, "root@here.example").route.kind, ROUTE_NEXT_HOP); /* it has an alias */
    assert_true(judge(r, "x@here.example").is_ours);
    assert_int_equal(judge(r, "x@here.example").class, CLASS_LOCAL);
    assert_true(judge(r, "root@box.example.com").is_ours);
    assert_false(judge(r, "nobody@box.example.com").is_ours);
    assert_false(judge(r, "root@example.com").is_ours);
    assert_int_equal(judge(r, "root@example.com").class, CLASS_DEFAULT);
    resolver_free(r);
    config_free(cfg);
}

static void without_a_relayhost_mail_goes_nowhere(void **state)
{
    struct route route;
    struct err e;
    struct config *cfg = make_config("");
    struct resolver *r = resolver_new(cfg, &e);
    (void)state;

    route_of(r, "a@example.org", &route);
    assert_int_equal(route.kind, ROUTE_NOWHERE);
    resolver_free(r);
    config_free(cfg);
}

static void complain(void *arg, const char *text)
{
    buf_addf(arg, "%s\n", text);
}

static void bad_alias_lines_are_named_with_file_and_line(void **state)
{
    struct aliases *a = aliases_new();
    struct buf said;
    struct err e;
    char *path = write_file("aliases", aliases_text);
    (void)state;

    buf_init(&said, BUF_NO_MAX);
    assert_int_equal(aliases_add(a, path, complain, &said, &e), 0);
    assert_non_null(strstr(buf_cstr(&said), ":11: files need local delivery"));
    assert_non_null(strstr(buf_cstr(&said), ":12: commands need local delivery"));
    assert_non_null(strstr(buf_cstr(&said), ":13: :include: needs"));
    assert_non_null(strstr(buf_cstr(&said), ":15: expected \"name: address, ...\""));
    assert_int_equal(aliases_add(a, "hash:/nonexistent/aliases", complain, &said, &e), -1);
    assert_non_null(strstr(e.text, "/nonexistent/aliases"));
    buf_fini(&said);
    aliases_free(a);
    free(path);
}

static void aliases_that_cannot_be_told_are_a_refusal_for_now(void **state)
{
    (void)state;
    struct config *cfg = make_config("");
    strlist_clear(&cfg->alias_maps);
    strlist_add(&cfg->alias_maps, SPAN("inline:{team=root}"));
    strlist_add(&cfg->alias_maps, SPAN("fail:x"));
    struct err e;
    struct resolver *r = resolver_new(cfg, &e);

    assert_non_null(r);
    const char *const both[] = { "joe@example.org", "team", NULL };
    char *got = expand(r, "joe@example.org");
    assert_string_equal(got, "same");
    free(got);
    got = expand_list(r, both);
    assert_string_equal(got, "cannot tell");
    free(got);
    assert_true(judge(r, "team").cannot_tell);
    assert_true(judge(r, "root").cannot_tell);
    assert_false(judge(r, "joe@example.org").cannot_tell);
    resolver_free(r);
    config_free(cfg);
}

/* ---- tables that block ---- */

/* A runner that works when it is told to, and a table whose answers are counted. */
struct held_job {
    runner_fn *work, *done;
    void *arg;
};

static struct held_job held[8];
static size_t n_held;
static unsigned n_asked;

static void hold(struct runner *r, runner_fn *work, runner_fn *done, void *arg)
{
    (void)r;
    assert_true(n_held < ARRAY_LEN(held));
    held[n_held++] = (struct held_job){ work, done, arg };
}

static void let_go(void)
{
    struct held_job job = held[--n_held];
    job.work(job.arg);
    job.done(job.arg);
}

static void *open_slow(const struct map_source *src, struct err *e)
{
    (void)src;
    (void)e;
    return &n_asked;
}

static void close_slow(void *self)
{
    (void)self;
}

static enum map_result look_up_slow(void *self, struct span key, struct buf *value, struct err *e)
{
    (void)self;
    n_asked++;
    if (span_eq(key, SPAN("team")))
        return buf_adds(value, "ann, bob@example.net"), MAP_FOUND;
    if (span_eq(key, SPAN("ann")))
        return buf_adds(value, "ann@example.org"), MAP_FOUND;
    if (span_eq(key, SPAN("broken"))) {
        err_set(e, ERR_TEMPORARY, "it is away");
        return MAP_CANNOT_TELL;
    }
    return MAP_NOT_FOUND;
}

static const struct map_kind slow = {
    .type = "slow", .flags = MAP_FOLDS | MAP_BLOCKS, .open = open_slow, .close = close_slow, .lookup = look_up_slow,
};

static struct runner holder = { .run = hold };

static struct resolver *slow_resolver(struct config **cfg)
{
    struct err e;

    map_register(&slow);
    *cfg = make_config("relayhost = \"[relay.example.com]\"\n");
    strlist_clear(&(*cfg)->alias_maps);
    strlist_add(&(*cfg)->alias_maps, SPAN("slow:x"));
    struct resolver *r = resolver_new(*cfg, &e);
    assert_non_null(r);
    resolver_run_on(r, &holder);
    n_asked = 0;
    n_held = 0;
    return r;
}

static struct resolve_ask *ask_for(struct resolver *r, const char *address, struct buf *out)
{
    struct envelope env;

    buf_init(out, BUF_NO_MAX);
    envelope_init(&env);
    envelope_add(&env, address);
    struct resolve_ask *a = resolve_list(r, &env, NULL, write_list, out);
    envelope_fini(&env);
    return a;
}

static void a_table_that_blocks_answers_later(void **state)
{
    struct config *cfg;
    struct resolver *r = slow_resolver(&cfg);
    struct buf out;
    (void)state;

    assert_non_null(ask_for(r, "team", &out));
    while (n_held)
        let_go();
    assert_string_equal(buf_cstr(&out), "ann@example.org bob@example.net");
    assert_int_equal(n_asked, 2);
    buf_fini(&out);
    /* Known for a few seconds. */
    assert_null(ask_for(r, "team", &out));
    assert_string_equal(buf_cstr(&out), "ann@example.org bob@example.net");
    assert_int_equal(n_asked, 2);
    buf_fini(&out);
    /* Nobody has to be asked for what is not local. */
    assert_null(ask_for(r, "joe@example.org", &out));
    assert_string_equal(buf_cstr(&out), "same");
    buf_fini(&out);
    resolver_free(r);
    config_free(cfg);
}

static void a_table_that_is_away_is_no_answer(void **state)
{
    struct config *cfg;
    struct resolver *r = slow_resolver(&cfg);
    struct buf out;
    (void)state;

    assert_non_null(ask_for(r, "broken", &out));
    let_go();
    assert_string_equal(buf_cstr(&out), "cannot tell");
    assert_int_equal(n_held, 0);
    buf_fini(&out);
    resolver_free(r);
    config_free(cfg);
}

static void who_has_gone_gets_no_answer(void **state)
{
    struct config *cfg;
    struct resolver *r = slow_resolver(&cfg);
    struct buf out;
    (void)state;

    resolve_cancel(ask_for(r, "team", &out));
    let_go();
    assert_int_equal(out.len, 0);
    assert_int_equal(n_held, 0);
    assert_non_null(ask_for(r, "other", &out));
    resolver_free(r); /* while it is asked */
    let_go();
    assert_int_equal(out.len, 0);
    config_free(cfg);
}

int main(void)
{
    map_register_all();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(local_names_follow_their_aliases),
        cmocka_unit_test(a_loop_of_aliases_ends),
        cmocka_unit_test(aliases_that_cannot_be_told_are_a_refusal_for_now),
        cmocka_unit_test(routes_follow_the_configuration),
        cmocka_unit_test(without_a_relayhost_mail_goes_nowhere),
        cmocka_unit_test(a_table_that_blocks_answers_later),
        cmocka_unit_test(a_table_that_is_away_is_no_answer),
        cmocka_unit_test(who_has_gone_gets_no_answer),
        cmocka_unit_test(bad_alias_lines_are_named_with_file_and_line),
    };
    if (!mkdtemp(dir))
        return 1;
    int rc = cmocka_run_group_tests(tests, NULL, NULL);
    const char *const names[] = { "aliases", "baton.conf" };
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        char *path = xasprintf("%s/%s", dir, names[i]);
        unlink(path);
        free(path);
    }
    rmdir(dir);
    return rc;
}
