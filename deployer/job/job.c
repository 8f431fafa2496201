/* A job from its first try to its end; declared in job.h. */
#include "attempt.h"
#include "push.h"

void job_run(const struct job *job, struct stop_fds stop, job_listener *listener, void *arg)
{
    CLEANUP(unfetched_clear) struct unfetched unfetched = {0};
    struct error err = {0};
    enum job_outcome outcome =
        job_run_part(job, stop, listener, arg, job->common->push ? &unfetched : NULL, &err);

    if (outcome == JOB_FAILED && unfetched.step)
        outcome = job_push(job, stop, listener, arg, &unfetched, &err);
    listener(&(struct job_event){.kind = JOB_DONE, .outcome = outcome, .text = err.text}, arg);
}
