/*
 * A job whose machine cannot reach any source of packages: its step `fetch` has
 * failed, before anything was changed.  Then this controller reads what the
 * machine has (mode `sources`), fetches what it lacks, pushes it (mode `push`)
 * and runs the job again, with the folder where it is.
 *
 * In the job's own thread.
 */
#pragma once

#include "job.h"
#include "unfetched.h"

enum job_outcome job_push(const struct job *job, struct stop_fds stop, job_listener *listener,
                          void *arg, const struct unfetched *unfetched, struct error *err);
