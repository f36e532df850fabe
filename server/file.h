/* SPDX-License-Identifier: Apache-2.0
 *
 * file.h - what Maildir and mbox share: writing the content, making folders that last, and what a failure means. */
#ifndef SERVER_FILE_H
#define SERVER_FILE_H

#include "server/content.h"
#include "server/outcome.h"

#include <sys/types.h>

int file_write(int fd, struct span bytes, struct err *e);
/* `how`: COPY_* (copy.h). */
int file_write_content(int fd, const struct content *c, unsigned how, struct err *e);
int file_sync_folder(const char *path, struct err *e);
/* With all folders above it that are missing; each is synced into its own. One that is there is fine. */
int file_make_folders(const char *path, mode_t mode, struct err *e);

/* "WHAT: TEXT", deferred with the code that fits errno: 4.2.2 quota, 4.3.1 disk full, 4.2.0; but a file that may not grow further
 * (EFBIG) bounces, 5.2.2. */
void file_failed(struct outcome *out, const char *what, const struct err *e);

#endif
