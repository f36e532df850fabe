/* SPDX-License-Identifier: Apache-2.0
 *
 * local_mailbox.c - where mail ends: a mailbox in the user's home or in the common folder, a file, a program. As the user. */
#include "server/local_int.h"

#include "server/command.h"
#include "server/file.h"
#include "server/maildir.h"
#include "server/mbox.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static unsigned head_for(const struct delivery *d, unsigned kind)
{
    return HEAD_RETURN_PATH | HEAD_ORIGINAL | (d->mail->deliver->cfg->prepend_delivered_header & kind ? HEAD_DELIVERED : 0);
}

gid_t local_spool_gid(const struct config *cfg)
{
    struct stat st;

    if (stat(cfg->mail_spool_directory, &st) < 0 || !(st.st_mode & S_IWGRP) || st.st_mode & S_IWOTH)
        return (gid_t)-1;
    return st.st_gid;
}

struct place {
    const char *path;
    bool is_strict;  /* it has to be the user's */
    bool is_foreign; /* a file that somebody named: a dotlock beside it may be impossible */
    gid_t spool_gid;
    const char *done;
};

static void deliver_to(const struct delivery *d, const struct place *p, struct outcome *out)
{
    const struct config *cfg = d->mail->deliver->cfg;
    bool is_maildir = span_iends(span_str(p->path), "/");
    const struct mbox_options o = {
        .path = p->path,
        .locks = cfg->mailbox_delivery_lock,
        .dotlock_may_fail = p->is_foreign,
        .attempts = cfg->deliver_lock_attempts,
        .delay_us = cfg->deliver_lock_delay,
        .stale_us = cfg->stale_lock_time,
        .limit = cfg->mailbox_size_limit,
        .is_strict = p->is_strict,
        .spool_gid = p->spool_gid,
        .done = p->done,
    };
    struct buf head;

    buf_init(&head, BUF_NO_MAX);
    delivery_head(d, head_for(d, CONFIG_TO_FILE) | (is_maildir ? 0 : HEAD_FROM_LINE), d->rcpt->address, &head);
    if (is_maildir)
        maildir_deliver(p->path, cfg->myhostname, buf_span(&head), d->mail->content, cfg->mailbox_size_limit, out);
    else
        mbox_deliver(&o, buf_span(&head), d->mail->content, out);
    buf_fini(&head);
}

void local_file(const struct delivery *d, const char *path, struct outcome *out)
{
    char *done = xasprintf("delivered to file: %s", path);
    const struct place p = { .path = path, .is_foreign = true, .spool_gid = (gid_t)-1, .done = done };

    if (strcmp(path, "/dev/null") == 0)
        outcome_set(out, "2.0.0", "%s", done);
    else
        deliver_to(d, &p, out);
    free(done);
}

/* ---- programs ---- */

static int fill_in(const struct strlist *words, const struct local_names *n, struct strlist *argv, struct err *e)
{
    struct buf word;
    int rc = 0;

    buf_init(&word, BUF_NO_MAX);
    for (size_t i = 0; i < words->n && rc >= 0; i++) {
        buf_clear(&word);
        rc = template_expand(span_str(words->at[i]), local_env_value, (void *)(uintptr_t)n, &word, e);
        if (rc >= 0)
            strlist_add(argv, buf_span(&word));
    }
    buf_fini(&word);
    return rc < 0 ? -1 : 0;
}

/* command_execution_directory, or the home, or "/". */
static char *folder_for(const struct local_names *n)
{
    const struct config *cfg = n->d->mail->deliver->cfg;
    struct buf out;
    struct stat st;

    buf_init(&out, BUF_NO_MAX);
    if (cfg->command_execution_directory[0] &&
        template_expand(span_str(cfg->command_execution_directory), local_value, (void *)(uintptr_t)n, &out, NULL) > 0)
        return buf_take(&out);
    buf_fini(&out);
    return xstrdup(n->id && n->id->home && stat(n->id->home, &st) == 0 && S_ISDIR(st.st_mode) ? n->id->home : "/");
}

void local_command(const struct delivery *d, const struct identity *id, const char *text, struct outcome *out)
{
    const struct local_names names = { d, id };
    struct strlist words = { 0 }, argv = { 0 }, env = { 0 };
    char *folder = folder_for(&names), *done = xasprintf("delivered to command: %s", text);
    struct buf head;
    struct err e;

    buf_init(&head, BUF_NO_MAX);
    delivery_head(d, HEAD_FROM_LINE | head_for(d, CONFIG_TO_COMMAND), d->rcpt->address, &head);
    local_env(&names, &env);
    if (command_split(span_str(text), &words, &e) < 0 || fill_in(&words, &names, &argv, &e) < 0) {
        err_prefix(&e, "|%s", text);
        outcome_defer(out, "4.3.5", &e);
    } else {
        const struct command c = {
            .argv = &argv,
            .env = &env,
            .directory = folder,
            .time_limit_us = d->mail->deliver->cfg->command_time_limit,
            .head = buf_span(&head),
            .done = done,
        };
        command_run(&c, d->mail->content, out);
    }
    strlist_clear(&words);
    strlist_clear(&argv);
    strlist_clear(&env);
    buf_fini(&head);
    free(folder);
    free(done);
}

/* ---- the mailbox ---- */

static bool ends_with_slash(const char *s)
{
    return *s && s[strlen(s) - 1] == '/';
}

void local_mailbox(const struct delivery *d, const struct identity *id, gid_t spool_gid, struct outcome *out)
{
    const struct config *cfg = d->mail->deliver->cfg;
    bool is_home = cfg->home_mailbox[0] != '\0';

    const char *command = d->plan->command ? d->plan->command : cfg->mailbox_command;

    if (command[0]) {
        local_command(d, id, command, out);
        return;
    }
    const char *spool = cfg->mail_spool_directory, *slash = ends_with_slash(spool) ? "/" : "";
    char *path = is_home ? xasprintf("%s/%s", id->home, cfg->home_mailbox)
                         : xasprintf("%s%s%s%s", spool, *slash ? "" : "/", id->name, slash);
    const struct place p = {
        .path = path,
        .is_strict = cfg->strict_mailbox_ownership,
        .spool_gid = is_home ? (gid_t)-1 : spool_gid,
        .done = "delivered to mailbox",
    };
    deliver_to(d, &p, out);
    free(path);
}
