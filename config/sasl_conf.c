/* SPDX-License-Identifier: Apache-2.0
 *
 * "key: value" lines, as libsasl2 reads them (lib/config.c there): keys in any case, "#" begins a comment at the front of a line. */
#include "config/sasl_conf.h"

#include "base/mem.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define DEFAULT_FOLDERS SYSCONFDIR "/baton/sasl:/etc/postfix/sasl:/etc/sasl2:/usr/lib/sasl2"

static void set(char **field, struct span value)
{
    free(*field);
    *field = span_dup(value);
}

static void take_line(struct sasl_conf *c, struct span line)
{
    struct span key, value;
    const struct {
        const char *name;
        char **field;
    } known[] = {
        { "pwcheck_method", &c->pwcheck_method }, { "mech_list", &c->mech_list },           { "saslauthd_path", &c->saslauthd_path },
        { "sasldb_path", &c->sasldb_path },       { "auxprop_plugin", &c->auxprop_plugin },
    };

    line = span_trim(line);
    size_t colon = span_find(line, ':');
    if (!line.len || *line.at == '#' || colon == line.len)
        return;
    key = span_trim(span_of(line.at, colon));
    value = span_trim(span_from(line, colon + 1));
    for (size_t i = 0; i < ARRAY_LEN(known); i++)
        if (span_ieq_str(key, known[i].name))
            set(known[i].field, value);
}

static int read_file(struct sasl_conf *c, struct err *e)
{
    char line[4096];
    FILE *f = fopen(c->file, "re");

    if (!f)
        return err_sys(e, "read %s", c->file);
    while (fgets(line, sizeof line, f))
        take_line(c, span_str(line));
    fclose(f);
    return 0;
}

int sasl_conf_find(const struct config *cfg, struct sasl_conf *out, struct err *e)
{
    struct span all = span_str(cfg->cyrus_sasl_config_path[0] ? cfg->cyrus_sasl_config_path : DEFAULT_FOLDERS), folder;
    char **const fields[] = { &out->pwcheck_method, &out->mech_list, &out->saslauthd_path, &out->sasldb_path, &out->auxprop_plugin };
    struct buf looked;

    *out = (struct sasl_conf){ 0 };
    for (size_t i = 0; i < ARRAY_LEN(fields); i++)
        *fields[i] = xstrdup("");
    buf_init(&looked, BUF_NO_MAX);
    while (!out->file && span_word(&all, ":", &folder)) {
        char *file = xasprintf("%.*s/%s.conf", (int)folder.len, folder.at, config_sasl_application(cfg));
        buf_addf(&looked, "%s%s", looked.len ? ", " : "", file);
        if (access(file, F_OK) == 0) {
            out->file = file;
            out->folder = span_dup(folder);
        } else {
            free(file);
        }
    }
    buf_cstr(&looked);
    out->looked_in = buf_take(&looked);
    return out->file ? read_file(out, e) : 0;
}

void sasl_conf_fini(struct sasl_conf *c)
{
    char **const fields[] = { &c->folder,         &c->file,        &c->looked_in,     &c->pwcheck_method, &c->mech_list,
                              &c->saslauthd_path, &c->sasldb_path, &c->auxprop_plugin };

    for (size_t i = 0; i < ARRAY_LEN(fields); i++)
        free(*fields[i]);
    *c = (struct sasl_conf){ 0 };
}

const char *sasl_conf_saslauthd(const struct sasl_conf *c)
{
    return *c->saslauthd_path ? c->saslauthd_path : "/var/run/saslauthd/mux";
}

const char *sasl_conf_sasldb(const struct sasl_conf *c)
{
    return *c->sasldb_path ? c->sasldb_path : "/etc/sasldb2";
}
