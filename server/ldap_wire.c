/* SPDX-License-Identifier: Apache-2.0
 *
 * ldap.so: the connection. */
#include "server/ldap_wire_int.h"

#include "base/clock.h"
#include "base/mem.h"
#include "build.h"

#include <errno.h>
#include <sasl/sasl.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <unistd.h>

/* ---- errors ---- */

/* libldap does not hand on what the system said, and errno may be another's by now: only what can have been it is believed. */
static const char *why_not_reached(int sys)
{
    static const int believed[] = { ECONNREFUSED, ENOENT, EACCES, EPERM, EHOSTUNREACH, ENETUNREACH, ETIMEDOUT, ECONNRESET };

    for (size_t i = 0; i < ARRAY_LEN(believed); i++)
        if (sys == believed[i])
            return strerror(sys);
    return NULL;
}

int ldap_wire_failed(LDAP *ld, int code, struct err *e, const char *what, const char *url)
{
    const char *why = code == LDAP_SERVER_DOWN ? why_not_reached(errno) : NULL;
    char *more = NULL;

    if (ld)
        ldap_get_option(ld, LDAP_OPT_DIAGNOSTIC_MESSAGE, &more);
    if (more && *more && more[0] != '(' && strcasecmp(more, ldap_err2string(code)) != 0)
        why = more;
    err_set(e, ERR_TEMPORARY, "%s %s: %s%s%s%s", url, what, ldap_err2string(code), why ? " (" : "", why ? why : "", why ? ")" : "");
    ldap_memfree(more);
    return -1;
}

/* ---- options ---- */

static bool is_tls(const char *url)
{
    return strncasecmp(url, "ldaps:", 6) == 0;
}

static bool wants_tls(const struct ldap_wire *w)
{
    for (char **url = w->urls; *url; url++)
        if (w->table->start_tls || is_tls(*url))
            return true;
    return false;
}

/* Where the system keeps its authorities, when neither the table nor libldap's own configuration says it. */
static const char *system_authorities(void)
{
    static const char *const files[] = { "/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt",
                                         "/etc/ssl/cert.pem" };
    char *set = NULL;

    ldap_get_option(NULL, LDAP_OPT_X_TLS_CACERTFILE, &set);
    bool is_set = set != NULL;
    ldap_memfree(set);
    for (size_t i = 0; i < ARRAY_LEN(files) && !is_set; i++)
        if (access(files[i], R_OK) == 0)
            return files[i];
    return NULL;
}

static int set_file(LDAP *ld, int option, const char *name, const char *path, struct err *e)
{
    if (!path || !*path)
        return 0;
    if (access(path, R_OK) < 0)
        return err_sys(e, "%s: %s", name, path);
    return ldap_set_option(ld, option, path) == LDAP_OPT_SUCCESS
               ? 0
               : err_set(e, ERR_CONFIG, "%s: %s: libldap does not take it", name, path);
}

static int set_tls(LDAP *ld, const struct ldap_table *t, struct err *e)
{
    int demand = t->tls_require_cert ? LDAP_OPT_X_TLS_DEMAND : LDAP_OPT_X_TLS_NEVER;
    bool has_own = t->tls_ca_cert_file[0] || t->tls_ca_cert_dir[0];

    if (ldap_set_option(ld, LDAP_OPT_X_TLS_REQUIRE_CERT, &demand) != LDAP_OPT_SUCCESS)
        return err_set(e, ERR_CONFIG, "this libldap has no TLS");
    if (set_file(ld, LDAP_OPT_X_TLS_CACERTFILE, "tls_ca_cert_file", has_own ? t->tls_ca_cert_file : system_authorities(), e) < 0 ||
        set_file(ld, LDAP_OPT_X_TLS_CACERTDIR, "tls_ca_cert_dir", t->tls_ca_cert_dir, e) < 0 ||
        set_file(ld, LDAP_OPT_X_TLS_CERTFILE, "tls_cert", t->tls_cert, e) < 0 ||
        set_file(ld, LDAP_OPT_X_TLS_KEYFILE, "tls_key", t->tls_key[0] ? t->tls_key : t->tls_cert, e) < 0)
        return -1;
    if (t->tls_cipher_suite[0] && ldap_set_option(ld, LDAP_OPT_X_TLS_CIPHER_SUITE, t->tls_cipher_suite) != LDAP_OPT_SUCCESS)
        return err_set(e, ERR_CONFIG, "tls_cipher_suite: libldap does not take \"%s\"", t->tls_cipher_suite);
    return 0;
}

/* What a context is made of, and from which files, as they are now. */
static char *describe_tls(const struct ldap_table *t)
{
    const char *const files[] = { t->tls_ca_cert_file, t->tls_ca_cert_dir, t->tls_cert, t->tls_key, system_authorities() };
    struct buf b;
    struct stat st;

    buf_init(&b, BUF_NO_MAX);
    buf_addf(&b, "%d %s", t->tls_require_cert, t->tls_cipher_suite);
    for (size_t i = 0; i < ARRAY_LEN(files); i++)
        if (files[i] && *files[i] && stat(files[i], &st) == 0)
            buf_addf(&b, " %s %ju %jd.%09ld", files[i], (uintmax_t)st.st_ino, (intmax_t)st.st_mtim.tv_sec, st.st_mtim.tv_nsec);
        else
            buf_adds(&b, " -");
    return buf_take(&b);
}

static void *new_tls(LDAP *ld)
{
    int is_server = 0;
    void *tls = NULL;

    if (ldap_set_option(ld, LDAP_OPT_X_TLS_NEWCTX, &is_server) != LDAP_OPT_SUCCESS ||
        ldap_get_option(ld, LDAP_OPT_X_TLS_CTX, &tls) != LDAP_OPT_SUCCESS)
        return NULL;
    return tls;
}

/* libldap counts who has a context, and has no way to give back the count that one gets with it: so they stay, and each is made
 * once. */
static void *kept_tls(LDAP *ld, const struct ldap_table *t)
{
    static struct kept {
        char *what;
        void *tls;
    } *kept;
    static size_t n_kept;
    char *what = describe_tls(t);

    for (size_t i = 0; i < n_kept; i++)
        if (strcmp(kept[i].what, what) == 0) {
            free(what);
            return kept[i].tls;
        }
    void *tls = new_tls(ld);
    if (!tls) {
        free(what);
        return NULL;
    }
    kept = xreallocarray(kept, n_kept + 1, sizeof *kept);
    kept[n_kept++] = (struct kept){ what, tls };
    return tls;
}

/* All files are read here, once: later, in the jail, they cannot be. */
static int make_tls(struct ldap_wire *w, struct err *e)
{
    LDAP *ld = NULL;

    if (!wants_tls(w))
        return 0;
    if (ldap_initialize(&ld, "ldap:///") != LDAP_SUCCESS)
        return err_set(e, ERR_TEMPORARY, "libldap cannot be initialized");
    int rc = set_tls(ld, w->table, e);
    if (rc == 0 && !(w->tls = kept_tls(ld, w->table)))
        rc = err_set(e, ERR_CONFIG, "TLS cannot be prepared: look at tls_ca_cert_file, tls_cert, tls_key (do they belong together, is "
                     "the key without a passphrase?) and tls_cipher_suite");
    ldap_unbind_ext(ld, NULL, NULL);
    return rc;
}

static int set_options(struct ldap_wire *w, LDAP *ld)
{
    const struct ldap_table *t = w->table;
    struct timeval limit = { .tv_sec = (time_t)(t->timeout / USEC_PER_SEC) };
    int version = t->version, deref = t->dereference, idle = 60, probes = 5, interval = 10;
    int demand = t->tls_require_cert ? LDAP_OPT_X_TLS_DEMAND : LDAP_OPT_X_TLS_NEVER;

    ldap_set_option(ld, LDAP_OPT_X_KEEPALIVE_IDLE, &idle);
    ldap_set_option(ld, LDAP_OPT_X_KEEPALIVE_PROBES, &probes);
    ldap_set_option(ld, LDAP_OPT_X_KEEPALIVE_INTERVAL, &interval);
    ldap_set_option(ld, LDAP_OPT_RESTART, LDAP_OPT_ON);
    if (w->tls) {
        ldap_set_option(ld, LDAP_OPT_X_TLS_REQUIRE_CERT, &demand);
        ldap_set_option(ld, LDAP_OPT_X_TLS_CTX, w->tls);
    }
    return ldap_set_option(ld, LDAP_OPT_PROTOCOL_VERSION, &version) == LDAP_OPT_SUCCESS &&
                   ldap_set_option(ld, LDAP_OPT_NETWORK_TIMEOUT, &limit) == LDAP_OPT_SUCCESS &&
                   ldap_set_option(ld, LDAP_OPT_TIMEOUT, &limit) == LDAP_OPT_SUCCESS &&
                   ldap_set_option(ld, LDAP_OPT_DEREF, &deref) == LDAP_OPT_SUCCESS &&
                   ldap_set_option(ld, LDAP_OPT_REFERRALS, t->chase_referrals ? LDAP_OPT_ON : LDAP_OPT_OFF) == LDAP_OPT_SUCCESS
               ? 0
               : -1;
}

/* ---- logging in ---- */

static int bind_simple(struct ldap_wire *w, LDAP *ld, const char *url, struct err *e)
{
    const struct ldap_table *t = w->table;
    struct timeval limit = { .tv_sec = (time_t)(t->timeout / USEC_PER_SEC) };
    struct berval cred = { .bv_val = (char *)(uintptr_t)(w->password ? w->password : "") };
    LDAPMessage *answer = NULL;
    int id, code;

    cred.bv_len = strlen(cred.bv_val);
    code = ldap_sasl_bind(ld, t->bind_dn, LDAP_SASL_SIMPLE, &cred, NULL, NULL, &id);
    if (code == LDAP_SUCCESS) {
        int got = ldap_result(ld, id, LDAP_MSG_ALL, &limit, &answer);
        if (got > 0)
            ldap_parse_result(ld, answer, &code, NULL, NULL, NULL, NULL, 1);
        else if (got == 0)
            code = LDAP_TIMEOUT;
        else
            ldap_get_option(ld, LDAP_OPT_RESULT_CODE, &code);
    }
    if (code == LDAP_SUCCESS)
        return 0;
    char *what = t->bind_dn[0] ? xasprintf("does not let %s in", t->bind_dn) : xstrdup("does not let us in without a login");
    if (code == LDAP_TIMEOUT)
        err_set(e, ERR_TEMPORARY, "%s does not answer: nothing within %d seconds", url, (int)(t->timeout / USEC_PER_SEC));
    else
        ldap_wire_failed(ld, code, e, what, url);
    free(what);
    return -1;
}

/* libsasl2 asks for what it needs. */
static int interact(LDAP *ld, unsigned flags, void *defaults, void *in)
{
    const struct ldap_wire *w = defaults;

    (void)ld;
    (void)flags;
    for (sasl_interact_t *ask = in; ask->id != SASL_CB_LIST_END; ask++) {
        const char *what = ask->id == SASL_CB_USER       ? w->table->sasl_authz_id
                           : ask->id == SASL_CB_AUTHNAME ? w->table->bind_dn
                           : ask->id == SASL_CB_PASS     ? w->password
                           : ask->id == SASL_CB_GETREALM ? w->table->sasl_realm
                                                         : NULL;
        if ((!what || !*what) && ask->defresult)
            what = ask->defresult;
        ask->result = what ? what : "";
        ask->len = (unsigned)strlen(ask->result);
    }
    return LDAP_SUCCESS;
}

static int bind_sasl(struct ldap_wire *w, LDAP *ld, const char *url, struct err *e)
{
    const struct ldap_table *t = w->table;
    ber_len_t min_ssf = (ber_len_t)t->sasl_minssf;

    if (min_ssf)
        ldap_set_option(ld, LDAP_OPT_X_SASL_SSF_MIN, &min_ssf);
    int code = ldap_sasl_interactive_bind_s(ld, NULL, t->sasl_mechs[0] ? t->sasl_mechs : NULL, NULL, NULL, LDAP_SASL_QUIET, interact, w);
    return code == LDAP_SUCCESS ? 0 : ldap_wire_failed(ld, code, e, "does not let us in by SASL", url);
}

static int log_in(struct ldap_wire *w, LDAP *ld, const char *url, struct err *e)
{
    switch (w->table->bind) {
    case CONFIG_LDAP_BIND_SIMPLE: return bind_simple(w, ld, url, e);
    case CONFIG_LDAP_BIND_SASL: return bind_sasl(w, ld, url, e);
    default: return 0;
    }
}

/* ---- connecting ---- */

void ldap_wire_drop(struct ldap_wire *w)
{
    if (w->ld)
        ldap_unbind_ext(w->ld, NULL, NULL);
    ldap_watch_free(w->watch);
    w->ld = NULL;
    w->watch = NULL;
}

static int failed_to_connect(struct ldap_wire *w, LDAP *ld, int code, const struct ldap_watch *watch, const char *url, struct err *e)
{
    int limit = (int)(w->table->timeout / USEC_PER_SEC);
    bool reached = ldap_watch_has_connected(watch);

    if (ldap_watch_has_struck(watch) || code == LDAP_TIMEOUT)
        return err_set(e, ERR_TEMPORARY, "%s does not answer: nothing within %d seconds", url, limit);
    if (reached && (w->table->start_tls || is_tls(url)) && (code == LDAP_SERVER_DOWN || code == LDAP_CONNECT_ERROR)) {
        ldap_wire_failed(ld, code, e, "and we come to no TLS", url);
        char *said = xstrdup(e->text);
        err_set(e, ERR_TEMPORARY, "%s; is its certificate from an authority of tls_ca_cert_file (or the system's), and for this name?",
                said);
        free(said);
        return -1;
    }
    return ldap_wire_failed(ld, code, e, "cannot be connected to", url);
}

static int open_connection(struct ldap_wire *w, LDAP *ld, const struct ldap_watch *watch, const char *url, struct err *e)
{
    errno = 0;
    int code = ldap_connect(ld);
    if (code == LDAP_SUCCESS && w->table->start_tls && strncasecmp(url, "ldapi:", 6) != 0)
        code = ldap_start_tls_s(ld, NULL, NULL);
    if (code != LDAP_SUCCESS)
        return failed_to_connect(w, ld, code, watch, url, e);
    if (log_in(w, ld, url, e) == 0)
        return 0;
    return ldap_watch_has_struck(watch) ? failed_to_connect(w, ld, LDAP_TIMEOUT, watch, url, e) : -1;
}

static int connect_to(struct ldap_wire *w, const char *url, struct err *e)
{
    int code = ldap_initialize(&w->ld, url);

    if (code != LDAP_SUCCESS)
        return ldap_wire_failed(NULL, code, e, "is no URL of a directory", url);
    w->to = url;
    w->watch = ldap_watch_new(w->ld, w->table->timeout);
    int rc = set_options(w, w->ld) < 0 ? err_set(e, ERR_CONFIG, "libldap does not take an option: look at version and dereference")
                                       : open_connection(w, w->ld, w->watch, url, e);
    ldap_watch_end(w->watch);
    if (rc < 0)
        ldap_wire_drop(w);
    return rc;
}

/* The servers one after the other; if none of them will do, what each has said. */
int ldap_wire_connect(struct ldap_wire *w, struct err *e)
{
    struct err one = { 0 };
    struct buf all;

    if (w->ld)
        return 0;
    buf_init(&all, sizeof e->text - 1);
    for (char **url = w->urls; *url; url++) {
        if (connect_to(w, *url, &one) == 0) {
            buf_fini(&all);
            return 0;
        }
        if (all.len)
            buf_adds(&all, "; ");
        buf_adds(&all, one.text);
    }
    err_set(e, ERR_TEMPORARY, "%s", all.len ? buf_cstr(&all) : one.text);
    buf_fini(&all);
    return -1;
}

/* ---- opening ---- */

static char *url_of(const struct ldap_table *t, const char *host)
{
    if (strstr(host, "://"))
        return xstrdup(host);
    const char *colon = strrchr(host, ':');
    bool is_bare_v6 = colon && strchr(host, ':') != colon && host[0] != '[';
    bool has_port = colon && !is_bare_v6 && !strchr(colon, ']');
    if (is_bare_v6)
        return xasprintf("ldap://[%s]:%d", host, t->server_port);
    return has_port ? xasprintf("ldap://%s", host) : xasprintf("ldap://%s:%d", host, t->server_port);
}

static int check_urls(struct ldap_wire *w, struct err *e)
{
    LDAP *ld = NULL;

    for (char **url = w->urls; *url; url++) {
        int code = ldap_initialize(&ld, *url);
        if (code != LDAP_SUCCESS)
            return err_set(e, ERR_CONFIG, "server_host: \"%s\" is no URL of a directory: write ldap://host, ldaps://host or "
                           "ldapi://%%2Fpath", *url);
        ldap_unbind_ext(ld, NULL, NULL);
    }
    return 0;
}

static void close_wire(struct ldap_wire *w)
{
    if (!w)
        return;
    ldap_wire_drop(w);
    for (char **url = w->urls; *url; url++)
        free(*url);
    free(w->urls);
    free(w);
}

static struct ldap_wire *open_wire(const struct ldap_table *t, const char *password, struct err *e)
{
    struct ldap_wire *w = xcalloc(1, sizeof *w);
    int level = t->debuglevel;
    char **mechs = NULL;

    w->table = t;
    w->password = password;
    w->urls = xcalloc(t->server_host.n + 1, sizeof *w->urls);
    for (size_t i = 0; i < t->server_host.n; i++)
        w->urls[i] = url_of(t, t->server_host.at[i]);
    if (level)
        ldap_set_option(NULL, LDAP_OPT_DEBUG_LEVEL, &level);
    if (t->bind == CONFIG_LDAP_BIND_SASL)
        ldap_get_option(NULL, LDAP_OPT_X_SASL_MECHLIST, &mechs); /* loads them; the list stays libsasl2's */
    if (check_urls(w, e) == 0 && make_tls(w, e) == 0)
        return w;
    close_wire(w);
    return NULL;
}

/* ---- URLs ---- */

static bool is_url(const char *text)
{
    return ldap_is_ldap_url(text) != 0;
}

static bool parse_url(const char *text, struct ldap_url *out)
{
    LDAPURLDesc *d = NULL;

    if (ldap_url_parse(text, &d) != LDAP_URL_SUCCESS)
        return false;
    *out = (struct ldap_url){
        .base = d->lud_dn ? d->lud_dn : (char *)(uintptr_t)"",
        .filter = d->lud_filter ? d->lud_filter : (char *)(uintptr_t)"(objectClass=*)",
        .scope = d->lud_scope == LDAP_SCOPE_SUBTREE    ? CONFIG_LDAP_SUB
                 : d->lud_scope == LDAP_SCOPE_ONELEVEL ? CONFIG_LDAP_ONE
                                                       : CONFIG_LDAP_BASE,
        .attrs = d->lud_attrs,
        .inside = d,
    };
    return true;
}

static void free_url(struct ldap_url *u)
{
    ldap_free_urldesc(u->inside);
}

extern const struct ldap_module baton_module;
const struct ldap_module baton_module = {
    .head = { PACKAGE_VERSION },
    .open = open_wire,
    .close = close_wire,
    .connect = ldap_wire_connect,
    .search = ldap_wire_search,
    .forget = ldap_wire_forget,
    .is_url = is_url,
    .parse_url = parse_url,
    .free_url = free_url,
};
