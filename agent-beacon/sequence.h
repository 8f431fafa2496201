/*
 * The sequence numbers a machine's signed records, so that an old one is known
 * for what it is.  It only grows: over restarts, power cuts and wrong clocks.
 *
 * Numbers are reserved in blocks, in the file "seq" of the state folder, and a
 * block is on the disk before the first of it is used: what a killed beacon had
 * left of one is skipped.  Without that file it starts from the clock's seconds,
 * which records sent before have most likely not reached, one a second at most.
 *
 * A value; `trouble` is owned.  No loop, one thread.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "discovery/base/error.h"

enum { SEQUENCE_BLOCK = 64 };

struct sequence {
    char *path;
    bool keep;            /* else nothing is written */
    uint64_t next, limit; /* reserved: next … limit - 1 */
    char *trouble;        /* why the last block is not on the disk; NULL: it is */
};

/* Reserves a block, with `keep`.  -ENOMEM only. */
int sequence_init(struct sequence *s, const char *state_folder, bool keep, struct error *err);
void sequence_clear(struct sequence *s);

/* The next number, which is never 0.  What goes wrong is in `trouble`: a number
 * there is all the same. */
uint64_t sequence_next(struct sequence *s);
