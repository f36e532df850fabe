/* SPDX-License-Identifier: Apache-2.0
 *
 * maildir.h - messages as files, for `baton sink`: written below tmp/, then renamed into new/, with
 * LF line ends. Nothing is synced: a sink promises nothing. */
#ifndef CONTROL_MAILDIR_H
#define CONTROL_MAILDIR_H

#include "base/err.h"
#include "base/span.h"

/* Makes the folder and its three below it, where they are missing. */
int maildir_make(const char *dir, struct err *e);
/* The name of the new file, to be freed; names sort in the order of arrival. */
char *maildir_keep(const char *dir, struct span head, struct span content, struct err *e);

#endif
