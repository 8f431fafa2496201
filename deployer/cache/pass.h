/*
 * A pass primes or checks a cache.  For each system, it downloads the package lists
 * through the cache, resolves which files a deploy needs, downloads these through the
 * cache, and compares each with its hash.  This fills a cache that may ask its mirrors;
 * for an offline one, it proves that nothing is missing.  The requests are the same that
 * the machine will make.
 */
#pragma once

#include "deployer/apt/fetch.h"
#include "result.h"

/* A value: cache_pass_clear.  One pass handles any number of systems; a file that was complete
 * for one is not requested again for the next. */
struct cache_pass {
    const char *base;               /* the folder of the roots */
    struct apt_way way;             /* through the cache */
    bool repair;                    /* damaged files are fetched again */
    bool fresh;                     /* the lists of an earlier pass are removed */
    const struct strings *packages; /* what a deploy installs */
    /* Our own cache's folder and the repositories that it serves: a file that is complete there
     * is not requested; `kept` NULL: all files are. */
    const char *kept;
    const struct strings *repositories;
    void (*progress)(const char *system, size_t files, size_t of, uint64_t bytes, void *arg);
    void *arg;
    /* Private: */
    struct strings updated; /* roots whose lists are downloaded */
    struct apt_files whole; /* files that were complete */
};

void cache_pass_clear(struct cache_pass *pass);

/* Missing files are listed in `ret` and are not a failure.  `ret_files` (may be NULL) gets
 * the resolved files.  Negative: the system could not be checked. */
int cache_system(struct cache_pass *pass, const struct apt_system *s, struct cache_result *ret,
                 struct apt_files *ret_files, struct error *err);
