/*
 * A session is one SSH connection, made and used by one thread.
 *
 * It never blocks longer than its timeout: the socket is our own, connected with a
 * deadline, and libssh works on it without blocking.  Two descriptors end it early by
 * becoming readable: `stop` asks the running command to end, and means -ECANCELED if no
 * command runs; `cancel` ends every wait.
 *
 * A machine that hangs is noticed: a silent sshd is asked for an answer (keepalive.h),
 * and a session ends with -ETIMEDOUT when nothing was received for too long.
 *
 * The caller accepts or refuses the host key before anything is sent that only the
 * right machine may see.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "auth.h"
#include "discovery/base/address.h"
#include "discovery/base/error.h"
#include "discovery/base/text.h"

struct session;

/* Called once for each connection, after the key exchange has proved that the peer has
 * the key.  `fingerprint` is "SHA256:…".  0 accepts it, and `ret_password` (initially
 * false) says whether the machine may be given passwords; a negative errno with a
 * message ends the connection before authentication, and the next address is tried. */
typedef int session_hostkey_check(const char *fingerprint, const struct address *peer,
                                  bool *ret_password, void *arg, struct error *err);

/* Level-triggered; -1: none.  If `cancel` is made readable, `stop` must be readable, too:
 * until a command runs, only `stop` is watched. */
struct stop_fds {
    int stop, cancel;
};

struct session_options {
    const struct address *addresses; /* tried in order */
    size_t n_addresses;
    uint16_t port;
    const struct strings *relay; /* the command that is the connection (relay.h); then the first
                                    address, if any, is where the machine is behind it; NULL or
                                    empty: the addresses are dialled */
    const char *user;
    struct auth *auth;
    const struct strings *keys;    /* this machine's own files; NULL or empty: auth's */
    bool only_keys;                /* no other keys of ssh-agent */
    const struct secret *password; /* this machine's own; NULL: auth's */
    unsigned timeout_ms;           /* for connecting, and for each wait for an answer */
    struct stop_fds stop;
    session_hostkey_check *check;
    void *arg;
};

/* Uses the first address at which a host key is accepted: another host that answers at an
 * address, or that accepts the connection and sends nothing, cannot hide the machine.
 * -EHOSTUNREACH and the like when no address answers, -EKEYREJECTED from the check (also
 * when another address failed for another reason), -EACCES when the login is refused,
 * -ETIMEDOUT, -ECANCELED. */
int session_open(const struct session_options *options, struct session **ret, struct error *err);
void session_free(struct session *s);
DEFINE_CLEANUP(struct session *, session_free);

/* Whether it goes through a relay: then this computer has no address towards the machine, and
 * the peer's may be {0}. */
bool session_is_relayed(const struct session *s);

/* The addresses of the connection's two ends. */
const struct address *session_peer(const struct session *s);
int session_local(const struct session *s, struct address *ret);

/* Handlers for a running command.  `output` and `errors` get what it writes, and return 0,
 * or a negative errno with a message, which ends the command's channel. */
struct session_handler {
    int (*output)(const void *bytes, size_t size, void *arg, struct error *err);
    int (*errors)(const void *bytes, size_t size, void *arg, struct error *err);
    /* Asks the command to stop; true: the request is sent, and it will end by itself.  May be
     * NULL. */
    bool (*stop)(void *arg);
    /* After session_forward: the machine's port that is forwarded to us; 0: its sshd refuses. */
    void (*forwarded)(unsigned port, void *arg);
    void *arg;
    int64_t until; /* when it must have ended, by CLOCK_MONOTONIC, in ms; INT64_MAX: any time */
};

enum { SESSION_SIGNALLED = 256 }; /* exit status when a signal ended it */

/* Runs a command to its end.  Until session_begun, the time since the start or the last
 * session_send is limited; after that it may take until `until`, as long as the keepalives of
 * the connection and of the command are not dead.  What it writes does not prolong that:
 * -EPROTO with a message. */
int session_run(struct session *s, const char *command, const struct session_handler *handler,
                int *ret_status, struct error *err);

/* Called in a handler: queues bytes for the command's standard input, which are sent in
 * order as the window allows.  They are borrowed until session_run returns.  -ENOBUFS:
 * SESSION_PARTS_MAX parts are queued already. */
enum { SESSION_PARTS_MAX = 6 };
int session_send(struct session *s, const void *bytes, size_t size);
/* While no command runs: can the machine connect to that address?  -EPERM if its sshd
 * forwards nothing, -ETIMEDOUT, -ECONNREFUSED with the server's words. */
int session_try_connect(struct session *s, const char *address, uint16_t port, struct error *err);

struct forward_options;
/* Called in a handler, once a run, while the command waits for the answer and writes
 * nothing: asks for a port on the machine's loopback that is forwarded to the caches
 * (forward.h) until the command ends.  -ENOMEM. */
int session_forward(struct session *s, const struct forward_options *options);

/* Appends the peer's host key as known_hosts has it: "ssh-ed25519 AAAA…", a type and base64, both
 * safe to print.  -EPROTO; -ENOMEM. */
int session_hostkey(const struct session *s, struct text *ret);

/* These three are called in a handler; they say how long the command may write nothing from
 * now on.  session_begun: our command has begun and checks the machine, with output now and
 * then. */
void session_begun(struct session *s);
/* It writes something at least each KEEPALIVE_BEAT_MS: silence ends the session, as that of
 * the machine does. */
void session_beats(struct session *s);
/* It may be silent for any time. */
void session_streams(struct session *s);
/* From now on this is its `until`. */
void session_until(struct session *s, int64_t until);
