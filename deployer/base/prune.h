/*
 * Keeps a cache folder small: what was used last stays.  Its entries are files
 * or folders named by the SHA-256 of their content, 64 hex digits, and one
 * ending for all; the time of each is when it was last used.
 *
 * Pruning fails silently: the cache is then larger than it needs to be.  An entry
 * that another process uses was used a moment ago, so PRUNE_AGE_S keeps it.
 */
#pragma once

#include <stddef.h>
#include <sys/types.h>
#include <time.h>

enum { PRUNE_AGE_S = 60 * 60 };

/* Says that this file or folder was used now. */
void prune_used(const char *path);

/* Removes all but the `keep` entries used last, and those of the last
 * PRUNE_AGE_S seconds. */
void prune_oldest(const char *folder, const char *ending, size_t keep);

/* Removes the files of a folder that end so and were not used for that long. */
void prune_unused(const char *folder, const char *ending, time_t seconds);

/* Removes the files of `answers` whose content does not begin with the digest
 * of an entry that `folder` has. */
void prune_answers(const char *answers, const char *folder, const char *ending);
