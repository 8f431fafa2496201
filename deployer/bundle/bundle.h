/*
 * A bundle is what is sent to a machine: one gzip'd tar with the steps and the
 * laid-out wheels.  The same input gives the same bytes, on one controller.
 *
 *     digest                 content digest, one line: what is installed
 *     lib.sh, run, steps/…   how to install it (run is 0755, as is what was executable)
 *     scripts/…              of the wheels; "#!python" is the interpreter to fill in
 *     site/…                 the wheels' modules, the shim, its .pth
 *     version                of the main wheel, one line
 *     SHA256SUMS             last; over all of the above, for sha256sum -c
 *
 * The digest covers site/ and scripts/ by path, mode and content, and nothing
 * else: a changed step sends a new bundle, but makes no new version.  What an
 * installer writes or a build tool signs itself with (RECORD, WHEEL, …) is
 * left out, as it says nothing about the content.
 *
 * Wheels are hostile until laid out here: only pure ones, only plain relative
 * paths, no links, every size bounded.
 */
#pragma once

#include <stddef.h>

#include "deployer/wheel/wheel.h"
#include "discovery/base/error.h"

enum {
    BUNDLE_DIGEST_LENGTH = 64, /* hex digits */
    BUNDLES_KEPT = 20,         /* in the cache, of those not used just now */
};

/* A value: start with {0}, bundle_clear. */
struct bundle {
    char *path;                                   /* of the tar.gz, in the cache */
    char digest[BUNDLE_DIGEST_LENGTH + 1];        /* of what gets installed */
    char bundle_digest[BUNDLE_DIGEST_LENGTH + 1]; /* SHA-256 of the tar.gz, its name too */
    char *version;                                /* of the main wheel */
    size_t size;                                  /* of the tar.gz, bytes */
};

void bundle_clear(struct bundle *bundle);

/* A folder of the controller's that goes into the bundle as it is. */
struct bundle_extra {
    const char *folder, *place; /* "dist", "ui/" */
};

/* Makes the bundle, or finds it in the cache; the file is written whole or not
 * at all, and what is found was read and compared with its digest.
 * `steps_dir` holds run, lib.sh, steps/, and what goes to site/: *.py, *.pth.
 * `extras` end with a NULL folder; NULL: none.
 *
 * -EBADMSG: a wheel is not pure, hostile or broken; -EFBIG: over a bound;
 * -ENOENT: the steps are not there; else what the file system says. */
int bundle_make(const struct wheel_set *wheels, const char *steps_dir,
                const struct bundle_extra *extras, const char *cache_dir, struct bundle *ret,
                struct error *err);
