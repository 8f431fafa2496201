#include "act.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>

#include "deployer/run/executor.h"

/* One machine's part. */
struct member {
    char *host, *agents;
    char fingerprint[JOB_FINGERPRINT_MAX]; /* of the host key it has shown */
    struct target target;                  /* a copy, to learn from */
    struct known known;                    /* likewise */
    bool learnt, has_id;                   /* has_id: it has said that it has one */
    bool stopped;                          /* between two steps, as it was told */
    bool step_failed;                      /* the progress knows why it failed */
    char step[STEPWIRE_NAME_MAX + 1];      /* that is at work there */
    int64_t step_started_ms;
};

struct running {
    struct deployment *d;
    sd_event *loop;
    struct executor *executor;
    struct member *members; /* by job */
    size_t n_members, left;
    int64_t run;
    bool looks_only; /* what checks find is all there will be */
    int signal;
    bool cancelled;
    sd_event_source *tick, *stop[2], *resize;
};

static int64_t clock_ms(clockid_t clock)
{
    struct timespec t;

    (void)clock_gettime(clock, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static uint64_t now_ms(void)
{
    return (uint64_t)clock_ms(CLOCK_MONOTONIC);
}

static void show(struct running *r, size_t index, enum progress_kind kind, const char *detail)
{
    progress_event(r->d->progress,
                   &(struct progress_event){.machine = index, .kind = kind, .detail = detail},
                   now_ms());
}

/* A result that cannot be recorded stops no deployment: the machine itself
 * knows what was done, and a repeat looks there. */
static void record(struct running *r, size_t index, const char *step, const char *status,
                   const char *detail, const char *output)
{
    struct member *m = &r->members[index];
    char key[TARGET_KEY_MAX];
    struct error err;
    struct state_result result = {
        .machine = (char *)target_key(&m->target, key),
        .host = m->host,
        .agent = m->agents,
        .step = (char *)step,
        .status = (char *)status,
        .detail = (char *)detail,
        .output = (char *)output,
        .started_ms = m->step_started_ms,
        .ended_ms = clock_ms(CLOCK_REALTIME),
    };

    if (!r->d->record.verb)
        return;
    if (state_run_result(r->d->state, r->run, &result, &err) < 0)
        show(r, index, PROGRESS_NOTE, err.text);
}

/* It has said over SSH that it is the machine that was meant. */
static void learn(struct running *r, size_t index)
{
    struct member *m = &r->members[index];
    struct error err;

    if (m->learnt || !*m->fingerprint)
        return;
    m->learnt = true;
    if (known_learn(r->d->state, &m->target, &m->known, m->fingerprint, &err) < 0)
        show(r, index, PROGRESS_NOTE, err.text);
}

static void hear(struct running *r, size_t index, const char *key, const char *value)
{
    if (r->d->listener)
        r->d->listener(index, key, value, r->d->arg);
}

#define STOPPING "stopping after %s, which is at work; Ctrl-C again leaves at once"

static void tell_of_step(struct running *r, size_t index, const char *what)
{
    char words[STEPWIRE_NAME_MAX + 100];

    (void)snprintf(words, sizeof(words), what, r->members[index].step);
    show(r, index, PROGRESS_NOTE, words);
}

static void on_step(struct running *r, size_t index, const struct stepwire_event *step)
{
    struct member *m = &r->members[index];
    struct progress_event event = {
        .machine = index,
        .number = step->number,
        .step = step->name,
        .detail = step->detail,
        .lines = step->lines,
        .result = (enum progress_result)step->status, /* the same order */
    };

    switch (step->kind) {
    case STEPWIRE_FACT:
        m->has_id = m->has_id || strcmp(step->name, "id") == 0;
        if (strcmp(step->name, "id") == 0 && string_equal(m->target.id, step->detail))
            learn(r, index);
        hear(r, index, step->name, step->detail);
        return;
    case STEPWIRE_PLAN:
        /* All facts have come: what has no beacon is known by its host key. */
        if (!m->target.id && !m->has_id)
            learn(r, index);
        event.kind = PROGRESS_PLAN;
        break;
    case STEPWIRE_START:
        event.kind = PROGRESS_START;
        (void)snprintf(m->step, sizeof(m->step), "%s", step->name);
        m->step_started_ms = clock_ms(CLOCK_REALTIME);
        break;
    case STEPWIRE_RESULT:
        event.kind = PROGRESS_RESULT;
        *m->step = '\0';
        m->stopped = m->stopped || (step->status == STEP_SKIPPED && !m->step_failed);
        m->step_failed = m->step_failed || step->status == STEP_FAILED;
        record(r, index, step->name, step_status_name(step->status), step->detail, step->lines);
        m->step_started_ms = clock_ms(CLOCK_REALTIME);
        break;
    case STEPWIRE_CHECK:
        if (!r->looks_only || step->status != STEP_CHANGE)
            return;
        event.kind = PROGRESS_RESULT;
        break;
    case STEPWIRE_BUSY:
    case STEPWIRE_REFUSED: /* told once, as why the job ended */
    case STEPWIRE_HELLO:
    case STEPWIRE_ALIVE:
    case STEPWIRE_WANT:
    case STEPWIRE_END:
    case STEPWIRE_STREAM:
        return;
    case STEPWIRE_DIFF:
        hear(r, index, "diff", step->detail);
        return;
    case STEPWIRE_NOTE:
        event.kind = PROGRESS_NOTE;
        break;
    }
    progress_event(r->d->progress, &event, now_ms());
    /* It had begun when Ctrl-C was pressed, and the news was on its way. */
    if (step->kind == STEPWIRE_START && r->signal == SIGINT && !r->cancelled)
        tell_of_step(r, index, STOPPING);
}

static void on_done(struct running *r, size_t index, const struct job_event *event)
{
    static const enum progress_kind ends[] = {
        [JOB_OK] = PROGRESS_DONE,           [JOB_CHANGED] = PROGRESS_DONE,
        [JOB_WOULD_CHANGE] = PROGRESS_DONE, [JOB_FAILED] = PROGRESS_BROKEN,
        [JOB_REFUSED] = PROGRESS_BROKEN,    [JOB_UNREACHABLE] = PROGRESS_UNREACHABLE,
        [JOB_CANCELLED] = PROGRESS_NOTE,
    };
    struct member *m = &r->members[index];

    record(r, index, "", job_outcome_name(event->outcome), event->text, NULL);
    hear(r, index, "outcome", job_outcome_name(event->outcome));
    if (*event->text)
        hear(r, index, "why", event->text);
    *m->step = '\0';
    /* What was cut off is "interrupted": progress_finish says so of machines
     * that have not ended. */
    if (event->outcome == JOB_FAILED && m->step_failed)
        show(r, index, PROGRESS_DONE, NULL);
    else if (event->outcome != JOB_CANCELLED || m->stopped)
        show(r, index, ends[event->outcome], event->text);
    if (--r->left == 0)
        (void)sd_event_exit(r->loop, 0);
}

static void on_job_event(size_t index, const struct job_event *event, void *arg)
{
    struct running *r = arg;

    switch (event->kind) {
    case JOB_CONNECTING:
        r->members[index].step_started_ms = clock_ms(CLOCK_REALTIME);
        show(r, index, PROGRESS_CONNECTING, NULL);
        break;
    case JOB_TRUSTED:
        (void)snprintf(r->members[index].fingerprint, JOB_FINGERPRINT_MAX, "%s", event->text);
        hear(r, index, "hostkey", event->text);
        show(r, index, PROGRESS_CHECKING, NULL);
        break;
    case JOB_SENDING:
        show(r, index, PROGRESS_SENDING, NULL);
        break;
    case JOB_STEP:
        on_step(r, index, event->step);
        break;
    case JOB_OUTPUT:
        hear(r, index, event->errors ? "stderr" : "stdout", event->text);
        break;
    case JOB_DONE:
        on_done(r, index, event);
        break;
    }
}

static int on_tick(sd_event_source *source, uint64_t usec, void *arg)
{
    struct running *r = arg;

    progress_tick(r->d->progress, now_ms());
    (void)sd_event_source_set_time(source, usec + PROGRESS_REDRAW_MS * UINT64_C(1000));
    return sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

/* What becomes of the machines that are at a step. */
static void tell_at_work(struct running *r, const char *what)
{
    for (size_t i = 0; i < r->n_members; i++)
        if (*r->members[i].step)
            tell_of_step(r, i, what);
}

/* Ctrl-C once: after the step at work.  Twice, and whatever else ends programs
 * (its sender waits for nobody): at once. */
static int on_stop(sd_event_source *source, const struct signalfd_siginfo *info, void *arg)
{
    struct running *r = arg;
    bool first = r->signal == 0;

    (void)source;
    r->signal = (int)info->ssi_signo;
    if (first && r->signal == SIGINT) {
        tell_at_work(r, STOPPING);
        executor_stop(r->executor);
        return 0;
    }
    if (r->cancelled)
        return sd_event_exit(r->loop, 0);
    r->cancelled = true;
    tell_at_work(r, "left at work on %s, which goes on to its end there");
    executor_cancel(r->executor);
    return 0;
}

static int on_resize(sd_event_source *source, const struct signalfd_siginfo *info, void *arg)
{
    struct running *r = arg;
    struct winsize size;

    (void)source;
    (void)info;
    if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0)
        progress_resize(r->d->progress, size.ws_col, size.ws_row);
    return 0;
}

static int watch(struct running *r)
{
    uint64_t soon = (uint64_t)clock_ms(CLOCK_MONOTONIC) * 1000;
    int q;

    q = sd_event_add_signal(r->loop, &r->stop[0], SIGINT | SD_EVENT_SIGNAL_PROCMASK, on_stop, r);
    if (q >= 0)
        q = sd_event_add_signal(r->loop, &r->stop[1], SIGTERM | SD_EVENT_SIGNAL_PROCMASK, on_stop,
                                r);
    if (q >= 0 && r->d->ticking)
        q = sd_event_add_signal(r->loop, &r->resize, SIGWINCH | SD_EVENT_SIGNAL_PROCMASK, on_resize,
                                r);
    if (q >= 0 && r->d->ticking)
        q = sd_event_add_time(r->loop, &r->tick, CLOCK_MONOTONIC, soon, 0, on_tick, r);
    return q;
}

static char *join_names(const struct strings *names)
{
    CLEANUP_TEXT struct text joined = TEXT_INIT;

    for (size_t i = 0; i < names->count; i++)
        text_addf(&joined, "%s%s", i ? " " : "", names->items[i]);
    return text_take(&joined);
}

/* Moves a target into a job, with what is known of it, and starts it. */
static int add(struct running *r, struct target *target, struct error *err)
{
    CLEANUP(job_clear) struct job job = {.common = r->d->common};
    struct member *m = &r->members[r->n_members];
    size_t index;
    int q;

    m->host = strdup(target->host ? target->host : "");
    m->agents = join_names(&target->agents);
    if (!m->host || !m->agents || target_copy(target, &m->target) < 0)
        return error_sys(err, -ENOMEM, "cannot plan");
    q = known_get(r->d->state, target, r->d->consent, &m->known, err);
    if (q == 0)
        q = known_get(r->d->state, target, r->d->consent, &job.known, err);
    if (q < 0)
        return q;
    job.target = *target;
    *target = (struct target){0};
    q = progress_add_machine(r->d->progress,
                             *m->agents     ? m->agents
                             : m->target.id ? m->target.id
                                            : m->host,
                             m->host, &index);
    if (q < 0)
        return error_sys(err, q, "cannot plan");
    r->n_members++;
    r->left++;
    q = executor_add(r->executor, &job, &index);
    return q < 0 ? error_sys(err, q, "cannot plan") : 0;
}

static void clear(struct running *r)
{
    executor_free(r->executor);
    for (size_t i = 0; i < r->n_members; i++) {
        free(r->members[i].host);
        free(r->members[i].agents);
        target_clear(&r->members[i].target);
        known_clear(&r->members[i].known);
    }
    free(r->members);
    (void)sd_event_source_disable_unref(r->tick);
    (void)sd_event_source_disable_unref(r->stop[0]);
    (void)sd_event_source_disable_unref(r->stop[1]);
    (void)sd_event_source_disable_unref(r->resize);
}

static enum run_status final_status(const struct running *r)
{
    struct progress_counts counts;

    if (r->signal)
        return RUN_INTERRUPTED;
    progress_count(r->d->progress, &counts);
    return counts.failed || counts.unreachable || counts.skipped ? RUN_FAILED : RUN_DONE;
}

static int run(struct running *r, struct error *err)
{
    struct deployment *d = r->d;
    int q;

    r->members = calloc(d->targets->count + 1, sizeof(*r->members));
    if (!r->members)
        return error_sys(err, -ENOMEM, "cannot plan");
    q = executor_new(r->loop, d->forks, on_job_event, r, &r->executor, err);
    if (q < 0)
        return q;
    q = watch(r);
    if (q < 0)
        return error_sys(err, q, "cannot wait for events");
    if (d->record.verb)
        q = state_run_begin(d->state, &d->record, &r->run, err);
    for (size_t i = 0; i < d->targets->count && q == 0; i++)
        q = add(r, &d->targets->items[i], err);
    if (q == 0 && r->left > 0)
        q = sd_event_loop(r->loop) < 0 ? error_set(err, -EIO, "cannot wait for events") : 0;
    progress_finish(d->progress, now_ms());
    if (q == 0 && d->record.verb)
        q = state_run_end(d->state, r->run, final_status(r), err);
    return q;
}

int deployment_run(struct deployment *d, sd_event *loop, int *ret_signal, struct error *err)
{
    struct running r = {
        .d = d,
        .loop = loop,
        .looks_only = d->common->looks || strcmp(d->common->mode, "check") == 0 ||
                      strcmp(d->common->mode, "diff") == 0,
    };
    int q = run(&r, err);

    clear(&r);
    *ret_signal = r.signal;
    return q;
}
