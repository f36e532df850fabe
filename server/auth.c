/* SPDX-License-Identifier: Apache-2.0 */
#include "server/auth.h"

#include "config/config.h"

struct auth *server_auth_open(const struct config *cfg, struct err *e)
{
    if (cfg->smtpd_sasl_type == CONFIG_SASL_DOVECOT)
        return auth_dovecot_open(cfg, e);
    return auth_sasl_open(cfg, e);
}

bool server_auth_connects(const struct config *cfg)
{
    struct config_sasl_place place;
    struct err e;

    if (!config_uses_auth(cfg) || cfg->smtpd_sasl_type != CONFIG_SASL_DOVECOT)
        return false;
    bool connects = config_sasl_place(cfg, &place, &e) == 0 && !place.path;
    config_sasl_place_fini(&place);
    return connects;
}
