/* SPDX-License-Identifier: Apache-2.0
 *
 * Who may log in: whether there is anybody who can tell, whether the workers may ask him, and, with --live, what he says. */
#include "control/checks.h"

#include "base/clock.h"
#include "base/mem.h"
#include "config/sasl_conf.h"
#include "control/reach.h"
#include "smtp/auth_wire.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define SUBJECT "login of users"

/* ---- who may open it ---- */

/* As the workers will, whoever we are: 0, or errno. */
static int may_open(const struct config *cfg, const char *path, int how)
{
    const struct passwd *pw = getpwnam(cfg->mail_owner);
    int status;

    if (geteuid() != 0 || !pw || pw->pw_uid == 0)
        return access(path, how) < 0 ? errno : 0;
    pid_t pid = fork();
    if (pid < 0)
        return 0;
    if (pid == 0) {
        if (initgroups(pw->pw_name, pw->pw_gid) < 0 || setgid(pw->pw_gid) < 0 || setuid(pw->pw_uid) < 0)
            _exit(0);
        _exit(access(path, how) < 0 ? errno : 0);
    }
    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            return 0;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 0;
}

/* `missing` and `closed` are what to do about it. */
static bool check_socket(const struct config *cfg, struct findings *f, const char *path, const char *missing, const char *closed)
{
    struct stat st;
    bool is_there = stat(path, &st) == 0;
    int why = is_there ? 0 : errno;

    if (is_there && !S_ISSOCK(st.st_mode)) {
        findings_add(f, FINDING_ERROR, SUBJECT, "%s is no socket", path);
        return false;
    }
    if (is_there)
        why = may_open(cfg, path, R_OK | W_OK);
    if (why == 0)
        return true;
    if (why == EACCES && !is_there && geteuid() != 0) {
        findings_add(f, FINDING_NOTE, SUBJECT, "%s: this user may not look (root may)", path);
        return false;
    }
    findings_add(f, FINDING_ERROR, SUBJECT, "%s: %s%s%s", path, is_there ? "as " : "", is_there ? cfg->mail_owner : "",
                 is_there ? ": " : "");
    findings_advise(f, "%s: %s", strerror(why), is_there || why == EACCES ? closed : missing);
    return false;
}

/* ---- Dovecot ---- */

static void check_dovecot(const struct config *cfg, struct findings *f, const struct config_sasl_place *p)
{
    if (!p->path)
        findings_add(f, FINDING_OK, SUBJECT, "by Dovecot at %s:%d (check --live asks it)", p->host.host, p->host.port);
    else if (check_socket(cfg, f, p->path,
                          "is Dovecot running, and has its service auth a unix_listener of that path? smtpd_sasl_path says where we "
                          "look",
                          "in Dovecot's service auth: unix_listener PATH { mode = 0660 user = the mail_owner }, and let that user "
                          "through the folders above"))
        findings_add(f, FINDING_OK, SUBJECT, "by Dovecot at %s (check --live asks it)", p->path);
}

/* ---- Cyrus ---- */

static bool has_only_plaintext(const char *mechs)
{
    struct span rest = span_str(mechs), one;
    size_t n = 0;

    for (; span_word(&rest, "", &one); n++)
        if (!span_ieq_str(one, "PLAIN") && !span_ieq_str(one, "LOGIN"))
            return false;
    return n > 0;
}

static void check_saslauthd(const struct config *cfg, struct findings *f, const struct sasl_conf *c)
{
    const char *path = sasl_conf_saslauthd(c);

    if (*c->mech_list && !has_only_plaintext(c->mech_list))
        findings_add(f, FINDING_WARNING, SUBJECT, "%s: saslauthd can do PLAIN and LOGIN only; write mech_list: PLAIN LOGIN",
                     c->file);
    if (!*c->mech_list)
        findings_add(f, FINDING_WARNING, SUBJECT,
                     "%s has no mech_list: mechanisms are offered that saslauthd cannot do; write mech_list: PLAIN LOGIN", c->file);
    if (check_socket(cfg, f, path,
                     "is saslauthd running, and is its socket there (-m)? saslauthd_path in smtpd.conf says where we look",
                     "make the mail_owner a member of the group that may (adduser USER sasl)"))
        findings_add(f, FINDING_OK, SUBJECT, "by Cyrus SASL, %s, saslauthd at %s", c->file, path);
}

static void check_sasldb(const struct config *cfg, struct findings *f, const struct sasl_conf *c)
{
    const char *path = sasl_conf_sasldb(c);
    int why = *c->auxprop_plugin && strcmp(c->auxprop_plugin, "sasldb") != 0 ? 0 : may_open(cfg, path, R_OK);

    if (why && !(why == EACCES && geteuid() != 0)) {
        findings_add(f, FINDING_ERROR, SUBJECT, "%s: %s", path, strerror(why));
        findings_advise(f, "%s", why == ENOENT ? "make it with saslpasswd2 -c USER; sasldb_path in smtpd.conf says where it is"
                                               : "let the mail_owner read it");
    } else {
        findings_add(f, FINDING_OK, SUBJECT, "by Cyrus SASL, %s, %s", c->file, path);
    }
}

static void check_cyrus(const struct config *cfg, struct findings *f)
{
    struct sasl_conf c;
    struct err e;

    if (sasl_conf_find(cfg, &c, &e) < 0)
        findings_add(f, FINDING_ERROR, SUBJECT, "%s", e.text);
    else if (!c.file)
        findings_add(f, FINDING_ERROR, SUBJECT, "Cyrus SASL has no settings: there is none of %s", c.looked_in);
    else if (span_istarts(span_str(c.pwcheck_method), "saslauthd"))
        check_saslauthd(cfg, f, &c);
    else
        check_sasldb(cfg, f, &c);
    if (c.file && cfg->smtpd_sasl_tls_security_options & CONFIG_SASL_NOPLAINTEXT && has_only_plaintext(c.mech_list))
        findings_add(f, FINDING_ERROR, SUBJECT,
                     "no mechanism is left: %s has plaintext ones only (mech_list), and smtpd_sasl_tls_security_options says "
                     "noplaintext; write smtpd_sasl_tls_security_options = \"noanonymous\"",
                     c.file);
    sasl_conf_fini(&c);
}

void check_auth(const struct config *cfg, struct findings *f)
{
    struct config_sasl_place place;
    struct err e;

    if (!config_uses_auth(cfg))
        return;
    if (cfg->smtpd_sasl_type == CONFIG_SASL_CYRUS) {
        check_cyrus(cfg, f);
    } else if (config_sasl_place(cfg, &place, &e) == 0) {
        check_dovecot(cfg, f, &place);
        config_sasl_place_fini(&place);
    }
}

/* ---- --live ---- */

static int connect_to(const struct config_sasl_place *place, struct err *e)
{
    char port[8];

    if (place->path)
        return reach_unix(place->path, e);
    snprintf(port, sizeof port, "%u", (unsigned)place->host.port);
    return reach_inet(place->host.host, port, e);
}

static void on_ready(void *arg)
{
    (void)arg;
}

static void on_reply(void *arg, const struct auth_wire_reply *r)
{
    (void)arg, (void)r;
}

static int read_some(int fd, struct auth_wire *w, struct err *e)
{
    static const struct auth_wire_ops ops = { on_ready, on_reply };
    char bytes[4096];
    ssize_t n = read(fd, bytes, sizeof bytes);

    if (n > 0)
        return auth_wire_input(w, span_of(bytes, (size_t)n), &ops, NULL, e);
    return n < 0 ? err_sys(e, "read")
                 : err_set(e, ERR_TEMPORARY, "it has closed the connection: is it a socket for clients, not auth-userdb?");
}

static int shake_hands(int fd, struct auth_wire *w, struct err *e)
{
    int64_t end = clock_mono_us() + REACH_LIMIT_MS * INT64_C(1000);
    struct buf hello;

    buf_init(&hello, BUF_NO_MAX);
    auth_wire_hello(&hello, (uint32_t)getpid() | 1u << 31);
    ssize_t n = send(fd, hello.at, hello.len, MSG_NOSIGNAL);
    buf_fini(&hello);
    if (n < 0)
        return err_sys(e, "write");
    while (!w->is_ready) {
        if (!reach_wait(fd, end))
            return err_set(e, ERR_TEMPORARY,
                           "it does not say what mechanisms it has; is it a socket for clients, not auth-userdb or auth-master?");
        if (read_some(fd, w, e) < 0)
            return -1;
    }
    return 0;
}

static const char *or_none(const char *list)
{
    return *list ? list : "none";
}

static void tell_mechanisms(const struct config *cfg, struct findings *f, const struct auth_wire *w)
{
    char *clear = config_sasl_list(cfg, w, false), *tls = config_sasl_list(cfg, w, true);

    if (*tls)
        findings_add(f, FINDING_OK, SUBJECT, "Dovecot answers; offered within TLS: %s; before TLS: %s", tls,
                     cfg->smtpd_tls_auth_only ? "none (smtpd_tls_auth_only)" : or_none(clear));
    else
        findings_add(f, FINDING_ERROR, SUBJECT,
                     "Dovecot answers, and no mechanism of its is left: see smtpd_sasl_tls_security_options and "
                     "smtpd_sasl_mechanism_filter, and auth_mechanisms in Dovecot's configuration");
    free(clear);
    free(tls);
}

void probe_auth(const struct config *cfg, struct findings *f)
{
    struct config_sasl_place place;
    struct auth_wire w;
    struct err e;

    if (!config_uses_auth(cfg) || cfg->smtpd_sasl_type != CONFIG_SASL_DOVECOT || config_sasl_place(cfg, &place, &e) < 0)
        return;
    int fd = connect_to(&place, &e);
    auth_wire_init(&w);
    if (fd < 0 || shake_hands(fd, &w, &e) < 0)
        findings_add(f, FINDING_ERROR, SUBJECT, "Dovecot: %s", e.text);
    else
        tell_mechanisms(cfg, f, &w);
    if (fd >= 0)
        close(fd);
    auth_wire_fini(&w);
    config_sasl_place_fini(&place);
}
