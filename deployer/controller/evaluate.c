/* Evaluation of everything: the match, which machine gets which name, what is to be
 * deployed where; and publishing what has changed. */
#include <errno.h>
#include <string.h>

#include "deployer/trust/holder.h"
#include "discovery/base/clock.h"
#include "private.h"

/* --- the match --------------------------------------------------------------------- */

/* A machine in doubt takes part in no match: it would count as a second holder of a
 * name, and keep the rightful holder from its work. */
static int make_match(struct controller *c, struct member **members, size_t n)
{
    CLEANUP_FREE const struct machine **machines = calloc(n + 1, sizeof(*machines));
    const struct match_holders holders = holders_of(c->state);
    size_t count = 0;

    if (!machines)
        return -ENOMEM;
    for (size_t i = 0; i < n; i++)
        if (!members_is_impostor(&c->directory, members[i]))
            machines[count++] = &members[i]->machine;
    if (match_make(machines, count, &c->problem, &holders, &c->evaluation.match) < 0)
        return -ENOMEM;
    return match_explain(&c->evaluation.match, machines, count);
}

/* Names are given to machines of this fleet that are accepted and have no name and no
 * pending assignment. */
static int make_assignments(struct controller *c)
{
    const char *fleet = c->settings.deploy.fleet ? c->settings.deploy.fleet : ADVERT_FLEET_DEFAULT;
    CLEANUP_FREE const struct machine **free_ones =
        calloc(c->evaluation.match.n_unassigned + 1, sizeof(*free_ones));
    struct match match = c->evaluation.match; /* borrows, and is not cleared */
    struct error err = {0};
    int r;

    if (!free_ones)
        return -ENOMEM;
    match.unassigned = free_ones;
    match.n_unassigned = 0;
    for (size_t i = 0; i < c->evaluation.match.n_unassigned; i++) {
        const struct machine *m = c->evaluation.match.unassigned[i];

        if (member_of(m)->standing.state == STANDING_ACCEPTED &&
            strcmp(machine_fleet(m), fleet) == 0)
            free_ones[match.n_unassigned++] = m;
    }
    r = state_name_list(c->state, fleet, &c->evaluation.names, &err);
    if (r < 0) {
        controller_set_trouble(&c->troubles.state, err.text);
        return r;
    }
    return assignments_plan(&match, &c->evaluation.names, &c->evaluation.assignments);
}

/* The names could not be written a while ago, and nothing else tries it again. */
static bool needs_assign_again(const struct member *m)
{
    return m->assigned.count > 0 && !m->pending && !m->at_work && m->verb &&
           strcmp(m->verb, "assign") == 0 && m->detail[0] &&
           clock_ms(CLOCK_MONOTONIC) - m->began_ms >= RECONCILE_BUSY_MS;
}

/* --assign: stored permanently, and written to the machine by the next action. */
static void give_names(struct controller *c)
{
    const char *fleet = c->settings.deploy.fleet ? c->settings.deploy.fleet : ADVERT_FLEET_DEFAULT;

    for (size_t i = 0; i < c->evaluation.assignments.count; i++) {
        const struct assignment *a = &c->evaluation.assignments.items[i];
        struct member *m = member_of(a->machine);
        CLEANUP_STRINGS struct strings agents = {0};
        struct error err = {0};

        if (!c->settings.automatic && needs_assign_again(m))
            m->pending = "assign";
        if (m->assigned.count > 0 || m->at_work ||
            clock_ms(CLOCK_MONOTONIC) - m->ledger.appeared_ms < RECONCILE_SETTLE_MS)
            continue;
        if (strings_add(&agents, a->agent) < 0)
            return;
        if (state_names_set(c->state, fleet, m->machine.advert.id, &agents, &err) < 0) {
            controller_set_trouble(&c->troubles.state, err.text);
            return;
        }
        m->assigned = agents;
        agents = (struct strings){0};
        if (!c->settings.automatic)
            m->pending = "assign";
    }
}

/* --- the plan ---------------------------------------------------------------------- */

static bool is_duplicate(const struct controller *c, const struct member *m)
{
    for (size_t i = 0; i < c->evaluation.match.n_duplicates; i++)
        for (size_t k = 0; k < c->evaluation.match.duplicates[i].count; k++)
            if (c->evaluation.match.duplicates[i].machines[k] == &m->machine)
                return true;
    return false;
}

static bool is_claimant(const struct controller *c, const struct member *m)
{
    for (size_t i = 0; i < c->evaluation.match.n_claims; i++)
        if (c->evaluation.match.claims[i].machine == &m->machine)
            return true;
    return false;
}

/* Why the machine cannot be deployed to; NULL: no obstacle. */
static const char *obstacle_of(const struct controller *c, const struct member *m, bool has_agents)
{
    if (!m->machine.beacon)
        return "it has no beacon; install one with dcop-deploy enroll";
    if (m->standing.state == STANDING_NEW && !c->settings.deploy.accept_new)
        return "a person has to accept its host key";
    if (m->standing.state != STANDING_ACCEPTED)
        return m->standing.why ? m->standing.why : "its host key is not accepted";
    if (m->awaited)
        return "what dcop-deploy --later asked for is done first";
    if (is_duplicate(c, m))
        return "another machine has the same agent name";
    if (!has_agents && is_claimant(c, m))
        return "its agent name is another machine's, which was accepted with it";
    if (!has_agents && m->machine.advert.agents.count > 0)
        return "the problem has no agent with its name";
    if (!has_agents && c->settings.assign)
        return "no agent name is left for it";
    if (!has_agents)
        return "it has no agent name";
    return NULL;
}

struct plan {
    struct reconcile_machine *machines;
    char (*wishes)[RECONCILE_WISH_LENGTH + 1];
};

static int fill_plan(struct controller *c, struct member **members, size_t n, struct plan *p)
{
    for (size_t i = 0; i < n; i++) {
        struct member *m = members[i];
        CLEANUP_STRINGS struct strings agents = {0};
        bool accepted = m->standing.state == STANDING_ACCEPTED;

        if (model_agents(c, m, &agents) < 0)
            return -ENOMEM;
        actions_wish(c, m, &agents, p->wishes[i]);
        p->machines[i] = (struct reconcile_machine){
            .name = m->machine.host ? m->machine.host : m->ref,
            /* Without a problem there is nothing to deploy. */
            .wish = agents.count > 0 && c->has_problem ? p->wishes[i] : NULL,
            .online = machine_is_there(&m->machine),
            .obstacle = obstacle_of(c, m, agents.count > 0),
            .counts = machine_is_there(&m->machine) && accepted && agents.count > 0,
            .at_work = m->at_work || m->pending,
            .unit = m->machine.advert.state,
            .ledger = &m->ledger,
        };
    }
    return 0;
}

/* A deploy that a person wants waits for the end of a run; other verbs are refused by a machine
 * that is at work in it, which the person sees at once. */
static bool waits_for_run(const struct controller *c, const struct member *m)
{
    return m->pending && strcmp(m->pending, "deploy") == 0 && solving_is_active(c);
}

/* Stores the verdict for display; while the machine is at work, its events do that. */
static void update_work_state(struct controller *c, struct member *m,
                              const struct reconcile_machine *r)
{
    if (m->at_work) {
        m->state = WORK_RUNNING;
        return;
    }
    m->state = m->pending ? WORK_QUEUED : r->state;
    /* This service has not deployed it, and nobody has requested a deploy. */
    if (m->state == WORK_WAITING && !c->settings.automatic && !r->obstacle && r->online &&
        m->machine.advert.state == ADVERT_STATE_RUNNING)
        m->state = WORK_OK;
    (void)snprintf(m->why, sizeof(m->why), "%s",
                   packing_is_awaited(c, m)         ? c->packs.error
                   : waits_for_run(c, m)            ? RECONCILE_PAUSED
                   : m->state == WORK_OK || !r->why ? ""
                                                    : r->why);
    m->again_ms = r->again_ms;
}

static void begin_deploys(struct controller *c, struct member **members, size_t n)
{
    struct error err = {0};

    if (n == 0)
        return;
    if (!packing_is_done(c)) {
        packing_start(c);
        for (size_t i = 0; i < n; i++) {
            members[i]->state = WORK_PACKING;
            (void)snprintf(members[i]->why, sizeof(members[i]->why), "%s",
                           c->packs.error ? c->packs.error : "");
        }
        return;
    }
    if (actions_begin(c, "deploy", members, n, &err) < 0)
        controller_log(c, "%s", err.text);
}

static void schedule_next(struct controller *c)
{
    if (c->plan.next_ms == INT64_MAX) {
        (void)sd_event_source_set_enabled(c->sources.again, SD_EVENT_OFF);
        return;
    }
    (void)sd_event_source_set_time(c->sources.again, (uint64_t)c->plan.next_ms * 1000);
    (void)sd_event_source_set_enabled(c->sources.again, SD_EVENT_ONESHOT);
}

static int carry_out_plan(struct controller *c, struct member **members, size_t n)
{
    CLEANUP_FREE struct reconcile_machine *machines = calloc(n + 1, sizeof(*machines));
    CLEANUP_FREE void *wishes = calloc(n + 1, RECONCILE_WISH_LENGTH + 1);
    CLEANUP_FREE struct member **due = calloc(n + 1, sizeof(struct member *));
    struct plan p = {.machines = machines, .wishes = wishes};
    size_t n_due = 0;

    if (!machines || !wishes || !due || fill_plan(c, members, n, &p) < 0)
        return -ENOMEM;
    c->plan.automatic = c->settings.automatic;
    c->plan.quorum = c->settings.quorum;
    c->plan.paused = solving_is_active(c);
    c->plan.version = actions_version(c);
    reconcile(&c->plan, machines, n, clock_ms(CLOCK_MONOTONIC));
    for (size_t i = 0; i < n; i++) {
        update_work_state(c, members[i], &machines[i]);
        members[i]->trial = machines[i].trial;
        if (machines[i].deploy)
            due[n_due++] = members[i];
    }
    begin_deploys(c, due, n_due);
    actions_pending(c, members, n);
    schedule_next(c);
    return 0;
}

/* --- all of this ---------------------------------------------------------------------- */

static void publish_match(struct controller *c)
{
    json_t *now = view_match(c);

    if (now && c->published.match && json_equal(now, c->published.match)) {
        json_decref(now);
        return;
    }
    json_decref(c->published.match);
    c->published.match = json_incref(now);
    publish(c, "match", now);
    hook_match_changed(c);
}

void evaluate(struct controller *c)
{
    size_t n = 0;
    CLEANUP_FREE struct member **members = members_list(&c->directory, &n);

    model_clear(c);
    c->evaluation.due = false;
    if (!members)
        return; /* no memory: try again at the next change */
    if (c->has_problem && (make_match(c, members, n) < 0 || make_assignments(c) < 0))
        return;
    if (c->settings.assign)
        give_names(c);
    later_evaluate(c, members, n);
    (void)carry_out_plan(c, members, n);
    for (size_t i = 0; i < n; i++)
        publish_work(c, members[i]);
    publish_match(c);
    publish_status(c);
    inventory_file_write(c, members, n);
}

void evaluate_if_due(struct controller *c)
{
    if (c->evaluation.due)
        evaluate(c);
}
