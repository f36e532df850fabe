/* SPDX-License-Identifier: Apache-2.0
 *
 * probe.c - one step after the other, each waited for: nothing else happens in this program meanwhile.
 *
 * The steps are those of relay/ (the same walk, TLS policies, libraries and settings), without its queue: what works here works
 * there. */
#include "control/probe_int.h"

#include "base/mem.h"
#include "relay/certs.h"
#include "relay/own.h"
#include "relay/worker.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static struct tls_client_options tls_options(const struct config *cfg)
{
    return (struct tls_client_options){
        .ca_file = cfg->smtp_tls_CAfile[0] ? cfg->smtp_tls_CAfile : NULL,
        .ca_path = cfg->smtp_tls_CApath[0] ? cfg->smtp_tls_CApath : NULL,
        .min_version = cfg->smtp_tls_mandatory_protocols.min >= 13 ? TLS_1_3 : TLS_1_2,
        .grade = cfg->smtp_tls_ciphers == CONFIG_CIPHERS_HIGH ? TLS_GRADE_HIGH : TLS_GRADE_MEDIUM,
    };
}

static int open_lmtp_tls(struct probe *p, struct err *e)
{
    const struct config *cfg = p->cfg;
    struct tls_client_options o = tls_options(cfg);

    if (strcmp(cfg->lmtp_tls_CAfile, cfg->smtp_tls_CAfile) == 0 && strcmp(cfg->lmtp_tls_CApath, cfg->smtp_tls_CApath) == 0)
        return 0;
    o.ca_file = cfg->lmtp_tls_CAfile[0] ? cfg->lmtp_tls_CAfile : NULL;
    o.ca_path = cfg->lmtp_tls_CApath[0] ? cfg->lmtp_tls_CApath : NULL;
    o.certs = &p->certs;
    p->lmtp = tls_client_new(&o, e);
    return p->lmtp ? 0 : -1;
}

/* Where no verified certificate is demanded, other terms count; the authorities stay, to tell what is wrong with it. */
static int open_tls(struct probe *p, struct err *e)
{
    struct tls_client_options o = tls_options(p->cfg);

    if (tls_init_process(e) < 0 || certs_load_own(p->cfg, &p->certs, e) < 0)
        return -1;
    o.certs = &p->certs;
    if (!(p->verified = tls_client_new(&o, e)) ||
        !(p->unverified = tls_client_like(p->verified, TLS_1_2, TLS_GRADE_MEDIUM, e)) || open_lmtp_tls(p, e) < 0)
        return -1;
    p->policies = tls_policies_new(p->cfg, p->verified, p->unverified, e);
    return p->policies ? 0 : -1;
}

/* Where domains are delivered to, and it is installed. */
static void open_mta_sts(struct probe *p)
{
    struct worker_ids ids;
    struct err e;

    if (!p->cfg->smtp_tls_mta_sts || !config_delivers_directly(p->cfg))
        return;
    if (worker_ids(p->cfg, &ids, &e) < 0 || !(p->sts = mta_sts_look(p->cfg, ids.uid, ids.gid, &e))) {
        findings_add(p->f, FINDING_NOTE, "MTA-STS", "policies of domains do not count: %s", e.text);
        return;
    }
    if (mta_sts_start(p->sts, p->loop, p->dns, &e) < 0) {
        findings_add(p->f, FINDING_NOTE, "MTA-STS", "policies of domains do not count: %s", e.text);
        mta_sts_free(p->sts);
        p->sts = NULL;
    }
    tls_policies_use_mta_sts(p->policies, p->sts);
}

struct probe *probe_new(const struct config *cfg, bool is_verbose, struct findings *f)
{
    struct probe *p = xcalloc(1, sizeof *p);
    struct err e;

    p->cfg = cfg;
    p->f = f;
    p->is_verbose = is_verbose;
    if ((p->loop = loop_new(&e)) && (p->dns = dns_new(p->loop, NULL, &e)) && open_tls(p, &e) == 0) {
        own_addresses(cfg, &p->own);
        open_mta_sts(p);
        return p;
    }
    findings_add(f, FINDING_ERROR, "probe", "%s", e.text);
    probe_free(p);
    return NULL;
}

void probe_free(struct probe *p)
{
    if (!p)
        return;
    config_secret_free(p->secret);
    tls_policies_free(p->policies);
    tls_certs_fini(&p->certs);
    mta_sts_free(p->sts);
    dns_free(p->dns);
    tls_client_free(p->verified);
    tls_client_free(p->unverified);
    tls_client_free(p->lmtp);
    addr_list_fini(&p->own);
    loop_free(p->loop);
    free(p);
}

/* ---- what is asked for ---- */

bool probe_can(const char *nexthop)
{
    return strncmp(nexthop, "smtp:", 5) == 0 || strncmp(nexthop, "relay:", 6) == 0 || strncmp(nexthop, "lmtp:", 5) == 0;
}

void probe_relayhosts(const struct config *cfg, struct findings *f)
{
    struct probe *p = cfg->relayhost.n ? probe_new(cfg, false, f) : NULL;

    for (size_t i = 0; p && i < cfg->relayhost.n; i++) {
        char *nexthop = xasprintf("smtp:%s", cfg->relayhost.at[i].text);
        probe_walk(p, nexthop);
        free(nexthop);
    }
    probe_free(p);
}

bool probe_mail(struct probe *p, const char *nexthop, const struct envelope *env)
{
    p->env = env;
    p->rcpts = xcalloc(env->n_rcpts, sizeof *p->rcpts);
    for (size_t i = 0; i < env->n_rcpts; i++)
        p->rcpts[i] = &env->rcpts[i];
    p->message = (struct smtp_message){ .env = env, .rcpts = p->rcpts, .n_rcpts = env->n_rcpts, .size_bytes = 1000 };
    p->has_said_sender = false;
    p->n_taken = 0;
    enum outcome outcome = probe_walk(p, nexthop);
    free(p->rcpts);
    p->rcpts = NULL;
    return outcome == REACHED;
}
