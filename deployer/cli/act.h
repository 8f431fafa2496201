/*
 * A deployment carries one plan to many machines at once, records what happens
 * in the state database and shows it meanwhile: the executor's events go to
 * the database and to the progress model, and a machine's host key is pinned
 * once the machine has said over SSH that it has the id that was meant.
 *
 * Runs on the caller's loop and gives it back when all machines have ended.
 */
#pragma once

#include <systemd/sd-event.h>

#include "deployer/job/job.h"
#include "deployer/progress/progress.h"
#include "deployer/state/state.h"
#include "deployer/target/target.h"

/* What a machine says of itself, as it says it: a fact's key and value; at its
 * end "outcome", in the words of job_outcome_name, and "why" when it is none of
 * the good ones.  Lines of a command's output come as "stdout" and "stderr",
 * those of --diff as "diff"; the host
 * key that it showed, once it was acceptable, as "hostkey". */
typedef void deployment_listener(size_t machine, const char *key, const char *value, void *arg);

struct deployment {
    struct targets *targets;         /* moved into the jobs */
    const struct job_common *common; /* shared by all jobs */
    struct consent consent;          /* what a person has said of new machines */
    unsigned forks;
    struct state *state;
    struct state_run record; /* verb, spec, digest and files, borrowed by the call; verb NULL:
                                this is not recorded */
    struct progress *progress;
    deployment_listener *listener; /* may be NULL; machines are numbered as the targets */
    void *arg;
    bool ticking; /* the progress is a drawing: it wants its ticks */
};

/* Runs to the end.  `ret_signal` is the signal that interrupted it, or 0; the
 * machines that it left in the middle are then counted as interrupted.
 * 0, whatever became of the machines; negative when it could not begin. */
int deployment_run(struct deployment *d, sd_event *loop, int *ret_signal, struct error *err);
