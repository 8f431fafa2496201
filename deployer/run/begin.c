/* How a run begins: what it needs is copied, its caches are looked up, its jobs start. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "deployer/base/paths.h"
#include "deployer/target/fleet-networks.h"
#include "private.h"

enum { JOBS_OF_ONE_EXECUTOR = 4096 }; /* then, when it has nothing to do, a new one */

/* Jobs are numbered for as long as an executor lives. */
static int renew_executor(struct runner *all, struct error *err)
{
    struct executor *fresh;
    int q;

    if (all->n_members < JOBS_OF_ONE_EXECUTOR || !executor_idle(all->executor) || all->at_work > 0)
        return 0;
    q = executor_new(all->loop, all->options.forks, runner_on_job_event, all, &fresh, err);
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
    if (q == 0 && plan->queued)
        q = state_wish_add(&r->record.wish, STATE_WISH_QUEUED, "yes");
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

/* Who may answer at the address of a target whose id is a guess or not known. */
static int read_known(struct run *r, const struct run_plan *plan, struct error *err)
{
    for (size_t i = 0; i < plan->count && !plan->scan; i++) {
        const struct target *t = &plan->targets[i].target;
        int q;

        if (t->id && !t->guessed)
            continue;
        q = state_pin_list(r->runner->options.state, NULL, &r->pins, err);
        return q == 0 ? state_name_list(r->runner->options.state,
                                        t->fleet ? t->fleet : ADVERT_FLEET_DEFAULT, &r->names, err)
                      : q;
    }
    return 0;
}

/* Where the agents that are deployed find each other. */
static int find_fleet(struct run *r, const struct run_plan *plan, struct error *err)
{
    CLEANUP(state_machines_clear) struct state_machines known = {0};
    CLEANUP_FREE const struct target **targets = calloc(plan->count + 1, sizeof(*targets));
    struct links links;
    int q;

    if (!r->record.spec)
        return 0;
    q = targets ? state_machine_list(r->runner->options.state, &known, err)
                : error_sys(err, -ENOMEM, "cannot plan the run");
    if (q < 0)
        return q;
    for (size_t i = 0; i < plan->count; i++)
        targets[i] = &plan->targets[i].target;
    links_read(&links);
    q = fleet_networks(targets, plan->count, &known, &links, &r->fleet);
    return q < 0 ? error_sys(err, q, "cannot plan the run") : 0;
}

/* What all jobs of the run share. */
static void set_common(struct run *r, const struct run_plan *plan)
{
    const struct runner_options *o = &r->runner->options;

    r->common = (struct job_common){
        .user = r->user,
        .auth = r->auth,
        .become_password = o->become_password,
        .timeout_ms = plan->timeout_ms,
        .mode = plan->mode ? plan->mode : plan->verb,
        .settings = &r->settings,
        .output_max = plan->output_max,
        .scan = plan->scan,
        .looks = plan->looks,
        .places_agents = r->record.spec != NULL && !plan->asks,
        .orchestrator = r->orchestrator,
        .fleet = text_str(&r->fleet),
        .pins = r->pins.count > 0 ? &r->pins : NULL,
        .revoked = o->revoked,
        .names = &r->names,
        .who = o->who,
        .run_id = r->id,
        .version_digest = r->record.spec ? r->pack->bundle.digest : NULL,
        .bundle_digest = r->pack ? r->pack->bundle.bundle_digest : NULL,
        .bundle = r->pack ? r->pack->bytes.data : NULL,
        .bundle_size = r->pack ? r->pack->bytes.size : 0,
        .layers = r->pack ? r->pack->layers : NULL,
        .deltas = r->pack ? &r->pack->deltas : NULL,
        .keep_proxy = r->choice.keep_proxy,
        .push = plan->packages ? &r->push : NULL,
        .reached = plan->asks ? NULL : &r->reached,
    };
}

static int prepare_run(struct run *r, struct run_plan *plan, struct error *err)
{
    const struct runner_options *o = &r->runner->options;
    CLEANUP_STRINGS struct strings files = {0};
    int q = take_run_id(r, plan->id, err);

    if (q == 0)
        q = paths_keys(o->keys, o->config, &files, err);
    if (q == 0)
        q = auth_new(&files, o->keys->count > 0, o->password, &r->auth, err);
    for (size_t i = 0; i < plan->count && q == 0; i++)
        q = auth_add(r->auth, &plan->targets[i].target.keys, err);
    if (q < 0)
        return q;
    r->verb = plan->verb;
    r->pack = pack_ref(plan->pack);
    r->consent = plan->consent;
    r->unrecorded = plan->unrecorded;
    r->n_waves = plan->n_waves < RUN_WAVES_MAX ? plan->n_waves : RUN_WAVES_MAX;
    if (r->n_waves > 0)
        memcpy(r->waves, plan->waves, r->n_waves * sizeof(*r->waves));
    r->queued = plan->queued;
    r->user = plan->user ? strdup(plan->user) : NULL;
    r->orchestrator = plan->orchestrator ? strdup(plan->orchestrator) : NULL;
    if ((plan->user && !r->user) || (plan->orchestrator && !r->orchestrator) ||
        (plan->choice && cache_choice_copy(plan->choice, &r->choice) < 0) ||
        (plan->caches && caches_copy(plan->caches, &r->caches) < 0) || plan_record(r, plan) < 0)
        return error_sys(err, -ENOMEM, "cannot plan the run");
    q = read_known(r, plan, err);
    if (q == 0)
        q = find_fleet(r, plan, err);
    if (q < 0)
        return q;
    r->caches_found = plan->caches != NULL;
    r->push = (struct apt_push){
        .choice = &r->choice, .caches = &r->caches, .paths = o->paths, .list = plan->packages};
    r->settings = plan->settings;
    plan->settings = TEXT_INIT;
    set_common(r, plan);
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
        (void)target_key(t, m->machine);
        if (m->host && m->agents && target_copy(t, &m->target) == 0)
            q = known_machine_get(r->runner->options.state, t, r->consent, &m->known, err);
        if (q == 0)
            q = known_machine_get(r->runner->options.state, t, r->consent, &job->known, err);
    }
    if (q < 0) {
        run_member_free(m);
        return q == -ENOMEM ? error_sys(err, q, "cannot plan the run") : q;
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
        return error_sys(err, -ENOMEM, "cannot plan the run");
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
        run_member_free(m);
        return error_sys(err, q, "cannot plan the run");
    }
    r->left++;
    all->at_work++;
    return 0;
}

static void tell_untried(struct run *r, const struct run_target *target, const struct error *why)
{
    r->bad = true;
    run_tell(r, (struct run_event){.kind = RUN_MACHINE_ENDED,
                                   .key = target->key,
                                   .outcome = JOB_FAILED,
                                   .text = why->text});
}

/* Its machines before `end` begin. */
static void start_jobs(struct run *r, size_t end)
{
    r->left++; /* ours, until all are added */
    for (; r->begun < end; r->begun++) {
        struct run_target *target = &r->targets[r->begun];
        struct error why = {0};

        if (add_job(r, target, &why) < 0)
            tell_untried(r, target, &why);
    }
    if (--r->left == 0)
        run_go_on(r);
}

/* Those of the next wave, or the rest. */
static void start_next_wave(struct run *r)
{
    size_t left = r->n_targets - r->begun;
    size_t size = r->wave < r->n_waves ? r->waves[r->wave++] : left;

    start_jobs(r, r->begun + (size < left ? size : left));
}

/* It is in the record. */
static void start_first_jobs(struct run *r)
{
    run_tell(r, (struct run_event){.kind = RUN_BEGAN});
    start_next_wave(r);
}

/* A run that was cancelled is interrupted: its machines are not told one by one. */
static void leave_rest(struct run *r)
{
    CLEANUP_TEXT struct text why = TEXT_INIT;

    text_addf(&why, "not touched, because %s did not end well",
              r->broken ? r->broken : "a machine before it");
    for (; r->begun < r->n_targets && !r->cancelled; r->begun++)
        run_tell(r, (struct run_event){.kind = RUN_NOT_TOUCHED,
                                       .key = r->targets[r->begun].key,
                                       .text = text_str(&why)});
}

void run_go_on(struct run *r)
{
    if (r->begun < r->n_targets && !r->bad) {
        start_next_wave(r);
        return;
    }
    leave_rest(r);
    run_end(r);
}

/* --- its caches ----------------------------------------------------------------------------- */

/* In a thread, since it connects to services and looks names up. */
static void find_caches(void *arg, int cancel_fd)
{
    struct run *r = arg;
    int q = 0;

    if (!r->caches_found)
        q = caches_find(&r->choice, r->runner->options.paths, &r->caches, &r->finding_error);
    if (q == 0 && (r->caches.apt_proxy || r->caches.pip_index))
        (void)upstreams_find(
            r->caches.apt_proxy, r->caches.pip_index, &r->caches.ports, r->choice.direct,
            &(struct upstreams_wait){.timeout_ms = r->common.timeout_ms, .stop_fd = cancel_fd},
            &r->upstreams, &r->finding_error);
    r->upstreams.listed = r->caches.own_apt;
}

static void on_caches_found(void *arg)
{
    struct run *r = arg;
    struct error err = r->finding_error;

    if (r->caches.apt_proxy || r->caches.pip_index)
        r->common.upstreams = &r->upstreams;
    if (err.code == 0)
        (void)run_record_begin(r, &err);
    if (err.code == 0) {
        start_first_jobs(r);
        return;
    }
    run_tell(r, (struct run_event){.kind = RUN_NOT_BEGUN, .code = err.code, .text = err.text});
    for (size_t i = 0; i < r->n_targets; i++)
        tell_untried(r, &r->targets[i], &err);
    run_end(r);
}

static int begin_run(struct run *r, struct run_plan *plan, struct error *err)
{
    int q = prepare_run(r, plan, err);

    if (q == 0 && plan->packages)
        return task_start(r->runner->loop, find_caches, on_caches_found, r, &r->finding, err);
    if (q == 0)
        q = run_record_begin(r, err);
    if (q == 0)
        start_first_jobs(r);
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
        return error_sys(err, -ENOMEM, "cannot plan the run");
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
