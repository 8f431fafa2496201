/* `assign`: gives machines their agents' names, over SSH. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "deployer/target/assignment.h"
#include "deployer/target/fleet.h"
#include "discovery/base/terminal.h"
#include "verbs.h"

OPTION_FLAG(struct deploy_options, swap)
OPTION_FLAG(struct deploy_options, release)

static const struct option_row options[] = {
    {0, "swap", OPTION_NONE, NULL, "NAME NAME: the two agents change places", set_swap},
    {0, "release", OPTION_NONE, NULL, "NAME...: take these names from their machines", set_release},
    {0, NULL, OPTION_NONE, NULL, NULL, NULL},
};

/* --- what all three have in common ------------------------------------------------ */

/* A target whose names become `agents`. */
static int add_target(struct program *p, const struct machine *m, const struct strings *agents)
{
    struct target *grown =
        reallocarray(p->targets.items, p->targets.count + 1, sizeof(*p->targets.items));
    struct target *t;

    if (!grown)
        return -ENOMEM;
    p->targets.items = grown;
    t = &grown[p->targets.count];
    if (target_from_machine(m, t) < 0)
        return -ENOMEM;
    p->targets.count++;
    if (strings_copy(&t->agents, agents) < 0 || strings_copy(&t->names, agents) < 0)
        return -ENOMEM;
    return 0;
}

/* Writes the names on the machines; 0 at once when there is nothing to do. */
static int write_names(struct program *p, struct error *err)
{
    struct action action = {.mode = "assign"};
    int r;

    if (p->targets.count == 0 || p->options.check)
        return 0;
    r = program_identify(p, err);
    if (r == 0)
        r = program_pack_steps(p, NULL, err);
    return r == 0 ? program_act(p, &p->targets, &action, err) : r;
}

/* Looks until all names given as arguments are seen, or time is up: a name may have
 * been written only a moment ago. */
static int find_named_machines(struct program *p, struct fleet **ret, struct error *err)
{
    for (int i = 0; i < p->options.n_arguments; i++)
        if (strings_add(&p->problem.agents, p->options.arguments[i]) < 0)
            return error_sys(err, -ENOMEM, "cannot look for machines");
    return program_find_fleet(p, &p->problem, ret, err);
}

/* --- missing names to machines without one ------------------------------------------ */

static void tell_plan(const struct assignments *a)
{
    CLEANUP_TEXT struct text words = TEXT_INIT;

    for (size_t i = 0; i < a->count; i++) {
        const char *why = assignment_reason_text(a->items[i].reason);

        report_add_name(&words, a->items[i].agent);
        text_adds(&words, " to ");
        report_add_label(&words, a->items[i].machine);
        text_addf(&words, *why ? " (%s)\n" : "%s\n", why);
    }
    for (size_t i = 0; i < a->n_reserved; i++) {
        report_add_name(&words, a->reserved[i]->agent);
        text_addf(&words,
                  " is kept for machine %s, which is offline; to free it for another machine: ",
                  a->reserved[i]->id);
        text_adds(&words, "dcop-deploy assign --release ");
        report_add_name(&words, a->reserved[i]->agent);
        text_addc(&words, '\n');
    }
    for (size_t i = 0; i < a->n_left; i++) {
        report_add_name(&words, a->left[i]);
        text_adds(&words, ": no machine is left for it\n");
    }
    for (size_t i = 0; i < a->n_idle; i++) {
        report_add_label(&words, a->idle[i]);
        text_adds(&words, ": no name is left for it\n");
    }
    terminal_put(stderr, &words);
}

/* Names are remembered by fleet: one at a time. */
static int fleet_of(const struct match *match, const char **ret, struct error *err)
{
    *ret = ADVERT_FLEET_DEFAULT;
    for (size_t i = 0; i < match->n_unassigned; i++) {
        const char *fleet = machine_fleet(match->unassigned[i]);

        if (i > 0 && strcmp(fleet, *ret) != 0)
            return error_set(
                err, -EINVAL,
                "machines of the fleets '%s' and '%s' have no name; select one fleet with -f", *ret,
                fleet);
        *ret = fleet;
    }
    return 0;
}

static int aim_at_all(struct program *p, const struct assignments *a)
{
    for (size_t i = 0; i < a->count; i++) {
        CLEANUP_STRINGS struct strings agent = {0};

        if (strings_add(&agent, a->items[i].agent) < 0 ||
            add_target(p, a->items[i].machine, &agent) < 0)
            return -ENOMEM;
    }
    return 0;
}

static int assign_missing(struct program *p, struct error *err)
{
    CLEANUP(fleet_free_p) struct fleet *fleet = NULL;
    CLEANUP(match_clear) struct match match = MATCH_INIT;
    CLEANUP(state_names_clear) struct state_names names = {0};
    CLEANUP(assignments_clear) struct assignments plan = {0};
    const struct machine *const *machines;
    const char *name;
    size_t n;
    int r;

    if (p->options.problems.count == 0)
        return error_set(err, -EINVAL, "say which problem's names to assign: assign -p PROBLEM");
    r = problem_read(&p->options.problems, &p->problem, err);
    if (r == 0)
        r = program_find_fleet(p, &p->problem, &fleet, err);
    if (r < 0)
        return r;
    machines = fleet_machines(fleet, &n);
    r = match_make(machines, n, &p->problem, &match);
    if (r < 0)
        return error_sys(err, r, "cannot match");
    r = fleet_of(&match, &name, err);
    if (r == 0)
        r = state_name_list(p->state, name, &names, err);
    if (r == 0 && (assignments_plan(&match, &names, &plan) < 0 || aim_at_all(p, &plan) < 0))
        r = error_sys(err, -ENOMEM, "cannot assign names");
    if (r < 0)
        return r;
    tell_plan(&plan);
    if (match.n_missing == 0)
        fprintf(stderr, "Every name of the problem has a machine already.\n");
    r = write_names(p, err);
    return r == 0 && plan.n_left + plan.n_reserved > 0 ? 1 : r;
}

/* --- --swap and --release -------------------------------------------------------------- */

static const struct machine *find_holder(const struct machine *const *machines, size_t n,
                                         const char *agent)
{
    for (size_t i = 0; i < n; i++)
        if (machine_is_there(machines[i]) && machines[i]->beacon && !machines[i]->untrusted &&
            strings_has(&machines[i]->advert.agents, agent))
            return machines[i];
    return NULL;
}

/* Its names, with `from` replaced by `to` (NULL: left out), `to` by `from`. */
static int list_renamed(const struct machine *m, const char *from, const char *to,
                        struct strings *ret)
{
    for (size_t i = 0; i < m->advert.agents.count; i++) {
        const char *name = m->advert.agents.items[i];

        if (strcmp(name, from) == 0)
            name = to;
        else if (to && strcmp(name, to) == 0)
            name = from;
        if (name && strings_add(ret, name) < 0)
            return -ENOMEM;
    }
    return 0;
}

static int swap_names(struct program *p, struct error *err)
{
    CLEANUP(fleet_free_p) struct fleet *fleet = NULL;
    const char *names[] = {p->options.n_arguments == 2 ? p->options.arguments[0] : NULL,
                           p->options.n_arguments == 2 ? p->options.arguments[1] : NULL};
    const struct machine *const *machines;
    const struct machine *held[2];
    size_t n;
    int r;

    if (!names[0] || strcmp(names[0], names[1]) == 0)
        return error_set(err, -EINVAL, "say which two agents change places: assign --swap a1 a2");
    r = find_named_machines(p, &fleet, err);
    if (r < 0)
        return r;
    machines = fleet_machines(fleet, &n);
    for (size_t i = 0; i < 2; i++) {
        held[i] = find_holder(machines, n, names[i]);
        if (!held[i])
            return error_set(err, -ENOENT, "no machine that is online has the name '%s'", names[i]);
    }
    for (size_t i = 0; i < (held[0] == held[1] ? 1 : 2) && r == 0; i++) {
        CLEANUP_STRINGS struct strings agents = {0};

        r = list_renamed(held[i], names[i], names[1 - i], &agents);
        if (r == 0)
            r = add_target(p, held[i], &agents);
    }
    return r < 0 ? error_sys(err, r, "cannot assign names") : write_names(p, err);
}

static int release_record(struct program *p, const char *agent, struct error *err)
{
    const char *fleet = p->options.fleet ? p->options.fleet : ADVERT_FLEET_DEFAULT;

    return state_name_release(p->state, fleet, agent, err);
}

/* An absent machine keeps its file; only the record is released. */
static int release_absent(struct program *p, const char *agent, struct error *err)
{
    int r = release_record(p, agent, err);

    if (r == -ENOENT)
        return error_set(err, r,
                         "no machine that is online has the name '%s', and none is recorded for it",
                         agent);
    if (r == 0)
        fprintf(stderr,
                "The machine that has '%s' is offline; the name is free now. If the machine comes "
                "back with it, and another has it by then, two machines have that name.\n",
                agent);
    return r;
}

static int release_names(struct program *p, struct error *err)
{
    CLEANUP(fleet_free_p) struct fleet *fleet = NULL;
    const struct machine *const *machines;
    size_t n;
    int r;

    if (p->options.n_arguments == 0)
        return error_set(err, -EINVAL, "say which names are given up: assign --release a1");
    r = find_named_machines(p, &fleet, err);
    if (r < 0)
        return r;
    machines = fleet_machines(fleet, &n);
    for (int i = 0; i < p->options.n_arguments && r == 0; i++) {
        const char *agent = p->options.arguments[i];
        const struct machine *m = find_holder(machines, n, agent);
        CLEANUP_STRINGS struct strings agents = {0};

        if (!m) {
            r = p->options.check ? 0 : release_absent(p, agent, err);
            continue;
        }
        for (size_t k = 0; k < p->targets.count && r == 0; k++)
            if (p->targets.items[k].id && strcmp(p->targets.items[k].id, m->advert.id) == 0)
                r = error_set(err, -EINVAL,
                              "'%s' and another of these names belong to one machine; release them "
                              "one at a time",
                              agent);
        if (r == 0)
            r = list_renamed(m, agent, NULL, &agents);
        if (r == 0)
            r = add_target(p, m, &agents);
        if (r == -ENOMEM)
            r = error_sys(err, r, "cannot assign names");
    }
    if (r == 0)
        r = write_names(p, err);
    /* The records come last: a name that a machine still advertises must not become free. */
    for (int i = 0; i < p->options.n_arguments && r == 0 && !p->options.check; i++) {
        r = release_record(p, p->options.arguments[i], err);
        r = r == -ENOENT ? 0 : r;
    }
    return r;
}

static int run_assign(struct program *p, struct error *err)
{
    int r;

    if (p->options.swap)
        return swap_names(p, err);
    if (p->options.release)
        return release_names(p, err);
    r = program_takes_arguments(p, 0, err);
    return r < 0 ? r : assign_missing(p, err);
}

const struct verb verb_assign = {
    .name = "assign",
    .arguments = "-p PROBLEM",
    .help = "give the missing names to machines without one",
    .options = options,
    .foresees = true,
    .run = run_assign,
};
