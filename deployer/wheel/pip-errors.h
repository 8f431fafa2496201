/*
 * Finds the kind of a failure in pip's output: its exit status is 1 for all of
 * them.  Pure; used by wheel/build.c only.
 */
#pragma once

#include "discovery/base/error.h"
#include "discovery/base/process.h"
#include "wheel.h"

/* Sets `err` from the output of a failed pip, and returns one of
 *   -ENETUNREACH  the index is not reachable, or lacks a build requirement
 *   -ENOENT       the index does not have it
 *   -EINVAL       `spec` is not a valid requirement
 *   -ENOPKG       setuptools or wheel is not installed
 *   -EBADMSG      the build itself failed */
int pip_explain(enum wheel_spec kind, const char *spec, const struct process_result *result,
                struct error *err);

/* pip's last error, the last line that begins with "ERROR: ", printable. */
void pip_last_error(const struct process_result *result, struct text *ret);
