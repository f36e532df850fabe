/* SPDX-License-Identifier: Apache-2.0
 *
 * jail_calls.c - seccomp: the system calls that a worker makes, and no others.
 *
 * What is not listed fails with EPERM and is logged by the kernel: a new libc that tries a new call falls back, and a
 * call we forgot costs one operation, not the worker. What only an intruder would want ends the process. The lists were
 * made with strace over the tests on glibc 2.36 and 2.41; libuv and c-ares of Debian 12 and 13. */
#include "base/log.h"
#include "base/mem.h"
#include "build.h"
#include "relay/jail_int.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <seccomp.h>

/* Names, for not every architecture has all of them (open and openat). */
static const char *const allowed[] = {
    /* bytes */
    "read", "write", "readv", "writev", "pread64", "pwrite64", "preadv", "pwritev", "lseek", "_llseek", "close",
    /* the spool's files; which paths, Landlock says */
    "open", "openat", "stat", "fstat", "lstat", "newfstatat", "statx", "stat64", "fstat64", "lstat64", "fstatat64",
    "access", "faccessat", "faccessat2", "readlink", "readlinkat", "getdents64", "getcwd", "rename", "renameat",
    "renameat2", "unlink", "unlinkat", "ftruncate", "ftruncate64", "fallocate", "fadvise64", "fsync", "fdatasync",
    "sync_file_range", "statfs", "fstatfs", "statfs64", "fstatfs64", "umask", "flock",
    /* waiting */
    "poll", "ppoll", "select", "pselect6", "epoll_create1", "epoll_ctl", "epoll_wait", "epoll_pwait", "epoll_pwait2",
    "eventfd2", "pipe2", "dup", "dup2", "dup3", "fcntl", "fcntl64", "inotify_init1", "inotify_add_watch",
    "inotify_rm_watch", "nanosleep", "clock_nanosleep", "clock_gettime", "clock_getres", "gettimeofday", "time",
    "restart_syscall", "timerfd_create", "timerfd_settime",
    /* sockets that are there */
    "accept", "accept4", "connect", "bind", "getsockname", "getpeername", "getsockopt", "setsockopt", "send", "sendto",
    "sendmsg", "sendmmsg", "recv", "recvfrom", "recvmsg", "recvmmsg", "shutdown", "socketpair",
    /* memory and threads */
    "brk", "munmap", "mremap", "madvise", "futex", "set_robust_list", "rseq", "sched_yield", "sched_getaffinity",
    "membarrier", "exit", "exit_group", "getrandom", "sigaltstack", "rt_sigaction", "rt_sigprocmask", "rt_sigreturn",
    "rt_sigtimedwait",
    /* who am I */
    "getpid", "gettid", "getppid", "getuid", "geteuid", "getgid", "getegid", "getresuid", "getresgid", "getrusage",
    "uname", "sysinfo", "times", "getrlimit",
};

static const char *const deadly[] = {
    "execve", "execveat", "ptrace", "process_vm_readv", "process_vm_writev", "mount", "umount2", "pivot_root", "chroot",
    "unshare", "setns", "init_module", "finit_module", "delete_module", "kexec_load", "kexec_file_load", "bpf",
    "perf_event_open", "userfaultfd", "keyctl", "add_key", "request_key", "reboot", "swapon", "swapoff", "acct",
    "open_by_handle_at", "process_madvise", "modify_ldt", "iopl", "ioperm",
};

/* A call whose arguments matter: allowed when (argument `arg` & mask) == value. */
struct with_arg {
    const char *name;
    unsigned arg;
    scmp_datum_t mask, value;
};

#define ALL_BITS (~(scmp_datum_t)0)
#define INT_BITS ((scmp_datum_t)0xffffffff)
#define THREAD   (CLONE_BIT_VM | CLONE_BIT_THREAD)
enum { CLONE_BIT_VM = 0x100, CLONE_BIT_THREAD = 0x10000 }; /* <linux/sched.h> */

static const struct with_arg with_args[] = {
    /* No memory becomes code. */
    { "mmap", 2, PROT_EXEC, 0 },
    { "mmap2", 2, PROT_EXEC, 0 },
    { "mprotect", 2, PROT_EXEC, 0 },
    /* Threads, but no processes. (clone3 hides its arguments: it is told that it does not exist.) */
    { "clone", 0, THREAD, THREAD },
    { "ioctl", 1, INT_BITS, FIONBIO },
    { "ioctl", 1, INT_BITS, FIONREAD },
    { "ioctl", 1, INT_BITS, FIOCLEX },
    { "ioctl", 1, INT_BITS, TCGETS }, /* isatty(): EPERM would do, but fills the audit log */
    { "prctl", 0, INT_BITS, PR_SET_NAME },
    { "prctl", 0, INT_BITS, PR_GET_NAME },
    { "prctl", 0, INT_BITS, 0x53564d41 }, /* PR_SET_VMA: glibc names its arenas */
    { "prlimit64", 2, ALL_BITS, 0 },      /* reads limits, sets none */
};

static const struct {
    int family;
    unsigned needs;
} families[] = {
    { AF_UNIX, JAIL_UNIX },
    { AF_INET, JAIL_CONNECT },
    { AF_INET6, JAIL_CONNECT },
};

/* Calls that this architecture does not have are no error: then nobody can make them. */
static int add(scmp_filter_ctx ctx, uint32_t action, const char *name, unsigned n, const struct scmp_arg_cmp *cmp)
{
    int call = seccomp_syscall_resolve_name(name);
    if (call == __NR_SCMP_ERROR || call < 0)
        return 0;
    int code = seccomp_rule_add_array(ctx, action, call, n, cmp);
    return code == -EEXIST || code == -EDOM ? 0 : code;
}

static int add_list(scmp_filter_ctx ctx, uint32_t action, const char *const *names, size_t n)
{
    int code = 0;
    for (size_t i = 0; i < n && code == 0; i++)
        code = add(ctx, action, names[i], 0, NULL);
    return code;
}

static int add_masked(scmp_filter_ctx ctx, const struct with_arg *w)
{
    struct scmp_arg_cmp cmp = SCMP_CMP64(w->arg, SCMP_CMP_MASKED_EQ, w->mask, w->value);
    return add(ctx, SCMP_ACT_ALLOW, w->name, 1, &cmp);
}

/* abort() and raise() signal ourselves. */
static int add_own_signals(scmp_filter_ctx ctx)
{
    const struct with_arg own[] = {
        { "kill", 0, INT_BITS, (scmp_datum_t)getpid() },
        { "tgkill", 0, INT_BITS, (scmp_datum_t)getpid() },
    };
    int code = 0;
    for (size_t i = 0; i < ARRAY_LEN(own) && code == 0; i++)
        code = add_masked(ctx, &own[i]);
    return code;
}

/* Streams and datagrams of the families that the role needs: no raw, no packet, no netlink sockets. */
static int add_sockets(scmp_filter_ctx ctx, unsigned network)
{
    static const int types[] = { SOCK_STREAM, SOCK_DGRAM };
    int code = 0;
    for (size_t i = 0; i < ARRAY_LEN(families) && code == 0; i++) {
        if (!(network & families[i].needs))
            continue;
        for (size_t j = 0; j < ARRAY_LEN(types) && code == 0; j++) {
            const struct scmp_arg_cmp cmp[] = {
                SCMP_CMP64(0, SCMP_CMP_MASKED_EQ, INT_BITS, (scmp_datum_t)families[i].family),
                SCMP_CMP64(1, SCMP_CMP_MASKED_EQ, INT_BITS & ~(scmp_datum_t)(SOCK_CLOEXEC | SOCK_NONBLOCK),
                           (scmp_datum_t)types[j]),
            };
            code = add(ctx, SCMP_ACT_ALLOW, "socket", 2, cmp);
        }
    }
    return code;
}

#ifdef WITH_SANITIZERS
/* Sanitizers map, clone, trace and execute as they like: everything is allowed but sockets of other kinds. */
static int fill(scmp_filter_ctx ctx, const struct jail_rules *r)
{
    static const int forbidden[] = { AF_PACKET, AF_NETLINK, AF_ALG, AF_VSOCK };
    int code = 0;
    for (size_t i = 0; i < ARRAY_LEN(forbidden) && code == 0; i++) {
        struct scmp_arg_cmp cmp = SCMP_CMP64(0, SCMP_CMP_MASKED_EQ, INT_BITS, (scmp_datum_t)forbidden[i]);
        code = add(ctx, SCMP_ACT_ERRNO(EPERM), "socket", 1, &cmp);
    }
    for (size_t i = 0; i < ARRAY_LEN(families) && code == 0; i++) {
        struct scmp_arg_cmp cmp = SCMP_CMP64(0, SCMP_CMP_MASKED_EQ, INT_BITS, (scmp_datum_t)families[i].family);
        if (!(r->network & families[i].needs))
            code = add(ctx, SCMP_ACT_ERRNO(EPERM), "socket", 1, &cmp);
    }
    (void)allowed, (void)deadly, (void)with_args, (void)add_list, (void)add_own_signals, (void)add_sockets;
    return code;
}
#define OTHERWISE SCMP_ACT_ALLOW
#else
static int fill(scmp_filter_ctx ctx, const struct jail_rules *r)
{
    int code = add_list(ctx, SCMP_ACT_ALLOW, allowed, ARRAY_LEN(allowed));
    if (code == 0)
        code = add_list(ctx, SCMP_ACT_KILL_PROCESS, deadly, ARRAY_LEN(deadly));
    for (size_t i = 0; i < ARRAY_LEN(with_args) && code == 0; i++)
        code = add_masked(ctx, &with_args[i]);
    if (code == 0)
        code = add(ctx, SCMP_ACT_ERRNO(ENOSYS), "clone3", 0, NULL);
    if (code == 0)
        code = add_own_signals(ctx);
    return code ? code : add_sockets(ctx, r->network);
}
#define OTHERWISE SCMP_ACT_ERRNO(EPERM)
#endif

int jail_calls(const struct jail_rules *r, struct err *e)
{
    if (prctl(PR_GET_SECCOMP, 0, 0, 0, 0) < 0) {
        log_debug("the kernel has no seccomp: system calls are not restricted");
        return 0;
    }
    scmp_filter_ctx ctx = seccomp_init(OTHERWISE);
    if (!ctx)
        return err_set(e, ERR_TEMPORARY, "seccomp: no filter");
    seccomp_attr_set(ctx, SCMP_FLTATR_CTL_LOG, 1);   /* not known to every kernel: */
    seccomp_attr_set(ctx, SCMP_FLTATR_CTL_OPTIMIZE, 2); /* a tree instead of a list */
    int code = fill(ctx, r);
    if (code == 0)
        code = seccomp_load(ctx);
    seccomp_release(ctx);
    if (code) {
        errno = -code;
        return err_sys(e, "seccomp");
    }
    return 0;
}
