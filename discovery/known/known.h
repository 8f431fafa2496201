/*
 * The machines that this computer has dealt with: their ids, each with the host key that
 * is pinned for it.  Anybody on the network can tell of thousands of machines; what is
 * known keeps its place among them, and is asked for by its name.
 *
 * Those that were last reached at an address which a person gave are known with all that
 * the state has of them: where no multicast comes from, nobody else tells of them.
 *
 * A value: all bytes 0 is empty.  One thread at a time.
 */
#pragma once

#include <stdbool.h>

#include "discovery/advert/advert.h"
#include "discovery/base/address.h"
#include "discovery/base/cleanup.h"
#include "discovery/base/error.h"

enum {
    KNOWN_MAX = 4096,        /* those pinned last */
    KNOWN_BY_HAND_MAX = 512, /* those reached last */
};

struct known_id;

/* A machine at an address that a person gave.  It owns what it points to. */
struct known_host {
    struct advert advert; /* id, host key, and what else is stored */
    char *host;           /* NULL: unknown */
    struct address address;
    uint16_t port;
    bool listed;  /* the user's: it has taken it over */
    bool changed; /* known_inherit: it has taken over what is no longer so */
};

struct known {
    struct known_id *ids;
    struct known_host *hosts;
    size_t n_hosts;
};

void known_clear(struct known *k);

/* Copies; `hostkey` NULL: any.  What is no id is left out, and what is beyond the bound.
 * -ENOMEM. */
int known_add(struct known *k, const char *id, const char *hostkey);

bool known_has(const struct known *k, const char *id);
bool known_has_instance(const struct known *k, const char *name); /* "dcop-ID" */
bool known_has_key(const struct known *k, const char *id, const char *hostkey);

/* Adds a name that this id was accepted with: an id that was added before, and 64 names of it at
 * most.  `fleet` NULL: the default one.  -ENOMEM. */
int known_add_name(struct known *k, const char *id, const char *fleet, const char *agent);

/* Was the machine with this id and this very host key accepted with the name? */
bool known_holds(const struct known *k, const char *id, const char *hostkey, const char *fleet,
                 const char *agent);

/* The id after `at`, which moves on; NULL: there are no more.  Begins with NULL in `at`. */
const char *known_walk(const struct known *k, const struct known_id **at);

/* Sets `listed` and `changed` by what was known before. */
void known_inherit(struct known *k, const struct known *before);

/* NULL: none. */
const struct known_host *known_host_find(const struct known *k, const char *id);

/* Adds those of a state database, which may be in use; a file that is not there has none.
 * Waits a tenth of a second at most for another process.  -ENOMEM, -EIO with words. */
int known_read(const char *path, struct known *k, struct error *err);

/* Where the state database is: in the folder `state_dir`, or for NULL in the user's
 * (XDG Base Directory Specification).  The caller frees; NULL: without memory or home. */
char *known_path(const char *state_dir);
