/* SPDX-License-Identifier: Apache-2.0
 *
 * A message as sendmail reads it: line ends, header section, recipients, fix-ups. The first byte: where it is cut. */
#include "base/mem.h"
#include "mail/fixup.h"
#include "mail/header.h"
#include "mail/lines.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_line_ends(struct span s)
{
    for (size_t i = 0; i < s.len; i++) {
        BUG_IF(s.at[i] == '\0');
        BUG_IF(s.at[i] == '\n' && (i == 0 || s.at[i - 1] != '\r'));
        BUG_IF(s.at[i] == '\r' && (i + 1 == s.len || s.at[i + 1] != '\n'));
    }
}

static void check_fixed(struct span section, const struct fixup_facts *facts)
{
    struct fixup_result result;
    struct header_field f;
    struct buf once, twice;

    buf_init(&once, BUF_NO_MAX);
    buf_init(&twice, BUF_NO_MAX);
    if (fixup_header(section, facts, &once, &result, NULL) == 0) {
        struct span s = buf_span(&once);
        check_line_ends(s);
        BUG_IF(header_find(s, "Bcc", &f) || header_find(s, "Return-Path", &f) || !header_find(s, "Date", &f));
        BUG_IF(header_body_at(s) != s.len);
        bool has_nul = memchr(section.at, 0, section.len) != NULL; /* it vanishes, and that may mend an address */
        BUG_IF(fixup_header(s, facts, &twice, NULL, NULL) == 0 && !has_nul && !span_eq(s, buf_span(&twice)));
    }
    buf_fini(&once);
    buf_fini(&twice);
}

static void normalise(struct span in, size_t cut, struct buf *out)
{
    struct lines l;

    lines_init(&l, false);
    lines_feed(&l, span_of(in.at, cut), out);
    lines_feed(&l, span_from(in, cut), out);
    lines_end(&l, out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct fixup_facts facts = { .myhostname = "h.example",
                                       .myorigin = "o.example",
                                       .sender = "s@o.example",
                                       .id = "4cQx",
                                       .flags = FIXUP_ADD | FIXUP_COMPLETE | FIXUP_ENCODE };
    struct span in = { (const char *)data + 1, size - 1 };
    struct header_reader reader;
    struct buf whole, cut;
    struct envelope env;
    struct span lead, rest;

    if (size == 0)
        return 0;
    buf_init(&whole, BUF_NO_MAX);
    buf_init(&cut, BUF_NO_MAX);
    normalise(in, 0, &whole);
    normalise(in, in.len ? data[0] % in.len : 0, &cut);
    BUG_IF(!span_eq(buf_span(&whole), buf_span(&cut)));
    check_line_ends(buf_span(&whole));
    header_reader_init(&reader, 0);
    rest = buf_span(&whole);
    if (header_reader_take(&reader, &rest, &lead, NULL) >= 0 && header_reader_end(&reader, &lead, NULL) >= 0)
        check_fixed(buf_span(&reader.section), &facts);
    check_fixed(in, &facts); /* also what no reader has seen */
    envelope_init(&env);
    fixup_recipients(in, 0, &env, NULL);
    for (size_t i = 0; i < env.n_rcpts; i++)
        BUG_IF(env.rcpts[i].address[0] == '-' || env.rcpts[i].address[0] == '\0');
    envelope_fini(&env);
    header_reader_fini(&reader);
    buf_fini(&whole);
    buf_fini(&cut);
    return 0;
}
