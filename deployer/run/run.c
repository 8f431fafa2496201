#include "run.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "deployer/base/paths.h"
#include "deployer/cache/push.h"
#include "deployer/trust/known-machine.h"
#include "executor.h"
#include "record.h"

enum { JOBS_OF_ONE_EXECUTOR = 4096 }; /* then, when it has nothing to do, a new one */

/* A run while any of its machines has not ended. */
struct running {
    struct crew *crew;
    struct job_common common;
    struct pack *pack;
    struct text settings;
    struct auth *auth;
    struct cache_choice choice;
    struct apt_push push;
    struct consent consent;
    char *user, *orchestrator;
    const char *verb;
    int64_t number;
    size_t left;
    bool bad;
    struct running *next, **at;
};

/* One machine's part. */
struct hand {
    struct running *run;
    const void *key;
    char *host, *agents;
    struct target target; /* a copy, to learn from */
    struct known known;   /* likewise */
    char fingerprint[JOB_FINGERPRINT_MAX];
    bool learnt, has_id, busy;
    unsigned results;
    int64_t step_started_ms;
};

struct crew {
    struct crew_options options;
    sd_event *loop;
    struct executor *executor;
    struct record *record;
    struct hand **hands; /* by job; NULL once it has ended */
    size_t n_hands, at_work;
    struct running *runs;
    bool ending;
};

static int64_t wall_ms(void)
{
    struct timespec t;

    (void)clock_gettime(CLOCK_REALTIME, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void hand_free(struct hand *h)
{
    if (!h)
        return;
    free(h->host);
    free(h->agents);
    target_clear(&h->target);
    known_clear(&h->known);
    free(h);
}

static void running_free(struct running *r)
{
    if (r->next)
        r->next->at = r->at;
    *r->at = r->next;
    pack_unref(r->pack);
    text_wipe(&r->settings);
    auth_free(r->auth);
    cache_choice_clear(&r->choice);
    free(r->user);
    free(r->orchestrator);
    free(r);
}

static void tell(struct hand *h, struct crew_event event)
{
    const struct crew *c = h->run->crew;

    event.run = h->run->number;
    event.verb = h->run->verb;
    event.key = h->key;
    if (!c->ending)
        c->options.listener(&event, c->options.arg);
}

static void unrecorded(const struct crew *c, const struct error *err)
{
    if (!c->ending)
        c->options.listener(&(struct crew_event){.kind = CREW_UNRECORDED, .text = err->text},
                            c->options.arg);
}

/* A result that cannot be recorded stops no deployment: the machine itself
 * knows what was done. */
static void note_down(const struct hand *h, const char *step, const char *status,
                      const char *detail, const char *output)
{
    char key[TARGET_KEY_MAX];
    const struct state_result result = {
        .machine = (char *)target_key(&h->target, key),
        .host = h->host,
        .agent = h->agents,
        .step = (char *)(uintptr_t)step,
        .status = (char *)(uintptr_t)status,
        .detail = (char *)(uintptr_t)detail,
        .output = (char *)(uintptr_t)output,
        .started_ms = h->step_started_ms,
        .ended_ms = wall_ms(),
    };
    const struct crew *c = h->run->crew;
    struct error err;

    if (h->run->number && record_result(c->record, h->run->number, &result, &err) < 0)
        unrecorded(c, &err);
}

/* It has said over SSH that it is the machine that was meant. */
static void learn(struct hand *h)
{
    struct error err;

    if (h->learnt || !*h->fingerprint)
        return;
    h->learnt = true;
    if (known_learn(h->run->crew->options.state, &h->target, &h->known, h->fingerprint, &err) < 0)
        tell(h, (struct crew_event){.kind = CREW_NOTE, .text = err.text});
}

static void on_fact(struct hand *h, const struct stepwire_event *step)
{
    if (strcmp(step->name, "id") != 0)
        return;
    h->has_id = true;
    if (h->target.id && strcmp(step->detail, h->target.id) == 0)
        learn(h);
}

static void on_step(struct hand *h, const struct stepwire_event *step)
{
    switch (step->kind) {
    case STEPWIRE_FACT:
        on_fact(h, step);
        break;
    case STEPWIRE_PLAN:
        tell(h, (struct crew_event){.kind = CREW_PHASE, .word = "steps", .number = step->number});
        break;
    case STEPWIRE_START:
        h->step_started_ms = wall_ms();
        tell(h, (struct crew_event){.kind = CREW_STEP,
                                    .word = step->name,
                                    .status = "started",
                                    .number = h->results + 1});
        break;
    case STEPWIRE_RESULT:
        note_down(h, step->name, step_status_name(step->status), step->detail, step->lines);
        h->step_started_ms = wall_ms();
        tell(h, (struct crew_event){.kind = CREW_STEP,
                                    .word = step->name,
                                    .status = step_status_name(step->status),
                                    .text = step->detail,
                                    .lines = step->lines,
                                    .number = ++h->results});
        break;
    case STEPWIRE_BUSY:
        h->busy = true;
        break;
    case STEPWIRE_NOTE:
        tell(h, (struct crew_event){.kind = CREW_NOTE, .text = step->detail});
        break;
    case STEPWIRE_CHECK:
    case STEPWIRE_DIFF:
    case STEPWIRE_REFUSED:
    case STEPWIRE_HELLO:
    case STEPWIRE_ALIVE:
    case STEPWIRE_END:
    case STEPWIRE_WANT:
    case STEPWIRE_STREAM:
        break;
    }
}

static void end_run(struct running *r)
{
    struct crew *c = r->crew;
    struct crew_event event = {.kind = CREW_ENDED, .run = r->number, .verb = r->verb};
    enum run_status status = c->ending ? RUN_INTERRUPTED : r->bad ? RUN_FAILED : RUN_DONE;
    struct error err;

    if (r->number && record_end(c->record, r->number, status, &err) < 0)
        unrecorded(c, &err);
    if (!c->ending)
        c->options.listener(&event, c->options.arg);
    running_free(r);
}

static void on_done(struct hand *h, const struct job_event *event)
{
    struct running *r = h->run;
    bool good = event->outcome == JOB_OK || event->outcome == JOB_CHANGED;

    h->step_started_ms = 0;
    note_down(h, "", job_outcome_name(event->outcome), event->text, NULL);
    r->bad = r->bad || !good;
    tell(h, (struct crew_event){
                .kind = CREW_END, .outcome = event->outcome, .text = event->text, .busy = h->busy});
    r->crew->at_work--;
    if (--r->left == 0)
        end_run(r);
}

static void on_job_event(size_t index, const struct job_event *event, void *arg)
{
    struct crew *c = arg;
    struct hand *h = c->hands[index];

    switch (event->kind) {
    case JOB_CONNECTING:
        h->step_started_ms = wall_ms();
        tell(h, (struct crew_event){.kind = CREW_PHASE, .word = "connecting"});
        break;
    case JOB_TRUSTED:
        (void)snprintf(h->fingerprint, sizeof(h->fingerprint), "%s", event->text);
        tell(h, (struct crew_event){.kind = CREW_PHASE, .word = "checking"});
        break;
    case JOB_SENDING:
        tell(h, (struct crew_event){.kind = CREW_PHASE, .word = "sending"});
        break;
    case JOB_STEP:
        on_step(h, event->step);
        break;
    case JOB_OUTPUT:
        tell(h, (struct crew_event){.kind = CREW_OUTPUT,
                                    .word = event->errors ? "stderr" : "stdout",
                                    .text = event->text});
        break;
    case JOB_DONE:
        on_done(h, event);
        hand_free(TAKE_PTR(c->hands[index]));
        break;
    }
}

int crew_new(sd_event *loop, const struct crew_options *options, struct crew **ret,
             struct error *err)
{
    CLEANUP(crew_free_p) struct crew *c = calloc(1, sizeof(*c));
    int r;

    if (!c)
        return error_sys(err, -ENOMEM, "cannot start workers");
    c->options = *options;
    c->loop = sd_event_ref(loop);
    r = record_new(options->state, &c->record);
    if (r < 0)
        return error_sys(err, r, "cannot start workers");
    r = executor_new(loop, options->forks, on_job_event, c, &c->executor, err);
    if (r < 0)
        return r;
    *ret = TAKE_PTR(c);
    return 0;
}

void crew_free(struct crew *c)
{
    if (!c)
        return;
    c->ending = true;
    executor_free(c->executor);
    for (size_t i = 0; i < c->n_hands; i++) {
        if (!c->hands[i])
            continue;
        note_down(c->hands[i], "", "cancelled", "the service was stopped", NULL);
        hand_free(c->hands[i]);
    }
    while (c->runs)
        end_run(c->runs);
    record_free(c->record);
    free(c->hands);
    sd_event_unref(c->loop);
    free(c);
}

bool crew_idle(const struct crew *c)
{
    return c->at_work == 0;
}

static void tell_ended(int64_t run, void *arg)
{
    struct crew *c = arg;

    c->options.listener(&(struct crew_event){.kind = CREW_ENDED, .run = run}, c->options.arg);
}

int crew_catch_up(struct crew *c, struct error *err)
{
    return record_catch_up(c->record, tell_ended, c, err);
}

/* Jobs are numbered for as long as an executor lives. */
static int renew(struct crew *c, struct error *err)
{
    struct executor *fresh;
    int r;

    if (c->n_hands < JOBS_OF_ONE_EXECUTOR || !executor_idle(c->executor) || c->at_work > 0)
        return 0;
    r = executor_new(c->loop, c->options.forks, on_job_event, c, &fresh, err);
    if (r < 0)
        return r;
    executor_free(c->executor);
    c->executor = fresh;
    free(c->hands);
    c->hands = NULL;
    c->n_hands = 0;
    return 0;
}

static char *join_names(const struct strings *names)
{
    CLEANUP_TEXT struct text joined = TEXT_INIT;

    for (size_t i = 0; i < names->count; i++)
        text_addf(&joined, "%s%s", i ? " " : "", names->items[i]);
    text_adds(&joined, "");
    return text_take(&joined);
}

/* --- beginning --------------------------------------------------------------------- */

static int make_hand(struct running *r, struct crew_order *order, struct hand **ret,
                     struct job *job, struct error *err)
{
    struct hand *h = calloc(1, sizeof(*h));
    const struct target *t = &order->target;
    int q = -ENOMEM;

    if (h) {
        h->run = r;
        h->key = order->key;
        h->host = strdup(t->host ? t->host : "");
        h->agents = join_names(&t->agents);
        if (h->host && target_copy(t, &h->target) == 0)
            q = known_get(r->crew->options.state, t, r->consent, &h->known, err);
        if (q == 0)
            q = known_get(r->crew->options.state, t, r->consent, &job->known, err);
    }
    if (q < 0) {
        hand_free(h);
        return q == -ENOMEM ? error_sys(err, q, "cannot plan") : q;
    }
    *ret = h;
    return 0;
}

static int record_run(struct running *r, const struct crew_run *run, struct error *err)
{
    CLEANUP(state_targets_clear) struct state_targets planned = {
        .items = calloc(run->count + 1, sizeof(struct state_target))};
    struct state_run record = {
        .verb = (char *)(uintptr_t)run->verb,
        .spec = run->pack->spec,
        .bundle_digest = run->pack->spec ? run->pack->bundle.bundle_digest : NULL,
        .files = run->files,
        .wish = run->wish,
    };
    int q;

    if (!planned.items)
        return error_sys(err, -ENOMEM, "cannot plan");
    for (; planned.count < run->count; planned.count++) {
        const struct target *t = &run->orders[planned.count].target;
        char key[TARGET_KEY_MAX];

        planned.items[planned.count] = (struct state_target){
            .machine = strdup(target_key(t, key)),
            .host = t->host ? strdup(t->host) : NULL,
            .agents = join_names(&t->agents),
        };
    }
    record.targets = planned;
    q = state_run_begin(r->crew->options.state, &record, &r->number, err);
    if (q < 0)
        unrecorded(r->crew, err);
    return q;
}

static int prepare(struct running *r, struct crew_run *run, struct error *err)
{
    struct crew *c = r->crew;
    CLEANUP_STRINGS struct strings files = {0};
    int q = paths_keys(c->options.keys, &files, err);

    if (q == 0)
        q = auth_new(&files, c->options.keys->count > 0, c->options.password, &r->auth, err);
    if (q == 0)
        q = cache_choice_copy(run->choice, &r->choice) < 0 ? error_sys(err, -ENOMEM, "cannot plan")
                                                           : 0;
    if (q < 0)
        return q;
    r->push =
        (struct apt_push){.choice = &r->choice, .paths = c->options.paths, .list = run->packages};
    r->pack = pack_ref(run->pack);
    r->settings = run->settings;
    run->settings = TEXT_INIT;
    r->user = run->user ? strdup(run->user) : NULL;
    r->orchestrator = run->orchestrator ? strdup(run->orchestrator) : NULL;
    if ((run->user && !r->user) || (run->orchestrator && !r->orchestrator))
        return error_sys(err, -ENOMEM, "cannot plan");
    r->verb = run->verb;
    r->consent = run->consent;
    r->common = (struct job_common){
        .user = r->user,
        .auth = r->auth,
        .become_password = c->options.become_password,
        .timeout_ms = run->timeout_ms,
        .mode = r->verb,
        .settings = &r->settings,
        .places_agents = r->pack->spec != NULL,
        .orchestrator = r->orchestrator,
        .who = c->options.who,
        .version_digest = r->pack->spec ? r->pack->bundle.digest : NULL,
        .bundle_digest = r->pack->bundle.bundle_digest,
        .bundle = r->pack->bytes.data,
        .bundle_size = r->pack->bytes.size,
        .deltas = &r->pack->deltas,
        .push = run->packages ? &r->push : NULL,
    };
    return run->unrecorded ? 0 : record_run(r, run, err);
}

static int add(struct running *r, struct crew_order *order, struct error *err)
{
    struct crew *c = r->crew;
    CLEANUP(job_clear) struct job job = {.common = &r->common};
    struct hand **grown = reallocarray(c->hands, c->n_hands + 1, sizeof(*grown));
    struct hand *h = NULL;
    size_t index;
    int q;

    if (!grown)
        return error_sys(err, -ENOMEM, "cannot plan");
    c->hands = grown;
    q = make_hand(r, order, &h, &job, err);
    if (q < 0)
        return q;
    job.target = order->target;
    order->target = (struct target){0};
    c->hands[c->n_hands] = h; /* the executor numbers them in the same order */
    c->n_hands++;
    q = executor_add(c->executor, &job, &index);
    if (q < 0) {
        c->n_hands--;
        hand_free(h);
        return error_sys(err, q, "cannot plan");
    }
    r->left++;
    c->at_work++;
    return 0;
}

int crew_begin(struct crew *c, struct crew_run *run, struct error *err)
{
    struct running *r;
    int q = renew(c, err);

    if (q < 0)
        return q;
    r = calloc(1, sizeof(*r));
    if (!r)
        return error_sys(err, -ENOMEM, "cannot plan");
    r->crew = c;
    r->next = c->runs;
    r->at = &c->runs;
    if (r->next)
        r->next->at = &r->next;
    c->runs = r;
    q = prepare(r, run, err);
    if (q < 0) {
        running_free(r);
        return q;
    }
    c->options.listener(&(struct crew_event){.kind = CREW_BEGAN, .run = r->number, .verb = r->verb},
                        c->options.arg);
    r->left = 1; /* ours, until all are added */
    for (size_t i = 0; i < run->count; i++) {
        struct crew_order *order = &run->orders[i];
        struct error why = {0};

        if (add(r, order, &why) == 0)
            continue;
        r->bad = true;
        c->options.listener(&(struct crew_event){.kind = CREW_END,
                                                 .run = r->number,
                                                 .verb = r->verb,
                                                 .key = order->key,
                                                 .outcome = JOB_FAILED,
                                                 .text = why.text},
                            c->options.arg);
    }
    if (--r->left == 0)
        end_run(r);
    return 0;
}
