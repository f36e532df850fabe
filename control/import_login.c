/* SPDX-License-Identifier: Apache-2.0
 *
 * import_login.c - smtp_sasl_password_maps as login sections, one a relayhost that has a row there: those of relayhost, and those that
 * sender_dependent_relayhost_maps gives to senders. A row of a sender (smtp_sender_dependent_authentication) is the login of the
 * relayhost that the sender has for himself.
 *
 * Passwords are written into the output only when it goes to a file that nobody else reads; else there is the name of a file
 * for each, and what to put into it. */
#include "control/import.h"

#include "base/mem.h"
#include "map/map.h"

#include <stdlib.h>

struct tables { /* those of a parameter that can be opened */
    struct map **at;
    size_t n;
};

struct logins {
    struct import *im;
    struct tables passwords; /* smtp_sasl_password_maps */
    struct tables senders;   /* sender_dependent_relayhost_maps */
    struct strlist hosts; /* those that have a section now */
    char *relayhost;      /* as main.cf has it */
    char *where;
};

static void open_tables(struct import *im, const char *name, struct tables *t)
{
    char *maps = postfix_value(&im->main, name, NULL);
    struct span rest = span_str(maps ? maps : ""), word;

    while (map_next_spec(&rest, &word)) {
        struct map_options o = { .is_read_only = true };
        struct err e = { 0 };
        char *spec = span_dup(span_starts(word, "proxy:") ? span_from(word, 6) : word);
        struct map *m = map_open(spec, &o, &e);
        if (!m)
            import_note(&im->notes, "Warning: a table of %s cannot be opened, and its logins are not carried: %s", name, e.text);
        t->at = xreallocarray(t->at, t->n + 1, sizeof(*t->at));
        t->at[t->n] = m;
        t->n += m != NULL;
        free(spec);
    }
    free(maps);
}

static void close_tables(struct tables *t)
{
    for (size_t i = 0; i < t->n; i++)
        map_close(t->at[i]);
    free(t->at);
}

static bool look_up(const struct tables *t, struct span key, struct buf *row)
{
    struct err e;

    for (size_t i = 0; i < t->n; i++)
        if (map_lookup(t->at[i], key, row, &e) == MAP_FOUND)
            return row->len > 0;
    return false;
}

/* "[smtp.example.com]:587", then "smtp.example.com" */
static bool find_row(const struct logins *lo, const char *host, struct buf *row)
{
    struct relayhost h = { 0 };

    if (relayhost_parse(&h, span_str(host), NULL) < 0)
        return false;
    bool is_found = look_up(&lo->passwords, span_str(host), row) || look_up(&lo->passwords, span_str(h.host), row);
    relayhost_fini(&h);
    return is_found;
}

/* "/etc/baton/smtp.example.com-587.password" */
static char *password_file(const char *host)
{
    char *name = xasprintf("/etc/baton/%s", host);
    char *to = name + strlen("/etc/baton/");

    for (char *c = to; *c; c++)
        if (ascii_is_alnum((unsigned char)*c) || *c == '.' || *c == '-')
            *to++ = *c;
        else if (*c == ':')
            *to++ = '-';
    *to = '\0';
    char *file = xasprintf("%s.password", name);
    free(name);
    return file;
}

static void add_login(struct import *im, const char *host, struct span row, const char *source)
{
    size_t colon = span_find(row, ':');
    char *user = span_dup(span_of(row.at, colon)), *password = span_dup(span_from(row, colon + 1));
    char *quoted = import_quote(user, true), *file = password_file(host), *title = import_quote(host, true);
    struct import_item *it = import_section(im, "login", title);

    import_add(it, "user", quoted, source);
    if (im->takes_passwords && !strpbrk(password, "'\\\n")) {
        import_add(it, "password", password, source)->is_secret = true;
    } else if (im->takes_passwords) {
        char *secret = import_quote(password, true);
        import_add(it, "password", secret, source);
        wipe(secret, strlen(secret));
        free(secret);
    } else {
        char *what = xasprintf("the password of %s, %s", host, source);
        import_add(it, "password_file", file, source);
        import_line_lose(import_add(it, "password", NULL, what),
                         "it is not printed: write it, alone, into %s, and chmod 0600 that; or have baton import --output FILE "
                         "write it into this section", file);
        free(what);
    }
    wipe(password, strlen(password));
    free(user);
    free(password);
    free(quoted);
    free(file);
    free(title);
}

/* ---- whose ---- */

static bool has_login(const struct logins *lo, const char *host)
{
    for (size_t i = 0; i < lo->hosts.n; i++)
        if (strcasecmp(lo->hosts.at[i], host) == 0)
            return true;
    return false;
}

static void carry(struct logins *lo, const char *host, struct span row)
{
    add_login(lo->im, host, row, lo->where);
    strlist_add(&lo->hosts, span_str(host));
}

static void carry_host(struct logins *lo, struct span text)
{
    char *host = span_dup(text);
    struct buf row;

    buf_init(&row, MAP_VALUE_MAX);
    if (!has_login(lo, host) && find_row(lo, host, &row))
        carry(lo, host, buf_span(&row));
    if (row.at)
        wipe(row.at, row.len);
    buf_fini(&row);
    free(host);
}

/* What sender_dependent_relayhost_maps has for a sender, to be freed; NULL: nothing. The relayhost of all is nobody's own: by
 * the login of one sender all mail would go. */
static char *host_of(const struct logins *lo, struct span sender)
{
    char *host = NULL;
    struct buf row;

    buf_init(&row, MAP_VALUE_MAX);
    if (look_up(&lo->senders, sender, &row) || look_up(&lo->senders, span_from(sender, span_find(sender, '@')), &row))
        host = span_dup(span_trim(buf_span(&row)));
    buf_fini(&row);
    return host;
}

static int carry_sender(void *arg, const struct map_row *row)
{
    struct logins *lo = arg;

    if (span_find(row->key, '@') == row->key.len)
        return 0;
    char *host = host_of(lo, row->key), *what = xasprintf("the login of %.*s, %s", (int)row->key.len, row->key.at, lo->where);
    if (host && *host && !strpbrk(host, " ,\t") && !has_login(lo, host))
        carry(lo, host, row->value);
    else if (host && *host)
        import_lose(lo->im, "smtp_sasl_password_maps", what,
                    "a login goes by the relayhost, and %s has one: give this sender another name of it in "
                    "sender_dependent_relayhost_maps (another of its host names, or its other port), and that a login section", host);
    else
        import_lose(lo->im, "smtp_sasl_password_maps", what,
                    "this sender has no relayhost of its own: write one into sender_dependent_relayhost_maps, and a login section for it");
    free(host);
    free(what);
    return 0;
}

static int carry_host_of_row(void *arg, const struct map_row *row)
{
    carry_host(arg, span_trim(row->value));
    return 0;
}

static void carry_senders_hosts(struct logins *lo)
{
    struct err e;

    for (size_t i = 0; i < lo->senders.n; i++)
        map_each(lo->senders.at[i], carry_host_of_row, lo, &e);
}

static bool is_on(struct import *im, const char *name)
{
    char *value = postfix_value(&im->main, name, NULL);
    bool is = value && strcasecmp(value, "yes") == 0;

    free(value);
    return is;
}

static void add_logins(struct logins *lo)
{
    struct span rest = span_str(lo->relayhost), word;
    struct err e;

    while (postfix_list_next(&rest, &word))
        carry_host(lo, word);
    for (size_t i = 0; i < lo->passwords.n && is_on(lo->im, "smtp_sender_dependent_authentication"); i++)
        map_each(lo->passwords.at[i], carry_sender, lo, &e);
    carry_senders_hosts(lo);
    if (!lo->hosts.n)
        import_lose(lo->im, "smtp_sasl_password_maps", lo->where,
                    "no row was found for the relayhosts (\"%s\"): write login \"HOST\" { user = \"NAME\" password_file = \"/FILE\" "
                    "}", lo->relayhost);
}

void import_logins(struct import *im)
{
    char *maps = postfix_value(&im->main, "smtp_sasl_password_maps", NULL), *hosts = postfix_value(&im->main, "relayhost", NULL);

    if (maps && *maps && is_on(im, "smtp_sasl_auth_enable")) {
        struct postfix_setting *s = postfix_find(&im->main, "smtp_sasl_password_maps");
        struct logins lo = { .im = im, .relayhost = hosts ? hosts : xstrdup("") };
        hosts = NULL;
        lo.where = s ? import_source(s) : xstrdup("smtp_sasl_password_maps"); /* static: holds the password itself */
        open_tables(im, "smtp_sasl_password_maps", &lo.passwords);
        open_tables(im, "sender_dependent_relayhost_maps", &lo.senders);
        add_logins(&lo);
        close_tables(&lo.passwords);
        close_tables(&lo.senders);
        strlist_clear(&lo.hosts);
        free(lo.relayhost);
        free(lo.where);
    } else if (maps && *maps) {
        import_note(&im->not_needed, "smtp_sasl_password_maps");
    }
    free(maps);
    free(hosts);
}
