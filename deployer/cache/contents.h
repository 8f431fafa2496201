/*
 * The contents of our caches, counted from their folders, whether they run or not.
 *
 * A package is counted for each suite whose cached index has it, and only when the
 * cached file is complete.  The files come from the network: no name is trusted, and
 * each is bounded.
 *
 * Values; any thread.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "deployer/base/paths.h"
#include "discovery/base/error.h"
#include "discovery/base/text.h"

enum {
    CACHE_NAME_MAX = 64,              /* of a suite or an architecture */
    CACHE_SYSTEMS_MAX = 256,          /* suites times architectures */
    CACHE_FILES_MAX = 500 * 1000,     /* of all caches together */
    CACHE_INDEX_BYTES_MAX = 1u << 30, /* of one Packages file, unpacked */
};

struct cache_count {
    size_t files;
    uint64_t bytes;
    time_t oldest, newest; /* when they were fetched; 0: none */
};

/* Packages of one suite for one architecture. */
struct cache_system_count {
    char suite[CACHE_NAME_MAX], arch[CACHE_NAME_MAX];
    struct cache_count count;
};

struct cache_content {
    struct cache_count packages, indexes; /* .deb files; all other files for apt */
    struct cache_count wheels, sources;   /* of the Python index */
    struct cache_count layers;            /* deployer/layer/layer.h */
    struct cache_system_count *systems;   /* by suite, then architecture */
    size_t n_systems;
};

void cache_content_clear(struct cache_content *c);

/* An empty cache is no error.  -EFBIG: more than CACHE_FILES_MAX files; -ENOMEM. */
int cache_content_read(const struct paths *p, struct cache_content *ret, struct error *err);
