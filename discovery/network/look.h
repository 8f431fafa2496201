/*
 * A look at the network: discovery run until what was asked is known, or, to
 * watch, until a signal.  Blocks in an sd-event loop of its own; one at a time
 * in a process (it takes SIGINT, SIGTERM, SIGHUP and, to watch, SIGWINCH).
 */
#pragma once

#include <stdbool.h>

#include "discovery/cli/discover.h"
#include "discovery/problem/problem.h"
#include "discovery/roster/roster.h"

struct look;

/* `problem` NULL: none.  Both are borrowed for the look's life.
 * 0 and a look that is over, whose roster holds what was seen; or with words:
 * -ENOTCONN when there is no daemon, -ETIMEDOUT when it does not answer, else
 * what the system says.  `ret` is set whenever it could be made. */
int look_run(const struct discover_options *options, const struct problem *problem,
             struct look **ret, struct error *err);
void look_free(struct look *l);
DEFINE_CLEANUP(struct look *, look_free);

const struct machine *const *look_machines(struct look *l, size_t *ret_count);
int look_signal(const struct look *l); /* the signal that ended it; 0: none */
size_t look_unreadable(const struct look *l);
/* Records that were seen, but not resolved when time was up: there is more. */
size_t look_unresolved(const struct look *l);
bool look_too_many(const struct look *l); /* more than fit: some are not in the roster */
