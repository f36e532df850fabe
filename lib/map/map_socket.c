/* SPDX-License-Identifier: Apache-2.0
 *
 * map_socket.c - tables that other programs serve.
 *
 * socketmap:inet:host:port:NAME, socketmap:unix:/path:NAME - sendmail's protocol: netstrings, "NAME key" goes out, and
 *     "OK value", "NOTFOUND ", "TEMP why", "TIMEOUT why" or "PERM why" comes back.
 * tcp:host:port - a line each way: "get key", and "200 value", "500 why" (not found) or "400 why" (later). Blanks, % and what
 *     does not print are written %XX.
 *
 * The connection is kept. One that was kept may have been closed at the other end meanwhile: then it is tried once more over a
 * new one. PERM is a failure too: the server has said that it cannot tell. */
#include "map/map_int.h"

#include "base/clock.h"
#include "base/mem.h"

#include <stdlib.h>

enum { ANSWER_MAX = 100000, LENGTH_DIGITS_MAX = 6 };

struct served {
    const struct map_source *source; /* borrowed */
    char *where;
    char *name; /* socketmap's */
    struct map_wire wire;
    struct buf out, in;
};

typedef enum map_result ask_fn(struct served *s, struct span key, struct buf *value, struct err *e);

static struct served *new_served(const struct map_source *src, struct span where, struct span name)
{
    struct served *s = xcalloc(1, sizeof *s);

    s->source = src;
    s->where = span_dup(where);
    s->name = span_dup(name);
    s->wire.fd = -1;
    buf_init(&s->out, BUF_NO_MAX);
    buf_init(&s->in, ANSWER_MAX);
    return s;
}

static void close_served(void *self)
{
    struct served *s = self;

    if (!s)
        return;
    map_wire_close(&s->wire);
    buf_fini(&s->out);
    buf_fini(&s->in);
    free(s->where);
    free(s->name);
    free(s);
}

/* MAP_CANNOT_TELL closes the connection when it has failed, and leaves it when the server has said so. */
static enum map_result look_up(struct served *s, ask_fn *ask, struct span key, struct buf *value, struct err *e)
{
    s->wire.deadline_us = clock_mono_us() + (int64_t)s->source->o.timeout_ms * 1000;
    for (int attempt = 0; attempt < 2; attempt++) {
        bool was_kept = s->wire.fd >= 0;
        if (!was_kept && map_wire_connect(&s->wire, s->where, e) < 0)
            return MAP_CANNOT_TELL;
        enum map_result result = ask(s, key, value, e);
        if (s->wire.fd >= 0 || !was_kept || clock_mono_us() >= s->wire.deadline_us)
            return result;
        buf_clear(value);
    }
    return MAP_CANNOT_TELL;
}

static enum map_result broken(struct served *s)
{
    map_wire_close(&s->wire);
    return MAP_CANNOT_TELL;
}

static enum map_result nonsense(struct served *s, struct err *e)
{
    err_set(e, ERR_TEMPORARY, "the server's answer cannot be understood");
    return broken(s);
}

static enum map_result found(struct span key, struct span text, struct buf *value, struct err *e)
{
    return buf_addspan(value, text) < 0 ? map_value_too_long(key, e) : MAP_FOUND;
}

static enum map_result server_failed(struct span text, struct err *e)
{
    err_set(e, ERR_TEMPORARY, "the server says: %.*s", (int)(text.len > 200 ? 200 : text.len), text.at);
    return MAP_CANNOT_TELL;
}

/* ---- socketmap: ---- */

static int read_netstring(struct served *s, struct err *e)
{
    size_t n = 0, digits = 0;
    int c;

    while ((c = map_wire_getc(&s->wire, e)) >= '0' && c <= '9' && digits++ < LENGTH_DIGITS_MAX)
        n = n * 10 + (size_t)(c - '0');
    if (c < 0)
        return -1;
    if (c != ':' || digits == 0 || n > ANSWER_MAX)
        return err_set(e, ERR_TEMPORARY, "the server's answer is no netstring, or too long");
    buf_clear(&s->in);
    if (map_wire_read(&s->wire, n, &s->in, e) < 0 || (c = map_wire_getc(&s->wire, e)) < 0)
        return -1;
    return c == ',' ? 0 : err_set(e, ERR_TEMPORARY, "the server's answer is no netstring");
}

static enum map_result ask_socketmap(struct served *s, struct span key, struct buf *value, struct err *e)
{
    struct span word, rest;

    buf_clear(&s->out);
    buf_addf(&s->out, "%zu:%s ", strlen(s->name) + 1 + key.len, s->name);
    buf_addspan(&s->out, key);
    buf_addc(&s->out, ',');
    if (map_wire_send(&s->wire, buf_span(&s->out), e) < 0 || read_netstring(s, e) < 0)
        return broken(s);
    rest = buf_span(&s->in);
    size_t blank = span_find(rest, ' ');
    word = span_of(rest.at, blank);
    rest = span_from(rest, blank + 1);
    if (span_eq(word, SPAN("OK")))
        return found(key, rest, value, e);
    if (span_eq(word, SPAN("NOTFOUND")))
        return MAP_NOT_FOUND;
    if (span_eq(word, SPAN("TEMP")) || span_eq(word, SPAN("TIMEOUT")) || span_eq(word, SPAN("PERM")))
        return server_failed(rest, e);
    return nonsense(s, e);
}

static void *open_socketmap(const struct map_source *src, struct err *e)
{
    struct span name = span_str(src->name);
    size_t colon = span_rfind(name, ':');
    struct span where = span_of(name.at, colon < name.len ? colon : 0), table = span_from(name, colon + 1);

    if ((span_starts(where, "inet:") && span_find(span_from(where, 5), ':') < where.len - 5) ||
        (span_starts(where, "unix:") && where.len > 5))
        if (table.len)
            return new_served(src, where, table);
    err_set(e, ERR_CONFIG, "socketmap:%s: it is socketmap:inet:host:port:name or socketmap:unix:/path:name", src->name);
    return NULL;
}

static enum map_result look_up_socketmap(void *self, struct span key, struct buf *value, struct err *e)
{
    return look_up(self, ask_socketmap, key, value, e);
}

const struct map_kind map_kind_socketmap = {
    .type = "socketmap", .flags = MAP_BLOCKS, .open = open_socketmap, .close = close_served, .lookup = look_up_socketmap,
};

/* ---- tcp: ---- */

static void add_escaped(struct buf *out, struct span s)
{
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.at[i];
        if (c <= 0x20 || c >= 0x7f || c == '%')
            buf_addf(out, "%%%02X", c);
        else
            buf_addc(out, (char)c);
    }
}

static int hex(int c)
{
    c = ascii_lower(c);
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* In place. False: a % without two digits. */
static bool unescape(struct buf *b)
{
    size_t to = 0;

    for (size_t i = 0; i < b->len; i++) {
        int c = (unsigned char)b->at[i];
        if (c == '%') {
            int high = i + 2 < b->len ? hex((unsigned char)b->at[i + 1]) : -1;
            int low = high >= 0 ? hex((unsigned char)b->at[i + 2]) : -1;
            if (low < 0)
                return false;
            c = high * 16 + low;
            i += 2;
        }
        b->at[to++] = (char)c;
    }
    b->len = to;
    return true;
}

static int read_line(struct served *s, struct err *e)
{
    int c;

    buf_clear(&s->in);
    while ((c = map_wire_getc(&s->wire, e)) >= 0 && c != '\n')
        if (buf_addc(&s->in, (char)c) < 0)
            return err_set(e, ERR_TEMPORARY, "the server's answer is too long");
    if (c < 0)
        return -1;
    if (s->in.len && s->in.at[s->in.len - 1] == '\r')
        s->in.len--;
    return 0;
}

static enum map_result ask_tcp(struct served *s, struct span key, struct buf *value, struct err *e)
{
    buf_clear(&s->out);
    buf_adds(&s->out, "get ");
    add_escaped(&s->out, key);
    buf_addc(&s->out, '\n');
    if (map_wire_send(&s->wire, buf_span(&s->out), e) < 0 || read_line(s, e) < 0)
        return broken(s);
    struct span line = buf_span(&s->in);
    char code = span_starts(line, "200 ") ? '2' : span_starts(line, "400 ") ? '4' : span_starts(line, "500 ") ? '5' : '\0';
    if (!code || !unescape(&s->in))
        return nonsense(s, e);
    struct span text = span_from(buf_span(&s->in), 4);
    return code == '2' ? found(key, text, value, e) : code == '5' ? MAP_NOT_FOUND : server_failed(text, e);
}

static void *open_tcp(const struct map_source *src, struct err *e)
{
    struct span name = span_str(src->name);
    size_t colon = span_rfind(name, ':');

    if (colon > 0 && colon + 1 < name.len)
        return new_served(src, name, SPAN(""));
    err_set(e, ERR_CONFIG, "tcp:%s: it is tcp:host:port", src->name);
    return NULL;
}

static enum map_result look_up_tcp(void *self, struct span key, struct buf *value, struct err *e)
{
    return look_up(self, ask_tcp, key, value, e);
}

const struct map_kind map_kind_tcp = {
    .type = "tcp", .flags = MAP_BLOCKS, .open = open_tcp, .close = close_served, .lookup = look_up_tcp,
};
