/*
 * A host as the user's own SSH would reach it: read from what `ssh -G` said (ssh_config(5)).
 * Pure: no file is looked at, nothing is started.
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

/* `said`: by `ssh -G`, in lines "keyword value"; `defaults`: likewise, without any settings; `own`:
 * the settings of relays (struct ssh_config), NULL: none.  `ret` is {0}.  -EBADMSG for what is no
 * answer of ssh's, -ENOTSUP for what must not be ignored and has no support here, -ENOMEM. */
int ssh_host_parse(const struct ssh_written *host, const char *said, const char *defaults,
                   const char *own, struct ssh_host *ret, struct error *err);

/* The user in `defaults`, and in what is said where the settings name none. */
#define SSH_CONFIG_NO_USER "dcop-no-user"
