/* SPDX-License-Identifier: Apache-2.0
 *
 * A whole configuration file, through the scan, libconfuse, expansion and conversion. */
#include "base/mem.h"
#include "config/config.h"

#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const struct config *cfg)
{
    struct buf out;

    buf_init(&out, BUF_NO_MAX);
    BUG_IF(config_show(cfg, NULL, 0, &out, NULL) != 0);
    for (size_t i = 0; i < out.len; i++)
        BUG_IF((unsigned char)out.at[i] < 0x20 && out.at[i] != '\n' && out.at[i] != '\t' &&
               out.at[i] != '\r');
    buf_fini(&out);
    for (size_t i = 0; i < cfg->relayhost.n; i++) {
        BUG_IF(!cfg->relayhost.at[i].host[0] || cfg->relayhost.at[i].port == 0);
        config_tls_level(cfg, &cfg->relayhost.at[i]);
    }
    for (size_t i = 0; i < cfg->n_logins; i++) {
        BUG_IF(!cfg->logins[i].user[0]);
        if (cfg->logins[i].password)
            config_secret_free(config_login_secret(cfg, &cfg->logins[i], NULL));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct config_report report = { 0 };
    char file[64];
    int fd = memfd_create("fuzz", 0);

    BUG_IF(fd < 0 || write(fd, data, size) != (ssize_t)size);
    fchmod(fd, 0600);
    snprintf(file, sizeof file, "/proc/self/fd/%d", fd);
    struct config *cfg = config_load(file, CONFIG_ENV, &report);
    BUG_IF((cfg == NULL) != (report.n_errors > 0));
    if (cfg)
        check(cfg);
    config_free(cfg);
    config_report_fini(&report);
    close(fd);
    return 0;
}
