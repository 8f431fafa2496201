/*
 * A bundle is what is sent to a machine: one gzip'd tar with the steps and the
 * laid-out wheels.  On one controller, the same input gives the same bytes.
 *
 *     digest                 content digest, one line: what is installed
 *     lib.sh, run, steps/…   how to install it (mode 0755: run, and what was executable)
 *     scripts/…              of the wheels; "#!python" stands for the interpreter
 *     site/…                 the wheels' modules, the shim, its .pth
 *     version                of the main wheel, one line
 *     SHA256SUMS             last; over all of the above, for sha256sum -c
 *
 * The digest covers the paths, modes and contents of site/ and scripts/, and
 * nothing else: after a change of a step a new bundle is sent, but the installed
 * version stays the same.  Files of a wheel that an installer writes or that
 * identify the build tool (RECORD, WHEEL, …) are left out, as they do not
 * describe the content.
 *
 * Wheels are untrusted input: only pure ones are accepted, with plain relative
 * paths, without links, and with every size bounded.
 */
#pragma once

#include <stddef.h>

#include "deployer/wheel/wheel.h"
#include "discovery/base/error.h"

enum {
    BUNDLE_DIGEST_LENGTH = 64, /* hex digits */
    BUNDLES_KEPT = 20,         /* in the cache; besides them, all used within PRUNE_AGE_S */
};

/* A value: start with {0}, bundle_clear. */
struct bundle {
    char *path;                                   /* of the tar.gz, in the cache */
    char digest[BUNDLE_DIGEST_LENGTH + 1];        /* of what gets installed */
    char bundle_digest[BUNDLE_DIGEST_LENGTH + 1]; /* SHA-256 of the tar.gz, also its file name */
    char *version;                                /* of the main wheel */
    size_t size;                                  /* of the tar.gz, bytes */
};

void bundle_clear(struct bundle *bundle);

/* A folder on the controller whose files go into the bundle unchanged. */
struct bundle_extra {
    const char *folder, *place; /* "dist", "ui/" */
};

/* Makes the bundle, or finds it in the cache.  The file is written completely or
 * not at all; one from the cache is read and compared with its digest.
 * `steps_dir` holds run, lib.sh, steps/, and the files for site/: *.py, *.pth.
 * `extras` end with a NULL folder; NULL: none.
 *
 * -EBADMSG: a wheel is damaged, is not pure, or holds what is not allowed;
 * -EFBIG: over a bound; -ENOENT: the steps are missing; else an error of the file
 * system. */
int bundle_make(const struct wheel_set *wheels, const char *steps_dir,
                const struct bundle_extra *extras, const char *cache_dir, struct bundle *ret,
                struct error *err);
