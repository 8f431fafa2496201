/*
 * Caches that root started need not be root: they get the user that Debian's
 * apt-cacher-ng comes with.
 *
 * That user could not reach root's state folder, and is not to: the supervisor
 * enters a mount namespace of its own, in which the caches' folder is at
 * CACHE_CONFINED, too.  Where that cannot be (a container, another Debian
 * user), the caches stay root's.
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "deployer/base/paths.h"

#define CACHE_CONFINED "/run/dcop-caches"

struct cache_user {
    bool drop; /* false: as we are */
    uid_t uid;
    gid_t gid;
};

/* For the rest of this process's life, which is the supervisor's. */
struct cache_user cache_confine(const struct paths *p);

/* Gives that user what it reads and writes, also what was written anew. */
void cache_confine_files(const struct cache_user *user);

/* In the child, before exec: 0 or a negative errno. */
int cache_confine_become(const struct cache_user *user);
