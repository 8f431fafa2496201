/*
 * Builds one wheel with pip, in a temporary folder that is removed afterwards.
 * Used by wheel.c only; wheel.h says as which user, and what is cached.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "deployer/base/folder.h"
#include "discovery/base/error.h"
#include "discovery/base/text.h"
#include "wheel.h"

struct wheel_build {
    enum wheel_spec kind;
    const char *spec;  /* DIRECTORY and FILE (a source archive): its path */
    const char *index; /* the only index that pip uses; "": none; NULL: as pip is configured */
    int cancel_fd;     /* -1: none */
    bool hurry;        /* an older wheel is cached: do not wait long for the index */
};

/* `ret_name`: the wheel's file name (caller frees).  `ret_bytes`: its content.
 * `ret_list` (may be NULL): for a directory, what was built, as folder_read lists it.
 * Errors: those of wheel_prepare. */
int wheel_build(const struct wheel_build *build, char **ret_name, struct text *ret_bytes,
                struct text *ret_list, struct error *err);

/* The limits of a source directory, also for its digest. */
extern const struct tree_limits wheel_tree_limits;
