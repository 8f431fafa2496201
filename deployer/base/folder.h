/*
 * A source directory as one thing: its digest, a copy of it, its removal.
 *
 * What no build needs is left out: version control, byte code, caches of tools,
 * and the output of earlier builds (build, dist, *.egg-info).  Links are never
 * followed: digest and copy contain the link itself.
 */
#pragma once

#include <stddef.h>
#include <sys/types.h>

#include "discovery/base/digest.h"
#include "discovery/base/error.h"
#include "discovery/base/text.h"

struct tree_limits {
    size_t files;
    size_t bytes;
    unsigned depth;
};

/* Lists what is in `from`, sorted, one line each:
 *
 *     f|x|l DIGEST PATH
 *
 * for a file, an executable one, a link; the digest is of the content, or of
 * the link's own text; the path is percent-encoded.  `ret` is the digest of
 * these lines.  With `ret_list` (may be NULL), the lines are added to it.  With
 * `to`, an empty folder, copies all of it there as well, owned by uid:gid (-1:
 * ours), and the list is of what was copied.
 * -EFBIG over a limit; -ENOENT, -ENOTDIR, -EACCES, … as the system says. */
int folder_read(const char *from, const struct tree_limits *limits, const char *to, uid_t uid,
                gid_t gid, struct text *ret_list, char ret[static DIGEST_LENGTH + 1],
                struct error *err);

/* Locks a folder that is made under a temporary name, so that folder_sweep leaves it: the
 * descriptor, to be closed when it has its name or is removed; negative: nothing is locked. */
int folder_lock(const char *path);

/* Removes the folders in `parent` whose names begin with `prefix`, that nobody has locked and
 * that are older than FOLDER_SWEEP_S: what processes that were killed have left. */
enum { FOLDER_SWEEP_S = 60 };
void folder_sweep(const char *parent, const char *prefix);

/* Removes a folder and its contents as far as possible; safe where another user owns
 * the folder and changes links in it meanwhile. */
void folder_remove(const char *path);
