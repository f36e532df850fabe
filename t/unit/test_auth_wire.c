/* SPDX-License-Identifier: Apache-2.0
 *
 * Dovecot's authentication protocol, by transcripts: what the server says, cut at every byte and in one piece, and what is made of
 * it; and what we say. TABs are written as blanks, blanks as "^", 0x01 as "~". */
#include "base/mem.h"
#include "smtp/auth_wire.h"

#include "unit.h"

#include <stdlib.h>

#define HELLO "VERSION 1 2\nMECH PLAIN plaintext\nMECH LOGIN plaintext\nSPID 17\nCUID 3\nCOOKIE 0123456789abcdef\nDONE\n"

static void on_ready(void *arg)
{
    buf_adds(arg, "ready\n");
}

static void on_reply(void *arg, const struct auth_wire_reply *r)
{
    static const char *const kinds[] = { [AUTH_WIRE_CONT] = "more", [AUTH_WIRE_OK] = "yes", [AUTH_WIRE_FAIL] = "no" };
    struct buf *b = arg;

    buf_addf(b, "%s %u", kinds[r->kind], r->id);
    if (r->kind == AUTH_WIRE_CONT)
        buf_addf(b, " [%.*s]", (int)r->challenge.len, r->challenge.at);
    if (r->user)
        buf_addf(b, " user=%s", r->user);
    if (r->reason)
        buf_addf(b, " reason=%s", r->reason);
    buf_adds(b, r->is_temporary ? " for now\n" : "\n");
}

/* In place: blanks to TABs, "~" to 0x01. */
static void to_wire(char *s)
{
    for (; *s; s++)
        *s = *s == ' ' ? '\t' : *s == '^' ? ' ' : *s == '~' ? '\001' : *s;
}

static void run_pieces(const char *said, const char *want, size_t piece)
{
    static const struct auth_wire_ops ops = { on_ready, on_reply };
    struct auth_wire w;
    struct buf told;
    struct err e;
    char *bytes = xstrdup(said);
    size_t len = strlen(bytes);
    int done = 0;

    to_wire(bytes);
    auth_wire_init(&w);
    buf_init(&told, BUF_NO_MAX);
    for (size_t at = 0; at < len && done == 0; at += piece)
        done = auth_wire_input(&w, span_of(bytes + at, at + piece < len ? piece : len - at), &ops, &told, &e);
    if (done < 0)
        buf_addf(&told, "broken: %s\n", e.text);
    assert_string_equal(buf_cstr(&told), want);
    buf_fini(&told);
    auth_wire_fini(&w);
    free(bytes);
}

static void run(const char *said, const char *want)
{
    run_pieces(said, want, 1);
    run_pieces(said, want, 7);
    run_pieces(said, want, strlen(said));
}

static void it_is_ready_when_the_server_has_told_all(void **state)
{
    (void)state;
    run(HELLO, "ready\n");
    /* 2.4 tells the rest after our VERSION, and newer minor versions more */
    run("VERSION 1 4\nSPID 17\nNEWS x y\nMECH PLAIN plaintext\nDONE\n", "ready\n");
    run("VERSION 1 2\nMECH PLAIN plaintext\n", "");
    run(HELLO "DONE\n", "ready\n");
}

static void other_servers_are_found_out(void **state)
{
    (void)state;
    run("220 mx ESMTP\n", "broken: it is no authentication server of Dovecot: it does not begin with VERSION\n");
    run("VERSION 2 0\n", "broken: it speaks version 2 of Dovecot's authentication protocol, not 1\n");
    run("VERSION\n", "broken: its VERSION has no numbers\n");
    run("VERSION 1\n", "broken: its VERSION has no numbers\n");
    run("VERSION 1 1\nDONE\n", "broken: it offers no mechanism: it is another kind of socket (auth-userdb, auth-master, login); make one "
                               "with unix_listener in Dovecot's service auth\n");
}

static void replies_find_their_question(void **state)
{
    (void)state;
    run(HELLO "OK 7 user=joe@example.org nologin\n", "ready\nyes 7 user=joe@example.org\n");
    run(HELLO "CONT 4294967295 VXNlcm5hbWU6\nCONT 8 \nCONT 9\n", "ready\nmore 4294967295 [VXNlcm5hbWU6]\nmore 8 []\nmore 9 []\n");
    run(HELLO "OK 7\n", "ready\nyes 7\n");
    run("VERSION 1 2\nOK 1 user=joe\nMECH PLAIN\nDONE\n", "ready\n"); /* nobody has asked yet */
}

static void failures_tell_whose_fault_it_was(void **state)
{
    (void)state;
    run(HELLO "FAIL 1 user=joe\n", "ready\nno 1 user=joe\n");
    run(HELLO "FAIL 1 user=joe temp\n", "ready\nno 1 user=joe for now\n");
    run(HELLO "FAIL 1 code=temp_fail\n", "ready\nno 1 for now\n");
    run(HELLO "FAIL 1 user=joe code=authz_fail authz\n", "ready\nno 1 user=joe\n");
    run(HELLO "FAIL 1 reason=no^temp user_disabled\n", "ready\nno 1 reason=no temp\n");
    run(HELLO "FAIL 1 reason=\n", "ready\nno 1\n");
}

static void what_is_escaped_cannot_break_out(void **state)
{
    (void)state;
    run(HELLO "FAIL 1 reason=a~tb~nc~rd~0e~1f~~g~\n", "ready\nno 1 reason=a b c d e f g \n");
    run(HELLO "OK 1 user=a\x7f\n", "ready\nyes 1 user=a \n");
}

static void nonsense_is_the_end(void **state)
{
    char line[AUTH_LINE_MAX + 100];
    (void)state;

    run(HELLO "OK\n", "ready\nbroken: it has answered without a number\n");
    run(HELLO "OK x user=joe\n", "ready\nbroken: it has answered without a number\n");
    run(HELLO "FAIL 4294967296\n", "ready\nbroken: it has answered without a number\n");
    run(HELLO "CONT 1 a^b\n", "ready\nbroken: a challenge of its is not base64\n");
    memcpy(line, "VERSION 1 2\n", 12);
    memset(line + 12, 'x', sizeof line - 12);
    line[sizeof line - 1] = '\0';
    run_pieces(line, "broken: it has sent a line of more than 16384 bytes\n", 1000);
}

static void mechanisms_are_taken_with_their_traits(void **state)
{
    static const struct auth_wire_ops ops = { on_ready, on_reply };
    char hello[] = "VERSION 1 2\nMECH plain plaintext\nMECH SCRAM-SHA-256 mutual-auth forward-secrecy x\nMECH A/B\nMECH\n"
                   "MECH ANONYMOUS anonymous\nMECH 01234567890123456789012345678901\nMECH X private active dictionary\nDONE\nMECH LATE\n";
    struct auth_wire w;
    struct buf told;
    struct err e;
    (void)state;

    to_wire(hello);
    buf_init(&told, BUF_NO_MAX);
    auth_wire_init(&w);
    assert_int_equal(auth_wire_input(&w, span_str(hello), &ops, &told, &e), 0);
    assert_int_equal(w.n_mechs, 4);
    assert_string_equal(w.mechs[0].name, "PLAIN");
    assert_int_equal(w.mechs[0].traits, AUTH_MECH_PLAINTEXT);
    assert_string_equal(w.mechs[1].name, "SCRAM-SHA-256");
    assert_int_equal(w.mechs[1].traits, AUTH_MECH_MUTUAL_AUTH | AUTH_MECH_FORWARD_SECRECY);
    assert_int_equal(w.mechs[2].traits, AUTH_MECH_ANONYMOUS);
    assert_int_equal(w.mechs[3].traits, AUTH_MECH_PRIVATE | AUTH_MECH_ACTIVE | AUTH_MECH_DICTIONARY);
    auth_wire_fini(&w);
    buf_fini(&told);
}

static void what_we_say(void **state)
{
    const struct auth_wire_request plain = {
        .id = 1, .mech = "PLAIN", .service = "smtp", .remote = "192.0.2.1", .local = "198.51.100.2", .is_secured = true,
        .initial = SPAN("AGpvZQBz"),
    };
    const struct auth_wire_request login = {
        .id = 2, .mech = "LOGIN", .service = "a\tb\n", .remote = "", .local = "", .initial = { NULL, 0 },
    };
    const struct auth_wire_request empty = { .id = 3, .mech = "EXTERNAL", .service = "smtp", .remote = "", .local = "", .initial = SPAN("") };
    struct buf b;
    (void)state;

    buf_init(&b, BUF_NO_MAX);
    auth_wire_hello(&b, 4242);
    auth_wire_auth(&b, &plain);
    auth_wire_auth(&b, &login);
    auth_wire_auth(&b, &empty);
    auth_wire_cont(&b, 2, SPAN("am9l"));
    auth_wire_cont(&b, 2, (struct span){ NULL, 0 });
    auth_wire_cancel(&b, 2);
    assert_string_equal(buf_cstr(&b), "VERSION\t1\t2\nCPID\t4242\n"
                                      "AUTH\t1\tPLAIN\tservice=smtp\tnologin\tlip=198.51.100.2\trip=192.0.2.1\tsecured\tresp=AGpvZQBz\n"
                                      "AUTH\t2\tLOGIN\tservice=a\001tb\001n\tnologin\n"
                                      "AUTH\t3\tEXTERNAL\tservice=smtp\tnologin\tresp=\n"
                                      "CONT\t2\tam9l\n"
                                      "CONT\t2\t\n"
                                      "CANCEL\t2\n");
    buf_fini(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_is_ready_when_the_server_has_told_all),
        cmocka_unit_test(other_servers_are_found_out),
        cmocka_unit_test(replies_find_their_question),
        cmocka_unit_test(failures_tell_whose_fault_it_was),
        cmocka_unit_test(what_is_escaped_cannot_break_out),
        cmocka_unit_test(nonsense_is_the_end),
        cmocka_unit_test(mechanisms_are_taken_with_their_traits),
        cmocka_unit_test(what_we_say),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
