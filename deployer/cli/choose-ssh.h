/*
 * Hosts that a person has written, as the user's own SSH would reach them: ~/.ssh/config says
 * where and how, known_hosts which key is theirs.
 *
 * What is given on the command line comes first, then what the inventory says, then the user's
 * SSH settings, then the defaults.
 */
#pragma once

#include "deployer/target/resolve.h"
#include "deployer/target/ssh-config.h"
#include "program.h"

/* A value: `written` is set by the caller and borrowed, the rest {0}. */
struct choose_host {
    struct ssh_written written;
    struct ssh_host said;
    struct resolved found; /* code 0 and no addresses: only its jump host knows it */
};

void choose_host_clear(struct choose_host *h);

/* Finds all of them; a host that cannot be found, or whose settings cannot be honoured, says so
 * or read in time, says so in `found`.  Tells on stderr what of the settings is not used.
 * -EBADMSG: the settings cannot be read; -ENOMEM and the like. */
int choose_find_hosts(struct program *p, struct choose_host *hosts, size_t n, struct error *err);

/* Moves what was found into the target, which has `host` and maybe `user`.  `keys`: it may have
 * private keys of its own.  Errors of known_hosts_find. */
int choose_take_host(struct program *p, struct choose_host *h, bool keys, struct target *t,
                     struct error *err);

/* Reads the keys that the usual known_hosts revoke into p->revoked, once.  One of these files
 * that cannot be read is told on stderr, and left out.  -ENOMEM. */
int choose_read_revoked(struct program *p, struct error *err);
