/*
 * Which machines are meant: the parts of program_find_targets.
 */
#pragma once

#include "program.h"

/* Applies --limit.  `ret_short` is set when an agent was chosen that has no machine (or
 * several).  -EINVAL with words for a pattern that names nothing. */
int choose_limited(const struct strings *limits, struct targets *targets, const struct match *match,
                   bool *ret_short, struct error *err);

/* With --resume: leaves the machines that the last run did not finish.  One that is not
 * there is told, and is no reason to let the others wait: 1 when none is there. */
int choose_left(struct program *p);

/* The hosts of -i, with the agents that it names: a person's word.  What the file says
 * and is not used is told on stderr.  Each host has the passwords that the file gives it,
 * unless a person gave the run one.  1: they are not the problem's, which is told.  What
 * hosts_read and secret_new say. */
int choose_by_inventory(struct program *p, struct error *err);

/* Adds a target for "[USER@]HOST[:PORT]", looked up within the timeout of SSH.
 * What resolve_host and destination_parse say; -ENOMEM. */
int choose_address(struct program *p, const char *place, struct error *err);
