/* SPDX-License-Identifier: Apache-2.0
 *
 * client_int.h - what the files of the client's side know of each other; stays in this folder. */
#ifndef SMTP_CLIENT_INT_H
#define SMTP_CLIENT_INT_H

#include "smtp/client.h"
#include "smtp/dot.h"

/* What was said last, or what is waited for. */
enum client_state {
    CLIENT_GREETING,
    CLIENT_EHLO,
    CLIENT_HELO,
    CLIENT_STARTTLS,
    CLIENT_HANDSHAKE, /* the caller's */
    CLIENT_AUTH,
    CLIENT_READY,
    CLIENT_MESSAGE, /* struct transaction says where */
    CLIENT_RSET,
    CLIENT_QUIT,
    CLIENT_CLOSED,
    N_CLIENT_STATES
};

enum rcpt_state { RCPT_OPEN, RCPT_TAKEN, RCPT_TOLD };

/* The steps of a message are numbered: 0 MAIL, 1..n RCPT, n + 1 DATA (left out with BDAT), n + 2
 * the end of the content. So two numbers are all there is to know of what was sent and what was
 * answered. */
struct transaction {
    const struct smtp_message *message; /* smtp_client.message, or NULL: there is none */
    size_t next_sent, next_reply;
    unsigned char *rcpts; /* RCPT_* */
    size_t n_taken;       /* recipients that wait for the end of the content */
    size_t eod_index;     /* LMTP: the recipient whose reply comes next */
    bool is_probe;        /* nothing comes behind RCPT */
    bool is_utf8;         /* it needs SMTPUTF8 */
    bool uses_bdat;
    bool mail_ok;         /* the server has a transaction open */
    bool has_failed;      /* MAIL was refused */
    bool is_sending;      /* content: `offset` is how far */
    bool is_sent;         /* content: all of it is in c->out */
    bool is_empty;        /* 354 though no recipient was taken: only a dot goes out */
    uint64_t offset;
    struct dot_writer dots;
};

struct smtp_client {
    struct smtp_client_config cfg; /* its strings are ours */
    const struct smtp_client_ops *ops;
    void *arg;

    enum client_state state;
    bool is_encrypted;
    bool is_dead;    /* freed inside an op: whoever is outermost frees the memory */
    bool wants_next; /* ready() is due */
    bool has_secret; /* some of it is in `out` */
    unsigned depth;

    struct smtp_features features;
    const struct mechanism *mechanism;
    unsigned auth_step;
    bool is_logged_in;

    struct smtp_reply_reader reader;
    struct buf out;
    size_t out_sent;
    struct smtp_message message; /* what it points to is borrowed from the caller until done() */
    struct transaction t;
};

/* ---- client.c -------------------------------------------------------------------------------- */

void smtp_client_command(struct smtp_client *c, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
void smtp_client_trace(struct smtp_client *c, bool is_ours, struct span line);
/* The session is up, or free again: ready() comes from the outermost call. */
void smtp_client_set_ready(struct smtp_client *c);
/* Nobody can go on from here. Everything that is open gets `why`. */
void smtp_client_close(struct smtp_client *c, const struct smtp_result *why);
/* The same, in our own words. `dsn` is "4.4.2". */
void smtp_client_fail(struct smtp_client *c, enum smtp_stage stage, const char *dsn,
                      const char *fmt, ...) __attribute__((format(printf, 4, 5)));
struct smtp_result smtp_client_said(const struct smtp_client *c, enum smtp_stage stage);

/* ---- client_auth.c --------------------------------------------------------------------------- */

/* Starts AUTH, or closes. */
void smtp_client_auth(struct smtp_client *c);
void smtp_client_auth_reply(struct smtp_client *c);
void smtp_client_wipe_secret(struct smtp_client *c);

/* ---- client_mail.c --------------------------------------------------------------------------- */

void smtp_client_begin(struct smtp_client *c);
void smtp_client_message_reply(struct smtp_client *c);
/* Adds the next piece to c->out; false: nothing is to be sent now. */
bool smtp_client_step(struct smtp_client *c);
enum smtp_client_phase smtp_client_message_phase(const struct smtp_client *c);
enum smtp_stage smtp_client_message_stage(const struct smtp_client *c);
/* Gives `why` to all that have no result, and the message back. */
void smtp_client_settle(struct smtp_client *c, const struct smtp_result *why);

#endif
