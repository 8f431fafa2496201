/*
 * Ports of this computer, for orchestrators.
 */
#pragma once

#include "orchestrator.h"

/* Whether nobody listens there now, for IPv4. */
bool port_is_free(unsigned port);

/* The first free one from `first` on, of `count`, that is none of the `n` in `used`; 0: none. */
unsigned port_find(unsigned first, unsigned count, const unsigned *used, size_t n);

/* Keeps the port until orchestrator_free: whoever looks for a run there is told to wait, and who
 * wants to begin one is told that `about` (UTF-8) is on.  0; 1: somebody else listens there, and
 * *ret_why, the caller's, says who; or a negative errno. */
int port_hold(const struct solve_environment *environment, unsigned port, const char *about,
              struct orchestrator **ret, char **ret_why, struct error *err);
