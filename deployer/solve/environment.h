/*
 * Where the orchestrator of a run finds Python's modules: pyDCOP and the shim of a bundle,
 * and the layer for this computer's Python, laid out in a folder of their own:
 *
 *     CACHE/orchestrators/DIGEST/pydcop_orchestrator.py and what it imports
 *                               /site/…    the bundle's, as on the machines
 *                               /layer/…   missing where there is none for this Python
 *
 * It is made once from the caches; nothing is fetched when the layer is there.
 */
#pragma once

#include <stdbool.h>

#include "deployer/base/paths.h"
#include "deployer/bundle/pack.h"
#include "discovery/base/digest.h"
#include "discovery/base/error.h"

enum { SOLVE_ENVIRONMENTS_KEPT = 3 };

/* A value: start with {0}, solve_environment_clear. */
struct solve_environment {
    char *folder;
    bool has_layer;                /* else the packages of the system's Python are used */
    char layer[DIGEST_LENGTH + 1]; /* its digest; "": none */
    char python[LAYER_KEY_MAX];    /* "3.11" */
};

void solve_environment_clear(struct solve_environment *e);

/* Finds it or makes it; takes some seconds the first time.  `pack` is of pyDCOP.  Errors of
 * layers_get but -ENOENT; -ENOPKG: there is no /usr/bin/python3. */
int solve_environment_make(const struct paths *paths, const struct pack *pack,
                           struct solve_environment *ret, struct error *err);
