/* SPDX-License-Identifier: Apache-2.0
 *
 * ldap.so: an end to waiting that libldap does not end. */
#include "server/ldap_wire_int.h"

#include "base/clock.h"
#include "base/mem.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

struct ldap_watch {
    struct ldap_conncb callback; /* of libldap: a connection has been made */
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t over;
    struct timespec until;
    int64_t limit_us;
    int fd; /* -1: not connected; a copy, for the other may be closed meanwhile */
    bool is_over, has_connected, has_struck, has_thread;
};

static int connected(LDAP *ld, Sockbuf *sb, LDAPURLDesc *url, struct sockaddr *sa, struct ldap_conncb *callback)
{
    struct ldap_watch *w = callback->lc_arg;
    struct timeval limit = { .tv_sec = (time_t)(w->limit_us / USEC_PER_SEC) };
    ber_socket_t fd = -1;

    (void)ld;
    (void)url;
    (void)sa;
    if (ber_sockbuf_ctrl(sb, LBER_SB_OPT_GET_FD, &fd) <= 0 || fd < 0)
        return 0;
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
    pthread_mutex_lock(&w->lock);
    w->has_connected = true;
    if (w->fd < 0 && !w->is_over)
        w->fd = dup(fd);
    pthread_mutex_unlock(&w->lock);
    return 0;
}

static void disconnected(LDAP *ld, Sockbuf *sb, struct ldap_conncb *callback)
{
    (void)ld;
    (void)sb;
    (void)callback;
}

static void *wait_for_end(void *arg)
{
    struct ldap_watch *w = arg;
    int rc = 0;

    pthread_mutex_lock(&w->lock);
    while (!w->is_over && rc == 0)
        rc = pthread_cond_timedwait(&w->over, &w->lock, &w->until);
    w->has_struck = !w->is_over;
    if (w->has_struck && w->fd >= 0)
        shutdown(w->fd, SHUT_RDWR);
    pthread_mutex_unlock(&w->lock);
    return NULL;
}

struct ldap_watch *ldap_watch_new(LDAP *ld, int64_t limit_us)
{
    struct ldap_watch *w = xcalloc(1, sizeof *w);
    pthread_condattr_t attr;

    w->callback = (struct ldap_conncb){ .lc_add = connected, .lc_del = disconnected, .lc_arg = w };
    w->limit_us = limit_us;
    w->fd = -1;
    pthread_mutex_init(&w->lock, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&w->over, &attr);
    pthread_condattr_destroy(&attr);
    clock_gettime(CLOCK_MONOTONIC, &w->until);
    w->until.tv_sec += (time_t)(limit_us / USEC_PER_SEC);
    ldap_set_option(ld, LDAP_OPT_CONNECT_CB, &w->callback);
    w->has_thread = pthread_create(&w->thread, NULL, wait_for_end, w) == 0;
    return w;
}

void ldap_watch_end(struct ldap_watch *w)
{
    pthread_mutex_lock(&w->lock);
    w->is_over = true;
    pthread_cond_signal(&w->over);
    pthread_mutex_unlock(&w->lock);
    if (w->has_thread)
        pthread_join(w->thread, NULL);
    w->has_thread = false;
    if (w->fd >= 0)
        close(w->fd);
    w->fd = -1;
}

void ldap_watch_free(struct ldap_watch *w)
{
    if (!w)
        return;
    pthread_cond_destroy(&w->over);
    pthread_mutex_destroy(&w->lock);
    free(w);
}

bool ldap_watch_has_connected(const struct ldap_watch *w)
{
    return w->has_connected;
}

bool ldap_watch_has_struck(const struct ldap_watch *w)
{
    return w->has_struck;
}
