/*
 * The results of priming or checking a cache, one for each system, as text and as JSON.
 */
#pragma once

#include <stdint.h>

#include "discovery/base/error.h"
#include "discovery/base/text.h"

struct cache_result {
    char *name; /* of the system */
    size_t files;
    uint64_t bytes;          /* of those files */
    struct strings origins;  /* "host" or "host:port" that they come from */
    struct strings missing;  /* "PACKAGE VERSION", or another missing item */
    struct strings warnings; /* sources that could not be read */
    struct text why;         /* why the first item is missing; empty: nothing is missing */
};

struct cache_results {
    struct cache_result *items;
    size_t count;
    struct strings unread; /* "HOST: why" for each machine that could not be asked */
};

void cache_results_clear(struct cache_results *r);

/* Appends an empty result, which the list owns; NULL: no memory. */
struct cache_result *cache_results_add(struct cache_results *r, const char *name);

/* Is nothing missing, and no machine left out? */
bool cache_results_ok(const struct cache_results *r);

enum { CACHE_MISSING_SHOWN = 12 };

/* The text for a person; `primed`: the cache was primed, else checked.  -ENOMEM. */
int cache_results_text(const struct cache_results *r, bool primed, struct text *ret);

/* {"version": 1, "ok": …, "systems": [{"name", "ok", "files", "bytes", "origins", "missing",
 * "warnings", "why"}], "unread": […]}.  -ENOMEM. */
int cache_results_json(const struct cache_results *r, struct text *ret);

/* Appends 51484648 as "51.5 MB". */
void cache_add_bytes(struct text *t, uint64_t bytes);
