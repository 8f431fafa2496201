/*
 * `solve --repeat`: the same run with other seeds.
 */
#pragma once

#include "deployer/cli/program.h"

enum { SOLVE_REPEAT_MAX = 1000 };

/* Runs the problem p->options.repeat times, with the seed of --seed (or a drawn one) and those
 * after it; with --output each in a folder of its own in there, seed-N.  A run without a result is
 * told, and the next begins; one that is refused, or whose machines are not ready, ends all.  0:
 * each has a result; else as solve_once.  *ret_signal: what stopped it; 0: nothing. */
int solve_repeat(struct program *p, int *ret_signal, struct error *err);
