/* SPDX-License-Identifier: Apache-2.0
 *
 * config_int.h - the inside of config/.
 *
 * The way of a value: scan.c finds the statements of a file and what libconfuse would get wrong;
 * read.c has libconfuse read each and keeps the text; expand.c replaces $name; convert.c makes the
 * typed field; check.c looks at them together. Every step says all that it finds, so that one run
 * shows all errors of a file. */
#ifndef CONFIG_CONFIG_INT_H
#define CONFIG_CONFIG_INT_H

#include "config/config.h"

#include <sys/types.h>

/* ---- the tables (params.c) ---- */

enum config_type {
    TYPE_STR,
    TYPE_HOST,
    TYPE_ORIGIN,
    TYPE_PATH,
    TYPE_ADDRESS4,
    TYPE_ADDRESS6,
    TYPE_LOG,
    TYPE_LIST,
    TYPE_COMMAND,
    TYPE_MAPS,
    TYPE_MATCH,
    TYPE_MILTERS,
    TYPE_INTERFACES,
    TYPE_TIME,
    TYPE_SIZE,
    TYPE_INT,
    TYPE_PORT,
    TYPE_MODE,
    TYPE_BOOL,
    TYPE_ENUM,
    TYPE_FLAGS,
    TYPE_NETWORKS,
    TYPE_RELAYHOSTS,
    TYPE_TRANSPORT,
    TYPE_TLSVERSIONS,
    TYPE_FEEDBACK,
    TYPE_RESTRICTIONS,
    TYPE_TEMPLATE,
    TYPE_TEMPLATES,
    TYPE_SECRET,
    N_TYPES,
};

enum { AGENT = 1, RECEIVE = 2, RELAY = 4, CONTROL = 8, ALL = 15, SERVER = 16, LISTENER = 32 };
enum config_change { RESTART, LIVE };

struct config_word {
    const char *word;
    int value;
};

struct config_option {
    const char *name;
    enum config_type type;
    const char *def;
    size_t offset; /* of the field in its struct */
    int64_t min, max;
    const struct config_word *words; /* ends with word NULL */
    bool not_empty;
    unsigned who;
    enum config_change change;
    const char *doc;
};

enum config_param {
#define PARAM(name, type, def, range, who, change, doc) PARAM_##name,
#include "config/params.h"
    N_PARAMS,
};

enum {
#define LOGIN(name, type, def, range, doc) LOGIN_##name,
#include "config/params.h"
    N_LOGIN_OPTIONS,
};

enum {
#define LISTEN(name, type, def, range, doc) LISTEN_##name,
#include "config/params.h"
    N_LISTEN_OPTIONS,
};

enum {
#define RESTRICTION_CLASS(name, type, def, range, doc) RESTRICTION_CLASS_##name,
#include "config/params.h"
    N_RESTRICTION_CLASS_OPTIONS,
};

enum {
#define PIPE(name, type, def, range, doc) PIPE_##name,
#include "config/params.h"
    N_PIPE_OPTIONS,
};

enum {
#define LDAP(name, type, def, range, doc) LDAP_##name,
#include "config/params.h"
    N_LDAP_OPTIONS,
};

/* restrict.c: the parameter that has the list, by restriction_place. */
extern const enum config_param restriction_params[];
extern const struct config_option config_params[N_PARAMS];
extern const struct config_option config_login_options[N_LOGIN_OPTIONS];
extern const struct config_option config_listen_options[N_LISTEN_OPTIONS];
extern const struct config_option config_restriction_class_options[N_RESTRICTION_CLASS_OPTIONS];
extern const struct config_option config_pipe_options[N_PIPE_OPTIONS];
extern const struct config_option config_ldap_options[N_LDAP_OPTIONS];

const struct config_option *config_option_find(const struct config_option *table, size_t n,
                                               struct span name);

enum config_shape config_option_shape(const struct config_option *o); /* NULL: there is none */

/* ---- lists of text ---- */

/* "a, b, c" */
void strlist_join(const struct strlist *l, struct buf *out);

/* ---- a value on its way ---- */

enum value_origin { FROM_DEFAULT, FROM_FILE, FROM_ENVIRONMENT };

enum value_state { VALUE_RAW, VALUE_UNDER_WAY, VALUE_DONE, VALUE_BROKEN };

struct config_value {
    struct strlist raw;  /* as written; "$" not yet replaced, "$$" stands for a dollar sign */
    struct strlist text; /* after expansion */
    char *shown;         /* text, joined */
    enum value_origin origin;
    enum value_state state;
    bool is_list; /* written in braces */
    bool is_borrowed; /* in a view: it is the whole configuration's, and so is the field */
    int line;     /* FROM_FILE */
};

void value_fini(struct config_value *v);

/* ---- remarks (report.c) ---- */

struct place { /* what a remark is about */
    const char *file;
    int line;
    const char *variable; /* of the environment; then file and line do not count */
};

void remark(struct config_report *r, enum config_severity s, struct place at, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
/* About a parameter, wherever it was set: begins with its name, of a view with the section's in front. */
void remark_param(struct config_report *r, const struct config *cfg, enum config_param p,
                  enum config_severity s, const char *fmt, ...)
    __attribute__((format(printf, 5, 6)));
void remark_once(struct config_report *r);
void remark_sort(struct config_report *r);

/* ---- scan.c: statements ---- */

enum scan_kind { SCAN_END, SCAN_ASSIGN, SCAN_OPEN, SCAN_CLOSE, SCAN_FAULT };

struct scan_item {
    enum scan_kind kind;
    int line;          /* of its first word */
    struct span name;  /* ASSIGN, OPEN: in the text */
    bool is_append;    /* ASSIGN: += */
    const char *value; /* ASSIGN: for libconfuse, all in quotes, without comments; as many lines as
                          in the text. OPEN: the title in the same form, or NULL when it has none.
                          Valid till the next call */
    char fault[1000];  /* FAULT: what is wrong and how to write it */
};

struct scan {
    struct span text;
    size_t at;
    int line;
    int section_line; /* 0: outside of sections */
    int comment_line; /* of a comment that is never closed; 0: none */
    struct buf value;
    struct scan_item item;
};

/* `text` has to stay. It may hold anything. */
void prescan_init(struct scan *s, struct span text);
/* Wipes what it kept of values: one may have been a password. */
void prescan_fini(struct scan *s);
const struct scan_item *prescan_next(struct scan *s);
/* What a value in the form of scan_item.value stands for, when it is a single string; false when it
 * is a list. */
bool prescan_unquote(const char *value, struct buf *out);

/* The whole of a file, NUL-terminated; `size_max` is its limit. The caller wipes what may hold a
 * secret. */
char *read_whole(const char *file, size_t size_max, size_t *len, mode_t *mode, struct err *e);
#define CONFIG_FILE_MAX ((size_t)1 << 20)

/* ---- expand.c ---- */

/* Replaces $name in one text. Refers to parameters of `cfg`, which expands those first. */
int expand_text(struct config *cfg, const char *raw, struct buf *out, struct err *e);
/* Does it for every parameter; what is wrong goes to `r`. */
void expand_all(struct config *cfg, struct config_report *r);
/* The texts of one value of a section. */
int expand_list(struct config *cfg, const struct strlist *raw, struct strlist *out, struct err *e);
/* Such a text stays as it was written: deliveries have their own names. */
static inline bool config_is_template(const struct config_option *o)
{
    return o->type == TYPE_TEMPLATE || o->type == TYPE_TEMPLATES;
}
/* A value that cannot be had because a parameter it refers to is wrong, which has been said
 * already. */
#define EXPAND_TOLD_ALREADY ""

/* ---- view.c ---- */

/* It is the view's own, or `cfg` is no view. */
static inline bool config_is_own(const struct config *cfg, enum config_param p)
{
    return !cfg->values[p].is_borrowed;
}
void view_free(struct config *view);

/* ---- convert.c, convert_net.c: text to typed fields ---- */

struct conversion {
    const struct config_option *option;
    const struct strlist *text;
    bool is_list;
    struct err *err;
    char notice[400]; /* filled in: something to say about a value that is taken */
    enum config_severity notice_severity;
};

typedef int convert_fn(struct conversion *c, void *field);
int convert_value(struct conversion *c, void *base);
void convert_free(const struct config_option *table, size_t n, void *base);
/* In a copy of a struct with such a table, what its fields point to becomes its own. */
void convert_own(const struct config_option *table, size_t n, void *base);
int convert_maps(struct conversion *c, void *field);
int convert_match(struct conversion *c, void *field);
/* milter.c, with the words of two of its options, which are parameters too (params.c) */
int convert_milters(struct conversion *c, void *field);
void free_milters(void *field);
extern const struct config_word config_milter_actions[], config_milter_protocols[];
int convert_interfaces(struct conversion *c, void *field);
int convert_networks(struct conversion *c, void *field);
int convert_restrictions(struct conversion *c, void *field);
int convert_relayhosts(struct conversion *c, void *field);
int convert_transport(struct conversion *c, void *field);
int convert_tlsversions(struct conversion *c, void *field);
int convert_port(struct conversion *c, void *field);
int convert_host(struct conversion *c, void *field);
int convert_origin(struct conversion *c, void *field);
int convert_address(struct conversion *c, int family, void *field);
/* An address literal of that family, with or without brackets. */
bool address_is(struct span s, int family);
/* Without one pair of [ ]. */
struct span address_unwrap(struct span s);
/* A number or a name (smtp, submission, submissions, ... services(5)); -1 when it is neither. */
int port_parse(struct span s);
/* Letters, digits, "-", "_", "." between labels, or UTF-8; up to 255 bytes. */
bool hostname_is_sane(struct span s);
bool has_control_character(const char *s);
/* Each word of each text, parted by blanks, commas and line ends. */
void split_words(const struct strlist *text, struct strlist *out);

/* ---- check.c, suggest.c, secret.c ---- */

void check_rules(const struct config *cfg, struct config_report *r);
/* deliver.c: those about delivery on this machine */
void check_deliver(const struct config *cfg, struct config_report *r);
/* tls.c: those about TLS for clients */
void check_tls(const struct config *cfg, struct config_report *r);
/* check_restrict.c: those about access restrictions */
void check_restrictions(const struct config *cfg, struct config_report *r);
/* transport.c */
/* It fits a host in one of the transports. */
bool login_is_for_a_transport(const struct config *cfg, const struct login *l);
void check_transports(const struct config *cfg, struct config_report *r);
/* sasl.c */
void check_sasl(const struct config *cfg, struct config_report *r);

/* The name of the table that `name` was probably meant to be, or NULL. */
const char *suggest_option(const struct config_option *table, size_t n, struct span name);
const char *suggest_param(struct span name);
/* What to do about a parameter of Postfix that Baton has not, or NULL. */
const char *suggest_postfix(struct span name);

/* The password of a section. */
char *config_ldap_secret(const struct config *cfg, const struct ldap_table *t, struct err *e);
/* ldap.c: the rules between the parameters of one table. */
int ldap_check(const struct ldap_table *t, struct err *e);

/* show.c */
int config_find_param(const char *name, enum config_param *p, struct err *e);

#define ENV_PREFIX              "BATON_"
#define ENV_LOGIN_USER          "BATON_LOGIN_USER"
#define ENV_LOGIN_PASSWORD      "BATON_LOGIN_PASSWORD"
#define ENV_LOGIN_PASSWORD_FILE "BATON_LOGIN_PASSWORD_FILE"

#endif
