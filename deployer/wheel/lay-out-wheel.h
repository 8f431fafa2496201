/*
 * Reads a wheel from memory and adds its files at the places where they are
 * installed (the binary distribution format, "Installing a wheel").
 */
#pragma once

#include "deployer/base/content.h"

/* What of a wheel is laid out; {0}: all of it, and it must be pure. */
struct wheel_layout {
    bool native;                    /* it may hold code compiled for one platform */
    const struct strings *left_out; /* patterns as of fnmatch(3), for paths in the wheel */
};

/* Lays a wheel out: modules to site/, scripts and console entry points to
 * scripts/.  `name` is for messages.  -EBADMSG when it is not a wheel, or not one that
 * `layout` allows. */
int lay_out_wheel(struct content *c, const char *name, const void *bytes, size_t size,
                  const struct wheel_layout *layout, struct error *err);
