/* SPDX-License-Identifier: Apache-2.0 */
#include "relay/operate.h"

#include "base/clock.h"
#include "base/log.h"
#include "build.h"
#include "relay/peer.h"

#include <unistd.h>

/* ---- seeing ---- */

static const char *state_of(const struct message *m, int64_t now, int64_t *next_us)
{
    const char *state = "deferred";

    *next_us = INT64_MAX;
    for (const struct job *j = m->jobs; j; j = j->next) {
        /* When its destination works again all its mail is due. */
        int64_t at = j->dest->retry_us ? j->dest->retry_us : j->next_us;
        if (j->place == JOB_ACTIVE)
            state = "active";
        else if (j->place == JOB_WAITING && at <= now && strcmp(state, "active") != 0)
            state = "ready";
        if (at < *next_us)
            *next_us = at;
    }
    if (*next_us <= now)
        *next_us = 0;
    return m->is_held ? "hold" : state;
}

static void put_field(struct buf *out, const char *s)
{
    char text[2048];
    buf_addc(out, '\t');
    if (s)
        buf_adds(out, log_escape(span_str(s), text, sizeof text));
}

static const char *trouble_of(const struct message *m)
{
    for (const struct job *j = m->jobs; j; j = j->next)
        if (j->dest->retry_us && j->dest->trouble_text)
            return j->dest->trouble_text;
    return NULL;
}

static void put_rcpts(const struct envelope *env, const struct spool_state *st, struct buf *out)
{
    size_t n = st->n_rcpts ? st->n_rcpts : env->n_rcpts;

    for (size_t i = 0; i < n; i++) {
        buf_adds(out, "r");
        put_field(out, st->n_rcpts ? st->rcpts[i].rcpt.address : env->rcpts[i].address);
        put_field(out, st->n_rcpts ? st->rcpts[i].reason : NULL);
        buf_addc(out, '\n');
    }
}

void operate_describe(struct relay *r, struct message *m, struct buf *out)
{
    struct envelope env;
    struct spool_state st;
    struct err e;
    char id[SPOOL_ID_TEXT];
    int64_t next_us;
    const char *state = state_of(m, clock_real_us(), &next_us);

    spool_id_format(m->id, id);
    if (spool_load(r->spool, m->id, &env, &st, &e) < 0) {
        buf_addf(out, "m\t%s\t%s\t%llu\t%lld\t0\t0\t", id, state, (unsigned long long)m->size, (long long)m->arrival_us);
        put_field(out, e.text);
        buf_addc(out, '\n');
        return;
    }
    buf_addf(out, "m\t%s\t%s\t%llu\t%lld\t%lld\t%u", id, state, (unsigned long long)m->size, (long long)m->arrival_us,
             (long long)next_us, m->jobs ? m->jobs->attempts : 0u);
    put_field(out, env.sender);
    put_field(out, st.reason ? st.reason : trouble_of(m));
    buf_addc(out, '\n');
    put_rcpts(&env, &st, out);
    envelope_fini(&env);
    spool_state_fini(&st);
}

static bool put_trouble(const struct relay *r, const struct dest *d, struct buf *out)
{
    int64_t fresh = clock_real_us() - 2 * r->cfg->maximal_backoff_time;

    if (d->trouble == NO_TROUBLE || (!d->retry_us && d->noted_us < fresh))
        return false;
    buf_addf(out, "trouble\t%lld", (long long)d->trouble_since_us);
    put_field(out, schedule_dest_name(d));
    put_field(out, d->trouble_text);
    buf_addf(out, "\t%s\t%lld\n", d->trouble == TROUBLE_CONFIG ? "configuration" : "temporary", (long long)d->retry_us);
    return true;
}

/* Of domains that do not answer there may be thousands: the first ones will do. One that no mail waits for troubles nobody. */
static void put_troubles(const struct relay *r, struct buf *out)
{
    int n_direct = 0;

    list_each(it, queue_dests(r->queue)) {
        struct dest *d = list_entry(it, struct dest, link);
        if (!d->is_direct)
            put_trouble(r, d, out);
        else if (d->n_jobs > 0 && n_direct < 50 && put_trouble(r, d, out))
            n_direct++;
    }
}

static void put_relayhost(const struct config *cfg, struct buf *out)
{
    buf_adds(out, "relayhost\t");
    for (size_t i = 0; i < cfg->relayhost.n; i++)
        buf_addf(out, "%s%s", i ? " " : "", cfg->relayhost.at[i].text);
    buf_addc(out, '\n');
}

void operate_status(struct relay *r, struct buf *out)
{
    struct queue_counts c;
    struct spool_stats s;
    int64_t next = INT64_MAX;
    size_t connections = 0;

    queue_count(r->queue, &c);
    spool_stats(r->spool, &s);
    buf_addf(out, "version\t%s\nsince\t%lld\npid\t%d\n", PACKAGE_VERSION, (long long)r->env->started_us, (int)getppid());
    put_relayhost(r->cfg, out);
    buf_addf(out, "waiting\t%zu\nactive\t%zu\nheld\t%zu\nbytes\t%llu\ndisk\t%llu\n", c.messages, c.active, c.held,
             (unsigned long long)c.bytes, (unsigned long long)s.disk_bytes);
    list_each(it, queue_dests(r->queue)) {
        struct dest *d = list_entry(it, struct dest, link);
        /* Behind one that is away all wait for its probe, whatever their own time. */
        int64_t due = d->n_waiting == 0 ? INT64_MAX : d->retry_us ? d->retry_us : queue_due(d);
        next = due < next ? due : next;
        connections += peer_count(d);
    }
    buf_addf(out, "connections\t%zu\nnext\t%lld\n", connections, next == INT64_MAX ? 0LL : (long long)next);
    put_troubles(r, out);
    if (r->cfg->relayhost.n == 0 && c.messages == 0 && !config_delivers_directly(r->cfg))
        buf_addf(out, "trouble\t%lld\trelayhost\tthere is no relayhost: mail will be kept till one is set\tconfiguration\t0\n",
                 (long long)r->started_us);
}

bool operate_may(struct relay *r, uid_t uid, uint64_t id)
{
    struct envelope env;
    struct spool_state st;

    if (uid == ENVELOPE_NO_UID)
        return false;
    if (uid == 0 || uid == geteuid())
        return true;
    if (spool_load(r->spool, id, &env, &st, NULL) < 0)
        return false;
    bool is_theirs = env.uid == uid;
    envelope_fini(&env);
    spool_state_fini(&st);
    return is_theirs;
}

/* ---- doing ---- */

/* A report that is on its way carries what is left, and would be undone: settle.c writes it afterwards. */
static void write_hold(struct relay *r, const struct message *m, bool is_held)
{
    if (m->is_reported)
        return;

    struct envelope env;
    struct spool_state st;
    struct err e;

    if (spool_load(r->spool, m->id, &env, &st, &e) < 0) {
        log_error("%s", e.text);
        return;
    }
    st.is_held = is_held;
    spool_put_state(r->spool, m->id, &st, NULL, NULL);
    envelope_fini(&env);
    spool_state_fini(&st);
}

static void note(const struct message *m, const char *what)
{
    char id[SPOOL_ID_TEXT];
    log_info("%s: %s by the operator", spool_id_format(m->id, id), what);
}

bool operate_hold(struct relay *r, struct message *m)
{
    if (m->is_held)
        return false;
    queue_hold(r->queue, m);
    write_hold(r, m, true);
    note(m, "put on hold");
    return true;
}

bool operate_release(struct relay *r, struct message *m)
{
    if (!m->is_held)
        return false;
    queue_release(r->queue, m);
    write_hold(r, m, false);
    note(m, "released");
    return true;
}

bool operate_delete(struct relay *r, struct message *m)
{
    uint64_t id = m->id;

    note(m, "deleted");
    if (queue_remove(r->queue, m))
        spool_end(r->spool, id);
    return true;
}

bool operate_retry(struct relay *r, struct message *m)
{
    if (m->is_held)
        return false;
    queue_retry(r->queue, m);
    for (struct job *j = m->jobs; j; j = j->next)
        j->dest->is_wanted = true;
    return true;
}

void operate_finish(struct relay *r)
{
    list_each(it, queue_dests(r->queue)) {
        struct dest *d = list_entry(it, struct dest, link);
        if (d->is_wanted)
            schedule_dest_retry(r, d);
        d->is_wanted = false;
    }
}
