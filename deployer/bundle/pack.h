/*
 * A pack is what a run sends to the machines: pyDCOP and the steps, or the
 * steps alone; made once, read by many workers.
 *
 * pack_make may take minutes (it builds) and may be called by any thread; the
 * other functions by one thread only.
 */
#pragma once

#include "bundle.h"
#include "delta.h"
#include "deployer/base/paths.h"
#include "deployer/layer/layer.h"
#include "deployer/wheel/wheel.h"

struct pack {
    unsigned refs;
    char *spec; /* NULL: the steps alone */
    struct wheel_set wheels;
    struct bundle bundle;
    struct text bytes;
    struct bundle_deltas deltas;
    struct layers *layers; /* of pyDCOP's dependencies; NULL: the steps alone */
};

/* `spec` NULL: the steps alone.  `index`: the one that pip uses, see caches_index.  Errors: those
 * of wheel_prepare_from and bundle_make. */
int pack_make(const char *spec, const char *index, const struct bundle_extra *extras,
              const struct paths *paths, int cancel_fd, struct pack **ret, struct error *err);
/* The settings of --deps, with the layers that there are. */
void pack_add_deps(const struct pack *p, const char *deps, struct text *settings);

struct pack *pack_ref(struct pack *p);
struct pack *pack_unref(struct pack *p); /* returns NULL */
