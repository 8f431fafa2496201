/*
 * The clocks of a fleet beside this computer's: which of them is to be doubted.
 * Pure; no ownership.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct clock_vote {
    bool counts;       /* the machine was reached */
    bool synchronised; /* by NTP, as it says itself */
    int64_t ahead_s;   /* of this computer's clock; negative: behind it; 0: no more than slack */
};

/* Is this computer's clock the one to doubt?  Yes if the median of the synchronised
 * machines is off; without any, if the median of at least two machines is ahead: a board
 * without a battery starts behind, never ahead.  *ret_ahead_s: the median. */
bool clocks_doubt_ours(const struct clock_vote *votes, size_t count, int64_t *ret_ahead_s);
