/* SPDX-License-Identifier: Apache-2.0
 *
 * baton sink - the embedded relayhost, for trying out and for developers. */
#include "control/command.h"
#include "control/maildir.h"
#include "control/sink.h"

#include "base/log.h"
#include "base/mem.h"
#include "mail/header.h"
#include "net/listen.h"

#include <getopt.h>
#include <jansson.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

struct options {
    const char *listen, *maildir, *cert, *key;
    char *login;
    bool discards, is_json;
    uint64_t count; /* leave after so many messages; 0: never */
    struct sink sink;
};

/* ---- a message has come ---------------------------------------- */

static char *subject_of(struct span content)
{
    struct header_field f;
    struct buf text;
    char safe[256] = "";

    buf_init(&text, 4096);
    struct span section = span_of(content.at, header_body_at(content));
    if (header_find(section, "Subject", &f) && header_unfold(f.value, &text) == 0)
        log_escape(buf_span(&text), safe, sizeof safe);
    buf_fini(&text);
    return xstrdup(safe);
}

static json_t *string(const char *s)
{
    json_t *j = json_string(s);
    return j ? j : json_string("(not UTF-8)");
}

static void print_json(const struct sink_message *m, const char *subject, const char *file)
{
    json_t *to = json_array();

    for (size_t i = 0; i < m->env->n_rcpts; i++)
        json_array_append_new(to, string(m->env->rcpts[i].address));
    json_t *line = json_pack("{s:s,s:o,s:o,s:I,s:o,s:b,s:o,s:o}", "client", m->client, "from",
                             string(m->env->sender), "to", to, "size", (json_int_t)m->content.len,
                             "subject", string(subject), "tls", m->is_encrypted, "login",
                             m->login ? string(m->login) : json_null(), "file",
                             file ? string(file) : json_null());
    json_dumpf(line, stdout, JSON_COMPACT);
    putchar('\n');
    json_decref(line);
}

static void print_line(const struct sink_message *m, const char *subject, const char *file)
{
    printf("%s: from=<%s>", m->client, log_safe_str(m->env->sender));
    for (size_t i = 0; i < m->env->n_rcpts; i++)
        printf(" to=<%s>", log_safe_str(m->env->rcpts[i].address));
    printf(" size=%zu%s%s%s%s%s subject=\"%s\"\n", m->content.len, m->is_encrypted ? " tls" : "",
           m->login ? " login=" : "", m->login ? log_safe_str(m->login) : "", file ? " file=" : "",
           file ? file : "", subject);
}

/* What a mailbox would put on top. */
static void add_head(const struct sink_message *m, struct buf *out)
{
    buf_addf(out, "Return-Path: <%s>\n", m->env->sender);
    for (size_t i = 0; i < m->env->n_rcpts; i++)
        buf_addf(out, "Delivered-To: %s\n", m->env->rcpts[i].address);
}

static bool keep(void *arg, const struct sink_message *m)
{
    struct options *o = arg;
    char *file = NULL, *subject;
    struct buf head;
    struct err e;

    buf_init(&head, BUF_NO_MAX);
    add_head(m, &head);
    if (!o->discards)
        file = maildir_keep(o->maildir, buf_span(&head), m->content, &e);
    buf_fini(&head);
    if (!o->discards && !file) {
        fprintf(stderr, "baton sink: %s\n", e.text);
        return false;
    }
    subject = subject_of(m->content);
    (o->is_json ? print_json : print_line)(m, subject, file);
    fflush(stdout);
    free(subject);
    free(file);
    if (o->count && --o->count == 0)
        o->sink.is_done = true;
    return true;
}

/* ---- options ---------------------------------------- */

/* "PATTERN=CODE TEXT" */
static int add_rule(struct sink *s, const char *text)
{
    const char *equals = strrchr(text, '=');
    char *end;
    long code = equals ? strtol(equals + 1, &end, 10) : 0;

    if (code < 200 || code > 599 || (*end && *end != ' ')) {
        fprintf(
            stderr,
            "baton sink: --reply %s: it is PATTERN=CODE TEXT, \"bad*=550 5.1.1 no such user\"\n",
            text);
        return -1;
    }
    s->rules = xreallocarray(s->rules, s->n_rules + 1, sizeof *s->rules);
    s->rules[s->n_rules++] = (struct sink_rule){
        .pattern = span_dup(span_of(text, (size_t)(equals - text))),
        .code = (int)code,
        .text = xstrdup(*end ? end + 1 : "as you wished"),
    };
    return 0;
}

static const struct option long_options[] = {
    { "listen", required_argument, NULL, 'l' },     { "maildir", required_argument, NULL, 'm' },
    { "discard", no_argument, NULL, 'd' },          { "cert", required_argument, NULL, 'c' },
    { "key", required_argument, NULL, 'k' },        { "implicit-tls", no_argument, NULL, 'i' },
    { "login", required_argument, NULL, 'u' },      { "reply", required_argument, NULL, 'r' },
    { "size-limit", required_argument, NULL, 's' }, { "lmtp", no_argument, NULL, 'L' },
    { "count", required_argument, NULL, 'n' },      { NULL, 0, NULL, 0 },
};

static bool take_number(const char *name, uint64_t *out)
{
    if (span_u64(span_str(optarg), out))
        return true;
    fprintf(stderr, "baton sink: %s %s: it takes a number\n", name, optarg);
    return false;
}

static int take_options(struct options *o, int argc, char **argv)
{
    int c;

    while ((c = getopt_long(argc, argv, "+", long_options, NULL)) != -1) {
        switch (c) {
        case 'l': o->listen = optarg; break;
        case 'm': o->maildir = optarg; break;
        case 'd': o->discards = true; break;
        case 'c': o->cert = optarg; break;
        case 'k': o->key = optarg; break;
        case 'i': o->sink.is_implicit_tls = true; break;
        case 'u': o->login = optarg; break;
        case 'L': o->sink.is_lmtp = true; break;
        case 'r':
            if (add_rule(&o->sink, optarg) < 0)
                return -1;
            break;
        case 's':
            if (!take_number("--size-limit", &o->sink.size_limit))
                return -1;
            break;
        case 'n':
            if (!take_number("--count", &o->count))
                return -1;
            break;
        default: return -1;
        }
    }
    return optind == argc ? 0 : -1;
}

/* "127.0.0.1:2525", "[::1]:2525", ":2525", "2525" */
static bool parse_listen(const char *text, union addr *at)
{
    struct span s = span_str(text);
    size_t colon = span_rfind(s, ':');
    bool has_host = colon < s.len && colon > 0;
    struct span port = colon < s.len ? span_from(s, colon + 1) : s;
    uint64_t n;

    return span_u64(port, &n) && n <= 65535 &&
           addr_parse(at, has_host ? span_of(text, colon) : SPAN("127.0.0.1"), (uint16_t)n);
}

/* ---- running ---------------------------------------- */

static void on_signal(void *arg, int signum)
{
    (void)signum;
    loop_stop(arg);
}

static void on_client(void *arg, struct conn *c)
{
    sink_serve(arg, c);
}

static int open_tls(struct options *o, struct err *e)
{
    if (!o->cert)
        return o->sink.is_implicit_tls ? err_set(e, ERR_CONFIG, "--implicit-tls needs --cert FILE")
                                       : 0;
    if (tls_init_process(e) < 0)
        return -1;
    struct tls_certs certs = { 0 };
    struct tls_cert *cert = tls_cert_load(o->cert, o->key, e);
    if (!cert)
        return -1;
    tls_certs_add(&certs, cert);
    o->sink.tls = tls_server_new(&(struct tls_server_options){ .certs = &certs }, e);
    tls_certs_fini(&certs);
    return o->sink.tls ? 0 : -1;
}

static int listen_and_tell(struct options *o, struct listener **out, struct err *e)
{
    char text[ADDR_TEXT];
    union addr at;

    if (!parse_listen(o->listen, &at))
        return err_set(e, ERR_CONFIG, "--listen %s: it is ADDRESS:PORT, 127.0.0.1:2525", o->listen);
    int fd = listen_open_tcp(&at, 0, e);
    if (fd < 0)
        return -1;
    addr_set_port(&at, listen_port(fd));
    if (!(*out = listen_start(o->sink.loop, fd, on_client, &o->sink, e))) {
        close(fd);
        return -1;
    }
    if (!o->is_json)
        printf("listening at %s; mail goes to %s; relayhost = \"%s:%u\"\n", addr_format(&at, text),
               o->discards ? "nowhere" : o->maildir, at.sa.sa_family == AF_INET ? "[127.0.0.1]" : "[::1]",
               (unsigned)listen_port(fd));
    fflush(stdout);
    return 0;
}

static int serve(struct options *o, struct err *e)
{
    struct listener *li = NULL;
    int result = -1;

    signal(SIGPIPE, SIG_IGN);
    if ((o->discards || maildir_make(o->maildir, e) == 0) && (o->sink.loop = loop_new(e)) &&
        open_tls(o, e) == 0 && listen_and_tell(o, &li, e) == 0 &&
        loop_signal(o->sink.loop, SIGTERM, on_signal, o->sink.loop, e) == 0 &&
        loop_signal(o->sink.loop, SIGINT, on_signal, o->sink.loop, e) == 0) {
        loop_run(o->sink.loop);
        result = 0;
    }
    listen_stop(li);
    tls_server_free(o->sink.tls);
    return result;
}

static int run(const struct command_options *co, int argc, char **argv)
{
    struct options o = { .listen = "127.0.0.1:2525", .maildir = "sink", .is_json = co->json };
    char *password = NULL;
    char host[256] = "localhost";
    struct err e;

    if (take_options(&o, argc, argv) < 0)
        return command_usage(&cmd_sink);
    gethostname(host, sizeof host - 1);
    o.sink.hostname = host;
    o.sink.keep = keep;
    o.sink.arg = &o;
    if (o.login) {
        password = strchr(o.login, ':');
        if (!password)
            return command_usage(&cmd_sink);
        *password = '\0';
        o.sink.user = o.login;
        o.sink.password = password + 1;
    }
    int result = serve(&o, &e);
    if (result < 0)
        fprintf(stderr, "baton sink: %s\n", e.text);
    for (size_t i = 0; i < o.sink.n_rules; i++) {
        free(o.sink.rules[i].pattern);
        free(o.sink.rules[i].text);
    }
    free(o.sink.rules);
    return result < 0 ? EX_UNAVAILABLE : EX_OK;
}

const struct command cmd_sink = {
    .name = "sink",
    .help = "be a relayhost that keeps what it is sent, for trying out",
    .usage =
        "[--json] sink [--listen ADDRESS:PORT] [--maildir DIR | --discard] [option ...]\n\n"
        "Takes every message, prints a line for each and keeps it in a Maildir, until it is interrupted.\n"
        "  --listen ADDRESS:PORT      where (127.0.0.1:2525)\n"
        "  --maildir DIR              where to (./sink)\n"
        "  --discard                  keep nothing\n"
        "  --cert FILE [--key FILE]   offer STARTTLS with this certificate\n"
        "  --implicit-tls             speak TLS from the first byte, as at port 465\n"
        "  --login USER:PASSWORD      want this login\n"
        "  --reply 'PATTERN=CODE TEXT'  answer so to recipients like PATTERN (*, ?); an empty one: to the content.\n"
        "                             Several may be given; the first that fits counts\n"
        "  --size-limit BYTES         announce and keep this limit\n"
        "  --count N                  leave after N messages\n"
        "  --lmtp                     speak LMTP\n"
        "  --json                     an object a line\n",
    .run = run,
};
