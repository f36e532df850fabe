/* SPDX-License-Identifier: Apache-2.0 */
#include "transcript.h"

#include "base/log.h"
#include "unit.h"

#include <stdio.h>
#include <stdlib.h>

void transcript_init(struct transcript *t)
{
    *t = (struct transcript){ .engine = 'S' };
    buf_init(&t->events, BUF_NO_MAX);
    buf_init(&t->said, BUF_NO_MAX);
    buf_init(&t->piece, BUF_NO_MAX);
}

void transcript_fini(struct transcript *t)
{
    buf_fini(&t->events);
    buf_fini(&t->said);
    buf_fini(&t->piece);
}

void transcript_note(struct transcript *t, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    buf_vaddf(&t->events, fmt, ap);
    va_end(ap);
    buf_addc(&t->events, '\n');
}

static void unescape(struct span s, struct buf *out)
{
    for (size_t i = 0; i < s.len; i++) {
        if (s.at[i] != '\\' || i + 1 >= s.len) {
            buf_addc(out, s.at[i]);
            continue;
        }
        char hex[3] = "";
        switch (s.at[++i]) {
        case 'r': buf_addc(out, '\r'); break;
        case 'n': buf_addc(out, '\n'); break;
        case 't': buf_addc(out, '\t'); break;
        case '0': buf_addc(out, '\0'); break;
        case 'x':
            memcpy(hex, s.at + i + 1, 2);
            buf_addc(out, (char)strtol(hex, NULL, 16));
            i += 2;
            break;
        default: buf_addc(out, s.at[i]);
        }
    }
}

static bool matches(struct span got, struct span want)
{
    if (want.len && want.at[want.len - 1] == '*')
        return got.len >= want.len - 1 && memcmp(got.at, want.at, want.len - 1) == 0;
    return span_eq(got, want);
}

/* The next line of `from`, which ends with `end`, must be `want`. */
static void expect(struct buf *from, const char *end, struct span want, struct span line)
{
    const char *at = from->len ? memmem(from->at, from->len, end, strlen(end)) : NULL;

    if (!at)
        fail_msg("at \"%.*s\": nothing came but \"%s\"", (int)line.len, line.at,
                 log_safe(buf_span(from)));
    struct span got = span_of(from->at, (size_t)(at - from->at));
    if (!matches(got, want))
        fail_msg("at \"%.*s\": came \"%s\"", (int)line.len, line.at, log_safe(got));
    buf_drop(from, got.len + strlen(end));
}

static void expect_raw(struct transcript *t, struct span text, struct span line)
{
    struct buf want;

    buf_init(&want, BUF_NO_MAX);
    unescape(text, &want);
    if (t->said.len < want.len || memcmp(t->said.at, want.at, want.len) != 0)
        fail_msg("at \"%.*s\": came \"%s\"", (int)line.len, line.at,
                 log_safe(buf_span(&t->said)));
    buf_drop(&t->said, want.len);
    buf_fini(&want);
}

static void nothing_more(struct transcript *t, struct span line)
{
    if (t->said.len)
        fail_msg("before \"%.*s\": it also said \"%s\"", (int)line.len, line.at,
                 log_safe(buf_span(&t->said)));
    if (t->events.len)
        fail_msg("before \"%.*s\": it also told \"%s\"", (int)line.len, line.at,
                 log_safe(buf_span(&t->events)));
}

static void say(struct transcript *t, struct span line)
{
    struct span bytes = buf_span(&t->piece);

    t->take(t->engine_arg, &t->said);
    nothing_more(t, line);
    for (size_t i = 0; t->bytewise && i < bytes.len; i++) {
        /* a copy of its own, so that a byte too far is seen */
        char *one = malloc(1);
        *one = bytes.at[i];
        t->feed(t->engine_arg, span_of(one, 1));
        free(one);
        t->take(t->engine_arg, &t->said);
    }
    if (!t->bytewise) {
        char *copy = span_dup(bytes);
        memcpy(copy, bytes.at, bytes.len);
        t->feed(t->engine_arg, span_of(copy, bytes.len));
        free(copy);
    }
    buf_clear(&t->piece);
}

static void other_speaks(struct transcript *t, struct span line)
{
    bool is_raw = line.at[1] == '|', goes_on = line.at[1] == '+' || (is_raw && line.at[2] == '+');
    struct span text = span_from(line, is_raw && goes_on ? 4 : 3);

    if (is_raw) {
        unescape(text, &t->piece);
    } else {
        buf_addspan(&t->piece, text);
        buf_adds(&t->piece, "\r\n");
    }
    if (!goes_on)
        say(t, line);
}

static void run_line(struct transcript *t, struct span line)
{
    struct span text = span_from(line, line.at[1] == ' ' ? 2 : 3);
    char *name;

    if (line.at[0] == t->engine) {
        t->take(t->engine_arg, &t->said);
        if (line.at[1] == '|')
            expect_raw(t, text, line);
        else
            expect(&t->said, "\r\n", text, line);
    } else if (line.at[0] == '=') {
        t->take(t->engine_arg, &t->said);
        expect(&t->events, "\n", text, line);
    } else if (line.at[0] == '!') {
        name = span_dup(text);
        t->act(t->engine_arg, name);
        free(name);
    } else {
        other_speaks(t, line);
    }
}

void transcript_run(struct transcript *t, const char *script)
{
    struct span rest = span_str(script);

    while (rest.len) {
        size_t len = span_find(rest, '\n');
        struct span line = span_of(rest.at, len);
        rest = span_from(rest, len + 1);
        if (line.len > 1)
            run_line(t, line);
    }
    t->take(t->engine_arg, &t->said);
    nothing_more(t, SPAN("the end"));
}
