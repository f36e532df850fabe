/* SPDX-License-Identifier: Apache-2.0
 *
 * A main.cf, all of its values expanded, and the same bytes as a master.cf. */
#include "base/mem.h"
#include "config/postfix.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct postfix_main m = { 0 };
    struct postfix_master services = { 0 };
    struct span text = span_of((const char *)data, size);

    postfix_main_parse(&m, text);
    for (size_t i = 0; i < m.n && i < 200; i++) {
        struct span rest = span_str(m.at[i].value), word;
        char *value = postfix_value(&m, m.at[i].name, NULL);
        BUG_IF(m.depth != 0);
        BUG_IF(postfix_find(&m, m.at[i].name) != &m.at[i]);
        while (postfix_list_next(&rest, &word))
            BUG_IF(word.len == 0);
        free(value);
    }
    postfix_main_free(&m);

    postfix_master_parse(&services, text);
    for (size_t i = 0; i < services.n; i++)
        BUG_IF(!services.at[i].command || !services.at[i].text);
    postfix_master_free(&services);
    return 0;
}
