/*
 * What `cache prime` and `cache check` print: where they are, on a terminal, and at the end
 * what it came to.
 */
#pragma once

#include "deployer/cache/pass.h"
#include "deployer/options/options.h"

/* A terminal, and nobody who wants it quiet or as JSON. */
bool cache_tells_progress(const struct deploy_options *o);
/* A cache_pass's progress: one line, over itself. */
void cache_tell_progress(const char *system, size_t files, size_t of, uint64_t bytes, void *arg);
/* That line is gone again. */
void cache_tell_end(void);

int cache_tell(const struct deploy_options *o, const struct cache_results *results, bool primed,
               struct error *err);
