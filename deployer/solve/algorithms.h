/*
 * pyDCOP's algorithms that a run of ours ends with, where they fit the problem.  Which of them a
 * version of pyDCOP has, only that version knows.
 */
#pragma once

#include <stddef.h>

enum { SOLVE_ALGORITHMS = 11 };

extern const char *const solve_algorithms[SOLVE_ALGORITHMS];
