/*
 * A run of one machine, as runner_begin makes it, without a thread and a loop: what the job
 * tells goes in, and into the state.  For fuzz targets: aborts when it cannot be made.
 */
#pragma once

#include "deployer/run/private.h"

struct lone_run {
    struct runner runner;
    struct member *members[1];
    struct run *run; /* until its last event */
    int64_t number;  /* in the record */
};

/* `state` outlives it.  Begins the record; `t` is copied. */
void lone_run_begin(struct lone_run *l, struct state *state, const struct target *t,
                    struct consent consent);

void lone_run_hear(struct lone_run *l, const struct job_event *event);

/* After JOB_DONE. */
void lone_run_end(struct lone_run *l);
