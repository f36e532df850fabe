/* SPDX-License-Identifier: Apache-2.0
 *
 * Each probe runs in a child that has entered the jail of a role: it may do what the role needs, and nothing else. Run
 * by root, the child has become somebody else as well. */
#include "unit.h"

#include "base/mem.h"
#include "build.h"
#include "net/dial.h"
#include "net/dns.h"
#include "net/loop.h"
#include "net/offload.h"
#include "relay/jail.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define NOBODY 65534

static char spool[] = "/tmp/baton-jail-XXXXXX";
static int tcp_port, tcp_fd;
static bool has_landlock;

/* ---- probes: 0 it worked, else errno ---------------------------------------- */

static int failure(int result)
{
    return result < 0 ? errno : 0;
}

static int use_spool(void)
{
    char a[64], b[64];
    snprintf(a, sizeof(a), "%s/journal/new", spool);
    snprintf(b, sizeof(b), "%s/free/old", spool);
    int fd = open(a, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0 || write(fd, "x", 1) != 1 || fdatasync(fd) < 0 || ftruncate(fd, 0) < 0 || fallocate(fd, 0, 0, 4096) < 0)
        return errno;
    close(fd);
    if (rename(a, b) < 0)
        return errno;
    fd = open(spool, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || fsync(fd) < 0)
        return errno;
    close(fd);
    return failure(unlink(b));
}

static int read_passwd(void)
{
    return failure(open("/etc/passwd", O_RDONLY));
}

static int read_resolv_conf(void)
{
    int fd = open("/etc/resolv.conf", O_RDONLY | O_CLOEXEC);
    return fd < 0 && errno == ENOENT ? 0 : failure(fd);
}

static int write_elsewhere(void)
{
    return failure(open("/tmp/baton-jail-elsewhere", O_WRONLY | O_CREAT, 0600));
}

static int make_folder(void)
{
    char path[64];
    snprintf(path, sizeof(path), "%s/journal/folder", spool);
    return failure(mkdir(path, 0700));
}

static void *work(void *arg)
{
    *(int *)arg = 1;
    return NULL;
}

static int start_thread(void)
{
    pthread_t t;
    int done = 0, code = pthread_create(&t, NULL, work, &done);
    if (code)
        return code;
    pthread_join(t, NULL);
    return done ? 0 : EINVAL;
}

static int fork_process(void)
{
    pid_t pid = fork();
    if (pid == 0)
        _exit(0);
    return failure(pid);
}

static int execute(void)
{
    return failure(execl("/bin/true", "true", (char *)NULL));
}

static int trace(void)
{
    return failure((int)ptrace(PTRACE_TRACEME, 0, NULL, NULL));
}

static int make_socket(int family, int type)
{
    return failure(socket(family, type | SOCK_CLOEXEC, type == SOCK_RAW ? IPPROTO_ICMP : 0));
}

static int packet_socket(void)
{
    return make_socket(AF_PACKET, SOCK_DGRAM);
}

static int raw_socket(void)
{
    return make_socket(AF_INET, SOCK_RAW);
}

static int netlink_socket(void)
{
    return make_socket(AF_NETLINK, SOCK_DGRAM);
}

static int unix_socket(void)
{
    return make_socket(AF_UNIX, SOCK_DGRAM);
}

static int udp_socket(void)
{
    return make_socket(AF_INET6, SOCK_DGRAM);
}

static int connect_tcp(void)
{
    struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&at, sizeof(at)) < 0)
        return errno;
    at.sin_port = htons((uint16_t)tcp_port);
    return failure(connect(fd, (struct sockaddr *)&at, sizeof(at)));
}

static int become_server(void)
{
    struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons(47125) };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&at, sizeof(at)) < 0)
        return errno;
    return failure(listen(fd, 1));
}

static int accept_connection(void)
{
    int fd = accept4(tcp_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    return fd < 0 && errno == EAGAIN ? 0 : failure(fd);
}

static int watch_folder(void)
{
    int fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    return fd < 0 ? errno : failure(inotify_add_watch(fd, spool, IN_MOVED_TO));
}

static int map_code(void)
{
    void *at = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return at == MAP_FAILED ? 0 : failure(mprotect(at, 4096, PROT_READ | PROT_EXEC));
}

static int signal_parent(void)
{
    return failure(kill(getppid(), 0));
}

static int mount_something(void)
{
    return failure((int)syscall(SYS_mount, "none", "/tmp", "tmpfs", 0, NULL));
}

static int raise_limit(void)
{
    struct rlimit l;
    getrlimit(RLIMIT_NOFILE, &l);
    return failure(setrlimit(RLIMIT_NOFILE, &l));
}

static int become_root(void)
{
    return failure(setresuid(0, 0, 0));
}

static int tell_the_time(void)
{
    time_t now = time(NULL);
    struct tm tm;
    return localtime_r(&now, &tm) ? 0 : EINVAL;
}

/* ---- what a worker is made of ---------------------------------------- */

struct whole {
    struct loop *loop;
    int error, n_done;
};

static int udp_fd, udp_port; /* opened before the jail, as the one for TCP */

/* A name server that knows no name at all. */
static void answer_no(void *arg)
{
    struct whole *w = arg;
    unsigned char q[512];
    union addr from;
    socklen_t len = sizeof(from);
    ssize_t n = recvfrom(udp_fd, q, sizeof(q), MSG_DONTWAIT, &from.sa, &len);
    if (n < 12)
        return;
    q[2] |= 0x80;
    q[3] = 0x80 | 3; /* NXDOMAIN */
    if (sendto(udp_fd, q, (size_t)n, 0, &from.sa, len) < 0)
        w->error = errno;
}

static void done(struct whole *w, int error)
{
    if (error)
        w->error = error;
    if (++w->n_done == 3)
        loop_stop(w->loop);
}

static void on_hosts(void *arg, enum dns_outcome outcome, const struct addr_list *found, const struct err *why)
{
    (void)found;
    (void)why;
    done(arg, outcome == DNS_NONE ? 0 : ENOLINK);
}

static void on_dialled(void *arg, struct conn *c, const struct err *why)
{
    (void)why;
    done(arg, c ? 0 : ENOTCONN);
    conn_close(c);
}

static void on_worked(void *arg)
{
    done(arg, 0);
}

static void sync_spool(void *arg)
{
    struct whole *w = arg;
    w->error = use_spool();
}

static void too_late(void *arg)
{
    done(arg, ETIME);
}

/* Loop, threads, names, connections: as the relay worker makes them, after it has entered. */
static int run_worker(void)
{
    char server[32];
    struct err e;
    struct whole w = { .loop = loop_new(&e) };
    struct watch asked = { 0 };
    struct timer limit = { 0 };
    union addr to;
    if (!w.loop || watch_start(&asked, w.loop, udp_fd, answer_no, &w, &e) < 0)
        return EBADF;
    snprintf(server, sizeof(server), "127.0.0.1:%d", udp_port);
    struct dns *dns = dns_new(w.loop, &(struct dns_options){ .servers = server, .timeout_ms = 1000 }, &e);
    if (!dns)
        return ENOEXEC;
    dns_hosts(dns, "nowhere.test", 25, DNS_ANY, on_hosts, &w);
    addr_parse(&to, SPAN("127.0.0.1"), (uint16_t)tcp_port);
    dial_start(w.loop, &(struct dial_options){ .to = &(struct addr_list){ &to, 1 } }, on_dialled, &w);
    runner_run(loop_runner(w.loop), sync_spool, on_worked, &w);
    timer_start(&limit, w.loop, 8000, too_late, &w);
    loop_run(w.loop);
    timer_stop(&limit);
    watch_stop(&asked);
    dns_free(dns);
    loop_free(w.loop);
    return w.error;
}

/* ---- one probe in a jail ---------------------------------------- */

#define KILLED (-SIGSYS)

/* errno of the probe, 0, or minus the signal that ended it. */
static int in_jail(enum jail_role role, int (*probe)(void))
{
    int status;
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        struct err e = { 0 };
        const struct jail_options o = { .role = role, .uid = NOBODY, .gid = NOBODY, .spool = spool };
        if (jail_enter(&o, &e) < 0) {
            fprintf(stderr, "%s\n", e.text);
            _exit(254);
        }
        _exit(probe());
    }
    assert_true(pid > 0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

enum needs { ALWAYS, NO_SANITIZERS, LANDLOCK };

static const struct {
    const char *name;
    int (*probe)(void);
    int receive, relay; /* errno or KILLED; -1: not probed */
    enum needs needs;
} probes[] = {
    /*                                            receive  relay */
    { "use the spool", use_spool,                 0,       0,      ALWAYS },
    { "start threads", start_thread,              0,       0,      ALWAYS },
    { "accept connections", accept_connection,    0,       0,      ALWAYS },
    { "watch a folder", watch_folder,             0,       0,      ALWAYS },
    { "speak to syslog", unix_socket,             0,       0,      ALWAYS },
    { "tell the time", tell_the_time,             0,       0,      ALWAYS },
    { "read resolv.conf", read_resolv_conf,       EACCES,  0,      LANDLOCK },
    { "ask a name server", udp_socket,            EPERM,   0,      ALWAYS },
    { "run a worker", run_worker,                 -1,      0,      ALWAYS },
    { "connect to a relay", connect_tcp,          EPERM,   0,      ALWAYS },
    { "read /etc/passwd", read_passwd,            EACCES,  EACCES, LANDLOCK },
    { "write elsewhere", write_elsewhere,         EACCES,  EACCES, LANDLOCK },
    { "make a folder", make_folder,               EPERM,   EPERM,  NO_SANITIZERS },
    { "fork", fork_process,                       EPERM,   EPERM,  NO_SANITIZERS },
    { "execute", execute,                         KILLED,  KILLED, NO_SANITIZERS },
    { "trace", trace,                             KILLED,  KILLED, NO_SANITIZERS },
    { "mount", mount_something,                   KILLED,  KILLED, NO_SANITIZERS },
    { "open a packet socket", packet_socket,      EPERM,   EPERM,  ALWAYS },
    { "open a netlink socket", netlink_socket,    EPERM,   EPERM,  ALWAYS },
    { "open a raw socket", raw_socket,            EPERM,   EPERM,  ALWAYS },
    { "become a server", become_server,           EPERM,   EACCES, LANDLOCK },
    { "make code of data", map_code,              EPERM,   EPERM,  NO_SANITIZERS },
    { "signal others", signal_parent,             EPERM,   EPERM,  NO_SANITIZERS },
    { "change limits", raise_limit,               EPERM,   EPERM,  NO_SANITIZERS },
    { "become root", become_root,                 EPERM,   EPERM,  NO_SANITIZERS },
};

static bool can_be_probed(enum needs needs)
{
#ifdef WITH_SANITIZERS
    if (needs == NO_SANITIZERS)
        return false;
#endif
    return needs != LANDLOCK || has_landlock;
}

static void check_role(enum jail_role role)
{
    for (size_t i = 0; i < ARRAY_LEN(probes); i++) {
        if (!can_be_probed(probes[i].needs))
            continue;
        int want = role == JAIL_RELAY ? probes[i].relay : probes[i].receive;
        if (want == -1)
            continue;
        int got = in_jail(role, probes[i].probe);
        if (got != want)
            fail_msg("%s: %d (%s) instead of %d", probes[i].name, got, got > 0 ? strerror(got) : "", want);
    }
}

static void a_receive_worker_has_the_spool_and_its_connections_and_no_more(void **state)
{
    (void)state;
    check_role(JAIL_RECEIVE);
}

static void the_relay_worker_may_also_resolve_and_connect(void **state)
{
    (void)state;
    check_role(JAIL_RELAY);
}

static int who_am_i(void)
{
    uid_t r, e, s;
    if (getresuid(&r, &e, &s) < 0 || r != NOBODY || e != NOBODY || s != NOBODY)
        return EINVAL;
    return getegid() == NOBODY && prctl(PR_GET_NAME, (char[16]){ 0 }) == 0 ? 0 : EINVAL;
}

static void root_is_given_up_for_good(void **state)
{
    (void)state;
    if (geteuid() != 0)
        skip();
    assert_int_equal(in_jail(JAIL_RELAY, who_am_i), 0);
}

static int look_at_powers(void)
{
    struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
    struct __user_cap_data_struct caps[2];
    if (syscall(SYS_capget, &head, caps) < 0)
        return errno;
    bool can_bind = caps[0].permitted & (1u << CAP_NET_BIND_SERVICE), can_setuid = caps[0].effective & (1u << CAP_SETUID);
    bool can_rule = caps[0].permitted & (1u << CAP_SYS_ADMIN), can_trace = caps[0].permitted & (1u << CAP_SYS_PTRACE);
    return can_bind && can_setuid && !can_rule && !can_trace ? 0 : EINVAL;
}

static void the_supervisor_keeps_what_it_starts_workers_with(void **state)
{
    (void)state;
    if (geteuid() != 0)
        skip();
    assert_int_equal(in_jail(JAIL_SUPERVISOR, look_at_powers), 0);
    assert_int_equal(in_jail(JAIL_SUPERVISOR, fork_process), 0);
    assert_int_equal(in_jail(JAIL_SUPERVISOR, read_passwd), 0);
}

static void a_file_allowed_besides_can_be_read(void **state)
{
    (void)state;
    int status;
    pid_t pid = fork();
    if (pid == 0) {
        static const char *const also[] = { "/etc/passwd", "/etc/no-such-file", NULL };
        const struct jail_options o = {
            .role = JAIL_RECEIVE, .uid = NOBODY, .gid = NOBODY, .spool = spool, .read_also = also
        };
        _exit(jail_enter(&o, NULL) < 0 ? 254 : read_passwd());
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

static void on_stale(void *arg)
{
    *(bool *)arg = true;
}

static void on_nothing(void *arg, enum dns_outcome outcome, const struct addr_list *found, const struct err *why)
{
    (void)outcome, (void)found, (void)why;
    loop_stop(arg);
}

/* Was it told that the file has been replaced, once the parent has done so? */
static bool notices(const char *conf, int ready, int go)
{
    bool stale = false;
    char c;
    struct loop *l = loop_new(NULL);
    struct dns *d = dns_new(l, &(struct dns_options){ .resolv_conf = conf, .timeout_ms = 50, .tries = 1 }, NULL);
    dns_on_stale(d, on_stale, &stale);
    dns_hosts(d, "localhost", 25, DNS_ANY, on_nothing, l);
    loop_run(l);
    if (stale || write(ready, "r", 1) != 1 || read(go, &c, 1) != 1)
        return false;
    dns_hosts(d, "localhost", 25, DNS_ANY, on_nothing, l);
    loop_run(l);
    dns_free(d);
    loop_free(l);
    return stale;
}

static void a_resolv_conf_replaced_outside_is_noticed(void **state)
{
    char conf[64], fresh[70], c;
    const char *const also[] = { conf, NULL };
    int ready[2], go[2], status;
    (void)state;
    if (!has_landlock)
        skip();
    snprintf(conf, sizeof(conf), "%s.conf", spool);
    snprintf(fresh, sizeof(fresh), "%s.new", conf);
    FILE *f = fopen(conf, "w");
    fputs("nameserver 127.0.0.1\n", f);
    fclose(f);
    assert_int_equal(pipe(ready) + pipe(go), 0);
    pid_t pid = fork();
    if (pid == 0) {
        const struct jail_options o = {
            .role = JAIL_RELAY, .uid = NOBODY, .gid = NOBODY, .spool = spool, .read_also = also
        };
        _exit(jail_enter(&o, NULL) < 0 ? 254 : !notices(conf, ready[1], go[0]));
    }
    assert_int_equal(read(ready[0], &c, 1), 1);
    f = fopen(fresh, "w");
    fputs("nameserver 127.0.0.2\n", f);
    fclose(f);
    assert_int_equal(rename(fresh, conf), 0);
    assert_int_equal(write(go[1], "g", 1), 1);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    unlink(conf);
    assert_int_equal(status, 0);
}

static int make_spool(void **state)
{
    (void)state;
    char command[200];
    has_landlock = syscall(444, NULL, 0, 1) >= 2;
    if (!mkdtemp(spool))
        return -1;
    snprintf(command, sizeof(command), "cd %s && mkdir journal free && chmod -R 0777 .", spool);
    struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t len = sizeof(at);
    tcp_fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (bind(tcp_fd, (struct sockaddr *)&at, len) < 0 || listen(tcp_fd, 5) < 0 ||
        getsockname(tcp_fd, (struct sockaddr *)&at, &len) < 0)
        return -1;
    tcp_port = ntohs(at.sin_port);
    at.sin_port = 0;
    udp_fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (bind(udp_fd, (struct sockaddr *)&at, len) < 0 || getsockname(udp_fd, (struct sockaddr *)&at, &len) < 0)
        return -1;
    udp_port = ntohs(at.sin_port);
    pid_t pid = fork();
    if (pid == 0) {
        execl("/bin/sh", "sh", "-c", command, (char *)NULL);
        _exit(127);
    }
    return waitpid(pid, NULL, 0) == pid ? 0 : -1;
}

static int drop_spool(void **state)
{
    (void)state;
    pid_t pid = fork();
    if (pid == 0) {
        execl("/bin/rm", "rm", "-r", spool, (char *)NULL);
        _exit(127);
    }
    return waitpid(pid, NULL, 0) == pid ? 0 : -1;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_receive_worker_has_the_spool_and_its_connections_and_no_more),
        cmocka_unit_test(the_relay_worker_may_also_resolve_and_connect),
        cmocka_unit_test(root_is_given_up_for_good),
        cmocka_unit_test(the_supervisor_keeps_what_it_starts_workers_with),
        cmocka_unit_test(a_file_allowed_besides_can_be_read),
        cmocka_unit_test(a_resolv_conf_replaced_outside_is_noticed),
    };
    return cmocka_run_group_tests(tests, make_spool, drop_spool);
}
