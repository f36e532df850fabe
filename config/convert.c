/* SPDX-License-Identifier: Apache-2.0
 *
 * convert.c - text to typed fields: one function a type, in one table. Those that speak of the
 * network are in convert_net.c. A function writes its field only when the whole value is good. */
#include "config/config_int.h"

#include "base/clock.h"
#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

bool has_control_character(const char *s)
{
    for (; *s; s++)
        if ((unsigned char)*s < 0x20 || *s == 0x7f)
            return true;
    return false;
}

void split_words(const struct strlist *text, struct strlist *out)
{
    for (size_t i = 0; i < text->n; i++) {
        struct span rest = span_str(text->at[i]), word;
        while (span_word(&rest, ",\r\n", &word))
            strlist_add(out, word);
    }
}

/* The one text of a value that is no list, trimmed. */
static int one(struct conversion *c, struct span *out)
{
    if (c->text->n > 1 || (c->is_list && c->text->n != 1))
        return err_set(c->err, ERR_CONFIG, "it takes one value, not a list");
    *out = span_trim(span_str(c->text->n ? c->text->at[0] : ""));
    if (c->option->not_empty && out->len == 0)
        return err_set(c->err, ERR_CONFIG, "it may not be empty");
    for (size_t i = 0; i < out->len; i++)
        if ((unsigned char)out->at[i] < 0x20 || out->at[i] == 0x7f)
            return err_set(c->err, ERR_CONFIG, "it holds a control character or a line end");
    return 0;
}

static int convert_str(struct conversion *c, void *field)
{
    struct span s;

    if (one(c, &s) < 0)
        return -1;
    *(char **)field = span_dup(s);
    return 0;
}

static int convert_path(struct conversion *c, void *field)
{
    struct span s;

    if (one(c, &s) < 0)
        return -1;
    if (s.len && s.at[0] != '/')
        return err_set(c->err, ERR_CONFIG, "\"%.*s\" is no full file name: it begins with /",
                       (int)s.len, s.at);
    *(char **)field = span_dup(s);
    return 0;
}

static int convert_log(struct conversion *c, void *field)
{
    struct span s;

    if (one(c, &s) < 0)
        return -1;
    if (s.at[0] != '/' && !span_eq(s, SPAN("stderr")) && !span_eq(s, SPAN("syslog")))
        return err_set(c->err, ERR_CONFIG,
                       "it is \"stderr\", \"syslog\" or the full name of a file, not \"%.*s\"",
                       (int)s.len, s.at);
    *(char **)field = span_dup(s);
    return 0;
}

static int convert_list(struct conversion *c, void *field)
{
    struct strlist words = { 0 };

    split_words(c->text, &words);
    if (c->option->not_empty && words.n == 0)
        return err_set(c->err, ERR_CONFIG, "it may not be empty");
    for (size_t i = 0; i < words.n; i++)
        if (has_control_character(words.at[i])) {
            strlist_clear(&words);
            return err_set(c->err, ERR_CONFIG, "it holds a control character");
        }
    *(struct strlist *)field = words;
    return 0;
}

/* In braces each text is one argument; a single string is parted at blanks. */
static int convert_command(struct conversion *c, void *field)
{
    struct strlist words = { 0 };

    for (size_t i = 0; i < c->text->n; i++) {
        struct span rest = span_str(c->text->at[i]), word;
        if (c->is_list)
            strlist_add(&words, rest);
        else
            while (span_word(&rest, "\r\n", &word))
                strlist_add(&words, word);
    }
    if (words.n && words.at[0][0] != '/') {
        int rc = err_set(c->err, ERR_CONFIG,
                         "\"%s\" is no full file name: a program's begins with /", words.at[0]);
        strlist_clear(&words);
        return rc;
    }
    *(struct strlist *)field = words;
    return 0;
}

/* A list is joined as it would have been written. What stands in it, a rule looks at (deliver.c). */
static int convert_template(struct conversion *c, void *field)
{
    struct buf all;

    buf_init(&all, BUF_NO_MAX);
    strlist_join(c->text, &all);
    *(char **)field = buf_take(&all);
    return 0;
}

/* ---- numbers ---- */

struct unit {
    char letter;
    int64_t factor;
};

static const struct unit time_units[] = {
    { 's', 1 }, { 'm', 60 }, { 'h', 3600 }, { 'd', 86400 }, { 'w', 7 * 86400 }, { 0, 0 },
};
static const struct unit size_units[] = {
    { 'k', 1 << 10 }, { 'K', 1 << 10 }, { 'm', 1 << 20 }, { 'M', 1 << 20 },
    { 'g', 1 << 30 }, { 'G', 1 << 30 }, { 0, 0 },
};
static const struct unit no_units[] = { { 0, 0 } };

static int64_t factor_of(const struct unit *units, char letter)
{
    for (; units->letter; units++)
        if (units->letter == letter)
            return units->factor;
    return 0;
}

/* Digits and perhaps a unit; `bare` counts where there is none. */
static int number(struct conversion *c, const struct unit *units, int64_t bare, const char *what,
                  int64_t *out)
{
    const struct config_option *o = c->option;
    struct span s;
    uint64_t n;

    if (one(c, &s) < 0)
        return -1;
    int64_t factor = s.len ? factor_of(units, s.at[s.len - 1]) : 0;
    struct span digits = factor ? span_trim(span_of(s.at, s.len - 1)) : s;
    if (!span_u64(digits, &n) || n > INT64_MAX)
        return err_set(c->err, ERR_CONFIG, "\"%.*s\" is not %s", (int)s.len, s.at, what);
    factor = factor ? factor : bare;
    if (n > (uint64_t)(INT64_MAX / factor) || (int64_t)n * factor < o->min ||
        (int64_t)n * factor > o->max) {
        if (o->max == INT64_MAX)
            return err_set(c->err, ERR_CONFIG, "\"%.*s\" is too large", (int)s.len, s.at);
        return err_set(c->err, ERR_CONFIG, "%.*s is out of range: it is %lld to %lld%s", (int)s.len,
                       s.at, (long long)o->min, (long long)o->max,
                       o->type == TYPE_TIME ? " seconds" : "");
    }
    *out = (int64_t)n * factor;
    return 0;
}

/* As in Postfix a bare number has the unit that the default is written in: 5 is five days for a
 * queue lifetime. */
static int convert_time(struct conversion *c, void *field)
{
    const char *def = c->option->def;
    int64_t seconds, bare = factor_of(time_units, def[strlen(def) - 1]);

    if (number(c, time_units, bare ? bare : 1, "a time: a number and s, m, h, d or w", &seconds) <
        0)
        return -1;
    *(int64_t *)field = seconds * USEC_PER_SEC;
    return 0;
}

static int convert_size(struct conversion *c, void *field)
{
    int64_t n;

    if (number(c, size_units, 1, "a size: a number of bytes, or one with k, M or G", &n) < 0)
        return -1;
    *(uint64_t *)field = (uint64_t)n;
    return 0;
}

static int convert_int(struct conversion *c, void *field)
{
    int64_t n;

    if (number(c, no_units, 1, "a number", &n) < 0)
        return -1;
    *(int *)field = (int)n;
    return 0;
}

/* Octal, as chmod(1) takes it. */
static int convert_mode(struct conversion *c, void *field)
{
    struct span s;
    int mode = 0;

    if (one(c, &s) < 0)
        return -1;
    for (size_t i = 0; i < s.len; i++) {
        if (s.at[i] < '0' || s.at[i] > '7' || mode > 0777)
            mode = 01000;
        else
            mode = mode * 8 + (s.at[i] - '0');
    }
    if (s.len < 3 || mode > 0777)
        return err_set(c->err, ERR_CONFIG, "\"%.*s\" is no mode of a file: write it as chmod takes it, \"0660\"", (int)s.len,
                       s.at);
    *(int *)field = mode;
    return 0;
}

/* 0 to 1, with decimals; a dot whatever the locale. */
static bool fraction(struct span s, double *out)
{
    double unit = 1;

    *out = 0;
    for (size_t i = 0; i < s.len; i++) {
        if (s.at[i] == '.' && unit == 1 && s.len > 1) {
            unit = 0.1;
        } else if (s.at[i] < '0' || s.at[i] > '9') {
            return false;
        } else if (unit == 1) {
            *out = *out * 10 + (s.at[i] - '0');
        } else {
            *out += (s.at[i] - '0') * unit;
            unit /= 10;
        }
    }
    return s.len && s.len < 16 && *out <= 1;
}

/* "1", "0.5", "1 / concurrency", "1/sqrt_concurrency" */
static int convert_feedback(struct conversion *c, void *field)
{
    struct feedback *f = field, value = { 0 };
    struct span s;

    if (one(c, &s) < 0)
        return -1;
    size_t slash = span_find(s, '/');
    struct span divisor = slash < s.len ? span_trim(span_from(s, slash + 1)) : span_of("", 0);
    if (slash < s.len)
        value.per = span_ieq_str(divisor, "concurrency")        ? FEEDBACK_PER_CONCURRENCY
                    : span_ieq_str(divisor, "sqrt_concurrency") ? FEEDBACK_PER_SQRT
                                                                : FEEDBACK_FLAT;
    if (!fraction(span_trim(span_of(s.at, slash)), &value.number) ||
        (slash < s.len && value.per == FEEDBACK_FLAT))
        return err_set(c->err, ERR_CONFIG,
                       "\"%.*s\" is no feedback: write a number from 0 to 1, maybe with "
                       "\" / concurrency\" or \" / sqrt_concurrency\" behind it",
                       (int)s.len, s.at);
    *f = value;
    return 0;
}

/* ---- words ---- */

static int convert_bool(struct conversion *c, void *field)
{
    static const struct config_word words[] = {
        { "yes", 1 }, { "no", 0 },  { "true", 1 }, { "false", 0 },
        { "on", 1 },  { "off", 0 }, { NULL, 0 },
    };
    struct span s;

    if (one(c, &s) < 0)
        return -1;
    for (const struct config_word *w = words; w->word; w++)
        if (span_ieq_str(s, w->word)) {
            *(bool *)field = w->value != 0;
            return 0;
        }
    return err_set(c->err, ERR_CONFIG, "it is yes or no, not \"%.*s\"", (int)s.len, s.at);
}

static int no_such_word(struct conversion *c, const char *text)
{
    struct buf all;

    buf_init(&all, BUF_NO_MAX);
    for (const struct config_word *w = c->option->words; w->word; w++)
        buf_addf(&all, "%s\"%s\"", all.len ? " or " : "", w->word);
    err_set(c->err, ERR_CONFIG, "it is %s, not \"%s\"", buf_cstr(&all), text);
    buf_fini(&all);
    return -1;
}

static int convert_enum(struct conversion *c, void *field)
{
    struct buf joined;
    int result = -1;

    buf_init(&joined, BUF_NO_MAX);
    strlist_join(c->text, &joined);
    struct span s = span_trim(span_str(buf_cstr(&joined)));
    for (const struct config_word *w = c->option->words; w->word && result < 0; w++)
        if (span_ieq_str(s, w->word)) {
            *(int *)field = w->value;
            result = 0;
        }
    if (result < 0)
        no_such_word(c, buf_cstr(&joined));
    buf_fini(&joined);
    return result;
}

static int convert_flags(struct conversion *c, void *field)
{
    struct strlist words = { 0 };
    unsigned flags = 0;
    int result = 0;

    split_words(c->text, &words);
    for (size_t i = 0; i < words.n && result == 0; i++) {
        const struct config_word *w = c->option->words;
        while (w->word && strcasecmp(w->word, words.at[i]) != 0)
            w++;
        if (w->word)
            flags |= (unsigned)w->value;
        else
            result = no_such_word(c, words.at[i]);
    }
    strlist_clear(&words);
    if (result == 0)
        *(unsigned *)field = flags;
    return result;
}

/* secret.c reads it when it is needed. */
static int convert_secret(struct conversion *c, void *field)
{
    (void)c;
    (void)field;
    return 0;
}

/* ---- the table ---- */

static int convert_address4(struct conversion *c, void *field)
{
    return convert_address(c, AF_INET, field);
}

static int convert_address6(struct conversion *c, void *field)
{
    return convert_address(c, AF_INET6, field);
}

static void free_nothing(void *field)
{
    (void)field;
}

static void free_text(void *field)
{
    free(*(char **)field);
}

static void free_list(void *field)
{
    strlist_clear(field);
}

static void free_networks(void *field)
{
    free(((struct cidr_list *)field)->at);
}

static void free_relayhosts(void *field)
{
    struct relayhost_list *l = field;

    for (size_t i = 0; i < l->n; i++)
        relayhost_fini(&l->at[i]);
    free(l->at);
}

static void free_transport(void *field)
{
    struct transport *t = field;

    free(t->name);
    free(t->nexthop);
}

static void free_restrictions(void *field)
{
    restrictions_fini(field);
}

static const struct {
    convert_fn *convert;
    void (*free)(void *field);
} types[N_TYPES] = {
    [TYPE_STR] = { convert_str, free_text },
    [TYPE_HOST] = { convert_host, free_text },
    [TYPE_ORIGIN] = { convert_origin, free_text },
    [TYPE_PATH] = { convert_path, free_text },
    [TYPE_ADDRESS4] = { convert_address4, free_text },
    [TYPE_ADDRESS6] = { convert_address6, free_text },
    [TYPE_LOG] = { convert_log, free_text },
    [TYPE_LIST] = { convert_list, free_list },
    [TYPE_COMMAND] = { convert_command, free_list },
    [TYPE_MAPS] = { convert_maps, free_list },
    [TYPE_MATCH] = { convert_match, free_list },
    [TYPE_MILTERS] = { convert_milters, free_milters },
    [TYPE_INTERFACES] = { convert_interfaces, free_list },
    [TYPE_TIME] = { convert_time, free_nothing },
    [TYPE_SIZE] = { convert_size, free_nothing },
    [TYPE_INT] = { convert_int, free_nothing },
    [TYPE_PORT] = { convert_port, free_nothing },
    [TYPE_MODE] = { convert_mode, free_nothing },
    [TYPE_BOOL] = { convert_bool, free_nothing },
    [TYPE_ENUM] = { convert_enum, free_nothing },
    [TYPE_FLAGS] = { convert_flags, free_nothing },
    [TYPE_NETWORKS] = { convert_networks, free_networks },
    [TYPE_RELAYHOSTS] = { convert_relayhosts, free_relayhosts },
    [TYPE_TRANSPORT] = { convert_transport, free_transport },
    [TYPE_TLSVERSIONS] = { convert_tlsversions, free_nothing },
    [TYPE_FEEDBACK] = { convert_feedback, free_nothing },
    [TYPE_RESTRICTIONS] = { convert_restrictions, free_restrictions },
    [TYPE_TEMPLATE] = { convert_template, free_text },
    [TYPE_TEMPLATES] = { convert_command, free_list },
    [TYPE_SECRET] = { convert_secret, free_nothing },
};

int convert_value(struct conversion *c, void *base)
{
    return types[c->option->type].convert(c, (char *)base + c->option->offset);
}

void convert_free(const struct config_option *table, size_t n, void *base)
{
    for (size_t i = 0; i < n; i++)
        types[table[i].type].free((char *)base + table[i].offset);
}

void convert_own(const struct config_option *table, size_t n, void *base)
{
    for (size_t i = 0; i < n; i++) {
        void *field = (char *)base + table[i].offset;
        if (types[table[i].type].free == free_text) {
            *(char **)field = xstrdup(*(char **)field);
        } else if (types[table[i].type].free == free_list) {
            struct strlist theirs = *(struct strlist *)field;
            *(struct strlist *)field = (struct strlist){ 0 };
            for (size_t j = 0; j < theirs.n; j++)
                strlist_add(field, span_str(theirs.at[j]));
        } else {
            BUG_IF(types[table[i].type].free != free_nothing);
        }
    }
}
