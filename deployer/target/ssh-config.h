/*
 * What the user's own SSH says of a host that a person has written: `ssh -G` reads ~/.ssh/config
 * (Include, Match, all of it) as ssh(1) does, and prints the outcome.
 *
 * Only for names that a person wrote, in an inventory or on the command line: "Match exec" runs
 * programs with the name, and a block for a name may lead elsewhere.  A machine that was found
 * on the network has its name from itself, and is not looked up.
 *
 * The program's thread.
 */
#pragma once

#include <stdbool.h>

#include "ssh-host.h"

/* Reads the settings; one for a program. */
struct ssh_config {
    bool there;           /* there are settings, and `ssh` is installed */
    char *file;           /* for `ssh -F`; removed at the end */
    int fd;               /* that of it: while it is open, file_sweep leaves the file */
    char *own;            /* for `ssh -F` of a relay; stays */
    struct text defaults; /* what `ssh -G` says without any settings */
};

/* Nothing is there without ~/.ssh/config; `ret_no_ssh` when there is one, and no ssh(1) to read
 * it.  `folder` gets its files; it is one that is swept (file_sweep), as a signal may end the
 * program meanwhile.  -EIO, -ENOMEM. */
int ssh_config_open(const char *folder, struct ssh_config *ret, bool *ret_no_ssh,
                    struct error *err);
void ssh_config_close(struct ssh_config *c);

/* -EBADMSG with ssh's words for settings that it refuses, -ENOTSUP for what must not be ignored
 * and has no support here, -ETIMEDOUT.  `ret` is {0}. */
int ssh_config_read(const struct ssh_config *c, const struct ssh_written *host, unsigned timeout_ms,
                    struct ssh_host *ret, struct error *err);
