/*
 * The machines that a deploy goes to first, with --canary, in waves.  They watch their agents
 * themselves, and go back without the controller (steps/canary.sh).
 */
#pragma once

#include "deployer/options/waves.h"
#include "program.h"

/* Looks at all targets, and moves those that go first to the front: of the reachable ones that
 * `action` would change, or that are at it from an earlier run, the first by their agents' names.
 * `ret` has the sizes of the waves; there is none when none would change.  They get what their side
 * needs to know.  The caller acts on all, with action.waves. */
int canary_choose(struct program *p, const struct action *action, size_t ret[static WAVES_MAX],
                  size_t *ret_count, struct error *err);
