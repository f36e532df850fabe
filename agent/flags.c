/* SPDX-License-Identifier: Apache-2.0
 *
 * getopt() cannot read what sendmail's callers write: values that are there only when glued on ("-q30m", "-d0.1"),
 * an empty value that means the null sender (-f ""), the "30m" behind a -q that stands alone. So: a table, and a
 * loop over it. */
#include "agent/flags.h"

#include "base/mem.h"
#include "base/span.h"

#include <string.h>

enum value {
    NO_VALUE,
    VALUE, /* the rest of the word, or the next word */
    GLUED, /* the rest of the word; may be missing */
    AGE,   /* the same, or the next word if it is a time: "30m" */
};

typedef const char *set_fn(struct options *o, const char *value); /* NULL, or what is wrong with the value */

struct flag {
    char letter;
    enum value value;
    set_fn *set; /* NULL: taken, and without effect */
    const char *help;
};

static const char *set_mode(struct options *o, const char *value)
{
    static const struct {
        char letter;
        enum mode mode;
    } modes[] = {
        { 'm', MODE_SEND },  { 'q', MODE_SEND },       { 'a', MODE_SEND },   { 's', MODE_SMTP },   { 'v', MODE_VERIFY },
        { 'p', MODE_MAILQ }, { 'i', MODE_NEWALIASES }, { 'd', MODE_DAEMON }, { 'D', MODE_DAEMON }, { 'l', MODE_DAEMON },
    };
    for (size_t i = 0; i < ARRAY_LEN(modes); i++)
        if (modes[i].letter == value[0]) {
            o->mode = modes[i].mode;
            return NULL;
        }
    return "the modes are m, s, v, p, i, d";
}

static const char *set_newaliases(struct options *o, const char *value)
{
    (void)value;
    o->mode = MODE_NEWALIASES;
    return NULL;
}

static const char *set_retry(struct options *o, const char *value)
{
    (void)value;
    if (o->mode == MODE_SEND) /* -bd -q30m is still a daemon, -bp -q a listing */
        o->mode = MODE_RETRY;
    return NULL;
}

static const char *set_sender(struct options *o, const char *value)
{
    o->sender = value;
    return NULL;
}

static const char *set_full_name(struct options *o, const char *value)
{
    o->full_name = value;
    return NULL;
}

static const char *set_config_file(struct options *o, const char *value)
{
    o->config_file = value;
    return value[0] ? NULL : "the name of the file is empty";
}

static const char *set_reads_recipients(struct options *o, const char *value)
{
    (void)value;
    o->reads_recipients = true;
    return NULL;
}

static const char *set_dot_is_text(struct options *o, const char *value)
{
    (void)value;
    o->dot_is_text = true;
    return NULL;
}

static const char *set_verbose(struct options *o, const char *value)
{
    (void)value;
    o->is_verbose = true;
    return NULL;
}

/* -oi is -i; of all others nobody needs to know. */
static const char *set_option(struct options *o, const char *value)
{
    if (value[0] == 'i')
        o->dot_is_text = true;
    return NULL;
}

static const char *set_notify(struct options *o, const char *value)
{
    struct span rest = span_str(value), word;
    unsigned notify = 0;

    while (span_word(&rest, ",", &word)) {
        if (span_ieq_str(word, "never"))
            notify |= NOTIFY_NEVER;
        else if (span_ieq_str(word, "success"))
            notify |= NOTIFY_SUCCESS;
        else if (span_ieq_str(word, "failure"))
            notify |= NOTIFY_FAILURE;
        else if (span_ieq_str(word, "delay"))
            notify |= NOTIFY_DELAY;
        else
            return "it is never, or some of success, failure, delay";
    }
    if (notify == 0 || ((notify & NOTIFY_NEVER) && notify != NOTIFY_NEVER))
        return "it is never, or some of success, failure, delay";
    o->notify = notify;
    return NULL;
}

static const char *set_ret(struct options *o, const char *value)
{
    struct span v = span_str(value);

    o->ret = span_ieq_str(v, "full") ? RET_FULL : span_ieq_str(v, "hdrs") ? RET_HDRS : RET_NONE;
    return o->ret == RET_NONE ? "it is full or hdrs" : NULL;
}

static const char *set_envid(struct options *o, const char *value)
{
    if (value[0] == '\0' || strlen(value) > 100)
        return "it has 1 to 100 characters";
    for (const char *p = value; *p; p++)
        if (*p < ' ' || *p == 0x7f) /* RFC 3461 4.4: printable ASCII */
            return "it has a character that is not printable ASCII";
    o->envid = value;
    return NULL;
}

static const struct flag flags[] = {
    { 't', NO_VALUE, set_reads_recipients, "take recipients from To, Cc and Bcc too" },
    { 'i', NO_VALUE, set_dot_is_text, "a line of one dot does not end the message" },
    { 'f', VALUE, set_sender, "ADDRESS  the sender; \"\" or \"<>\": nobody" },
    { 'r', VALUE, set_sender, "ADDRESS  the same" },
    { 'F', VALUE, set_full_name, "NAME  the sender's full name" },
    { 'N', VALUE, set_notify, "WHEN  report: never, or success,failure,delay" },
    { 'R', VALUE, set_ret, "WHAT  reports return: full or hdrs" },
    { 'V', VALUE, set_envid, "ID  which reports repeat" },
    { 'b', VALUE, set_mode, "MODE  m: send; s: SMTP on stdin; v: check addresses; p: mailq; i: newaliases" },
    { 'q', AGE, set_retry, "[...]  try again now what waits" },
    { 'I', NO_VALUE, set_newaliases, "newaliases" },
    { 'o', VALUE, set_option, "OPTION  i: as -i; all others are without effect" },
    { 'v', NO_VALUE, set_verbose, "say what becomes of the message" },
    { 'C', VALUE, set_config_file, "FILE  the configuration" },
    { 'A', VALUE, NULL, "c|m" },
    { 'B', VALUE, NULL, "TYPE  (the message itself is looked at)" },
    { 'c', NO_VALUE, NULL, "" },
    { 'd', GLUED, NULL, "[LEVEL]" },
    { 'D', GLUED, NULL, "[FILE]" },
    { 'E', GLUED, NULL, "[...]" },
    { 'e', VALUE, NULL, "MODE" },
    { 'G', NO_VALUE, NULL, "" },
    { 'h', VALUE, NULL, "COUNT" },
    { 'J', GLUED, NULL, "[...]" },
    { 'L', VALUE, NULL, "TAG" },
    { 'M', VALUE, NULL, "..." },
    { 'm', NO_VALUE, NULL, "" },
    { 'n', NO_VALUE, NULL, "" },
    { 'O', VALUE, NULL, "OPTION=VALUE" },
    { 'p', VALUE, NULL, "PROTOCOL" },
    { 'Q', GLUED, NULL, "[...]" },
    { 's', NO_VALUE, NULL, "" },
    { 'S', NO_VALUE, NULL, "" },
    { 'T', NO_VALUE, NULL, "" },
    { 'U', NO_VALUE, NULL, "" },
    { 'x', NO_VALUE, NULL, "" },
    { 'X', VALUE, NULL, "FILE" },
};

static const struct flag *find(char letter)
{
    for (size_t i = 0; i < ARRAY_LEN(flags); i++)
        if (flags[i].letter == letter)
            return &flags[i];
    return NULL;
}

static bool is_time(const char *s)
{
    size_t digits = s ? strspn(s, "0123456789") : 0;
    return digits && s[digits] && strchr("smhdw", s[digits]) && s[digits + 1] == '\0';
}

/* The word argv[*at], which begins with '-': "-ti", "-fa@b", "-f" "a@b". */
static int take_word(struct options *o, char **argv, int *at, char *why, size_t size)
{
    for (const char *p = argv[*at] + 1; *p; p++) {
        const struct flag *f = find(*p);
        const char *value = p + 1, *wrong;
        if (!f) {
            snprintf(why, size, "there is no flag -%c", *p < ' ' || *p == 0x7f ? '?' : *p);
            return -1;
        }
        if (f->value == NO_VALUE)
            value = "";
        else if (!*value && (f->value == VALUE || (f->value == AGE && is_time(argv[*at + 1]))))
            value = argv[++*at];
        if (!value) {
            snprintf(why, size, "-%c needs a value behind it", f->letter);
            return -1;
        }
        wrong = f->set ? f->set(o, value) : NULL;
        if (wrong) {
            snprintf(why, size, "-%c \"%s\": %s", f->letter, value, wrong);
            return -1;
        }
        if (f->value != NO_VALUE)
            return 0;
    }
    return 0;
}

static bool take_long(struct options *o, const char *word)
{
    if (strcmp(word, "--help") == 0)
        o->mode = MODE_HELP;
    else if (strcmp(word, "--version") == 0)
        o->mode = MODE_VERSION;
    else
        return false;
    return true;
}

int flags_parse(struct options *o, int argc, char **argv, char *why, size_t size)
{
    int at = 1, kept = 1;

    for (; at < argc && strcmp(argv[at], "--") != 0; at++) {
        if (argv[at][0] != '-' || argv[at][1] == '\0') {
            argv[kept++] = argv[at];
        } else if (argv[at][1] == '-') {
            if (!take_long(o, argv[at])) {
                snprintf(why, size, "there is no flag %s", argv[at]);
                return -1;
            }
        } else if (take_word(o, argv, &at, why, size) < 0) {
            return -1;
        }
    }
    while (++at < argc)
        argv[kept++] = argv[at];
    o->words = argv + 1;
    o->n_words = (size_t)(kept - 1);
    return 0;
}

void flags_help(FILE *to)
{
    fprintf(to, "usage: sendmail [FLAG ...] [RECIPIENT ...] < MESSAGE\n\n");
    for (size_t i = 0; i < ARRAY_LEN(flags); i++)
        if (flags[i].set)
            fprintf(to, "  -%c %s\n", flags[i].letter, flags[i].help);
    fprintf(to, "\nWithout effect, taken for the sake of callers:");
    for (size_t i = 0; i < ARRAY_LEN(flags); i++)
        if (!flags[i].set)
            fprintf(to, " -%c", flags[i].letter);
    fprintf(to, "\nsendmail(8) says more.\n");
}
