/* SPDX-License-Identifier: Apache-2.0
 *
 * access_keys.c - from the whole to its parts, in the order of access(5). */
#include "base/mem.h"
#include "mail/address.h"
#include "server/access.h"

#include <stdlib.h>
#include <string.h>

void access_keys_add(struct access_keys *k, struct span text, bool is_whole)
{
    k->at = xreallocarray(k->at, k->n + 1, sizeof *k->at);
    k->at[k->n++] = (struct access_key){ span_dup(text), is_whole, k->group };
}

void access_keys_fini(struct access_keys *k)
{
    for (size_t i = 0; i < k->n; i++)
        free(k->at[i].text);
    free(k->at);
    *k = (struct access_keys){ 0 };
}

/* "mail.example.com", then "example.com" and "com"; or ".example.com" and ".com". */
static void add_domain(struct access_keys *k, struct span name, bool is_whole, bool has_dots)
{
    for (unsigned i = 0; name.len && i < 64; i++) {
        access_keys_add(k, name, is_whole && i == 0);
        bool leads = name.at[0] == '.';
        size_t dot = leads + span_find(span_from(name, leads), '.');
        if (dot >= name.len)
            return;
        name = span_from(name, has_dots ? dot : dot + 1);
    }
}

static void add_networks(struct access_keys *k, struct span address)
{
    char part = span_find(address, ':') < address.len ? ':' : '.';

    access_keys_add(k, address, true);
    while (address.len) {
        size_t at = span_rfind(address, part);
        if (at >= address.len)
            return;
        address.len = at;
        if (address.len)
            access_keys_add(k, address, false);
    }
}

void access_keys_host(struct access_keys *k, const char *name, const char *address, bool has_dots)
{
    if (name && *name)
        add_domain(k, span_str(name), true, has_dots);
    if (address && *address)
        add_networks(k, span_str(address));
}

struct span address_without_extension(struct span local, const char *delimiters)
{
    for (size_t i = 1; i < local.len && *delimiters; i++)
        if (strchr(delimiters, local.at[i]))
            return span_of(local.at, i);
    return local;
}

static void add_joined(struct access_keys *k, struct span local, struct span domain, bool is_whole)
{
    char *text = xasprintf("%.*s@%.*s", (int)local.len, local.at, (int)domain.len, domain.at);

    access_keys_add(k, span_str(text), is_whole);
    free(text);
}

void access_keys_address(struct access_keys *k, const char *address, const char *delimiters, const char *null_key, bool has_dots)
{
    struct span local = address_text_local(address), domain = address_text_domain(address);
    struct span plain = address_without_extension(local, delimiters);

    if (!*address) {
        if (*null_key)
            access_keys_add(k, span_str(null_key), true);
        return;
    }
    access_keys_add(k, span_str(address), true);
    if (plain.len < local.len)
        add_joined(k, plain, domain, false);
    add_domain(k, domain, false, has_dots);
    add_joined(k, local, SPAN(""), false);
    if (plain.len < local.len)
        add_joined(k, plain, SPAN(""), false);
}
