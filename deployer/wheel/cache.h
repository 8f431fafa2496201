/*
 * The cache of built wheels, a folder:
 *
 *     wheels/DIGEST/NAME.whl   by content; its time is when it was last used
 *     wheels/by-spec/KEY       "DIGEST NAME.whl"; its time is when the index was asked
 *     wheels/by-tree/KEY       of a source directory's path: the same line, then the
 *                              list of what the wheel was built from (tree.h)
 *
 * The WHEELS_KEPT that were used last stay, and what was used in the last hour;
 * what lies by itself in the cache and makes no sense counts as not there.
 * Used by wheel.c only.  Safe between processes: each file is written whole or
 * not at all.
 */
#pragma once

#include <time.h>

#include "discovery/base/error.h"
#include "discovery/base/text.h"

enum { WHEELS_KEPT = 20 };

/* The cached wheel for a key, and how old the answer is; -ENOENT for none. */
int wheel_cache_find(const char *cache, const char *key, char **ret_path, time_t *ret_age);

/* Keeps a wheel by its content and, with a key, as the answer to that. */
int wheel_cache_store(const char *cache, const char *key, const char *name,
                      const struct text *bytes, char **ret_path, struct error *err);

/* The index did not answer: ask again in an hour, not at each run. */
void wheel_cache_ask_later(const char *cache, const char *key);

/* What `wheel`, a file of the cache, was made of.  A failure costs time later,
 * and nothing else. */
void wheel_cache_put_tree(const char *cache, const char *source, const char *wheel,
                          const struct text *list);

/* The wheel that was made of this directory last, and of what; -ENOENT. */
int wheel_cache_get_tree(const char *cache, const char *source, char **ret_wheel,
                         struct text *ret_list);
