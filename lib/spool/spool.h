/* SPDX-License-Identifier: Apache-2.0
 *
 * spool.h - the spool: what Baton has taken, it never drops.
 *
 * Taking a message: begin, write, commit. Before the commit has called back, nothing is promised; once it has called
 * back with SPOOL_KEPT, the message survives a power cut. The rest leaves no trace after a restart.
 *
 * Who opens it, and as what:
 *   SPOOL_RECEIVE  a receive worker: takes messages into its own journal. Many at a time, one a `slot`.
 *   SPOOL_RELAY    the relay worker, one only: learns of every message, notes what became of it, ends it.
 *   SPOOL_LOOK     a tool: sees what is there and changes nothing; works beside a running daemon and without one.
 * `sendmail` without a daemon uses drop.h instead: no object, no loop, one file.
 *
 * In the caller's thread files are read, and written as far as the page cache takes it (large messages as they stream in,
 * states and ends that nobody waits for); syncs and claiming segments run on the runner. Nothing needs a timer.
 * All calls and callbacks of one spool are of one thread. How it lies on disk: FORMAT. */
#ifndef SPOOL_SPOOL_H
#define SPOOL_SPOOL_H

#include "base/envelope.h"
#include "base/err.h"
#include "base/runner.h"
#include "base/span.h"
#include "spool/drop.h"

#include <stdbool.h>
#include <stdint.h>

struct spool;
struct spool_msg;
struct spool_shared;
struct spool_io; /* the seam through which all writes, syncs, renames go: io.h; NULL is the real one */

/* ---- identity ------------------------------------------------------------------------------------------------- */

/* One id a message for its whole life: in the log, in Received:, in the reply to the client, in `baton queue`.
 * It is made of the time in microseconds and of the slot, and is never 0. */
#define SPOOL_ID_TEXT 16
/* Letters and digits without vowels, as Postfix's long queue ids: 11 to 12 characters; `out` has SPOOL_ID_TEXT bytes. */
char *spool_id_format(uint64_t id, char *out);
bool spool_id_parse(struct span text, uint64_t *id);

/* ---- the folder ------------------------------------------------------------------------------------------------ */

/* Makes what is missing below `dir` (journal/ large/ free/ drop/ public/, modes in FORMAT). When run by root all of it
 * belongs to `owner`, the drop to `group` too and its mode lets the group put files there; else to the caller. A spool
 * that a newer Baton wrote is refused, with its version. */
int spool_create(const char *dir, uid_t owner, gid_t group, struct err *e);

/* One daemon a spool: an exclusive lock that the kernel drops with the process. Returns an fd to hold, or -1: with
 * e->sys EWOULDBLOCK when another has it. With `wait_ms` > 0 waits that long for it. */
int spool_lock(const char *dir, int wait_ms, struct err *e);

struct spool_limits {
    uint64_t segment_bytes; /* 0: 16 MiB, less when many receivers share the slack */
    uint64_t large_bytes;   /* a message larger than this streams into a file of its own; 0: 256 KiB */
    uint64_t slack_bytes;   /* disk used stays below 2 x what lives plus this; 0: 128 MiB */
    unsigned n_receivers;   /* that may be open at one time, each with a segment of its own; 0: 2 */
};

/* ---- between workers -------------------------------------------------------------------------------------------- */

/* Anonymous shared memory with a line a writer ("synced up to here") and an eventfd that wakes the relay. Made by the
 * supervisor before it forks, for slots 0..n-1. */
struct spool_shared *spool_shared_new(unsigned n_slots, struct err *e);
void spool_shared_free(struct spool_shared *sh);
/* Readable when something was committed. Read 8 bytes from it, then spool_poll(). A lost wake-up costs delay only. */
int spool_shared_wake_fd(const struct spool_shared *sh);

/* ---- opening ---------------------------------------------------------------------------------------------------- */

enum spool_role { SPOOL_RECEIVE, SPOOL_RELAY, SPOOL_LOOK };

struct spool_state;

enum { SPOOL_LINE_MAX = 998 }; /* RFC 5321 4.5.3.1.6, without CR LF */

struct spool_info { /* what is known of a message without reading its content */
    uint64_t id;
    uint64_t size; /* bytes of content */
    int64_t arrival_us;
    bool has_dot_line; /* a line begins with '.': DATA needs dot-stuffing */
    bool has_long_line; /* one has more than SPOOL_LINE_MAX bytes */
    bool is_8bit;      /* a byte >= 0x80 is in it */
    bool is_from_drop; /* sendmail has left it there: no receiver has seen it */
};

struct spool_ops { /* relay and look; called from inside spool_start() and spool_poll() */
    /* A message that waits. Called once for each. `env` and `state` are the spool's, valid during the call only;
     * `state` is NULL while nothing has become of it. */
    void (*found)(void *arg, const struct spool_info *info, const struct envelope *env,
                  const struct spool_state *state);
    /* Something was damaged or could not be read: one line for the log, with file and offset. */
    void (*damaged)(void *arg, const char *text);
};

struct spool_config {
    const char *dir;             /* copied */
    enum spool_role role;
    unsigned slot;               /* receive: 0..n-1, one writer a slot at a time; the relay and lookers need none */
    struct spool_limits limits;
    struct spool_shared *shared; /* borrowed, may be NULL (then the relay sees others' mail at spool_poll(), by looking) */
    struct runner *runner;       /* borrowed; receive and relay */
    struct spool_io *io;         /* borrowed; NULL: the real one */
    const struct spool_ops *ops; /* borrowed; relay and look */
    void *arg;
};

struct spool *spool_open(const struct spool_config *cfg, struct err *e);
/* Relay, look: recovery. Reads every segment and calls found() for what lives. Once; after -1 only spool_close(). */
int spool_start(struct spool *s, struct err *e);
/* Relay: takes up what receivers and drops have brought since, calling found(). Cheap when nothing has come. Call it
 * once after spool_start(), when the wake fd and the drop are being watched: something may have come in between. */
int spool_poll(struct spool *s, struct err *e);
/* The same without a look at the drop: enough when spool_shared_wake_fd() was readable and nothing else. */
int spool_poll_committed(struct spool *s, struct err *e);
/* Writes and syncs the states and ends that nobody waits for, blocking. While a runner is still at work that waits till it
 * has come back, if the loop still runs then. Nobody is called back any more either way: what was not is not promised.
 * NULL is fine. */
void spool_close(struct spool *s);
/* From now on what is to be written gathers till spool_write_out(), which the caller calls before its loop sleeps (or till
 * it is much): one write and one sync for all that a turn of the loop has brought. */
void spool_gather(struct spool *s);
void spool_write_out(struct spool *s);
/* No commit, state with a `done`, or work of the spool's own is under way. */
bool spool_is_idle(const struct spool *s);

/* Bytes that the file system of the spool has left for us. */
int spool_space(const struct spool *s, uint64_t *free_bytes, struct err *e);

/* ---- taking a message (receive; the relay for its reports) -------------------------------------------------------- */

enum spool_result { SPOOL_KEPT, SPOOL_FAILED };
typedef void spool_done_fn(void *arg, enum spool_result result, const struct err *e /* SPOOL_FAILED only */);

/* The message is yours until spool_commit() or spool_abort(). Content is the final message, CRLF line ends.
 * The envelope is copied into the record. */
struct spool_msg *spool_begin(struct spool *s, const struct envelope *env, struct err *e);
uint64_t spool_msg_id(const struct spool_msg *m);
/* Another envelope, till the commit. -1 as of spool_begin(), and the one that it had stays. */
int spool_msg_envelope(struct spool_msg *m, const struct envelope *env, struct err *e);
/* Content in pieces of any size. After -1 only spool_abort() is left (disk full: e->sys is ENOSPC). */
int spool_write(struct spool_msg *m, struct span data, struct err *e);
/* Bytes of memory that it holds, till its commit has called back. */
size_t spool_msg_memory(const struct spool_msg *m);
/* Memory is short: moves the content to a file of its own, as of a large message. -1 as in spool_write(). */
int spool_spill(struct spool_msg *m, struct err *e);
/* Takes `m` whatever happens. `done` is called once, from the runner's thread of the caller (the loop), never from
 * inside this call: when the sync that covers the message has come back. Syncs are shared: all that gathered while the
 * last one ran goes with the next. A sync that failed is never tried again as if it had worked. */
void spool_commit(struct spool_msg *m, spool_done_fn *done, void *arg);
void spool_abort(struct spool_msg *m);

/* ---- a place for content that is not decided upon yet ------------------------------------------------------------ */

/* In memory, and beyond `keep` bytes in a file of the spool's folder that has no name, and so goes with the process. Nothing here
 * is promised to anybody, and a message that is taken is written from it. */
struct scratch;

struct scratch *scratch_new(struct spool *s, size_t keep);
/* NULL is fine. */
void scratch_free(struct scratch *c);
/* At its end. -1: only scratch_free() is left (disk full: e->sys is ENOSPC). */
int scratch_add(struct scratch *c, struct span data, struct err *e);
/* Memory is short: to the file now. -1 as above. */
int scratch_spill(struct scratch *c, struct err *e);
size_t scratch_memory(const struct scratch *c);
/* What lies at `offset`, up to `len` bytes; none at the end. Points into memory where it is there, else it is read to `room`.
 * Valid till the next call. */
int scratch_look(struct scratch *c, uint64_t offset, char *room, size_t len, struct span *found, struct err *e);

/* ---- what became of it (relay) --------------------------------------------------------------------------------- */

struct spool_rcpt { /* a recipient that still waits */
    struct rcpt rcpt;
    char *reason; /* why not yet: "host mx.example.com[192.0.2.1] said: 450 ..." or NULL */
};

struct spool_state {
    int64_t next_us;     /* next attempt, clock_real_us(); 0: now */
    unsigned attempts;
    bool is_held;        /* an operator's hold; while nothing was noted, as the envelope says */
    bool was_warned;     /* the delay warning is out */
    char *reason;        /* what kept the whole message, or NULL */
    struct spool_rcpt *rcpts; /* all that are left, after aliases; replaces the envelope's list; NULL with n 0: as in the envelope */
    size_t n_rcpts;
};

void spool_rcpt_fini(struct spool_rcpt *r);
void spool_state_fini(struct spool_state *st);

/* The newest state wins. Durable with the next sync; asks for one itself only when `done` is given. Of a message that is
 * not there (any more) nothing is noted, and `done` is told SPOOL_KEPT. After SPOOL_FAILED the state still holds, and is
 * written with what comes next. */
void spool_put_state(struct spool *s, uint64_t id, const struct spool_state *st, spool_done_fn *done, void *arg);
/* The message is done with: its place may be used again. Not synced for its own sake: after a crash it may come back
 * and be sent twice, which is allowed; it is never lost. Bodies of it that are open stay readable till closed. */
void spool_end(struct spool *s, uint64_t id);
/* The same two as part of another message's record, so that a report and the end of what it reports on are one: both
 * are durable or neither is. Call before spool_commit(m). `st` NULL ends message `id`. */
void spool_msg_settles(struct spool_msg *m, uint64_t id, const struct spool_state *st);

/* ---- reading (relay, look) ---------------------------------------------------------------------------------------- */

/* Both outputs are the caller's to fini; `st` is zeroes when there is none. -1 with ERR_PERMANENT: no such message,
 * or its record is damaged. */
int spool_load(struct spool *s, uint64_t id, struct envelope *env, struct spool_state *st, struct err *e);
int spool_stat(struct spool *s, uint64_t id, struct spool_info *info, struct err *e);

struct spool_body; /* the content, held: its place is not used again while this is open */
/* Checks the checksum of the whole content once before it hands out the first byte. */
struct spool_body *spool_body_open(struct spool *s, uint64_t id, struct err *e);
/* Up to `len` bytes from `offset` of the content; 0 at its end, -1 on error. */
long spool_body_read(struct spool_body *b, uint64_t offset, char *to, size_t len, struct err *e);
uint64_t spool_body_size(const struct spool_body *b);
void spool_body_close(struct spool_body *b);

struct spool_stats {
    uint64_t messages;       /* waiting */
    uint64_t content_bytes;  /* of these */
    uint64_t disk_bytes;     /* of all files of the spool */
    uint64_t segments, free_segments, large_files;
    uint64_t syncs, commits; /* since spool_open() */
};
void spool_stats(const struct spool *s, struct spool_stats *out);

#endif
