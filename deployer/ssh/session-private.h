/*
 * Shared by the two parts of a session: opening and closing it (session.c), and running
 * a command in it (session-run.c).
 */
#pragma once

#include <libssh/callbacks.h>
#include <libssh/libssh.h>

#include "discovery/base/cause.h"
#include "forward.h"
#include "keepalive.h"
#include "relay.h"
#include "session.h"

struct part {
    const char *bytes;
    size_t size;
};

enum forwarding { FORWARD_NONE, FORWARD_WANTED, FORWARD_ASKED, FORWARD_DECIDED };

struct session {
    ssh_session ssh; /* owns the socket once it is set */
    int fd;          /* the same, before libssh uses it */
    struct relay relay;
    ssh_event event;
    ssh_channel channel;
    struct stop_fds stop;
    int watched; /* the one of the two that the loop waits for; -1: none */
    bool asked;  /* it became readable */
    unsigned timeout_ms;
    bool trusted; /* its host key was accepted */
    struct address peer;
    const char *user; /* borrowed */
    uint16_t port;
    enum cause_phase phase;
    int64_t phases_began;        /* the time limit of this phase and of those that share it */
    struct text said;            /* what the server sent for people to read */
    const struct waiter *waiter; /* while it logs in */

    const struct session_handler *handler;
    struct error *err; /* of the running command; set by its callbacks */
    int failure;
    const char *command;
    const char *try_address; /* of session_try_connect */
    uint16_t try_port;
    struct part parts[SESSION_PARTS_MAX];
    size_t n_parts;
    struct forward *forward; /* NULL: none */
    enum forwarding forwarding;
    int forward_port;
    unsigned refused; /* requests of the machine since that time */
    int64_t refused_since;
    bool sign_asked; /* libssh may have an unread answer to a keepalive */
    bool begun, beats, streams, closed;
    struct keepalive connection_alive, command_alive; /* command_alive: unused if it streams */
    uint64_t acked;
    int64_t deadline;     /* of the login, then of the command's start, until begun */
    int64_t began, until; /* of the command */
    int status;           /* -1 until known */
    struct ssh_channel_callbacks_struct callbacks;
};

int64_t session_now_ms(void);

/* Lets libssh work until something happens or until that time. */
int session_wait_until(struct session *s, int64_t until, struct error *err);

/* The same, and -ETIMEDOUT with a message at the deadline. */
int session_turn(struct session *s, int64_t deadline, struct error *err);

/* Repeats a libssh call while it returns "again", until s->deadline.  Its final result goes
 * to `ret_result`; returns 0, or the error of a wait. */
int session_repeat(struct session *s, int (*call)(struct session *s), int *ret_result,
                   struct error *err);

/* Why the session failed in its phase, with the words of libssh and of the server. */
int session_explain(struct session *s, int code, struct error *err);

/* libssh calls it for each request of the machine (ssh_set_message_callback).  All but the
 * connections to its forwarded port are refused, which session_wait_until counts: refusals that
 * the machine does not read would fill libssh's queue. */
int session_on_message(ssh_session ssh, ssh_message message, void *arg);

int session_libssh_error(struct session *s, int code, const char *doing, struct error *err);
