/* SPDX-License-Identifier: Apache-2.0 */
#include "relay/limits.h"

#include "base/clock.h"
#include "base/log.h"
#include "relay/anvil.h"
#include "relay/ceiling.h"
#include "relay/session_int.h"

#include <stdio.h>

/* ---- services ---- */

static bool is_implicit_tls(const struct receiver *r, const struct listening *on)
{
    return on->kind == LISTEN_SMTP &&
           config_listen_tls(r->cfg, on->section < 0 ? NULL : &r->cfg->listens[on->section]) == CONFIG_LISTEN_TLS_IMPLICIT;
}

static void say_and_close(struct conn *c, const char *line)
{
    conn_write(c, span_str(line));
    conn_flush(c);
    conn_close(c); /* without waiting for the client: that would be a place for each of a crowd */
}

bool limits_let_in(struct receiver *r, const struct listening *on, struct conn *c)
{
    char line[400];
    unsigned n = anvil_enter(r->env->anvil, r->env->number, on->service);

    if (n <= (unsigned)on->process_limit && ceiling_has_room(r, on->kind == LISTEN_SUBMIT))
        return true;
    anvil_leave(r->env->anvil, r->env->number, on->service);
    if (n > (unsigned)on->process_limit && anvil_may_complain(r->env->anvil, on->service, clock_mono_us()))
        log_warn("service %s has reached its process limit: %d clients are connected, more are turned away", on->name,
                 on->process_limit);
    snprintf(line, sizeof line, "421 4.3.2 %.255s Error: too many connections, try again later\r\n", r->cfg->myhostname);
    say_and_close(c, is_implicit_tls(r, on) ? "" : line);
    return false;
}

void limits_left(struct receiver *r, const struct listening *on)
{
    anvil_leave(r->env->anvil, r->env->number, on->service);
}

/* ---- clients ---- */

static const struct sockaddr *address_of(const struct session *s)
{
    return &s->peer.sa;
}

static bool is_unlimited(const struct session *s)
{
    const struct cidr_list *exceptions = &s->cfg->smtpd_client_event_limit_exceptions;
    const struct sockaddr *at = address_of(s);

    if (s->is_local || s->is_unlimited || at->sa_family == AF_UNIX)
        return true;
    /* Of whom a proxy does not know, all together count as the proxy: they cannot claim what it may. */
    return !s->is_unknown && cidr_list_matches(exceptions->at, exceptions->n, at);
}

static void report(void *arg)
{
    struct receiver *r = arg;
    /* Whichever worker is first says it for all; the others' timers come a little later. */
    anvil_report(r->env->anvil, r->cfg->anvil_status_update_time / 2, r->cfg->anvil_rate_time_unit);
}

/* No timer runs while there is nothing to report: an idle worker is not woken. */
static void will_report(struct receiver *r)
{
    if (!timer_is_armed(&r->report_timer))
        timer_start(&r->report_timer, r->loop, r->cfg->anvil_status_update_time / 1000, report, r);
}

static bool is_over(const struct session *s, unsigned n, int limit, const char *what)
{
    if (!limit || n <= (unsigned)limit)
        return false;
    log_warn("%s limit exceeded: %u from %s for service %s", what, n, s->client, s->on->name);
    return true;
}

bool limits_client(struct session *s)
{
    struct receiver *r = s->receiver;
    const struct config *cfg = s->cfg;
    struct anvil_counts counts;

    limits_forget(s);
    if (is_unlimited(s))
        return true;
    const struct anvil_who who = {
        .service = s->on->service,
        .address = address_of(s),
        .ipv4_bits = cfg->smtpd_client_ipv4_prefix_length,
        .ipv6_bits = cfg->smtpd_client_ipv6_prefix_length,
    };
    anvil_connect(r->env->anvil, r->env->number, &who, clock_mono_us(), cfg->anvil_rate_time_unit, &s->seat, &counts);
    will_report(r);
    if (!is_over(s, counts.connections, cfg->smtpd_client_connection_count_limit, "Connection concurrency") &&
        !is_over(s, counts.rate, cfg->smtpd_client_connection_rate_limit, "Connection rate"))
        return true;
    s->is_abrupt = true;
    smtp_server_shut(s->server, 421, "4.7.0", "%s Error: too many connections from %s", cfg->myhostname, s->address);
    return false;
}

void limits_forget(struct session *s)
{
    anvil_disconnect(s->receiver->env->anvil, s->receiver->env->number, &s->seat);
}

/* ---- events ---- */

static bool is_too_often(struct session *s, enum anvil_event event, int limit, const char *what)
{
    struct receiver *r = s->receiver;

    if (!s->seat.place)
        return false;
    will_report(r);
    unsigned n = anvil_count(r->env->anvil, &s->seat, event, clock_mono_us(), r->cfg->anvil_rate_time_unit);
    return is_over(s, n, limit, what);
}

bool limits_mail(struct session *s, struct smtp_cmd *c)
{
    if (!is_too_often(s, ANVIL_MESSAGE, s->cfg->smtpd_client_message_rate_limit,
                      "Message delivery request rate"))
        return true;
    smtp_answer(c, 450, "4.7.1", "Error: too much mail from %s", s->address);
    return false;
}

bool limits_rcpt(struct session *s, struct smtp_cmd *c)
{
    if (!is_too_often(s, ANVIL_RECIPIENT, s->cfg->smtpd_client_recipient_rate_limit, "Recipient address rate"))
        return true;
    smtp_answer(c, 450, "4.7.1", "Error: too many recipients from %s", s->address);
    return false;
}

bool limits_auth(struct session *s, struct smtp_cmd *c)
{
    if (!is_too_often(s, ANVIL_AUTH, s->cfg->smtpd_client_auth_rate_limit, "AUTH command rate"))
        return true;
    smtp_answer(c, 450, "4.7.1", "Error: too many AUTH commands from %s", s->address);
    return false;
}

bool limits_tls(struct session *s)
{
    return !is_too_often(s, ANVIL_NEW_TLS, s->cfg->smtpd_client_new_tls_session_rate_limit,
                         "New TLS session rate");
}

bool limits_starttls(struct session *s, struct smtp_cmd *c)
{
    if (limits_tls(s))
        return true;
    smtp_answer(c, 454, "4.7.0", "Error: too many new TLS sessions from %s", s->address);
    return false;
}
