/* SPDX-License-Identifier: Apache-2.0
 *
 * restrict.h - lists of restrictions, as smtpd_recipient_restrictions: what they say, and what they ask for. Who goes by them is
 * the server module. */
#ifndef CONFIG_RESTRICT_H
#define CONFIG_RESTRICT_H

#include "base/err.h"
#include "base/span.h"

#include <stdbool.h>
#include <stddef.h>

struct config;

enum restriction_id {
#define RESTRICTION(name, needs, argument) RESTRICTION_##name,
#include "config/restrictions.h"
    N_RESTRICTIONS,
    RESTRICTION_CLASS = N_RESTRICTIONS, /* `arg` is the title of a restriction_class section; or it is no name at all (checked) */
};

/* What has to be known for it. */
enum restriction_needs {
    RESTRICTION_NEEDS_CLIENT,
    RESTRICTION_NEEDS_HELO,
    RESTRICTION_NEEDS_SENDER,
    RESTRICTION_NEEDS_RECIPIENT,
    RESTRICTION_NEEDS_DATA,
};

enum restriction_argument {
    RESTRICTION_TAKES_NONE,
    RESTRICTION_TAKES_TABLE,
    RESTRICTION_TAKES_DOMAIN,
    RESTRICTION_TAKES_SERVICE,
    RESTRICTION_TAKES_TIME,
};

struct restriction {
    enum restriction_id id;
    char *arg; /* or NULL. A TIME has become seconds */
};

struct restriction_list {
    struct restriction *at;
    size_t n;
};

struct restriction_kind {
    const char *name;
    enum restriction_needs needs;
    enum restriction_argument argument;
};
extern const struct restriction_kind restriction_kinds[N_RESTRICTIONS];

/* The lists, in the order in which they are asked. */
enum restriction_place {
    RESTRICT_CLIENT,
    RESTRICT_HELO,
    RESTRICT_SENDER,
    RESTRICT_RELAY,
    RESTRICT_RECIPIENT,
    RESTRICT_DATA,
    RESTRICT_END,
    N_RESTRICT_PLACES,
};
const struct restriction_list *config_restrictions(const struct config *cfg, enum restriction_place place);

/* The restrictions of that class, or NULL. */
const struct restriction_list *config_restriction_class(const struct config *cfg, const char *name);

/* Adds what stands in `text`, parted by commas and blanks, to `out`. -1 with the cure: an argument is missing or is not one; what
 * was read stays in `out`. */
int restrictions_parse(struct span text, struct restriction_list *out, struct err *e);
void restrictions_fini(struct restriction_list *l);

/* What `text` was probably meant to be; NULL: nothing near. */
const char *restriction_suggest(const struct config *cfg, const char *text);

/* Whether an answer of a list in the DNS is one that "127.0.0.[2..11]" means; -1: that is no such thing. */
int restriction_filter_match(struct span filter, const unsigned char address[4]);

/* What lists ask of the process that goes by them. */
enum {
    RESTRICT_ASKS_DNS = 1,
    RESTRICT_ASKS_SERVICE = 2, /* connects to policy servers */
    RESTRICT_ASKS_NAMES = 4,   /* the name of the client, by its address */
};
unsigned restrictions_ask(const struct restriction_list *l);
/* All lists and classes together, and smtpd_peername_lookup. Where there is an access table or a policy server the DNS is among it,
 * for what they answer may ask it. */
unsigned config_restrictions_ask(const struct config *cfg);
/* Whether a row of a table may name it: what it asks is there, because a list or a class asks the same. -1 with the cure. */
int restriction_check_row(const struct config *cfg, const struct restriction *r, struct err *e);

#endif
