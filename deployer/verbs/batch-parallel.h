/*
 * `batch --parallel`: several jobs at once.  Each is a process of its own (fork), has machines that
 * no other has, and its orchestrator a port of its own; it ends with this process.
 */
#pragma once

#include "batch-private.h"

enum {
    BATCH_PARALLEL_MAX = 100,         /* jobs at once */
    BATCH_PARALLEL_PORTS_AFTER = 100, /* the first of their ports is so far after the usual one */
};

/* Does all jobs that are not done, in their order, at most `most` at once, as machines are free.
 * 0; 1: the machines are not ready for what is left; *ret_signal: what stopped it. */
int batch_parallel(struct batching *b, unsigned most, int *ret_signal, struct error *err);
