#include "algorithms.h"

/* ncbb is left out: pyDCOP's is unfinished. */
const char *const solve_algorithms[SOLVE_ALGORITHMS] = {
    "dpop", "mgm", "mgm2", "dsa", "adsa", "mixeddsa", "maxsum", "amaxsum", "dba", "gdba", "syncbb",
};
