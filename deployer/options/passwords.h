/*
 * The passwords of a run: from the environment, from files, from a person.  One
 * rule for both programs: sudo's password is the one that is given for sudo; the
 * one to log in with takes its place only where a person was asked for sudo's
 * and gave none.
 */
#pragma once

#include "deployer/base/secret.h"
#include "options.h"

/* A value; passwords_clear. */
struct passwords {
    struct secret *login;  /* to log in with; NULL: none */
    struct secret *become; /* sudo's; NULL: none */
};

void passwords_clear(struct passwords *p);

/* sudo's is the one to log in with, unless it has one of its own: for machines that have just
 * come out of the box and know no other.  -ENOMEM with words. */
int passwords_share(struct passwords *p, struct error *err);

/* A prompt takes precedence over a file, a file over the environment.  Errors of
 * secret_ask, secret_read and secret_take_environment. */
int passwords_take(const struct deploy_options *o, struct passwords *ret, struct error *err);
