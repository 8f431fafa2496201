#include "run.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "deployer/base/paths.h"
#include "deployer/base/task.h"
#include "deployer/cache/push.h"
#include "deployer/trust/known-machine.h"
#include "discovery/base/clock.h"
#include "executor.h"
#include "record.h"

enum { JOBS_OF_ONE_EXECUTOR = 4096 }; /* then, when it has nothing to do, a new one */

/* A run while any of its machines has not ended. */
struct run {
    struct runner *runner;
    struct job_common common;
    struct pack *pack;
    struct text settings;
    struct auth *auth;
    struct task *finding; /* the caches; NULL: not at it */
    struct cache_choice choice;
    struct caches caches;
    bool caches_found;
    struct upstreams upstreams;
    struct apt_push push;
    struct error finding_error;
    struct consent consent;
    struct state_run record; /* its strings and lists are the run's own */
    char id[NONCE_LENGTH + 1];
    char *user, *orchestrator;
    const char *verb;
    struct run_target *targets; /* until they are jobs */
    size_t n_targets;
    int64_t number;
    size_t left;
    bool unrecorded, bad, cancelled;
    struct run *next, **at;
};

/* One machine's part. */
struct member {
    struct run *run;
    const void *key;
    char *host, *agents;
    struct target target;       /* a copy, to learn from */
    struct known_machine known; /* likewise */
    char fingerprint[JOB_FINGERPRINT_MAX];
    bool learnt, has_id, busy;
    unsigned results;
    int64_t step_started_ms;
};

struct runner {
    struct runner_options options;
    sd_event *loop;
    struct executor *executor;
    struct record *record;
    struct member **members; /* by job; NULL once it has ended */
    size_t n_members, at_work;
    struct run *runs;
    bool ending;
};

static void member_free(struct member *m)
{
    if (!m)
        return;
    free(m->host);
    free(m->agents);
    target_clear(&m->target);
    known_machine_clear(&m->known);
    free(m);
}

static void run_free(struct run *r)
{
    task_free(r->finding);
    if (r->next)
        r->next->at = r->at;
    *r->at = r->next;
    for (size_t i = 0; i < r->n_targets; i++)
        target_clear(&r->targets[i].target);
    free(r->targets);
    pack_unref(r->pack);
    text_wipe(&r->settings);
    auth_free(r->auth);
    cache_choice_clear(&r->choice);
    caches_clear(&r->caches);
    upstreams_clear(&r->upstreams);
    state_targets_clear(&r->record.targets);
    strings_clear(&r->record.files);
    strings_clear(&r->record.wish);
    free(r->user);
    free(r->orchestrator);
    free(r);
}

static void tell_run(const struct run *r, struct run_event event)
{
    const struct runner *all = r->runner;

    event.run = r->number;
    event.verb = r->verb;
    if (!all->ending)
        all->options.listener(&event, all->options.arg);
}

static void tell_member(const struct member *m, struct run_event event)
{
    event.key = m->key;
    tell_run(m->run, event);
}

/* --- the record -------------------------------------------------------------------- */

/* A result that cannot be recorded does not stop a run: a repeat finds on the machine
 * itself what was done. */
static void record_step(const struct member *m, const char *step, const char *status,
                        const char *detail, const char *output)
{
    char key[TARGET_KEY_MAX];
    const struct state_result result = {
        .machine = (char *)target_key(&m->target, key),
        .host = m->host,
        .agent = m->agents,
        .step = (char *)(uintptr_t)step,
        .status = (char *)(uintptr_t)status,
        .detail = (char *)(uintptr_t)detail,
        .output = (char *)(uintptr_t)output,
        .started_ms = m->step_started_ms,
        .ended_ms = clock_ms(CLOCK_REALTIME),
    };
    struct error err;

    if (m->run->number && record_result(m->run->runner->record, m->run->number, &result, &err) < 0)
        tell_member(m, (struct run_event){.kind = RUN_UNRECORDED, .text = err.text});
}

static int record_begin(struct run *r, struct error *err)
{
    int q =
        r->unrecorded ? 0 : state_run_begin(r->runner->options.state, &r->record, &r->number, err);

    if (q < 0)
        tell_run(r, (struct run_event){.kind = RUN_UNRECORDED, .text = err->text});
    return q;
}

static void end_run(struct run *r)
{
    enum run_status status = r->runner->ending || r->cancelled ? RUN_INTERRUPTED
                             : r->bad                          ? RUN_FAILED
                                                               : RUN_DONE;
    struct error err;

    if (r->number && record_end(r->runner->record, r->number, status, &err) < 0)
        tell_run(r, (struct run_event){.kind = RUN_UNRECORDED, .text = err.text});
    tell_run(r, (struct run_event){.kind = RUN_ENDED});
    run_free(r);
}

/* --- what a machine says ------------------------------------------------------------- */

/* It has said over SSH that it is the machine that was meant. */
static void learn_machine(struct member *m)
{
    struct stepwire_event note = {.kind = STEPWIRE_NOTE, .name = "", .lines = ""};
    struct error err;

    if (m->learnt || !*m->fingerprint)
        return;
    m->learnt = true;
    note.detail = err.text;
    if (known_machine_learn(m->run->runner->options.state, &m->target, &m->known, m->fingerprint,
                            &err) < 0)
        tell_member(m, (struct run_event){.kind = RUN_STEP, .step = &note});
}

static void on_step(struct member *m, const struct stepwire_event *step)
{
    switch (step->kind) {
    case STEPWIRE_FACT:
        if (strcmp(step->name, "id") != 0)
            break;
        m->has_id = true;
        if (string_equal(m->target.id, step->detail))
            learn_machine(m);
        break;
    case STEPWIRE_PLAN:
        /* All facts have arrived: a machine without a beacon is known by its host key. */
        if (!m->target.id && !m->has_id)
            learn_machine(m);
        break;
    case STEPWIRE_START:
        m->step_started_ms = clock_ms(CLOCK_REALTIME);
        break;
    case STEPWIRE_RESULT:
        record_step(m, step->name, step_status_name(step->status), step->detail, step->lines);
        m->step_started_ms = clock_ms(CLOCK_REALTIME);
        m->results++;
        break;
    case STEPWIRE_BUSY:
        m->busy = true;
        break;
    case STEPWIRE_CHECK:
    case STEPWIRE_NOTE:
    case STEPWIRE_DIFF:
    case STEPWIRE_REFUSED:
    case STEPWIRE_HELLO:
    case STEPWIRE_ALIVE:
    case STEPWIRE_END:
    case STEPWIRE_WANT:
    case STEPWIRE_STREAM:
        break;
    }
    tell_member(m, (struct run_event){.kind = RUN_STEP,
                                      .step = step,
                                      .number = m->results + (step->kind == STEPWIRE_START)});
}

static bool is_good(enum job_outcome outcome)
{
    return outcome == JOB_OK || outcome == JOB_CHANGED || outcome == JOB_WOULD_CHANGE;
}

static void on_done(struct member *m, const struct job_event *event)
{
    struct run *r = m->run;

    m->step_started_ms = 0;
    record_step(m, "", job_outcome_name(event->outcome), event->text, NULL);
    r->bad = r->bad || !is_good(event->outcome);
    r->cancelled = r->cancelled || event->outcome == JOB_CANCELLED;
    tell_member(m, (struct run_event){.kind = RUN_MACHINE_ENDED,
                                      .outcome = event->outcome,
                                      .text = event->text,
                                      .busy = m->busy});
    r->runner->at_work--;
    if (--r->left == 0)
        end_run(r);
}

static void on_job_event(size_t index, const struct job_event *event, void *arg)
{
    struct runner *all = arg;
    struct member *m = all->members[index];

    switch (event->kind) {
    case JOB_CONNECTING:
        m->step_started_ms = clock_ms(CLOCK_REALTIME);
        tell_member(m, (struct run_event){.kind = RUN_CONNECTING});
        break;
    case JOB_TRUSTED:
        (void)snprintf(m->fingerprint, sizeof(m->fingerprint), "%s", event->text);
        tell_member(m, (struct run_event){.kind = RUN_TRUSTED, .text = event->text});
        break;
    case JOB_SENDING:
        tell_member(m, (struct run_event){.kind = RUN_SENDING});
        break;
    case JOB_STEP:
        on_step(m, event->step);
        break;
    case JOB_OUTPUT:
        tell_member(m, (struct run_event){
                           .kind = RUN_OUTPUT, .errors = event->errors, .text = event->text});
        break;
    case JOB_DONE:
        on_done(m, event);
        member_free(TAKE_PTR(all->members[index]));
        break;
    }
}

/* --- the runner ---------------------------------------------------------------------- */

int runner_new(sd_event *loop, const struct runner_options *options, struct runner **ret,
               struct error *err)
{
    CLEANUP(runner_free_p) struct runner *all = calloc(1, sizeof(*all));
    int q;

    if (!all)
        return error_sys(err, -ENOMEM, "cannot start workers");
    all->options = *options;
    all->loop = sd_event_ref(loop);
    q = record_new(options->state, &all->record);
    if (q < 0)
        return error_sys(err, q, "cannot start workers");
    q = executor_new(loop, options->forks, on_job_event, all, &all->executor, err);
    if (q < 0)
        return q;
    *ret = TAKE_PTR(all);
    return 0;
}

void runner_free(struct runner *all)
{
    if (!all)
        return;
    all->ending = true;
    executor_free(all->executor);
    for (size_t i = 0; i < all->n_members; i++) {
        if (!all->members[i])
            continue;
        record_step(all->members[i], "", job_outcome_name(JOB_CANCELLED), "interrupted", NULL);
        member_free(all->members[i]);
    }
    while (all->runs)
        end_run(all->runs);
    record_free(all->record);
    free(all->members);
    sd_event_unref(all->loop);
    free(all);
}

void runner_stop(struct runner *all)
{
    executor_stop(all->executor);
}

void runner_cancel(struct runner *all)
{
    executor_cancel(all->executor);
}

static void tell_ended(int64_t number, void *arg)
{
    struct runner *all = arg;

    all->options.listener(&(struct run_event){.kind = RUN_ENDED, .run = number}, all->options.arg);
}

int runner_catch_up(struct runner *all, struct error *err)
{
    return record_catch_up(all->record, tell_ended, all, err);
}

/* Jobs are numbered for as long as an executor lives. */
static int renew_executor(struct runner *all, struct error *err)
{
    struct executor *fresh;
    int q;

    if (all->n_members < JOBS_OF_ONE_EXECUTOR || !executor_idle(all->executor) || all->at_work > 0)
        return 0;
    q = executor_new(all->loop, all->options.forks, on_job_event, all, &fresh, err);
    if (q < 0)
        return q;
    executor_free(all->executor);
    all->executor = fresh;
    free(all->members);
    all->members = NULL;
    all->n_members = 0;
    return 0;
}

/* --- a run's preparation ---------------------------------------------------------------- */

/* What the record says of a machine, whether it is reached or not. */
static int plan_target(struct run *r, const struct target *t)
{
    struct state_targets *planned = &r->record.targets;
    struct state_target *item = &planned->items[planned->count];
    char key[TARGET_KEY_MAX];

    *item = (struct state_target){
        .machine = strdup(target_key(t, key)),
        .host = t->host ? strdup(t->host) : NULL,
        .agents = strings_join(&t->agents, " "),
    };
    planned->count++;
    return item->machine && (!t->host || item->host) && item->agents ? 0 : -ENOMEM;
}

/* The run's id is part of the wish, so that a run that resumes it has the same. */
static int plan_record(struct run *r, const struct run_plan *plan)
{
    int q = strings_copy(&r->record.files, &plan->files);

    if (q == 0)
        q = strings_copy(&r->record.wish, &plan->wish);
    if (q == 0)
        q = state_wish_add(&r->record.wish, STATE_WISH_RUN_ID, r->id);
    r->record.verb = (char *)(uintptr_t)plan->verb;
    r->record.spec = r->pack ? r->pack->spec : NULL;
    r->record.bundle_digest = r->record.spec ? r->pack->bundle.bundle_digest : NULL;
    r->record.targets.items = calloc(plan->count + 1, sizeof(struct state_target));
    r->targets = calloc(plan->count + 1, sizeof(*r->targets));
    if (q < 0 || !r->record.targets.items || !r->targets)
        return -ENOMEM;
    for (size_t i = 0; i < plan->count && q == 0; i++)
        q = plan_target(r, &plan->targets[i].target);
    return q;
}

static int take_run_id(struct run *r, const char *id, struct error *err)
{
    if (id && strlen(id) == NONCE_LENGTH) {
        strcpy(r->id, id);
        return 0;
    }
    return nonce_make(r->id) < 0 ? error_set(err, -EIO, "cannot get random numbers from the system")
                                 : 0;
}

static int prepare_run(struct run *r, struct run_plan *plan, struct error *err)
{
    const struct runner_options *o = &r->runner->options;
    CLEANUP_STRINGS struct strings files = {0};
    int q = take_run_id(r, plan->id, err);

    if (q == 0)
        q = paths_keys(o->keys, &files, err);
    if (q == 0)
        q = auth_new(&files, o->keys->count > 0, o->password, &r->auth, err);
    if (q < 0)
        return q;
    r->verb = plan->verb;
    r->pack = pack_ref(plan->pack);
    r->consent = plan->consent;
    r->unrecorded = plan->unrecorded;
    r->user = plan->user ? strdup(plan->user) : NULL;
    r->orchestrator = plan->orchestrator ? strdup(plan->orchestrator) : NULL;
    if ((plan->user && !r->user) || (plan->orchestrator && !r->orchestrator) ||
        (plan->choice && cache_choice_copy(plan->choice, &r->choice) < 0) ||
        (plan->caches && caches_copy(plan->caches, &r->caches) < 0) || plan_record(r, plan) < 0)
        return error_sys(err, -ENOMEM, "cannot plan");
    r->caches_found = plan->caches != NULL;
    r->push = (struct apt_push){
        .choice = &r->choice, .caches = &r->caches, .paths = o->paths, .list = plan->packages};
    r->settings = plan->settings;
    plan->settings = TEXT_INIT;
    r->common = (struct job_common){
        .user = r->user,
        .auth = r->auth,
        .become_password = o->become_password,
        .timeout_ms = plan->timeout_ms,
        .mode = plan->mode ? plan->mode : plan->verb,
        .settings = &r->settings,
        .scan = plan->scan,
        .looks = plan->looks,
        .places_agents = r->record.spec != NULL,
        .orchestrator = r->orchestrator,
        .who = o->who,
        .run_id = r->id,
        .version_digest = r->record.spec ? r->pack->bundle.digest : NULL,
        .bundle_digest = r->pack ? r->pack->bundle.bundle_digest : NULL,
        .bundle = r->pack ? r->pack->bytes.data : NULL,
        .bundle_size = r->pack ? r->pack->bytes.size : 0,
        .deltas = r->pack ? &r->pack->deltas : NULL,
        .keep_proxy = r->choice.keep_proxy,
        .push = plan->packages ? &r->push : NULL,
    };
    for (; r->n_targets < plan->count; r->n_targets++) {
        r->targets[r->n_targets] = plan->targets[r->n_targets];
        plan->targets[r->n_targets].target = (struct target){0};
    }
    return 0;
}

/* --- its jobs ------------------------------------------------------------------------------ */

static int make_member(struct run *r, const struct run_target *target, struct member **ret,
                       struct job *job, struct error *err)
{
    struct member *m = calloc(1, sizeof(*m));
    const struct target *t = &target->target;
    int q = -ENOMEM;

    if (m) {
        m->run = r;
        m->key = target->key;
        m->host = strdup(t->host ? t->host : "");
        m->agents = strings_join(&t->agents, " ");
        if (m->host && m->agents && target_copy(t, &m->target) == 0)
            q = known_machine_get(r->runner->options.state, t, r->consent, &m->known, err);
        if (q == 0)
            q = known_machine_get(r->runner->options.state, t, r->consent, &job->known, err);
    }
    if (q < 0) {
        member_free(m);
        return q == -ENOMEM ? error_sys(err, q, "cannot plan") : q;
    }
    *ret = m;
    return 0;
}

static int add_job(struct run *r, struct run_target *target, struct error *err)
{
    struct runner *all = r->runner;
    CLEANUP(job_clear) struct job job = {.common = &r->common};
    struct member **grown = reallocarray(all->members, all->n_members + 1, sizeof(*grown));
    struct member *m = NULL;
    size_t index;
    int q;

    if (!grown)
        return error_sys(err, -ENOMEM, "cannot plan");
    all->members = grown;
    q = make_member(r, target, &m, &job, err);
    if (q < 0)
        return q;
    job.target = target->target;
    target->target = (struct target){0};
    all->members[all->n_members] = m; /* the executor numbers them in the same order */
    all->n_members++;
    q = executor_add(all->executor, &job, &index);
    if (q < 0) {
        all->n_members--;
        member_free(m);
        return error_sys(err, q, "cannot plan");
    }
    r->left++;
    all->at_work++;
    return 0;
}

static void tell_untried(struct run *r, const struct run_target *target, const struct error *why)
{
    r->bad = true;
    tell_run(r, (struct run_event){.kind = RUN_MACHINE_ENDED,
                                   .key = target->key,
                                   .outcome = JOB_FAILED,
                                   .text = why->text});
}

/* It is in the record: its machines begin. */
static void start_jobs(struct run *r)
{
    tell_run(r, (struct run_event){.kind = RUN_BEGAN});
    r->left = 1; /* ours, until all are added */
    for (size_t i = 0; i < r->n_targets; i++) {
        struct error why = {0};

        if (add_job(r, &r->targets[i], &why) < 0)
            tell_untried(r, &r->targets[i], &why);
    }
    if (--r->left == 0)
        end_run(r);
}

/* --- its caches ----------------------------------------------------------------------------- */

/* In a thread, since it connects to services and looks names up. */
static void find_caches(void *arg, int cancel_fd)
{
    struct run *r = arg;
    int q = 0;

    (void)cancel_fd;
    if (!r->caches_found)
        q = caches_find(&r->choice, r->runner->options.paths, &r->caches, &r->finding_error);
    if (q == 0 && (r->caches.apt_proxy || r->caches.pip_index))
        (void)upstreams_find(r->caches.apt_proxy, r->caches.pip_index, &r->caches.ports,
                             r->choice.direct, &r->upstreams, &r->finding_error);
}

static void on_caches_found(void *arg)
{
    struct run *r = arg;
    struct error err = r->finding_error;

    if (r->caches.apt_proxy || r->caches.pip_index)
        r->common.upstreams = &r->upstreams;
    if (err.code == 0)
        (void)record_begin(r, &err);
    if (err.code == 0) {
        start_jobs(r);
        return;
    }
    tell_run(r, (struct run_event){.kind = RUN_NOT_BEGUN, .code = err.code, .text = err.text});
    for (size_t i = 0; i < r->n_targets; i++)
        tell_untried(r, &r->targets[i], &err);
    end_run(r);
}

static int begin_run(struct run *r, struct run_plan *plan, struct error *err)
{
    int q = prepare_run(r, plan, err);

    if (q == 0 && plan->packages)
        return task_start(r->runner->loop, find_caches, on_caches_found, r, &r->finding, err);
    if (q == 0)
        q = record_begin(r, err);
    if (q == 0)
        start_jobs(r);
    return q;
}

int runner_begin(struct runner *all, struct run_plan *plan, struct error *err)
{
    struct run *r;
    int q = renew_executor(all, err);

    if (q < 0)
        return q;
    r = calloc(1, sizeof(*r));
    if (!r)
        return error_sys(err, -ENOMEM, "cannot plan");
    r->runner = all;
    r->next = all->runs;
    r->at = &all->runs;
    if (r->next)
        r->next->at = &r->next;
    all->runs = r;
    q = begin_run(r, plan, err);
    if (q < 0)
        run_free(r);
    return q;
}
