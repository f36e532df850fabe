/* SPDX-License-Identifier: Apache-2.0
 *
 * list.h - a doubly linked ring through its members: struct list in each member and one as the head.
 * Zeroes are not a list: list_init() first, for heads and for members that may be removed twice. */
#ifndef BASE_LIST_H
#define BASE_LIST_H

#include "base/mem.h"

#include <stdbool.h>

struct list {
    struct list *next, *prev;
};

static inline void list_init(struct list *l)
{
    l->next = l->prev = l;
}

static inline bool list_is_empty(const struct list *head)
{
    return head->next == head;
}

static inline void list_insert_before(struct list *at, struct list *l)
{
    l->next = at;
    l->prev = at->prev;
    at->prev->next = l;
    at->prev = l;
}

static inline void list_append(struct list *head, struct list *l)
{
    list_insert_before(head, l);
}

static inline void list_prepend(struct list *head, struct list *l)
{
    list_insert_before(head->next, l);
}

static inline void list_remove(struct list *l)
{
    l->prev->next = l->next;
    l->next->prev = l->prev;
    list_init(l);
}

/* All of `from` goes to the end of `head`. */
static inline void list_move(struct list *head, struct list *from)
{
    if (list_is_empty(from))
        return;
    from->next->prev = head->prev;
    head->prev->next = from->next;
    from->prev->next = head;
    head->prev = from->prev;
    list_init(from);
}

#define list_entry(l, type, member) container_of(l, type, member)
/* `it` may be removed inside the loop; others may not. */
#define list_each(it, head)                                                                                            \
    for (struct list *it = (head)->next, *it##_next = it->next; it != (head); it = it##_next, it##_next = it->next)

#endif
