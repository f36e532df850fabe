/* SPDX-License-Identifier: Apache-2.0
 *
 * delivery_origin.c - where a message came from, for programs that want to know (pipe(8), local(8)): the relay tells client and login
 * with MAIL; how the client called itself, and what it spoke, stands in our own Received:. */
#include "server/deliver.h"

#include "mail/header.h"

#include <stdlib.h>
#include <string.h>

/* "name[address]" */
static struct span client_name(const struct delivery *d)
{
    struct span client = span_str(d->mail->env.client ? d->mail->env.client : "");
    return span_of(client.at, span_rfind(client, '['));
}

static struct span client_address(const struct delivery *d)
{
    struct span client = span_str(d->mail->env.client ? d->mail->env.client : "");
    struct span rest = span_from(client, span_rfind(client, '[') + 1);
    return span_of(rest.at, span_find(rest, ']'));
}

static void add_helo(const struct delivery *d, struct buf *out)
{
    struct buf line;

    buf_init(&line, BUF_NO_MAX);
    const char *text = delivery_received_by(d, &line) ? buf_cstr(&line) : "";
    if (client_address(d).len && strncmp(text, "from ", 5) == 0)
        buf_add(out, text + 5, strcspn(text + 5, " "));
    buf_fini(&line);
}

/* Without what it says of TLS and AUTH. */
static void add_protocol(const struct delivery *d, struct buf *out)
{
    struct buf line;

    buf_init(&line, BUF_NO_MAX);
    const char *by = delivery_received_by(d, &line); /* the cipher stands before it: "(using TLSv1.3 with cipher ...)" */
    const char *with = by ? strstr(by, " with ") : NULL;
    if (client_address(d).len && with) {
        struct span word = span_of(with + 6, strcspn(with + 6, " "));
        size_t at = span_istarts(word, "UTF8") ? 4 : 0;
        const char *end = span_istarts(span_from(word, at), "ESMTP") ? "ESMTP" : "SMTP";
        buf_adds(out, end);
    }
    buf_fini(&line);
}

static void add_client_name(const struct delivery *d, struct buf *out) { buf_addspan(out, client_name(d)); }
static void add_client_address(const struct delivery *d, struct buf *out) { buf_addspan(out, client_address(d)); }
static void add_login(const struct delivery *d, struct buf *out) { buf_adds(out, d->mail->env.login ? d->mail->env.login : ""); }

/* What Baton does not keep with a message has no value. */
static const struct {
    const char *name;
    void (*add)(const struct delivery *d, struct buf *out);
} names[] = {
    { "client_address", add_client_address }, { "client_helo", add_helo },     { "client_hostname", add_client_name },
    { "client_port", NULL },                  { "client_protocol", add_protocol }, { "sasl_method", NULL },
    { "sasl_sender", NULL },                  { "sasl_username", add_login },
};

const char *delivery_origin_name(size_t i)
{
    return i < ARRAY_LEN(names) ? names[i].name : NULL;
}

bool delivery_origin(const struct delivery *d, struct span name, struct buf *out)
{
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        if (!span_ieq_str(name, names[i].name))
            continue;
        if (names[i].add)
            names[i].add(d, out);
        return true;
    }
    return false;
}
