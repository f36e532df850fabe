/* SPDX-License-Identifier: Apache-2.0
 *
 * ldap.so: all that needs libldap. */
#include "server/module.h"

#include "build.h"

#include <ldap.h>

extern const struct module baton_module;
const struct module baton_module = { .version = PACKAGE_VERSION };
