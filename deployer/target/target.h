/*
 * A target is a machine that is deployed to, with all that a worker needs to know about
 * it.  A value that owns what it points to; made by the program's thread, moved into a
 * worker, never shared.
 */
#pragma once

#include "deployer/base/destination.h"
#include "deployer/base/secret.h"
#include "discovery/match/match.h"
#include "discovery/roster/roster.h"

struct target {
    char *id;                  /* 16 hex digits; NULL: not known yet */
    char *host;                /* its name for people */
    char *user;                /* to log in as; NULL: the controller's choice */
    char *fleet;               /* NULL: the default one */
    char *hostkey;             /* as advertised, "SHA256:…"; NULL: not advertised */
    char *mac;                 /* as a machine without a beacon says it; NULL: not told */
    struct strings agents;     /* to run there */
    struct strings names;      /* as advertised: the agents, and maybe others */
    struct address *addresses; /* in the order in which they are tried */
    size_t n_addresses;
    char *
        unfound; /* why it has no address, as a person's host name was looked up in vain; or NULL */
    uint16_t port;
    char *agent_address;  /* IPv4, from a person: where others reach its agents; NULL: not given */
    bool advertised;      /* host and names are a record's, which proves nothing */
    bool by_hand;         /* that record is a contact of before, at an address that a person gave */
    bool named;           /* a person has set `agents`: they replace the names of its beacon */
    bool shown;           /* a person was shown its host key (and who held its name), and asked */
    bool given;           /* a person has given it `names`, which another machine may have had */
    struct text settings; /* more lines for this machine alone, see job.h; may contain a secret */
    const struct secret *password, *become_password; /* its own, to log in and for sudo: borrowed
                             from the program; NULL: the run's */
    /* What the user's own SSH has for a name that a person gave (ssh-config.h, known-hosts.h). */
    struct strings relay;     /* the command that is the connection; none: it is dialled */
    struct strings keys;      /* private keys to log in with; none: the run's */
    bool only_keys;           /* and no other of ssh-agent's */
    struct strings confirmed; /* host keys of known_hosts, "SHA256:…" */
    char *listed;             /* "FILE:LINE" of such an ed25519 key; NULL: none */
    bool guessed;  /* the id (without one, the host key) is that of the machine that was last met at
                      its address: another one whose key is pinned may answer there now */
    bool in_doubt; /* another machine has the same id, with another host key or as a clone */
    bool cloned;   /* the latter */
    bool away;     /* known, and not there: it can only be queued */
    bool verified; /* its record is signed with its machine key */
    uint64_t seq;  /* the sequence number of that record */
};

void target_clear(struct target *t);

/* A deep copy, except for the passwords, which stay borrowed.  -ENOMEM. */
int target_copy(const struct target *t, struct target *ret);

/* Makes a target from a machine, without `agents`.  -ENOMEM. */
int target_from_machine(const struct machine *m, struct target *ret);

/* Its key in the history: its id; without an id, its host, with the port if it is not SSH's
 * default ("[host]:port", as in OpenSSH's known_hosts). */
enum { TARGET_KEY_MAX = DESTINATION_HOST_MAX + sizeof("[]:65535") };
const char *target_key(const struct target *t, char ret[static TARGET_KEY_MAX]);

/* Does this key of the history belong to it?  Also true for its host, the key before its id
 * was known. */
bool target_has_key(const struct target *t, const char *key);

/* A list of targets; it owns them. */
struct targets {
    struct target *items;
    size_t count;
};

void targets_clear(struct targets *t);

/* Deep copies, as target_copy makes them; `ret` is {0}, and to be cleared after a failure, too.
 * -ENOMEM. */
int targets_copy(const struct targets *from, struct targets *ret);

/* For a loop that keeps some and clears the others: moves items[i] to items[*kept], and counts
 * it.  At the end `count` is to be set. */
void targets_keep(struct targets *t, size_t i, size_t *kept);

/* The machines that have the problem's agents, each once, in the order of the match, with
 * the names that the match assigns to them.  -ENOMEM. */
int targets_from_match(const struct match *match, struct targets *ret);

/* Adds to `t->agents` the names that the match assigns to the machine, in the machine's
 * order: the first agent listens on the first port.  -ENOMEM. */
int target_add_matched(const struct match *match, const struct machine *m, struct target *t);

/* All machines that are online (with a fleet key: and verified), with all their names.
 * -ENOMEM. */
int targets_from_machines(const struct machine *const *machines, size_t n, struct targets *ret);
