/*
 * A session is one SSH connection, made and used by one thread.
 *
 * It never blocks longer than its timeout: the socket is our own, connected
 * with a deadline; libssh works on it without blocking.  Two descriptors end
 * it early by becoming readable: `stop` asks the running command to come to an
 * end, and is -ECANCELED before there is one; `cancel` ends every wait.
 *
 * A machine that hangs is noticed: a silent sshd is asked for an answer
 * (keepalive.h), and a session ends with -ETIMEDOUT when nothing was received for
 * too long.
 *
 * The host key is shown to the caller before anything is sent that only the
 * right machine may see; the caller decides.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "auth.h"
#include "discovery/base/address.h"
#include "discovery/base/error.h"

struct session;

/* Called once a connection, after the key exchange has proved that the peer
 * holds the key.  `fingerprint` is "SHA256:…".  0 accepts, and `ret_password`
 * (false) says whether the machine may be given passwords; a negative errno
 * with words ends the connection before authentication, and the next address is
 * tried. */
typedef int session_hostkey_check(const char *fingerprint, const struct address *peer,
                                  bool *ret_password, void *arg, struct error *err);

/* Level-triggered, -1: none.  Whoever makes `cancel` readable makes `stop` readable,
 * too: until a command runs, only `stop` is watched. */
struct stop_fds {
    int stop, cancel;
};

struct session_options {
    const struct address *addresses; /* tried in order */
    size_t n_addresses;
    uint16_t port;
    const char *user;
    struct auth *auth;
    const struct secret *password; /* this machine's own; NULL: auth's */
    unsigned timeout_ms;           /* for connecting, and for each wait for an answer */
    struct stop_fds stop;
    session_hostkey_check *check;
    void *arg;
};

/* Takes the first address at which a host key is accepted: another host that answers
 * there, or that accepts the connection and stays silent, cannot hide the machine.
 * -EHOSTUNREACH and its like when no address answers, -EKEYREJECTED from the
 * check (also when another address failed otherwise), -EACCES when no key is
 * accepted, -ETIMEDOUT, -ECANCELED. */
int session_open(const struct session_options *options, struct session **ret, struct error *err);
void session_free(struct session *s);
DEFINE_CLEANUP(struct session *, session_free);

/* The addresses of the connection's two ends. */
const struct address *session_peer(const struct session *s);
int session_local(const struct session *s, struct address *ret);

/* The output of a running command.  Each handler returns 0 or a negative errno with
 * words, which ends the command's channel. */
struct session_handler {
    int (*output)(const void *bytes, size_t size, void *arg, struct error *err);
    int (*errors)(const void *bytes, size_t size, void *arg, struct error *err);
    /* Tells it to stop: true when it was told and will end by itself; may be NULL. */
    bool (*stop)(void *arg);
    /* After session_forward: the machine's port that leads here; 0: its sshd refuses. */
    void (*forwarded)(unsigned port, void *arg);
    void *arg;
};

enum { SESSION_SIGNALLED = 256 }; /* exit status when a signal ended it */

/* Runs a command to its end.  Until session_begun, the timeout counts, from the
 * start and from the last session_send; after that it may take as long as it and
 * the machine are heard of. */
int session_run(struct session *s, const char *command, const struct session_handler *handler,
                int *ret_status, struct error *err);

/* From within a handler: bytes for the command's standard input, sent in this
 * order as its window allows.  The bytes stay the caller's until session_run
 * returns. */
enum { SESSION_PARTS_MAX = 6 };
int session_send(struct session *s, const void *bytes, size_t size);
struct forward_options;
/* From within a handler, once a run, while the command waits silently for the answer:
 * asks for a port on the machine's loopback that leads to the caches (forward.h) until
 * the command has ended.  -ENOMEM. */
int session_forward(struct session *s, const struct forward_options *options);
/* From within a handler, what silence means from here on.  The intended command has
 * begun and checks the machine: it reports something now and then. */
void session_begun(struct session *s);
/* It sends something at least each KEEPALIVE_BEAT_MS: its silence ends the session
 * as the machine's silence does. */
void session_beats(struct session *s);
/* It may be silent for as long as it likes. */
void session_streams(struct session *s);
