/* `deploy`, with --check and --diff: what would change, and how. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "deploy-common.h"
#include "deployer/cli/canary.h"
#include "deployer/cli/facts.h"
#include "discovery/base/terminal.h"
#include "later-work.h"
#include "verbs.h"

/* --- --diff ---------------------------------------------------------------------- */

/* As git colours it; the text is the machine's, so each line is escaped. */
static void add_line(struct text *out, const char *line, size_t size, bool color)
{
    CLEANUP_FREE char *copy = strndup(line, size);
    const char *tone = !color         ? NULL
                       : *line == '+' ? "32"
                       : *line == '-' ? "31"
                       : *line == '@' ? "36"
                                      : NULL;

    if (!copy)
        return;
    if (tone)
        text_addf(out, "\033[%sm", tone);
    for (char *tab = copy; (tab = strchr(tab, '\t'));)
        *tab = ' ';
    text_add_printable(out, copy);
    text_adds(out, tone ? "\033[0m\n" : "\n");
}

static void add_diff(struct text *out, const char *diff, bool color)
{
    while (*diff) {
        size_t size = strcspn(diff, "\n");

        add_line(out, diff, size, color);
        diff += size + (diff[size] == '\n');
    }
}

/* Machines with the same difference share one print: thirty equal cards fill one page. */
static int print_diffs(const struct facts *f, struct error *err)
{
    CLEANUP_TEXT struct text out = TEXT_INIT;
    CLEANUP_FREE bool *printed = calloc(f->count + 1, sizeof(*printed));
    bool color = terminal_wants_color(STDOUT_FILENO);

    for (size_t i = 0; i < f->count && printed; i++) {
        const char *diff = text_str(&f->machines[i].diff);

        if (!*diff || printed[i])
            continue;
        for (size_t k = i; k < f->count; k++) {
            const struct machine_facts *m = &f->machines[k];

            if (strcmp(text_str(&m->diff), diff) != 0)
                continue;
            text_adds(&out, k == i ? "" : ", ");
            text_add_printable(&out, m->host ? m->host : m->agents);
            printed[k] = true;
        }
        text_adds(&out, ":\n");
        add_diff(&out, diff, color);
        text_addc(&out, '\n');
    }
    if (!printed || text_error(&out) < 0)
        return error_sys(err, -ENOMEM, "cannot show the differences");
    terminal_put(stdout, &out);
    return 0;
}

/* --- --later --------------------------------------------------------------------- */

/* Targets that went away before they were reached. */
struct lost {
    struct targets all; /* copies, in the order of the run */
    bool *unreachable;
    size_t done;
};

static void lost_clear(struct lost *l)
{
    targets_clear(&l->all);
    free(l->unreachable);
}

static int lost_init(struct lost *l, const struct targets *targets, struct error *err)
{
    l->unreachable = calloc(targets->count + 1, sizeof(*l->unreachable));
    if (!l->unreachable || targets_copy(targets, &l->all) < 0)
        return error_sys(err, -ENOMEM, "cannot plan the run");
    return 0;
}

static void hear_lost(size_t machine, const struct run_event *event, void *arg)
{
    struct lost *l = arg;

    if (event->kind != RUN_MACHINE_ENDED)
        return;
    l->unreachable[machine] = event->outcome == JOB_UNREACHABLE;
    l->done += event->outcome == JOB_OK || event->outcome == JOB_CHANGED;
}

/* Keeps those that can be queued: known by their id, with a pin. */
static void keep_lost(const struct program *p, struct lost *l)
{
    size_t kept = 0;

    for (size_t i = 0; i < l->all.count; i++) {
        struct target *t = &l->all.items[i];
        CLEANUP(state_pin_clear) struct state_pin pin = {0};

        if (l->unreachable[i] && t->id && !t->guessed &&
            state_pin_get(p->state, t->id, &pin, NULL) == 0)
            targets_keep(&l->all, i, &kept);
        else
            target_clear(t);
    }
    l->all.count = kept;
}

/* Is all that did not end well in the queue now? */
static bool only_lost(const struct program *p, const struct lost *l, size_t n_targets)
{
    return !p->absent && !p->incomplete && !(p->options.strict && p->impostor) &&
           l->done + l->all.count == n_targets;
}

/* First the queue is written, then those that are here are deployed to. */
static int act_and_queue(struct program *p, struct action *action, struct error *err)
{
    CLEANUP(lost_clear) struct lost lost = {0};
    CLEANUP_STRINGS struct strings ids = {0};
    size_t n = p->targets.count;
    int answer = p->absent, r = later_work_queue(p, &p->away, &ids, err);

    if (r == 0)
        r = lost_init(&lost, &p->targets, err);
    if (r < 0)
        return r;
    action->listener = hear_lost;
    action->arg = &lost;
    if (p->targets.count > 0)
        answer = program_act(p, &p->targets, action, err);
    else if (p->away.count == 0)
        fputs("Nothing was done.\n", stderr);
    if (answer < 0)
        return answer;
    keep_lost(p, &lost);
    if (p->options.wait && answer == 1 && only_lost(p, &lost, n))
        answer = 0; /* when the wait is over, all is done */
    r = later_work_queue(p, &lost.all, &ids, err);
    if (r == 0 && p->options.wait)
        r = later_work_run(p, &ids, err);
    return r < 0 ? r : answer;
}

/* --- all of it ------------------------------------------------------------------- */

static int run_deploy(struct program *p, struct error *err)
{
    const struct deploy_options *o = &p->options;
    CLEANUP(facts_clear) struct facts facts = {0};
    CLEANUP_TEXT struct text settings = TEXT_INIT;
    struct action action = {
        .mode = o->diff    ? "diff"
                : o->check ? "check"
                           : "deploy",
        .settings = &settings,
        .packages = o->check ? NULL : deploy_options_packages(o),
        .unrecorded = o->check,
    };
    size_t waves[WAVES_MAX];
    int answer, r = program_takes_arguments(p, 0, err);

    action.waves = waves;
    if (r == 0)
        r = deploy_common_settings(o, &settings, err);
    if (r == 0)
        r = program_find_targets(p, err);
    if (r == 0 && (p->targets.count > 0 || !o->later))
        r = program_identify(p, err);
    if (r == 0)
        r = deploy_common_pack(p, &settings, err);
    if (r == 0 && o->diff && facts_init(&facts, &p->targets) < 0)
        r = error_sys(err, -ENOMEM, "cannot show the differences");
    if (r != 0)
        return r;
    if (o->canary && !o->check && p->targets.count > 0)
        r = canary_choose(p, &action, waves, &action.n_waves, err);
    if (r < 0)
        return r;
    if (o->later)
        return act_and_queue(p, &action, err);
    if (o->diff) {
        action.listener = facts_hear;
        action.arg = &facts;
    }
    answer = program_act(p, &p->targets, &action, err);
    if (answer >= 0 && o->diff && !o->json)
        r = print_diffs(&facts, err);
    return r < 0 ? r : answer;
}

const struct verb verb_deploy = {
    .name = "deploy",
    .arguments = "",
    .help = "deploy pyDCOP, start the agents (the default)",
    .foresees = true,
    .run = run_deploy,
};
