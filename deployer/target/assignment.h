/*
 * Assignment: gives the missing names, which are names of the problem that no machine
 * has, to machines without a name.
 *
 * First a machine gets back the name that it had before.  Then a machine whose host
 * name equals a missing name gets that name.  The rest is assigned in order: the names
 * as in the problem, the machines by host name (rpi-2 before rpi-10).  If, by the
 * controller's record, an absent machine still has a name, the name is reserved for it,
 * because it may only be switched off.
 *
 * Pure; any thread.  Everything in the result is borrowed from the arguments.
 */
#pragma once

#include "deployer/state/state.h"
#include "discovery/match/match.h"

enum assignment_reason {
    ASSIGNMENT_HELD, /* it had this name before */
    ASSIGNMENT_HOST, /* its host name is that name */
    ASSIGNMENT_NEXT, /* it was its turn */
};
const char *assignment_reason_text(enum assignment_reason reason);

struct assignment {
    const struct machine *machine;
    const char *agent;
    enum assignment_reason reason;
};

/* A value; assignments_clear. */
struct assignments {
    struct assignment *items;
    size_t count;
    const struct state_name **reserved; /* missing names that an absent machine holds */
    size_t n_reserved;
    const char **left; /* missing names for which there is no machine */
    size_t n_left;
    const struct machine **idle; /* machines for which there is no name */
    size_t n_idle;
};

void assignments_clear(struct assignments *a);

/* `names`: the controller's record of the fleet's names.  -ENOMEM. */
int assignments_plan(const struct match *match, const struct state_names *names,
                     struct assignments *ret);
