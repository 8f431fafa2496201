/* The reader of problem files: any bytes, no crash, and an error has words. */
#include <stdio.h>
#include <stdlib.h>

#include "discovery/problem/problem.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLEANUP_PROBLEM struct problem p = PROBLEM_INIT;
    struct error err = {0};
    int r = problem_parse("input", data, size, &p, &err);

    if (r < 0 ? (err.code != r || !*err.text || p.agents.count > 0) : p.agents.count == 0)
        abort();
    return 0;
}
