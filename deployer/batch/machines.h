/*
 * The machines of a batch that does several jobs at once: who takes part in which job, and as which
 * agent of its problem.
 *
 * Pure; one thread.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "discovery/base/text.h"

struct batch_machine {
    struct strings names; /* of its agents */
    bool busy;            /* with another job */
    /* What batch_machines_cast chose: of its names those that take part, and beside each the agent
     * of the problem that it is in the run. */
    struct strings players, roles;
};

void batch_machines_clear(struct batch_machine *m, size_t count);

/* Gives each agent a machine that is not busy: the one of this name, else, in the order of the
 * machines, one with a name to spare.  A name that two machines have is used once.  1: chosen;
 * 0: they are too few, and none is chosen; -ENOMEM. */
int batch_machines_cast(struct batch_machine *m, size_t count, const struct strings *agents);
