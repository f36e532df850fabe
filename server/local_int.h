/* SPDX-License-Identifier: Apache-2.0
 *
 * local_int.h - delivery to users of this machine (local(8)), for its files: deliver_local.c asks the aliases, in the worker; the rest
 * is what a child does that has become the user. local_run.c: what aliases and ~/.forward say, local_forward.c reads them; local_mailbox.c: the mailbox,
 * local_hand_over.c: one that another transport has; local_env.c: names and values. */
#ifndef SERVER_LOCAL_INT_H
#define SERVER_LOCAL_INT_H

#include "config/template.h"
#include "server/deliver.h"
#include "server/forwards.h"
#include "server/identity.h"

struct local_plan { /* what is to be done for a recipient */
    char *local;      /* its local part in small letters, without quotes */
    char *user;       /* the same without its extension */
    char *extension;  /* or "" */
    char *domain;
    /* an alias */
    struct forwards forwards;
    uid_t owner;         /* of the table it came from; 0: default_privs */
    char *owner_sender;  /* owner-NAME@domain, or NULL: the sender stays */
    char *transport;     /* by mailbox_transport_maps, mailbox_transport: who has the mailbox, "lmtp:unix:/path"; NULL: we */
    char *fallback;      /* by fallback_transport_maps, fallback_transport, if there is no such user; or NULL */
    char *command;       /* by mailbox_command_maps, or NULL */
    bool skips_forward;  /* its mailbox it is, whatever ~/.forward says */
};

/* ---- deliver_local.c ---- */

struct local_plan *local_plan_new(const struct delivery *d);
void local_plan_free(struct local_plan *p);

/* ---- local_run.c ---- */

/* Errands: an alias's commands, files and addresses; a user's ~/.forward, or his mailbox. */
void local_run_alias(void *arg, struct outcome *out);
void local_run_user(void *arg, struct outcome *out);
/* "user" or "user@a name of this machine" is the recipient itself. */
bool local_is_itself(const struct delivery *d, const char *address);

/* ---- local_forward.c ---- */

enum { LOCAL_TEXT_MAX = 1 << 20 };

/* 1: read; 0: it is a ~/.forward, and there is none; -1: there is one that cannot be read, or may not. */
int local_read_text(const char *path, bool is_forward, struct buf *text, struct err *e);
/* The first file of forward_path that is there. The same. */
int local_find_forward(const struct delivery *d, const struct identity *id, struct forwards *f, struct err *e);
/* With require_home_directory: 4.3.0 when it is not there. */
bool local_has_home(const struct delivery *d, const struct identity *id, struct outcome *out);
/* Becomes the user. True also when nobody can tell. */
bool local_may_have_forward(const struct delivery *d);

/* It was delivered to this recipient before: 5.4.6. Only as somebody: it reads what a stranger has written. */
bool local_is_loop(const struct delivery *d, struct outcome *out);

/* ---- local_hand_over.c ---- */

/* Becomes mail_owner. */
void local_hand_over(const struct delivery *d, const char *transport, struct outcome *out);

/* A process that does that for one who has become a user meanwhile, with the plan's transport; or nothing, when it is not asked. */
struct local_helper { /* zeroes: there is none */
    pid_t pid;
    int fd;
};
int local_helper_start(struct local_helper *h, const struct delivery *d, struct err *e);
void local_helper_ask(const struct local_helper *h, struct outcome *out);
void local_helper_end(struct local_helper *h);

/* ---- local_mailbox.c ---- */

/* The group that may make files in mail_spool_directory, (gid_t)-1: none. To be asked before becoming the user. */
gid_t local_spool_gid(const struct config *cfg);
void local_mailbox(const struct delivery *d, const struct identity *id, gid_t spool_gid, struct outcome *out);
void local_file(const struct delivery *d, const char *path, struct outcome *out);
/* `text` is parted into words; `id` NULL: whose home and name are not known. */
void local_command(const struct delivery *d, const struct identity *id, const char *text, struct outcome *out);

/* ---- local_env.c ---- */

struct local_names { /* for template_expand() */
    const struct delivery *d;
    const struct identity *id; /* or NULL */
};
/* $user, $home, ... of forward_path */
enum template_value local_value(void *arg, struct span name, struct buf *out);
/* $USER, $HOME, ... of commands, with command_expansion_filter */
enum template_value local_env_value(void *arg, struct span name, struct buf *out);
/* "NAME=value" for all of these that have one, and PATH. */
void local_env(const struct local_names *n, struct strlist *env);

#endif
