/*
 * The instances that Avahi has in its cache and has not resolved, by name: one for all
 * tuples of it.
 *
 * A value: NULL is an empty list.  Pure; one thread at a time.
 */
#pragma once

#include <stdbool.h>

#include "discovery/base/hash.h"

struct unresolved {
    bool failed;   /* nobody answered the daemon, or: */
    bool refused;  /* a limit of the daemon was reached */
    int interface; /* of the first tuple */
    UT_hash_handle hh;
    char name[]; /* the hash key, so one for all its tuples */
};

/* NULL: it is not in there. */
struct unresolved *unresolved_find(struct unresolved *all, const char *name);

/* Without memory it is not counted. */
void unresolved_add(struct unresolved **all, const char *name, int interface);
void unresolved_end(struct unresolved **all, const char *name);
void unresolved_clear(struct unresolved **all);
