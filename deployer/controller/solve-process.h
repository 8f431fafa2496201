/*
 * `dcop-deploy solve --json` as a child on the loop: its events as they come, the lines of its
 * stderr, and its end.
 *
 * What it prints may come from machines, so all is bounded: a line that is longer than
 * SOLVE_PROCESS_LINE_MAX, or no event, is counted and left out; no more is read at a time than
 * SOLVE_PROCESS_CHUNK, so that the loop has its turn and a child that prints faster waits.
 *
 * One thread: the loop's.
 */
#pragma once

#include <jansson.h>
#include <systemd/sd-event.h>

#include "deployer/solve/orchestrator.h"
#include "discovery/base/cleanup.h"
#include "discovery/base/error.h"

enum {
    /* Of an event: what the orchestrator may tell, and what `solve` adds.  Of stderr it is
     * LINE_SPLITTER_MAX. */
    SOLVE_PROCESS_LINE_MAX = ORCHESTRATOR_LINE_MAX + 1024 * 1024,
    SOLVE_PROCESS_CHUNK = 64 * 1024,
    SOLVE_PROCESS_STOP_MS = 60 * 1000, /* after SIGINT, until it is killed */
    /* The same when the service ends: more than agents have to stop (6 s, STOP_MAX of
     * pydcop_orchestrator.py) and a probe (3 s), less than TimeoutStopSec of the unit (30 s). */
    SOLVE_PROCESS_FREE_MS = 15 * 1000,
};

struct solve_process_options {
    const char *const *argv; /* NULL-terminated */
    const char *const *env;  /* NAME=VALUE in addition to ours; NULL: nothing */
    unsigned stop_ms;        /* 0: SOLVE_PROCESS_STOP_MS */
    /* An event: an object with a string `event`; borrowed. */
    void (*on_event)(const json_t *event, void *arg);
    /* A line of stderr: any bytes but NUL. */
    void (*on_words)(const char *line, void *arg);
    /* It has ended: status as in process_result.  `left_out`: lines that were no events, or too
     * long.  It may be freed in here. */
    void (*on_end)(int status, unsigned long left_out, void *arg);
    void *arg;
};

struct solve_process;

/* Starts it.  It ends as by Ctrl-C when the service dies; but under its systemd unit all of the
 * service is killed when the service crashes (KillMode=mixed), and then the run is lost. */
int solve_process_start(sd_event *loop, const struct solve_process_options *options,
                        struct solve_process **ret, struct error *err);

/* Ends it as Ctrl-C does, once: what it has is kept.  One that does not end is killed. */
void solve_process_stop(struct solve_process *p);

/* Ends it as Ctrl-C does, waits for its end for a moment, and kills it then. */
void solve_process_free(struct solve_process *p);
DEFINE_CLEANUP(struct solve_process *, solve_process_free);
