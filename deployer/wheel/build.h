/*
 * Builds one wheel with pip, in a temporary folder that is removed afterwards.
 * Used by wheel.c only; pip.h says as which user, wheel.h what is cached.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "deployer/base/folder.h"
#include "discovery/base/error.h"
#include "discovery/base/text.h"
#include "pip.h"
#include "wheel.h"

struct wheel_build {
    enum wheel_spec kind;
    const char *spec;       /* DIRECTORY and FILE (a source archive): its path */
    struct pip_options pip; /* hurry: an older wheel is cached */
};

/* `ret_name`: the wheel's file name (caller frees).  `ret_bytes`: its content.
 * `ret_list` (may be NULL): for a directory, what was built, as folder_read lists it.
 * `ret_unconfined`: left alone, or what the sandbox of the build lacked here, for a person.
 * Errors: those of wheel_prepare. */
int wheel_build(const struct wheel_build *build, char **ret_name, struct text *ret_bytes,
                struct text *ret_list, const char **ret_unconfined, struct error *err);

/* The limits of a source directory, also for its digest. */
extern const struct tree_limits wheel_tree_limits;
