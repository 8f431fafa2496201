/*
 * What the user calls pyDCOP, made into wheels: a source directory, a wheel
 * file, or a requirement of the Python index, and beside it the few pure
 * Python packages that it needs and that Debian does not have.
 *
 * Wheels are built once, by pip, in a cache folder.  A caller who is root has
 * them built by an unprivileged user (SUDO_UID, else nobody), from a copy of
 * the source in a folder of that user.  The user's tree is never written to.
 *
 * A directory in which nothing but a few modules changed gets its new wheel out
 * of its last one, without pip, where that is exact (patch.h).
 *
 * A directory is looked up by the digest of its files' content, a wheel by its
 * own, a requirement by its text; one that pins a version (name==1.2) is good
 * for ever, another is asked for again when the cached answer is older than
 * WHEEL_FRESH_S, and the cached answer is used when the index does not answer.
 *
 * Thread-safe, also between processes: two may build the same thing at once,
 * the one that ends first wins.
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
    struct strings paths; /* of wheel files; the main one first, then by name */
    char *name;           /* of the main one, as its file name has it */
    char *version;        /* of the main one */
    bool built_now;       /* false: all of it was in the cache */
    bool unrefreshed;     /* the index did not answer; an older answer is used */
};

void wheel_set_clear(struct wheel_set *set);

/* What a SPEC is: "." or a slash makes it a path, so does a folder of that
 * name that holds a setup.py or pyproject.toml, and ".whl" at its end. */
enum wheel_spec wheel_spec_kind(const char *spec);

/* Whether two names are one to Python's index (PEP 503). */
bool wheel_name_equal(const char *a, const char *b);

/* Makes the wheels or finds them in the cache.  `cache_dir` is made when
 * missing.  A `cancel_fd` (-1: none) that becomes readable ends a build.
 *
 * -ENOENT: no such directory, or the index does not know it; -EINVAL: not a
 * Python project, not a wheel, not a requirement; -ENETUNREACH: the index is
 * not reachable and nothing is cached; -ENOPKG: no Python, or none with pip;
 * -EFBIG: over a bound; -ECANCELED, -ETIMEDOUT; else the build's own failure,
 * -EBADMSG, with pip's last lines. */
int wheel_prepare(const char *spec, const char *cache_dir, int cancel_fd, struct wheel_set *ret,
                  struct error *err);

/* The same with pip asking this index (a cache's, see cache/caches.h) and no other,
 * for what the build itself needs, too; "": none at all; NULL: as pip's own
 * configuration says. */
int wheel_prepare_from(const char *spec, const char *index, const char *cache_dir, int cancel_fd,
                       struct wheel_set *ret, struct error *err);
