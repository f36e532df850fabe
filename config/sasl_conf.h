/* SPDX-License-Identifier: Apache-2.0
 *
 * sasl_conf.h - the settings of an application of Cyrus SASL: which file it is, and what of it we have to know. */
#ifndef CONFIG_SASL_CONF_H
#define CONFIG_SASL_CONF_H

#include "config/config.h"

struct sasl_conf { /* "" where nothing is set */
    char *folder;        /* where the file is, or NULL: there is none */
    char *file;          /* its full name, or NULL */
    char *looked_in;     /* "/etc/a, /etc/b" */
    char *pwcheck_method, *mech_list, *saslauthd_path, *sasldb_path, *auxprop_plugin;
};

/* Looks in cyrus_sasl_config_path. A file that may not be read: -1. */
int sasl_conf_find(const struct config *cfg, struct sasl_conf *out, struct err *e);
void sasl_conf_fini(struct sasl_conf *c);
/* Where the library looks by itself, too. */
const char *sasl_conf_saslauthd(const struct sasl_conf *c);
const char *sasl_conf_sasldb(const struct sasl_conf *c);

#endif
