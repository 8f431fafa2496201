/*
 * The executor runs jobs on machines in parallel: one thread and one SSH
 * session each, up to `forks` at once.
 *
 * A job moves into its thread by value; what happens there comes back through
 * one queue and is told on the loop's thread, in the order of each machine's
 * own events.  Jobs can be added at any time, also from within the listener,
 * so a service can keep one executor for as long as it runs.
 */
#pragma once

#include <systemd/sd-event.h>

#include "deployer/job/job.h"
#include "discovery/base/cleanup.h"

struct executor;

/* `index` is what executor_add returned. */
typedef void executor_listener(size_t index, const struct job_event *event, void *arg);

int executor_new(sd_event *loop, unsigned forks, executor_listener *listener, void *arg,
                 struct executor **ret, struct error *err);

/* Cancels running jobs and waits for their threads.  That is short, as each thread
 * watches the cancel descriptor wherever it waits. */
void executor_free(struct executor *e);
DEFINE_CLEANUP(struct executor *, executor_free);

/* Takes the job over (`job` is emptied) and starts it as soon as a place is
 * free; at the latest when the loop runs.  -ENOMEM. */
int executor_add(struct executor *e, struct job *job, size_t *ret_index);

/* Lets running jobs end after the running step, and ends waiting and connecting
 * ones at once; each still tells JOB_DONE. */
void executor_stop(struct executor *e);

/* Ends running jobs soon and waiting ones at once; each still tells JOB_DONE. */
void executor_cancel(struct executor *e);

/* No job waits or runs. */
bool executor_idle(const struct executor *e);
