/* SPDX-License-Identifier: Apache-2.0
 *
 * id.h - numbers that are given out once in the life of a spool: ids of messages, generations of segments.
 *
 * (microseconds since 1970) << 10 | slot. Two slots never collide; within a slot the clock counts up even when it
 * stands still or steps back. */
#ifndef SPOOL_ID_H
#define SPOOL_ID_H

#include <stdbool.h>
#include <stdint.h>

#define ID_SLOT_BITS  10
#define ID_SLOTS      (1u << ID_SLOT_BITS)
#define ID_SLOT(id)   ((unsigned)((id) & (ID_SLOTS - 1)))
#define ID_SLOT_DROP  512u             /* 512..1022: a drop takes one of these at random */
#define ID_SLOT_RELAY (ID_SLOTS - 1)   /* and receivers have 0..511 */

static inline bool id_is_drops(uint64_t id)
{
    return ID_SLOT(id) >= ID_SLOT_DROP && ID_SLOT(id) < ID_SLOT_RELAY;
}

/* Above `*last` and above `floor`; becomes the new `*last`. */
uint64_t id_next(unsigned slot, uint64_t *last, uint64_t floor);

#endif
