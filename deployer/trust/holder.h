/*
 * The holder of an agent name: the machine that was accepted with it, and whose host key is
 * still the pinned one.  A newcomer that says the same name takes it from nobody.
 * One thread, the state's.
 */
#pragma once

#include "deployer/state/state.h"
#include "discovery/match/match.h"

/* For match_make; borrows the state.  What cannot be read has no holder. */
struct match_holders holders_of(struct state *s);
