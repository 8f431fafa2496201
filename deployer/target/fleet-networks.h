/*
 * Where a fleet is, for the agents' units: they may talk to these networks and to those
 * that their own machine is in, and to nobody else.
 *
 * Pure; any thread.
 */
#pragma once

#include "deployer/state/state.h"
#include "discovery/network/links.h"
#include "target.h"

enum { FLEET_NETWORKS_MAX = 512 };

/* Adds "192.0.2.0/24,198.51.100.7/32", IPv4 as pyDCOP is: the networks of this computer
 * that hold machines of the fleet, and each machine that is elsewhere.  Beyond
 * FLEET_NETWORKS_MAX their networks of 256 addresses take their place, then of 65,536.
 *
 * A machine elsewhere counts where SSH reached it last (`known`), or where a person says
 * that it is: a record alone opens nothing.  `known` may hold other fleets' machines, too,
 * which are left out. */
void fleet_networks(const struct target *const *targets, size_t n_targets,
                    const struct state_machines *known, const struct links *links,
                    struct text *ret);

/* Is the IPv4 address in one of these networks, as fleet_networks writes them, or as a
 * machine says what its agents reach ("localhost 192.0.2.5/24 198.51.100.7")? */
bool fleet_networks_have(const char *networks, const char *address);
