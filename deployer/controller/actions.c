/* Actions on machines: starting them, and their events. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "deployer/options/resume.h"
#include "discovery/base/clock.h"
#include "discovery/base/digest.h"
#include "private.h"

void actions_wish(const struct controller *c, const struct member *m, const struct strings *agents,
                  char ret[static RECONCILE_WISH_LENGTH + 1])
{
    const struct deploy_options *o = &c->settings.deploy;
    CLEANUP_TEXT struct text deps = TEXT_INIT;
    struct digest d;

    (void)m;
    if (c->packs.pack) /* the layers, too: their pins may be newer than what a machine has */
        pack_add_deps(c->packs.pack, deploy_options_deps(o), &deps);
    digest_init(&d);
    digest_adds(&d, c->packs.pack ? c->packs.pack->bundle.bundle_digest : "");
    digest_adds(&d, text_str(&deps));
    /* Without --orchestrator, machines get this computer's address. */
    digest_adds(&d, o->orchestrator       ? o->orchestrator
                    : c->inputs.addresses ? c->inputs.addresses
                                          : "");
    digest_adds(&d, c->inputs.fleet ? c->inputs.fleet : "");
    for (size_t i = 0; i < agents->count; i++)
        digest_adds(&d, agents->items[i]);
    digest_end(&d, ret);
}

const char *actions_version(const struct controller *c)
{
    return c->settings.deploy.canary && c->packs.pack ? c->packs.pack->bundle.bundle_digest : NULL;
}

/* --- starting ------------------------------------------------------------------------- */

static bool is_trial(const struct controller *c, const struct member *m)
{
    return reconcile_is_trial(&c->plan, actions_version(c), &m->ledger, m->trial);
}

static int make_target(const struct controller *c, const char *verb, const struct member *m,
                       struct target *t)
{
    bool deploys = strcmp(verb, "deploy") == 0, assigns = strcmp(verb, "assign") == 0;
    int r = target_from_machine(&m->machine, t);

    if (r == 0 && (deploys || assigns))
        r = assigns ? strings_copy(&t->agents, &m->assigned) : model_agents(c, m, &t->agents);
    else if (r == 0)
        r = strings_copy(&t->agents, &t->names);
    if (r == 0 && (assigns || (deploys && m->assigned.count > 0))) {
        t->named = deploys;
        t->given = true;
        r = strings_copy(&t->names, &t->agents);
    }
    if (r == 0 && deploys && is_trial(c, m)) {
        text_addf(&t->settings, "healthy %u\n",
                  c->settings.deploy.healthy_s ? c->settings.deploy.healthy_s : HEALTHY_DEFAULT_S);
        r = text_error(&t->settings);
    }
    return r;
}

static void add_verb_settings(const struct controller *c, const char *verb, struct text *ret)
{
    if (strcmp(verb, "deploy") == 0) {
        pack_add_deps(c->packs.pack, deploy_options_deps(&c->settings.deploy), ret);
        text_adds(ret, "ui no\nbrowser no\n");
    }
    if (strcmp(verb, "logs") == 0)
        text_addf(ret, "lines %d\nfollow no\n", LOG_LINES);
}

static void mark_begun(struct controller *c, const char *verb, struct member *m, bool trial)
{
    CLEANUP_STRINGS struct strings agents = {0};
    char wish[RECONCILE_WISH_LENGTH + 1];

    m->at_work = true;
    m->pending = NULL;
    m->verb = verb;
    m->phase = "connecting";
    m->outcome = NULL;
    m->step[0] = m->why[0] = m->detail[0] = '\0';
    m->number = m->total = 0;
    m->again_ms = 0;
    m->state = WORK_RUNNING;
    m->began_ms = clock_ms(CLOCK_MONOTONIC);
    if (strcmp(verb, "deploy") == 0 && model_agents(c, m, &agents) == 0) {
        actions_wish(c, m, &agents, wish);
        ledger_begin(&m->ledger, wish);
        ledger_begin_trial(&m->ledger, trial ? actions_version(c) : NULL);
    }
}

static void targets_free(struct run_target *targets, size_t n)
{
    for (size_t i = 0; targets && i < n; i++)
        target_clear(&targets[i].target);
    free(targets);
}

/* The run could not start on any of them. */
static void mark_all_failed(struct controller *c, struct member **members, size_t n,
                            const char *why)
{
    for (size_t i = 0; i < n; i++) {
        members[i]->at_work = false;
        members[i]->outcome = "failed";
        if (strcmp(members[i]->verb, "deploy") == 0)
            ledger_end(&members[i]->ledger,
                       ledger_end_trial(&members[i]->ledger, LEDGER_FAILED, c->plan.proven), why,
                       clock_ms(CLOCK_MONOTONIC));
        (void)snprintf(members[i]->detail, sizeof(members[i]->detail), "%s", why);
    }
}

int actions_begin_plan(struct controller *c, struct run_plan *plan, struct member **members,
                       struct error *err)
{
    const char *verb = plan->verb;
    size_t n = plan->count;
    int r;

    for (size_t i = 0; i < n; i++) {
        plan->targets[i].key = members[i]->key;
        /* What the queue of `later` asks for is another version. */
        mark_begun(c, verb, members[i], !plan->queued && is_trial(c, members[i]));
    }
    r = runner_begin(c->runner, plan, err);
    if (r < 0)
        mark_all_failed(c, members, n, err->text);
    controller_evaluate_soon(c);
    return r;
}

int actions_begin(struct controller *c, const char *verb, struct member **members, size_t n,
                  struct error *err)
{
    bool deploys = strcmp(verb, "deploy") == 0;
    const struct deploy_options *o = &c->settings.deploy;
    struct run_target *targets = calloc(n + 1, sizeof(*targets));
    CLEANUP_STRINGS struct strings wish = {0};
    struct run_plan plan = {
        .verb = verb,
        .pack = deploys ? c->packs.pack : c->packs.steps,
        .consent = {.given = o->accept_new},
        .user = o->user,
        .orchestrator = o->orchestrator,
        .choice = &o->caches,
        .packages = deploys ? deploy_options_packages(o) : NULL,
        .timeout_ms = o->timeout_ms,
        .output_max = strcmp(verb, "logs") == 0 ? LOG_BYTES_MAX : 0,
        .unrecorded = strcmp(verb, "logs") == 0 || strcmp(verb, "identify") == 0,
        .targets = targets,
        .count = n,
    };
    int r = targets ? resume_wish(o, &wish, err) : error_sys(err, -ENOMEM, "cannot plan the run");

    for (size_t i = 0; i < n && r == 0; i++) {
        if (make_target(c, verb, members[i], &targets[i].target) < 0)
            r = error_sys(err, -ENOMEM, "cannot plan the run");
    }
    if (r == 0) {
        add_verb_settings(c, verb, &plan.settings);
        plan.wish = wish;
        plan.files = c->problem.files;
        r = actions_begin_plan(c, &plan, members, err);
    } else {
        for (size_t i = 0; i < n; i++)
            mark_begun(c, verb, members[i], is_trial(c, members[i]));
        mark_all_failed(c, members, n, err->text);
        controller_evaluate_soon(c);
    }
    text_clear(&plan.settings);
    targets_free(targets, n);
    return r;
}

/* --- what a person has requested --------------------------------------------------------- */

/* Static, so that verbs can be compared by their address. */
static const char *const verbs[] = {"deploy",   "assign",   "start",  "stop",     "restart",
                                    "rollback", "poweroff", "reboot", "identify", "logs"};

void actions_pending(struct controller *c, struct member **members, size_t n)
{
    CLEANUP_FREE struct member **due = calloc(n + 1, sizeof(struct member *));

    for (size_t v = 0; v < ARRAY_SIZE(verbs) && due; v++) {
        bool deploys = strcmp(verbs[v], "deploy") == 0;
        struct error err = {0};
        size_t n_due = 0;

        for (size_t i = 0; i < n; i++)
            if (members[i]->pending && !members[i]->at_work &&
                strcmp(members[i]->pending, verbs[v]) == 0)
                due[n_due++] = members[i];
        if (n_due == 0)
            continue;
        if (deploys ? !packing_is_done(c) : !c->packs.steps) {
            packing_start(c);
            continue;
        }
        if (deploys && solving_is_active(c))
            continue; /* asked for again at the end of the run */
        if (actions_begin(c, verbs[v], due, n_due, &err) < 0)
            controller_log(c, "%s", err.text);
    }
}

/* --- events of runs ------------------------------------------------------------------------- */

static json_t *event_head(const struct run_event *e, const struct member *m)
{
    return json_pack("{s:I, s:s, s:s}", "run", (json_int_t)e->run, "ref", m->ref, "verb", e->verb);
}

static void put_text(json_t *o, const char *key, const char *value)
{
    if (o && value && *value)
        (void)json_object_set_new(o, key, view_text(value));
}

/* What commands print may be anything, so it is for those with the token; the rest is about
 * machines. */
static void publish_step(struct controller *c, const struct run_event *e, struct member *m)
{
    json_t *o = event_head(e, m);
    bool ended = e->step->kind == STEPWIRE_RESULT;

    put_text(o, "step", e->step->name);
    put_text(o, "status", ended ? step_status_name(e->step->status) : "started");
    put_text(o, "detail", ended ? e->step->detail : NULL);
    if (o && e->number)
        (void)json_object_set_new(o, "number", json_integer(e->number));
    if (o && m->total)
        (void)json_object_set_new(o, "total", json_integer(m->total));
    if (!o || !ended || !*e->step->lines) {
        publish(c, "step", o);
        return;
    }
    publish_for(c, "step", EVENT_FOR_OTHERS, json_copy(o));
    put_text(o, "output", e->step->lines);
    publish_for(c, "step", EVENT_FOR_TRUSTED, o);
}

static void publish_line(struct controller *c, const struct run_event *e, struct member *m)
{
    json_t *o = event_head(e, m);

    put_text(o, "stream", e->errors ? "stderr" : "stdout");
    if (o)
        (void)json_object_set_new(o, "line", view_text(e->text));
    publish_for(c, "output", EVENT_FOR_TRUSTED, o);
}

static void publish_note(struct controller *c, const struct run_event *e, struct member *m)
{
    json_t *o = event_head(e, m);

    put_text(o, "text", e->step->detail);
    publish(c, "note", o);
}

static void publish_run(struct controller *c, int64_t number)
{
    CLEANUP(state_run_clear) struct state_run run = {0};

    if (number && state_run_get(c->state, number, &run, NULL) == 0)
        publish(c, "run", view_run(&run));
}

static enum ledger_end ledger_end_of(const struct run_event *e)
{
    switch (e->outcome) {
    case JOB_OK:
    case JOB_CHANGED:
        return LEDGER_DONE;
    case JOB_REFUSED:
        return LEDGER_HOPELESS;
    case JOB_WOULD_CHANGE:
    case JOB_FAILED:
    case JOB_UNREACHABLE:
    case JOB_CANCELLED:
        break;
    }
    return e->busy ? LEDGER_BUSY : LEDGER_FAILED;
}

/* A person's decision outlives the action: a machine that was stopped stays stopped. */
static void update_held(struct member *m, const char *verb)
{
    if (strcmp(verb, "stop") == 0 || strcmp(verb, "rollback") == 0)
        m->ledger.held = true;
    if (strcmp(verb, "start") == 0 || strcmp(verb, "restart") == 0)
        m->ledger.held = false;
}

static void on_end(struct controller *c, const struct run_event *e, struct member *m)
{
    enum ledger_end end = ledger_end_of(e);
    bool deploys = strcmp(e->verb, "deploy") == 0;
    int64_t now = clock_ms(CLOCK_MONOTONIC);

    m->at_work = false;
    m->phase = NULL;
    m->step[0] = '\0';
    m->outcome = job_outcome_name(e->outcome);
    m->why[0] = '\0';
    (void)snprintf(m->detail, sizeof(m->detail), "%s", end == LEDGER_DONE ? "" : e->text);
    if (deploys) {
        end = ledger_end_trial(&m->ledger, end, c->plan.proven);
        ledger_end(&m->ledger, end, e->text, now);
        metrics_deploy(&c->metrics, (double)(now - m->began_ms) / 1000, end == LEDGER_DONE);
    } else if (end == LEDGER_DONE)
        update_held(m, e->verb);
    later_on_end(c, e, m);
    model_find_standing(c, m);
    publish_machine(c, m, "work");
    if (end != LEDGER_DONE)
        controller_log(c, "%s: %s %s: %s", m->machine.host ? m->machine.host : m->ref, e->verb,
                       m->outcome, e->text);
    model_clear(c);
    controller_evaluate_soon(c);
    /* The state forgot it meanwhile (discovered_change). */
    if (m->machine.forgotten && !m->machine.online)
        discovered_gone(c, m);
}

static void on_step(struct controller *c, const struct run_event *e, struct member *m)
{
    switch (e->step->kind) {
    case STEPWIRE_PLAN:
        m->phase = "steps";
        m->total = e->step->number;
        publish_work(c, m);
        break;
    case STEPWIRE_START:
    case STEPWIRE_RESULT:
        if (e->step->kind == STEPWIRE_RESULT && e->step->status == STEP_FAILED)
            metrics_step_failed(&c->metrics, e->step->name);
        (void)snprintf(m->step, sizeof(m->step), "%s", e->step->name);
        ledger_note_step(&m->ledger, e->step->name,
                         e->step->kind == STEPWIRE_RESULT && e->step->status == STEP_FAILED);
        m->number = e->number;
        publish_step(c, e, m);
        if (e->step->kind == STEPWIRE_START)
            publish_work(c, m);
        break;
    case STEPWIRE_NOTE:
        publish_note(c, e, m);
        break;
    case STEPWIRE_CHECK:
    case STEPWIRE_FACT:
    case STEPWIRE_DIFF:
    case STEPWIRE_BUSY:
    case STEPWIRE_REFUSED:
    case STEPWIRE_HELLO:
    case STEPWIRE_ALIVE:
    case STEPWIRE_WANT:
    case STEPWIRE_END:
    case STEPWIRE_STREAM:
        break;
    }
}

static void on_phase(struct controller *c, struct member *m, const char *phase)
{
    m->phase = phase;
    publish_work(c, m);
}

static void on_machine_event(struct controller *c, const struct run_event *e, struct member *m)
{
    m->run = e->run ? e->run : m->run;
    switch (e->kind) {
    case RUN_CONNECTING:
        on_phase(c, m, "connecting");
        break;
    case RUN_TRUSTED:
        on_phase(c, m, "checking");
        break;
    case RUN_SENDING:
        on_phase(c, m, "sending");
        break;
    case RUN_STEP:
        on_step(c, e, m);
        break;
    case RUN_OUTPUT:
        publish_line(c, e, m);
        break;
    case RUN_MACHINE_ENDED:
        on_end(c, e, m);
        break;
    case RUN_BEGAN:
    case RUN_NOT_BEGUN:
    case RUN_ENDED:
    case RUN_NOT_TOUCHED: /* no plan of ours has machines that go first */
    case RUN_UNRECORDED:
        break;
    }
}

void actions_on_run_event(const struct run_event *e, void *arg)
{
    struct controller *c = arg;
    struct member *m = NULL;

    if (e->kind == RUN_BEGAN || e->kind == RUN_ENDED)
        publish_run(c, e->run);
    if (e->kind == RUN_UNRECORDED) {
        if (!c->troubles.record)
            controller_log(c, "runs cannot be recorded: %s", e->text);
        controller_set_trouble(&c->troubles.record, e->text);
        publish_status(c);
        return;
    }
    if (e->key)
        HASH_FIND(hh, c->directory.members, &e->key, sizeof(e->key), m);
    if (m)
        on_machine_event(c, e, m);
}
