/* SPDX-License-Identifier: Apache-2.0
 *
 * How long a client may take. Silence is not the measure, for one that sends a byte now and then is never silent: a whole
 * request, up to our reply to it, has smtpd_timeout. Content has that time too, and earns more by coming: for each
 * smtpd_min_data_rate bytes a second, never more than smtpd_timeout in all. Without smtpd_per_request_deadline any byte will
 * do.
 *
 * What happens only moves the deadline; the timer looks when it is due, and sleeps for the rest. */
#include "relay/session_int.h"

#include "base/log.h"

static int64_t patience_ms(const struct session *s)
{
    return s->cfg->smtpd_timeout / 1000;
}

static void on_timer(void *arg)
{
    struct session *s = arg;
    int64_t now = loop_now_ms(s->receiver->loop);

    if (smtp_server_is_asking(s->server)) /* it waits for us */
        s->deadline_ms = now + patience_ms(s);
    if (s->deadline_ms > now) {
        timer_start(&s->patience, s->receiver->loop, s->deadline_ms - now, on_timer, s);
        return;
    }
    log_info("timeout after %s from %s", smtp_server_after(s->server), s->client);
    session_shut(s, "4.4.2", "timeout exceeded");
}

void session_time_start(struct session *s)
{
    s->deadline_ms = loop_now_ms(s->receiver->loop) + patience_ms(s);
    if (!timer_is_armed(&s->patience))
        timer_start(&s->patience, s->receiver->loop, patience_ms(s), on_timer, s);
}

void session_time_stop(struct session *s)
{
    timer_stop(&s->patience);
}

void session_time_replied(struct session *s)
{
    s->deadline_ms = loop_now_ms(s->receiver->loop) + patience_ms(s);
}

void session_time_came(struct session *s, size_t bytes)
{
    const struct config *cfg = s->cfg;
    int64_t most = loop_now_ms(s->receiver->loop) + patience_ms(s);

    if (!cfg->smtpd_per_request_deadline)
        s->deadline_ms = most;
    else if (smtp_server_in_content(s->server)) {
        s->earned += bytes * 1000;
        s->deadline_ms += (int64_t)(s->earned / (unsigned)cfg->smtpd_min_data_rate);
        s->earned %= (unsigned)cfg->smtpd_min_data_rate;
        if (s->deadline_ms > most)
            s->deadline_ms = most;
    }
}
