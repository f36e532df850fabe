/* SPDX-License-Identifier: Apache-2.0
 *
 * checks_transports.c - the sockets that mail is to be handed over at: is somebody there, and may we? */
#include "control/checks.h"

#include "base/mem.h"

#include <errno.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct look {
    const struct config *cfg;
    struct findings *findings;
};

/* As the relay worker will be, when root starts it. */
static bool may_write(const struct config *cfg, const char *path, const struct stat *st)
{
    const struct passwd *pw = geteuid() == 0 ? getpwnam(cfg->mail_owner) : NULL;

    if (geteuid() != 0)
        return access(path, W_OK) == 0;
    if (!pw)
        return true; /* check_spool says what is wrong with that user */
    mode_t bit = st->st_uid == pw->pw_uid ? S_IWUSR : st->st_gid == pw->pw_gid ? S_IWGRP : S_IWOTH;
    return st->st_mode & bit;
}

static void check_socket(const struct look *l, const char *param, const char *written)
{
    char *path = written[0] == '/' ? xstrdup(written) : xasprintf("%s/%s", l->cfg->queue_directory, written);
    struct stat st;

    if (stat(path, &st) < 0) {
        findings_add(l->findings, FINDING_WARNING, "transport", "%s: nobody listens at %s: %s", param, path, strerror(errno));
        findings_advise(l->findings, "start its server, or write the path that it has: for Dovecot the unix_listener within service lmtp");
    } else if (!S_ISSOCK(st.st_mode)) {
        findings_add(l->findings, FINDING_ERROR, "transport", "%s: %s is no socket", param, path);
    } else if (!may_write(l->cfg, path, &st)) {
        findings_add(l->findings, FINDING_ERROR, "transport", "%s: %s may not be used by the user %s", param, path,
                     geteuid() == 0 ? l->cfg->mail_owner : "who runs this");
        findings_advise(l->findings, "in Dovecot, unix_listener %s { mode = 0600 user = %s }", path, l->cfg->mail_owner);
    } else {
        findings_add(l->findings, FINDING_OK, "transport", "%s: %s is there", param, path);
    }
    free(path);
}

static void check_transport(void *arg, const char *param, const struct transport *t)
{
    const struct look *l = arg;
    struct span rest = span_str(t->nexthop), word;
    struct relayhost h;
    struct err e;

    while (strcmp(t->name, "lmtp") == 0 && span_word(&rest, "", &word)) {
        if (lmtp_hop_parse(&h, word, l->cfg->lmtp_tcp_port, &e) < 0)
            continue;
        if (h.path)
            check_socket(l, param, h.path);
        relayhost_fini(&h);
    }
}

void check_transport_sockets(const struct config *cfg, struct findings *f)
{
    struct look l = { cfg, f };
    config_each_transport(cfg, check_transport, &l);
}
