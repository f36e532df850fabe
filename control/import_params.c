/* SPDX-License-Identifier: Apache-2.0
 *
 * import_params.c - the settings of a main.cf as parameters of a baton.conf. */
#include "control/import.h"

#include "base/mem.h"

#include <stdlib.h>

/* ---- values ---- */

/* A reference that means the same with us: the plain name of a parameter that Baton has. */
static bool is_plain_reference(void *arg, struct span inner)
{
    (void)arg;
    return config_shape_of(inner) != CONFIG_SHAPE_NONE;
}

struct value {
    char *text;  /* everything replaced, as Postfix has it */
    char *kept;  /* as it will be written */
    char *plain; /* written without any $name; NULL when kept is that */
};

static void value_fini(struct value *v)
{
    free(v->text);
    free(v->kept);
    free(v->plain);
}

/* Words that Postfix has no word for, its empty value; and what comes nearest to others. */
static const struct {
    const char *name, *from, *to;
    bool is_less; /* than it was: DANE */
} words[] = {
    { "smtp_tls_security_level", "", "none", false },
    { "smtpd_tls_security_level", "", "none", false },
    { "lmtp_tls_security_level", "", "none", false },
    { "smtp_tls_security_level", "verify", "secure", false },
    { "smtp_tls_security_level", "dane", "may", true },
    { "smtp_tls_security_level", "half-dane", "may", true },
    { "smtp_tls_security_level", "dane-only", "encrypt", true },
    { "log", "/dev/stdout", "stderr", false },
    { "log", "", "syslog", false },
};

static void use_our_word(const char *name, struct value *v, struct strlist *notes)
{
    for (size_t i = 0; i < ARRAY_LEN(words); i++)
        if (strcmp(words[i].name, name) == 0 && strcmp(words[i].from, v->text) == 0) {
            value_fini(v);
            *v = (struct value){ xstrdup(words[i].to), xstrdup(words[i].to), NULL };
            if (words[i].is_less)
                import_note(notes, "It was %s: DANE is not here. Policies that domains publish by MTA-STS count, and smtp_tls_policy_maps.",
                            words[i].from);
            return;
        }
}

static bool is_sasl_path(struct import *im, const char *name)
{
    char *type = strcmp(name, "smtpd_sasl_path") == 0 ? postfix_value(&im->main, "smtpd_sasl_type", NULL) : NULL;
    bool is = type && strcmp(type, "dovecot") == 0;

    free(type);
    return is;
}

/* A socket whose name counts from Postfix's queue_directory gets its full name. */
static void add_socket(struct import *im, const char *prefix, const char *path, struct buf *out, struct strlist *notes)
{
    char *folder = postfix_value(&im->main, "queue_directory", NULL);
    int len = (int)strcspn(path, ", \t");

    buf_addf(out, "%s%s/", prefix, folder ? folder : "/var/spool/postfix");
    import_note(notes, "Note: the socket %.*s is in Postfix's folder: who serves it has to let the user of Baton open it (in Dovecot: user "
                       "and group of the unix_listener), and may move it to /var/spool/baton.", len, path);
    free(folder);
}

/* "smtp-amavis:[127.0.0.1]:10024", by a service of that name: there is one smtp. */
static const char *import_filter(const struct import *im, const char *text, struct buf *out)
{
    size_t len = strcspn(text, ":");

    for (size_t i = 0; i < im->master.n; i++) {
        const struct postfix_service *s = &im->master.at[i];
        if (span_eq(span_of(text, len), span_str(s->name)) && (strcmp(s->command, "smtp") == 0 || strcmp(s->command, "lmtp") == 0)) {
            buf_adds(out, s->command);
            return text + len;
        }
    }
    return text;
}

/* And tables that were looked up by way of a server of Postfix's are opened by Baton itself. */
char *import_as_seen_from_here(struct import *im, const char *name, const char *text, struct strlist *notes)
{
    struct buf out;
    bool is_start = true;

    buf_init(&out, BUF_NO_MAX);
    if (is_sasl_path(im, name) && *text && *text != '/' && strncmp(text, "inet:", 5) != 0 && strncmp(text, "unix:", 5) != 0)
        add_socket(im, "", text, &out, notes);
    if (strcmp(name, "content_filter") == 0)
        text = import_filter(im, text, &out);
    while (*text) {
        if (is_start && strncmp(text, "proxy:", 6) == 0)
            text += 6;
        if (is_start && strncmp(text, "unix:", 5) == 0 && text[5] != '/' && text[5] != '\0' && strncmp(text + 5, "passwd", 6) != 0) {
            add_socket(im, "unix:", text + 5, &out, notes);
            text += 5;
        }
        is_start = !ascii_is_alnum((unsigned char)*text) && *text != '_';
        if (*text)
            buf_addc(&out, *text++);
    }
    return buf_take(&out);
}

static int read_value(struct import *im, const char *name, const char *raw, struct strlist *notes, struct value *v, struct err *e)
{
    enum config_shape shape = config_shape_of(span_str(name));
    struct buf out;

    if (shape == CONFIG_SHAPE_TEMPLATE || strcmp(name, "luser_relay") == 0) { /* $user is a word of the delivery's, no parameter */
        *v = (struct value){ xstrdup(raw), import_quote(raw, shape != CONFIG_SHAPE_TEMPLATE), NULL };
        return 0;
    }
    buf_init(&out, BUF_NO_MAX);
    if (postfix_expand(&im->main, span_str(raw), &out, e) < 0) {
        buf_fini(&out);
        return -1;
    }
    *v = (struct value){ .text = buf_take(&out) };
    char *changed = NULL;
    if (shape == CONFIG_SHAPE_LIST || shape == CONFIG_SHAPE_NETWORKS)
        changed = import_inline_files(im, v->text, notes, e);
    else
        changed = import_as_seen_from_here(im, name, v->text, notes);
    if (!changed) {
        value_fini(v);
        return -1;
    }
    bool is_same = strcmp(changed, v->text) == 0;
    free(v->text);
    v->text = changed;
    v->plain = import_quote(v->text, true);
    bool may_keep = is_same && strchr(raw, '$') && postfix_references(span_str(raw), is_plain_reference, NULL);
    v->kept = may_keep ? import_quote(raw, false) : xstrdup(v->plain);
    use_our_word(name, v, notes);
    return 0;
}

/* ---- settings that are something else with us ---- */

static bool is_yes(const char *value)
{
    return strcasecmp(value, "yes") == 0;
}

static const char *set_elsewhere(struct import *im, const char *name)
{
    struct postfix_setting *s = postfix_find(&im->main, name);
    return s && *s->value ? s->value : NULL;
}

/* smtp_use_tls = yes and the like, before there was a level */
static void old_tls(struct import *im, const struct postfix_setting *s, const char *value)
{
    const char *level = strncmp(s->name, "smtpd", 5) == 0 ? "smtpd_tls_security_level" : "smtp_tls_security_level";
    char *source = import_source(s);

    if (set_elsewhere(im, level))
        import_note(&im->not_needed, "%s", s->name);
    else if (strstr(s->name, "enforce"))
        import_param(im, level, is_yes(value) ? "encrypt" : "none", NULL, source);
    else if (!set_elsewhere(im, strncmp(s->name, "smtpd", 5) == 0 ? "smtpd_enforce_tls" : "smtp_enforce_tls"))
        import_param(im, level, is_yes(value) ? "may" : "none", NULL, source);
    free(source);
}

/* Port 465 has TLS from the first byte by itself. */
static void wrapper(struct import *im, const struct postfix_setting *s, const char *value)
{
    char *source = import_source(s), *hosts = postfix_value(&im->main, "relayhost", NULL);

    if (!is_yes(value) || (hosts && (strstr(hosts, ":465") || strstr(hosts, ":smtps") || strstr(hosts, ":submissions"))))
        import_note(&im->not_needed, "%s", s->name);
    else
        import_lose(im, s->name, source, "TLS from the first byte is spoken at port 465: write the port into relayhost");
    free(source);
    free(hosts);
}

static void server_wrapper(struct import *im, const struct postfix_setting *s, const char *value)
{
    char *source = import_source(s);

    if (!is_yes(value))
        import_note(&im->not_needed, "%s", s->name);
    else
        import_lose(im, s->name, source, "write tls = \"implicit\" into the listen section whose clients begin with TLS");
    free(source);
}

/* Each class is a section, with the restrictions of the setting of its name. */
static void restriction_classes(struct import *im, const struct postfix_setting *s, const char *value)
{
    struct span rest = span_str(value), word;

    (void)s;
    while (postfix_list_next(&rest, &word)) {
        char *name = span_dup(word);
        struct postfix_setting *class = postfix_find(&im->main, name);
        char *list = class ? postfix_value(&im->main, name, NULL) : NULL;
        if (list) {
            char *quoted = import_quote(list, true), *source = import_source(class);
            struct import_item *it = import_section(im, "restriction_class", name);
            import_add(it, "restrictions", quoted, source);
            free(quoted);
            free(source);
        }
        free(list);
        free(name);
    }
}

/* import_logins() looks at it. */
static void passwords(struct import *im, const struct postfix_setting *s, const char *value)
{
    (void)im, (void)s, (void)value;
}

static const struct {
    const char *name;
    void (*take)(struct import *im, const struct postfix_setting *s, const char *value);
} special[] = {
    { "smtp_use_tls", old_tls },
    { "smtp_enforce_tls", old_tls },
    { "smtpd_use_tls", old_tls },
    { "smtpd_enforce_tls", old_tls },
    { "mynetworks_style", import_networks_style },
    { "smtp_tls_wrappermode", wrapper },
    { "smtpd_tls_wrappermode", server_wrapper },
    { "smtp_sasl_password_maps", passwords },
    { "smtpd_restriction_classes", restriction_classes },
};

/* ---- one setting ---- */

/* Not to write these is something else than to write their default. */
static bool is_more_than_its_value(const char *name)
{
    static const char *const names[] = { "local_transport", "relayhost", "virtual_alias_domains", "virtual_transport" };

    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (strcmp(names[i], name) == 0)
            return true;
    return false;
}

static void carry(struct import *im, const char *name, const struct postfix_setting *s)
{
    struct strlist notes = { 0 };
    char *source = import_source(s);
    struct value v;
    struct err e;

    if (read_value(im, name, s->value, &notes, &v, &e) < 0) {
        import_lose(im, name, source, "%s", e.text);
    } else {
        struct import_item *it = import_param(im, name, v.kept, v.plain, source);
        it->lines[0].must_stay = is_more_than_its_value(name);
        import_look_at_tables(im, it, v.text);
        for (size_t i = 0; i < notes.n; i++)
            import_note(&it->notes, "%s", notes.at[i]);
        value_fini(&v);
    }
    strlist_clear(&notes);
    free(source);
}

/* What Baton has no parameter for. */
static void not_ours(struct import *im, const struct postfix_setting *s, const struct import_name *n)
{
    const char *cure = n && n->advice ? n->advice : config_postfix_cure(span_str(s->name));
    char *source = import_source(s);

    if (n && n->rename && postfix_find(&im->main, n->rename) )
        import_note(&im->not_needed, "%s", s->name);
    else if (n && n->rename)
        carry(im, n->rename, s);
    else
        import_lose(im, s->name, source, "%s", cure ? cure : "Baton has nothing like it: look whether you need it");
    free(source);
}

static void take_setting(struct import *im, const struct postfix_setting *s)
{
    const struct import_name *n = import_find_name(s->name);
    char *value = postfix_value(&im->main, s->name, NULL);

    for (size_t i = 0; i < ARRAY_LEN(special); i++)
        if (strcmp(special[i].name, s->name) == 0) {
            special[i].take(im, s, value ? value : "");
            free(value);
            return;
        }
    if (n && value && import_is_harmless(n, value))
        import_note(&im->not_needed, "%s", s->name);
    else if (!n && config_shape_of(span_str(s->name)) != CONFIG_SHAPE_NONE)
        carry(im, s->name, s);
    else
        not_ours(im, s, n);
    free(value);
}

/* A name of the administrator's own, to which others refer. */
static bool is_own_name(struct import *im, const struct postfix_setting *s)
{
    return s->is_used && !import_find_name(s->name) && config_shape_of(span_str(s->name)) == CONFIG_SHAPE_NONE &&
           !postfix_default(&im->main, s->name) && !config_postfix_cure(span_str(s->name));
}

static void look_through(struct import *im, const char *value)
{
    struct buf out;

    buf_init(&out, BUF_NO_MAX);
    postfix_expand(&im->main, span_str(value), &out, NULL);
    buf_fini(&out);
}

static void find_used(struct import *im)
{
    struct postfix_setting *classes = postfix_find(&im->main, "smtpd_restriction_classes");
    struct span rest = span_str(classes ? classes->value : ""), word;

    while (postfix_list_next(&rest, &word)) {
        char *name = span_dup(word);
        struct postfix_setting *s = postfix_find(&im->main, name);
        if (s)
            s->is_used = true;
        free(name);
    }
    for (size_t i = 0; i < im->main.n; i++)
        look_through(im, im->main.at[i].value);
    for (size_t i = 0; i < im->master.n; i++)
        for (size_t k = 0; k < im->master.at[i].n_overrides; k++)
            look_through(im, im->master.at[i].overrides[k].value);
}

void import_settings(struct import *im)
{
    find_used(im);
    for (size_t i = 0; i < im->main.faults.n; i++) {
        char *source = xasprintf("main.cf:%d", im->main.faults.at[i].line);
        import_lose(im, "a line", source, "%s", im->main.faults.at[i].text);
        free(source);
    }
    for (size_t i = 0; i < im->main.n; i++) {
        struct postfix_setting *s = &im->main.at[i];
        if (s->earlier_line)
            import_note(&im->notes, "main.cf:%d: %s overrides line %d; the last one counts.", s->line, s->name, s->earlier_line);
        if (s->is_taken)
            continue;
        if (is_own_name(im, s))
            import_note(&im->not_needed, "%s", s->name);
        else
            take_setting(im, s);
    }
}

/* ---- what Postfix does where main.cf says nothing ---- */

#define PRINTS_BY_MD5 "Postfix's default below compatibility_level 3.6, which the fingerprints were made with; Baton's is sha256."

/* Defaults that are not ours, and when they matter: a parameter, of several one, that is not empty, and not "no". */
static const struct {
    const char *name, *when, *say;
} defaults[] = {
    { "inet_interfaces", NULL, "Postfix's default; Baton's is loopback-only." },
    { "mydestination", NULL, "Postfix's default; Baton's is empty." },
    { "smtpd_relay_restrictions", NULL, "Postfix's default; Baton's refuses for good (554) instead of for now (454)." },
    { "smtpd_tls_auth_only", "smtpd_sasl_auth_enable", "Postfix's default; Baton's is yes, and keeps passwords off the open wire." },
    { "smtpd_helo_required", NULL, "Postfix's default; Baton's is yes." },
    { "smtpd_tls_fingerprint_digest", "relay_clientcerts smtpd_tls_ask_ccert smtpd_tls_req_ccert", PRINTS_BY_MD5 },
    { "smtp_tls_fingerprint_digest", "smtp_tls_fingerprint_cert_match", PRINTS_BY_MD5 },
    { "virtual_alias_infer_domains", "virtual_alias_maps",
      "As with Postfix, a domain counts as ours only when it stands in a class. Without this line the domains of virtual_alias_maps that are "
      "in none are taken for virtual_alias_domains." },
};

static bool has_value(struct import *im, const char *name)
{
    char *value = postfix_value(&im->main, name, NULL);
    bool has = value && *value && strcasecmp(value, "no") != 0;

    free(value);
    return has;
}

static bool has_one_of(struct import *im, const char *names)
{
    struct span rest = span_str(names), word;
    bool has = false;

    while (!has && span_word(&rest, "", &word)) {
        char *name = span_dup(word);
        has = has_value(im, name);
        free(name);
    }
    return has;
}

/* From there on fingerprints are by SHA-256. */
static bool is_of_3_6(struct import *im)
{
    char *level = postfix_value(&im->main, "compatibility_level", NULL), *dot = NULL;
    long major = level ? strtol(level, &dot, 10) : 0, minor = dot && *dot == '.' ? strtol(dot + 1, NULL, 10) : 0;

    free(level);
    return major > 3 || (major == 3 && minor >= 6);
}

static void by_default(struct import *im, const char *name, const char *say)
{
    const char *def = postfix_default(&im->main, name);
    char *raw = xstrdup(def ? def : "");
    struct strlist notes = { 0 };
    struct value v;

    if (read_value(im, name, raw, &notes, &v, NULL) == 0) {
        struct import_item *it = import_param(im, name, v.kept, v.plain, NULL);
        import_note(&it->notes, "%s", say);
        value_fini(&v);
    }
    strlist_clear(&notes);
    free(raw);
}

/* An empty relayhost is more than none with us: mail goes out by itself then. */
static void write_relayhost(struct import *im)
{
    struct import_item *it = import_find_param(im, "relayhost");

    if (!it)
        it = import_param(im, "relayhost", "", NULL, NULL);
    it->lines[0].must_stay = true;
    import_note(&it->notes, "No relayhost: mail goes to the hosts of its domains.");
}

static bool is_settled(struct import *im, const char *name)
{
    if (strcmp(name, "virtual_alias_infer_domains") == 0)
        name = "virtual_alias_domains"; /* who has written those has nothing inferred */
    return postfix_find(&im->main, name) != NULL || (strstr(name, "_fingerprint_digest") && is_of_3_6(im));
}

void import_defaults(struct import *im)
{
    for (size_t i = 0; i < ARRAY_LEN(defaults); i++)
        if (!is_settled(im, defaults[i].name) && config_shape_of(span_str(defaults[i].name)) != CONFIG_SHAPE_NONE &&
            (!defaults[i].when || has_one_of(im, defaults[i].when)))
            by_default(im, defaults[i].name, defaults[i].say);
    if (!postfix_find(&im->main, "mynetworks") && !postfix_find(&im->main, "mynetworks_style"))
        import_note(&im->notes, "main.cf sets no mynetworks: Postfix trusts all addresses of this machine, Baton 127.0.0.0/8 and "
                                "[::1]/128. Write mynetworks when others are to be trusted.");
    if (!import_find_param(im, "smtp_tls_security_level") && has_value(im, "relayhost"))
        import_note(&im->notes, "main.cf sets no smtp_tls_security_level: Postfix sent without TLS, Baton uses TLS where it is offered, and "
                                "demands it, with a certificate that fits, of a relayhost at port 587 or 465 or with a login.");
    if (!has_value(im, "relayhost"))
        write_relayhost(im);
}
