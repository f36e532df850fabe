/* SPDX-License-Identifier: Apache-2.0 */
#include "sim_fs.h"

#include "base/clock.h"
#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_FDS 256

struct bytes {
    char *at;
    size_t len, cap;
};

struct change { /* of the data */
    uint64_t offset;
    size_t len;
    char *bytes; /* NULL: the file was made `offset` bytes long */
};

struct move { /* of the name */
    char *from, *to; /* NULL: there was none, there is none */
};

struct inode {
    struct bytes now, safe;
    char *now_name, *safe_name;
    struct change *changes;
    size_t n_changes;
    struct move *moves;
    size_t n_moves;
};

struct sim_fs {
    struct spool_io io; /* first */
    struct inode **inodes;
    size_t n_inodes;
    struct inode *fds[MAX_FDS];
    uint64_t steps, fail_step;
    bool is_full;
    int fail_sys;
    bool fails_next_write;
    size_t last_write;
    struct inode *last_inode;
    void (*on_step)(void *arg);
    void *arg;
    unsigned reads_left; /* till on_read; 0: never */
    void (*on_read)(void *arg);
    void *read_arg;
};

/* ---- bytes -------------------------------------------------------------------------------------------------------- */

static void extend(struct bytes *b, size_t len)
{
    if (len <= b->len)
        return;
    if (len > b->cap) {
        b->cap = len + len / 2;
        b->at = xrealloc(b->at, b->cap);
    }
    memset(b->at + b->len, 0, len - b->len);
    b->len = len;
}

static void apply(struct bytes *b, const struct change *c, size_t len)
{
    if (!c->bytes) {
        extend(b, c->offset);
        return;
    }
    extend(b, c->offset + len);
    memcpy(b->at + c->offset, c->bytes, len);
}

static void copy_bytes(struct bytes *to, const struct bytes *from)
{
    *to = (struct bytes){ 0 };
    extend(to, from->len);
    if (from->len)
        memcpy(to->at, from->at, from->len);
}

static void forget_changes(struct inode *f)
{
    for (size_t i = 0; i < f->n_changes; i++)
        free(f->changes[i].bytes);
    free(f->changes);
    f->changes = NULL;
    f->n_changes = 0;
}

static void free_inode(struct inode *f)
{
    forget_changes(f);
    for (size_t i = 0; i < f->n_moves; i++) {
        free(f->moves[i].from);
        free(f->moves[i].to);
    }
    free(f->moves);
    free(f->now.at);
    free(f->safe.at);
    free(f->now_name);
    free(f->safe_name);
    free(f);
}

static char *dup_or_null(const char *s)
{
    return s ? xstrdup(s) : NULL;
}

/* ---- steps -------------------------------------------------------------------------------------------------------- */

static bool fails(struct sim_fs *fs)
{
    fs->steps++;
    fs->last_write = 0;
    if (fs->steps != fs->fail_step)
        return false;
    errno = fs->fail_sys;
    return true;
}

static void stepped(struct sim_fs *fs)
{
    int sys = errno;
    if (fs->on_step)
        fs->on_step(fs->arg);
    errno = sys;
}

static void reading(struct sim_fs *fs)
{
    if (fs->reads_left && --fs->reads_left == 0)
        fs->on_read(fs->read_arg);
}

static struct inode *find(const struct sim_fs *fs, const char *path)
{
    for (size_t i = 0; i < fs->n_inodes; i++)
        if (fs->inodes[i]->now_name && strcmp(fs->inodes[i]->now_name, path) == 0)
            return fs->inodes[i];
    return NULL;
}

static struct inode *add_inode(struct sim_fs *fs)
{
    fs->inodes = xreallocarray(fs->inodes, fs->n_inodes + 1, sizeof(struct inode *));
    return fs->inodes[fs->n_inodes++] = xcalloc(1, sizeof(struct inode));
}

static void move(struct inode *f, const char *to)
{
    f->moves = xreallocarray(f->moves, f->n_moves + 1, sizeof *f->moves);
    f->moves[f->n_moves++] = (struct move){ f->now_name, dup_or_null(to) };
    f->now_name = dup_or_null(to);
}

/* The first `n` moves are on disk. */
static void keep_moves(struct inode *f, size_t n)
{
    if (n == 0)
        return;
    for (size_t i = 0; i < n; i++) {
        free(f->safe_name);
        f->safe_name = dup_or_null(f->moves[i].to);
        free(f->moves[i].from);
        free(f->moves[i].to);
    }
    memmove(f->moves, f->moves + n, (f->n_moves - n) * sizeof *f->moves);
    f->n_moves -= n;
}

static void keep_data(struct inode *f)
{
    for (size_t i = 0; i < f->n_changes; i++)
        apply(&f->safe, &f->changes[i], f->changes[i].len);
    forget_changes(f);
}

static bool is_in(const char *name, const char *folder)
{
    size_t n = strlen(folder);
    return name && strncmp(name, folder, n) == 0 && name[n] == '/' && !strchr(name + n + 1, '/');
}

/* ---- struct spool_io ------------------------------------------------------------------------------------------------ */

static int sim_open(struct spool_io *io, const char *path, int flags, mode_t mode)
{
    struct sim_fs *fs = (struct sim_fs *)io;
    int fd = 0;
    (void)mode;

    reading(fs);
    struct inode *f = find(fs, path);

    while (fs->fds[fd])
        if (++fd == MAX_FDS)
            bug("the simulated file system has no fd left");
    if (f && (flags & O_EXCL))
        return errno = EEXIST, -1;
    if (!f && !(flags & O_CREAT))
        return errno = ENOENT, -1;
    if (!f) {
        if (fails(fs))
            return -1;
        f = add_inode(fs);
        move(f, path);
        fs->fds[fd] = f;
        stepped(fs);
    }
    fs->fds[fd] = f;
    return fd;
}

static void sim_close(struct spool_io *io, int fd)
{
    ((struct sim_fs *)io)->fds[fd] = NULL;
}

static int sim_share(struct spool_io *io, int fd, const char *folder)
{
    (void)io;
    (void)fd;
    (void)folder;
    return 0;
}

static ssize_t sim_pread(struct spool_io *io, int fd, void *to, size_t len, uint64_t offset)
{
    struct inode *f = ((struct sim_fs *)io)->fds[fd];

    reading((struct sim_fs *)io);
    if (offset >= f->now.len)
        return 0;
    if (len > f->now.len - offset)
        len = f->now.len - offset;
    memcpy(to, f->now.at + offset, len);
    return (ssize_t)len;
}

static void change(struct sim_fs *fs, struct inode *f, uint64_t offset, const void *from, size_t len)
{
    f->changes = xreallocarray(f->changes, f->n_changes + 1, sizeof *f->changes);
    struct change *c = &f->changes[f->n_changes++];
    *c = (struct change){ .offset = offset, .len = len };
    if (from) {
        c->bytes = xmalloc(len);
        memcpy(c->bytes, from, len);
    }
    apply(&f->now, c, len);
    fs->last_write = len;
    fs->last_inode = f;
}

static ssize_t sim_pwrite(struct spool_io *io, int fd, const void *from, size_t len, uint64_t offset)
{
    struct sim_fs *fs = (struct sim_fs *)io;

    if (fs->fails_next_write) {
        fs->fails_next_write = false;
        errno = fs->fail_sys;
        return -1;
    }
    if (fails(fs)) {
        fs->fails_next_write = true;
        len /= 2;
        if (len == 0)
            return -1;
    }
    change(fs, fs->fds[fd], offset, from, len);
    stepped(fs);
    return (ssize_t)len;
}

static int sim_allocate(struct spool_io *io, int fd, uint64_t size)
{
    struct sim_fs *fs = (struct sim_fs *)io;

    if (fails(fs))
        return -1;
    if (fs->is_full)
        return errno = ENOSPC, -1;
    change(fs, fs->fds[fd], size, NULL, 0);
    stepped(fs);
    return 0;
}

static int sim_fdatasync(struct spool_io *io, int fd)
{
    struct sim_fs *fs = (struct sim_fs *)io;

    if (fails(fs)) {
        forget_changes(fs->fds[fd]); /* clean pages now, of data that is not on disk */
        return -1;
    }
    keep_data(fs->fds[fd]);
    stepped(fs);
    return 0;
}

static int sim_fsync(struct spool_io *io, int fd)
{
    struct sim_fs *fs = (struct sim_fs *)io;

    if (fails(fs))
        return -1;
    keep_data(fs->fds[fd]);
    keep_moves(fs->fds[fd], fs->fds[fd]->n_moves);
    stepped(fs);
    return 0;
}

static int sim_fsync_dir(struct spool_io *io, const char *path)
{
    struct sim_fs *fs = (struct sim_fs *)io;

    if (fails(fs))
        return -1;
    for (size_t i = 0; i < fs->n_inodes; i++) {
        struct inode *f = fs->inodes[i];
        size_t n = 0;
        for (size_t k = 0; k < f->n_moves; k++)
            if (is_in(f->moves[k].from, path) || is_in(f->moves[k].to, path))
                n = k + 1;
        keep_moves(f, n);
    }
    stepped(fs);
    return 0;
}

static int sim_rename(struct spool_io *io, const char *from, const char *to)
{
    struct sim_fs *fs = (struct sim_fs *)io;
    struct inode *f = find(fs, from);

    if (!f)
        return errno = ENOENT, -1;
    if (find(fs, to))
        bug("rename over an existing file: %s", to);
    if (fails(fs))
        return -1;
    move(f, to);
    stepped(fs);
    return 0;
}

static int sim_unlink(struct spool_io *io, const char *path)
{
    struct sim_fs *fs = (struct sim_fs *)io;
    struct inode *f = find(fs, path);

    if (!f)
        return errno = ENOENT, -1;
    if (fails(fs))
        return -1;
    move(f, NULL);
    stepped(fs);
    return 0;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static int sim_list(struct spool_io *io, const char *path, spool_io_name_fn *name, void *arg)
{
    struct sim_fs *fs = (struct sim_fs *)io;

    reading(fs);
    char **names = xcalloc(fs->n_inodes + 1, sizeof *names);
    size_t n = 0;

    for (size_t i = 0; i < fs->n_inodes; i++)
        if (is_in(fs->inodes[i]->now_name, path))
            names[n++] = fs->inodes[i]->now_name + strlen(path) + 1;
    qsort(names, n, sizeof *names, by_name);
    for (size_t i = 0; i < n; i++)
        name(arg, names[i]);
    free(names);
    return 0;
}

static int sim_stat(struct spool_io *io, int fd, struct spool_io_stat *st)
{
    struct inode *f = ((struct sim_fs *)io)->fds[fd];
    *st = (struct spool_io_stat){ .size = f->now.len, .mtime_us = clock_real_us(), .is_file = true };
    return 0;
}

static int sim_space(struct spool_io *io, const char *path, uint64_t *free_bytes)
{
    (void)io;
    (void)path;
    *free_bytes = 1u << 30;
    return 0;
}

/* ---- from outside ------------------------------------------------------------------------------------------------- */

struct sim_fs *sim_new(void)
{
    struct sim_fs *fs = xcalloc(1, sizeof *fs);

    fs->io = (struct spool_io){
        .open = sim_open,
        .close = sim_close,
        .share = sim_share,
        .pread = sim_pread,
        .pwrite = sim_pwrite,
        .allocate = sim_allocate,
        .fdatasync = sim_fdatasync,
        .fsync = sim_fsync,
        .fsync_dir = sim_fsync_dir,
        .rename = sim_rename,
        .unlink = sim_unlink,
        .list = sim_list,
        .stat = sim_stat,
        .space = sim_space,
    };
    return fs;
}

void sim_free(struct sim_fs *fs)
{
    for (size_t i = 0; i < fs->n_inodes; i++)
        free_inode(fs->inodes[i]);
    free(fs->inodes);
    free(fs);
}

struct spool_io *sim_io(struct sim_fs *fs)
{
    return &fs->io;
}

static uint64_t next_random(uint64_t *x)
{
    *x = *x * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return *x >> 33;
}

static size_t surviving_moves(const struct inode *f, enum sim_survival survival, uint64_t *x)
{
    switch (survival) {
    case SIM_NOTHING:
    case SIM_LAST_ONLY: return 0;
    case SIM_RANDOM: return next_random(x) % (f->n_moves + 1);
    default: return f->n_moves;
    }
}

/* How many bytes of change `i` are on disk. */
static size_t surviving_bytes(const struct sim_fs *fs, const struct inode *f, size_t i, enum sim_survival survival,
                              uint64_t *cut)
{
    const struct change *c = &f->changes[i];
    bool is_last = i + 1 == f->n_changes;

    switch (survival) {
    case SIM_NOTHING:
    case SIM_NAMES: return 0;
    case SIM_LAST_ONLY: return is_last ? c->len : 0;
    case SIM_TORN: return is_last && f == fs->last_inode && *cut < c->len ? *cut : c->len;
    case SIM_RANDOM: {
        /* Whole, nothing, or torn at a sector. */
        uint64_t r = next_random(cut);
        return r % 3 == 0 ? c->len : r % 3 == 1 ? 0 : (r / 3 * 512) % (c->len + 1);
    }
    default: return c->len;
    }
}

struct sim_fs *sim_after_cut(const struct sim_fs *fs, enum sim_survival survival, uint64_t cut)
{
    struct sim_fs *out = sim_new();

    for (size_t i = 0; i < fs->n_inodes; i++) {
        const struct inode *f = fs->inodes[i];
        size_t n = surviving_moves(f, survival, &cut);
        const char *name = n ? f->moves[n - 1].to : f->safe_name;
        if (!name)
            continue;
        struct inode *g = add_inode(out);
        g->now_name = xstrdup(name);
        g->safe_name = xstrdup(name);
        copy_bytes(&g->safe, &f->safe);
        for (size_t k = 0; k < f->n_changes; k++) {
            bool is_size = !f->changes[k].bytes;
            size_t len = surviving_bytes(fs, f, k, survival, &cut);
            if (is_size ? survival == SIM_EVERYTHING || survival == SIM_TORN || (survival == SIM_RANDOM && cut & 64) : len > 0)
                apply(&g->safe, &f->changes[k], len);
        }
        copy_bytes(&g->now, &g->safe);
    }
    return out;
}

void sim_put(struct sim_fs *fs, const char *path, const char *text)
{
    struct inode *f = add_inode(fs);
    struct change c = { .len = strlen(text), .bytes = (char *)text };

    f->now_name = xstrdup(path);
    f->safe_name = xstrdup(path);
    apply(&f->now, &c, c.len);
    apply(&f->safe, &c, c.len);
}

unsigned sim_count(const struct sim_fs *fs, const char *folder)
{
    unsigned n = 0;
    for (size_t i = 0; i < fs->n_inodes; i++)
        n += is_in(fs->inodes[i]->now_name, folder);
    return n;
}

void sim_damage(struct sim_fs *fs, const char *path, uint64_t offset, size_t len)
{
    struct inode *f = find(fs, path);

    for (size_t i = 0; i < len; i++) {
        f->now.at[offset + i] ^= 0x55;
        if (offset + i < f->safe.len) /* else it was never synced */
            f->safe.at[offset + i] ^= 0x55;
    }
}

void sim_on_step(struct sim_fs *fs, void (*fn)(void *arg), void *arg)
{
    fs->on_step = fn;
    fs->arg = arg;
}

void sim_on_read(struct sim_fs *fs, unsigned n, void (*fn)(void *arg), void *arg)
{
    fs->reads_left = n;
    fs->on_read = fn;
    fs->read_arg = arg;
}

uint64_t sim_steps(const struct sim_fs *fs)
{
    return fs->steps;
}

size_t sim_last_write(const struct sim_fs *fs)
{
    return fs->last_write;
}

void sim_fill(struct sim_fs *fs)
{
    fs->is_full = true;
}

void sim_fail(struct sim_fs *fs, uint64_t step, int sys)
{
    fs->fail_step = step;
    fs->fail_sys = sys;
}
