/* SPDX-License-Identifier: Apache-2.0
 *
 * import_login.c - smtp_sasl_password_maps as login sections, one a relayhost that has a row there.
 *
 * Passwords are written into the output only when it goes to a file that nobody else reads; else there is the name of a file
 * for each, and what to put into it. */
#include "control/import.h"

#include "base/mem.h"
#include "map/map.h"

#include <stdlib.h>

/* "[smtp.example.com]:587", then "smtp.example.com" */
static bool find_row(const struct strlist *tables, const char *host, struct buf *row, struct import *im)
{
    struct relayhost h = { 0 };
    bool is_found = false;

    if (relayhost_parse(&h, span_str(host), NULL) < 0)
        return false;
    for (size_t i = 0; i < tables->n && !is_found; i++) {
        struct map_options o = { .is_read_only = true };
        struct err e = { 0 };
        struct map *m = map_open(tables->at[i], &o, &e);
        if (!m) {
            import_note(&im->notes, "Warning: a table of smtp_sasl_password_maps cannot be opened: %s", e.text);
            continue;
        }
        is_found = map_lookup(m, span_str(host), row, &e) == MAP_FOUND ||
                   map_lookup(m, span_str(h.host), row, &e) == MAP_FOUND;
        map_close(m);
    }
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

static void add_logins(struct import *im, const char *maps, const char *hosts)
{
    struct strlist tables = { 0 };
    struct span rest = span_str(maps), word;
    struct buf row;
    size_t found = 0;
    struct postfix_setting *s = postfix_find(&im->main, "smtp_sasl_password_maps");
    char *where = s ? import_source(s) : xstrdup("smtp_sasl_password_maps"); /* static: holds the password itself */

    buf_init(&row, MAP_VALUE_MAX);
    while (map_next_spec(&rest, &word))
        strlist_add(&tables, span_starts(word, "proxy:") ? span_from(word, 6) : word);
    rest = span_str(hosts);
    while (postfix_list_next(&rest, &word)) {
        char *host = span_dup(word);
        if (find_row(&tables, host, &row, im) && row.len) {
            add_login(im, host, buf_span(&row), where);
            found++;
        }
        if (row.at)
            wipe(row.at, row.len);
        free(host);
    }
    if (!found)
        import_lose(im, "smtp_sasl_password_maps", where,
                    "no row was found for the relayhosts (\"%s\"): write login \"HOST\" { user = \"NAME\" password_file = \"/FILE\" "
                    "}", hosts);
    free(where);
    buf_fini(&row);
    strlist_clear(&tables);
}

void import_logins(struct import *im)
{
    char *enable = postfix_value(&im->main, "smtp_sasl_auth_enable", NULL);
    char *maps = postfix_value(&im->main, "smtp_sasl_password_maps", NULL);
    char *hosts = postfix_value(&im->main, "relayhost", NULL);

    if (enable && maps && hosts && strcasecmp(enable, "yes") == 0 && *maps)
        add_logins(im, maps, hosts);
    else if (maps && *maps)
        import_note(&im->not_needed, "smtp_sasl_password_maps");
    free(enable);
    free(maps);
    free(hosts);
}
