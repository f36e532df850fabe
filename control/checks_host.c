/* SPDX-License-Identifier: Apache-2.0 */
#include "control/checks.h"

#include "base/mem.h"
#include "net/listen.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <net/if.h>
#include <netdb.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

static const char *user_name(uid_t uid)
{
    static char text[64];
    const struct passwd *pw = getpwuid(uid);

    snprintf(text, sizeof text, "%u", uid);
    return pw ? pw->pw_name : text;
}

/* Who is not root runs everything as himself. */
void check_users(const struct config *cfg, struct findings *f)
{
    const struct passwd *pw = getpwnam(cfg->mail_owner);
    const struct group *gr = getgrnam(cfg->setgid_group);

    if (geteuid() != 0)
        return;
    if (!pw)
        findings_add(
            f, FINDING_ERROR, "mail_owner",
            "there is no user %s: useradd --system --user-group --no-create-home %s, or set mail_owner",
            cfg->mail_owner, cfg->mail_owner);
    else if (pw->pw_uid == 0)
        findings_add(f, FINDING_ERROR, "mail_owner",
                     "%s is root: workers have to be somebody who may do nothing else",
                     cfg->mail_owner);
    else
        findings_add(f, FINDING_OK, "mail_owner", "%s", cfg->mail_owner);
    if (!gr)
        findings_add(f, FINDING_ERROR, "setgid_group",
                     "there is no group %s: groupadd --system %s, or set setgid_group",
                     cfg->setgid_group, cfg->setgid_group);
}

/* The nearest folder above that exists. */
static void existing_parent(const char *path, char *out, size_t size)
{
    snprintf(out, size, "%s", path);
    while (strcmp(out, "/") != 0 && access(out, F_OK) < 0) {
        char *slash = strrchr(out, '/');
        if (slash == out)
            slash[1] = '\0';
        else
            *slash = '\0';
    }
}

static void check_missing_spool(const struct config *cfg, struct findings *f)
{
    char parent[PATH_MAX];

    existing_parent(cfg->queue_directory, parent, sizeof parent);
    if (access(parent, W_OK) == 0)
        findings_add(f, FINDING_OK, "spool", "%s: batond makes it at its first start",
                     cfg->queue_directory);
    else
        findings_add(f, FINDING_ERROR, "spool",
                     "%s does not exist, and %s may not make it in %s: set queue_directory to a "
                     "folder that this user may write to, or start batond as root",
                     cfg->queue_directory, user_name(geteuid()), parent);
}

/* Whom it ought to belong to: mail_owner when root starts batond, else whoever does. */
static void check_owner(const struct config *cfg, const struct stat *st, struct findings *f)
{
    const struct passwd *pw = getpwnam(cfg->mail_owner);
    bool is_mail_owner = pw && st->st_uid == pw->pw_uid;

    if (geteuid() != 0 && st->st_uid != geteuid())
        findings_add(f, is_mail_owner ? FINDING_NOTE : FINDING_WARNING, "spool",
                     "%s belongs to %s: only root and %s look into it", cfg->queue_directory,
                     user_name(st->st_uid), user_name(st->st_uid));
    else if (geteuid() == 0 && pw && !is_mail_owner)
        findings_add(f, FINDING_ERROR, "spool",
                     "%s belongs to %s, not to mail_owner: chown -R %s %s", cfg->queue_directory,
                     user_name(st->st_uid), cfg->mail_owner, cfg->queue_directory);
    else if (st->st_mode & S_IWOTH && !(st->st_mode & S_ISVTX))
        findings_add(f, FINDING_ERROR, "spool", "%s may be written to by everybody: chmod o-w %s",
                     cfg->queue_directory, cfg->queue_directory);
    else
        findings_add(f, FINDING_OK, "spool", "%s", cfg->queue_directory);
}

void check_spool(const struct config *cfg, struct findings *f)
{
    struct stat st;

    if (stat(cfg->queue_directory, &st) == 0 && S_ISDIR(st.st_mode))
        check_owner(cfg, &st, f);
    else if (errno == ENOENT)
        check_missing_spool(cfg, f);
    else
        findings_add(f, FINDING_ERROR, "spool", "%s: %s", cfg->queue_directory,
                     S_ISDIR(st.st_mode) ? strerror(errno) : "is not a folder");
}

void check_space(const struct config *cfg, struct findings *f)
{
    uint64_t wants = cfg->message_size_limit + cfg->message_size_limit / 2;
    char at[PATH_MAX];
    struct statvfs v;

    existing_parent(cfg->queue_directory, at, sizeof at);
    if (statvfs(at, &v) < 0)
        return;
    uint64_t has = (uint64_t)v.f_bavail * v.f_frsize;
    if (wants < cfg->queue_minfree)
        wants = cfg->queue_minfree;
    if (has <= wants)
        findings_add(f, FINDING_ERROR, "space", "%s has %llu MiB left; below %llu no mail is taken",
                     at, (unsigned long long)(has >> 20), (unsigned long long)(wants >> 20));
    else
        findings_add(f, FINDING_OK, "space", "%llu MiB left at %s", (unsigned long long)(has >> 20),
                     at);
    if (v.f_flag & ST_RDONLY)
        findings_add(f, FINDING_ERROR, "space", "the file system of %s is mounted read-only", at);
}

/* A package of another mail system may have put its own there. What cannot be read is believed. */
static bool is_batons(const char *program)
{
    static const char mark[] = "BATON_CONF";
    int fd = open(program, O_RDONLY | O_CLOEXEC);
    struct stat st;
    bool is_it = true;

    if (fd >= 0 && fstat(fd, &st) == 0 && st.st_size > 0) {
        void *at = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
        if (at != MAP_FAILED) {
            is_it = memmem(at, (size_t)st.st_size, mark, sizeof mark - 1) != NULL;
            munmap(at, (size_t)st.st_size);
        }
    }
    if (fd >= 0)
        close(fd);
    return is_it;
}

/* With batond down, mail goes into the drop, by the right of the group. */
void check_sendmail(const struct config *cfg, struct findings *f)
{
    const char *program = SBINDIR "/sendmail";
    const struct group *gr = getgrnam(cfg->setgid_group);
    struct stat st;

    if (stat(program, &st) < 0) {
        findings_add(f, FINDING_NOTE, "sendmail", "%s: %s", program, strerror(errno));
        return;
    }
    if (!is_batons(program))
        findings_add(f, FINDING_WARNING, "sendmail",
                     "%s is another mail system's: what programs send does not come here. Remove that one's package and install "
                     "Baton again (on Debian as a package: make deb)",
                     program);
    else if (!(st.st_mode & S_ISGID))
        findings_add(
            f, FINDING_NOTE, "sendmail",
            "%s is not setgid: while batond is down, only the owner of the spool can hand mail in",
            program);
    else if (!gr || st.st_gid != gr->gr_gid)
        findings_add(f, FINDING_ERROR, "sendmail",
                     "%s is setgid to another group than setgid_group: chgrp %s %s && chmod g+s %s",
                     program, cfg->setgid_group, program, program);
    else
        findings_add(f, FINDING_OK, "sendmail", "%s, setgid to %s", program, cfg->setgid_group);
}

/* ---- listening ---- */

static void check_port(const union addr *at, const char *name, struct findings *f)
{
    char text[ADDR_TEXT];
    struct err e;
    int fd = listen_open_tcp(at, 1, &e);

    addr_format(at, text);
    if (fd >= 0) {
        close(fd);
        findings_add(f, FINDING_OK, "listen", "%s: %s is free", name, text);
    } else if (e.sys == EADDRINUSE) {
        findings_add(
            f, FINDING_NOTE, "listen",
            "%s: %s is taken: by batond, if it runs; else another mail server has to make room",
            name, text);
    } else if (e.sys == EACCES || e.sys == EPERM) {
        findings_add(
            f, FINDING_NOTE, "listen",
            "%s: %s is for root only: start batond as root, or write a listen section with a "
            "port above 1023",
            name, text);
    } else if (e.sys == EADDRNOTAVAIL) {
        findings_add(f, FINDING_ERROR, "listen",
                     "%s: this machine has no address %s: look at inet_interfaces", name, text);
    } else {
        findings_add(f, FINDING_ERROR, "listen", "%s", e.text);
    }
}

/* An interface, or a word that is not even in /etc/hosts. */
static bool is_no_name(const char *word)
{
    struct addrinfo *found;

    if (if_nametoindex(word))
        return true;
    if (strchr(word, '.'))
        return false;
    if (getaddrinfo(word, NULL, NULL, &found) != 0)
        return true;
    freeaddrinfo(found);
    return false;
}

static void check_address(const struct config *cfg, const char *word, uint16_t port,
                          const char *name, struct findings *f)
{
    static const char *const loopback[] = { "127.0.0.1", "::1", NULL }, *const all[] = {
        "0.0.0.0", "::", NULL
    };
    const char *single[] = { word, NULL };
    const char *const *texts = strcasecmp(word, "all") == 0             ? all
                               : strcasecmp(word, "loopback-only") == 0 ? loopback
                                                                        : single;
    union addr at;

    for (; *texts; texts++) {
        if (!addr_parse(&at, span_str(*texts), port) && is_no_name(*texts)) {
            findings_add(f, FINDING_ERROR, "listen",
                         "%s: \"%s\" is neither an address nor the full name of a machine: write its addresses, \"all\" or \"loopback-only\"",
                         name, *texts);
            continue;
        }
        if (!addr_parse(&at, span_str(*texts), port)) {
            findings_add(f, FINDING_NOTE, "listen",
                         "%s: %s port %u (the name is looked up at start)", name, *texts, port);
            continue;
        }
        if (!(cfg->inet_protocols & (at.sa.sa_family == AF_INET ? CONFIG_IPV4 : CONFIG_IPV6)))
            continue;
        if (texts != single && at.sa.sa_family == AF_INET6 &&
            access("/proc/net/if_inet6", F_OK) < 0)
            continue;
        check_port(&at, name, f);
    }
}

void check_listeners(const struct config *cfg, struct findings *f)
{
    for (size_t i = 0; i < cfg->n_listens; i++) {
        const struct listen *l = &cfg->listens[i];
        for (size_t k = 0; !l->path[0] && k < l->address.n; k++)
            check_address(cfg, l->address.at[k], (uint16_t)l->port, l->name, f);
        if (l->path[0])
            findings_add(f, FINDING_OK, "listen", "%s: %s", l->name, l->path);
    }
    for (size_t k = 0; cfg->n_listens == 0 && k < cfg->inet_interfaces.n; k++)
        check_address(cfg, cfg->inet_interfaces.at[k], 25, "smtp", f);
    if (cfg->n_listens == 0 && cfg->inet_interfaces.n == 0)
        findings_add(f, FINDING_OK, "listen", "nowhere: mail comes from sendmail only");
}

void check_log(const struct config *cfg, struct findings *f)
{
    char folder[PATH_MAX];

    if (cfg->log[0] != '/') {
        findings_add(f, FINDING_OK, "log", "%s", cfg->log);
        return;
    }
    snprintf(folder, sizeof folder, "%s", cfg->log);
    *(strrchr(folder, '/') == folder ? folder + 1 : strrchr(folder, '/')) = '\0';
    if (access(cfg->log, W_OK) == 0 || (errno == ENOENT && access(folder, W_OK) == 0))
        findings_add(f, FINDING_OK, "log", "%s", cfg->log);
    else
        findings_add(f, geteuid() == 0 ? FINDING_ERROR : FINDING_WARNING, "log",
                     "%s cannot be written to: %s", cfg->log, strerror(errno));
}
