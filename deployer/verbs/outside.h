/*
 * Machines that the agents of another one may not talk to: its unit allows the networks that
 * it is in, and where the fleet was when it was deployed.
 */
#pragma once

#include "deployer/cli/facts.h"

#define OUTSIDE_ADVICE                                                                             \
    "which came after the last deploy, as a machine or a link; deploy to all machines again, "     \
    "which restarts nothing"

/* The first machine that the agents of `machine` may not talk to; NULL: none. */
const struct machine_facts *outside_find(const struct facts *f, size_t machine);

/* Appends that they may not talk to it. */
void outside_tell(const struct machine_facts *other, struct text *ret);

/* Of the facts by `status`: whether the agents of `machine` may reach those of all others; if
 * not, appends the first that they may not, and what to do, without a full stop.  A machine
 * that did not say counts as one that may, and as one that may be reached. */
bool outside_none(const struct facts *f, size_t machine, struct text *why);
