/*
 * The folder of a batch, which is all its state: a job is done when its folder has a receipt
 * that says so, so that a batch that was killed at any moment goes on where it was.
 *
 *     batch.json              the batch's file and the seed of its first iteration
 *     batch.yaml              the file, as it is
 *     lock                    held by who works in the folder
 *     jobs/NAME/…             an experiment each
 *     outputs/SHA256          the path of each file that the batch has generated elsewhere
 *     results.csv, plot.svg   of all that is done
 *
 * One thread.
 */
#pragma once

#include "table.h"

/* A value: start with {.lock = -1}, batch_state_clear. */
struct batch_state {
    char *folder;
    long seed;
    int lock;
    json_t **results; /* by job */
    size_t count;
};

void batch_state_clear(struct batch_state *s);

/* Makes the folder, or opens that of the same file; `seed` is used by a new one only, unless
 * `seed_given`.  -EINVAL: it is another file's, has another seed, or is no batch's and has
 * files that a batch would replace; -EALREADY: somebody works there. */
int batch_state_open(const char *folder, const char *file, long seed, bool seed_given,
                     struct batch_state *s, struct error *err);

/* Reads what there is of each job.  A receipt that cannot be read is an error: the run is not
 * to be made again. */
int batch_state_load(struct batch_state *s, const struct batch_plan *p, struct error *err);
/* Reads one again. */
int batch_state_reload(struct batch_state *s, const struct batch_plan *p, size_t job,
                       struct error *err);

/* The folder of a job, empty: what an earlier try has left is moved aside.  The caller frees it. */
int batch_state_begin(const struct batch_state *s, const struct batch_job *j, char **ret,
                      struct error *err);

/* After a try: with a receipt, what an earlier one has left is removed; without, it is put back. */
int batch_state_settle(const struct batch_state *s, const struct batch_job *j, struct error *err);

/* A job without a run: {"status", "reason"} and the like as its receipt; takes the reference. */
int batch_state_put(struct batch_state *s, const struct batch_plan *p, size_t job, json_t *receipt,
                    struct error *err);

/* A job that failed with `why` and the words in `err`: when its own files are at fault, puts that
 * as its receipt, "refused", and is 0, so that the batch goes on; else `why`. */
int batch_state_refuse(struct batch_state *s, const struct batch_plan *p, size_t job, int why,
                       struct error *err);

/* Before a generated problem is written: -EEXIST with words when there is a file that this batch
 * has not made; else it is the batch's from now on. */
int batch_state_claim(const struct batch_state *s, const char *output, struct error *err);

/* Writes results.csv and plot.svg, whole or not at all. */
int batch_state_write(const struct batch_state *s, const struct batch_plan *p, const char *title,
                      struct error *err);

size_t batch_state_done(const struct batch_state *s);
