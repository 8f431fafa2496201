/* `assign`: gives machines their agents' names, over SSH. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "deployer/target/assignment.h"
#include "deployer/target/fleet.h"
#include "deployer/trust/holder.h"
#include "discovery/base/terminal.h"
#include "verbs.h"

OPTION_FLAG(struct deploy_options, swap)
OPTION_FLAG(struct deploy_options, release)
OPTION_FLAG(struct deploy_options, replace)
OPTION_FLAG(struct deploy_options, spread)

static const struct option_row options[] = {
    {0, "swap", OPTION_NONE, NULL, "NAME NAME: the two agents change places", set_swap},
    {0, "release", OPTION_NONE, NULL, "NAME...: take these names from their machines", set_release},
    {0, "replace", OPTION_NONE, NULL, "take machines whose names nobody needs", set_replace},
    {0, "spread", OPTION_NONE, NULL, "several names on a machine, if there are too few",
     set_spread},
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
    t->given = true;
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

/* Says which names a machine will have instead of its own. */
static void tell_names(const struct machine *m, const struct strings *agents)
{
    CLEANUP_TEXT struct text words = TEXT_INIT;

    report_add_label(&words, m);
    text_adds(&words, ": ");
    for (size_t i = 0; i < m->advert.agents.count; i++) {
        text_adds(&words, i ? " " : "");
        report_add_name(&words, m->advert.agents.items[i]);
    }
    text_adds(&words, agents->count ? " becomes " : " is given up");
    for (size_t i = 0; i < agents->count; i++) {
        text_adds(&words, i ? " " : "");
        report_add_name(&words, agents->items[i]);
    }
    text_addc(&words, '\n');
    terminal_put(stderr, &words);
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

/* One machine and the names that it is to have. */
struct slot {
    const struct machine *machine;
    struct strings agents;
    enum assignment_reason reason;
    bool changes, replaces;
};

/* What is to be done: the plan for machines without a name, the one for those whose names nobody
 * needs, and all machines that could have names of the problem. */
struct work {
    struct assignments first, second;
    const struct machine **spare; /* they hold names, none of them in the problem */
    size_t n_spare;
    struct slot *slots;
    size_t n_slots;
    const char **left;
    size_t n_left;
};

static void work_clear(struct work *w)
{
    assignments_clear(&w->first);
    assignments_clear(&w->second);
    for (size_t i = 0; i < w->n_slots; i++)
        strings_clear(&w->slots[i].agents);
    free(w->slots);
    free(w->spare);
    free(w->left);
}

static void add_spare(const struct work *w, struct text *words)
{
    enum { SHOWN_MAX = 5 };

    for (size_t i = 0; i < w->n_spare && i < SHOWN_MAX; i++) {
        text_adds(words, i > 0 ? ", " : "");
        report_add_label(words, w->spare[i]);
        text_adds(words, " (");
        report_add_name(words, w->spare[i]->advert.agents.items[0]);
        text_adds(words, w->spare[i]->advert.agents.count > 1 ? " …)" : ")");
    }
    if (w->n_spare > SHOWN_MAX)
        text_addf(words, " and %zu more", w->n_spare - SHOWN_MAX);
}

static void tell_slots(const struct work *w, struct text *words)
{
    for (size_t i = 0; i < w->n_slots; i++) {
        const struct slot *s = &w->slots[i];
        const char *why = assignment_reason_text(s->reason);

        for (size_t k = 0; k < s->agents.count && s->changes; k++) {
            if (!s->replaces && strings_has(&s->machine->advert.agents, s->agents.items[k]))
                continue;
            report_add_name(words, s->agents.items[k]);
            text_adds(words, " to ");
            report_add_label(words, s->machine);
            if (s->replaces)
                text_adds(words, " (its names are not in the problem)");
            else if (k == 0 && *why)
                text_addf(words, " (%s)", why);
            text_addc(words, '\n');
        }
    }
}

static void tell_plan(const struct program *p, const struct work *w)
{
    CLEANUP_TEXT struct text words = TEXT_INIT;

    tell_slots(w, &words);
    for (size_t i = 0; i < w->first.n_reserved; i++) {
        report_add_name(&words, w->first.reserved[i]->agent);
        text_addf(&words,
                  " is kept for machine %s, which is offline; to free it for another machine: ",
                  w->first.reserved[i]->id);
        text_adds(&words, "dcop-deploy assign --release ");
        report_add_name(&words, w->first.reserved[i]->agent);
        text_addc(&words, '\n');
    }
    for (size_t i = 0; i < w->n_left; i++) {
        report_add_name(&words, w->left[i]);
        text_adds(&words, ": no machine is left for it\n");
    }
    for (size_t i = 0; i < w->first.n_idle; i++) {
        report_add_label(&words, w->first.idle[i]);
        text_adds(&words, ": no name is left for it\n");
    }
    if (w->n_left > 0 && w->n_spare > 0 && !p->options.replace) {
        text_addf(&words, "%zu machine%s names that this problem does not need: ", w->n_spare,
                  w->n_spare == 1 ? " holds" : "s hold");
        add_spare(w, &words);
        text_adds(&words, "; --replace gives them the problem's\n");
    }
    if (w->n_left > 0 && !p->options.spread)
        text_adds(&words, "--spread gives several names to a machine.\n");
    terminal_put(stderr, &words);
}

/* Names are remembered by fleet: one at a time. */
static int fleet_of(const struct work *w, const struct match *match, bool all, const char **ret,
                    struct error *err)
{
    size_t n = match->n_unassigned + (all ? w->n_spare + match->n_matched : 0);

    *ret = ADVERT_FLEET_DEFAULT;
    for (size_t i = 0; i < n; i++) {
        size_t k = i - match->n_unassigned;
        const char *fleet =
            machine_fleet(i < match->n_unassigned ? match->unassigned[i]
                          : k < w->n_spare        ? w->spare[k]
                                                  : match->matched[k - w->n_spare].machine);

        if (i > 0 && strcmp(fleet, *ret) != 0)
            return error_set(err, -EINVAL,
                             "the machines belong to the fleets '%s' and '%s'; select one fleet "
                             "with -f",
                             *ret, fleet);
        *ret = fleet;
    }
    return 0;
}

static bool is_spare(const struct machine *m, const struct problem *problem)
{
    if (!machine_is_there(m) || !m->beacon || m->untrusted || m->advert.agents.count == 0)
        return false;
    for (size_t i = 0; i < m->advert.agents.count; i++)
        if (strings_has(&problem->agents, m->advert.agents.items[i]))
            return false;
    return true;
}

static int find_spare(const struct machine *const *machines, size_t n,
                      const struct problem *problem, struct work *w)
{
    w->spare = calloc(n + 1, sizeof(struct machine *));
    if (!w->spare)
        return -ENOMEM;
    for (size_t i = 0; i < n; i++)
        if (is_spare(machines[i], problem))
            w->spare[w->n_spare++] = machines[i];
    return 0;
}

static struct slot *slot_of(struct work *w, const struct machine *m)
{
    for (size_t i = 0; i < w->n_slots; i++)
        if (w->slots[i].machine == m)
            return &w->slots[i];
    w->slots[w->n_slots] = (struct slot){.machine = m};
    return &w->slots[w->n_slots++];
}

static int fill_slots(struct work *w, const struct assignments *from, bool replaces)
{
    for (size_t i = 0; i < from->count; i++) {
        struct slot *s = slot_of(w, from->items[i].machine);

        s->reason = from->items[i].reason;
        s->changes = true;
        s->replaces = replaces;
        if (strings_add(&s->agents, from->items[i].agent) < 0)
            return -ENOMEM;
    }
    return 0;
}

/* Machines with names of the problem keep all they have. */
static int add_matched(struct work *w, const struct match *match)
{
    for (size_t i = 0; i < match->n_matched; i++) {
        struct slot *s = slot_of(w, match->matched[i].machine);

        if (s->agents.count == 0 &&
            strings_copy(&s->agents, &match->matched[i].machine->advert.agents) < 0)
            return -ENOMEM;
    }
    return 0;
}

/* Each name that is left goes to the machine that has the fewest. */
static int spread_names(struct work *w)
{
    size_t kept = 0;

    for (size_t i = 0; i < w->n_left; i++) {
        struct slot *least = NULL;

        for (size_t k = 0; k < w->n_slots; k++)
            if (!least || w->slots[k].agents.count < least->agents.count)
                least = &w->slots[k];
        if (!least || least->agents.count >= ADVERT_AGENTS_MAX) {
            w->left[kept++] = w->left[i];
            continue;
        }
        least->changes = true;
        if (strings_add(&least->agents, w->left[i]) < 0)
            return -ENOMEM;
    }
    w->n_left = kept;
    return 0;
}

static int make_work(struct program *p, const struct match *match, const struct state_names *names,
                     struct work *w)
{
    struct match spare = {.missing = NULL, .unassigned = w->spare, .n_unassigned = w->n_spare};
    const struct assignments *last = &w->first;
    int r = assignments_plan(match, names, &w->first);

    if (r == 0 && p->options.replace && w->first.n_left > 0) {
        spare.missing = w->first.left;
        spare.n_missing = w->first.n_left;
        r = assignments_plan(&spare, &(struct state_names){0}, &w->second);
        last = &w->second;
    }
    w->slots = calloc(match->n_matched + match->n_missing + 1, sizeof(*w->slots));
    w->left = calloc(match->n_missing + 1, sizeof(*w->left));
    if (r < 0 || !w->slots || !w->left)
        return -ENOMEM;
    for (size_t i = 0; i < last->n_left; i++)
        w->left[w->n_left++] = last->left[i];
    r = fill_slots(w, &w->first, false);
    if (r == 0)
        r = fill_slots(w, &w->second, true);
    if (r == 0 && p->options.spread)
        r = add_matched(w, match);
    if (r == 0 && p->options.spread)
        r = spread_names(w);
    for (size_t i = 0; i < w->n_slots && r == 0; i++)
        if (w->slots[i].changes)
            r = add_target(p, w->slots[i].machine, &w->slots[i].agents);
    return r;
}

static int assign_missing(struct program *p, struct error *err)
{
    CLEANUP(fleet_free_p) struct fleet *fleet = NULL;
    CLEANUP(match_clear) struct match match = MATCH_INIT;
    CLEANUP(state_names_clear) struct state_names names = {0};
    CLEANUP(work_clear) struct work work = {0};
    const struct match_holders holders = holders_of(p->state);
    const struct machine *const *machines;
    bool all = p->options.replace || p->options.spread;
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
    r = match_make(machines, n, &p->problem, &holders, &match);
    if (r == 0)
        r = find_spare(machines, n, &p->problem, &work);
    if (r < 0)
        return error_sys(err, r, "cannot match");
    r = fleet_of(&work, &match, all, &name, err);
    if (r == 0)
        r = state_name_list(p->state, name, &names, err);
    if (r == 0 && make_work(p, &match, &names, &work) < 0)
        r = error_sys(err, -ENOMEM, "cannot assign names");
    if (r < 0)
        return r;
    tell_plan(p, &work);
    if (match.n_missing == 0)
        fprintf(stderr, "Every name of the problem has a machine already.\n");
    r = write_names(p, err);
    return r == 0 && work.n_left + work.first.n_reserved > 0 ? 1 : r;
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
            tell_names(held[i], &agents);
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
    const char *fleet = p->options.fleet ? p->options.fleet : ADVERT_FLEET_DEFAULT;
    CLEANUP_FREE char *holder = NULL;
    bool now = true;
    int r = p->options.check ? state_name_holder(p->state, fleet, agent, &holder, &now, err)
                             : release_record(p, agent, err);

    if (r == 0 && !now)
        r = -ENOENT;
    if (r == -ENOENT)
        return error_set(err, r,
                         "no machine that is online has the name '%s', and none is recorded for it",
                         agent);
    if (r == 0 && p->options.check)
        fprintf(stderr, "'%s' would be free: machine %s, which is offline, has it.\n", agent,
                holder);
    else if (r == 0)
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
            r = release_absent(p, agent, err);
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
            tell_names(m, &agents);
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
