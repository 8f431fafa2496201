/*
 * One wheel by pip, in a folder of its own that is gone afterwards.  Used by
 * wheel.c only; see there for who builds and what is cached.
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
    const char *index; /* to ask instead of what pip is told; "": none; NULL: as pip is told */
    int cancel_fd;     /* -1: none */
    bool hurry;        /* an older answer is at hand: do not wait long for the index */
};

/* `ret_name`: the wheel's file name (caller frees).  `ret_bytes`: its content.
 * `ret_list` (may be NULL): for a directory, what was built, as tree.h lists it.
 * Errors: those of wheel_prepare. */
int wheel_build(const struct wheel_build *build, char **ret_name, struct text *ret_bytes,
                struct text *ret_list, struct error *err);

/* The bounds of a source directory, for its digest too. */
extern const struct tree_limits wheel_tree_limits;
