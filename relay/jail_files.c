/* SPDX-License-Identifier: Apache-2.0
 *
 * jail_files.c - Landlock: all rights to files are given up, then some are given back below a few paths. By system
 * calls, for the headers of the machine that builds may be older than the kernel that runs; hence our own names, with
 * the ABI version that brought each right. */
#include "base/log.h"
#include "base/mem.h"
#include "build.h"
#include "relay/jail_int.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef SYS_landlock_create_ruleset
#define SYS_landlock_create_ruleset 444
#define SYS_landlock_add_rule       445
#define SYS_landlock_restrict_self  446
#endif

#define BIT(n) (UINT64_C(1) << (n))

enum {
    FS_EXECUTE, FS_WRITE_FILE, FS_READ_FILE, FS_READ_DIR, FS_REMOVE_DIR, FS_REMOVE_FILE, FS_MAKE_CHAR, FS_MAKE_DIR,
    FS_MAKE_REG, FS_MAKE_SOCK, FS_MAKE_FIFO, FS_MAKE_BLOCK, FS_MAKE_SYM, /* ABI 1, Linux 5.13 */
    FS_REFER,     /* 2, 5.19: rename between folders; before it, always forbidden within a jail */
    FS_TRUNCATE,  /* 3, 6.2 */
    FS_IOCTL_DEV, /* 5, 6.10 */
};
enum { NET_BIND_TCP, NET_CONNECT_TCP }; /* 4, 6.7 */
enum { SCOPE_ABSTRACT_UNIX_SOCKET, SCOPE_SIGNAL }; /* 6, 6.12 */
enum { CREATE_RULESET_VERSION = 1, RULE_PATH_BENEATH = 1, RULE_NET_PORT = 2 };

struct ruleset_attr {
    uint64_t fs, net, scoped;
};
struct path_beneath_attr {
    uint64_t allowed;
    int32_t parent_fd;
} __attribute__((packed));
struct net_port_attr {
    uint64_t allowed, port;
};

#define FILE_RIGHTS (BIT(FS_EXECUTE) | BIT(FS_WRITE_FILE) | BIT(FS_READ_FILE) | BIT(FS_TRUNCATE) | BIT(FS_IOCTL_DEV))
#define READING     (BIT(FS_READ_FILE) | BIT(FS_READ_DIR))
#define SPOOLING                                                                                                       \
    (READING | BIT(FS_WRITE_FILE) | BIT(FS_TRUNCATE) | BIT(FS_MAKE_REG) | BIT(FS_REMOVE_FILE) | BIT(FS_REFER))

static uint64_t known_fs(long abi)
{
    uint64_t all = BIT(FS_MAKE_SYM + 1) - 1;
    all |= abi >= 2 ? BIT(FS_REFER) : 0;
    all |= abi >= 3 ? BIT(FS_TRUNCATE) : 0;
    return all | (abi >= 5 ? BIT(FS_IOCTL_DEV) : 0);
}

static int allow(int ruleset, const char *path, uint64_t rights, struct err *e)
{
    struct stat st;
    struct path_beneath_attr rule = { .allowed = rights, .parent_fd = open(path, O_PATH | O_CLOEXEC) };
    if (rule.parent_fd < 0)
        return errno == ENOENT || errno == EACCES ? 0 : err_sys(e, "open %s", path);
    if (fstat(rule.parent_fd, &st) == 0 && !S_ISDIR(st.st_mode))
        rule.allowed &= FILE_RIGHTS;
    long done = syscall(SYS_landlock_add_rule, ruleset, RULE_PATH_BENEATH, &rule, 0);
    int error = errno;
    close(rule.parent_fd);
    errno = error;
    return done < 0 ? err_sys(e, "allow %s", path) : 0;
}

/* A source address is bound to with port 0; nobody becomes a server in here. */
static int allow_any_port(int ruleset, struct err *e)
{
    struct net_port_attr rule = { .allowed = BIT(NET_BIND_TCP), .port = 0 };
    if (syscall(SYS_landlock_add_rule, ruleset, RULE_NET_PORT, &rule, 0) < 0)
        return err_sys(e, "allow source addresses");
    return 0;
}

#ifdef WITH_SANITIZERS
/* They look at our memory map, and at the debugging information when they have found something. */
static int allow_sanitizers(int ruleset, uint64_t known, struct err *e)
{
    char self[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
    self[n > 0 ? n : 0] = '\0';
    char *slash = strrchr(self, '/');
    if (slash)
        *slash = '\0';
    static const char *const paths[] = { "/proc", "/usr", "/lib", "/lib64" };
    uint64_t rights = (READING | BIT(FS_EXECUTE)) & known;
    for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
        if (allow(ruleset, paths[i], rights, e) < 0)
            return -1;
    }
    return *self ? allow(ruleset, self, rights, e) : 0;
}
#else
static int allow_sanitizers(int ruleset, uint64_t known, struct err *e)
{
    (void)ruleset;
    (void)known;
    (void)e;
    return 0;
}
#endif

static int allow_list(int ruleset, const char *const *paths, uint64_t rights, struct err *e)
{
    for (; paths && *paths; paths++) {
        if (allow(ruleset, *paths, rights, e) < 0)
            return -1;
    }
    return 0;
}

static int allow_all(int ruleset, long abi, const struct jail_rules *r, const struct jail_options *o, struct err *e)
{
    uint64_t known = known_fs(abi);
    if (o->spool && allow(ruleset, o->spool, SPOOLING & known, e) < 0)
        return -1;
    if (allow_list(ruleset, r->readable, READING, e) < 0 || allow_list(ruleset, o->read_also, READING, e) < 0)
        return -1;
    if (abi >= 4 && (r->network & JAIL_CONNECT) && allow_any_port(ruleset, e) < 0)
        return -1;
    return allow_sanitizers(ruleset, known, e);
}

int jail_files(const struct jail_rules *r, const struct jail_options *o, struct err *e)
{
    long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, CREATE_RULESET_VERSION);
    if (abi < 2) { /* ABI 1 would keep the spool from renaming between its folders */
        log_debug("the kernel has no Landlock that we can use (ABI %ld): files are guarded by the user alone", abi);
        return 0;
    }
    struct ruleset_attr attr = { .fs = known_fs(abi) };
    if (abi >= 4)
        attr.net = BIT(NET_BIND_TCP) | (r->network & JAIL_CONNECT ? 0 : BIT(NET_CONNECT_TCP));
    if (abi >= 6)
        attr.scoped = BIT(SCOPE_ABSTRACT_UNIX_SOCKET) | BIT(SCOPE_SIGNAL);
    /* A longer struct than an old kernel knows is fine as long as the rest of it is zeroes. */
    int ruleset = (int)syscall(SYS_landlock_create_ruleset, &attr, sizeof(attr), 0);
    if (ruleset < 0)
        return err_sys(e, "Landlock");
    int result = allow_all(ruleset, abi, r, o, e);
    if (result == 0 && syscall(SYS_landlock_restrict_self, ruleset, 0) < 0)
        result = err_sys(e, "Landlock");
    close(ruleset);
    return result;
}
