/* SPDX-License-Identifier: Apache-2.0
 *
 * Lines are found with memchr() and stay where they are: what is handed out is cut only where a
 * byte is changed, which in most messages is nowhere. States are named for what has been seen; a
 * CR or a dot that may be part of an end is held back until the next byte tells. */
#include "smtp/dot.h"

void dot_reader_init(struct dot_reader *r, bool is_chunk, dot_out_fn *out, void *arg)
{
    *r = (struct dot_reader){ .is_chunk = is_chunk, .out = out, .arg = arg };
}

static uint64_t word_at(const char *p)
{
    uint64_t word;
    memcpy(&word, p, sizeof word);
    return word;
}

static bool has_high_bit(struct span s)
{
    const char *p = s.at, *end = s.at + s.len;
    uint64_t bits = 0;

    for (; end - p >= 32; p += 32)
        bits |= (word_at(p) | word_at(p + 8)) | (word_at(p + 16) | word_at(p + 24));
    for (; p < end; p++)
        bits |= (unsigned char)*p;
    return bits & UINT64_C(0x8080808080808080);
}

static void give(struct dot_reader *r, const char *from, const char *to)
{
    struct span s = { from, (size_t)(to - from) };

    if (!s.len)
        return;
    r->size += s.len;
    if (!r->is_8bit)
        r->is_8bit = has_high_bit(s);
    r->out(r->arg, s);
}

static void give_line_end(struct dot_reader *r)
{
    static const char crlf[2] = "\r\n";
    give(r, crlf, crlf + 2);
}

static void give_blank(struct dot_reader *r)
{
    static const char blank = ' ';
    r->had_bad_bytes = true;
    give(r, &blank, &blank + 1);
}

/* A piece of input on its way through: bytes [start, p) are to be handed out as they are. The next
 * LF, CR and NUL at or behind `p` are remembered (`end`: there is none), so that a stream of nothing
 * but CRs is not searched for its LF again and again. */
struct walk {
    const char *start, *p, *end;
    const char *lf, *cr, *nul;
};

static const char *find(const struct walk *w, const char **where, char c)
{
    if (!*where || *where < w->p)
        *where = memchr(w->p, c, (size_t)(w->end - w->p));
    if (!*where)
        *where = w->end;
    return *where;
}

static void give_up_to(struct dot_reader *r, struct walk *w, const char *to)
{
    give(r, w->start, to);
    w->start = w->p = to;
}

/* The byte at `at` is not handed out; the next piece begins behind it. */
static void drop(struct dot_reader *r, struct walk *w, const char *at)
{
    give_up_to(r, w, at);
    w->start = w->p = at + 1;
}

static void end_line(struct dot_reader *r, bool by_lf)
{
    r->state = DOT_AT_LINE_START;
    r->after_lf = by_lf;
    r->lf_ends = r->lf_ends && by_lf;
    r->had_bare_lf |= by_lf;
}

static void in_line(struct dot_reader *r, struct walk *w)
{
    const char *lf = find(w, &w->lf, '\n'), *cr = find(w, &w->cr, '\r');
    const char *nul = find(w, &w->nul, '\0');

    if (lf < w->end && cr + 1 == lf && cr < nul) {
        w->p = lf + 1;
        end_line(r, false);
    } else if (cr < lf && cr < nul && cr + 1 == w->end) { /* the next byte will tell what it is */
        drop(r, w, cr);
        r->state = DOT_SEEN_CR;
    } else if (cr < lf || nul < lf) {
        drop(r, w, cr < nul ? cr : nul);
        give_blank(r);
    } else if (lf < w->end) {
        drop(r, w, lf);
        give_line_end(r);
        end_line(r, true);
    } else {
        w->p = w->end;
    }
}

static void at_line_start(struct dot_reader *r, struct walk *w)
{
    r->state = DOT_IN_LINE;
    if (*w->p != '.')
        return;
    if (r->is_chunk) {
        r->has_dot_line = true;
        return;
    }
    drop(r, w, w->p);
    r->state = DOT_SEEN_DOT;
}

static void seen_cr(struct dot_reader *r, struct walk *w)
{
    if (*w->p == '\n') {
        drop(r, w, w->p);
        give_line_end(r);
        end_line(r, false);
    } else {
        give_blank(r);
        r->state = DOT_IN_LINE;
    }
}

/* True: LF . LF from one who knows no CR. */
static bool seen_dot(struct dot_reader *r, struct walk *w)
{
    r->state = DOT_IN_LINE;
    if (*w->p == '\n' && r->lf_ends) {
        drop(r, w, w->p);
        return true;
    }
    if (*w->p == '\r') {
        drop(r, w, w->p);
        r->state = DOT_SEEN_DOT_CR;
    } else if (*w->p == '.') {
        r->has_dot_line = true;
    }
    return false;
}

/* True: CR LF . CR LF, all of it. */
static bool seen_dot_cr(struct dot_reader *r, struct walk *w)
{
    if (*w->p == '\n' && !r->after_lf) {
        drop(r, w, w->p);
        return true;
    }
    seen_cr(r, w);
    return false;
}

bool dot_read(struct dot_reader *r, struct span *in)
{
    struct walk w = { .start = in->at, .p = in->at, .end = in->at + in->len };
    bool is_end = false;

    while (w.p < w.end && !is_end) {
        switch (r->state) {
        case DOT_AT_LINE_START: at_line_start(r, &w); break;
        case DOT_IN_LINE: in_line(r, &w); break;
        case DOT_SEEN_CR: seen_cr(r, &w); break;
        case DOT_SEEN_DOT: is_end = seen_dot(r, &w); break;
        case DOT_SEEN_DOT_CR: is_end = seen_dot_cr(r, &w); break;
        }
    }
    give_up_to(r, &w, w.p);
    *in = span_of(w.p, (size_t)(w.end - w.p));
    return is_end;
}

void dot_read_end(struct dot_reader *r)
{
    if (r->state == DOT_SEEN_CR)
        give_blank(r);
    if (r->state != DOT_AT_LINE_START)
        give_line_end(r);
    r->state = DOT_AT_LINE_START;
}

/* ---- writing ------------------------------------------------------------------------------- */

void dot_writer_init(struct dot_writer *w, bool stuffs, size_t line_max)
{
    *w = (struct dot_writer){ .stuffs = stuffs, .line_max = line_max, .at_line_start = true };
}

void dot_writer_note(struct dot_writer *w, struct span in)
{
    if (!in.len)
        return;
    char last = in.at[in.len - 1];
    bool was_cr = in.len > 1 ? in.at[in.len - 2] == '\r' : w->seen_cr;
    w->at_line_start = last == '\n' && was_cr;
    w->seen_cr = last == '\r';
}

static char *copy(char *to, const char *from, size_t n)
{
    memcpy(to, from, n);
    return to + n;
}

/* How much of `text`, which does not fit, goes into this line: not a part of a character. */
static size_t room_in_line(const struct dot_writer *w, struct span text)
{
    size_t room = w->line_len < w->line_max ? w->line_max - w->line_len : 0, n = room;

    while (n > 0 && room - n < 3 && ((unsigned char)text.at[n] & 0xc0) == 0x80)
        n--;
    return n < text.len && ((unsigned char)text.at[n] & 0xc0) == 0x80 ? room : n;
}

/* A line, or a piece of one. A CR is always that of its end. */
static char *copy_broken(struct dot_writer *w, struct span line, char *to)
{
    bool ends = line.at[line.len - 1] == '\n';
    size_t end_len = ends && line.len > 1 && line.at[line.len - 2] == '\r' ? 2 : ends || line.at[line.len - 1] == '\r';
    struct span text = span_of(line.at, line.len - end_len);

    while (w->line_len + text.len > w->line_max) {
        size_t n = room_in_line(w, text);
        to = copy(copy(to, text.at, n), "\r\n ", 3);
        w->line_len = 1;
        text = span_from(text, n);
    }
    w->line_len = ends ? 0 : w->line_len + text.len;
    return copy(copy(to, text.at, text.len), line.at + line.len - end_len, end_len);
}

size_t dot_write(struct dot_writer *w, struct span in, char *to)
{
    const char *p = in.at, *end = in.at + in.len;
    bool at_start = w->at_line_start;
    char *o = to;

    while (p < end) {
        if (at_start && *p == '.' && w->stuffs)
            *o++ = '.';
        const char *nl = memchr(p, '\n', (size_t)(end - p));
        const char *next = nl ? nl + 1 : end;
        struct span line = span_of(p, (size_t)(next - p));
        o = w->line_max ? copy_broken(w, line, o) : copy(o, line.at, line.len);
        p = next;
        at_start = nl != NULL;
    }
    dot_writer_note(w, in);
    return (size_t)(o - to);
}

struct span dot_write_end(const struct dot_writer *w)
{
    return w->at_line_start ? SPAN(".\r\n") : SPAN("\r\n.\r\n");
}
