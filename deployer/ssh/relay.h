/*
 * A relay is a process whose standard input and output are the connection to a machine: `ssh -W`
 * to its jump host, or the command of ProxyCommand.  It has no terminal and no
 * SSH_ASKPASS, so it asks nobody.
 *
 * It belongs to one session, and one thread; others start and end theirs meanwhile.
 */
#pragma once

#include <sys/types.h>

#include "discovery/base/error.h"
#include "discovery/base/text.h"

struct relay {
    pid_t pid;  /* 0: none */
    int errors; /* what it writes there, which is not read until it fails: a relay that writes
                   more than a pipe holds waits, and its session ends at the next time limit */
};

/* Starts it; `ret_fd` is our end of the connection, without blocking, and the caller's.
 * -ENOENT with what to install. */
int relay_start(const struct strings *argv, struct relay *ret, int *ret_fd, struct error *err);

/* Why the connection through it failed before the machine answered: its words, for which it is
 * waited a moment.  Returns `code`, or -EHOSTUNREACH where the relay has ended by itself. */
int relay_explain(const struct relay *r, const struct strings *argv, int code, struct error *err);

/* Ends it and all that it has started; {0} is fine. */
void relay_end(struct relay *r);
