/* SPDX-License-Identifier: Apache-2.0
 *
 * A table a command: what a parameter is called and who reads its value. Refusals are Postfix's
 * in code and shape. RFC 1870 SIZE, 6152 BODY, 6531 SMTPUTF8, 3461 RET ENVID NOTIFY ORCPT, 4954
 * AUTH. */
#include "smtp/params.h"

#include "base/mem.h"
#include "mail/xtext.h"

#include <stdio.h>
#include <stdlib.h>

#define UNSUPPORTED ""

struct param {
    const char *name;
    /* NULL, a reply, or UNSUPPORTED. */
    const char *(*read)(void *to, struct span value, bool has_value);
};

static const char *read_size(void *to, struct span value, bool has_value)
{
    struct mail_params *p = to;

    if (p->has_size || !has_value || value.len > 20 || !span_u64(value, &p->size_bytes))
        return "501 5.5.4 Bad message size syntax";
    p->has_size = true;
    return NULL;
}

static const char *read_body(void *to, struct span value, bool has_value)
{
    struct mail_params *p = to;

    (void)has_value;
    if (p->has_body || !(span_ieq_str(value, "7BIT") || span_ieq_str(value, "8BITMIME")))
        return UNSUPPORTED;
    p->has_body = true;
    p->body = value.len == 4 ? BODY_7BIT : BODY_8BITMIME;
    return NULL;
}

static const char *read_smtputf8(void *to, struct span value, bool has_value)
{
    struct mail_params *p = to;

    (void)value;
    if (has_value)
        return "501 5.5.4 Bad SMTPUTF8 parameter syntax";
    p->smtputf8 = true;
    return NULL;
}

static const char *read_ret(void *to, struct span value, bool has_value)
{
    struct mail_params *p = to;

    (void)has_value;
    if (p->has_ret || !(span_ieq_str(value, "FULL") || span_ieq_str(value, "HDRS")))
        return "501 5.5.4 Bad RET parameter syntax";
    p->has_ret = true;
    p->ret = span_ieq_str(value, "FULL") ? RET_FULL : RET_HDRS;
    return NULL;
}

/* Decoded with one of the mail/xtext.h functions; NULL if it is no such thing, or nothing. */
static char *decode(struct span value, size_t max,
                    int (*how)(struct span s, struct buf *out, struct err *e))
{
    struct buf b;
    char *text = NULL;

    if (!value.len || value.len > max)
        return NULL;
    buf_init(&b, max);
    if (how(value, &b, NULL) == 0 && b.len && !memchr(b.at, '\0', b.len))
        text = buf_take(&b);
    buf_fini(&b);
    return text;
}

static const char *read_envid(void *to, struct span value, bool has_value)
{
    struct mail_params *p = to;

    (void)has_value;
    if (!p->envid)
        p->envid = decode(value, XTEXT_ENVID_MAX, xtext_decode);
    if (p->has_envid || !p->envid)
        return "501 5.5.4 Bad ENVID parameter syntax";
    p->has_envid = true;
    return NULL;
}

/* It goes into logs and to other programs. */
static bool is_printable(const char *text)
{
    for (; *text; text++)
        if ((unsigned char)*text < 0x20 || *text == 0x7f)
            return false;
    return true;
}

/* Who first submitted it (RFC 4954 5): whether that is believed is the caller's affair. */
static const char *read_auth(void *to, struct span value, bool has_value)
{
    struct mail_params *p = to;

    (void)has_value;
    if (!p->takes_auth)
        return UNSUPPORTED;
    if (p->submitter)
        return "503 5.5.4 Error: multiple AUTH= options";
    p->submitter = span_ieq_str(value, "<>") ? xstrdup("") : decode(value, 1000, xtext_decode);
    return p->submitter && is_printable(p->submitter) ? NULL : "501 5.5.4 Bad AUTH parameter syntax";
}

static const char *read_origin(struct mail_params *p, char **to, struct span value)
{
    if (!p->takes_origin)
        return UNSUPPORTED;
    if (!*to)
        *to = decode(value, 4000, xtext_decode);
    return *to ? NULL : "501 5.5.4 Bad parameter syntax";
}

static const char *read_client(void *to, struct span value, bool has_value)
{
    struct mail_params *p = to;

    (void)has_value;
    return read_origin(p, &p->client, value);
}

static const char *read_login(void *to, struct span value, bool has_value)
{
    struct mail_params *p = to;

    (void)has_value;
    return read_origin(p, &p->login, value);
}

static unsigned char notify_bit(struct span word)
{
    static const struct {
        const char *name;
        unsigned char bit;
    } words[] = { { "NEVER", NOTIFY_NEVER },
                  { "SUCCESS", NOTIFY_SUCCESS },
                  { "FAILURE", NOTIFY_FAILURE },
                  { "DELAY", NOTIFY_DELAY } };
    for (size_t i = 0; i < ARRAY_LEN(words); i++) {
        if (span_ieq_str(word, words[i].name))
            return words[i].bit;
    }
    return 0;
}

static const char *read_notify(void *to, struct span value, bool has_value)
{
    static const char bad[] = "501 5.5.4 Bad NOTIFY parameter syntax";
    struct rcpt_params *p = to;

    if (p->has_notify || !has_value)
        return bad;
    p->has_notify = true;
    for (;;) {
        size_t len = span_find(value, ',');
        unsigned char bit = notify_bit(span_of(value.at, len));
        if (!bit)
            return bad;
        p->notify |= bit;
        if (len == value.len)
            break;
        value = span_from(value, len + 1);
    }
    return p->notify & NOTIFY_NEVER && p->notify != NOTIFY_NEVER ? bad : NULL;
}

static const char *read_orcpt(void *to, struct span value, bool has_value)
{
    struct rcpt_params *p = to;
    bool is_first = !p->orcpt;

    (void)has_value;
    if (is_first)
        p->orcpt = decode(value, XTEXT_ORCPT_MAX, orcpt_decode);
    return is_first && p->orcpt ? NULL : "501 5.5.4 Bad ORCPT parameter syntax";
}

static const struct param mail_table[] = {
    { "SIZE", read_size }, { "BODY", read_body },   { "SMTPUTF8", read_smtputf8 },
    { "RET", read_ret },   { "ENVID", read_envid }, { "AUTH", read_auth },
    { "XCLIENT", read_client }, { "XLOGIN", read_login },
};

static const struct param rcpt_table[] = {
    { "NOTIFY", read_notify },
    { "ORCPT", read_orcpt },
};

static const char *read_one(const struct param *table, size_t n, void *to, struct span word)
{
    size_t at = span_find(word, '=');
    bool has_value = at < word.len;
    struct span name = span_of(word.at, at), value = span_from(word, has_value ? at + 1 : at);

    for (size_t i = 0; i < n; i++) {
        if (span_ieq_str(name, table[i].name))
            return table[i].read(to, value, has_value);
    }
    return UNSUPPORTED;
}

static const char *read_all(const struct param *table, size_t n, void *to, struct span args,
                            char *reply, size_t size)
{
    struct span word;

    while (span_word(&args, "", &word)) {
        const char *no = read_one(table, n, to, word);
        if (no && !*no) {
            snprintf(reply, size, "555 5.5.4 Unsupported option: %.*s",
                     (int)(word.len < 100 ? word.len : 100), word.at);
            return reply;
        }
        if (no)
            return no;
    }
    return NULL;
}

const char *mail_params_parse(struct mail_params *p, struct span args, char *reply, size_t size)
{
    *p = (struct mail_params){ .body = BODY_7BIT, .takes_auth = p->takes_auth, .takes_origin = p->takes_origin };
    return read_all(mail_table, ARRAY_LEN(mail_table), p, args, reply, size);
}

const char *rcpt_params_parse(struct rcpt_params *p, struct span args, char *reply, size_t size)
{
    *p = (struct rcpt_params){ .utf8 = p->utf8 };
    return read_all(rcpt_table, ARRAY_LEN(rcpt_table), p, args, reply, size);
}

/* ---- writing --------------------------------------------------------------------------------- */

static void format_notify(unsigned char notify, struct buf *out)
{
    static const struct {
        unsigned char bit;
        const char *name;
    } bits[] = { { NOTIFY_NEVER, "NEVER" },
                 { NOTIFY_SUCCESS, "SUCCESS" },
                 { NOTIFY_FAILURE, "FAILURE" },
                 { NOTIFY_DELAY, "DELAY" } };
    const char *before = " NOTIFY=";

    for (size_t i = 0; i < ARRAY_LEN(bits); i++) {
        if (!(notify & bits[i].bit))
            continue;
        buf_adds(out, before);
        buf_adds(out, bits[i].name);
        before = ",";
    }
}

void rcpt_params_format(const struct rcpt *r, bool utf8, struct buf *out)
{
    format_notify(r->notify, out);
    if (!r->orcpt)
        return;
    size_t before = out->len;
    buf_adds(out, " ORCPT=");
    size_t start = out->len;
    if (orcpt_encode(span_str(r->orcpt), utf8, out) < 0 || out->len - start > XTEXT_ORCPT_MAX)
        out->len = before; /* better without it than a refusal of the recipient */
}

static void format_xtext(const char *name, const char *value, struct buf *out)
{
    size_t before = out->len;

    if (!value || !*value)
        return;
    buf_adds(out, name);
    if (xtext_encode(span_str(value), out) < 0)
        out->len = before;
}

void origin_params_format(const struct envelope *env, struct buf *out)
{
    format_xtext(" XCLIENT=", env->client, out);
    format_xtext(" XLOGIN=", env->login, out);
}

void auth_param_format(const char *submitter, struct buf *out)
{
    if (submitter && !*submitter)
        buf_adds(out, " AUTH=<>");
    else
        format_xtext(" AUTH=", submitter, out);
}

void dsn_params_format(const struct envelope *env, struct buf *out)
{
    if (env->ret != RET_NONE)
        buf_adds(out, env->ret == RET_FULL ? " RET=FULL" : " RET=HDRS");
    if (!env->envid)
        return;
    size_t before = out->len;
    buf_adds(out, " ENVID=");
    size_t start = out->len;
    if (xtext_encode(span_str(env->envid), out) < 0 || out->len - start > XTEXT_ENVID_MAX)
        out->len = before;
}
