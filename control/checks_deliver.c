/* SPDX-License-Identifier: Apache-2.0
 *
 * checks_deliver.c - what delivery on this machine needs of it: users, folders, programs. */
#include "control/checks.h"

#include "base/mem.h"
#include "config/template.h"
#include "map/map.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SUBJECT "mailboxes"

enum { ROWS_TOLD = 5 };

static bool is_served(const struct config *cfg, const char *service)
{
    struct strlist names = { 0 };
    bool is_there = false;

    config_deliveries(cfg, &names);
    for (size_t i = 0; i < names.n; i++)
        is_there |= strncmp(names.at[i], service, strlen(service)) == 0;
    strlist_clear(&names);
    return is_there;
}

/* A folder that mail is put into, or a program that gets it. */
static void look_for_folder(const char *what, const char *path, struct findings *f)
{
    struct stat st;

    if (stat(path, &st) < 0)
        findings_add(f, FINDING_ERROR, SUBJECT, "%s: %s: %s", what, path, strerror(errno));
    else if (!S_ISDIR(st.st_mode))
        findings_add(f, FINDING_ERROR, SUBJECT, "%s: %s is no folder", what, path);
    else
        findings_add(f, FINDING_OK, SUBJECT, "%s: %s", what, path);
}

/* Those of the users, each made by its own. */
static void look_for_mail_spool(const char *path, struct findings *f)
{
    struct stat st;

    if (stat(path, &st) < 0 || !S_ISDIR(st.st_mode) || st.st_mode & (S_IWGRP | S_IWOTH)) {
        look_for_folder("mail_spool_directory", path, f);
        return;
    }
    findings_add(f, FINDING_WARNING, SUBJECT, "mail_spool_directory: %s: only its owner can make mailboxes and their locks there", path);
    findings_advise(f, "chgrp mail %s && chmod 2775 %s: the group is taken for that, and for nothing else", path, path);
}

static void look_for_program(const char *what, const char *path, struct findings *f)
{
    struct stat st;

    if (stat(path, &st) < 0)
        findings_add(f, FINDING_ERROR, SUBJECT, "%s: %s: %s", what, path, strerror(errno));
    else if (!S_ISREG(st.st_mode) || !(st.st_mode & 0111))
        findings_add(f, FINDING_ERROR, SUBJECT, "%s: %s is no program: chmod +x", what, path);
    else
        findings_add(f, FINDING_OK, SUBJECT, "%s: %s", what, path);
}

/* "user", "user:group", names or numbers */
static void look_for_user(const char *what, const char *user, struct findings *f)
{
    char *name = xstrdup(user), *colon = strchr(name, ':');
    uint64_t number;

    if (colon)
        *colon = '\0';
    const struct passwd *pw = getpwnam(name);
    if (!pw && span_u64(span_str(name), &number) && number < UINT32_MAX)
        pw = getpwuid((uid_t)number);
    if (!pw)
        findings_add(f, FINDING_ERROR, SUBJECT, "%s: there is no user %s: useradd --system %s", what, name, name);
    else if (pw->pw_uid == 0)
        findings_add(f, FINDING_ERROR, SUBJECT, "%s: %s is root: name a user without rights", what, name);
    if (colon && colon[1] && !getgrnam(colon + 1) && !span_u64(span_str(colon + 1), &number))
        findings_add(f, FINDING_ERROR, SUBJECT, "%s: there is no group %s: groupadd --system %s", what, colon + 1, colon + 1);
    free(name);
}

static void check_pipe(const struct pipe_service *p, struct findings *f)
{
    char *what = xasprintf("pipe %s", p->name);

    look_for_user(what, p->user, f);
    if (!strchr(p->argv.at[0], '$'))
        look_for_program(what, p->argv.at[0], f);
    if (p->directory[0])
        look_for_folder(what, p->directory, f);
    free(what);
}

/* ---- rows of mailbox_command_maps ---- */

struct command_rows {
    struct findings *findings;
    const char *spec;
    unsigned n_bad;
};

static int look_at_command(struct span command, struct err *e)
{
    struct strlist words = { 0 };
    struct stat st;
    int rc = command_split(command, &words, e);

    if (rc == 0 && stat(words.at[0], &st) < 0)
        rc = err_set(e, ERR_CONFIG, "%s: %s", words.at[0], strerror(errno));
    else if (rc == 0 && (!S_ISREG(st.st_mode) || !(st.st_mode & 0111)))
        rc = err_set(e, ERR_CONFIG, "%s is no program: chmod +x", words.at[0]);
    strlist_clear(&words);
    return rc;
}

static int check_command_row(void *arg, const struct map_row *row)
{
    struct command_rows *c = arg;
    char line[16] = "";
    struct err e;

    if (look_at_command(span_trim(row->value), &e) == 0 || ++c->n_bad > ROWS_TOLD)
        return 0;
    if (row->line)
        snprintf(line, sizeof line, ":%u", row->line);
    findings_add(c->findings, FINDING_WARNING, SUBJECT, "mailbox_command_maps: %s%s: %s; mail for \"%.*s\" waits", c->spec, line, e.text,
                 (int)row->key.len, row->key.at);
    return 0;
}

static void check_command_rows(const struct config *cfg, struct findings *f)
{
    const struct map_options o = { .is_read_only = true };
    struct err e = { 0 };

    for (size_t i = 0; i < cfg->mailbox_command_maps.n; i++) {
        struct command_rows c = { f, cfg->mailbox_command_maps.at[i], 0 };
        char *text = map_text_of(c.spec);
        struct map *m = map_open(text ? text : c.spec, &o, &e); /* what cannot be opened check_maps() has told */
        if (m)
            map_each(m, check_command_row, &c, &e);
        if (c.n_bad > ROWS_TOLD)
            findings_add(f, FINDING_WARNING, SUBJECT, "mailbox_command_maps: %s: %u more rows of that kind", c.spec, c.n_bad - ROWS_TOLD);
        map_close(m);
        free(text);
    }
}

static void check_local(const struct config *cfg, struct findings *f)
{
    struct strlist words = { 0 };
    struct err e;

    if (cfg->mailbox_command[0] && command_split(span_str(cfg->mailbox_command), &words, &e) == 0)
        look_for_program("mailbox_command", words.at[0], f);
    else if (cfg->home_mailbox[0])
        findings_add(f, FINDING_OK, SUBJECT, "~/%s", cfg->home_mailbox);
    else
        look_for_mail_spool(cfg->mail_spool_directory, f);
    strlist_clear(&words);
    check_command_rows(cfg, f);
    look_for_user("default_privs", cfg->default_privs, f);
}

/* Few need it: an alias or a ~/.forward that also keeps mail. The rest goes there from the relay, whatever it is. */
static void check_hand_over(const struct config *cfg, struct findings *f)
{
    const char *name = cfg->mailbox_transport.name, *nexthop = cfg->mailbox_transport.nexthop;
    struct relayhost hop;
    struct err e;
    bool has_tls = false;

    if (strcmp(name, "lmtp") == 0 && nexthop[0] && lmtp_hop_parse(&hop, span_str(nexthop), cfg->lmtp_tcp_port, &e) == 0) {
        has_tls = !hop.path && config_lmtp_tls_level(cfg, &hop) > CONFIG_TLS_MAY;
        relayhost_fini(&hop);
    }
    if (has_tls || strcmp(name, "smtp") == 0 || strcmp(name, "relay") == 0)
        findings_add(f, FINDING_NOTE, SUBJECT, "mailbox_transport: mail that an alias or ~/.forward also leaves in the mailbox (\\joe) will wait: it "
                                               "is handed on by LMTP without TLS (best at a UNIX socket), to a pipe section or virtual");
}

bool check_has_mailboxes(const struct config *cfg)
{
    bool has_local = cfg->mydestination.n || config_is_written(cfg, "local_transport"); /* or only some table might name it */
    return has_local && is_served(cfg, "local");
}

void check_mailboxes(const struct config *cfg, struct findings *f)
{
    if (check_has_mailboxes(cfg) && !cfg->mailbox_transport.name[0])
        check_local(cfg, f);
    if (config_asks_for_forwards(cfg))
        check_hand_over(cfg, f);
    if (is_served(cfg, "virtual") && cfg->virtual_mailbox_maps.n && cfg->virtual_mailbox_base[0])
        look_for_folder("virtual_mailbox_base", cfg->virtual_mailbox_base, f);
    for (size_t i = 0; i < cfg->n_pipes; i++)
        check_pipe(&cfg->pipes[i], f);
    if (geteuid() != 0 && (is_served(cfg, "local") || is_served(cfg, "pipe.")))
        findings_add(f, FINDING_NOTE, SUBJECT, "batond delivers to other users only when root starts it; else their mail waits");
}
