/* SPDX-License-Identifier: Apache-2.0
 *
 * local_forward.c - the files in which users and lists say whom mail goes to: read as whoever we are by then, so that nobody reads by
 * mail what he may not read. */
#include "server/local_int.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int may_be_read(const char *path, const struct stat *st, bool is_forward, struct err *e)
{
    if (!S_ISREG(st->st_mode))
        return err_set(e, ERR_CONFIG, "%s is not a regular file", path);
    if (is_forward && st->st_uid != geteuid() && st->st_uid != 0)
        return err_set(e, ERR_CONFIG, "%s belongs to somebody else", path);
    if (is_forward && st->st_mode & S_IWOTH)
        return err_set(e, ERR_CONFIG, "%s can be written by anybody: chmod o-w", path);
    if (st->st_size > LOCAL_TEXT_MAX)
        return err_set(e, ERR_CONFIG, "%s is larger than %d bytes", path, LOCAL_TEXT_MAX);
    return 0;
}

static int read_all(int fd, const char *path, bool is_forward, struct buf *text, struct err *e)
{
    struct stat st;
    ssize_t n;

    if (fstat(fd, &st) < 0)
        return err_sys(e, "look at %s", path);
    if (may_be_read(path, &st, is_forward, e) < 0)
        return -1;
    while ((n = read(fd, buf_room(text, 4096), 4096)) > 0 && text->len < LOCAL_TEXT_MAX)
        text->len += (size_t)n;
    return n < 0 ? err_sys(e, "read %s", path) : 1;
}

/* The same for all who ask: a home that is not there, or closed, has no ~/.forward. */
static bool is_none(int error)
{
    return error == ENOENT || error == ENOTDIR || error == EACCES;
}

int local_read_text(const char *path, bool is_forward, struct buf *text, struct err *e)
{
    int fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);

    if (fd < 0 && is_forward && is_none(errno))
        return 0;
    if (fd < 0)
        return err_sys(e, "open %s", path);
    int rc = read_all(fd, path, is_forward, text, e);
    close(fd);
    return rc;
}

/* ---- forward_path ---- */

typedef int use_fn(void *arg, const char *path, struct err *e);

/* Till one says something else than 0. */
static int each_path(const struct delivery *d, const struct identity *id, use_fn *use, void *arg, struct err *e)
{
    struct span rest = span_str(d->mail->deliver->cfg->forward_path), word;
    const struct local_names names = { d, id };
    struct buf path;
    int rc = 0;

    buf_init(&path, BUF_NO_MAX);
    while (rc == 0 && span_word(&rest, ",\n", &word)) {
        buf_clear(&path);
        int known = template_expand(word, local_value, (void *)(uintptr_t)&names, &path, e);
        rc = known > 0 ? use(arg, buf_cstr(&path), e) : known;
    }
    buf_fini(&path);
    return rc;
}

static int read_it(void *arg, const char *path, struct err *e)
{
    struct forwards *f = arg;
    struct buf text;

    buf_init(&text, LOCAL_TEXT_MAX + 8192);
    int rc = local_read_text(path, true, &text, e);
    if (rc > 0 && forwards_add_text(f, buf_span(&text), e) < 0)
        rc = err_prefix(e, "%s", path);
    buf_fini(&text);
    return rc;
}

int local_find_forward(const struct delivery *d, const struct identity *id, struct forwards *f, struct err *e)
{
    return each_path(d, id, read_it, f, e);
}

bool local_has_home(const struct delivery *d, const struct identity *id, struct outcome *out)
{
    struct stat st;

    if (!d->mail->deliver->cfg->require_home_directory || (stat(id->home, &st) == 0 && S_ISDIR(st.st_mode)))
        return true;
    outcome_set(out, "4.3.0", "the home of %s, %s, is not there (require_home_directory)", id->name, id->home);
    return false;
}

static int look(void *arg, const char *path, struct err *e)
{
    struct stat st;

    (void)arg;
    (void)e;
    return stat(path, &st) == 0 || !is_none(errno);
}

bool local_may_have_forward(const struct delivery *d)
{
    struct identity id = { 0 };
    struct outcome ignored;
    struct err e;
    int rc = identity_of_user(&id, d->plan->user, &e);

    if (rc > 0 && (id.uid == 0 || (geteuid() != 0 && id.uid != geteuid())))
        rc = 0; /* nobody delivers as root, or as others without root */
    else if (rc > 0)
        rc = identity_become(&id, (gid_t)-1, &e) < 0 || !local_has_home(d, &id, &ignored) ? -1 : each_path(d, &id, look, NULL, &e);
    identity_fini(&id);
    return rc != 0;
}
