/* SPDX-License-Identifier: Apache-2.0
 *
 * rewriting.h - addresses of envelopes and headers that are put in the place of others: canonical_maps and its kin,
 * masquerade_domains, smtp_generic_maps.
 *
 * Whoever rewrites a whole header section or envelope writes it down as one pass over it, and asks for each address. Where all
 * tables answer in place there is one pass. Where one has to be waited for the pass is made again, from the top, when its answers
 * have come; what an earlier pass has made is thrown away (lookup.h). */
#ifndef RELAY_REWRITING_H
#define RELAY_REWRITING_H

#include "relay/resolve.h"

/* Whether addresses of such a kind are ever rewritten. */
bool resolver_rewrites(const struct resolver *r, unsigned where);

struct rewriting;
typedef void rewriting_fn(void *arg, struct rewriting *w);

/* In a pass: 1 and the new address in `out` (emptied before), 0 when it stays, -1 when nobody can tell, or not yet: the pass goes on
 * with the other addresses, so that they are asked for together. */
int rewriting_address(struct rewriting *w, const char *address, enum rewrite_where where, struct buf *out);

/* One pass. False: something has to be waited for, and nothing was asked: rewriting_start(). `*cannot_tell`: a table is out of order,
 * which has been logged. */
bool rewriting_now(struct resolver *r, rewriting_fn *pass, void *arg, bool *cannot_tell);

/* As many passes as are needed; done() comes once: from inside when nothing has to be waited for, and NULL comes back, else later,
 * from the loop. `arg` is the same for both. */
typedef void rewriting_done_fn(void *arg, bool cannot_tell);
struct rewriting *rewriting_start(struct resolver *r, rewriting_fn *pass, rewriting_done_fn *done, void *arg);
/* done() will not be called. NULL is fine. */
void rewriting_cancel(struct rewriting *w);

#endif
