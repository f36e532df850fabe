/* SPDX-License-Identifier: Apache-2.0
 *
 * config.h - the configuration: read once, checked whole, then only looked at.
 *
 *     struct config_report report = { 0 };
 *     struct config *cfg = config_load(file, CONFIG_ENV, &report);
 *     config_report_print(&report, stderr, "batond", CONFIG_WARNING);
 *     config_report_fini(&report);
 *     if (!cfg)
 *         return EX_CONFIG;
 *     ... cfg->minimal_backoff_time ...
 *
 * Each parameter of params.h is a field of struct config under its own name. A configuration that
 * loaded has no error: every value is in its range and the rules between parameters (check.c) hold.
 * It never changes; a reload makes another one. One thread loads at a time (libconfuse's lexer is
 * one for the process). The file is read, nothing else is asked: no DNS, no look at the interfaces;
 * only myorigin may name a second file. */
#ifndef CONFIG_CONFIG_H
#define CONFIG_CONFIG_H

#include "build.h"

#include "base/buf.h"
#include "base/cidr.h"
#include "base/err.h"
#include "config/restrict.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct strlist { /* zeroes: an empty one */
    char **at;
    size_t n;
};

void strlist_add(struct strlist *l, struct span s); /* copies */
bool strlist_has(const struct strlist *l, const char *s);
void strlist_clear(struct strlist *l);

struct cidr_list {
    struct cidr *at;
    size_t n;
};

struct relayhost {
    char *text; /* as it was written, "[smtp.example.com]:submission" */
    char *host; /* "smtp.example.com", "192.0.2.1", "2001:db8::1": no brackets, small letters, maybe
                   UTF-8 */
    uint16_t port;     /* 25 unless written */
    bool has_port;     /* it was written */
    bool is_bracketed; /* take its addresses; else its MX hosts, and its addresses when it has none
                        */
    bool is_address;   /* host is an address; is_bracketed is set too */
    char *path;        /* of a transport lmtp: a UNIX socket instead, as written; NULL: none */
};

struct relayhost_list {
    struct relayhost *at;
    size_t n;
};

struct transport {
    char *name;    /* "smtp", "lmtp", "error", ..., or that of a pipe section */
    char *nexthop; /* what stands behind the colon, in one form: "[mx.example.com]:25", "unix:/run/dovecot/lmtp",
                      "5.1.1 local delivery is disabled"; "" */
};

enum config_milter_action { CONFIG_MILTER_ACCEPT, CONFIG_MILTER_REJECT, CONFIG_MILTER_TEMPFAIL, CONFIG_MILTER_QUARANTINE, CONFIG_MILTER_SHUTDOWN };

struct milter_spec { /* a filter */
    char *name;         /* its address as it was written */
    char *path;         /* of its UNIX socket; or NULL, then */
    char *host;         /* name or address, without brackets, and */
    uint16_t port;
    int default_action; /* enum config_milter_action; -1, as the zeroes of what follows: as the parameter says */
    int protocol;
    int64_t connect_timeout, command_timeout, content_timeout;
};

struct milter_list {
    struct milter_spec *at;
    size_t n;
};

/* "inet:localhost:11332, { unix:/path, default_action=accept }"; -1: what is wrong, and `l` is empty. */
int milter_list_parse(struct span text, struct milter_list *l, struct err *e);
void milter_list_clear(struct milter_list *l);

struct tls_range {
    int min, max; /* 12 is TLSv1.2, 13 is TLSv1.3 */
};

/* How much a success or a failure changes the number of deliveries at a time. */
struct feedback {
    double number; /* 0 to 1 */
    enum { FEEDBACK_FLAT, FEEDBACK_PER_CONCURRENCY, FEEDBACK_PER_SQRT } per;
};

enum config_protocols { CONFIG_IPV4 = 1, CONFIG_IPV6 = 2 }; /* inet_protocols holds one or both */

enum config_tls_level {
    CONFIG_TLS_AUTO, /* only as written; config_tls_level() says which it is for a relayhost */
    CONFIG_TLS_NONE,
    CONFIG_TLS_MAY,
    CONFIG_TLS_ENCRYPT,
    CONFIG_TLS_VERIFY,
    CONFIG_TLS_SECURE,
    CONFIG_TLS_FINGERPRINT,
};

enum config_tls_ciphers { CONFIG_CIPHERS_MEDIUM, CONFIG_CIPHERS_HIGH };

enum config_listen_protocol { CONFIG_LISTEN_SMTP, CONFIG_LISTEN_LMTP };

enum config_listen_proxy { CONFIG_PROXY_NO, CONFIG_PROXY_HAPROXY };

enum config_listen_tls {
    CONFIG_LISTEN_TLS_AUTO, /* only as written; config_listen_tls() says what it means */
    CONFIG_LISTEN_TLS_NO,
    CONFIG_LISTEN_TLS_MAY,
    CONFIG_LISTEN_TLS_ENCRYPT,
    CONFIG_LISTEN_TLS_IMPLICIT, /* from the first byte */
};

enum config_ccert { /* whether clients are asked for certificates */
    CONFIG_CCERT_NO,
    CONFIG_CCERT_ASK,
    CONFIG_CCERT_REQUIRE, /* and those without one that is trusted are disconnected */
};

/* Which addresses a rewriting counts for; the same bits as enum resolve_where. */
enum config_rewrite {
    CONFIG_ENVELOPE_SENDER = 1,
    CONFIG_ENVELOPE_RCPT = 2,
    CONFIG_HEADER_SENDER = 4,
    CONFIG_HEADER_RCPT = 8,
};
enum config_mail_to { CONFIG_IN_ALIAS = 1, CONFIG_IN_FORWARD = 2, CONFIG_IN_INCLUDE = 4 };
enum config_delivered_header { CONFIG_TO_COMMAND = 1, CONFIG_TO_FILE = 2, CONFIG_TO_FORWARD = 4 };
enum config_mailbox_lock { CONFIG_LOCK_FCNTL = 1, CONFIG_LOCK_FLOCK = 2, CONFIG_LOCK_DOTLOCK = 4 };

enum config_listen_auth {
    CONFIG_LISTEN_AUTH_AUTO, /* only as written; config_listen_auth() says what it means */
    CONFIG_LISTEN_AUTH_NO,
    CONFIG_LISTEN_AUTH_MAY,
    CONFIG_LISTEN_AUTH_REQUIRED,
};

enum config_sasl_type { CONFIG_SASL_DOVECOT, CONFIG_SASL_CYRUS };

enum config_sasl_option { /* of smtpd_sasl_security_options */
    CONFIG_SASL_NOPLAINTEXT = 1,
    CONFIG_SASL_NOACTIVE = 2,
    CONFIG_SASL_NODICTIONARY = 4,
    CONFIG_SASL_NOANONYMOUS = 8,
    CONFIG_SASL_FORWARD_SECRECY = 0x10,
    CONFIG_SASL_MUTUAL_AUTH = 0x20,
};

enum config_override { /* of receive_override_options */
    CONFIG_NO_UNKNOWN_RECIPIENT_CHECKS = 1,
    CONFIG_NO_ADDRESS_MAPPINGS = 2,
    CONFIG_NO_HEADER_BODY_CHECKS = 4,
    CONFIG_NO_MILTERS = 8,
};

enum config_tempfail { CONFIG_TEMPFAIL_DEFER_IF_PERMIT, CONFIG_TEMPFAIL_DEFER };

enum config_peername { CONFIG_PEERNAME_AUTO, CONFIG_PEERNAME_YES, CONFIG_PEERNAME_NO };

enum config_bare_newline { CONFIG_BARE_NEWLINE_NO, CONFIG_BARE_NEWLINE_NORMALIZE, CONFIG_BARE_NEWLINE_REJECT };

/* ---- types: what a parameter of each type is in C ---- */
#define CTYPE_STR      char * /* never NULL; "" when empty */
#define CTYPE_HOST     char * /* a host or domain name, checked */
#define CTYPE_ORIGIN   char * /* the same; a file's name has become its first line */
#define CTYPE_PATH     char * /* begins with '/', or "" */
#define CTYPE_ADDRESS4 char * /* "192.0.2.1" or "" */
#define CTYPE_ADDRESS6 char * /* "2001:db8::1" or "" */
#define CTYPE_LOG      char * /* "stderr", "syslog" or "/file" */
#define CTYPE_LIST     struct strlist
#define CTYPE_COMMAND  struct strlist
#define CTYPE_MILTERS  struct milter_list
#define CTYPE_MAPS     struct strlist /* lookup tables, "type:name" (map/map.h) */
#define CTYPE_MATCH    struct strlist /* names, "!name", "/file", "type:table" (relay/match.h) */
#define CTYPE_INTERFACES                                                                           \
    struct strlist /* "all", "loopback-only", addresses and names without brackets or prefix */
#define CTYPE_TIME        int64_t  /* microseconds, as all times (base/clock.h) */
#define CTYPE_SIZE        uint64_t /* bytes */
#define CTYPE_INT         int
#define CTYPE_PORT        int
#define CTYPE_MODE        int /* permissions of a file */
#define CTYPE_BOOL        bool
#define CTYPE_ENUM        int /* one of the enums above; log_level: enum log_level */
#define CTYPE_FLAGS       unsigned /* some of a set of words */
#define CTYPE_NETWORKS    struct cidr_list
#define CTYPE_RELAYHOSTS  struct relayhost_list
#define CTYPE_TRANSPORT   struct transport
#define CTYPE_TLSVERSIONS struct tls_range
#define CTYPE_FEEDBACK    struct feedback
#define CTYPE_RESTRICTIONS struct restriction_list /* restrict.h */
#define CTYPE_TEMPLATE    char *         /* with $name for each delivery (template.h) */
#define CTYPE_TEMPLATES   struct strlist /* words of that kind: a program and its arguments */
#define CTYPE_SECRET      bool /* it is given; config_login_secret() reads it */

struct login {
    struct relayhost host; /* whom it is for: the section's title */
    int line;              /* 0: from the environment */
#define LOGIN(name, type, def, range, doc) CTYPE_##type name;
#include "config/params.h"
};

struct config;

struct listen {
    char *name;
    int line;
    struct config *view; /* the configuration as it counts for its clients; NULL: it has no parameters of its own */
#define LISTEN(name, type, def, range, doc) CTYPE_##type name;
#include "config/params.h"
};

struct pipe_service { /* a program that mail is given to */
    char *name;
    int line;
#define PIPE(name, type, def, range, doc) CTYPE_##type name;
#include "config/params.h"
};

struct restriction_class {
    char *name;
    int line;
#define RESTRICTION_CLASS(name, type, def, range, doc) CTYPE_##type name;
#include "config/params.h"
};

enum config_ldap_bind { CONFIG_LDAP_BIND_NONE, CONFIG_LDAP_BIND_SIMPLE, CONFIG_LDAP_BIND_SASL };
enum config_ldap_scope { CONFIG_LDAP_BASE, CONFIG_LDAP_ONE, CONFIG_LDAP_SUB }; /* LDAP's own numbers */

struct ldap_table { /* a section `ldap NAME`, or a file with the same parameters */
    char *name;
    int line;
#define LDAP(name, type, def, range, doc) CTYPE_##type name;
#include "config/params.h"
};

struct config {
#define PARAM(name, type, def, range, who, change, doc) CTYPE_##type name;
#include "config/params.h"
    struct login *logins;
    size_t n_logins;
    struct listen *listens;
    size_t n_listens;
    struct restriction_class *restriction_classes;
    size_t n_restriction_classes;
    struct pipe_service *pipes;
    size_t n_pipes;
    struct ldap_table *ldaps;
    size_t n_ldaps;
    char *file; /* that was read, or NULL: there was none, defaults and environment only */
    struct config_value *values; /* as they were written: config_int.h */
    const char *view_of;         /* of a view: the name of its section, borrowed; else NULL */
    unsigned flags;              /* of config_load() */
};

/* ---- loading ---- */

enum {
    /* The environment counts: BATON_CONF, BATON_<PARAMETER>=value (which beats the file), ${NAME}
     * in values. A program that has more rights than its caller leaves this out: a parameter that
     * needs a ${NAME} then has its default, and no section becomes a login or listen. */
    CONFIG_ENV = 1,
    /* Sections count without it: config_load_text() has this. */
    CONFIG_SECTIONS = 2,
};

enum config_severity { CONFIG_NOTICE, CONFIG_WARNING, CONFIG_ERROR };

struct config_remark {
    enum config_severity severity;
    int line;    /* in the file, or 0 */
    char *where; /* "/etc/baton/baton.conf:3", "the environment's BATON_RELAYHOST", or "" */
    char *text;  /* what is wrong and what to do, without a line end */
    bool is_of_default; /* of a parameter that nobody has written: its value came from others */
};

/* All that there is to say about a file, in the order of its lines. */
struct config_report {
    struct config_remark *at;
    size_t n;
    size_t n_errors, n_warnings;
    bool is_unreadable; /* the file exists and we may not read it: maybe another may */
};

void config_report_fini(struct config_report *r);
/* One line a remark, "WHO: FILE:LINE: error: TEXT", WHO left out when NULL; those of severity
 * `from` and above. */
void config_report_print(const struct config_report *r, FILE *to, const char *who,
                         enum config_severity from);
/* Through log_error(), log_warn(), log_info(). */
void config_report_log(const struct config_report *r);

/* `file` NULL: BATON_CONF, or SYSCONFDIR/baton/baton.conf, which may be missing; a file that was
 * named may not be. NULL when there was an error: all of them are in `r` then (all errors of the
 * file, not only the first). `r` may hold warnings and notices of a configuration that is good. */
struct config *config_load(const char *file, unsigned flags, struct config_report *r);
/* The same of a text, named `name` in what is said of it, without the environment; a password in it counts as well kept. */
struct config *config_load_text(struct span text, const char *name, struct config_report *r);
void config_free(struct config *cfg);

/* The names, parted by blanks, of RESTART parameters in which the two differ; false when there is
 * none. */
bool config_needs_restart(const struct config *old, const struct config *now, struct buf *names);

/* ---- what follows from it ---- */

/* Whether a parameter stands in the file or the environment, be it with its default. */
bool config_is_written(const struct config *cfg, const char *name);

/* receive_workers, or what its 0 means on this machine. */
unsigned config_receivers(const struct config *cfg);

/* The login for a relayhost, or NULL. A section's title fits when host, brackets and port are the
 * same; then one without a port fits any port. */
const struct login *config_login_for(const struct config *cfg, const struct relayhost *host);

/* The level that counts for a relayhost: never CONFIG_TLS_AUTO. */
enum config_tls_level config_tls_level(const struct config *cfg, const struct relayhost *host);
/* The same for a host that LMTP is spoken with, by lmtp_tls_security_level. */
enum config_tls_level config_lmtp_tls_level(const struct config *cfg, const struct relayhost *host);
/* TLS from the first byte, without STARTTLS: port 465. */
bool config_tls_is_implicit(const struct relayhost *host);

/* The services that deliver on this machine, as sockets in queue_directory/private: "local", "virtual", "pipe.NAME". Those that
 * the configuration can send mail to; and "forward", which delivers nothing (server/forward_service.c). */
void config_deliveries(const struct config *cfg, struct strlist *names);
/* Mailboxes are another transport's, and those users come first who have a ~/.forward. */
bool config_asks_for_forwards(const struct config *cfg);

/* What counts for clients of that section, NULL for the default one and for programs of this machine: `cfg`, or the section's
 * view, a copy in which its own parameters stand. It lives as long as `cfg`. */
const struct config *config_view(const struct config *cfg, const struct listen *l);
/* All that some client may meet: `cfg` for 0, then the views that there are; NULL at the end. */
const struct config *config_each_view(const struct config *cfg, size_t i);

/* A certificate to show to clients is named. */
bool config_has_certificate(const struct config *cfg);
/* What counts for clients of that section, NULL for the default one: never CONFIG_LISTEN_TLS_AUTO. */
enum config_listen_tls config_listen_tls(const struct config *cfg, const struct listen *l);
/* Certificates of clients there. */
enum config_ccert config_listen_ccert(const struct config *cfg, const struct listen *l);
/* Whether any listener asks for them. */
bool config_asks_ccerts(const struct config *cfg);
/* Whether the authorities that are named for clients are those of the system, which give anybody a certificate. */
bool config_trusts_any_ccert(const struct config *cfg);

/* What counts for clients of that section, NULL for the default one: never CONFIG_LISTEN_AUTH_AUTO. */
enum config_listen_auth config_listen_auth(const struct config *cfg, const struct listen *l);
/* Some clients may log in. */
bool config_uses_auth(const struct config *cfg);

/* Where Dovecot's authentication server is: smtpd_sasl_path. */
struct config_sasl_place {
    char *path;            /* a UNIX socket, or NULL: */
    struct relayhost host; /* with its port */
};
int config_sasl_place(const struct config *cfg, struct config_sasl_place *out, struct err *e);
void config_sasl_place_fini(struct config_sasl_place *p);
/* For Cyrus: the name of the application. */
const char *config_sasl_application(const struct config *cfg);
/* smtpd_sasl_mechanism_filter lets it pass. */
bool config_sasl_lets_pass(const struct config *cfg, struct span mechanism);
/* What clients are offered of what Dovecot's server has (smtp/auth_wire.h): "PLAIN LOGIN", to be freed. */
struct auth_wire;
char *config_sasl_list(const struct config *cfg, const struct auth_wire *w, bool is_encrypted);

/* The login's password, for who needs it and just before it is needed: reads the file, or runs the
 * program (which may block, for 30 seconds at most: on the runner, or before the loop). For a
 * password in the file, and ${NAME} in it, this reads the file again, so that nobody else has it in
 * memory. End it with config_secret_free(), which wipes. */
char *config_login_secret(const struct config *cfg, const struct login *login, struct err *e);
void config_secret_free(char *secret);

/* What ldap:NAME is asked with: the section of `cfg`, or, when the name begins with "/", that file, in the form of Postfix's
 * ldap_table(5): "name = value" lines, continued by blanks. *password is bind_pw's, for config_secret_free(), or NULL. */
struct ldap_table *config_ldap_table(const struct config *cfg, const char *name, char **password, struct err *e);
void config_ldap_table_free(struct ldap_table *t);

/* "TLSv1.2:TLSv1.3", ">=TLSv1.2", "!SSLv3": what smtp_tls_mandatory_protocols takes, with colons, too. */
int config_tls_versions(struct span text, struct tls_range *out, struct err *e);

/* Reads one relayhost, "[host]:port"; also what a user gives on a command line. -1 with the cure in
 * `e`. */
int relayhost_parse(struct relayhost *h, struct span text, struct err *e);
void relayhost_fini(struct relayhost *h);

/* ---- the list of parameters, for who writes a configuration (params.c, suggest.c) ---- */

enum config_shape {
    CONFIG_SHAPE_NONE, /* there is no such parameter */
    CONFIG_SHAPE_TEXT,
    CONFIG_SHAPE_BOOL,
    CONFIG_SHAPE_WORD,     /* one of a set of words */
    CONFIG_SHAPE_LIST,     /* words */
    CONFIG_SHAPE_NETWORKS, /* networks */
    CONFIG_SHAPE_MAPS,     /* lookup tables */
    CONFIG_SHAPE_TEMPLATE, /* with $names that are not parameters: template.h */
};

enum config_shape config_shape_of(struct span name);
/* Of what stands in sections of a kind, "listen". */
enum config_shape config_section_shape_of(const char *kind, struct span name);
/* What to do about a parameter of Postfix that Baton has not, or NULL. */
const char *config_postfix_cure(struct span name);

/* ---- transports (transport.c) ---- */

/* Reads "transport:nexthop", also what a table says. -1 with the cure in `e`. Whether there is a transport of that name,
 * config_has_transport() says. End it with transport_fini(). */
int transport_parse(struct transport *t, struct span text, struct err *e);
void transport_fini(struct transport *t);
/* One of the hops behind lmtp: "unix:/path", "inet:host:24", "host"; `port` is what counts for one without. */
int lmtp_hop_parse(struct relayhost *h, struct span text, int port, struct err *e);
/* smtp, relay, lmtp, local, virtual, error, retry, discard. */
bool transport_is_builtin(struct span name);
/* The same, or a pipe section has that name. */
bool config_has_transport(const struct config *cfg, struct span name);
/* Those of all parameters: fn(arg, "local_transport", t). */
typedef void config_transport_fn(void *arg, const char *name, const struct transport *t);
void config_each_transport(const struct config *cfg, config_transport_fn *fn, void *arg);

/* Mail for elsewhere goes to the MX hosts of its domain: relayhost is written as empty, or not written on a machine that is a
 * destination for somebody. False: to the relayhost, or, without one, it is kept till there is one. */
bool config_delivers_directly(const struct config *cfg);
/* The next hop of an smtp transport may be the domain of its recipients: one name without a port that is not a relayhost. Whether it
 * is, their addresses say. */
bool config_hop_is_direct(const struct config *cfg, const char *hop);

/* ---- printing (show.c; show_json.c alone needs jansson) ---- */

enum { CONFIG_SHOW_NON_DEFAULT = 1, CONFIG_SHOW_DEFAULTS = 2, CONFIG_SHOW_VALUE_ONLY = 4 };

/* "name = value" lines as postconf prints them, $name replaced. `names` (ends with NULL) NULL: all,
 * sections behind. -1 for a name that does not exist, with the nearest one in `e`. `cfg` may be
 * NULL for CONFIG_SHOW_DEFAULTS, which shows them as they stand in the table. No secret is ever
 * printed. */
/* The lookup tables of all parameters that have some: fn(arg, "alias_maps", "hash:/etc/aliases"). */
typedef void config_map_fn(void *arg, const char *name, const char *spec);
void config_each_map(const struct config *cfg, config_map_fn *fn, void *arg);
/* Those of them that are access tables; `name` is the list's. */
void config_each_access_table(const struct config *cfg, config_map_fn *fn, void *arg);
void config_each_address_map(const struct config *cfg, config_map_fn *fn, void *arg); /* those of check_address_map */

int config_show(const struct config *cfg, char *const *names, unsigned flags, struct buf *out,
                struct err *e);
int config_show_json(const struct config *cfg, char *const *names, unsigned flags, struct buf *out,
                     struct err *e);
/* The lists of parameters for baton.conf(5); `what` is "parameters", "login", "listen", "restriction_class"
 * or "differences". */
int config_show_mdoc(const char *what, struct buf *out, struct err *e);

#endif
