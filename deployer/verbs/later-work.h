/*
 * Queuing machines that are away, and working the queue off in this process.
 */
#pragma once

#include "deployer/cli/program.h"

/* Queues a deploy of p->pack for these machines, and says so on stderr (with --json as events on
 * stdout).  Adds their ids to `ids`.  Errors of later_add. */
int later_work_queue(struct program *p, const struct targets *away, struct strings *ids,
                     struct error *err);

/* Waits until none of these machines (`only` NULL: no machine) is in the queue any more, and
 * deploys to those that appear.  0; an error where machines cannot be discovered, or the database
 * cannot be used: what is queued stays so. */
int later_work_run(struct program *p, const struct strings *only, struct error *err);
