/*
 * A delta is what makes one bundle out of another that a machine has: a tar.gz
 * with the files that are new or differ, in content or mode.  SHA256SUMS is one
 * of them, and tells by what it does not list which files go.
 *
 * Deltas are made before machines are spoken to, against the bundles that this
 * controller sent last, and kept beside them:
 *
 *     CACHE/bundles/deltas/BUNDLE-BASE   both digests; empty: not worth it
 *
 * All of this saves time and nothing else, so no failure is told: without a
 * delta the whole bundle goes.
 */
#pragma once

#include <stddef.h>

#include "bundle.h"
#include "discovery/base/text.h"

enum {
    BUNDLE_DELTAS_MAX = 3,
    BUNDLE_DELTA_BASES_MAX = 8, /* bundles that are looked at for these */
    BUNDLE_DELTA_PERCENT = 70,  /* of the whole: what is larger is not worth it */
};

struct bundle_delta {
    char base[BUNDLE_DIGEST_LENGTH + 1]; /* the bundle digest of what it adds to */
    struct text bytes;
};

/* A value: start with {0}, bundle_deltas_clear.  Once made it is only read. */
struct bundle_deltas {
    struct bundle_delta items[BUNDLE_DELTAS_MAX];
    size_t count;
};

void bundle_deltas_clear(struct bundle_deltas *deltas);

/* Makes the deltas of a bundle that is in the cache, or finds them there. */
void bundle_deltas_make(const struct bundle *bundle, const char *cache_dir,
                        struct bundle_deltas *ret);

/* The smallest one for a machine that has these bundles, digests between tabs;
 * NULL for none. */
const struct bundle_delta *bundle_deltas_find(const struct bundle_deltas *deltas,
                                              const char *bases);

/* Removes deltas one of whose bundles is no longer there. */
void bundle_deltas_prune(const char *cache_dir);
