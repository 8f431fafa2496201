/*
 * What a cache is to hold: the systems that are deployed to, and the packages
 * that a deploy installs there.  The systems of the last `cache prime` are
 * remembered, so that `cache status` need not ask the machines.
 */
#pragma once

#include "deployer/apt/systems.h"
#include "deployer/cache/result.h"
#include "deployer/cli/program.h"
#include "deployer/layer/layer.h"

struct cache_need {
    struct apt_systems systems;
    struct strings packages;   /* of --deps, and of the beacon */
    struct strings with_layer; /* of a system that gets a layer, and of the beacon */
};

void cache_need_clear(struct cache_need *need);

/* What a deploy installs on this system.  `layers`: of --deps layer, else NULL. */
const struct strings *cache_need_packages(const struct cache_need *need,
                                          const struct layers *layers, const struct apt_system *s);

/* Opens the layers, with --deps layer, else NULL; `index` as in layers_open. */
int cache_need_layers(struct program *p, const char *index, struct layers **ret, struct error *err);

/* Those of --suite and --arch; without both, those of the machines.  1: the answer is no. */
int cache_need_find(struct program *p, struct cache_need *ret, struct error *err);

/* pyDCOP itself, as the next deploy would have it; `index` as for cache_wheels_pydcop. */
int cache_need_pydcop(struct program *p, const char *index, struct cache_result *ret,
                      struct error *err);

/* The remembered ones.  None is no error. */
int cache_need_recall(struct program *p, struct cache_need *ret, struct error *err);

/* Adds to the remembered ones; of the same name the newer counts. */
int cache_need_remember(const struct program *p, const struct cache_need *need, struct error *err);
