/* SPDX-License-Identifier: Apache-2.0 */
#include "base/packed.h"

void packed_put(struct buf *out, char key, const char *value)
{
    if (!value)
        return;
    buf_addc(out, key);
    for (; *value; value++)
        buf_addc(out, *value == '\n' || *value == '\r' ? '?' : *value);
    buf_addc(out, '\n');
}

int packed_next(struct span *packed, char *key, struct span *value, struct err *e)
{
    size_t end = span_find(*packed, '\n');

    if (packed->len == 0)
        return 0;
    if (end == packed->len || end == 0)
        return err_set(e, ERR_PERMANENT, "a line without %s", end ? "an end" : "a key");
    *key = packed->at[0];
    *value = span_of(packed->at + 1, end - 1);
    *packed = span_from(*packed, end + 1);
    return 1;
}

int packed_unknown(char key, struct err *e)
{
    if (key >= 'a' && key <= 'z')
        return 0;
    return err_set(e, ERR_PERMANENT, "unknown key '%c': written by a newer Baton?", key);
}
