/* SPDX-License-Identifier: Apache-2.0 */
#include "smtp/auth_wire.h"

#include "base/mem.h"

#include <stdlib.h>

void auth_wire_init(struct auth_wire *w)
{
    *w = (struct auth_wire){ 0 };
    buf_init(&w->in, AUTH_LINE_MAX);
}

void auth_wire_fini(struct auth_wire *w)
{
    buf_fini(&w->in);
}

/* ---- fields ---- */

/* The next field of the line; false when there is none left. */
static bool next_field(struct span *line, struct span *field)
{
    if (!line->at)
        return false;
    size_t n = span_find(*line, '\t');
    *field = span_of(line->at, n);
    *line = n < line->len ? span_from(*line, n + 1) : (struct span){ NULL, 0 };
    return true;
}

static bool next_id(struct span *line, uint32_t *id)
{
    struct span field;
    uint64_t n;

    if (!next_field(line, &field) || !span_u64(field, &n) || n > UINT32_MAX)
        return false;
    *id = (uint32_t)n;
    return true;
}

/* 0x01 stands before what could not stand in a line. Control characters become blanks: nobody needs them. */
static char *unescape(struct span s)
{
    char *out = xmalloc(s.len + 1);
    size_t n = 0;

    for (size_t i = 0; i < s.len; i++) {
        char c = s.at[i];
        if (c == '\001' && i + 1 < s.len) {
            c = s.at[++i];
            if (memchr("01trn", c, 5)) /* NUL, 0x01, TAB, CR, LF */
                c = ' ';
        }
        out[n++] = (unsigned char)c < ' ' || c == 0x7f ? ' ' : c;
    }
    out[n] = '\0';
    return out;
}

/* The value of "name=value". */
static bool value_of(struct span field, const char *name, struct span *value)
{
    size_t n = strlen(name);

    if (!span_starts(field, name) || field.len <= n || field.at[n] != '=')
        return false;
    *value = span_from(field, n + 1);
    return true;
}

static bool is_base64(struct span s)
{
    for (size_t i = 0; i < s.len; i++)
        if (!ascii_is_alnum((unsigned char)s.at[i]) && s.at[i] != '+' && s.at[i] != '/' && s.at[i] != '=')
            return false;
    return true;
}

/* ---- lines ---- */

static const struct {
    const char *name;
    unsigned trait;
} traits[] = {
    { "anonymous", AUTH_MECH_ANONYMOUS },
    { "plaintext", AUTH_MECH_PLAINTEXT },
    { "dictionary", AUTH_MECH_DICTIONARY },
    { "active", AUTH_MECH_ACTIVE },
    { "forward-secrecy", AUTH_MECH_FORWARD_SECRECY },
    { "mutual-auth", AUTH_MECH_MUTUAL_AUTH },
    { "channel-binding", AUTH_MECH_CHANNEL_BINDING },
    { "private", AUTH_MECH_PRIVATE },
};

/* RFC 4422 3.1: capitals, digits, "-" and "_". What is no such name is not offered. */
static bool take_name(struct auth_mech *m, struct span name)
{
    if (!name.len || name.len > AUTH_MECH_NAME_MAX)
        return false;
    for (size_t i = 0; i < name.len; i++) {
        unsigned char c = (unsigned char)name.at[i];
        if (!ascii_is_alnum(c) && c != '-' && c != '_')
            return false;
        m->name[i] = c >= 'a' && c <= 'z' ? (char)(c - 32) : (char)c;
    }
    return true;
}

static void take_mech(struct auth_wire *w, struct span rest)
{
    struct auth_mech m = { 0 };
    struct span field;

    if (w->is_ready || w->n_mechs == AUTH_MECHS_MAX || !next_field(&rest, &field) || !take_name(&m, field))
        return;
    while (next_field(&rest, &field))
        for (size_t i = 0; i < ARRAY_LEN(traits); i++)
            if (span_eq(field, span_str(traits[i].name)))
                m.traits |= traits[i].trait;
    w->mechs[w->n_mechs++] = m;
}

static int take_version(struct auth_wire *w, struct span rest, struct err *e)
{
    struct span major, minor;

    if (!next_field(&rest, &major) || !next_field(&rest, &minor))
        return err_set(e, ERR_CONFIG, "its VERSION has no numbers");
    if (!span_eq(major, SPAN("1")))
        return err_set(e, ERR_CONFIG, "it speaks version %.*s of Dovecot's authentication protocol, not 1",
                       (int)(major.len < 10 ? major.len : 10), major.at);
    w->has_version = true;
    return 0;
}

static bool is_temporary(struct span field)
{
    return span_eq(field, SPAN("temp")) || span_eq(field, SPAN("code=temp_fail"));
}

static void take_fields(struct auth_wire_reply *r, struct span rest, char **user, char **reason)
{
    struct span field, value;

    while (next_field(&rest, &field)) {
        r->is_temporary |= is_temporary(field);
        if (value_of(field, "user", &value) && !*user)
            *user = unescape(value);
        else if (value_of(field, "reason", &value) && !*reason)
            *reason = unescape(value);
    }
    r->user = *user && **user ? *user : NULL;
    r->reason = *reason && **reason ? *reason : NULL;
}

static int take_reply(enum auth_wire_kind kind, struct span rest, const struct auth_wire_ops *ops, void *arg, struct err *e)
{
    struct auth_wire_reply r = { .kind = kind };
    char *user = NULL, *reason = NULL;

    if (!next_id(&rest, &r.id))
        return err_set(e, ERR_TEMPORARY, "it has answered without a number");
    if (kind == AUTH_WIRE_CONT) {
        if (!next_field(&rest, &r.challenge))
            r.challenge = SPAN("");
        if (!is_base64(r.challenge))
            return err_set(e, ERR_TEMPORARY, "a challenge of its is not base64");
    } else {
        take_fields(&r, rest, &user, &reason);
    }
    ops->reply(arg, &r);
    free(user);
    free(reason);
    return 0;
}

static int take_done(struct auth_wire *w, const struct auth_wire_ops *ops, void *arg, struct err *e)
{
    if (w->is_ready)
        return 0;
    if (!w->n_mechs)
        return err_set(e, ERR_CONFIG,
                       "it offers no mechanism: it is another kind of socket (auth-userdb, auth-master, login); make one with "
                       "unix_listener in Dovecot's service auth");
    w->is_ready = true;
    ops->ready(arg);
    return 0;
}

static int take_line(struct auth_wire *w, struct span line, const struct auth_wire_ops *ops, void *arg, struct err *e)
{
    struct span verb;

    if (!next_field(&line, &verb))
        return 0;
    if (span_eq(verb, SPAN("VERSION")))
        return take_version(w, line, e);
    if (!w->has_version)
        return err_set(e, ERR_CONFIG, "it is no authentication server of Dovecot: it does not begin with VERSION");
    if (span_eq(verb, SPAN("MECH")))
        take_mech(w, line);
    else if (span_eq(verb, SPAN("DONE")))
        return take_done(w, ops, arg, e);
    else if (!w->is_ready)
        return 0; /* SPID, CUID, COOKIE, and what there may come to be */
    else if (span_eq(verb, SPAN("CONT")))
        return take_reply(AUTH_WIRE_CONT, line, ops, arg, e);
    else if (span_eq(verb, SPAN("OK")))
        return take_reply(AUTH_WIRE_OK, line, ops, arg, e);
    else if (span_eq(verb, SPAN("FAIL")))
        return take_reply(AUTH_WIRE_FAIL, line, ops, arg, e);
    return 0;
}

int auth_wire_input(struct auth_wire *w, struct span bytes, const struct auth_wire_ops *ops, void *arg, struct err *e)
{
    while (bytes.len) {
        size_t n = span_find(bytes, '\n');
        struct span part = span_of(bytes.at, n);
        bool is_whole = n < bytes.len;

        bytes = span_from(bytes, n + is_whole);
        if (buf_addspan(&w->in, part) < 0)
            return err_set(e, ERR_TEMPORARY, "it has sent a line of more than %d bytes", AUTH_LINE_MAX);
        if (!is_whole)
            return 0;
        int done = take_line(w, buf_span(&w->in), ops, arg, e);
        buf_clear(&w->in);
        if (done < 0)
            return -1;
    }
    return 0;
}

/* ---- what we say ---- */

void auth_wire_hello(struct buf *out, uint32_t cpid)
{
    buf_addf(out, "VERSION\t1\t2\nCPID\t%lu\n", (unsigned long)cpid);
}

/* Where a value could end the field that it stands in; addresses and names of ours have none of that. */
static void add_value(struct buf *out, const char *name, const char *value)
{
    buf_addf(out, "\t%s=", name);
    for (; *value; value++) {
        char c = *value;
        if (c == '\001' || c == '\t' || c == '\r' || c == '\n') {
            buf_addc(out, '\001');
            c = c == '\001' ? '1' : c == '\t' ? 't' : c == '\r' ? 'r' : 'n';
        }
        buf_addc(out, c);
    }
}

void auth_wire_auth(struct buf *out, const struct auth_wire_request *r)
{
    buf_addf(out, "AUTH\t%lu\t%s", (unsigned long)r->id, r->mech);
    add_value(out, "service", r->service);
    buf_adds(out, "\tnologin"); /* nobody asks for the user afterwards */
    if (*r->local)
        add_value(out, "lip", r->local);
    if (*r->remote)
        add_value(out, "rip", r->remote);
    if (r->is_secured)
        buf_adds(out, "\tsecured");
    if (r->initial.at) { /* the last one, always */
        buf_adds(out, "\tresp=");
        buf_addspan(out, r->initial);
    }
    buf_addc(out, '\n');
}

void auth_wire_cont(struct buf *out, uint32_t id, struct span base64)
{
    buf_addf(out, "CONT\t%lu\t%.*s\n", (unsigned long)id, (int)base64.len, base64.at ? base64.at : "");
}

void auth_wire_cancel(struct buf *out, uint32_t id)
{
    buf_addf(out, "CANCEL\t%lu\n", (unsigned long)id);
}
