/*
 * One run, as `solve` makes it: for the verbs that make one, or one after another.
 */
#pragma once

#include "deployer/cli/program.h"

/* A value: start with {0}, solve_outcome_clear. */
struct solve_outcome {
    enum {
        SOLVE_NOT_READY, /* a machine, or this computer, is not: later it may be */
        SOLVE_REFUSED,   /* the problem, the algorithm and the rest do not fit */
        SOLVE_RAN,       /* the experiment is kept */
    } how;
    int signal;   /* that stopped it; 0: none */
    char *reason; /* why it has no result; may be NULL */
};

void solve_outcome_clear(struct solve_outcome *o);

/* Finds the machines of p->options, runs the problem on them, and keeps the experiment.
 * `brief`: one of many, whose results are not shown in full.  0: a result; 1 to 3: none, which was
 * told, as the exit code of `solve`; a negative errno with words. */
int solve_once(struct program *p, bool brief, struct solve_outcome *ret, struct error *err);
