/* SPDX-License-Identifier: Apache-2.0
 *
 * access.h - what stands behind a key in an access table, and what a policy server answers: access(5). */
#ifndef CONFIG_ACCESS_H
#define CONFIG_ACCESS_H

#include "config/config.h"

enum access_verb {
    ACCESS_OK,
    ACCESS_DUNNO,
    ACCESS_REJECT,
    ACCESS_DEFER,
    ACCESS_DEFER_IF_PERMIT,
    ACCESS_DEFER_IF_REJECT,
    ACCESS_CODE, /* a reply as it stands: code, status, text */
    ACCESS_DISCARD,
    ACCESS_HOLD,
    ACCESS_REDIRECT,
    ACCESS_BCC,
    ACCESS_PREPEND,
    ACCESS_FILTER,
    ACCESS_INFO,
    ACCESS_WARN,
    ACCESS_RESTRICTIONS, /* text is a list of them */
};

struct access_action {
    enum access_verb verb;
    int code;        /* ACCESS_CODE */
    char status[12]; /* that the text began with, or "" */
    struct span text; /* in what was parsed */
};

/* Any bytes; never fails: what is no action is ACCESS_RESTRICTIONS. */
void access_parse(struct span value, struct access_action *out);

/* What stands behind FILTER, to be ended with transport_fini(). -1 with the cure. */
int access_filter(const struct config *cfg, struct span text, struct transport *out, struct err *e);
/* "Name: value" */
bool access_is_field(struct span text);
/* Whether it can be done at all. -1 with the cure: no such action, restriction or class; an address or a field that is none. */
int access_check(const struct config *cfg, struct span value, struct err *e);

#endif
