/* SPDX-License-Identifier: Apache-2.0
 *
 * Both ends of TLS in one loop. The openssl program makes the certificates. */
#include "unit.h"

#include "base/buf.h"
#include "net/conn.h"
#include "net/dial.h"
#include "net/listen.h"
#include "net/loop.h"
#include "net/tls.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static struct loop *loop;
static char dir[] = "/tmp/baton-tls-XXXXXX";

/* ---- certificates ---------------------------------------- */

static const char make_them[] =
    "set -e; exec 2>>log >>log; umask 077\n"
    "ca() { openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout $1.key -out $1.pem"
    " -days 3650 -subj \"/O=Baton/CN=$2\" -addext basicConstraints=critical,CA:TRUE; }\n"
    "leaf() { name=$1; ca=$2; cn=$3; san=$4; shift 4\n"
    " openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout $name.key -out $name.csr -subj /CN=$cn\n"
    " if [ -n \"$san\" ]; then printf 'subjectAltName=%s\\n' $san; fi >$name.ext\n"
    " openssl x509 -req -in $name.csr -CA $ca.pem -CAkey $ca.key -CAcreateserial -out $name.pem -extfile $name.ext \"$@\"; }\n"
    "ca root Root; ca other Other\n"
    "leaf good root mail.example.com DNS:mail.example.com,DNS:*.wild.example.com,IP:127.0.0.1,IP:::1 -days 30\n"
    "leaf second root second.example.com DNS:second.example.com -days 30\n"
    "leaf cnonly root old.example.com '' -days 30\n"
    "leaf cnlies root mail.example.com DNS:elsewhere.example.com -days 30\n"
    "leaf unknown other mail.example.com DNS:mail.example.com -days 30\n"
    "leaf self root mail.example.com DNS:mail.example.com -days 30\n"
    "openssl req -x509 -key self.key -out self.pem -days 30 -subj /CN=mail.example.com"
    " -addext subjectAltName=DNS:mail.example.com\n"
    "mkdir ca; : >ca/index; echo 01 >ca/serial\n"
    "printf '[ca]\\ndefault_ca=d\\n[d]\\ndatabase=ca/index\\nserial=ca/serial\\nnew_certs_dir=ca\\ndefault_md=sha256\\n"
    "policy=p\\nunique_subject=no\\nx509_extensions=e\\n[p]\\ncommonName=supplied\\n[e]\\nsubjectAltName=DNS:mail.example.com\\n' >ca.cnf\n"
    "openssl ca -batch -config ca.cnf -cert root.pem -keyfile root.key -in good.csr -out expired.pem -notext"
    " -startdate 200101000000Z -enddate 210101000000Z\n"
    "openssl ca -batch -config ca.cnf -cert root.pem -keyfile root.key -in good.csr -out future.pem -notext"
    " -startdate 400101000000Z -enddate 410101000000Z\n"
    "cp good.key expired.key; cp good.key future.key\n"
    "printf 'extendedKeyUsage=serverAuth\\n' >foruse.ext\n"
    "openssl x509 -req -in good.csr -CA root.pem -CAkey root.key -CAcreateserial -out foruse.pem -extfile foruse.ext -days 30\n"
    "cp good.key foruse.key\n"
    "cat good.pem good.key >both.pem; cp good.key open.key; chmod 644 open.key\n"
    "openssl genrsa -aes128 -passout pass:secret -out locked.key 2048\n"
    "mkdir path; cp root.pem other.pem path/; echo hello >path/README; echo hello >noise.pem\n";

static const char *file(const char *name)
{
    static char paths[8][96];
    static size_t next;
    char *path = paths[next++ % ARRAY_LEN(paths)];
    snprintf(path, sizeof(paths[0]), "%s/%s", dir, name);
    return path;
}

static pid_t start_script(const char *text)
{
    pid_t pid = fork();
    if (pid == 0) {
        setpgid(0, 0);
        if (chdir(dir) == 0)
            execl("/bin/sh", "sh", "-c", text, (char *)NULL);
        _exit(127);
    }
    return pid;
}

static void end_script(pid_t pid)
{
    kill(-pid, SIGTERM);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static int run_script(const char *text)
{
    int status;
    pid_t pid = start_script(text);
    return pid > 0 && waitpid(pid, &status, 0) == pid ? status : -1;
}

static int make_certificates(void **state)
{
    (void)state;
    struct err e;
    if (!mkdtemp(dir) || tls_init_process(&e) < 0)
        return -1;
    return run_script(make_them);
}

static int drop_certificates(void **state)
{
    (void)state;
    char command[64];
    snprintf(command, sizeof(command), "rm -r %s", dir);
    return run_script(command);
}

static int set_up(void **state)
{
    (void)state;
    loop = loop_new(NULL);
    return loop ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    loop_free(loop);
    return 0;
}

/* ---- two ends ---------------------------------------- */

struct end {
    struct conn *c;
    struct buf got;
    struct err why;
    struct tls_info info;
    struct tls_server *starts; /* at the line "STARTTLS" */
    int n_done, n_closed, n_drained;
    bool echoes;
};

static void on_tls(void *arg, const struct tls_info *info, const struct err *why)
{
    struct end *e = arg;
    e->n_done++;
    e->info = *info;
    e->why = *why;
}

static void on_data(void *arg, struct span bytes)
{
    struct end *e = arg;
    buf_addspan(&e->got, bytes);
    if (e->starts && span_istarts(bytes, "STARTTLS\r\n")) {
        buf_clear(&e->got); /* and what came behind it: the engine's duty */
        conn_write(e->c, SPAN("220 go ahead\r\n"));
        conn_start_tls_server(e->c, e->starts, on_tls);
    } else if (e->echoes) {
        conn_write(e->c, bytes);
    }
}

static void on_drained(void *arg)
{
    struct end *e = arg;
    e->n_drained++;
}

static void on_closed(void *arg, const struct err *why)
{
    struct end *e = arg;
    e->n_closed++;
    e->why = *why;
}

static const struct conn_ops end_ops = { .data = on_data, .drained = on_drained, .closed = on_closed };

static void end_open(struct end *e, int fd)
{
    e->c = conn_new(loop, fd, NULL);
    assert_non_null(e->c);
    buf_init(&e->got, BUF_NO_MAX);
    conn_open(e->c, &end_ops, e);
}

static void end_fini(struct end *e)
{
    conn_close(e->c);
    e->c = NULL;
    buf_fini(&e->got);
}

static void two_ends(struct end *a, struct end *b)
{
    int fds[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
    end_open(a, fds[0]);
    end_open(b, fds[1]);
}

static void give_up(void *arg)
{
    (void)arg;
    fail_msg("it took too long");
}

#define RUN_UNTIL(what)                                                                                                \
    do {                                                                                                               \
        struct timer limit_ = { 0 };                                                                                   \
        timer_start(&limit_, loop, 20000, give_up, NULL);                                                              \
        while (!(what))                                                                                                \
            loop_turn(loop, true);                                                                                     \
        timer_stop(&limit_);                                                                                           \
    } while (0)

static struct tls_server *server_of(const char *cert)
{
    struct err e = { 0 };
    char pem[32], key[32];
    snprintf(pem, sizeof(pem), "%s.pem", cert);
    snprintf(key, sizeof(key), "%s.key", cert);
    struct tls_certs certs = { 0 };
    tls_certs_add(&certs, tls_cert_load(file(pem), file(key), &e));
    assert_string_equal(e.text, "");
    struct tls_server *t = tls_server_new(&(struct tls_server_options){ .certs = &certs }, &e);
    assert_string_equal(e.text, "");
    tls_certs_fini(&certs); /* it holds on to them */
    return t;
}

static struct tls_client *client_of(const char *ca)
{
    struct err e = { 0 };
    struct tls_client *t = tls_client_new(
        &(struct tls_client_options){ .ca_file = ca ? file(ca) : NULL, .no_system_cas = true, .grade = TLS_GRADE_HIGH }, &e);
    assert_string_equal(e.text, "");
    return t;
}

/* The client's view of a handshake with a server that shows `cert`. */
static struct end shake(const char *cert, const char *ca, const struct tls_target *target)
{
    struct end client = { 0 }, server = { .echoes = true };
    struct tls_server *s = server_of(cert);
    struct tls_client *t = client_of(ca);
    two_ends(&client, &server);
    conn_start_tls_server(server.c, s, on_tls);
    conn_start_tls_client(client.c, t, target, on_tls);
    tls_server_free(s);
    tls_client_free(t); /* connections hold on to them */
    assert_int_equal(client.n_done, 0);
    RUN_UNTIL(client.n_done && (server.n_done || server.n_closed || client.why.kind != ERR_NONE));
    if (client.why.kind == ERR_NONE) {
        conn_write(client.c, SPAN("hello"));
        RUN_UNTIL(client.got.len == 5);
        assert_string_equal(buf_cstr(&client.got), "hello");
    }
    end_fini(&client);
    end_fini(&server);
    return client;
}

#define TARGET(demand_, host_) &(struct tls_target){ .demand = demand_, .host = host_, .port = 25 }

/* ---- the judgement ---------------------------------------- */

static void a_good_certificate_is_verified(void **state)
{
    (void)state;
    struct end c = shake("good", "root.pem", TARGET(TLS_VERIFY, "mail.example.com"));
    assert_string_equal(c.why.text, "");
    assert_true(c.info.is_trusted && c.info.is_verified && !c.info.is_resumed);
    assert_string_equal(tls_trust_word(&c.info), "Verified");
    assert_string_equal(c.info.protocol, tls_has_1_3() ? "TLSv1.3" : "TLSv1.2");
    assert_string_equal(c.info.cipher, tls_has_1_3() ? "TLS_AES_256_GCM_SHA384" : "ECDHE-ECDSA-AES256-GCM-SHA384");
    assert_int_equal(c.info.cipher_bits, 256);
    assert_string_equal(c.info.names, "mail.example.com *.wild.example.com 127.0.0.1 ::1");
    assert_string_equal(c.info.subject, "CN=mail.example.com");
    assert_string_equal(c.info.issuer, "O=Baton, CN=Root");
    assert_string_equal(c.info.why_not, "");
}

/* What the client makes of it: the names, and the words when it refuses. */
static const struct {
    const char *cert, *ca, *host, *match;
    enum tls_demand demand;
    const char *why; /* NULL: it connects */
} judgements[] = {
    { "good", "root.pem", "MAIL.Example.com", NULL, TLS_VERIFY, NULL },
    { "good", "root.pem", "mail.example.com.", NULL, TLS_VERIFY, NULL },
    { "good", "root.pem", "a.wild.example.com", NULL, TLS_VERIFY, NULL },
    { "good", "root.pem", "a.b.wild.example.com", NULL, TLS_VERIFY, "not for a.b.wild.example.com" },
    { "good", "root.pem", "wild.example.com", NULL, TLS_VERIFY, "not for wild.example.com" },
    { "good", "root.pem", "127.0.0.1", NULL, TLS_VERIFY, NULL },
    { "good", "root.pem", "::1", NULL, TLS_VERIFY, NULL },
    { "good", "root.pem", "127.0.0.2", NULL, TLS_VERIFY, "not for 127.0.0.2" },
    { "good", "root.pem", "mx1.example.net", "example.com .example.com", TLS_VERIFY, NULL },
    { "good", "root.pem", "mx1.example.net", "example.com", TLS_VERIFY, "not for example.com" },
    { "cnonly", "root.pem", "old.example.com", NULL, TLS_VERIFY, NULL },
    { "cnlies", "root.pem", "mail.example.com", NULL, TLS_VERIFY,
      "the certificate is for elsewhere.example.com, not for mail.example.com" },
    { "cnlies", "root.pem", "mail.example.com", NULL, TLS_VERIFY_CHAIN, NULL },
    { "expired", "root.pem", "mail.example.com", NULL, TLS_VERIFY,
      "the certificate has expired on 2021-01-01 00:00:00 UTC" },
    { "expired", "root.pem", "mail.example.com", NULL, TLS_VERIFY_CHAIN, "has expired" },
    { "future", "root.pem", "mail.example.com", NULL, TLS_VERIFY, "is not valid before 2040-01-01 00:00:00 UTC" },
    { "self", "root.pem", "mail.example.com", NULL, TLS_VERIFY, "the certificate is self-signed" },
    { "unknown", "root.pem", "mail.example.com", NULL, TLS_VERIFY,
      "the certificate comes from an authority that we do not trust, or its chain is incomplete: O=Baton, CN=Other" },
    { "good", NULL, "mail.example.com", NULL, TLS_VERIFY, "there are no authorities to check the certificate with" },
    { "expired", "root.pem", "mail.example.com", NULL, TLS_ENCRYPT, NULL },
    { "self", "root.pem", "mail.example.com", NULL, TLS_ENCRYPT, NULL },
    { "unknown", NULL, "192.0.2.1", NULL, TLS_ENCRYPT, NULL },
};

static void every_refusal_says_why_in_words(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(judgements); i++) {
        struct tls_target target = { .demand = judgements[i].demand, .host = judgements[i].host, .match = judgements[i].match, .port = 25 };
        struct end c = shake(judgements[i].cert, judgements[i].ca, &target);
        if (!judgements[i].why != (c.why.kind == ERR_NONE) ||
            (judgements[i].why && !strstr(c.why.text, judgements[i].why)))
            fail_msg("%s for %s: kind %d, \"%s\"", judgements[i].cert, judgements[i].host, c.why.kind, c.why.text);
        if (judgements[i].why) {
            assert_int_equal(c.why.kind, ERR_CONFIG);
            assert_false(c.info.is_verified);
        }
    }
}

static void what_need_not_be_verified_is_still_described(void **state)
{
    (void)state;
    struct end c = shake("self", "root.pem", TARGET(TLS_ENCRYPT, "mail.example.com"));
    assert_int_equal(c.why.kind, ERR_NONE);
    assert_string_equal(tls_trust_word(&c.info), "Untrusted");
    assert_string_equal(c.info.why_not, "the certificate is self-signed");
    c = shake("cnlies", "root.pem", TARGET(TLS_ENCRYPT, "mail.example.com"));
    assert_string_equal(tls_trust_word(&c.info), "Trusted");
    assert_string_equal(c.info.why_not, "the certificate is for elsewhere.example.com, not for mail.example.com");
}

/* ---- the stream ---------------------------------------- */

static void starttls_forgets_what_was_said_in_the_clear(void **state)
{
    (void)state;
    struct end client = { 0 }, server = { .echoes = true };
    server.starts = server_of("good");
    struct tls_client *t = client_of("root.pem");
    two_ends(&client, &server);
    /* One piece arrives with the command, the other lies in the socket when the handshake begins. */
    conn_write(client.c, SPAN("STARTTLS\r\nMAIL FROM:<injected>\r\n"));
    conn_flush(client.c);
    RUN_UNTIL(server.got.len == 0 && client.got.len == 0 && conn_queued(server.c) == 0);
    RUN_UNTIL(client.got.len > 0);
    assert_string_equal(buf_cstr(&client.got), "220 go ahead\r\n");
    buf_clear(&client.got);
    conn_start_tls_client(client.c, t, TARGET(TLS_VERIFY, "mail.example.com"), on_tls);
    RUN_UNTIL(client.n_done && server.n_done);
    assert_string_equal(client.why.text, "");
    assert_string_equal(server.info.sni, "mail.example.com");
    conn_write(client.c, SPAN("EHLO"));
    RUN_UNTIL(client.got.len == 4);
    assert_string_equal(buf_cstr(&server.got), "EHLO");
    tls_server_free(server.starts);
    tls_client_free(t);
    end_fini(&client);
    end_fini(&server);
}

static void bytes_that_came_before_the_answer_to_starttls_are_thrown_away(void **state)
{
    (void)state;
    struct end client = { 0 }, server = { 0 };
    struct tls_server *s = server_of("good");
    struct tls_client *t = client_of("root.pem");
    two_ends(&client, &server);
    conn_pause(server.c);
    conn_write(client.c, SPAN("RCPT TO:<injected>\r\n"));
    conn_flush(client.c);
    conn_write(server.c, SPAN("220 go ahead\r\n"));
    conn_start_tls_server(server.c, s, on_tls);
    conn_resume(server.c);
    RUN_UNTIL(client.got.len > 0);
    conn_start_tls_client(client.c, t, TARGET(TLS_VERIFY, "mail.example.com"), on_tls);
    RUN_UNTIL(client.n_done && server.n_done);
    assert_string_equal(client.why.text, "");
    assert_string_equal(server.why.text, "");
    assert_int_equal(server.got.len, 0);
    tls_server_free(s);
    tls_client_free(t);
    end_fini(&client);
    end_fini(&server);
}

static void a_big_transfer_arrives_whole_and_pauses_when_told_to(void **state)
{
    static char block[30000];
    (void)state;
    struct end client = { 0 }, server = { .echoes = true };
    struct tls_server *s = server_of("good");
    struct tls_client *t = client_of("root.pem");
    size_t total = 3000000, sent = 0;
    two_ends(&client, &server);
    conn_start_tls_server(server.c, s, on_tls);
    conn_start_tls_client(client.c, t, TARGET(TLS_VERIFY, "mail.example.com"), on_tls);
    while (sent < total) {
        for (size_t i = 0; i < sizeof(block); i++)
            block[i] = (char)((sent + i) % 251);
        sent += sizeof(block);
        int drained = client.n_drained;
        if (!conn_write(client.c, span_of(block, sizeof(block))))
            RUN_UNTIL(client.n_drained > drained);
        if (sent == total / 2) {
            conn_pause(server.c);
            for (int i = 0; i < 20; i++)
                loop_turn(loop, false);
            size_t so_far = server.got.len;
            for (int i = 0; i < 20; i++)
                loop_turn(loop, false);
            assert_int_equal(server.got.len, so_far);
            conn_resume(server.c);
        }
    }
    RUN_UNTIL(client.got.len == total);
    for (size_t i = 0; i < total; i++)
        assert_int_equal((unsigned char)client.got.at[i], i % 251);
    conn_end(client.c);
    client.c = NULL;
    RUN_UNTIL(server.n_closed);
    assert_int_equal(server.why.kind, ERR_NONE); /* it said goodbye */
    tls_server_free(s);
    tls_client_free(t);
    end_fini(&client);
    end_fini(&server);
}

static void a_stream_cut_off_without_goodbye_is_told_so(void **state)
{
    (void)state;
    struct end client = { 0 }, server = { 0 };
    struct tls_server *s = server_of("good");
    struct tls_client *t = client_of("root.pem");
    two_ends(&client, &server);
    conn_start_tls_server(server.c, s, on_tls);
    conn_start_tls_client(client.c, t, TARGET(TLS_VERIFY, "mail.example.com"), on_tls);
    RUN_UNTIL(client.n_done && server.n_done);
    shutdown(conn_fd(server.c), SHUT_WR);
    RUN_UNTIL(client.n_closed);
    assert_int_equal(client.why.kind, ERR_TEMPORARY);
    assert_non_null(strstr(client.why.text, "without ending TLS"));
    tls_server_free(s);
    tls_client_free(t);
    end_fini(&client);
    end_fini(&server);
}

static void closing_in_the_middle_of_a_handshake_is_quiet(void **state)
{
    (void)state;
    for (int turns = 0; turns < 6; turns++) {
        struct end client = { 0 }, server = { 0 };
        struct tls_server *s = server_of("good");
        struct tls_client *t = client_of("root.pem");
        two_ends(&client, &server);
        conn_start_tls_server(server.c, s, on_tls);
        conn_start_tls_client(client.c, t, TARGET(TLS_VERIFY, "mail.example.com"), on_tls);
        for (int i = 0; i < turns; i++)
            loop_turn(loop, false);
        int done = client.n_done;
        conn_end(client.c);
        client.c = NULL;
        tls_server_free(s);
        tls_client_free(t);
        RUN_UNTIL(server.n_closed || (server.n_done && server.why.kind != ERR_NONE));
        assert_int_equal(client.n_done, done);
        end_fini(&client);
        end_fini(&server);
    }
}

static void one_who_does_not_speak_tls_is_told_from_one_who_refuses(void **state)
{
    (void)state;
    struct end client = { 0 }, server = { 0 };
    struct tls_client *t = client_of("root.pem");
    two_ends(&client, &server);
    conn_write(server.c, SPAN("220 mail.example.com ESMTP\r\n"));
    conn_start_tls_client(client.c, t, TARGET(TLS_VERIFY, "mail.example.com"), on_tls);
    RUN_UNTIL(client.n_done);
    assert_non_null(strstr(client.why.text, "is not TLS (does it want STARTTLS on this port"));
    assert_int_equal(client.n_closed, 0);
    end_fini(&client);
    end_fini(&server);

    client = server = (struct end){ 0 };
    two_ends(&client, &server);
    conn_start_tls_client(client.c, t, TARGET(TLS_VERIFY, "mail.example.com"), on_tls);
    loop_turn(loop, false);
    conn_close(server.c);
    server.c = NULL;
    RUN_UNTIL(client.n_done);
    assert_non_null(strstr(client.why.text, "closed the connection"));
    end_fini(&client);
    end_fini(&server);

    client = server = (struct end){ 0 };
    two_ends(&client, &server);
    conn_start_tls_client(client.c, t, TARGET(TLS_VERIFY, "mail.example.com"), on_tls);
    conn_set_timeout(client.c, 80);
    RUN_UNTIL(client.n_done);
    assert_string_equal(client.why.text, "timed out: nothing moved for 80 ms");
    end_fini(&client);
    end_fini(&server);

    client = server = (struct end){ 0 };
    two_ends(&client, &server);
    static const char alert[] = { 0x15, 3, 3, 0, 2, 2, 40 };
    conn_write(server.c, span_of(alert, sizeof(alert)));
    conn_start_tls_client(client.c, t, TARGET(TLS_VERIFY, "mail.example.com"), on_tls);
    RUN_UNTIL(client.n_done);
    assert_non_null(strstr(client.why.text, "the other side refused (alert 40, handshake failure"));
    end_fini(&client);
    end_fini(&server);
    tls_client_free(t);
}

static void a_session_is_resumed_with_what_was_known_of_it(void **state)
{
    (void)state;
    struct tls_server *s = server_of("good");
    struct tls_client *t = client_of("root.pem");
    static const struct {
        const char *host;
        enum tls_demand demand;
        bool resumes, succeeds;
    } rounds[] = {
        { "mail.example.com", TLS_VERIFY, false, true },
        { "mail.example.com", TLS_VERIFY, true, true },
        { "mail.example.com", TLS_ENCRYPT, true, true },
        { "other.example.com", TLS_ENCRYPT, false, true },
        { "other.example.com", TLS_ENCRYPT, true, true },
        { "other.example.com", TLS_VERIFY, false, false }, /* a session with the wrong name is no way around */
    };
    for (size_t i = 0; i < ARRAY_LEN(rounds); i++) {
        struct end client = { 0 }, server = { .echoes = true };
        two_ends(&client, &server);
        conn_start_tls_server(server.c, s, on_tls);
        conn_start_tls_client(client.c, t, TARGET(rounds[i].demand, rounds[i].host), on_tls);
        RUN_UNTIL(client.n_done && (server.n_done || client.why.kind != ERR_NONE));
        assert_int_equal(client.why.kind == ERR_NONE, rounds[i].succeeds);
        if (rounds[i].succeeds) {
            conn_write(client.c, SPAN("x")); /* in TLS 1.3 the ticket comes with the first answer */
            RUN_UNTIL(client.got.len == 1);
        }
        assert_int_equal(client.info.is_resumed, rounds[i].resumes);
        assert_int_equal(client.info.is_verified, strcmp(rounds[i].host, "mail.example.com") == 0);
        assert_true(client.info.is_trusted);
        assert_non_null(strstr(client.info.names, "mail.example.com"));
        end_fini(&client);
        end_fini(&server);
        loop_turn(loop, false);
    }
    tls_server_free(s);
    tls_client_free(t);
}

/* Whether a client that comes again with what it was given last time need not begin anew. */
static bool is_resumed_at(struct tls_server *s, struct tls_client *t)
{
    struct end client = { 0 }, server = { .echoes = true };
    two_ends(&client, &server);
    conn_start_tls_server(server.c, s, on_tls);
    conn_start_tls_client(client.c, t, TARGET(TLS_VERIFY, "mail.example.com"), on_tls);
    RUN_UNTIL(client.n_done && server.n_done);
    assert_string_equal(client.why.text, "");
    conn_write(client.c, SPAN("x"));
    RUN_UNTIL(client.got.len == 1);
    assert_int_equal(client.info.is_resumed, server.info.is_resumed);
    end_fini(&client);
    end_fini(&server);
    loop_turn(loop, false);
    return client.info.is_resumed;
}

static struct tls_server *server_with(struct tls_tickets *tickets, bool no_1_3, enum tls_grade grade)
{
    struct err e = { 0 };
    struct tls_certs certs = { 0 };
    struct tls_server_options o = { .certs = &certs, .tickets = tickets, .no_1_3 = no_1_3, .grade = grade };
    tls_certs_add(&certs, tls_cert_load(file("good.pem"), file("good.key"), &e));
    struct tls_server *s = tls_server_new(&o, &e);
    assert_string_equal(e.text, "");
    tls_certs_fini(&certs);
    return s;
}

static void a_session_is_resumed_by_another_server_with_the_same_keys(void **state)
{
    (void)state;
    struct err e;
    for (int no_1_3 = 0; no_1_3 < 2; no_1_3++) {
        struct tls_tickets *keys = tls_tickets_new(&e), *others = tls_tickets_new(&e);
        struct tls_server *one = server_with(keys, no_1_3, TLS_GRADE_HIGH);
        struct tls_server *two = server_with(keys, no_1_3, TLS_GRADE_HIGH);
        struct tls_server *stranger = server_with(others, no_1_3, TLS_GRADE_HIGH);
        struct tls_server *lax = server_with(keys, no_1_3, TLS_GRADE_MEDIUM);
        struct tls_client *t = client_of("root.pem");
        tls_tickets_only_read(keys);
        assert_false(is_resumed_at(one, t));
        assert_true(is_resumed_at(two, t));
        assert_false(is_resumed_at(stranger, t));
        assert_false(is_resumed_at(one, t));
        assert_false(is_resumed_at(lax, t)); /* what was agreed upon under other terms counts no more */
        tls_server_free(one);
        tls_server_free(two);
        tls_server_free(stranger);
        tls_server_free(lax);
        tls_client_free(t);
        tls_tickets_free(keys);
        tls_tickets_free(others);
    }
}

static void a_ticket_outlives_two_turns_of_the_keys_and_not_a_third(void **state)
{
    (void)state;
    struct err e;
    for (int turns = 0; turns < 4; turns++) {
        struct tls_tickets *keys = tls_tickets_new(&e);
        struct tls_server *s = server_with(keys, false, TLS_GRADE_HIGH);
        struct tls_client *t = client_of("root.pem");
        assert_false(is_resumed_at(s, t));
        for (int i = 0; i < turns; i++)
            tls_tickets_rotate(keys);
        assert_int_equal(is_resumed_at(s, t), turns < 3);
        tls_server_free(s);
        tls_client_free(t);
        tls_tickets_free(keys);
    }
}

/* The certificate that a client sees who asks for `host`; the handshake is not judged. */
static struct tls_info shown_for(struct tls_server *s, const char *host)
{
    struct end client = { 0 }, server = { 0 };
    struct tls_client *t = client_of("root.pem");
    two_ends(&client, &server);
    conn_start_tls_server(server.c, s, on_tls);
    conn_start_tls_client(client.c, t, TARGET(TLS_ENCRYPT, host), on_tls);
    RUN_UNTIL(client.n_done && server.n_done);
    assert_string_equal(client.why.text, "");
    struct tls_info info = client.info;
    end_fini(&client);
    end_fini(&server);
    loop_turn(loop, false);
    tls_client_free(t);
    return info;
}

static void the_name_asked_for_chooses_the_certificate(void **state)
{
    (void)state;
    static const struct {
        const char *host, *subject;
    } cases[] = {
        { "second.example.com", "CN=second.example.com" }, { "mail.example.com", "CN=mail.example.com" },
        { "SECOND.example.com", "CN=second.example.com" }, { "any.wild.example.com", "CN=mail.example.com" },
        { "a.b.wild.example.com", "CN=second.example.com" }, { "nobody.example.com", "CN=second.example.com" },
        { "127.0.0.1", "CN=second.example.com" }, /* an address is no name: nothing was asked for */
    };
    struct err e = { 0 };
    struct tls_certs certs = { 0 };
    tls_certs_add(&certs, tls_cert_load(file("second.pem"), file("second.key"), &e));
    tls_certs_add(&certs, tls_cert_load(file("both.pem"), NULL, &e));
    assert_string_equal(e.text, "");
    struct tls_server *s = tls_server_new(&(struct tls_server_options){ .certs = &certs, .no_tickets = true }, &e);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        assert_string_equal(shown_for(s, cases[i].host).subject, cases[i].subject);
    tls_server_free(s);
    tls_certs_fini(&certs);
}

/* ---- certificates of clients, and fingerprints ---------------------------------------- */

static struct tls_certs certs_of(const char *name)
{
    struct tls_certs certs = { 0 };
    struct err e = { 0 };
    char pem[32], key[32];
    snprintf(pem, sizeof(pem), "%s.pem", name);
    snprintf(key, sizeof(key), "%s.key", name);
    tls_certs_add(&certs, tls_cert_load(file(pem), file(key), &e));
    assert_string_equal(e.text, "");
    return certs;
}

static struct tls_client *client_with(const char *name)
{
    struct err e = { 0 };
    struct tls_certs own = name ? certs_of(name) : (struct tls_certs){ 0 };
    struct tls_client *t =
        tls_client_new(&(struct tls_client_options){ .ca_file = file("root.pem"), .grade = TLS_GRADE_HIGH, .certs = &own }, &e);
    assert_string_equal(e.text, "");
    tls_certs_fini(&own);
    return t;
}

/* What the server knows in the end. */
static struct tls_info seen_of(struct tls_server *s, struct tls_client *t)
{
    struct end client = { 0 }, server = { .echoes = true };
    two_ends(&client, &server);
    conn_start_tls_server(server.c, s, on_tls);
    conn_start_tls_client(client.c, t, TARGET(TLS_VERIFY, "mail.example.com"), on_tls);
    RUN_UNTIL(client.n_done && server.n_done);
    assert_string_equal(client.why.text, "");
    assert_string_equal(server.why.text, "");
    conn_write(client.c, SPAN("x")); /* the tickets of TLS 1.3 come behind the handshake */
    RUN_UNTIL(client.got.len);
    struct tls_info info = server.info;
    end_fini(&client);
    end_fini(&server);
    loop_turn(loop, false);
    return info;
}

static struct tls_server *asking_server(struct tls_tickets *tickets, const struct tls_authorities *a, bool asks, bool no_1_3)
{
    struct err e = { 0 };
    struct tls_certs certs = certs_of("good");
    struct tls_server *s = tls_server_new(&(struct tls_server_options){ .certs = &certs, .tickets = tickets, .asks = asks, .authorities = a,
        .names_authorities = true, .max_depth = 9, .no_1_3 = no_1_3 }, &e);
    assert_string_equal(e.text, "");
    tls_certs_fini(&certs);
    return s;
}

static void a_client_is_known_by_its_certificate(void **state)
{
    static const struct {
        const char *cert;
        bool is_trusted;
        const char *why;
    } cases[] = {
        { NULL, false, "" },
        { "second", true, "" },
        { "self", false, "self-signed" },
        { "unknown", false, "an authority that we do not trust" },
        { "expired", false, "has expired" },
        { "foruse", false, "was not made for clients" },
    };
    struct err e = { 0 };
    struct tls_authorities *a = tls_authorities_load(file("root.pem"), NULL, &e);
    (void)state;
    for (size_t i = 0; i < 2 * ARRAY_LEN(cases); i++) {
        struct tls_server *s = asking_server(NULL, a, true, i & 1);
        struct tls_client *t = client_with(cases[i / 2].cert);
        struct tls_info info = seen_of(s, t);
        assert_int_equal(info.has_certificate, cases[i / 2].cert != NULL);
        assert_int_equal(info.is_trusted, cases[i / 2].is_trusted);
        assert_int_equal(strlen(info.fingerprint), cases[i / 2].cert ? 95 : 0);
        assert_int_equal(strlen(info.key_fingerprint), cases[i / 2].cert ? 95 : 0);
        if (!strstr(info.why_not, cases[i / 2].why))
            fail_msg("%s: \"%s\"", cases[i / 2].cert, info.why_not);
        tls_server_free(s);
        tls_client_free(t);
    }
    tls_authorities_free(a);
}

/* Neither by a ticket of its own, for it gets none, nor by one from where nobody asks. */
static void a_session_that_is_resumed_has_no_certificate(void **state)
{
    struct err e = { 0 };
    struct tls_authorities *a = tls_authorities_load(file("root.pem"), NULL, &e);
    (void)state;
    for (int no_1_3 = 0; no_1_3 < 2; no_1_3++) {
        struct tls_tickets *keys = tls_tickets_new(&e);
        struct tls_server *asks = asking_server(keys, a, true, no_1_3), *not = asking_server(keys, a, false, no_1_3);
        struct tls_client *with = client_with("second"), *without = client_with(NULL);
        for (int i = 0; i < 3; i++) {
            struct tls_info info = seen_of(asks, with);
            assert_true(info.has_certificate && info.is_trusted && !info.is_resumed);
        }
        assert_false(seen_of(asks, without).is_resumed);
        struct tls_info info = seen_of(asks, without);
        assert_true(info.is_resumed && !info.has_certificate && !info.is_trusted && !*info.fingerprint);
        assert_false(seen_of(not, without).is_resumed); /* other terms, in either direction */
        assert_true(seen_of(not, without).is_resumed);
        assert_false(seen_of(asks, without).is_resumed);
        assert_false(seen_of(not, with).has_certificate);
        assert_true(seen_of(not, with).is_resumed);
        info = seen_of(asks, with);
        assert_true(info.has_certificate && !info.is_resumed);
        tls_client_free(with);
        tls_client_free(without);
        tls_server_free(asks);
        tls_server_free(not);
        tls_tickets_free(keys);
    }
    tls_authorities_free(a);
}

static void a_server_is_known_by_its_fingerprint(void **state)
{
    struct tls_target target = { .demand = TLS_FINGERPRINT, .host = "127.0.0.2", .port = 25, .fingerprints = "AB:CD" };
    char list[500], key[TLS_PRINT_SIZE];
    (void)state;
    struct end c = shake("expired", NULL, &target);
    assert_int_equal(c.why.kind, ERR_CONFIG);
    assert_non_null(strstr(c.why.text, c.info.fingerprint));
    snprintf(key, sizeof(key), "%s", c.info.key_fingerprint);
    snprintf(list, sizeof(list), "AB:CD, %s", c.info.fingerprint);
    target.fingerprints = list;
    c = shake("expired", NULL, &target);
    assert_string_equal(c.why.text, "");
    assert_string_equal(tls_trust_word(&c.info), "Verified");
    c = shake("good", "root.pem", &target); /* of the same key */
    assert_int_equal(c.why.kind, ERR_CONFIG);
    snprintf(list, sizeof(list), "AB:CD|%s", key);
    c = shake("good", "root.pem", &target);
    assert_string_equal(c.why.text, "");
    target.fingerprints = "";
    c = shake("good", "root.pem", &target);
    assert_int_equal(c.why.kind, ERR_CONFIG);
}

/* ---- a second opinion ---------------------------------------- */

static void nap(void)
{
    struct timer t = { 0 };
    timer_start(&t, loop, 10, (loop_fn *)loop_stop, loop);
    loop_run(loop);
    timer_stop(&t);
}

/* What is in the file, once `until` is in it. */
static char *read_until(const char *name, const char *until)
{
    static char text[4000];
    for (int i = 0; i < 2000; i++, nap()) {
        int fd = open(file(name), O_RDONLY | O_CLOEXEC);
        ssize_t n = fd < 0 ? 0 : read(fd, text, sizeof(text) - 1);
        text[n > 0 ? n : 0] = '\0';
        if (fd >= 0)
            close(fd);
        if (strstr(text, until))
            return text;
    }
    fail_msg("no \"%s\" in %s: %s", until, name, text);
    return NULL;
}

static void on_dialled(void *arg, struct conn *c, const struct err *why)
{
    (void)why;
    *(struct conn **)arg = c;
}

static struct conn *dial_port(unsigned port)
{
    union addr to;
    struct conn *c = NULL;
    addr_parse(&to, SPAN("127.0.0.1"), (uint16_t)port);
    dial_start(loop, &(struct dial_options){ .to = &(struct addr_list){ &to, 1 } }, on_dialled, &c);
    RUN_UNTIL(c);
    return c;
}

static void a_server_of_openssl_and_we_understand_each_other(void **state)
{
    static const struct {
        const char *flags;
        enum tls_grade grade;
        const char *protocol; /* NULL: no understanding */
        const char *why;
    } cases[] = {
        { "-tls1_2", TLS_GRADE_HIGH, "TLSv1.2", "" },
        { "-tls1_2 -cipher ECDHE-ECDSA-AES256-SHA", TLS_GRADE_MEDIUM, "TLSv1.2", "" },
        { "-tls1_2 -cipher ECDHE-ECDSA-AES256-SHA", TLS_GRADE_HIGH, NULL, "refused (alert 40, handshake failure" },
        { "-tls1_1 -cipher ALL:@SECLEVEL=0", TLS_GRADE_MEDIUM, NULL, "protocol version" },
        { "-tls1_3", TLS_GRADE_HIGH, "TLSv1.3", "protocol version" },
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char command[400];
        snprintf(command, sizeof(command),
                 "exec openssl s_server -accept 127.0.0.1:0 -naccept 1 -rev %s -cert good.pem"
                 " -key good.key >server.out 2>&1",
                 cases[i].flags);
        unlink(file("server.out"));
        unlink(file("client.out"));
        pid_t pid = start_script(command);
        unsigned port = 0;
        sscanf(strstr(read_until("server.out", "ACCEPT 127.0.0.1:"), "ACCEPT"), "ACCEPT 127.0.0.1:%u", &port);
        struct tls_client *t = tls_client_new(
            &(struct tls_client_options){ .ca_file = file("root.pem"), .grade = cases[i].grade }, NULL);
        struct end client = { .c = dial_port(port) };
        buf_init(&client.got, BUF_NO_MAX);
        conn_open(client.c, &end_ops, &client);
        conn_start_tls_client(client.c, t, TARGET(TLS_VERIFY, "mail.example.com"), on_tls);
        RUN_UNTIL(client.n_done);
        bool expected = cases[i].protocol && (tls_has_1_3() || strcmp(cases[i].protocol, "TLSv1.3") != 0);
        if (expected != (client.why.kind == ERR_NONE))
            fail_msg("%s: %s", cases[i].flags, client.why.text);
        if (expected) {
            assert_string_equal(client.info.protocol, cases[i].protocol);
            conn_write(client.c, SPAN("drawer\n"));
            RUN_UNTIL(client.got.len >= 7);
            assert_string_equal(buf_cstr(&client.got), "reward\n");
        } else if (!strstr(client.why.text, cases[i].why)) {
            fail_msg("%s: %s", cases[i].flags, client.why.text);
        }
        end_fini(&client);
        tls_client_free(t);
        loop_turn(loop, false);
        end_script(pid);
    }
}

static struct end accepted;
static struct tls_server *accepts_with;

static void on_accept(void *arg, struct conn *c)
{
    (void)arg;
    accepted = (struct end){ .c = c, .echoes = true };
    buf_init(&accepted.got, BUF_NO_MAX);
    conn_open(c, &end_ops, &accepted);
    conn_start_tls_server(c, accepts_with, on_tls);
}

static void a_client_of_openssl_and_we_understand_each_other(void **state)
{
    static const char *const versions[] = { "-tls1_2", "-tls1_3", "-tls1_1 -cipher ALL:@SECLEVEL=0" };
    union addr at;
    (void)state;
    accepts_with = server_of("good");
    addr_parse(&at, SPAN("127.0.0.1"), 0);
    int fd = listen_open_tcp(&at, 0, NULL);
    unsigned port = listen_port(fd);
    struct listener *li = listen_start(loop, fd, on_accept, NULL, NULL);
    for (size_t i = 0; i < ARRAY_LEN(versions); i++) {
        char command[400];
        accepted = (struct end){ 0 };
        snprintf(command, sizeof(command),
                 "(echo hello; exec sleep 20) | openssl s_client -connect 127.0.0.1:%u -quiet %s"
                 " -CAfile root.pem -verify_return_error -verify_hostname mail.example.com"
                 " -servername mail.example.com >client.out 2>&1",
                 port, versions[i]);
        unlink(file("server.out"));
        unlink(file("client.out"));
        pid_t pid = start_script(command);
        bool expected = i == 0 || (i == 1 && tls_has_1_3());
        if (expected) {
            read_until("client.out", "hello");
            assert_string_equal(accepted.info.sni, "mail.example.com");
            assert_string_equal(accepted.info.protocol, i ? "TLSv1.3" : "TLSv1.2");
            conn_end(accepted.c);
            accepted.c = NULL;
        } else {
            RUN_UNTIL(accepted.n_done);
            assert_int_equal(accepted.why.kind, ERR_TEMPORARY);
        }
        end_fini(&accepted);
        for (int n = 0; n < 5; n++)
            nap();
        end_script(pid);
    }
    listen_stop(li);
    tls_server_free(accepts_with);
}

/* ---- files ---------------------------------------- */

static void certificates_that_do_not_fit_are_refused_in_words(void **state)
{
    static const struct {
        const char *cert, *key, *why;
    } cases[] = {
        { "good.pem", "second.key", "does not belong to the (first) certificate" },
        { "missing.pem", "good.key", "No such file or directory" },
        { "good.pem", "open.key", "everybody may read it" },
        { "good.pem", "locked.key", "without a pass phrase" },
        { "noise.pem", "good.key", "noise.pem: " },
        { "good.pem", NULL, "good.pem: " },
        { "ca", "good.key", "is not a file of certificates or keys" },
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct err e = { 0 };
        const char *key = cases[i].key ? file(cases[i].key) : NULL;
        assert_null(tls_cert_load(file(cases[i].cert), key, &e));
        assert_int_equal(e.kind, ERR_CONFIG);
        if (!strstr(e.text, cases[i].why))
            fail_msg("%s: \"%s\"", cases[i].cert, e.text);
    }
    struct err e = { 0 };
    struct tls_cert *c = tls_cert_load(file("good.pem"), file("good.key"), &e);
    assert_true(tls_cert_seconds_left(c) > 29 * 86400 && tls_cert_seconds_left(c) <= 30 * 86400);
    assert_string_equal(tls_cert_names(c), "mail.example.com *.wild.example.com 127.0.0.1 ::1");
    tls_cert_free(c);
}

static void keys_and_chains_are_told_apart_wherever_they_stand(void **state)
{
    static const struct {
        const char *files[4];
        const char *subjects, *why;
    } cases[] = {
        { { "chain-key-first.pem" }, "mail.example.com|second.example.com|", "" },
        { { "chain-key-last.pem" }, "mail.example.com|second.example.com|", "" },
        { { "good.key", "good.pem", "second.key", "second.pem" }, "mail.example.com|second.example.com|", "" },
        { { "both.pem", "chain-key-first.pem" }, "mail.example.com|mail.example.com|second.example.com|", "" },
        { { "good.key", "with-root.pem" }, "mail.example.com|", "" },
        { { "good.key" }, "", "good.key: a key without its certificate" },
        { { "good.pem" }, "", "good.pem: a certificate without its key" },
        { { "good.key", "second.key", "second.pem" }, "", "good.key: a key without its certificate" },
        { { "second.key", "good.pem" }, "", "second.key does not belong to the (first) certificate in " },
        { { "both.pem", "noise.pem" }, "", "noise.pem: there is neither a certificate nor a key in it" },
        { { "both.pem", "missing.pem" }, "", "missing.pem: No such file or directory" },
        { { "open.key", "good.pem" }, "", "everybody may read it: chmod o= " },
    };
    (void)state;
    assert_int_equal(run_script("umask 077; cat good.key good.pem root.pem second.key second.pem >chain-key-first.pem\n"
                                "cat good.pem good.key second.pem second.key >chain-key-last.pem\n"
                                "cat good.pem root.pem >with-root.pem"), 0);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct tls_certs l = { 0 };
        struct err e = { 0 };
        char *files[4], subjects[200] = "";
        size_t n = 0;
        for (; n < 4 && cases[i].files[n]; n++)
            files[n] = xstrdup(file(cases[i].files[n]));
        assert_int_equal(tls_certs_load(&l, files, n, &e), *cases[i].why ? -1 : 0);
        for (size_t k = 0; k < l.n; k++) {
            struct span names = span_str(tls_cert_names(l.at[k])), first;
            span_word(&names, "", &first);
            snprintf(subjects + strlen(subjects), sizeof(subjects) - strlen(subjects), "%.*s|", (int)first.len, first.at);
        }
        assert_string_equal(subjects, cases[i].subjects);
        if (*cases[i].why && !strstr(e.text, cases[i].why))
            fail_msg("case %zu: \"%s\"", i, e.text);
        tls_certs_fini(&l);
        while (n)
            free(files[--n]);
    }
}

static void authorities_come_from_files_folders_or_the_system(void **state)
{
    (void)state;
    struct err e = { 0 };
    struct tls_client *t = tls_client_new(&(struct tls_client_options){ .ca_path = file("path") }, &e);
    assert_string_equal(e.text, "");
    assert_int_equal(tls_client_n_authorities(t), 2);
    assert_string_equal(tls_client_authorities_from(t), file("path"));
    tls_client_free(t);
    assert_null(tls_client_new(&(struct tls_client_options){ .ca_file = file("noise.pem") }, &e));
    assert_non_null(strstr(e.text, "holds no certificate"));
    assert_null(tls_client_new(&(struct tls_client_options){ .ca_file = file("missing.pem") }, &e));
    assert_null(tls_client_new(&(struct tls_client_options){ .ca_path = file("ca/index") }, &e));
    if (access("/etc/ssl/certs/ca-certificates.crt", R_OK) == 0) {
        t = tls_client_new(&(struct tls_client_options){ 0 }, &e);
        assert_true(tls_client_n_authorities(t) > 50);
        assert_string_equal(tls_client_authorities_from(t), "/etc/ssl/certs/ca-certificates.crt");
        tls_client_free(t);
    }
    t = tls_client_new(&(struct tls_client_options){ .min_version = TLS_1_3 }, &e);
    assert_int_equal(t != NULL, tls_has_1_3());
    tls_client_free(t);
}

#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(a_good_certificate_is_verified),
        T(every_refusal_says_why_in_words),
        T(what_need_not_be_verified_is_still_described),
        T(starttls_forgets_what_was_said_in_the_clear),
        T(bytes_that_came_before_the_answer_to_starttls_are_thrown_away),
        T(a_big_transfer_arrives_whole_and_pauses_when_told_to),
        T(a_stream_cut_off_without_goodbye_is_told_so),
        T(closing_in_the_middle_of_a_handshake_is_quiet),
        T(one_who_does_not_speak_tls_is_told_from_one_who_refuses),
        T(a_session_is_resumed_with_what_was_known_of_it),
        T(a_session_is_resumed_by_another_server_with_the_same_keys),
        T(a_ticket_outlives_two_turns_of_the_keys_and_not_a_third),
        T(keys_and_chains_are_told_apart_wherever_they_stand),
        T(the_name_asked_for_chooses_the_certificate),
        T(a_client_is_known_by_its_certificate),
        T(a_session_that_is_resumed_has_no_certificate),
        T(a_server_is_known_by_its_fingerprint),
        T(a_server_of_openssl_and_we_understand_each_other),
        T(a_client_of_openssl_and_we_understand_each_other),
        T(certificates_that_do_not_fit_are_refused_in_words),
        T(authorities_come_from_files_folders_or_the_system),
    };
    return cmocka_run_group_tests(tests, make_certificates, drop_certificates);
}
