/*
 * Which machines are selected: the parts of program_find_targets.
 */
#pragma once

#include "program.h"

/* Applies --limit.  `ret_short` is set when an agent was chosen that has no machine (or
 * several), `ret_open` when the patterns could choose machines that were not found, too;
 * each may be NULL.
 * -EINVAL with words for a pattern that names nothing. */
int choose_limited(const struct strings *limits, struct targets *targets, const struct match *match,
                   bool *ret_short, bool *ret_open, struct error *err);

/* With --resume: keeps the machines that the last run did not finish.  It reports one
 * that cannot be found, and continues with the others; 1 when none is found. */
int choose_left(struct program *p);

/* The hosts of -i, with the agents that a person has named there.  Warns on stderr of
 * settings of the file that are not used.  Each host has the passwords that the file
 * gives it, unless a person gave one for the run.  With -p, those that the match keeps; 1: it
 * says no, which is told.  Errors of hosts_read and secret_new. */
int choose_by_inventory(struct program *p, struct error *err);

/* Looks for machines without a beacon, too. */
int choose_fleet_with_candidates(const struct program *p, struct fleet **ret, struct error *err);

/* The machines without a beacon whose host name, address or MAC address matches a pattern, as
 * for --limit; 1 when there are none at all, which is told.  -EINVAL with words for a pattern that
 * matches nothing. */
int choose_candidates(struct program *p, const struct strings *patterns, struct error *err);

/* Adds a target for "[USER@]HOST[:PORT]", looked up within the timeout of SSH.
 * What resolve_host and destination_parse say; -ENOMEM. */
int choose_address(struct program *p, const char *place, struct error *err);

/* With --later, p->away: the machines of the match's agents that are missing or offline.
 * `ret_lone`: those agents that nobody holds who can be waited for: a machine whose host key is
 * pinned, and that is not there under other names. */
int choose_away_of_match(struct program *p, const struct match *match,
                         const struct machine *const *machines, size_t n, struct strings *ret_lone,
                         struct error *err);

/* The same for -l alone: all machines whose host key is pinned and that are not there. */
int choose_away_known(struct program *p, const struct machine *const *machines, size_t n,
                      struct error *err);

/* As choose_limited, on p->targets and p->away. */
int choose_limited_with_away(struct program *p, const struct match *match, bool *ret_short,
                             bool *ret_open, struct error *err);

/* Says which agents nothing is queued for. */
void choose_tell_lone(const struct strings *lone);
