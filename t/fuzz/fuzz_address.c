/* SPDX-License-Identifier: Apache-2.0 */
#include "base/mem.h"
#include "mail/address.h"

#include <stdio.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What was read once is in the one form: it reads again, as itself. */
static void check(const struct address *a)
{
    struct address again;
    char path[ADDRESS_MAX + 3];

    BUG_IF(a->len != strlen(a->text) || a->local_len > a->len || a->len > ADDRESS_MAX);
    for (size_t i = 0; i < a->len; i++)
        BUG_IF((unsigned char)a->text[i] < ' ' || a->text[i] == 0x7f);
    snprintf(path, sizeof path, "<%s>", a->text);
    BUG_IF(address_parse_path(&again, span_str(path), ADDRESS_UTF8 | ADDRESS_NULL | ADDRESS_LOCAL, NULL, NULL) < 0);
    BUG_IF(strcmp(again.text, a->text) != 0 || again.local_len != a->local_len);
    BUG_IF(address_text_local(a->text).len != a->local_len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span in = { (const char *)data + 1, size - 1 };
    struct address_list list;
    struct address_item item;
    struct address a;
    struct span rest;
    struct err e;

    if (size == 0)
        return 0;
    if (address_parse_path(&a, in, data[0] & 15, &rest, &e) == 0)
        check(&a);
    address_list_init(&list, in, data[0] & 15);
    while (address_list_next(&list, &item, &e) > 0) {
        check(&item.address);
        BUG_IF(item.spec.at < in.at || item.spec.at + item.spec.len > in.at + in.len);
    }
    return 0;
}
