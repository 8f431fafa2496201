/*
 * The machines of `solve`: whether they are ready for a run, and afterwards their logs and the
 * reasons of those that failed.
 */
#pragma once

#include <jansson.h>

#include "deployer/cli/facts.h"
#include "deployer/cli/program.h"
#include "deployer/doctor/pairs.h"
#include "deployer/solve/experiment.h"

enum { SOLVE_LOG_LINES = 500, SOLVE_LOG_MAX = 1024 * 1024 /* bytes of one machine */ };

/* One machine's log as it comes, and why it could not be asked. */
struct machine_log {
    struct text lines;
    char *last; /* its last line; NULL: none */
    char *why;
};

/* A value: start with {0}, solve_machines_clear. */
struct solve_machines {
    struct facts facts; /* by `status`; in the order of the targets, as are the others */
    struct pairs pairs; /* whether they reach each other */
    struct machine_log *logs;
    size_t count; /* of logs */
};

void solve_machines_clear(struct solve_machines *m);

/* Asks all machines for their status, and again while agents are at work: the run before may have
 * ended this moment.  Then also whether they reach each other and the orchestrator at `port`, where
 * their agents look for it from then on; 0: only for their status. It may be called again.  0, or a
 * negative errno.  `interrupted(arg)` is called before a signal ends the program meanwhile. */
int solve_machines_ask(struct program *p, struct solve_machines *m, unsigned port,
                       void (*interrupted)(void *), void *arg, struct error *err);

/* Whether machines, or a machine and the orchestrator at `port` here (0: none), cannot connect to
 * each other; appends a line for each then.  -ENOMEM; 1: so it is. */
int solve_machines_are_apart(const struct solve_machines *m, unsigned port, struct text *why);

/* Appends a line for each machine whose clock is wrong: so are the times in its log.  No run needs
 * clocks that agree: pyDCOP's messages carry no time, and what dcop-deploy tells is timed here. */
void solve_machines_clocks(const struct solve_machines *m, struct text *ret);

/* Whether the agents of that one of the machines can take part; if not, appends a line with the
 * reason and what to do.  `wanted`: the agents that it is to run; `digest`: of the bundle; `port`:
 * the orchestrator's; `address`: the one that a person gave for it, or NULL. */
bool solve_machine_is_ready(const struct facts *all, size_t machine, const struct strings *wanted,
                            const char *digest, unsigned port, const char *address,
                            struct text *why);

/* This computer's address as the agents have it; 127.0.0.1 where none says. */
void solve_machines_address(const struct solve_machines *m, char ret[static 16]);

/* Fetches the agents' logs into the experiment. */
int solve_machines_fetch_logs(struct program *p, struct solve_machines *m,
                              const struct experiment *e, struct error *err);

/* For the receipt: id, host, agents, hostkey, os, arch, python of each; and players, as many as
 * agents: its own agents, who are those in this run.  `players`, of each machine, may be NULL. */
json_t *solve_machines_json(const struct targets *targets, const struct strings *players,
                            const struct solve_machines *m);
