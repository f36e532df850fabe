/* SPDX-License-Identifier: Apache-2.0 */
#include "relay/extension.h"

#include "base/mem.h"

static bool is_never_parted(struct span local)
{
    static const char *const names[] = { "postmaster", "mailer-daemon", "double-bounce" };

    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (span_ieq_str(local, names[i]))
            return true;
    return false;
}

size_t extension_at(struct span local, const char *delimiters)
{
    if (!*delimiters || is_never_parted(local))
        return local.len;
    if (strchr(delimiters, '-') && (span_istarts(local, "owner-") || span_iends(local, "-request")))
        return local.len;
    for (size_t i = 1; i + 1 < local.len; i++)
        if (strchr(delimiters, local.at[i]))
            return i;
    return local.len;
}
