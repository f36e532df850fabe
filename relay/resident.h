/* SPDX-License-Identifier: Apache-2.0
 *
 * resident.h - the memory that this process has from the system, which is what it holds and what lies in the allocator's
 * holes. */
#ifndef RELAY_RESIDENT_H
#define RELAY_RESIDENT_H

#include <stdint.h>

/* Before the jail is entered. Without /proc resident_bytes() is 0. */
void resident_open(void);
void resident_close(void);
/* Anonymous memory, in a few microseconds. */
uint64_t resident_bytes(void);

#endif
