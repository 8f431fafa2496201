/*
 * A job whose machine reaches no source of packages: its step `fetch` has
 * failed, before anything was changed.  Then this controller reads what the
 * machine has (mode `sources`), fetches what it lacks, pushes it (mode `push`)
 * and runs the job again, with the folder where it is.
 *
 * In the job's own thread.
 */
#pragma once

#include "attempt.h"

/* The failure of that step, kept back as long as there is a way around it.  A value:
 * start with {0}. */
struct unfetched {
    char *step; /* NULL: it has not failed */
    struct text detail, lines;
};

void unfetched_clear(struct unfetched *u);

/* True: the event is that failure, or what follows from it, and is not to be told now. */
bool unfetched_takes(struct unfetched *u, const struct stepwire_event *event);

enum job_outcome job_push(const struct job *job, struct stop_fds stop, job_listener *listener,
                          void *arg, const struct unfetched *unfetched, struct error *err);

/* job.c: one run of a job, without its last event.  `unfetched` may be NULL. */
enum job_outcome job_run_part(const struct job *job, struct stop_fds stop, job_listener *listener,
                              void *arg, struct unfetched *unfetched, struct error *err);
