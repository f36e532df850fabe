/* SPDX-License-Identifier: Apache-2.0
 *
 * module.h - what needs a library of its own (libldap, libsasl2) is a shared object in $(libdir)/baton, so that only those who
 * name it in their configuration pay for it. It is loaded before the jail is entered: afterwards no memory becomes code.
 *
 * A module has one symbol, baton_module, a struct of its own that begins with a struct module. What it uses of lib/base it finds
 * in the program that loads it (server/exports); nothing else is there for it. */
#ifndef SERVER_MODULE_H
#define SERVER_MODULE_H

#include "base/err.h"

struct module {
    const char *version; /* PACKAGE_VERSION: one of another release is refused */
};

/* The file NAME.so; in a build tree, the one that was built there. It is loaded once a process and stays. `for_what` begins the text
 * of an error: "tables of type ldap". */
const struct module *module_load(const char *name, const char *for_what, struct err *e);

#endif
