/*
 * A source directory as one thing: its digest, a copy of it, its removal.
 *
 * What no build needs is passed over: version control, byte code, caches of
 * tools, and what an earlier build left (build, dist, *.egg-info).  Links are
 * never followed: a digest covers, and a copy has, the link itself.
 */
#pragma once

#include <stddef.h>
#include <sys/types.h>

#include "deployer/digest.h"
#include "discovery/base/error.h"

struct tree_limits {
    size_t files;
    size_t bytes;
    unsigned depth;
};

/* The digest of the paths, contents and executable bits of the files in
 * `from`.  With `to`, an empty folder, copies them there as well, owned by
 * uid:gid (-1: ours), and the digest is of what was copied.
 * -EFBIG over a limit; -ENOENT, -ENOTDIR, -EACCES, … as the system says. */
int tree_read(const char *from, const struct tree_limits *limits, const char *to, uid_t uid,
              gid_t gid, char ret[static DIGEST_LENGTH + 1], struct error *err);

/* Removes a folder and what is in it, as far as it goes; safe where another
 * user owns the folder and moves links about in it meanwhile. */
void tree_remove(const char *path);
