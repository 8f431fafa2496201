#include "attempt.h"

static const char *const outcome_names[] = {
    [JOB_OK] = "ok",
    [JOB_CHANGED] = "changed",
    [JOB_WOULD_CHANGE] = "would change",
    [JOB_FAILED] = "failed",
    [JOB_REFUSED] = "refused",
    [JOB_UNREACHABLE] = "unreachable",
    [JOB_CANCELLED] = "cancelled",
};

const char *job_outcome_name(enum job_outcome outcome)
{
    return outcome_names[outcome];
}

void job_clear(struct job *job)
{
    target_clear(&job->target);
    known_machine_clear(&job->known);
    *job = (struct job){0};
}

void job_tell(struct job_run *run, const struct job_event *event)
{
    run->listener(event, run->arg);
}
