/*
 * The fleet: the machines that can be deployed to, from the network or from a saved
 * roster.
 */
#pragma once

#include "discovery/match/match.h"
#include "discovery/problem/problem.h"
#include "discovery/roster/candidates.h"

struct fleet;

/* Where to look for machines; borrowed as long as the fleet exists. */
struct fleet_options {
    const char *from;       /* a saved roster, "-" is standard input; NULL: the network */
    const char *fleet;      /* only this fleet; NULL: all */
    const char *known;      /* as of struct discovery_options */
    const char *domain;     /* asked by unicast DNS, beside the link; NULL: none */
    const char *config_dir; /* the fleet key's folder; NULL: the user's */
    unsigned timeout_ms;
    bool candidates; /* machines without a beacon, too; not with `from` or a problem */
    bool patient;    /* look longer than that while machines still answer for the first time */
};

/* Looks for machines until all of the problem's agents are found (`problem` NULL: until
 * no more machines appear), or for options->timeout_ms.  Errors of look_run and
 * report_roster_read, such as -EBADMSG for an invalid roster, -ENOTCONN without an Avahi
 * daemon; -EREMOTEIO where no machine is seen and the domain could not be asked. */
int fleet_find(const struct fleet_options *options, const struct problem *problem,
               struct fleet **ret, struct error *err);
void fleet_free(struct fleet *f);
DEFINE_CLEANUP(struct fleet *, fleet_free);

/* The signal that ended the discovery, which is then incomplete; 0: none. */
int fleet_signal(const struct fleet *f);

/* Why there may be more machines, without a full stop; NULL: there are no more. */
const char *fleet_why_short(const struct fleet *f);

/* The machines without a beacon, if they were looked for (see discovery_candidates), and
 * whether there may be more of them.  -ENOMEM. */
int fleet_candidates(const struct fleet *f, struct candidate_list *ret, bool *ret_more);

/* Valid until fleet_free. */
const struct machine *const *fleet_machines(struct fleet *f, size_t *ret_count);
