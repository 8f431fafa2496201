/*
 * Clocks in milliseconds.  Any thread.
 */
#pragma once

#include <stdint.h>
#include <time.h>

/* What clock_gettime(2) says; the clock must be one that every system has. */
int64_t clock_ms(clockid_t clock);
