/*
 * A sequence gives a machine's signed records their numbers, so that readers
 * recognise an old record. It only grows, across restarts, power cuts and wrong
 * clocks.
 *
 * Numbers are reserved in blocks, in the file "seq" of the state folder, and a
 * block is on the disk before its first number is used: the rest of a killed
 * beacon's block is skipped.  Without that file it starts from the clock's
 * seconds, which earlier records, at most one a second, have most likely not
 * reached.
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

/* The next number, which is never 0.  A failure is reported in `trouble`; the
 * number can still be used. */
uint64_t sequence_next(struct sequence *s);
