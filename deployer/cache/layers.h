/*
 * The layers that the systems of a cache need.  They lie with the bundles, not in a package
 * cache: what priming does is to have them made.
 */
#pragma once

#include "deployer/apt/resolve.h"
#include "deployer/layer/layer.h"
#include "result.h"

/* Whether the next deploy gives machines with this system a layer, as far as that is known: by its
 * architecture and its Python.  A machine without Python is given packages at first
 * (choose_layer in steps/settings.sh); a system that was only named has the Python of its suite. */
bool cache_layers_fit(const struct layers *l, const struct apt_system *s);

/* Makes the layer of a system, or finds it, and appends the result.  `files`: what will be
 * installed there; its Python counts, for the deploy after the next.  Appends nothing if its Python
 * is not known, or packages are installed there for good. */
int cache_layer_system(struct layers *l, const struct apt_system *s, const struct apt_files *files,
                       struct cache_results *results, struct error *err);
