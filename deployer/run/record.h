/*
 * The record of the service's runs, in the state database.  What that does not
 * take (its disk is full, another process keeps it locked) is kept, and written
 * when it does: so that no run is said to go on for ever.
 */
#pragma once

#include "deployer/state/state.h"

enum { RECORD_KEPT_MAX = 1024 }; /* what comes then is lost */

struct record;

/* `state` is borrowed. */
int record_new(struct state *state, struct record **ret);

/* Writes what was kept, if it can be written now. */
void record_free(struct record *r);
DEFINE_CLEANUP(struct record *, record_free);

/* As state_run_result and state_run_end.  On failure it is kept.  While others
 * are kept it is, too, without a try and without failure. */
int record_result(struct record *r, int64_t run, const struct state_result *result,
                  struct error *err);
int record_end(struct record *r, int64_t run, enum run_status status, struct error *err);

/* Writes what was kept, in its order; `ended`, unless NULL, hears of each run
 * whose end is in the record now.  On failure the rest is kept on. */
int record_catch_up(struct record *r, void (*ended)(int64_t run, void *arg), void *arg,
                    struct error *err);
