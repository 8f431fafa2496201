/*
 * What pip says when it fails, sorted: its exit status is 1 for all failures.
 * Pure; used by wheel/build.c only.
 */
#pragma once

#include "discovery/base/error.h"
#include "discovery/base/process.h"
#include "wheel.h"

/* From what a failed pip printed, the words for a person and one of
 *   -ENETUNREACH  the index, or something to build with, is not to be had
 *   -ENOENT       the index does not have it
 *   -EINVAL       `spec` is no requirement
 *   -ENOPKG       there is no setuptools
 *   -EBADMSG      the build itself failed */
int pip_explain(enum wheel_spec kind, const char *spec, const struct process_result *result,
                struct error *err);
