/*
 * What a cache is to hold: the systems that are deployed to, and the packages
 * that a deploy installs there.  The systems of the last `cache prime` are
 * remembered, so that `cache status` need not ask the machines.
 */
#pragma once

#include "deployer/apt/systems.h"

struct cache_need {
    struct apt_systems systems;
    struct strings packages; /* of --deps, and of the beacon */
};

void cache_need_clear(struct cache_need *need);

/* Those of --suite and --arch; without both, those of the machines.  1: the answer is no. */
int cache_need_find(struct program *p, struct cache_need *ret, struct error *err);

/* The remembered ones.  None is no error. */
int cache_need_recall(struct program *p, struct cache_need *ret, struct error *err);

/* Adds to the remembered ones; of the same name the newer counts. */
int cache_need_remember(const struct program *p, const struct cache_need *need, struct error *err);

/* A folder of the caches, below the state's: "apt-roots".  The caller frees it; NULL: no memory. */
char *cache_folder(const struct paths *paths, const char *name);
