/* SPDX-License-Identifier: Apache-2.0
 *
 * access.h - access(5): which keys of a table are asked for, and what its answers do. */
#ifndef SERVER_ACCESS_H
#define SERVER_ACCESS_H

#include "config/access.h"
#include "server/restrict_int.h"

/* ---- keys ---- */

struct access_key {
    char *text;
    bool is_whole; /* else a part, which tables of patterns are not asked for */
    unsigned group; /* an answer that says nothing ends its group only */
};

struct access_keys {
    struct access_key *at;
    size_t n;
    unsigned group; /* of what is added */
};

/* A host: its name (NULL: none) and domains above it, its address and networks above it. `has_dots`: the domains begin with a dot
 * (access_has_dots()). */
void access_keys_host(struct access_keys *k, const char *name, const char *address, bool has_dots);
/* An address, `delimiters` parting its extension; of the null sender `null_key`. */
void access_keys_address(struct access_keys *k, const char *address, const char *delimiters, const char *null_key, bool has_dots);
/* "joe" of "joe+lists". */
struct span address_without_extension(struct span local, const char *delimiters);
void access_keys_add(struct access_keys *k, struct span text, bool is_whole);
/* The domains above a host begin with a dot: parent_domain_matches_subdomains leaves access tables out. */
bool access_has_dots(const struct check *c);
void access_keys_fini(struct access_keys *k);

/* ---- asking ---- */

/* Asks for one key after the other, and does what the first answer says. Takes the keys. `no_permit`: OK says nothing (what
 * somebody's name server says permits nobody). */
enum outcome access_ask(struct check *c, const char *table, struct access_keys *keys, struct subject s, bool no_permit);

/* ---- answers ---- */

/* Does it. `from` is what said so, for the log: "hash:/etc/baton/access". */
enum outcome access_do(struct check *c, const char *from, struct span value, struct subject s, bool no_permit);

#endif
