/* One call of `batch`, for the files of that verb. */
#pragma once

#include "deployer/batch/state.h"
#include "deployer/cli/program.h"
#include "solve-once.h"

struct batching {
    struct program *p;
    struct batch_plan plan;
    struct batch_state state;
    const char *file;
    const struct solve_cast *cast; /* the machines of the job that runs; NULL: those of its names */
    size_t failed;
    char seed[24]; /* of the job that runs */
};

/* Says that it begins. */
void batching_show_job(const struct batching *b, size_t job);

/* Does it.  0: it has a receipt, or *ret_signal stopped it; 1: the machines are not ready. */
int batching_do_job(struct batching *b, size_t job, int *ret_signal, struct error *err);

/* After its end: shows the result, and writes the table over all. */
int batching_end_job(struct batching *b, size_t job, struct error *err);
