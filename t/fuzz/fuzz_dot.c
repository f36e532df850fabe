/* SPDX-License-Identifier: Apache-2.0
 *
 * Content read in one piece and byte by byte must be the same, clean, and come back unchanged
 * from the way out. First byte: a chunk (BDAT) or not. */
#include "base/mem.h"
#include "smtp/dot.h"

#include <stdlib.h>

/* Of `max` bytes at most, and a dot that was added. */
static void check_lines(struct span wire, size_t max)
{
    size_t len = 0;

    for (size_t i = 0; i < wire.len; i++) {
        len = wire.at[i] == '\n' ? 0 : len + 1;
        BUG_IF(len > max + 2); /* its CR too */
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void add(void *arg, struct span piece)
{
    BUG_IF(!piece.len);
    buf_addspan(arg, piece);
}

static size_t read_in(struct dot_reader *r, struct span in, size_t piece, bool is_chunk, struct buf *out)
{
    size_t at = 0;
    bool is_end = false;

    buf_clear(out);
    dot_reader_init(r, is_chunk, add, out);
    while (at < in.len && !is_end) {
        size_t n = in.len - at < piece ? in.len - at : piece;
        char *copy = xmalloc(n); /* of its own, so that a step too far is seen */
        memcpy(copy, in.at + at, n);
        struct span s = span_of(copy, n);
        is_end = dot_read(r, &s);
        BUG_IF(!is_end && s.len);
        at += n - s.len;
        free(copy);
    }
    BUG_IF(is_end && (is_chunk || in.at[at - 1] != '\n'));
    if (!is_end)
        dot_read_end(r);
    BUG_IF(r->size != out->len);
    return at;
}

static void check_clean(struct span s, const struct dot_reader *r)
{
    bool has_dot_line = false, is_8bit = false;

    for (size_t i = 0; i < s.len; i++) {
        BUG_IF(s.at[i] == '\0' || (s.at[i] == '\n') != (i > 0 && s.at[i - 1] == '\r'));
        has_dot_line |= s.at[i] == '.' && (i == 0 || s.at[i - 1] == '\n');
        is_8bit |= (unsigned char)s.at[i] >= 0x80;
    }
    BUG_IF(s.len && s.at[s.len - 1] != '\n');
    BUG_IF(has_dot_line != r->has_dot_line || is_8bit != r->is_8bit);
}

static void send_out(struct span content, bool stuffs, size_t line_max, struct buf *out)
{
    struct dot_writer w;

    dot_writer_init(&w, stuffs, line_max);
    buf_clear(out);
    for (size_t at = 0; at < content.len; at += 3) {
        size_t n = content.len - at < 3 ? content.len - at : 3;
        out->len += dot_write(&w, span_of(content.at + at, n), buf_room(out, 2 * n + DOT_WRITE_MORE));
    }
    buf_addspan(out, dot_write_end(&w));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct dot_reader r, again;
    struct buf whole, bytes, wire;

    if (size == 0)
        return 0;
    struct span in = { (const char *)data + 1, size - 1 };
    bool is_chunk = data[0] & 1;
    buf_init(&whole, BUF_NO_MAX);
    buf_init(&bytes, BUF_NO_MAX);
    buf_init(&wire, BUF_NO_MAX);
    size_t taken = read_in(&r, in, size, is_chunk, &whole);
    BUG_IF(taken != read_in(&again, in, 1 + (data[0] >> 1) % 5, is_chunk, &bytes));
    BUG_IF(!span_eq(buf_span(&whole), buf_span(&bytes)));
    BUG_IF(r.has_dot_line != again.has_dot_line || r.is_8bit != again.is_8bit ||
           r.had_bare_lf != again.had_bare_lf || r.had_bad_bytes != again.had_bad_bytes);
    check_clean(buf_span(&whole), &r);
    send_out(buf_span(&whole), r.has_dot_line, 64, &wire);
    check_lines(buf_span(&wire), 64);
    send_out(buf_span(&whole), r.has_dot_line, 0, &wire);
    BUG_IF(read_in(&again, buf_span(&wire), 7, false, &bytes) != wire.len);
    BUG_IF(!span_eq(buf_span(&whole), buf_span(&bytes)) || again.had_bare_lf || again.had_bad_bytes);
    buf_fini(&whole);
    buf_fini(&bytes);
    buf_fini(&wire);
    return 0;
}
