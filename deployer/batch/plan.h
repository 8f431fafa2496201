/*
 * A batch as a list of jobs: pyDCOP's format for `pydcop batch` (commands/batch.py and
 * docs/usage/file_formats/batch_format.yaml of its 0.1.2a1), read and expanded.
 *
 * For each set, each of its files, each iteration, each batch, and each combination of values of
 * the batch's options, in the order in which they are written, there is one job.  Of the commands
 * `solve` and `generate` are known.  What the format does not allow and what is not supported is
 * refused with FILE:LINE:COLUMN.
 *
 * One thread.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "discovery/base/error.h"
#include "discovery/base/text.h"

enum {
    BATCH_FILE_MAX = 4 * 1024 * 1024,
    BATCH_JOBS_MAX = 20000,
    BATCH_FILES_MAX = 10000, /* of one set */
    BATCH_KEY_LENGTH = 16,
};

enum batch_command { BATCH_SOLVE, BATCH_GENERATE };

/* One of them. */
struct batch_job {
    enum batch_command command;
    char *set, *batch;
    char *problem; /* the name of its file, without the extension; "": it has none */
    unsigned iteration;
    struct strings files;
    struct strings options, values; /* those of the combination: "algo", "algo_params.variant" */

    /* Of `solve`. */
    char *algorithm, *distribution; /* NULL: chosen, as `solve` does */
    struct strings parameters;      /* NAME:VALUE */
    unsigned time_limit_ms;         /* 0: not given */
    long seed;

    /* Of `generate`. */
    struct strings arguments; /* "graph_coloring", "--variables_count", "3" … */
    char *output;             /* a path; NULL: none */

    char key[BATCH_KEY_LENGTH + 1]; /* of all of the above and of the files' contents */
    char *name;                     /* of its folder; ends with the key */
};

/* A value: batch_plan_read, batch_plan_clear. */
struct batch_plan {
    struct batch_job *jobs;
    size_t count, room;
    struct strings columns; /* the options that any job has */
    struct strings choices; /* those of them whose values differ among the jobs */
    struct strings notes;   /* what is in the file and is not used, for people */
};

/* Reads and expands it; files are looked for from the working directory, as pyDCOP does it.
 * `seed`: of iteration 0, for jobs that give none.  -EBADMSG and -EINVAL with words. */
int batch_plan_read(const char *file, long seed, struct batch_plan *ret, struct error *err);
void batch_plan_clear(struct batch_plan *p);

/* The job's value of an option; NULL: it has none. */
const char *batch_job_value(const struct batch_job *j, const char *option);
