/* SPDX-License-Identifier: Apache-2.0
 *
 * tls_ticket.c - session tickets: the state of a session, sealed, in the keeping of the client.
 *
 * mbedTLS has such a thing, but its keys are one process's own. Ours lie in shared memory: the maker writes a new key into
 * the oldest place and only then points to it, the others look. Who looks while a place is written anew gets bytes that
 * open nothing, and makes a full handshake.
 *
 *   ticket = key's id (8) | when sealed (8) | nonce (12) | AES-256-GCM of the session | tag (16)
 *
 * What stands before the nonce is authenticated too, with the terms of the server (versions, ciphers): a ticket from times
 * of laxer ones is of no use after a reload, nor is one of a listener that asks no certificates where they are asked. Of a session
 * in which a certificate was shown there is no ticket. */
#include "base/clock.h"
#include "base/mem.h"
#include "net/tls_int.h"

#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>

#include <mbedtls/gcm.h>

enum { N_KEYS = 3, KEY_SIZE = 32, ID_SIZE = 8, TIME_SIZE = 8, NONCE_SIZE = 12, TAG_SIZE = 16 };
enum { HEAD_SIZE = ID_SIZE + TIME_SIZE, SEALED_AT = HEAD_SIZE + NONCE_SIZE };
#define TICKET_LIFE_S (2 * TLS_TICKET_TURN_S)

struct ticket_key {
    _Atomic uint64_t id; /* 0: none */
    unsigned char key[KEY_SIZE];
};

struct tls_tickets {
    struct ticket_key keys[N_KEYS];
    _Atomic unsigned current;
};

struct tls_tickets *tls_tickets_new(struct err *e)
{
    struct tls_tickets *t = mmap(NULL, sizeof(*t), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (t == MAP_FAILED) {
        err_sys(e, "memory for TLS session tickets");
        return NULL;
    }
    madvise(t, sizeof(*t), MADV_DONTDUMP);
    tls_tickets_rotate(t);
    return t;
}

void tls_tickets_rotate(struct tls_tickets *t)
{
    unsigned next = (atomic_load(&t->current) + 1) % N_KEYS;
    struct ticket_key *k = &t->keys[next];
    uint64_t id = 0;
    atomic_store(&k->id, 0);
    if (tls_random(NULL, k->key, sizeof(k->key)) || tls_random(NULL, (unsigned char *)&id, sizeof(id)))
        return; /* there is no key there: the old one stays in use */
    atomic_store(&k->id, id ? id : 1);
    atomic_store(&t->current, next);
}

void tls_tickets_only_read(struct tls_tickets *t)
{
    if (t)
        mprotect(t, sizeof(*t), PROT_READ);
}

void tls_tickets_free(struct tls_tickets *t)
{
    if (t)
        munmap(t, sizeof(*t)); /* the last one's memory is zeroed by the kernel */
}

/* ---- sealing and opening ---------------------------------------- */

struct terms { /* what is authenticated and not sealed */
    unsigned char head[HEAD_SIZE];
    unsigned char bound_to[sizeof(((struct tls_sealer *)0)->bound_to)];
};

static void make_terms(struct terms *t, const struct tls_sealer *s, const unsigned char *head)
{
    memcpy(t->head, head, sizeof(t->head));
    memcpy(t->bound_to, s->bound_to, sizeof(t->bound_to));
}

static int seal(const struct ticket_key *k, const struct terms *terms, unsigned char *ticket, size_t len)
{
    mbedtls_gcm_context gcm;
    unsigned char *at = ticket + SEALED_AT;
    mbedtls_gcm_init(&gcm);
    int code = mbedtls_gcm_setkey(&gcm, MBEDTLS_CIPHER_ID_AES, k->key, KEY_SIZE * 8);
    if (!code)
        code = mbedtls_gcm_crypt_and_tag(&gcm, MBEDTLS_GCM_ENCRYPT, len, ticket + HEAD_SIZE, NONCE_SIZE,
                                         (const unsigned char *)terms, sizeof(*terms), at, at, TAG_SIZE, at + len);
    mbedtls_gcm_free(&gcm);
    return code;
}

static int unseal(const struct ticket_key *k, const struct terms *terms, unsigned char *ticket, size_t len)
{
    mbedtls_gcm_context gcm;
    unsigned char *at = ticket + SEALED_AT;
    mbedtls_gcm_init(&gcm);
    int code = mbedtls_gcm_setkey(&gcm, MBEDTLS_CIPHER_ID_AES, k->key, KEY_SIZE * 8);
    if (!code)
        code = mbedtls_gcm_auth_decrypt(&gcm, len, ticket + HEAD_SIZE, NONCE_SIZE, (const unsigned char *)terms,
                                        sizeof(*terms), at + len, TAG_SIZE, at, at);
    mbedtls_gcm_free(&gcm);
    return code;
}

/* RFC 5077 3.3: an empty one is none. TLS 1.3 has no empty ones: a byte that opens nothing, to be thrown away at once. */
static int write_none(const mbedtls_ssl_session *session, unsigned char *start, const unsigned char *end, size_t *len,
                      uint32_t *lifetime)
{
    *lifetime = 0;
    *len = tls_session_is_1_3(session) ? 1 : 0;
    if (end - start < (ptrdiff_t)*len)
        return MBEDTLS_ERR_SSL_BUFFER_TOO_SMALL;
    if (*len)
        *start = 0;
    return 0;
}

int tls_ticket_write(void *sealer, const mbedtls_ssl_session *session, unsigned char *start, const unsigned char *end,
                     size_t *len, uint32_t *lifetime)
{
    struct tls_sealer *s = sealer;
    const struct ticket_key *k = &s->tickets->keys[atomic_load(&s->tickets->current)];
    uint64_t id = atomic_load(&k->id), now = (uint64_t)(clock_real_us() / USEC_PER_SEC);
    struct terms terms;
    size_t n = 0;
    if (s->is_shut)
        return write_none(session, start, end, len, lifetime);
    if (end - start < SEALED_AT + TAG_SIZE)
        return MBEDTLS_ERR_SSL_BUFFER_TOO_SMALL;
    memcpy(start, &id, ID_SIZE);
    memcpy(start + ID_SIZE, &now, TIME_SIZE);
    int code = tls_random(NULL, start + HEAD_SIZE, NONCE_SIZE);
    if (!code)
        code = mbedtls_ssl_session_save(session, start + SEALED_AT, (size_t)(end - start) - SEALED_AT - TAG_SIZE, &n);
    if (code)
        return code;
    make_terms(&terms, s, start);
    code = seal(k, &terms, start, n);
    *len = SEALED_AT + n + TAG_SIZE;
    *lifetime = TICKET_LIFE_S;
    return code;
}

static const struct ticket_key *key_of(const struct tls_tickets *t, const unsigned char *ticket)
{
    uint64_t id;
    memcpy(&id, ticket, sizeof(id));
    for (size_t i = 0; i < N_KEYS; i++)
        if (id && atomic_load(&t->keys[i].id) == id)
            return &t->keys[i];
    return NULL;
}

int tls_ticket_parse(void *sealer, mbedtls_ssl_session *session, unsigned char *buf, size_t len)
{
    struct tls_sealer *s = sealer;
    struct terms terms;
    uint64_t sealed_at, now = (uint64_t)(clock_real_us() / USEC_PER_SEC);
    const struct ticket_key *k = len > SEALED_AT + TAG_SIZE ? key_of(s->tickets, buf) : NULL;
    if (!k)
        return MBEDTLS_ERR_SSL_INVALID_MAC;
    make_terms(&terms, s, buf);
    size_t n = len - SEALED_AT - TAG_SIZE;
    if (unseal(k, &terms, buf, n))
        return MBEDTLS_ERR_SSL_INVALID_MAC;
    memcpy(&sealed_at, buf + ID_SIZE, TIME_SIZE);
    if (now > sealed_at + TICKET_LIFE_S)
        return MBEDTLS_ERR_SSL_SESSION_TICKET_EXPIRED;
    int code = mbedtls_ssl_session_load(session, buf + SEALED_AT, n);
    wipe(buf + SEALED_AT, n);
    s->is_opened = code == 0;
    return code;
}
