/*
 * The credentials of this process for logins: private keys, ssh-agent, a password.
 *
 * Keys are read, and passphrases asked for, once, before there are workers; a
 * struct auth is then read by all of them, and each uses a copy of a key.  The
 * only thing that changes is which key worked last: it is offered first from then
 * on, because servers count refused keys (MaxAuthTries, PerSourcePenalties).
 */
#pragma once

#include <libssh/libssh.h>
#include <stdbool.h>

#include "deployer/base/secret.h"
#include "discovery/base/error.h"
#include "discovery/base/text.h"

/* Keys tried per login: OpenSSH's MaxAuthTries is 6, and a password needs one of
 * the attempts. */
enum { AUTH_KEYS_MAX = 5 };

struct auth;

/* As OpenSSH does, a certificate beside a key (KEY-cert.pub) is offered before the key; a
 * file that is named KEY-cert.pub means both.
 * `named`: a person named these files: one that cannot be used is an error, and of
 * ssh-agent's keys only these are offered (a .pub file names one, too).  The password
 * (NULL: none) is borrowed.  -EINVAL; -ECANCELED: interrupted at a question; -ENOMEM. */
int auth_new(const struct strings *files, bool named, const struct secret *password,
             struct auth **ret, struct error *err);

/* Reads more keys, which only logins that name their files try; a file that does not exist or
 * cannot be used is left out, as ssh(1) does.  Before there are workers.  -EINVAL: too many;
 * -ECANCELED, -ENOMEM. */
int auth_add(struct auth *a, const struct strings *files, struct error *err);
void auth_free(struct auth *a);
DEFINE_CLEANUP(struct auth *, auth_free);

/* One login, on a session whose host key was accepted. */
struct auth_login {
    ssh_session ssh;
    const char *user;
    const struct strings *keys;    /* files of auth_add, instead of auth_new's; NULL or empty:
                                      those of auth_new */
    bool only_keys;                /* of ssh-agent's keys, those of these files alone */
    const struct secret *password; /* this machine's own; NULL: that of auth_new */
    bool may_have_password;        /* its host key is trusted enough (trust_gets_passwords) */
    struct text *said;             /* gets what the server sends for people to read */
    /* Calls `call` until it returns something other than SSH_AGAIN, and stores that
     * in `ret_result`; 0, or the error of the wait. */
    int (*repeat)(void *waiter, int (*call)(void *arg), void *arg, int *ret_result,
                  struct error *err);
    void *waiter;
};

/* Offers the keys first; sends the password once, and only if the server accepts one.
 * -EACCES with a message that says what to do, or the error of a wait; -ECONNRESET: the
 * server has closed the connection. */
int auth_log_in(struct auth *a, const struct auth_login *login, struct error *err);

/* The reason why a machine is not given the password. */
#define AUTH_UNSEEN                                                                                \
    "its host key was accepted unseen; confirm it with dcop-deploy trust ID FINGERPRINT, then "    \
    "the password can be given"
