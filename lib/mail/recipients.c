/* SPDX-License-Identifier: Apache-2.0
 *
 * sendmail -t. A set of what is in the envelope already keeps the work linear: a list may have tens of thousands. */
#include "mail/fixup.h"

#include "base/log.h"
#include "base/mem.h"
#include "mail/address.h"
#include "mail/header.h"

#include <stdlib.h>

struct seen { /* open addressing; holds index + 1 into env->rcpts, 0 is free */
    size_t *slots;
    size_t n_slots, n_used;
};

static size_t hash(const char *s)
{
    size_t h = 5381;
    for (; *s; s++)
        h = h * 33 ^ (unsigned char)*s;
    return h ^ h >> 15;
}

/* The slot of `address`, or the free one where it belongs. */
static size_t *slot_of(const struct seen *set, const struct envelope *env, const char *address)
{
    size_t i = hash(address) & (set->n_slots - 1);

    while (set->slots[i] && strcmp(env->rcpts[set->slots[i] - 1].address, address) != 0)
        i = (i + 1) & (set->n_slots - 1);
    return &set->slots[i];
}

static void grow(struct seen *set, const struct envelope *env)
{
    free(set->slots);
    set->n_slots = set->n_slots ? set->n_slots * 2 : 64;
    while (set->n_slots < 2 * (env->n_rcpts + 1))
        set->n_slots *= 2;
    set->slots = xcalloc(set->n_slots, sizeof *set->slots);
    set->n_used = 0;
    for (size_t i = 0; i < env->n_rcpts; i++) {
        size_t *slot = slot_of(set, env, env->rcpts[i].address);
        set->n_used += *slot == 0;
        *slot = i + 1;
    }
}

static void add_once(struct seen *set, struct envelope *env, const char *address, unsigned notify)
{
    if (2 * (set->n_used + 1) > set->n_slots)
        grow(set, env);
    size_t *slot = slot_of(set, env, address);
    if (*slot)
        return;
    envelope_add(env, address)->notify = (unsigned char)notify;
    *slot = env->n_rcpts;
    set->n_used++;
}

static int add_list(struct span value, unsigned notify, struct envelope *env, struct seen *set,
                    struct err *e)
{
    struct address_list list;
    struct address_item item;
    int rc;

    address_list_init(&list, value, ADDRESS_UTF8 | ADDRESS_NULL);
    while ((rc = address_list_next(&list, &item, e)) > 0) {
        if (item.address.len == 0)
            continue;
        if (item.address.text[0] == '-')
            return err_set(e, ERR_PERMANENT, "address \"%s\": it begins with '-'", log_safe_str(item.address.text));
        add_once(set, env, item.address.text, notify);
    }
    return rc;
}

static bool is_recipient_field(const struct header_field *f, bool resent)
{
    return resent ? header_is(f, "Resent-To") || header_is(f, "Resent-Cc") || header_is(f, "Resent-Bcc")
                  : header_is(f, "To") || header_is(f, "Cc") || header_is(f, "Bcc");
}

static bool is_resent(struct span section)
{
    struct header_scan scan;
    struct header_field f;

    header_scan_init(&scan, section);
    while (header_next(&scan, &f))
        if (is_recipient_field(&f, true))
            return true;
    return false;
}

int fixup_recipients(struct span section, unsigned notify, struct envelope *env, struct err *e)
{
    struct header_scan scan;
    struct header_field f;
    struct seen set = { NULL, 0, 0 };
    bool resent = is_resent(section);
    char name[40];
    int rc = 0;

    header_scan_init(&scan, section);
    while (rc == 0 && header_next(&scan, &f)) {
        if (!is_recipient_field(&f, resent))
            continue;
        rc = add_list(f.value, notify, env, &set, e);
        if (rc < 0)
            err_prefix(e, "header field %s", log_escape(f.name, name, sizeof name));
    }
    free(set.slots);
    return rc;
}
