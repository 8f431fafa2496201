/*
 * Whether the machines of a run reach each other's agents, and the orchestrator: each is told
 * where the others are, tries them all at once (steps/tools/connect.py), and says which it cannot
 * connect to.  Agents are reached from this computer, too: job/reach.h.
 *
 * Pure; one thread at a time.
 */
#pragma once

#include "deployer/target/target.h"
#include "discovery/base/text.h"

enum { PAIRS_NAMED = 2 /* machines that cannot connect to the same one; then, their number */ };

struct pair_end;

/* A value: pairs_init, pairs_clear. */
struct pairs {
    struct pair_end *ends; /* in the order of the targets */
    size_t count;
};

/* -ENOMEM. */
int pairs_init(struct pairs *p, const struct targets *targets);
void pairs_clear(struct pairs *p);

/* Appends the lines for the machine's side; `port`: the orchestrator of a run that its agents are
 * to find listens there, or will in a moment; 0: none. */
void pairs_settings(const struct pairs *p, unsigned port, struct text *ret);

/* Takes what the machine said of itself: its facts.  Forgets what it said before.  `reached`: this
 * computer connects to its agents, or does not know; else that is what is wrong with it.
 * -ENOMEM. */
int pairs_hear(struct pairs *p, size_t machine, const struct strings *keys,
               const struct strings *values, bool reached);

/* Whether agents listen at another address than was tried: the machines are to be asked again,
 * with that one.  An address that this computer does not connect to is left out: one machine does
 * not send all others anywhere. */
bool pairs_have_moved(struct pairs *p);

/* A machine that cannot be reached, or cannot reach: clauses as in a finding. */
typedef void pairs_listener(size_t machine, const char *wrong, const char *proof,
                            const char *advice, void *arg);

/* Tells what is wrong.  `port`: the orchestrator's; 0: it does not listen.  A machine whose agents
 * do not listen, which has another reason, is not judged; nor are two of which one's unit does not
 * let it talk to the other. -ENOMEM. */
int pairs_judge(const struct pairs *p, unsigned port, pairs_listener *listener, void *arg);
