/*
 * The cache of built wheels, a folder:
 *
 *     wheels/DIGEST/NAME.whl   by content; its time is when it was last used
 *     wheels/by-spec/KEY       "DIGEST NAME.whl"; its time is when the index was asked
 *     wheels/by-tree/KEY       of a source directory's path: the same line, then the
 *                              list of what the wheel was built from (folder.h)
 *
 * The WHEELS_KEPT wheels that were used last are kept, and all that were used in
 * the last hour.  An entry that is invalid counts as missing.  Used by wheel.c
 * only.  Several processes may use a cache: each file is written completely or
 * not at all.
 */
#pragma once

#include <time.h>

#include "discovery/base/error.h"
#include "discovery/base/text.h"

enum { WHEELS_KEPT = 20 };

/* The cached wheel for a key, and the age of the answer in seconds; -ENOENT: none;
 * -ENOMEM. */
int wheel_cache_find(const char *cache, const char *key, char **ret_path, time_t *ret_age);

/* Stores a wheel under its content's digest and, if `key` is not NULL, as the
 * answer for the key. */
int wheel_cache_store(const char *cache, const char *key, const char *name,
                      const struct text *bytes, char **ret_path, struct error *err);

/* For when the index did not answer: sets the age of the answer so that the index
 * is asked again in an hour, not at each run. */
void wheel_cache_ask_later(const char *cache, const char *key);

/* Records the list of files that `wheel`, a file of the cache, was built from.
 * Failures are ignored: they only cost time later. */
void wheel_cache_put_tree(const char *cache, const char *source, const char *wheel,
                          const struct text *list);

/* The wheel that was last built from this directory, and its list of files;
 * -ENOENT: none; -ENOMEM. */
int wheel_cache_get_tree(const char *cache, const char *source, char **ret_wheel,
                         struct text *ret_list);
