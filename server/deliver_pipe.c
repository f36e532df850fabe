/* SPDX-License-Identifier: Apache-2.0
 *
 * deliver_pipe.c - mail for a program of a pipe section (pipe(8)). Recipients of one message and one domain go to it together, as many
 * as recipient_limit says; the first of them takes the others along, and what the program says counts for all. */
#include "server/command.h"
#include "server/copy.h"
#include "server/deliver.h"
#include "server/identity.h"

#include "base/log.h"
#include "config/template.h"
#include "mail/address.h"
#include "mail/header.h"
#include "relay/extension.h"

#include <grp.h>
#include <stdlib.h>
#include <string.h>

struct params { /* of one recipient */
    const struct delivery *d;
    const struct pipe_service *p;
    const char *queue_id;
    bool names_recipient; /* one of its own was asked for */
};

static const struct pipe_service *section_of(const struct delivery *d)
{
    const struct config *cfg = d->mail->deliver->cfg;
    const char *name = d->mail->name + strlen("pipe.");

    for (size_t i = 0; i < cfg->n_pipes; i++)
        if (strcmp(cfg->pipes[i].name, name) == 0)
            return &cfg->pipes[i];
    return NULL;
}

/* ---- names ---- */

static bool has_flag(const struct pipe_service *p, char flag)
{
    return strchr(p->flags, flag) != NULL;
}

static void add_folded(struct buf *out, struct span s, bool folds)
{
    for (size_t i = 0; i < s.len; i++)
        buf_addc(out, (char)(folds ? ascii_lower((unsigned char)s.at[i]) : s.at[i]));
}

/* A local part without its quotes, to be finished with buf_fini(). */
static void unquote(struct span local, struct buf *plain)
{
    buf_init(plain, ADDRESS_MAX);
    if (address_local_unquoted(local, plain) < 0) {
        buf_clear(plain);
        buf_addspan(plain, local);
    }
}

static void add_address(const struct pipe_service *p, const char *address, bool folds, struct buf *out)
{
    struct span local = address_text_local(address), domain = address_text_domain(address);
    struct buf plain;

    unquote(local, &plain);
    add_folded(out, has_flag(p, 'q') ? local : buf_span(&plain), folds && has_flag(p, 'u'));
    buf_fini(&plain);
    if (domain.len) {
        buf_addc(out, '@');
        add_folded(out, domain, folds && has_flag(p, 'h'));
    }
}

/* ${user}, ${extension}, ${mailbox} */
static void add_part(const struct params *a, struct span name, struct buf *out)
{
    struct buf plain;

    unquote(address_text_local(a->d->rcpt->address), &plain);
    struct span local = buf_span(&plain), part = local;
    size_t cut = extension_at(local, a->d->mail->deliver->cfg->recipient_delimiter);
    if (span_eq(name, SPAN("user")))
        part = span_of(local.at, cut);
    else if (span_eq(name, SPAN("extension")))
        part = span_from(local, cut + 1);
    add_folded(out, part, has_flag(a->p, 'u'));
    buf_fini(&plain);
}

static enum template_value value_of_recipient(struct params *a, struct span name, struct buf *out)
{
    const char *address = a->d->rcpt->address;

    if (span_eq(name, SPAN("recipient")))
        add_address(a->p, address, true, out);
    else if (span_eq(name, SPAN("original_recipient")))
        add_address(a->p, delivery_original(a->d), true, out);
    else if (span_eq(name, SPAN("user")) || span_eq(name, SPAN("extension")) || span_eq(name, SPAN("mailbox")))
        add_part(a, name, out);
    else
        return TEMPLATE_UNKNOWN;
    a->names_recipient = true;
    return TEMPLATE_DEFINED;
}

static enum template_value value_of(void *arg, struct span name, struct buf *out)
{
    struct params *a = arg;
    const char *sender = a->d->mail->env.sender;
    struct span domain = address_text_domain(a->d->rcpt->address);

    if (span_eq(name, SPAN("nexthop")) && a->d->mail->nexthop)
        add_folded(out, span_str(a->d->mail->nexthop), has_flag(a->p, 'h'));
    else if (span_eq(name, SPAN("domain")) || span_eq(name, SPAN("nexthop")))
        add_folded(out, domain, has_flag(a->p, 'h'));
    else if (span_eq(name, SPAN("sender")) && !*sender)
        buf_adds(out, a->p->null_sender);
    else if (span_eq(name, SPAN("sender")))
        add_address(a->p, sender, false, out);
    else if (span_eq(name, SPAN("queue_id")))
        buf_adds(out, a->queue_id);
    else if (span_eq(name, SPAN("size")))
        buf_addf(out, "%llu", (unsigned long long)content_size(a->d->mail->content));
    else if (!delivery_origin(a->d, name, out))
        return value_of_recipient(a, name, out);
    return TEMPLATE_DEFINED;
}

/* An argument that names a recipient is there for each of them. */
static int make_argv(const struct delivery *d, const struct pipe_service *p, const char *queue_id, struct strlist *argv, struct err *e)
{
    struct buf word;
    int rc = 0;

    buf_init(&word, BUF_NO_MAX);
    for (size_t i = 0; i < p->argv.n && rc >= 0; i++)
        for (const struct delivery *each = d; each && rc >= 0; each = each->next) {
            struct params a = { .d = each, .p = p, .queue_id = queue_id };
            buf_clear(&word);
            rc = template_expand(span_str(p->argv.at[i]), value_of, &a, &word, e);
            if (rc >= 0)
                strlist_add(argv, buf_span(&word));
            if (!a.names_recipient)
                break;
        }
    buf_fini(&word);
    return rc < 0 ? -1 : 0;
}

/* ---- in the child ---- */

static int find_group(const char *name, gid_t *gid, struct err *e)
{
    uint64_t number;
    const struct group *gr = getgrnam(name);

    if (gr)
        *gid = gr->gr_gid;
    else if (span_u64(span_str(name), &number) && number < UINT32_MAX)
        *gid = (gid_t)number;
    else
        return err_set(e, ERR_CONFIG, "user = \"...:%s\": there is no such group", name);
    return 0;
}

/* "user", "user:group" */
static int find_user(const struct pipe_service *p, struct identity *id, struct err *e)
{
    char *name = xstrdup(p->user), *colon = strchr(name, ':');
    uint64_t number;

    if (colon)
        *colon = '\0';
    int rc = span_u64(span_str(name), &number) && number < UINT32_MAX ? identity_of_uid(id, (uid_t)number, e) : identity_of_user(id, name, e);
    if (rc == 0)
        rc = err_set(e, ERR_CONFIG, "user = \"%s\": there is no such user", p->user);
    else if (rc > 0)
        rc = colon && colon[1] ? find_group(colon + 1, &id->gid, e) : 0;
    free(name);
    return rc;
}

static void make_head(const struct delivery *d, const struct pipe_service *p, const char *eol, struct buf *head)
{
    const char *sender = d->mail->env.sender[0] ? d->mail->env.sender : p->null_sender;
    unsigned what = (has_flag(p, 'F') ? HEAD_FROM_LINE : 0) | (has_flag(p, 'R') ? HEAD_RETURN_PATH : 0) |
                    (has_flag(p, 'O') ? HEAD_ORIGINAL : 0) | (has_flag(p, 'D') ? HEAD_DELIVERED : 0);
    struct buf lines;

    buf_init(&lines, BUF_NO_MAX);
    delivery_head_from(d, sender, what, d->rcpt->address, &lines);
    for (size_t i = 0; i < lines.len; i++)
        if (lines.at[i] == '\n' && eol)
            buf_adds(head, eol);
        else
            buf_addc(head, lines.at[i]);
    buf_fini(&lines);
}

static void run_program(const struct delivery *d, const struct pipe_service *p, const struct identity *id, struct outcome *out)
{
    static char path[] = "PATH=/usr/bin:/bin:/usr/sbin:/sbin";
    char id_text[64], *vars[] = { path, NULL };
    struct strlist argv = { 0 }, env = { vars, 1 };
    char *done = xasprintf("delivered via %s service", p->name), *home = xasprintf("HOME=%s", id->home ? id->home : "/");
    char *eol = p->eol[0] ? template_unescape(p->eol) : NULL;
    struct buf head;
    struct err e;

    vars[1] = home;
    env.n = 2;
    buf_init(&head, BUF_NO_MAX);
    make_head(d, p, eol, &head);
    if (make_argv(d, p, delivery_queue_id(d, id_text, sizeof id_text), &argv, &e) < 0) {
        outcome_defer(out, "4.3.5", &e);
    } else {
        const struct command c = {
            .argv = &argv,
            .env = &env,
            .directory = p->directory[0] ? p->directory : d->mail->deliver->cfg->queue_directory,
            .time_limit_us = p->time_limit,
            .head = buf_span(&head),
            .tail = span_str(!has_flag(p, 'B') ? "" : eol ? eol : "\n"),
            .eol = eol,
            .how = (has_flag(p, '>') ? COPY_QUOTE_FROM : 0) | (has_flag(p, '.') ? COPY_STUFF_DOTS : 0),
            .done = done,
        };
        command_run(&c, d->mail->content, out);
    }
    strlist_clear(&argv);
    buf_fini(&head);
    free(done);
    free(home);
    free(eol);
}

static void deliver(void *arg, struct outcome *out)
{
    const struct delivery *d = arg;
    const struct pipe_service *p = section_of(d);
    struct identity id = { 0 };
    struct err e;

    if (find_user(p, &id, &e) < 0 || identity_become(&id, (gid_t)-1, &e) < 0) {
        err_prefix(&e, "pipe %s", p->name);
        outcome_defer(out, "4.3.5", &e);
    } else if (p->size && content_size(d->mail->content) > p->size) {
        outcome_set(out, "5.2.3", "message size %llu exceeds size limit %llu of service %s",
                    (unsigned long long)content_size(d->mail->content), (unsigned long long)p->size, p->name);
    } else if (has_flag(p, 'D') && delivery_is_loop(d, d->rcpt->address)) {
        outcome_set(out, "5.4.6", "mail forwarding loop for %s", d->rcpt->address);
    } else {
        run_program(d, p, &id, out);
    }
    identity_fini(&id);
}

/* ---- in the worker ---- */

static bool goes_along(const struct delivery *a, const struct delivery *b)
{
    return span_ieq(address_text_domain(a->rcpt->address), address_text_domain(b->rcpt->address));
}

/* Takes along those behind it that are still free. */
static void start(struct delivery *d)
{
    const struct pipe_service *p = section_of(d);
    struct delivery *last = d;
    struct outcome o;
    int n = 1;

    if (d->is_taken)
        return;
    if (!p) {
        outcome_set(&o, "4.3.5", "there is no pipe section of that name");
        delivery_end(d, &o);
        return;
    }
    for (size_t i = d->index + 1; i < d->mail->env.n_rcpts && n < p->recipient_limit; i++) {
        struct delivery *other = &d->mail->deliveries[i];
        if (other->is_taken || !goes_along(d, other))
            continue;
        other->is_taken = true;
        last->next = other;
        last = other;
        n++;
    }
    const struct errand_terms terms = {
        .group = d->mail->name, .group_limit = (unsigned)p->process_limit, .time_limit_ms = p->time_limit / 1000,
    };
    delivery_errand(d, &terms, deliver);
}

const struct deliver_service deliver_pipe = { .name = "pipe.", .start = start };
