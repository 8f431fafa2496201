/*
 * Caches that root started run as the user that Debian's package of apt-cacher-ng
 * creates.
 *
 * That user must not have access to root's state folder: so the supervisor enters a
 * mount namespace of its own, in which the caches' folder is also mounted at
 * CACHE_CONFINED.  Where that is not possible (in a container, without that user, or
 * when it cannot run devpi's Python), the caches run as root.
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "deployer/base/paths.h"

#define CACHE_CONFINED "/run/dcop-caches"

struct cache_user {
    bool drop; /* false: the caches keep our user */
    uid_t uid;
    gid_t gid;
};

/* Enters the namespace, for the rest of this process's life: for the supervisor only. */
struct cache_user cache_confine(const struct paths *p);

/* Gives the files that the caches read and write to that user.  Called before each start,
 * as files may have been written since. */
void cache_confine_files(const struct cache_user *user);

/* Becomes that user; in the child, before exec.  0 or a negative errno. */
int cache_confine_become(const struct cache_user *user);
