/* SPDX-License-Identifier: Apache-2.0
 *
 * milter.c - lists of filters, as Postfix writes them: "inet:localhost:11332, { unix:/run/opendkim/opendkim.sock,
 * default_action=accept, command_timeout=10s }". Commas and blanks part them, but not within braces. */
#include "config/config_int.h"

#include "base/clock.h"
#include "base/mem.h"

#include <stdlib.h>

void milter_list_clear(struct milter_list *l)
{
    for (size_t i = 0; i < l->n; i++) {
        free(l->at[i].name);
        free(l->at[i].path);
        free(l->at[i].host);
    }
    free(l->at);
    *l = (struct milter_list){ 0 };
}

/* ---- one of them ---- */

/* "host:port", "[::1]:port", and Sendmail's "port@host". */
static int parse_inet(struct milter_spec *m, struct span where, struct err *e)
{
    size_t at = span_rfind(where, '@'), colon = span_rfind(where, ':');
    struct span host = span_of(where.at, colon), port = span_from(where, colon + 1);
    uint64_t number;

    if (at < where.len) {
        host = span_from(where, at + 1);
        port = span_of(where.at, at);
    }
    if (host.len >= 2 && host.at[0] == '[' && host.at[host.len - 1] == ']')
        host = span_of(host.at + 1, host.len - 2);
    if (!span_u64(port, &number) || number < 1 || number > 65535)
        return err_set(e, ERR_CONFIG, "\"%.*s\" has no port: write inet:host:port", (int)where.len, where.at);
    if (!host.len)
        return err_set(e, ERR_CONFIG, "\"%.*s\" has no host: write inet:host:port", (int)where.len, where.at);
    m->host = span_dup(host);
    m->port = (uint16_t)number;
    return 0;
}

static int parse_address(struct milter_spec *m, struct span text, struct err *e)
{
    m->name = span_dup(text);
    if (span_istarts(text, "unix:/") || span_istarts(text, "local:/")) {
        m->path = span_dup(span_from(text, span_find(text, ':') + 1));
        return 0;
    }
    if (span_istarts(text, "inet:"))
        return parse_inet(m, span_from(text, 5), e);
    return err_set(e, ERR_CONFIG, "\"%s\" is no address of a milter: write unix:/path or inet:host:port", m->name);
}

static int parse_time(struct span value, int64_t *out, struct err *e)
{
    static const struct { char letter; int64_t seconds; } units[] = { { 's', 1 }, { 'm', 60 }, { 'h', 3600 }, { 'd', 86400 } };
    int64_t factor = 1;
    uint64_t n;
    struct span digits = value;

    for (size_t i = 0; value.len && i < ARRAY_LEN(units); i++)
        if (value.at[value.len - 1] == units[i].letter) {
            factor = units[i].seconds;
            digits.len--;
            break;
        }
    if (!span_u64(digits, &n) || n < 1 || n > 86400)
        return err_set(e, ERR_CONFIG, "\"%.*s\" is no time: a number and s, m or h", (int)value.len, value.at);
    *out = (int64_t)n * factor * USEC_PER_SEC;
    return 0;
}

static int parse_word(const struct config_word *w, struct span value, int *out, struct err *e)
{
    for (; w->word; w++)
        if (span_ieq_str(value, w->word)) {
            *out = w->value;
            return 0;
        }
    return err_set(e, ERR_CONFIG, "\"%.*s\" is not one of its words", (int)value.len, value.at);
}

static int parse_option(struct milter_spec *m, struct span text, struct err *e)
{
    size_t eq = span_find(text, '=');
    struct span name = span_trim(span_of(text.at, eq)), value = span_trim(span_from(text, eq + 1));
    int rc;

    if (span_ieq_str(name, "default_action"))
        rc = parse_word(config_milter_actions, value, &m->default_action, e);
    else if (span_ieq_str(name, "protocol"))
        rc = parse_word(config_milter_protocols, value, &m->protocol, e);
    else if (span_ieq_str(name, "connect_timeout"))
        rc = parse_time(value, &m->connect_timeout, e);
    else if (span_ieq_str(name, "command_timeout"))
        rc = parse_time(value, &m->command_timeout, e);
    else if (span_ieq_str(name, "content_timeout"))
        rc = parse_time(value, &m->content_timeout, e);
    else
        return err_set(e, ERR_CONFIG, "a milter has no option \"%.*s\": there are default_action, protocol, connect_timeout, "
                       "command_timeout and content_timeout", (int)name.len, name.at);
    return rc < 0 ? err_prefix(e, "%.*s", (int)name.len, name.at) : 0;
}

/* ---- all ---- */

static int add_spec(struct milter_list *l, struct span text, struct err *e)
{
    bool is_first = true;

    l->at = xreallocarray(l->at, l->n + 1, sizeof *l->at);
    struct milter_spec *m = &l->at[l->n++];
    *m = (struct milter_spec){ .default_action = -1 };
    while (text.len) {
        size_t n = span_find(text, ',');
        struct span part = span_trim(span_of(text.at, n));
        text = span_from(text, n + 1);
        if (!part.len)
            continue;
        if (is_first ? parse_address(m, part, e) < 0 : parse_option(m, part, e) < 0)
            return -1;
        is_first = false;
    }
    return is_first ? err_set(e, ERR_CONFIG, "braces with no milter between") : 0;
}

/* The next one off the front, without its braces. */
static int next_spec(struct span *rest, struct span *spec, struct err *e)
{
    *rest = span_trim(*rest);
    while (rest->len && rest->at[0] == ',')
        *rest = span_trim(span_from(*rest, 1));
    *spec = span_of(rest->at, 0);
    if (!rest->len)
        return 0;
    if (rest->at[0] != '{') {
        span_word(rest, ",\r\n", spec);
        return 1;
    }
    size_t end = span_find(*rest, '}');
    if (end == rest->len)
        return err_set(e, ERR_CONFIG, "a \"{\" without its \"}\"");
    *spec = span_of(rest->at + 1, end - 1);
    *rest = span_from(*rest, end + 1);
    return 1;
}

int milter_list_parse(struct span text, struct milter_list *l, struct err *e)
{
    struct span spec;
    int rc;

    *l = (struct milter_list){ 0 };
    while ((rc = next_spec(&text, &spec, e)) > 0)
        if (add_spec(l, spec, e) < 0) {
            rc = -1;
            break;
        }
    if (rc < 0)
        milter_list_clear(l);
    return rc;
}

int convert_milters(struct conversion *c, void *field)
{
    struct buf joined;

    buf_init(&joined, BUF_NO_MAX);
    strlist_join(c->text, &joined);
    int rc = milter_list_parse(buf_span(&joined), field, c->err);
    buf_fini(&joined);
    return rc;
}

void free_milters(void *field)
{
    milter_list_clear(field);
}
