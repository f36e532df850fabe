/* SPDX-License-Identifier: Apache-2.0
 *
 * import_ldap.c - ldap:NAME, whose parameters stand in main.cf as NAME_server_host and so on: a section ldap NAME. A table that is a
 * file, ldap:/etc/postfix/x.cf, is read by Baton as it stands. */
#include "control/import.h"

#include "base/mem.h"

#include <stdlib.h>

static void add_option(struct import *im, struct import_item *it, struct postfix_setting *s, const char *option)
{
    char *source = import_source(s), *value = postfix_value(&im->main, s->name, NULL), *quoted = import_quote(value ? value : "", true);
    bool is_secret = strcmp(option, "bind_pw") == 0;

    if (is_secret && !im->takes_passwords) {
        free(source);
        source = xasprintf("main.cf:%d: %s", s->line, s->name);
        import_add(it, option, "${LDAP_PASSWORD}", source);
        import_line_lose(import_add(it, option, NULL, source),
                         "it is not printed: write it in the place of ${LDAP_PASSWORD}, and chmod o-r this file; or let baton import "
                         "--output FILE write it");
    } else {
        import_add(it, option, quoted, source);
    }
    wipe(quoted, strlen(quoted));
    free(source);
    free(value);
    free(quoted);
    s->is_taken = true;
}

static void add_directory(struct import *im, const char *name)
{
    struct import_item *it = import_section(im, "ldap", name);
    size_t len = strlen(name);

    for (size_t i = 0; i < im->main.n; i++) {
        struct postfix_setting *s = &im->main.at[i];
        const char *option = strncmp(s->name, name, len) == 0 && s->name[len] == '_' ? s->name + len + 1 : "";
        if (config_section_shape_of("ldap", span_str(option)) != CONFIG_SHAPE_NONE)
            add_option(im, it, s, option);
    }
}

static bool is_known(const struct import *im, const char *name)
{
    for (size_t i = 0; i < im->n_items; i++)
        if (im->items[i].kind && strcmp(im->items[i].kind, "ldap") == 0 && strcmp(im->items[i].title, name) == 0)
            return true;
    return false;
}

void import_directories(struct import *im)
{
    for (size_t i = 0; i < im->main.n; i++) {
        char *value = postfix_value(&im->main, im->main.at[i].name, NULL);
        struct span rest = span_str(value ? value : ""), word;
        while (postfix_list_next(&rest, &word)) {
            if (span_starts(word, "proxy:"))
                word = span_from(word, strlen("proxy:"));
            char *name = span_starts(word, "ldap:") ? span_dup(span_from(word, strlen("ldap:"))) : xstrdup("/");
            if (*name && *name != '/' && !is_known(im, name))
                add_directory(im, name);
            free(name);
        }
        free(value);
    }
}
