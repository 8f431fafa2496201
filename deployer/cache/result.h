/*
 * What priming or checking a cache came to, system by system, and how a person
 * or a program is told of it.
 */
#pragma once

#include <stdint.h>

#include "discovery/base/error.h"
#include "discovery/base/text.h"

struct cache_result {
    char *name; /* of the system */
    size_t files;
    uint64_t bytes;          /* of those files */
    struct strings origins;  /* hosts that they come from */
    struct strings missing;  /* "PACKAGE VERSION", or what else is not there */
    struct strings warnings; /* sources that could not be read */
    struct text why;         /* of the first that is missing; empty: nothing is */
};

struct cache_results {
    struct cache_result *items;
    size_t count;
    struct strings unread; /* machines that were not asked, and why */
};

void cache_results_clear(struct cache_results *r);

/* A new one, last in the list and owned by it; NULL: no memory. */
struct cache_result *cache_results_add(struct cache_results *r, const char *name);

/* Nothing is missing, and no machine was left out. */
bool cache_results_ok(const struct cache_results *r);

enum { CACHE_MISSING_SHOWN = 12 };

/* For a person; `primed`: files were fetched, else they were looked for.  -ENOMEM. */
int cache_results_text(const struct cache_results *r, bool primed, struct text *ret);

/* {"version": 1, "ok": …, "systems": [{"name", "ok", "files", "bytes", "origins", "missing",
 * "warnings", "why"}], "unread": […]}.  -ENOMEM. */
int cache_results_json(const struct cache_results *r, struct text *ret);

/* 51484648 as "51.5 MB". */
void cache_add_bytes(struct text *t, uint64_t bytes);
