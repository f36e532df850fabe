/* SPDX-License-Identifier: Apache-2.0
 *
 * Filters: whether somebody listens at their sockets, for the user as whom the workers run; with --live, whether he speaks the
 * milter protocol. Here waiting does no harm. */
#include "control/checks.h"

#include "base/clock.h"
#include "base/mem.h"
#include "control/reach.h"
#include "smtp/milter.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- each once, whatever names it ---- */

typedef void filter_fn(const struct config *cfg, const char *from, const struct milter_spec *m, struct findings *f);

static bool was_seen(struct strlist *seen, const char *name)
{
    bool was = strlist_has(seen, name);

    if (!was)
        strlist_add(seen, span_str(name));
    return was;
}

static void each_filter(const struct config *cfg, struct findings *f, filter_fn *fn)
{
    struct strlist seen = { 0 };

    for (size_t i = 0; i < cfg->smtpd_milters.n; i++)
        if (!was_seen(&seen, cfg->smtpd_milters.at[i].name))
            fn(cfg, "smtpd_milters", &cfg->smtpd_milters.at[i], f);
    for (size_t i = 0; i < cfg->non_smtpd_milters.n; i++)
        if (!was_seen(&seen, cfg->non_smtpd_milters.at[i].name))
            fn(cfg, "non_smtpd_milters", &cfg->non_smtpd_milters.at[i], f);
    for (size_t s = 0; s < cfg->n_listens; s++)
        for (size_t i = 0; i < cfg->listens[s].milters.n; i++)
            if (!was_seen(&seen, cfg->listens[s].milters.at[i].name))
                fn(cfg, cfg->listens[s].name, &cfg->listens[s].milters.at[i], f);
    strlist_clear(&seen);
}

/* ---- without the network ---- */

/* errno of a connection made as the workers' user, 0 when it was made. */
static int try_unix(const char *path)
{
    struct err e;

    return reach_unix(path, &e) >= 0 ? 0 : e.sys ? e.sys : ENAMETOOLONG; /* the end of this program closes it */
}

static int try_as_owner(const struct config *cfg, const char *path)
{
    const struct passwd *pw = geteuid() == 0 ? getpwnam(cfg->mail_owner) : NULL;
    int status;

    if (!pw || pw->pw_uid == 0)
        return try_unix(path);
    pid_t pid = fork();
    if (pid == 0) {
        if (initgroups(pw->pw_name, pw->pw_gid) < 0 || setgid(pw->pw_gid) < 0 || setuid(pw->pw_uid) < 0)
            _exit(errno & 0xff);
        _exit(try_unix(path) & 0xff);
    }
    if (pid < 0 || waitpid(pid, &status, 0) != pid || !WIFEXITED(status))
        return errno;
    return WEXITSTATUS(status);
}

static void look_at(const struct config *cfg, const char *from, const struct milter_spec *m, struct findings *f)
{
    if (!m->path) {
        findings_add(f, FINDING_NOTE, "milter", "%s: %s (check --live speaks with it)", from, m->name);
        return;
    }
    int sys = try_as_owner(cfg, m->path);
    if (!sys) {
        findings_add(f, FINDING_OK, "milter", "%s: %s", from, m->name);
        return;
    }
    findings_add(f, FINDING_WARNING, "milter", "%s: %s: %s: mail is refused, or let pass, as milter_default_action says", from, m->name,
                 strerror(sys));
    if (sys == EACCES)
        findings_advise(f, "put %s into the group that owns the socket and its folder, or let the filter listen at inet:localhost:PORT",
                        cfg->mail_owner);
    else if (sys == ENOENT || sys == ECONNREFUSED)
        findings_advise(f, "start the filter, or write where it listens");
}

void check_milters(const struct config *cfg, struct findings *f)
{
    each_filter(cfg, f, look_at);
}

/* ---- with it ---- */

static const char *const actions[] = {
    "add fields", "replace bodies", "add recipients", "remove recipients", "change fields", "quarantine", "change senders",
};

static void tell_negotiated(const char *from, const struct milter_spec *m, const struct milter *proto, struct findings *f)
{
    struct buf text;
    uint32_t may = milter_actions(proto);

    buf_init(&text, 400);
    for (size_t i = 0; i < ARRAY_LEN(actions); i++)
        if (may & 1u << i)
            buf_addf(&text, "%s%s", text.len ? ", " : "", actions[i]);
    findings_add(f, FINDING_OK, "milter", "%s: %s speaks version %u%s%s", from, m->name, milter_version(proto),
                 text.len ? " and may " : " and changes nothing", buf_cstr(&text));
    buf_fini(&text);
}

/* False: nothing (more) came in time. */
static bool read_some(int fd, struct milter *proto, int64_t end_us)
{
    char bytes[4096];

    if (!reach_wait(fd, end_us))
        return false;
    ssize_t n = read(fd, bytes, sizeof bytes);
    if (n <= 0)
        return false;
    milter_input(proto, span_of(bytes, (size_t)n));
    return true;
}

static void negotiate(int fd, const struct config *cfg, const char *from, const struct milter_spec *m, struct findings *f)
{
    struct milter *proto = milter_new((unsigned)(m->protocol ? m->protocol : cfg->milter_protocol));
    struct milter_news news = { 0 };
    int64_t end = clock_mono_us() + REACH_LIMIT_MS * INT64_C(1000);
    struct span out = milter_output(proto);
    bool has_come = send(fd, out.at, out.len, MSG_NOSIGNAL) == (ssize_t)out.len;

    while (has_come && !milter_next(proto, &news))
        has_come = read_some(fd, proto, end);
    if (!has_come)
        findings_add(f, FINDING_ERROR, "milter", "%s: %s takes connections and does not negotiate: is it a milter?", from, m->name);
    else if (news.kind == MILTER_FAULT)
        findings_add(f, FINDING_ERROR, "milter", "%s: %s: %.*s: is it a milter?", from, m->name, (int)news.text.len, news.text.at);
    else
        tell_negotiated(from, m, proto, f);
    milter_quit(proto);
    out = milter_output(proto);
    if (out.len && send(fd, out.at, out.len, MSG_NOSIGNAL) < 0)
        errno = 0; /* it has said what there was to know */
    milter_free(proto);
}

static int connect_to(const struct milter_spec *m, struct err *e)
{
    char port[8];

    if (m->path)
        return reach_unix(m->path, e);
    snprintf(port, sizeof port, "%u", m->port);
    return reach_inet(m->host, port, e);
}

static void speak_with(const struct config *cfg, const char *from, const struct milter_spec *m, struct findings *f)
{
    struct err e;
    int fd = connect_to(m, &e);

    if (fd < 0) {
        if (!m->path) /* a socket has been told of */
            findings_add(f, FINDING_ERROR, "milter", "%s: %s: %s", from, m->name, e.sys ? strerror(e.sys) : e.text);
        return;
    }
    negotiate(fd, cfg, from, m, f);
    close(fd);
}

void probe_milters(const struct config *cfg, struct findings *f)
{
    each_filter(cfg, f, speak_with);
}
