/*
 * A delta turns a bundle that a machine has, the base, into another one: a tar.gz
 * with the files that are new, or differ in content or mode.  SHA256SUMS is
 * always among them; files that it does not list are removed.
 *
 * Deltas are made before any machine is connected to, against the bundles that
 * this controller used last, and kept beside them:
 *
 *     CACHE/bundles/deltas/BUNDLE-BASE   both digests; an empty file: no delta is
 *                                        possible, or it is too large
 *
 * Deltas only save time, so failures are not reported: without a delta the whole
 * bundle is sent.
 */
#pragma once

#include <stddef.h>

#include "bundle.h"
#include "discovery/base/text.h"

enum {
    BUNDLE_DELTAS_MAX = 3,
    BUNDLE_DELTA_BASES_MAX = 8, /* bundles that are tried as bases */
    BUNDLE_DELTA_PERCENT = 70,  /* of the bundle's size; a larger delta is not used */
};

struct bundle_delta {
    char base[BUNDLE_DIGEST_LENGTH + 1]; /* the base's bundle digest */
    struct text bytes;
};

/* A value: start with {0}, bundle_deltas_clear.  Not changed once it is made. */
struct bundle_deltas {
    struct bundle_delta items[BUNDLE_DELTAS_MAX];
    size_t count;
};

void bundle_deltas_clear(struct bundle_deltas *deltas);

/* Makes the deltas of a bundle that is in the cache, or finds them there. */
void bundle_deltas_make(const struct bundle *bundle, const char *cache_dir,
                        struct bundle_deltas *ret);

/* The smallest delta for a machine that has the bundles `bases`, digests
 * separated by tabs; NULL: none. */
const struct bundle_delta *bundle_deltas_find(const struct bundle_deltas *deltas,
                                              const char *bases);

/* Removes deltas whose bundle or base is no longer in the cache. */
void bundle_deltas_prune(const char *cache_dir);
