/*
 * The fleet is the machines that could be deployed to: from the network, until
 * the problem's question is answered, or from a saved roster.
 */
#pragma once

#include "deployer/options/options.h"
#include "discovery/match/match.h"
#include "discovery/problem/problem.h"

struct fleet;

/* Looks for machines until all of the problem's agents are there (`problem`
 * NULL: until no more turn up), or for options->discovery_ms.
 * What look_run and report_roster_read say: -EBADMSG for a bad roster,
 * -ENOTCONN without an Avahi daemon. */
int fleet_find(const struct deploy_options *options, const struct problem *problem,
               struct fleet **ret, struct error *err);
void fleet_free(struct fleet *f);
DEFINE_CLEANUP(struct fleet *, fleet_free);

/* The signal that ended the looking, which is then incomplete; 0: none. */
int fleet_signal(const struct fleet *f);

/* Valid until fleet_free. */
const struct machine *const *fleet_machines(struct fleet *f, size_t *ret_count);
