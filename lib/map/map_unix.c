/* SPDX-License-Identifier: Apache-2.0
 *
 * map_unix.c - unix:passwd.byname and unix:group.byname: the users and groups of the system, wherever nsswitch.conf(5) has them
 * from. That may be a directory on another machine, so a lookup may block. The value is the line as passwd(5) or group(5) has
 * it. */
#include "map/map_int.h"

#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <stdlib.h>
#include <unistd.h>

enum { ROOM_MIN = 4096, ROOM_MAX = 1 << 20 };

/* Fills `value` from the entry; -1: it is too long. */
typedef int write_fn(const void *entry, struct buf *value);
typedef int find_fn(const char *name, void *entry, char *room, size_t size, void **found);

struct source {
    const char *name;
    const char *file; /* that has them, on most machines */
    find_fn *find;
    write_fn *write;
};

struct accounts {
    const struct source *source;
    struct map_state *state;
    struct map_mark mark; /* of the file, when it could be read last */
};

static int find_user(const char *name, void *entry, char *room, size_t size, void **found)
{
    return getpwnam_r(name, entry, room, size, (struct passwd **)found);
}

static int write_user(const void *entry, struct buf *value)
{
    const struct passwd *p = entry;

    return buf_addf(value, "%s:%s:%lu:%lu:%s:%s:%s", p->pw_name, p->pw_passwd, (unsigned long)p->pw_uid,
                    (unsigned long)p->pw_gid, p->pw_gecos ? p->pw_gecos : "", p->pw_dir, p->pw_shell);
}

static int find_group(const char *name, void *entry, char *room, size_t size, void **found)
{
    return getgrnam_r(name, entry, room, size, (struct group **)found);
}

static int write_group(const void *entry, struct buf *value)
{
    const struct group *g = entry;
    int rc = buf_addf(value, "%s:%s:%lu:", g->gr_name, g->gr_passwd, (unsigned long)g->gr_gid);

    for (char **at = g->gr_mem; *at && rc == 0; at++)
        rc = buf_addf(value, "%s%s", at == g->gr_mem ? "" : ",", *at);
    return rc;
}

static const struct source sources[] = {
    { "passwd.byname", "/etc/passwd", find_user, write_user },
    { "group.byname", "/etc/group", find_group, write_group },
};

static bool look_at_file(const struct source *s, struct map_mark *mark)
{
    struct stat st;

    *mark = (struct map_mark){ 0 };
    if (stat(s->file, &st) < 0)
        return false;
    *mark = map_mark_of(&st);
    return true;
}

/* A jail knows files by their inodes, and useradd(8) puts a new one into the old one's place: who is in that is not for us to say. */
static bool is_stale(struct accounts *a)
{
    struct map_mark now;
    int fd;

    if (!look_at_file(a->source, &now) || map_mark_eq(&now, &a->mark))
        return false;
    fd = open(a->source->file, O_RDONLY | O_CLOEXEC);
    if (fd < 0 && (errno == EACCES || errno == EPERM)) {
        __atomic_store_n(&a->state->is_stale, true, __ATOMIC_RELAXED);
        return true;
    }
    if (fd >= 0)
        close(fd);
    a->mark = now;
    return false;
}

static void *open_unix(const struct map_source *src, struct err *e)
{
    for (size_t i = 0; i < ARRAY_LEN(sources); i++)
        if (strcmp(src->name, sources[i].name) == 0) {
            struct accounts *a = xcalloc(1, sizeof *a);
            *a = (struct accounts){ .source = &sources[i], .state = src->state };
            look_at_file(a->source, &a->mark);
            return a;
        }
    err_set(e, ERR_CONFIG, "unix:%s: there are unix:passwd.byname and unix:group.byname", src->name);
    return NULL;
}

static void close_unix(void *self)
{
    free(self);
}

/* "No such user" has many numbers. */
static bool is_absence(int error)
{
    return error == 0 || error == ENOENT || error == ESRCH || error == EBADF || error == EPERM;
}

static enum map_result look_up(void *self, struct span key, struct buf *value, struct err *e)
{
    struct accounts *a = self;
    const struct source *s = a->source;
    union {
        struct passwd user;
        struct group group;
    } entry;
    enum map_result result = MAP_NOT_FOUND;
    void *found = NULL;
    int error = 0;

    if (key.len == 0 || memchr(key.at, '\0', key.len) || span_find(key, ':') != key.len)
        return MAP_NOT_FOUND;
    if (is_stale(a)) {
        err_set(e, ERR_TEMPORARY, "%s has changed, and this process may not read the new one", s->file);
        return MAP_CANNOT_TELL;
    }
    for (size_t size = ROOM_MIN; size <= ROOM_MAX; size *= 4) {
        char *room = xmalloc(size);
        error = s->find(key.at, &entry, room, size, &found);
        if (found)
            result = s->write(&entry, value) < 0 ? map_value_too_long(key, e) : MAP_FOUND;
        free(room);
        if (error != ERANGE)
            break;
    }
    if (!found && !is_absence(error)) {
        errno = error;
        err_sys(e, "users and groups of the system");
        return MAP_CANNOT_TELL;
    }
    return result;
}

const struct map_kind map_kind_unix = {
    .type = "unix", .flags = MAP_FOLDS | MAP_BLOCKS, .open = open_unix, .close = close_unix, .lookup = look_up,
};
