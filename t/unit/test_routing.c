/* SPDX-License-Identifier: Apache-2.0
 *
 * Classes of addresses, virtual aliases, who there is, and ways: what the server module adds to the resolver. */
#include "relay/rewriting.h"

#include "base/mem.h"
#include "map/map.h"

#include "unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static char dir[] = "/tmp/baton-routing-XXXXXX";
static struct config *cfg;
static struct resolver *r;

static char *write_file(const char *name, const char *text)
{
    char *path = xasprintf("%s/%s", dir, name);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    assert_int_equal(fclose(f), 0);
    return path;
}

static void begin(const char *extra)
{
    struct config_report report = { 0 };
    struct err e = { 0 };
    char *text = xasprintf("queue_directory = \"%s/q\"\nmyhostname = \"box.example.com\"\nmydomain = \"example.com\"\n"
                           "%s%s%s",
                           dir, strstr(extra, "\nalias_maps") ? "" : "alias_maps = \"\"\n",
                           strstr(extra, "local_recipient_maps") ? "" : "local_recipient_maps = \"\"\n", extra);
    char *path = write_file("baton.conf", text);

    cfg = config_load(path, 0, &report);
    if (!cfg)
        config_report_print(&report, stderr, "test", CONFIG_ERROR);
    config_report_fini(&report);
    assert_non_null(cfg);
    r = resolver_new(cfg, &e);
    if (!r)
        fail_msg("%s", e.text);
    free(text);
    free(path);
}

static void end(void)
{
    resolver_free(r);
    config_free(cfg);
}

static void write_list(void *arg, const struct resolution *res)
{
    struct buf *out = arg;

    if (res->cannot_tell)
        buf_adds(out, "cannot tell");
    for (size_t i = 0; i < res->n; i++)
        buf_addf(out, "%s%s", i ? " " : "", res->at[i].address);
}

static void write_ways(void *arg, const struct resolution *res)
{
    struct buf *out = arg;

    if (res->cannot_tell)
        buf_adds(out, "cannot tell");
    for (size_t i = 0; i < res->n; i++) {
        const struct route *route = &res->at[i].route;
        buf_adds(out, i ? " " : "");
        if (route->kind == ROUTE_REFUSED)
            buf_addf(out, "!%s %s", route->status, route->text);
        else
            buf_adds(out, route->kind == ROUTE_NOWHERE ? "nowhere" : route->nexthop);
    }
}

static char *ask(const char *sender, const char *address, resolve_list_fn *write)
{
    struct envelope env;
    struct buf out;

    envelope_init(&env);
    envelope_set_sender(&env, sender);
    envelope_add(&env, address);
    buf_init(&out, BUF_NO_MAX);
    assert_null(resolve_list(r, &env, NULL, write, &out));
    envelope_fini(&env);
    buf_cstr(&out);
    return buf_take(&out);
}

static void expands(const char *address, const char *want)
{
    char *got = ask("", address, write_list);
    if (strcmp(got, want) != 0)
        fail_msg("%s: got %s, want %s", address, got, want);
    free(got);
}

static void goes(const char *sender, const char *address, const char *want)
{
    char *got = ask(sender, address, write_ways);
    if (strcmp(got, want) != 0)
        fail_msg("%s: got %s, want %s", address, got, want);
    free(got);
}

static void judge(void *arg, const struct resolve_verdict *v)
{
    buf_addf(arg, "%s%s%s%s%s", v->cannot_tell ? "cannot tell " : "", address_class_name(v->class), v->is_ours ? ", ours" : "",
             v->unlisted ? ": " : "", v->unlisted ? v->unlisted : "");
}

static void is(const char *address, const char *want)
{
    struct buf out;

    buf_init(&out, BUF_NO_MAX);
    assert_null(resolve_rcpt(r, "", address, judge, &out));
    if (strcmp(buf_cstr(&out), want) != 0)
        fail_msg("%s: got %s, want %s", address, buf_cstr(&out), want);
    buf_fini(&out);
}

static void classes_follow_the_lists(void **state)
{
    (void)state;
    char *file = write_file("domains", "file.example # a comment\n.below.example\n");
    char *text = xasprintf("mydestination = \"here.example, !not.tab.example, inline:{ tab.example = 1, not.tab.example = 1 }, %s\"\n"
                           "virtual_alias_domains = \"alias.example\"\n"
                           "virtual_mailbox_domains = \"inline:{ box.example = x }\"\n"
                           "relay_domains = \"relay.example\"\n",
                           file);
    begin(text);
    is("a@HERE.example", "local, ours");
    is("a@sub.here.example", "default");
    is("a@tab.example", "local, ours");
    is("a@not.tab.example", "default");
    is("a@file.example", "local, ours");
    is("a@x.below.example", "local, ours");
    is("a@below.example", "default");
    is("a@[127.0.0.1]", "local, ours");
    is("a@[192.0.2.77]", "default");
    is("a@alias.example", "virtual alias, ours: User unknown in virtual alias table");
    is("a@box.example", "virtual mailbox, ours");
    is("a@relay.example", "relay, ours");
    is("a@sub.relay.example", "relay, ours");
    is("a@elsewhere.example", "default");
    end();
    free(text);
    free(file);
}

static void recipients_are_looked_up(void **state)
{
    (void)state;
    begin("mydestination = \"here.example\"\n"
          "recipient_delimiter = \"+\"\n"
          "alias_maps = \"inline:{ root = ann@elsewhere.example }\"\n"
          "local_recipient_maps = \"inline:{ joe = 1, whole@here.example = 1 }, $alias_maps\"\n"
          "virtual_mailbox_domains = \"box.example, all.example\"\n"
          "virtual_mailbox_maps = \"inline:{ ann@box.example = x, @all.example = x }\"\n"
          "relay_domains = \"relay.example\"\n"
          "relay_recipient_maps = \"inline:{ bob@relay.example = x }\"\n");
    is("joe@here.example", "local, ours");
    is("joe+x@here.example", "local, ours");
    is("whole@here.example", "local, ours");
    is("root@here.example", "local, ours");
    is("root+x@here.example", "local, ours");
    is("nobody@here.example", "local, ours: User unknown in local recipient table");
    is("ann@box.example", "virtual mailbox, ours");
    is("ann+ext@box.example", "virtual mailbox, ours");
    is("bob@box.example", "virtual mailbox, ours: User unknown in virtual mailbox table");
    is("any@all.example", "virtual mailbox, ours");
    is("bob@relay.example", "relay, ours");
    is("ann@relay.example", "relay, ours: User unknown in relay recipient table");
    end();
}

static void a_table_that_is_away_refuses_nobody_for_good(void **state)
{
    (void)state;
    begin("mydestination = \"here.example\"\n"
          "local_recipient_maps = \"fail:x\"\n"
          "virtual_alias_maps = \"inline:{ ann@here.example = ann@elsewhere.example }, fail:x\"\n"
          "virtual_alias_domains = \"\"\n");
    expands("ann@here.example", "cannot tell"); /* ann@elsewhere.example may have an alias, too */
    expands("joe@here.example", "cannot tell");
    end();
    begin("mydestination = \"here.example\"\n"
          "local_recipient_maps = \"fail:x\"\n");
    is("joe@here.example", "cannot tell local, ours");
    is("joe@elsewhere.example", "default");
    end();
}

static const char aliases[] = "relayhost = \"[relay.example.com]\"\n"
                              "recipient_delimiter = \"+\"\n"
                              "mydestination = \"here.example\"\n"
                              "myorigin = \"here.example\"\n"
                              "virtual_alias_domains = \"alias.example, other.example, third.example\"\n"
                              "virtual_alias_maps = \"inline:{ ann@alias.example = ann@out.example, "
                              "ann+special@alias.example = special@out.example, "
                              "{ both@alias.example = ann@alias.example, bob@out.example, ann@out.example }, "
                              "{ self@alias.example = self@alias.example, copy@out.example }, "
                              "local = joe, "
                              "@other.example = @alias.example, "
                              "@third.example = catchall@out.example, "
                              "{ named@third.example = Named <named@out.example> }, "
                              "loop1@alias.example = loop2@alias.example, loop2@alias.example = loop1@alias.example, "
                              "{ cmd@alias.example = |/bin/cat }, "
                              "bare@alias.example = joe }\"\n";

static void virtual_aliases_are_followed_to_the_end(void **state)
{
    (void)state;
    begin(aliases);
    expands("ann@alias.example", "ann@out.example");
    expands("ANN@Alias.Example", "ann@out.example");
    expands("ann+special@alias.example", "special@out.example");
    expands("ann+x@alias.example", "ann+x@out.example");
    expands("both@alias.example", "ann@out.example bob@out.example");
    expands("self@alias.example", "self@alias.example copy@out.example");
    expands("local@here.example", "joe@here.example");
    expands("local", "joe@here.example");
    expands("local@alias.example", "local@alias.example");
    expands("ann@other.example", "ann@out.example");
    expands("any@third.example", "catchall@out.example");
    expands("named@third.example", "named@out.example");
    expands("bare@alias.example", "joe@here.example");
    expands("x@elsewhere.example", "x@elsewhere.example");
    expands("loop1@alias.example", "cannot tell");
    expands("cmd@alias.example", "cannot tell");
    goes("", "nobody@alias.example", "!5.1.1 User unknown in virtual alias table");
    end();
}

static void limits_put_mail_off(void **state)
{
    (void)state;
    begin("virtual_alias_expansion_limit = 2\nvirtual_alias_recursion_limit = 3\nrelayhost = \"[r.example]\"\n"
          "virtual_alias_maps = \"inline:{ { two@a.example = 1@o.example 2@o.example }, "
          "{ three@a.example = 1@o.example, 2@o.example, 3@o.example }, "
          "1@d.example = 2@d.example, 2@d.example = 3@d.example, 3@d.example = 4@d.example, 4@d.example = 5@d.example }\"\n");
    expands("three@a.example", "cannot tell");
    expands("3@d.example", "5@d.example");
    expands("1@d.example", "cannot tell");
    end();
}

static void domains_are_inferred_from_addresses(void **state)
{
    static const char maps[] = "relayhost = \"[r.example]\"\n"
                               "virtual_alias_maps = \"inline:{ info@shop.example = joe@out.example }\"\n";
    (void)state;
    begin(maps);
    is("info@shop.example", "inferred virtual alias, ours");
    is("other@shop.example", "inferred virtual alias, ours: User unknown in virtual alias table");
    is("joe@out.example", "default");
    end();
    char *text = xasprintf("%svirtual_alias_infer_domains = no\n", maps);
    begin(text);
    is("info@shop.example", "default");
    end();
    free(text);
    begin("relayhost = \"[r.example]\"\nvirtual_alias_maps = \"regexp:{{/^info@shop/ joe@out.example}}\"\n");
    is("info@shop.example", "default, ours");
    is("other@shop.example", "default");
    end();
}

static void ways_follow_their_class_and_transport_maps(void **state)
{
    char name[300], way[310];

    (void)state;
    begin("mydestination = \"here.example\"\n"
          "virtual_mailbox_domains = \"box.example\"\n"
          "virtual_transport = \"lmtp:unix:/run/lmtp\"\n"
          "relay_domains = \"relay.example\"\n"
          "sender_dependent_relayhost_maps = \"inline:{ ann@from.example = [ann.example]:587, @from.example = [from.example], "
          "no@from.example = DUNNO }\"\n"
          "transport_maps = \"inline:{ joe@here.example = smtp:[joe.example], tm.example = smtp:[tm.example]:26, "
          ".sub.example = discard:gone, none.example = :, { err.example = error:5.7.1 not there }, dom.example = smtp:, "
          "hop.example = :[hop.example] }\"\n"
          "relayhost = \"[r.example]:587\"\n");
    goes("", "ann@here.example", "local:ann@here.example");
    snprintf(name, sizeof name, "%0242d@here.example", 1);
    snprintf(way, sizeof way, "local:%s", name);
    goes("", name, way);
    snprintf(name, sizeof name, "%0243d@here.example", 1);
    goes("", name, "local:"); /* LHLO could not say it; local knows nobody of that name */
    goes("", "joe@here.example", "smtp:[joe.example]");
    goes("", "x@box.example", "lmtp:unix:/run/lmtp");
    goes("", "x@tm.example", "smtp:[tm.example]:26");
    goes("", "x@a.sub.example", "discard:gone");
    goes("", "x@none.example", "smtp:[r.example]:587");
    goes("", "x@err.example", "!5.7.1 not there");
    goes("", "x@Dom.example", "smtp:dom.example");
    goes("", "x@hop.example", "smtp:[hop.example]");
    goes("", "x@out.example", "smtp:[r.example]:587");
    goes("ann@from.example", "x@out.example", "smtp:[ann.example]:587");
    goes("bob@from.example", "x@out.example", "smtp:[from.example]");
    goes("no@from.example", "x@out.example", "smtp:[r.example]:587");
    goes("ann@from.example", "x@box.example", "lmtp:unix:/run/lmtp");
    end();
    begin("mydestination = \"here.example\"\n");
    goes("", "x@Out.Example", "smtp:out.example");
    end();
    begin("mydestination = \"here.example\"\nlocal_transport = \"error:5.1.1 no\"\n");
    goes("", "x@here.example", "!5.1.1 no");
    end();
}

static void local_users_may_be_elsewhere(void **state)
{
    (void)state;
    begin("mydestination = \"here.example\"\nmailbox_transport = \"lmtp:unix:/run/lmtp\"\n"
          "alias_maps = \"inline:{ { list = |/bin/cat }, owned = joe@here.example, owner-owned = ann@here.example }\"\n");
    goes("", "joe@here.example", "lmtp:unix:/run/lmtp");
    goes("", "list@here.example", "local:list@here.example");
    goes("", "owned@here.example", "local:owned@here.example");
    end();
    begin("mydestination = \"here.example\"\nmailbox_transport_maps = \"inline:{ joe = lmtp:unix:/run/joe }\"\n"
          "fallback_transport_maps = \"inline:{ ann = lmtp:unix:/run/ann }\"\nlocal_recipient_maps = \"inline:{ joe = 1, bob = 1 }\"\n");
    goes("", "joe@here.example", "lmtp:unix:/run/joe");
    goes("", "bob@here.example", "local:bob@here.example");
    goes("", "ann@here.example", "local:ann@here.example"); /* which knows whether she has an account */
    is("ann@here.example", "local, ours");
    is("carl@here.example", "local, ours: User unknown in local recipient table");
    end();
    begin("mydestination = \"here.example\"\nfallback_transport = \"lmtp:unix:/run/lmtp\"\n"
          "local_recipient_maps = \"inline:{ joe = 1 }\"\n");
    goes("", "joe@here.example", "local:joe@here.example");
    goes("", "ann@here.example", "local:ann@here.example");
    is("ann@here.example", "local, ours: User unknown in local recipient table");
    end();
    begin("mydestination = \"here.example\"\nluser_relay = \"someone@out.example\"\n");
    expands("ann+x@here.example", "ann+x@here.example");
    goes("", "ann@here.example", "local:ann@here.example");
    is("ann@here.example", "local, ours");
    end();
    begin("mydestination = \"here.example\"\nluser_relay = \"someone@out.example\"\nlocal_recipient_maps = \"inline:{ joe = 1 }\"\n");
    is("ann@here.example", "local, ours: User unknown in local recipient table");
    end();
}

struct one_address {
    const char *address;
    enum rewrite_where where;
    struct buf out;
    int rc;
};

static void rewrite_one(void *arg, struct rewriting *w)
{
    struct one_address *one = arg;
    one->rc = rewriting_address(w, one->address, one->where, &one->out);
}

static void rewritten(const char *address, enum rewrite_where where, const char *want)
{
    struct one_address one = { .address = address, .where = where };
    bool cannot_tell;

    buf_init(&one.out, BUF_NO_MAX);
    assert_true(rewriting_now(r, rewrite_one, &one, &cannot_tell));
    assert_int_equal(one.rc < 0, cannot_tell);
    const char *got = one.rc < 0 ? "cannot tell" : one.rc ? buf_cstr(&one.out) : address;
    if (strcmp(got, want) != 0)
        fail_msg("%s: got %s, want %s", address, got, want);
    buf_fini(&one.out);
}

static void addresses_are_rewritten(void **state)
{
    (void)state;
    begin("relayhost = \"[r.example]\"\nrecipient_delimiter = \"+\"\n"
          "canonical_maps = \"inline:{ ann@old.example = ann@new.example, root = admin@box.example.com }\"\n"
          "sender_canonical_maps = \"inline:{ joe@old.example = ann@old.example }\"\n"
          "masquerade_domains = \"!keep.example.com example.com\"\nmasquerade_exceptions = \"boss\"\n"
          "smtp_generic_maps = \"inline:{ ann@new.example = outside@isp.example }\"\n");
    rewritten("ann@old.example", REWRITE_HEADER_RCPT, "ann@new.example");
    rewritten("ann+x@old.example", REWRITE_ENVELOPE_SENDER, "ann+x@new.example");
    rewritten("joe@old.example", REWRITE_ENVELOPE_SENDER, "ann@new.example");
    rewritten("joe@old.example", REWRITE_ENVELOPE_RCPT, "joe@old.example");
    rewritten("root@box.example.com", REWRITE_ENVELOPE_SENDER, "admin@example.com");
    rewritten("x@box.example.com", REWRITE_ENVELOPE_RCPT, "x@box.example.com");
    rewritten("x@a.keep.example.com", REWRITE_HEADER_SENDER, "x@a.keep.example.com");
    rewritten("boss@box.example.com", REWRITE_HEADER_SENDER, "boss@box.example.com");
    rewritten("ann@new.example", REWRITE_GENERIC, "outside@isp.example");
    rewritten("ann@old.example", REWRITE_GENERIC, "ann@old.example");
    rewritten("", REWRITE_ENVELOPE_SENDER, "");
    end();
}

int main(void)
{
    map_register_all();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(classes_follow_the_lists),
        cmocka_unit_test(recipients_are_looked_up),
        cmocka_unit_test(a_table_that_is_away_refuses_nobody_for_good),
        cmocka_unit_test(virtual_aliases_are_followed_to_the_end),
        cmocka_unit_test(limits_put_mail_off),
        cmocka_unit_test(domains_are_inferred_from_addresses),
        cmocka_unit_test(ways_follow_their_class_and_transport_maps),
        cmocka_unit_test(local_users_may_be_elsewhere),
        cmocka_unit_test(addresses_are_rewritten),
    };
    if (!mkdtemp(dir))
        return 1;
    int rc = cmocka_run_group_tests(tests, NULL, NULL);
    const char *const names[] = { "domains", "baton.conf" };
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        char *path = xasprintf("%s/%s", dir, names[i]);
        unlink(path);
        free(path);
    }
    rmdir(dir);
    return rc;
}
