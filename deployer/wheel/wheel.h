/*
 * Makes wheels from what the user names as pyDCOP: a source directory, a wheel
 * file, or a requirement for the Python index.  Adds the few pure Python packages
 * that pyDCOP needs and that Debian does not have.
 *
 * Wheels are built once, by pip, and kept in a cache folder.  For root, an
 * unprivileged user (SUDO_UID, else nobody) builds them, from a copy of the source
 * in a folder of that user.  Their code runs in a sandbox, without network (pip.h).  The source
 * directory is never written to.
 *
 * If only a few modules of a directory have changed, its new wheel is made from
 * its last one, without pip, when that is exact (patch.h).
 *
 * The cache's key for a directory is the digest of its files, for a wheel its own
 * digest, for a requirement its text.  The answer for a requirement with a pinned
 * version (name==1.2) is valid for ever.  For another requirement, the index is
 * asked again when the answer is older than WHEEL_FRESH_S; if it does not answer,
 * the cached answer is used.
 *
 * Any thread, several processes: two may build the same wheel at once; the answer
 * of the one that ends last is kept.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "discovery/base/error.h"
#include "discovery/base/text.h"

enum {
    WHEEL_FRESH_S = 24 * 60 * 60,
    WHEEL_SIZE_MAX = 64 * 1024 * 1024,
    WHEEL_TREE_MAX = 256 * 1024 * 1024, /* bytes of a source directory */
    WHEEL_TREE_FILES_MAX = 20000,
    WHEEL_TREE_DEPTH_MAX = 32,
    WHEEL_BUILD_MS = 5 * 60 * 1000,
};

enum wheel_spec { WHEEL_SPEC_DIRECTORY, WHEEL_SPEC_FILE, WHEEL_SPEC_REQUIREMENT };

/* A value: start with {0}, wheel_set_clear. */
struct wheel_set {
    struct strings paths;   /* of wheel files; the main one (pyDCOP's) first */
    char *name;             /* of the main one, as in its file name */
    char *version;          /* of the main one */
    bool built_now;         /* false: all were in the cache */
    bool unrefreshed;       /* the index did not answer; an older answer is used */
    const char *unconfined; /* what was built now could do more than it should: a sentence for a
                               person, never freed; NULL: it was in a sandbox */
};

void wheel_set_clear(struct wheel_set *set);

/* What a SPEC is: a file if it ends in .whl, .tar.gz or .zip and is not a
 * directory; a directory if it begins with "." or contains a slash, or if the
 * directory of that name holds a setup.py or pyproject.toml; else a requirement. */
enum wheel_spec wheel_spec_kind(const char *spec);

/* The same SPEC for any working directory; the caller frees it.  A requirement, and a path
 * that does not exist, stay as they are.  NULL without memory or
 * working directory. */
char *wheel_spec_absolute(const char *spec);

/* Makes the wheels or finds them in the cache.  `cache_dir` is made when
 * missing.  A `cancel_fd` (-1: none) that becomes readable ends a build.
 *
 * -ENOENT: no such directory, or not in the index; -EINVAL: not a Python project,
 * not a wheel, not a requirement; -ENOTSUP: a URL; -ENETUNREACH: the index is not
 * reachable and nothing is cached; -ENOPKG: no Python with pip, or no setuptools;
 * -EFBIG: over a bound; -ECANCELED, -ETIMEDOUT; -EBADMSG: the build itself failed,
 * with pip's last lines. */
int wheel_prepare(const char *spec, const char *cache_dir, int cancel_fd, struct wheel_set *ret,
                  struct error *err);

/* Puts the bytes of a wheel into the cache, under its file name; the caller frees the path, which
 * wheel_prepare takes.  -EINVAL: not the name of a wheel. */
int wheel_keep(const char *name, const struct text *bytes, const char *cache_dir, char **ret_path,
               struct error *err);

/* As wheel_prepare, but pip uses only this index (a cache's, see cache/caches.h),
 * also for build requirements; "": no index; NULL: as pip is configured. */
int wheel_prepare_from(const char *spec, const char *index, const char *cache_dir, int cancel_fd,
                       struct wheel_set *ret, struct error *err);
