/*
 * The experiments that a folder holds, or has links to, as their receipts tell.
 *
 * One thread.
 */
#pragma once

#include <jansson.h>

#include "discovery/base/error.h"

enum { EXPERIMENTS_MAX = 10000 };

/* A new array of at most `max` (the newest by name, which begins with a time), the oldest first:
 * folder, started, ended, problem (names of its files), algorithm, distribution, seed, status,
 * cost, violations, cycles, messages, time.  What is no experiment is left out, as is what is
 * unknown; without the folder it is empty.  NULL: no memory.
 */
json_t *experiments_list(const char *folder, int max);
