/*
 * The body of a request to solve the problem: checked, and as options of `dcop-deploy solve`.
 * Nothing in it becomes a file's name.
 *
 * Pure; any thread.
 */
#pragma once

#include <jansson.h>

#include "discovery/base/error.h"
#include "discovery/base/text.h"

enum {
    SOLVE_REQUEST_NAME_MAX = 64,       /* bytes of an algorithm's or a distribution's name */
    SOLVE_REQUEST_PARAMETERS_MAX = 32, /* each of at most 200 bytes */
    SOLVE_REQUEST_TIME_LIMIT_S = 60,   /* if none is given */
    SOLVE_REQUEST_TIME_LIMIT_MAX_S = 7 * 24 * 3600,
};

/* A value: solve_request_read, solve_request_clear. */
struct solve_request {
    struct strings options; /* "--algo=mgm" … */
    json_t *shown; /* algorithm, distribution, seed, time_limit, heal; what is not given, but
                      for the seed and the time limit, is missing */
    bool partial;
};

void solve_request_clear(struct solve_request *r);

/* Reads it.  `seed`: the one that is used if none is given.  -EINVAL with a sentence that repeats
 * nothing of it; -ENOMEM. */
int solve_request_read(const json_t *body, long seed, struct solve_request *ret, struct error *err);
