/*
 * The record of runs, in the state database.  Entries that cannot be written now
 * (the disk is full, another process keeps the database locked) are kept and written
 * later, so that no run is shown as running for ever.
 */
#pragma once

#include "deployer/state/state.h"

enum { RECORD_KEPT_MAX = 1024 }; /* further entries are lost */

struct record;

/* `state` is borrowed. */
int record_new(struct state *state, struct record **ret);

/* Writes what was kept, if it can be written now. */
void record_free(struct record *r);
DEFINE_CLEANUP(struct record *, record_free);

/* As state_run_result and state_run_end.  On failure the entry is kept.  While other
 * entries are kept, this one is kept, too, without a try and without an error. */
int record_result(struct record *r, int64_t run, const struct state_result *result,
                  struct error *err);
int record_end(struct record *r, int64_t run, enum run_status status, struct error *err);

/* Writes the kept entries in their order; `ended`, unless NULL, is called for each
 * run whose end is in the record now.  On failure the rest stays kept. */
int record_catch_up(struct record *r, void (*ended)(int64_t run, void *arg), void *arg,
                    struct error *err);
