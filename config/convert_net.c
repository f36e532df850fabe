/* SPDX-License-Identifier: Apache-2.0
 *
 * convert_net.c - names, addresses, networks, relayhosts, transports: what a value says about the
 * network.
 *
 * Nothing is looked up here but the names of ports: a configuration that is good stays good without
 * a network. */
#include "config/config_int.h"

#include "base/mem.h"
#include "map/map.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>

static int one_word(struct conversion *c, struct strlist *words)
{
    split_words(c->text, words);
    if (words->n == 0 && c->option->not_empty)
        return err_set(c->err, ERR_CONFIG, "it may not be empty");
    if (words->n <= 1)
        return 0;
    strlist_clear(words);
    return err_set(c->err, ERR_CONFIG, "it takes one value, not several");
}

/* ---- names ---- */

bool hostname_is_sane(struct span s)
{
    if (s.len == 0 || s.len > 255 || s.at[0] == '.' || s.at[0] == '-')
        return false;
    for (size_t i = 0; i < s.len; i++) {
        unsigned char ch = (unsigned char)s.at[i];
        if (ch == '.' && i && s.at[i - 1] == '.')
            return false;
        if (ch < 0x80 && !ascii_is_alnum(ch) && ch != '-' && ch != '_' && ch != '.')
            return false;
    }
    return true;
}

static int bad_hostname(struct err *e, struct span s)
{
    if (s.len && s.at[0] == '<')
        return err_set(
            e, ERR_CONFIG,
            "\"%.*s\" stands for a value of your own: write it without the angle brackets",
            (int)s.len, s.at);
    return err_set(e, ERR_CONFIG, "\"%.*s\" is not the name of a host or domain", (int)s.len, s.at);
}

int convert_host(struct conversion *c, void *field)
{
    struct strlist words = { 0 };
    int result = 0;

    if (one_word(c, &words) < 0)
        return -1;
    struct span s = span_str(words.n ? words.at[0] : "");
    if (s.len > 1 && s.at[s.len - 1] == '.')
        s.len--; /* the root's dot says nothing in mail */
    if (!hostname_is_sane(s))
        result = bad_hostname(c->err, s);
    else
        *(char **)field = span_dup(s);
    strlist_clear(&words);
    return result;
}

/* Debian's way: /etc/mailname holds the name. */
static int first_line(struct conversion *c, const char *file, char **out)
{
    struct err e;
    mode_t mode;
    size_t len;
    char *text = read_whole(file, 65536, &len, &mode, &e);

    if (!text)
        return err_set(c->err, ERR_CONFIG, "%s: %s", file, e.text);
    struct span line = span_trim(span_of(text, span_find(span_of(text, len), '\n')));
    bool is_sane = hostname_is_sane(line);
    if (is_sane)
        *out = span_dup(line);
    free(text);
    return is_sane ? 0
                   : err_set(c->err, ERR_CONFIG, "the first line of %s is not the name of a domain",
                             file);
}

int convert_origin(struct conversion *c, void *field)
{
    if (c->text->n == 1 && c->text->at[0][0] == '/')
        return first_line(c, c->text->at[0], field);
    return convert_host(c, field);
}

/* ---- addresses and ports ---- */

struct span address_unwrap(struct span s)
{
    return s.len >= 2 && s.at[0] == '[' && s.at[s.len - 1] == ']' ? span_of(s.at + 1, s.len - 2)
                                                                  : s;
}

bool address_is(struct span s, int family)
{
    unsigned char bytes[16];
    char text[64];

    s = address_unwrap(s);
    if (s.len >= sizeof text)
        return false;
    memcpy(text, s.at, s.len);
    text[s.len] = '\0';
    return inet_pton(family, text, bytes) == 1;
}

int convert_address(struct conversion *c, int family, void *field)
{
    struct strlist words = { 0 };
    int result = 0;

    if (one_word(c, &words) < 0)
        return -1;
    struct span s = address_unwrap(span_str(words.n ? words.at[0] : ""));
    if (s.len && !address_is(s, family))
        result = err_set(c->err, ERR_CONFIG, "\"%.*s\" is not an %s address", (int)s.len, s.at,
                         family == AF_INET ? "IPv4" : "IPv6");
    else
        *(char **)field = span_dup(s);
    strlist_clear(&words);
    return result;
}

int port_parse(struct span s)
{
    static const struct config_word known[] = {
        { "smtp", 25 },         { "lmtp", 24 },        { "smtps", 465 },
        { "submissions", 465 }, { "submission", 587 }, { NULL, 0 },
    };
    uint64_t n;
    char name[64];

    if (span_u64(s, &n))
        return n >= 1 && n <= 65535 ? (int)n : -1;
    for (const struct config_word *w = known; w->word; w++)
        if (span_ieq_str(s, w->word))
            return w->value;
    if (s.len == 0 || s.len >= sizeof name)
        return -1;
    memcpy(name, s.at, s.len);
    name[s.len] = '\0';
    struct servent *service = getservbyname(name, "tcp");
    return service ? ntohs((uint16_t)service->s_port) : -1;
}

int convert_port(struct conversion *c, void *field)
{
    struct strlist words = { 0 };
    int result = 0;

    if (one_word(c, &words) < 0)
        return -1;
    int port = port_parse(span_str(words.n ? words.at[0] : ""));
    if (port < 0)
        result =
            err_set(c->err, ERR_CONFIG,
                    "\"%s\" is not a port: a number from 1 to 65535, or a name such as submission",
                    words.n ? words.at[0] : "");
    else
        *(int *)field = port;
    strlist_clear(&words);
    return result;
}

static void notice(struct conversion *c, enum config_severity s, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* The first one of a value is enough to look at the line. */
static void notice(struct conversion *c, enum config_severity s, const char *fmt, ...)
{
    va_list ap;

    if (*c->notice && c->notice_severity >= s)
        return;
    c->notice_severity = s;
    va_start(ap, fmt);
    vsnprintf(c->notice, sizeof c->notice, fmt, ap);
    va_end(ap);
}

/* "127.0.0.1/32", as handbooks print it, is the address; a whole network is nothing to listen at.
 */
static int strip_prefix(struct conversion *c, struct span *word)
{
    size_t slash = span_find(*word, '/');
    struct span host = span_of(word->at, slash), bits = span_from(*word, slash + 1);
    bool is_whole = (address_is(host, AF_INET) && span_eq(bits, SPAN("32"))) ||
                    (address_is(host, AF_INET6) && span_eq(bits, SPAN("128")));

    if (slash == word->len)
        return 0;
    if (!is_whole)
        return err_set(
            c->err, ERR_CONFIG,
            "\"%.*s\" is a network; one listens at addresses: write \"%.*s\" (networks are for mynetworks)",
            (int)word->len, word->at, (int)host.len, host.at);
    notice(c, CONFIG_NOTICE, "the prefix length of \"%.*s\" says nothing here; \"%.*s\" is enough",
           (int)word->len, word->at, (int)host.len, host.at);
    *word = host;
    return 0;
}

int convert_interfaces(struct conversion *c, void *field)
{
    struct strlist words = { 0 }, out = { 0 };
    int result = 0;

    split_words(c->text, &words);
    for (size_t i = 0; i < words.n && result == 0; i++) {
        struct span s = span_str(words.at[i]);
        result = strip_prefix(c, &s);
        bool is_literal = address_is(s, AF_INET) || address_is(s, AF_INET6);
        if (result == 0 && !is_literal && !hostname_is_sane(address_unwrap(s)))
            result = bad_hostname(c->err, s);
        strlist_add(&out, address_unwrap(s));
    }
    strlist_clear(&words);
    if (result < 0)
        strlist_clear(&out);
    else
        *(struct strlist *)field = out;
    return result;
}

int convert_networks(struct conversion *c, void *field)
{
    struct cidr_list list = { 0 };
    struct strlist words = { 0 };
    int result = 0;
    char text[64];

    split_words(c->text, &words);
    list.at = xcalloc(words.n ? words.n : 1, sizeof *list.at);
    for (size_t i = 0; i < words.n && result == 0; i++) {
        struct cidr *n = &list.at[list.n++];
        result = cidr_parse(n, span_str(words.at[i]), c->err);
        if (result == 0 && n->had_host_bits)
            notice(c, CONFIG_WARNING,
                   "\"%s\" has host bits set; it is taken as \"%s\": write it so", words.at[i],
                   cidr_format(n, text, sizeof text));
    }
    strlist_clear(&words);
    if (result < 0)
        free(list.at);
    else
        *(struct cidr_list *)field = list;
    return result;
}

int convert_relayhosts(struct conversion *c, void *field)
{
    struct relayhost_list list = { 0 };
    struct strlist words = { 0 };
    int result = 0;

    split_words(c->text, &words);
    list.at = xcalloc(words.n ? words.n : 1, sizeof *list.at);
    for (size_t i = 0; i < words.n && result == 0; i++)
        if ((result = relayhost_parse(&list.at[list.n], span_str(words.at[i]), c->err)) == 0)
            list.n++;
    strlist_clear(&words);
    if (result == 0) {
        *(struct relayhost_list *)field = list;
        return 0;
    }
    for (size_t i = 0; i < list.n; i++)
        relayhost_fini(&list.at[i]);
    free(list.at);
    return -1;
}

/* ---- transports, maps, TLS ---- */

int convert_transport(struct conversion *c, void *field)
{
    bool is_empty = c->text->n == 0 || (c->text->n == 1 && !*c->text->at[0]);

    if (is_empty && !c->option->not_empty) {
        *(struct transport *)field = (struct transport){ xstrdup(""), xstrdup("") };
        return 0;
    }
    if (is_empty || c->text->n != 1 || has_control_character(c->text->at[0]))
        return err_set(c->err, ERR_CONFIG, "it takes one transport: smtp, \"lmtp:unix:/path\", \"error:text\", ...");
    return transport_parse(field, span_str(c->text->at[0]), c->err);
}

/* "type:name", or the full name of a text alone. Whether it can be opened, its user finds out. */
static int add_map(struct strlist *out, struct span spec, struct err *e)
{
    /* Postfix asks such tables through another process; here that makes no difference. */
    while (span_starts(spec, "proxy:"))
        spec = span_from(spec, strlen("proxy:"));
    size_t colon = span_find(spec, ':');
    struct span type = span_of(spec.at, colon), name = span_from(spec, colon + 1);

    if (spec.at[0] == '/')
        type = SPAN("hash"), name = spec;
    else if (colon == spec.len || !name.len)
        return err_set(e, ERR_CONFIG, "\"%.*s\": a table is \"type:name\": \"hash:/etc/aliases\"", (int)spec.len, spec.at);
    if (map_check_type(type, e) < 0)
        return -1;
    if (map_is_file(type) && name.at[0] != '/' && name.at[0] != '{')
        return err_set(e, ERR_CONFIG, "\"%.*s\" is no full file name: it begins with /", (int)spec.len, spec.at);
    char *whole = xasprintf("%.*s:%.*s", (int)type.len, type.at, (int)name.len, name.at);
    strlist_add(out, span_str(whole));
    free(whole);
    return 0;
}

int convert_maps(struct conversion *c, void *field)
{
    struct strlist out = { 0 };
    struct span rest, spec;
    int result = 0;

    for (size_t i = 0; i < c->text->n; i++) {
        rest = span_str(c->text->at[i]);
        while (result == 0 && map_next_spec(&rest, &spec))
            result = has_control_character(c->text->at[i])
                         ? err_set(c->err, ERR_CONFIG, "it holds a control character")
                         : add_map(&out, spec, c->err);
    }
    if (result < 0)
        strlist_clear(&out);
    else
        *(struct strlist *)field = out;
    return result;
}

/* "name", "!name", "/file", "type:table" */
static int add_match(struct strlist *out, struct span item, struct err *e)
{
    struct span name = item;

    while (name.len && name.at[0] == '!')
        name = span_from(name, 1);
    if (!name.len)
        return err_set(e, ERR_CONFIG, "\"!\" stands before a name");
    if (name.at[0] == '/' || name.at[0] == '[' || span_find(name, ':') == name.len) {
        strlist_add(out, item);
        return 0;
    }
    struct strlist table = { 0 };
    if (add_map(&table, name, e) < 0)
        return -1;
    char *text = xasprintf("%.*s%s", (int)(item.len - name.len), item.at, table.at[0]);
    strlist_add(out, span_str(text));
    strlist_clear(&table);
    free(text);
    return 0;
}

int convert_match(struct conversion *c, void *field)
{
    struct strlist out = { 0 };
    struct span rest, item;
    int result = 0;

    for (size_t i = 0; i < c->text->n && result == 0; i++) {
        rest = span_str(c->text->at[i]);
        if (has_control_character(c->text->at[i]))
            result = err_set(c->err, ERR_CONFIG, "it holds a control character");
        while (result == 0 && map_next_spec(&rest, &item))
            result = add_match(&out, item, c->err);
    }
    if (result < 0)
        strlist_clear(&out);
    else
        *(struct strlist *)field = out;
    return result;
}

static int tls_version(struct span s)
{
    static const struct config_word versions[] = {
        { "SSLv2", 2 },    { "SSLv3", 3 },    { "TLSv1", 10 },   { "TLSv1.0", 10 },
        { "TLSv1.1", 11 }, { "TLSv1.2", 12 }, { "TLSv1.3", 13 }, { NULL, 0 },
    };

    for (const struct config_word *w = versions; w->word; w++)
        if (span_ieq_str(s, w->word))
            return w->value;
    return -1;
}

/* One word of the list narrows the range, or (a version by its name alone) counts it in. */
static int tls_word(struct span s, struct tls_range *range, bool *names_12, bool *names_13)
{
    char op = span_starts(s, ">=")   ? '>'
              : span_starts(s, "<=") ? '<'
              : span_starts(s, "!")  ? '!'
                                     : '=';
    int v = tls_version(span_from(s, op == '=' ? 0 : op == '!' ? 1 : 2));

    if (v < 0)
        return -1;
    if (op == '>' && v > range->min)
        range->min = v;
    else if (op == '<' && v < range->max)
        range->max = v;
    else if (op == '!' && v == 12)
        range->min = 13;
    else if (op == '!' && v == 13)
        range->max = 12;
    else if (op == '=') {
        *names_12 |= v == 12;
        *names_13 |= v == 13;
    }
    return 0;
}

int convert_tlsversions(struct conversion *c, void *field)
{
    struct tls_range range = { 12, 13 };
    bool names_12 = false, names_13 = false;
    struct strlist words = { 0 };
    int result = 0;

    split_words(c->text, &words);
    for (size_t i = 0; i < words.n && result == 0; i++)
        if (tls_word(span_str(words.at[i]), &range, &names_12, &names_13) < 0)
            result = err_set(c->err, ERR_CONFIG,
                             "\"%s\" is not a version of TLS: write \">=TLSv1.2\"", words.at[i]);
    strlist_clear(&words);
    if (names_12 != names_13) {
        range.min = names_13 && range.min < 13 ? 13 : range.min;
        range.max = names_12 && range.max > 12 ? 12 : range.max;
    }
    if (result == 0 && range.min > range.max)
        result = err_set(c->err, ERR_CONFIG,
                         "it leaves no version of TLS: there are TLSv1.2 and TLSv1.3");
    if (result == 0)
        *(struct tls_range *)field = range;
    return result;
}

int config_tls_versions(struct span text, struct tls_range *out, struct err *e)
{
    char *copy = span_dup(text);
    struct strlist list = { &copy, 1 };
    struct conversion c = { .text = &list, .err = e };

    for (char *p = copy; *p; p++)
        if (*p == ':')
            *p = ' ';
    int rc = convert_tlsversions(&c, out);
    free(copy);
    return rc;
}
