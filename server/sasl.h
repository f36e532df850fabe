/* SPDX-License-Identifier: Apache-2.0
 *
 * sasl.h - what auth_sasl.c wants of libsasl2: the module sasl.so (module.h), which is sasl_module.c.
 *
 * Calls block (saslauthd, a file): sasl_step() runs on threads, of any number of contexts at a time, one call at a time for each. */
#ifndef SERVER_SASL_H
#define SERVER_SASL_H

#include "base/span.h"
#include "server/module.h"

struct sasl_context;

struct sasl_terms { /* borrowed; outlives the contexts */
    const char *application; /* "smtpd": its settings are in smtpd.conf */
    const char *folder;      /* where that is; NULL: where the library looks by itself */
    const char *service, *hostname;
    const char *realm;       /* or NULL */
};

enum sasl_outcome { SASL_STEP_MORE, SASL_STEP_YES, SASL_STEP_NO, SASL_STEP_LATER };

struct sasl_result {
    enum sasl_outcome outcome;
    const char *out;    /* MORE: the challenge, valid till the next call for the context */
    size_t out_len;
    char user[513];     /* YES; else "" */
    char reason[128];   /* NO, LATER: in the library's words */
    char complaint[400]; /* what it had to say besides, for the log; or "" */
};

struct sasl_module {
    struct module module;
    /* Once a process: reads the settings and loads the library's plugins. */
    int (*start)(const struct sasl_terms *terms, struct err *e);
    /* A client's exchanges. `options` are of enum config_sasl_option. */
    struct sasl_context *(*open)(const struct sasl_terms *terms, unsigned options, struct err *e);
    void (*close)(struct sasl_context *c);
    /* "PLAIN LOGIN", to be freed. */
    char *(*list)(struct sasl_context *c, struct err *e);
    /* `mech` NULL: one more step; `in.at` NULL: the client has sent nothing yet. */
    void (*step)(struct sasl_context *c, const char *mech, struct span in, struct sasl_result *r);
};

#endif
