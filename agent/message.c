/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/message.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sysexits.h>
#include <unistd.h>

enum { IN_MEMORY = 1 << 20 };

void message_init(struct message *m, const struct config *cfg, bool dot_ends)
{
    *m = (struct message){ .spill_fd = -1, .size_limit = cfg->message_size_limit };
    header_reader_init(&m->reader, cfg->header_size_limit);
    lines_init(&m->lines, dot_ends);
    buf_init(&m->piece, BUF_NO_MAX);
    buf_init(&m->body, BUF_NO_MAX);
    buf_init(&m->section, BUF_NO_MAX);
}

void message_fini(struct message *m)
{
    header_reader_fini(&m->reader);
    buf_fini(&m->piece);
    buf_fini(&m->body);
    buf_fini(&m->section);
    if (m->spill_fd >= 0)
        close(m->spill_fd);
    m->spill_fd = -1;
}

/* Where nothing may be written, memory is what is left: message_size_limit bounds it. */
static int open_nameless(void)
{
    static const char *const folders[] = { "/var/tmp", "/tmp" };

    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++) {
        int fd = open(folders[i], O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
        if (fd >= 0)
            return fd;
    }
    return memfd_create("message", MFD_CLOEXEC);
}

static int spill(struct message *m, struct err *e)
{
    struct span s = buf_span(&m->body);

    if (m->spill_fd < 0 && (m->spill_fd = open_nameless()) < 0)
        return err_sys(e, "cannot make a temporary file");
    while (s.len) {
        ssize_t n = write(m->spill_fd, s.at, s.len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return err_sys(e, "cannot write a temporary file");
        s = span_from(s, (size_t)n);
        m->spilled += (uint64_t)n;
    }
    buf_clear(&m->body);
    return 0;
}

static int too_large(const struct message *m, struct err *e)
{
    err_set(e, ERR_PERMANENT, "the message is larger than message_size_limit, %llu bytes",
            (unsigned long long)m->size_limit);
    return EX_UNAVAILABLE;
}

/* m->piece, sorted into header section and body. */
static int sort(struct message *m, struct err *e)
{
    struct span data = buf_span(&m->piece), lead;

    if (m->size_limit && m->lines.bytes > m->size_limit)
        return too_large(m, e);
    if (header_reader_take(&m->reader, &data, &lead, e) < 0)
        return EX_DATAERR;
    buf_addspan(&m->body, lead);
    buf_addspan(&m->body, data);
    m->body_is_8bit |= !span_is_ascii(lead) || !span_is_ascii(data);
    buf_clear(&m->piece);
    return m->body.len > IN_MEMORY && spill(m, e) < 0 ? EX_TEMPFAIL : 0;
}

int message_add(struct message *m, struct span bytes, struct err *e)
{
    lines_feed(&m->lines, bytes, &m->piece);
    return sort(m, e);
}

int message_end(struct message *m, struct err *e)
{
    struct span lead;
    int status;

    lines_end(&m->lines, &m->piece);
    status = sort(m, e);
    if (status)
        return status;
    if (header_reader_end(&m->reader, &lead, e) < 0)
        return EX_DATAERR;
    buf_addspan(&m->body, lead);
    m->body_is_8bit |= !span_is_ascii(lead);
    return 0;
}

struct span message_header(const struct message *m)
{
    return buf_span(&m->reader.section);
}

int message_fix(struct message *m, const struct fixup_facts *facts, struct err *e)
{
    buf_clear(&m->section);
    if (fixup_header(message_header(m), facts, &m->section, &m->fixed, e) < 0)
        return EX_DATAERR;
    return m->size_limit && message_size(m) > m->size_limit ? too_large(m, e) : 0;
}

bool message_is_8bit(const struct message *m)
{
    return m->body_is_8bit || !span_is_ascii(buf_span(&m->section));
}

uint64_t message_size(const struct message *m)
{
    return m->section.len + m->spilled + m->body.len;
}

int message_body(const struct message *m, message_fn *fn, void *arg, struct err *e)
{
    static char chunk[64 * 1024];
    uint64_t at = 0;

    while (at < m->spilled) {
        ssize_t n = pread(m->spill_fd, chunk, sizeof chunk, (off_t)at);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) {
            errno = n ? errno : EIO;
            return err_sys(e, "cannot read the temporary file");
        }
        if (fn(arg, span_of(chunk, (size_t)n), e) < 0)
            return -1;
        at += (uint64_t)n;
    }
    return m->body.len ? fn(arg, buf_span(&m->body), e) : 0;
}
