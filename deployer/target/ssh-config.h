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
#include <stdint.h>

#include "discovery/base/cleanup.h"
#include "discovery/base/error.h"
#include "discovery/base/text.h"

/* A host as it is written. */
struct ssh_written {
    const char *host; /* destination_host_valid holds */
    const char *user; /* to log in as, where that is decided already; NULL: it is not */
    uint16_t port;    /* likewise; 0: it is not */
};

/* A value: {0}, ssh_host_clear. */
struct ssh_host {
    char *hostname;             /* where it is; destination_host_valid holds */
    char *user;                 /* NULL: the settings name none */
    uint16_t port;              /* 22 where the settings name none */
    char *alias;                /* its name in known_hosts; NULL: the hostname */
    struct strings known_hosts; /* the files; none: the usual ones */
    struct strings keys;        /* private keys to try; none: the usual ones */
    bool only_keys;             /* no other keys of ssh-agent */
    struct strings relay;       /* the command whose input and output are the connection; none:
                                   it is reached directly */
    struct strings unused;      /* keywords that are set and have no effect here */
};

void ssh_host_clear(struct ssh_host *h);

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

/* Its pure part: what `ssh -G` said, in lines "keyword value".  `own` as in struct ssh_config;
 * NULL: none. */
int ssh_host_parse(const struct ssh_written *host, const char *said, const char *defaults,
                   const char *own, struct ssh_host *ret, struct error *err);

/* The user in `defaults`, and in what is said where the settings name none. */
#define SSH_CONFIG_NO_USER "dcop-no-user"
