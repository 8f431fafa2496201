/*
 * The process that runs pyDCOP's orchestrator: pydcop_orchestrator.py in the environment of a
 * run.  Because pyDCOP executes what its messages say, it has no privileges: for root it is nobody,
 * for another user it reads the system's programs and its own folder only, and writes to /tmp,
 * where the kernel has Landlock.
 *
 * It is told one request, a JSON object:
 *
 *     problem        the text of the problem's files
 *     agents         names of those that take part
 *     roles          name of an agent on its machine: the one of those that it is in the run, or
 *                    null: all have these names
 *     algorithm      null: it chooses, and says so;  parameters: ["NAME:VALUE"]
 *     distribution   a name, or null;  placement: the text of a file instead, or null
 *     port, time_limit (seconds), seed, about (for whoever asks whose run it is)
 *     replicas       of each computation, for a run that goes on when agents are lost; 0: it ends
 *     scenario       the text of a file, or null
 *
 * or instead of a run, for a problem of pyDCOP's generators (`generated`: text; or `refused`)
 *
 *     generate       what follows `pydcop generate`;  seed
 *
 * or to keep a port for runs at others, until its input ends (`held`: port; or `refused`)
 *
 *     hold, port, about
 *
 * and then "go ADDRESS" or "stop".  It tells events, JSON objects with the keys
 * `event` and `at` (seconds since it began):
 *
 *     prepared       algorithm, parameters, distribution, computations, variables, hosts
 *                    (computation: agent), notes, pydcop, python
 *     refused        reason, code (to exit with: 1, 2 or 3); the process ends
 *     listening      port
 *     registered     agent, address, count, of;  unregistered: agent
 *     started        computations, agents
 *     values         values (variable: value), those that have changed
 *     metrics        time, cycle, cost, violations, messages, bytes
 *     replicated     replicas, holders (computation: [agent])
 *     gone           agent, reason
 *     scenario       id (of its event), agents (that it removes)
 *     repaired       agents ([{agent, reason}]), moved ([{computation, from, to}]), took (seconds)
 *     alive, stopping
 *     result         status, reason, assignment, missing, cost, violations, cycles, messages,
 *                    bytes, time, and with replicas repairs ([as repaired, and the time of the
 *                    run]); the last one
 *
 * It tells something each second from "go" on; silence means that it hangs.  When its input
 * ends it stops the agents and ends by itself.
 *
 * One thread.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <systemd/sd-event.h>

#include "environment.h"

enum {
    ORCHESTRATOR_LINE_MAX = 16 * 1024 * 1024, /* bytes of an event */
    ORCHESTRATOR_LOG_MAX = 16 * 1024 * 1024,  /* bytes of the log; the rest is lost */
    ORCHESTRATOR_PREPARE_MS = 120 * 1000,
    ORCHESTRATOR_SILENT_MS = 20 * 1000,
    ORCHESTRATOR_END_MS = 3 * 1000, /* to end, after its output */
};

struct orchestrator;

/* `event`: borrowed; NULL: the process has ended, and `why` says how. */
typedef void orchestrator_listener(const json_t *event, const char *why, void *arg);

/* Starts the process; its log goes to the file `log`.  The request is not used any more. */
int orchestrator_start(const struct solve_environment *environment, const json_t *request,
                       const char *log, struct orchestrator **ret, struct error *err);

/* From here on the listener hears what there was and what comes.  A process that is silent for
 * too long is ended. */
int orchestrator_listen(struct orchestrator *o, sd_event *loop, orchestrator_listener *listener,
                        void *arg, struct error *err);

/* Whether the process has ended, which it tells the listener later. */
bool orchestrator_has_ended(const struct orchestrator *o);

/* "go ADDRESS", "stop".  What a process that has ended is told is lost. */
void orchestrator_say(struct orchestrator *o, const char *words);

/* Ends it at once. */
void orchestrator_free(struct orchestrator *o);
DEFINE_CLEANUP(struct orchestrator *, orchestrator_free);
