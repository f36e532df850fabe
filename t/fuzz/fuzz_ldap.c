/* SPDX-License-Identifier: Apache-2.0
 *
 * A key in a filter and in a DN: whatever it holds, it stays a value, and it can be had back from what was made of it. The first
 * line is a template of somebody's, the rest the key. */
#include "base/mem.h"
#include "server/map_ldap_expand.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int digit(char c)
{
    BUG_IF(!(c >= '0' && c <= '9') && !(c >= 'A' && c <= 'F'));
    return c <= '9' ? c - '0' : c - 'A' + 10;
}

static void same_again(struct span made, struct span key, const char *never)
{
    size_t n = 0;

    for (size_t i = 0; i < made.len; i++) {
        char c = made.at[i];
        BUG_IF(c == '\0' || strchr(never, c));
        if (c == '\\') {
            BUG_IF(i + 2 >= made.len);
            c = (char)(digit(made.at[i + 1]) * 16 + digit(made.at[i + 2]));
            i += 2;
        }
        BUG_IF(n >= key.len || key.at[n++] != c);
    }
    BUG_IF(n != key.len);
}

static void quote(struct span key, enum ldap_quote how, const char *never)
{
    struct buf out;

    buf_init(&out, BUF_NO_MAX);
    if (ldap_expand("%s", key, (struct span){ 0 }, how, &out))
        same_again(buf_span(&out), key, never);
    else
        BUG_IF(key.len);
    buf_fini(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span all = { (const char *)data, size };
    size_t end = span_find(all, '\n');
    struct span key = span_from(all, end + 1);
    char *text = span_dup(span_of(all.at, end));
    struct buf out;

    quote(key, LDAP_QUOTE_FILTER, "*()");
    quote(key, LDAP_QUOTE_DN, " \t\"#+,;<>");
    if (ldap_template_check(text, NULL) == 0) {
        buf_init(&out, 1 << 20);
        bool suits = ldap_template_suits(text, key);
        bool done = ldap_expand(text, key, (struct span){ 0 }, LDAP_QUOTE_FILTER, &out);
        BUG_IF(done && !suits);
        ldap_template_is_fixed(text);
        buf_fini(&out);
    }
    free(text);
    return 0;
}
