/*
 * The machines that a deploy goes to first, with --canary.  They watch their agents
 * themselves, and go back without the controller (steps/canary.sh).
 */
#pragma once

#include "program.h"

/* Looks at all targets, and moves those that go first to the front: of the reachable ones that
 * `action` would change, or that are at it from an earlier run, the first by their agents' names.
 * `ret` is how many they are: 0 when none would change.  They get what their side needs to know.
 * The caller acts on all, with action.first. */
int canary_choose(struct program *p, const struct action *action, size_t *ret, struct error *err);
