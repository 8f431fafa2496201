/*
 * One run, as `solve` makes it: for the verbs that make one, or one after another.
 */
#pragma once

#include <jansson.h>

#include "deployer/cli/program.h"

/* What the run is: alone, one of several with other seeds, or a job of a batch.  Of the last two
 * the result is not shown in full; the experiment of a job is kept by its batch alone. */
enum solve_part { SOLVE_ALONE, SOLVE_REPEATED, SOLVE_JOB };

/* Machines that are chosen and identified: `agents` of each are of the problem, and `players`, as
 * many for each machine, the names of those who are them in the run.  Their orchestrator has a port
 * of its own. */
struct solve_cast {
    const struct targets *machines;
    const struct strings *players;
    unsigned port;
};

/* A value: start with {0}, solve_outcome_clear. */
struct solve_outcome {
    enum {
        SOLVE_NOT_READY, /* a machine, or this computer, is not: later it may be */
        SOLVE_REFUSED,   /* the problem, the algorithm and the rest do not fit */
        SOLVE_RAN,       /* the experiment is kept */
    } how;
    int signal;     /* that stopped it; 0: none */
    char *reason;   /* why it has no result; may be NULL */
    json_t *result; /* of a run that is kept (solve_result); else NULL */
    char *folder;   /* of its experiment; likewise */
};

/* That of --seed, or one that is drawn: INT_MAX / 2 at most, so that there are others after it. */
long solve_seed(const struct deploy_options *o);

void solve_outcome_clear(struct solve_outcome *o);

/* Where agents look for the orchestrator, if they are told of no other port: that of
 * --orchestrator. */
unsigned solve_port(const struct deploy_options *o);

/* Finds the machines of p->options, or takes those of `cast`, which may be NULL, runs the problem
 * on them, and keeps the experiment. 0: a result; 1 to 3: none, which was told, as the exit code of
 * `solve`; a negative errno with words. */
int solve_once(struct program *p, enum solve_part part, const struct solve_cast *cast,
               struct solve_outcome *ret, struct error *err);
