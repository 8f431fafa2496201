/*
 * Places a wheel's files where a bundle has them.
 */
#pragma once

#include "deployer/base/content.h"

/* Lays a wheel out: modules to site/, scripts and console entry points to
 * scripts/.  `name` is for messages.  -EBADMSG when it is not a pure wheel. */
int lay_out_wheel(struct content *c, const char *name, const void *bytes, size_t size,
                  struct error *err);
