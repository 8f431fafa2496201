/*
 * The machine's end of a job, for fuzz targets: the functions of ssh/session.h, without SSH.
 * They pass on what a script says, and abort when something is sent that must not be: before
 * the hello nothing but the password, at sudo's prompt, to a machine that may have it.
 *
 * Each line of a script is
 *
 *     > N TEXT   TEXT and a newline on standard output, 2^N times (N: a digit, or : ; < =)
 *     . N TEXT   the same without the newline
 *     ! N TEXT   on standard error, without a newline
 *     S          a person stops the run
 *     F, F1      the answer to the request for a forwarded port: no, yes
 *     X          the command ends with status 0, Y: with 1, L: the connection is lost
 *
 * without the blanks.  In TEXT, `$` stands for the run's nonce.  After X, Y and L the rest
 * is for the next session.
 */
#pragma once

#include "deployer/ssh/session.h"

enum { MACHINE_END_SESSIONS_MAX = 8 }; /* of a job that pushes packages, each part twice */

/* Of the one job that runs; set before job_run. */
extern struct machine_end {
    const char *at, *end; /* what of the script is left; borrowed */
    const char *password; /* sudo's; NULL: none */
    /* The host key that answers there; NULL: the field `key`, everywhere. */
    const char *(*key_at)(const struct address *a, uint16_t port);
    /* Called when a host key was accepted, to set `at` and `end`; NULL: they are set. */
    void (*trusted)(const char *key);
    const char *key;

    size_t fed;
    unsigned sessions;
    struct text errors; /* its standard error until the hello */
    char prompt[64];    /* sudo's, which asks for the password */
} machine_end;

void machine_end_clear(void);
