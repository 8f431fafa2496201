/*
 * The waves of --canary, "1,5,25%": so many machines first, then so many, then a share of all;
 * then the rest at once.  Pure; any thread.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "discovery/base/error.h"

enum { WAVES_MAX = 8 };

struct waves {
    struct {
        unsigned size; /* 1 at least */
        bool percent;  /* of the machines; else machines */
    } items[WAVES_MAX];
    size_t count;
};

/* -EINVAL, with words. */
int waves_parse(const char *text, struct waves *ret, struct error *err);

/* The sizes of the waves among `total` machines, none of them 0, together at most `total`; a share
 * is rounded up.  Returns their sum. */
size_t waves_sizes(const struct waves *w, size_t total, size_t ret[static WAVES_MAX],
                   size_t *ret_count);
