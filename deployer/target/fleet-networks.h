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
 * that hold machines of the fleet, and each machine that is elsewhere; in order, none in another.
 * Beyond FLEET_NETWORKS_MAX their networks of 256 addresses take their place, then of 65,536.
 *
 * All machines of the targets' fleets that are accepted count (`known`; others are left out):
 * where SSH reached them last, and where their agents are.  So the text is the same for one target
 * and for all.  A target that is not known yet counts where a person says that it is, or on a link
 * of this computer: a record alone opens nothing.  -ENOMEM. */
int fleet_networks(const struct target *const *targets, size_t n_targets,
                   const struct state_machines *known, const struct links *links, struct text *ret);

/* Is the IPv4 address in one of these networks, as fleet_networks writes them, or as a
 * machine says what its agents reach ("localhost 192.0.2.5/24 198.51.100.7")? */
bool fleet_networks_have(const char *networks, const char *address);
