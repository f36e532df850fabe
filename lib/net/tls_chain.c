/* SPDX-License-Identifier: Apache-2.0
 *
 * tls_chain.c - several certificates with their chains and keys, from files that hold them one after the other.
 *
 * The files are a row of PEM blocks. A key and the certificates next to it belong together: the key first (as Postfix
 * wants it), or last (as many tools write it). A pair is whole when it has both and a block comes that cannot be its own:
 * another key, a certificate behind "certificates, key", or the next file. */
#include "base/buf.h"
#include "base/mem.h"
#include "net/tls_int.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

void tls_certs_add(struct tls_certs *l, struct tls_cert *c)
{
    l->at = xreallocarray(l->at, l->n + 1, sizeof(*l->at));
    l->at[l->n++] = c;
}

void tls_certs_fini(struct tls_certs *l)
{
    for (size_t i = 0; i < l->n; i++)
        tls_cert_free(l->at[i]);
    free(l->at);
    *l = (struct tls_certs){ 0 };
}

struct pairing {
    struct tls_certs done;
    struct buf chain, key; /* of the pair under way */
    const char *chain_file, *key_file;
    bool is_key_last;
};

static bool is_whole(const struct pairing *p)
{
    return p->chain.len && p->key.len;
}

static void forget(struct buf *b)
{
    if (b->len)
        wipe(b->at, b->len);
    buf_clear(b);
}

static int end_pair(struct pairing *p, struct err *e)
{
    if (!p->chain.len && !p->key.len)
        return 0;
    if (!p->chain.len)
        return err_set(e, ERR_CONFIG, "%s: a key without its certificate (behind it, or before it)", p->key_file);
    if (!p->key.len)
        return err_set(e, ERR_CONFIG, "%s: a certificate without its key (before it, or behind it)", p->chain_file);
    (void)buf_cstr(&p->chain);
    (void)buf_cstr(&p->key);
    struct tls_cert *c = tls_cert_make(buf_span(&p->chain), p->chain_file, buf_span(&p->key), p->key_file, e);
    if (!c)
        return -1;
    tls_certs_add(&p->done, c);
    forget(&p->chain);
    forget(&p->key);
    p->is_key_last = false;
    return 0;
}

static int add_key(struct pairing *p, const char *file, struct span block, struct err *e)
{
    struct stat st;
    if (p->key.len && end_pair(p, e) < 0)
        return -1;
    if (stat(file, &st) == 0 && (st.st_mode & S_IRWXO))
        return tls_refuse_open_key(file, e);
    p->is_key_last = p->chain.len > 0;
    p->key_file = file;
    buf_addspan(&p->key, block);
    return 0;
}

static int add_certificate(struct pairing *p, const char *file, struct span block, struct err *e)
{
    if (is_whole(p) && p->is_key_last && end_pair(p, e) < 0)
        return -1;
    if (!p->chain.len)
        p->chain_file = file;
    buf_addspan(&p->chain, block);
    return 0;
}

/* The next block of `rest`, its end line included, and its label: "CERTIFICATE", "EC PRIVATE KEY". */
static bool next_block(struct span *rest, struct span *label, struct span *block)
{
    static const char begin[] = "-----BEGIN ", end[] = "-----END ";
    const char *from = strstr(rest->at, begin);
    const char *to = from ? strstr(from, end) : NULL;
    if (!to)
        return false;
    const char *name = from + sizeof(begin) - 1;
    *label = span_of(name, strcspn(name, "-\r\n"));
    to += strcspn(to, "\n");
    to += *to == '\n';
    *block = span_of(from, (size_t)(to - from));
    *rest = span_from(*rest, (size_t)(to - rest->at));
    return true;
}

static int read_blocks(struct pairing *p, const char *file, struct span text, struct err *e)
{
    struct span label, block;
    size_t n = 0;
    while (next_block(&text, &label, &block)) {
        int result = 0;
        if (span_iends(label, "PRIVATE KEY"))
            result = add_key(p, file, block, e);
        else if (span_iends(label, "CERTIFICATE"))
            result = add_certificate(p, file, block, e);
        else
            continue; /* parameters of a curve, and the like */
        if (result < 0)
            return -1;
        n++;
    }
    if (!n)
        return err_set(e, ERR_CONFIG, "%s: there is neither a certificate nor a key in it (PEM is wanted)", file);
    return is_whole(p) ? end_pair(p, e) : 0;
}

int tls_certs_load(struct tls_certs *l, char *const *files, size_t n_files, struct err *e)
{
    struct pairing p = { 0 };
    int result = 0;
    buf_init(&p.chain, BUF_NO_MAX);
    buf_init(&p.key, BUF_NO_MAX);
    for (size_t i = 0; i < n_files && result == 0; i++) {
        size_t len = 0;
        char *text = tls_read_file(files[i], false, &len, e);
        result = text ? read_blocks(&p, files[i], span_of(text, len), e) : -1;
        if (text)
            wipe(text, len);
        free(text);
    }
    if (result == 0)
        result = end_pair(&p, e);
    for (size_t i = 0; i < p.done.n && result == 0; i++)
        tls_certs_add(l, tls_cert_keep(p.done.at[i]));
    tls_certs_fini(&p.done);
    forget(&p.chain);
    forget(&p.key);
    buf_fini(&p.chain);
    buf_fini(&p.key);
    return result;
}
