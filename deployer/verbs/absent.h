/*
 * Absent machines: those that the controller has met before, that were selected,
 * and that are not there now.
 *
 * A value that owns its machines; one thread.
 */
#pragma once

#include "deployer/cli/program.h"
#include "deployer/state/state.h"

/* The machines of the record that are no targets: with -p, those that hold a name of the problem;
 * with -l, those that a pattern selects; of -f's fleet, if it is given.  None with -i, whose hosts
 * are all targets.  Call it after program_find_targets. */
int absent_find(struct program *p, struct state_machines *ret, struct error *err);
