/* SPDX-License-Identifier: Apache-2.0 */
#include "server/map_ldap.h"

#include "base/mem.h"
#include "server/module.h"

#include <stdlib.h>

static const struct config *config;

void map_ldap_use(const struct config *cfg)
{
    config = cfg;
}

static void *open_ldap(const struct map_source *src, struct err *e)
{
    (void)src;
    (void)config;
    if (!module_load("ldap", "tables of type ldap", e))
        return NULL;
    return xcalloc(1, 1);
}

static enum map_result look_up(void *self, struct span key, struct buf *value, struct err *e)
{
    (void)self;
    (void)key;
    (void)value;
    err_set(e, ERR_TEMPORARY, "the directory cannot be asked yet");
    return MAP_CANNOT_TELL;
}

const struct map_kind map_kind_ldap = {
    .type = "ldap", .flags = MAP_FOLDS | MAP_BLOCKS, .open = open_ldap, .close = free, .lookup = look_up,
};
