/* SPDX-License-Identifier: Apache-2.0
 *
 * checks_deliver.c - what delivery on this machine needs of it: users, folders, programs. */
#include "control/checks.h"

#include "base/mem.h"
#include "config/template.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SUBJECT "mailboxes"

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

static void check_local(const struct config *cfg, struct findings *f)
{
    struct strlist words = { 0 };
    struct err e;

    if (cfg->mailbox_command[0] && command_split(span_str(cfg->mailbox_command), &words, &e) == 0)
        look_for_program("mailbox_command", words.at[0], f);
    else if (cfg->home_mailbox[0])
        findings_add(f, FINDING_OK, SUBJECT, "~/%s", cfg->home_mailbox);
    else
        look_for_folder("mail_spool_directory", cfg->mail_spool_directory, f);
    strlist_clear(&words);
    look_for_user("default_privs", cfg->default_privs, f);
}

void check_mailboxes(const struct config *cfg, struct findings *f)
{
    bool has_local = cfg->mydestination.n || config_is_written(cfg, "local_transport"); /* or only some table might name it */
    if (has_local && is_served(cfg, "local") && !cfg->mailbox_transport.name[0])
        check_local(cfg, f);
    if (is_served(cfg, "virtual") && cfg->virtual_mailbox_maps.n && cfg->virtual_mailbox_base[0])
        look_for_folder("virtual_mailbox_base", cfg->virtual_mailbox_base, f);
    for (size_t i = 0; i < cfg->n_pipes; i++)
        check_pipe(&cfg->pipes[i], f);
    if (geteuid() != 0 && (is_served(cfg, "local") || is_served(cfg, "pipe.")))
        findings_add(f, FINDING_NOTE, SUBJECT, "batond delivers to other users only when root starts it; else their mail waits");
}
