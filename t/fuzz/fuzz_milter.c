/* SPDX-License-Identifier: Apache-2.0
 *
 * A filter that says anything, in any pieces. First byte: how the bytes are cut. An answer comes only to what was asked, nothing
 * comes after a fault, and what is handed on has no NUL where text is meant. */
#include "base/mem.h"
#include "smtp/milter.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool say(struct milter *m, unsigned what)
{
    milter_macro(m, "i", "id");
    switch (what % 9) {
    case 0: return milter_connect(m, "x", "192.0.2.1", 25);
    case 1: return milter_helo(m, "x");
    case 2: return milter_mail(m, "a@x", NULL);
    case 3: return milter_rcpt(m, "b@x", NULL);
    case 4: return milter_data(m);
    case 5: return milter_header(m, SPAN("A"), SPAN(" b\r\n c\r\n"));
    case 6: return milter_eoh(m);
    case 7: return milter_body(m, SPAN("x\r\n"));
    default: return milter_end(m);
    }
}

static void look(const struct milter_news *n, bool *is_asked, bool *is_broken)
{
    BUG_IF(*is_broken);
    if (n->kind == MILTER_ANSWER) {
        BUG_IF(!*is_asked);
        *is_asked = false;
        BUG_IF(n->verdict == MILTER_REPLY && (n->code < 400 || n->code > 599));
    }
    if (n->kind == MILTER_CHANGE) {
        BUG_IF(!*is_asked);
        BUG_IF(span_find(n->name, '\0') < n->name.len);
        BUG_IF(n->change != MILTER_REPLACE_BODY && span_find(n->value, '\0') < n->value.len);
    }
    *is_broken = n->kind == MILTER_FAULT;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct milter *m = milter_new(6);
    struct milter_news n;
    bool is_asked = false, is_broken = false, is_ready = false;
    unsigned seed = size ? data[0] : 1, what = 0;

    for (size_t at = 1; at < size;) {
        size_t piece = 1 + seed % 61;
        seed = seed * 1103515245 + 12345;
        if (piece > size - at)
            piece = size - at;
        milter_input(m, span_of((const char *)data + at, piece));
        at += piece;
        while (milter_next(m, &n)) {
            is_ready |= n.kind == MILTER_NEGOTIATED;
            look(&n, &is_asked, &is_broken);
        }
        while (is_ready && !is_broken && !is_asked && what < 100)
            is_asked = say(m, what++);
        milter_sent(m, milter_output(m).len);
    }
    milter_free(m);
    return 0;
}
