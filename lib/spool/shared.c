/* SPDX-License-Identifier: Apache-2.0 */
#include "spool/shared.h"

#include "base/mem.h"

#include <stdatomic.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

struct slot_line {
    _Alignas(64) _Atomic uint32_t turn; /* odd while gen and end are being written */
    _Atomic uint64_t opened;
    _Atomic uint64_t gen;
    _Atomic uint64_t end;
};

struct spool_shared {
    size_t bytes;
    unsigned n_slots;
    int wake_fd;
    _Atomic uint64_t floor;
    _Atomic uint64_t large;
    struct slot_line lines[];
};

struct spool_shared *spool_shared_new(unsigned n_slots, struct err *e)
{
    size_t bytes = sizeof(struct spool_shared) + n_slots * sizeof(struct slot_line);
    int fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (fd < 0) {
        err_sys(e, "eventfd");
        return NULL;
    }
    struct spool_shared *sh = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (sh == MAP_FAILED) {
        err_sys(e, "shared memory of %zu bytes", bytes);
        close(fd);
        return NULL;
    }
    sh->bytes = bytes;
    sh->n_slots = n_slots;
    sh->wake_fd = fd;
    return sh;
}

void spool_shared_free(struct spool_shared *sh)
{
    if (!sh)
        return;
    close(sh->wake_fd);
    munmap(sh, sh->bytes);
}

int spool_shared_wake_fd(const struct spool_shared *sh)
{
    return sh->wake_fd;
}

unsigned shared_slots(const struct spool_shared *sh)
{
    return sh->n_slots;
}

static void write_line(struct slot_line *line, uint64_t gen, uint64_t end)
{
    uint32_t turn = atomic_load_explicit(&line->turn, memory_order_relaxed) | 1;

    atomic_store_explicit(&line->turn, turn, memory_order_relaxed);
    atomic_thread_fence(memory_order_release);
    atomic_store_explicit(&line->gen, gen, memory_order_relaxed);
    atomic_store_explicit(&line->end, end, memory_order_relaxed);
    atomic_store_explicit(&line->turn, turn + 1, memory_order_release);
}

void shared_opened(struct spool_shared *sh, unsigned slot, uint64_t opened)
{
    BUG_IF(slot >= sh->n_slots);
    /* First the line, then the mark: who sees the new mark sees no generation of a predecessor. */
    write_line(&sh->lines[slot], 0, 0);
    atomic_store_explicit(&sh->lines[slot].opened, opened, memory_order_release);
}

void shared_publish(struct spool_shared *sh, unsigned slot, uint64_t gen, uint64_t end)
{
    write_line(&sh->lines[slot], gen, end);
}

bool shared_read(struct spool_shared *sh, unsigned slot, struct shared_line *out)
{
    struct slot_line *line = &sh->lines[slot];

    for (int tries = 0; tries < 1000; tries++) {
        uint32_t turn = atomic_load_explicit(&line->turn, memory_order_acquire);
        out->opened = atomic_load_explicit(&line->opened, memory_order_acquire);
        out->gen = atomic_load_explicit(&line->gen, memory_order_relaxed);
        out->end = atomic_load_explicit(&line->end, memory_order_relaxed);
        atomic_thread_fence(memory_order_acquire);
        if (!(turn & 1) && turn == atomic_load_explicit(&line->turn, memory_order_relaxed))
            return true;
    }
    return false;
}

void shared_count_large(struct spool_shared *sh)
{
    atomic_fetch_add(&sh->large, 1);
}

uint64_t shared_large(const struct spool_shared *sh)
{
    return atomic_load(&sh->large);
}

uint64_t shared_floor(const struct spool_shared *sh)
{
    return atomic_load(&sh->floor);
}

void shared_raise_floor(struct spool_shared *sh, uint64_t to)
{
    uint64_t was = atomic_load(&sh->floor);

    while (was < to && !atomic_compare_exchange_weak(&sh->floor, &was, to))
        ;
}

void shared_wake(struct spool_shared *sh)
{
    uint64_t one = 1;
    /* Full means that it is readable already. */
    if (write(sh->wake_fd, &one, sizeof one) < 0)
        return;
}
