/* SPDX-License-Identifier: Apache-2.0
 *
 * checks_unit.c - what systemd lets batond see and write, as its unit and drop-ins say, against where the configuration wants mail to
 * be put. The unit shuts homes and /var/mail for all who need neither; packaging/systemd/mailboxes.conf opens them. */
#include "control/checks.h"

#include "base/buf.h"
#include "base/mem.h"

#include <glob.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SUBJECT "systemd"
#define UNIT "baton.service"

struct unit {
    char home[16], system[16]; /* of ProtectHome=, ProtectSystem= */
    struct strlist writable;   /* ReadWritePaths= */
    bool is_there;
};

/* ---- reading it ---- */

static bool is_no(const char *value)
{
    return !*value || strcmp(value, "no") == 0 || strcmp(value, "false") == 0 || strcmp(value, "off") == 0 || strcmp(value, "0") == 0;
}

static void add_writable(struct unit *u, struct span value)
{
    struct span word;

    if (!value.len) /* what was said before counts no more */
        strlist_clear(&u->writable);
    while (span_word(&value, "", &word)) {
        while (word.len && (word.at[0] == '-' || word.at[0] == '+'))
            word = span_from(word, 1);
        strlist_add(&u->writable, word);
    }
}

static void take_line(struct unit *u, struct span line)
{
    size_t equals = span_find(line, '=');
    struct span name = span_trim(span_of(line.at, equals)), value = span_trim(span_from(line, equals + 1));

    if (span_eq(name, SPAN("ProtectHome")))
        snprintf(u->home, sizeof u->home, "%.*s", (int)value.len, value.at);
    else if (span_eq(name, SPAN("ProtectSystem")))
        snprintf(u->system, sizeof u->system, "%.*s", (int)value.len, value.at);
    else if (span_eq(name, SPAN("ReadWritePaths")))
        add_writable(u, value);
}

static bool read_unit_file(struct unit *u, const char *path)
{
    FILE *file = fopen(path, "re");
    char line[4096];

    if (!file)
        return false;
    while (fgets(line, sizeof line, file))
        take_line(u, span_str(line));
    fclose(file);
    return true;
}

/* Where systemd looks, the first that has it counts; it can be told otherwise by its own variable. */
static void folders(struct strlist *out)
{
    const char *said = getenv("SYSTEMD_UNIT_PATH");
    struct span rest = span_str(said && *said ? said
                                              : "/etc/systemd/system:/run/systemd/system:/usr/local/lib/systemd/system:"
                                                "/usr/lib/systemd/system:/lib/systemd/system");

    while (rest.len) {
        size_t end = span_find(rest, ':');
        if (end)
            strlist_add(out, span_of(rest.at, end));
        rest = span_from(rest, end + 1);
    }
}

static int by_name(const void *a, const void *b)
{
    const char *const *x = a, *const *y = b;
    return strcmp(strrchr(*x, '/'), strrchr(*y, '/'));
}

/* Drop-ins of all folders, by their names. */
static void read_drop_ins(struct unit *u, const struct strlist *where)
{
    glob_t found = { 0 };

    for (size_t i = 0; i < where->n; i++) {
        char *pattern = xasprintf("%s/" UNIT ".d/*.conf", where->at[i]);
        glob(pattern, GLOB_NOSORT | (i ? GLOB_APPEND : 0), NULL, &found);
        free(pattern);
    }
    if (found.gl_pathc)
        qsort(found.gl_pathv, found.gl_pathc, sizeof *found.gl_pathv, by_name);
    for (size_t i = 0; i < found.gl_pathc; i++)
        read_unit_file(u, found.gl_pathv[i]);
    globfree(&found);
}

static void read_unit(struct unit *u)
{
    struct strlist where = { 0 };

    folders(&where);
    for (size_t i = 0; i < where.n && !u->is_there; i++) {
        char *path = xasprintf("%s/" UNIT, where.at[i]);
        u->is_there = read_unit_file(u, path);
        free(path);
    }
    if (u->is_there)
        read_drop_ins(u, &where);
    strlist_clear(&where);
}

/* ---- what it means for a folder ---- */

static bool lies_in(const char *path, const char *folder)
{
    char real[PATH_MAX];
    const char *to = realpath(folder, real) ? real : folder;
    size_t n = strlen(to);

    while (n > 1 && to[n - 1] == '/')
        n--;
    return strcmp(to, "/") == 0 || (strncmp(path, to, n) == 0 && (path[n] == '\0' || path[n] == '/'));
}

static bool lies_in_one(const char *path, const char *const *folders_at)
{
    for (; *folders_at; folders_at++)
        if (lies_in(path, *folders_at))
            return true;
    return false;
}

static const char *const homes[] = { "/home", "/root", "/run/user", NULL };
static const char *const of_system[] = { "/usr", "/boot", "/efi", NULL };
static const char *const never_strict[] = { "/home", "/root", "/run/user", "/dev", "/proc", "/sys", NULL };

/* Why mail cannot be put there, or NULL. */
static const char *why_shut(const struct unit *u, const char *folder)
{
    char real[PATH_MAX];
    const char *path = realpath(folder, real) ? real : folder;

    if (!is_no(u->home) && lies_in_one(path, homes))
        return "ProtectHome";
    for (size_t i = 0; i < u->writable.n; i++)
        if (lies_in(path, u->writable.at[i]))
            return NULL;
    if (strcmp(u->system, "strict") == 0)
        return lies_in_one(path, never_strict) ? NULL : "ProtectSystem=strict";
    if (is_no(u->system))
        return NULL;
    return lies_in_one(path, of_system) || (strcmp(u->system, "full") == 0 && lies_in(path, "/etc")) ? "ProtectSystem" : NULL;
}

static void look_at(const struct unit *u, const char *what, const char *folder, struct findings *f)
{
    const char *why = why_shut(u, folder);

    if (!why)
        return;
    findings_add(f, FINDING_WARNING, SUBJECT, "%s: the unit " UNIT " keeps batond out of %s (%s): mail for it waits", what, folder, why);
    if (strcmp(why, "ProtectHome") == 0 || lies_in(folder, "/var/mail"))
        findings_advise(f, "install -D -m 0644 " DOCDIR "/mailboxes.conf /etc/systemd/system/" UNIT ".d/mailboxes.conf; "
                           "systemctl daemon-reload; systemctl restart baton");
    else
        findings_advise(f, "systemctl edit baton, with two lines: [Service] and ReadWritePaths=%s; systemctl restart baton", folder);
}

void check_unit(const struct config *cfg, struct findings *f)
{
    bool has_local = check_has_mailboxes(cfg), uses_homes = config_asks_for_forwards(cfg) || (has_local && cfg->forward_path[0]);
    bool is_here = has_local && !cfg->mailbox_transport.name[0];
    struct unit u = { 0 };

    if (access("/run/systemd/system", F_OK) < 0 && !getenv("SYSTEMD_UNIT_PATH"))
        return;
    read_unit(&u);
    if (u.is_there && is_here && !cfg->mailbox_command[0] && !cfg->home_mailbox[0])
        look_at(&u, "mail_spool_directory", cfg->mail_spool_directory, f);
    if (u.is_there && is_here && !cfg->mailbox_command[0] && cfg->home_mailbox[0])
        look_at(&u, "home_mailbox", "/home", f);
    else if (u.is_there && uses_homes && !is_no(u.home))
        findings_add(f, FINDING_NOTE, SUBJECT, "the unit " UNIT " keeps batond out of /home (ProtectHome): nobody's ~/.forward is seen. "
                                               DOCDIR "/mailboxes.conf is a drop-in that opens it");
    if (u.is_there && cfg->virtual_mailbox_domains.n && strcmp(cfg->virtual_transport.name, "virtual") == 0 && cfg->virtual_mailbox_base[0])
        look_at(&u, "virtual_mailbox_base", cfg->virtual_mailbox_base, f);
    strlist_clear(&u.writable);
}
