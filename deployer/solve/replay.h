/*
 * A receipt as the recipe of another run, and what differs between then and now.
 *
 * Pure but for replay_read; one thread.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>

#include "discovery/base/error.h"
#include "discovery/base/text.h"

enum { REPLAY_RECEIPT_MAX = 64 * 1024 * 1024 };

/* A value: replay_read, replay_clear. */
struct replay {
    json_t *receipt;           /* NULL: this is none */
    struct strings problem;    /* paths of its files, in their order */
    struct strings parameters; /* NAME:VALUE */
    struct strings agents;     /* that took part */
    const char *algorithm;     /* of the receipt, as are these */
    const char *distribution;  /* NULL: of a file */
    char *placement;           /* where each computation was, as YAML */
    char *scenario;            /* path of its scenario; NULL: none */
    double time_limit;         /* seconds */
    long seed;
    unsigned replicas; /* of each computation; 0: the run did not heal */
};

void replay_clear(struct replay *r);

/* Reads a receipt, or the one of a folder, and looks for the problem's files beside it.
 * -EBADMSG: it is none, or of a run that did not begin; -EINVAL: a file of the problem, or
 * the scenario, is not what it was; errors of file_read. */
int replay_read(const char *path, struct replay *ret, struct error *err);

/* What is not as it was: `ret_stops`, without which the run is another one, and `ret_notes`.
 * `now`: pydcop, layer, python and machines as a receipt of now has them.  -ENOMEM. */
int replay_compare(const json_t *receipt, const json_t *now, struct strings *ret_stops,
                   struct strings *ret_notes);

/* Whether the results are the same; else a sentence that says what differs first.  -ENOMEM. */
int replay_compare_results(const json_t *receipt, const json_t *result, bool *ret_same,
                           struct text *ret);
