/* SPDX-License-Identifier: Apache-2.0
 *
 * server_int.h - what the files of the server's side know of each other; stays in this folder. */
#ifndef SMTP_SERVER_INT_H
#define SMTP_SERVER_INT_H

#include "base/buf.h"
#include "smtp/dot.h"
#include "smtp/server.h"

enum phase {
    PHASE_GREETING, /* no EHLO yet */
    PHASE_READY,    /* no transaction */
    PHASE_MAIL,     /* a sender, no recipient yet */
    PHASE_RCPT,     /* a sender and recipients */
    PHASE_DATA,     /* content comes, or more chunks of it may */
};

/* What the next bytes are. */
enum reads {
    READS_COMMAND,
    READS_REST_OF_LINE, /* of one that was too long */
    READS_AUTH,
    READS_CONTENT, /* up to the dot */
    READS_CHUNK,   /* chunk_left bytes */
    READS_NOTHING, /* until TLS is on; or ever */
};

/* The question that is open. */
enum question {
    ASKED_NOTHING,
    ASKED_HELLO,
    ASKED_MAIL,
    ASKED_RCPT,
    ASKED_DATA,
    ASKED_CHUNK,
    ASKED_DATA_END,
    ASKED_STARTTLS,
    ASKED_AUTH,
    ASKED_VRFY,
    ASKED_UNKNOWN,
    ASKED_XCLIENT,
    N_QUESTIONS
};

struct smtp_cmd {
    struct smtp_server *server;
    enum question question;
    char **lines;   /* LMTP, ASKED_DATA_END: the replies so far, one a recipient */
    size_t n_lines; /* how many of them there are to be */
    size_t n_said;  /* how many, from the first, have gone out */
};

struct smtp_server {
    struct smtp_server_config cfg; /* its strings are ours */
    const struct smtp_server_ops *ops;
    void *arg;

    enum phase phase; /* written by set_phase() only */
    enum reads reads;
    bool is_esmtp;
    bool is_encrypted;
    bool is_authenticated;
    enum smtp_auth auth;
    bool in_auth; /* an exchange is under way: auth_abort() is due if it breaks */
    bool is_paused;
    bool is_closing;
    bool is_dead;     /* freed inside an op: whoever is outermost frees the memory */
    bool tls_pending; /* 220 was said to STARTTLS, and is on its way */
    bool tls_asked;   /* start_tls() was called */
    bool banner_sent; /* some of it: the client may speak */
    unsigned depth;   /* of calls that may call ops */

    struct span cur; /* what is left of the bytes being looked at; empty outside run() */
    struct buf in;   /* what waits for an answer, or for the rest of its line */
    size_t in_taken; /* of its front */
    struct buf out;
    size_t out_sent;
    struct smtp_cmd cmd;
    const char *after; /* see smtp_server_after() */
    char *hello;
    char *login;
    size_t line_dropped;
    bool said_crlf;         /* a line ended with CRLF */
    char bare_lf_reply[48];
    bool xclient_taken;

    unsigned errors;
    unsigned junk;
    unsigned overshoot; /* recipients refused because there were too many */

    bool has_transaction; /* mail() said yes */
    struct envelope env;
    size_t rcpt_bytes; /* of its recipients' texts */
    struct dot_reader content;
    bool in_bdat;           /* the content comes in chunks, and has begun */
    bool is_swallowing;     /* content is not handed out any more */
    bool chunk_is_last;
    uint64_t chunk_size, chunk_left;
    const char *content_error; /* the refusal that the content has earned: "552 5.3.4 text" */
    const char *chunk_refusal; /* the chunk is swallowed, and then this is said */
};

/* ---- server.c: bytes in and out, and what is open -------------------------------------------- */

void smtp_server_set_phase(struct smtp_server *s, enum phase phase);
void smtp_server_say_banner(struct smtp_server *s);
/* Opens the question; the op is called next, with what this returns. */
struct smtp_cmd *smtp_server_ask(struct smtp_server *s, enum question q);
/* The caller is to know that the transaction is over without data_end(). */
void smtp_server_tell_reset(struct smtp_server *s);
/* Forgets the transaction. */
void smtp_server_end_transaction(struct smtp_server *s);
/* Everything up to the end of a line, without it. False: it is not there yet, or was too long. */
bool smtp_server_take_line(struct smtp_server *s, size_t limit, struct span *line);
/* Around whatever may call ops: the outermost leave() looks at what waits, and frees what is
 * dead. */
void smtp_server_enter(struct smtp_server *s);
void smtp_server_leave(struct smtp_server *s);

/* ---- server_reply.c -------------------------------------------------------------------------- */

/* A reply of the engine's own, one line as it goes out: "250 2.1.0 Ok". */
void smtp_server_say(struct smtp_server *s, const char *line);
void smtp_server_sayf(struct smtp_server *s, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
/* Says it and closes. */
void smtp_server_hang_up(struct smtp_server *s, const char *line);
/* The code says that the connection is over: 421, 521. */
bool smtp_reply_closes(const char *line);
/* Drops what was gathered for LMTP. */
void smtp_server_forget_question(struct smtp_server *s);

/* ---- verbs: server_verb.c, server_mail.c, _rcpt.c, _data.c, _auth.c -------------------------- */

/* Each takes what it wants of s->cur; false: it needs more than there is. */
bool smtp_server_read_command(struct smtp_server *s);
bool smtp_server_read_rest_of_line(struct smtp_server *s);
bool smtp_server_read_auth(struct smtp_server *s);
bool smtp_server_read_content(struct smtp_server *s);
bool smtp_server_read_chunk(struct smtp_server *s);

/* Called after the verb's place was checked. */
void smtp_server_do_mail(struct smtp_server *s, struct span args);
void smtp_server_do_rcpt(struct smtp_server *s, struct span args);
void smtp_server_do_data(struct smtp_server *s, struct span args);
void smtp_server_do_bdat(struct smtp_server *s, struct span args);
void smtp_server_do_auth(struct smtp_server *s, struct span args);
void smtp_server_do_xclient(struct smtp_server *s, struct span args);

/* What an answer does, before it is said. False: it is not to be said, or not now. */
bool smtp_server_hello_answered(struct smtp_server *s, int code);
bool smtp_server_starttls_answered(struct smtp_server *s, int code);
bool smtp_server_mail_answered(struct smtp_server *s, int code);
bool smtp_server_rcpt_answered(struct smtp_server *s, int code);
bool smtp_server_data_answered(struct smtp_server *s, int code);
bool smtp_server_chunk_answered(struct smtp_server *s, int code);
bool smtp_server_data_end_answered(struct smtp_server *s, int code);
bool smtp_server_xclient_answered(struct smtp_server *s, int code);
bool smtp_server_auth_answered(struct smtp_server *s, int code);

void smtp_server_abort_auth(struct smtp_server *s);
/* AUTH is offered to the client as it is now. */
bool smtp_server_offers_auth(const struct smtp_server *s);

#endif
