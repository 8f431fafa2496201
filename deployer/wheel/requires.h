/*
 * What a wheel needs, from its METADATA (core metadata specification, "Requires-Dist").
 */
#pragma once

#include "discovery/base/error.h"
#include "discovery/base/text.h"

enum { WHEEL_REQUIRES_MAX = 64, WHEEL_REQUIREMENT_MAX = 256 };

/* Appends the requirements of a wheel file as they stand there, but for those of extras.  Nothing
 * that pip would take for an option, and no URL.  -EBADMSG: the wheel cannot be read, or needs
 * what is not allowed; -EFBIG: over a bound; -ENOMEM. */
int wheel_requires(const char *path, struct strings *ret, struct error *err);
