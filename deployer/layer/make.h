/*
 * Makes one layer.  Used by layer.c only.
 */
#pragma once

#include "layer.h"

struct layer_source {
    const char *python, *arch;      /* "3.13", Debian's "arm64" */
    const char *name;               /* the layer's */
    const struct text *pins;        /* as pip's requirement files, with digests */
    const struct strings *extra;    /* requirements that are not pinned */
    const struct strings *left_out; /* patterns, see lay-out-wheel.h */
    const char *index;              /* see wheel_prepare_from */
};

/* The tar.gz.  Errors: those of layers_get. */
int layer_make(const struct layer_source *s, int cancel_fd, struct text *ret, struct error *err);
