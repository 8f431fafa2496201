/*
 * One system and one cache: its lists got through it, what a deploy needs
 * resolved, every file of that got through it and compared.  With a cache that
 * may ask its mirrors this fills it; with one that may not it proves that
 * nothing is missing.  Both are the same requests that the machine will make.
 */
#pragma once

#include "deployer/apt/fetch.h"
#include "result.h"

/* A value: cache_pass_clear.  One pass looks at any number of systems; what it has seen whole
 * for one is not asked for again for the next. */
struct cache_pass {
    const char *base;               /* the folder of the roots */
    struct apt_way way;             /* through the cache */
    bool repair;                    /* damaged files are fetched anew */
    bool fresh;                     /* without lists that an earlier pass has left */
    const struct strings *packages; /* what a deploy installs */
    /* Files that are whole there are not asked for: our own cache's folder, and what it serves;
     * NULL: all are. */
    const char *kept;
    const struct strings *repositories;
    void (*progress)(const char *system, size_t files, size_t of, uint64_t bytes, void *arg);
    void *arg;
    /* Its own: */
    struct strings updated; /* roots that have their lists */
    struct apt_files whole;
};

void cache_pass_clear(struct cache_pass *pass);

/* Missing files are listed in `ret` and are not a failure.  `ret_files` (may be NULL) gets
 * the resolved files.  Negative: the system could not be checked. */
int cache_system(struct cache_pass *pass, const struct apt_system *s, struct cache_result *ret,
                 struct apt_files *ret_files, struct error *err);
