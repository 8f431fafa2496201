/*
 * What `cache prime` and `cache check` print: their progress, on a terminal, and the result
 * at the end.
 */
#pragma once

#include "deployer/cache/pass.h"
#include "deployer/options/options.h"

/* True on a terminal, without --quiet and --json. */
bool cache_tells_progress(const struct deploy_options *o);
/* A cache_pass's progress: one line, redrawn in place. */
void cache_tell_progress(const char *system, size_t files, size_t of, uint64_t bytes, void *arg);
/* Erases that line. */
void cache_tell_end(void);

int cache_tell(const struct deploy_options *o, const struct cache_results *results, bool primed,
               struct error *err);
