/* SPDX-License-Identifier: Apache-2.0
 *
 * content.h - the content of a message while it is delivered: lines end with LF, as in files. A small one stays in memory, a larger
 * one goes to a file without a name in the spool's folder; a child that was forked reads either. */
#ifndef SERVER_CONTENT_H
#define SERVER_CONTENT_H

#include "base/err.h"
#include "base/span.h"

#include <sys/types.h>

enum { CONTENT_IN_MEMORY = 65536 };

struct content;

/* `dir` (borrowed) is where a file goes; root makes it as that user. */
struct content *content_new(const char *dir, uid_t uid, gid_t gid);
void content_free(struct content *c);
/* Lines that end with CRLF. -1: there is no room; what was added before cannot be used then. */
int content_add(struct content *c, struct span crlf, struct err *e);

uint64_t content_size(const struct content *c);
/* Up to `len` bytes from there; 0 at its end; -1 with errno. */
ssize_t content_read(const struct content *c, uint64_t offset, char *to, size_t len);
/* Its file, or -1: a child that closes what it does not need leaves it open. */
int content_fd(const struct content *c);

#endif
