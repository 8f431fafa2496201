/* The queue of `deploy --later`, worked off as its machines appear. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "deployer/cache/caches.h"
#include "deployer/later/later.h"
#include "deployer/state/report.h"
#include "discovery/base/clock.h"
#include "private.h"

/* Entries that one run does, claimed by this process, while their pack is made in a thread. */
struct later_group {
    struct controller *c;
    struct task *task;
    struct paths paths; /* borrowed strings: they do not change */
    struct cache_choice choice;
    struct state_wheel wheel;
    struct state_laters entries;
    struct pack *pack;
    int r;
    struct error err;
};

static void group_free(struct later_group *g)
{
    if (!g)
        return;
    task_free(g->task);
    cache_choice_clear(&g->choice);
    state_wheel_clear(&g->wheel);
    state_laters_clear(&g->entries);
    pack_unref(g->pack);
    free(g);
}

static void end_entry(struct controller *c, const struct state_later *l, enum job_outcome outcome,
                      bool busy, const char *why)
{
    struct error err = {0};

    if (later_ended(c->state, l, outcome, busy, why, &err) < 0)
        controller_set_trouble(&c->troubles.state, err.text);
}

/* --- the run ------------------------------------------------------------------------ */

/* A machine of its id that is accepted and that nothing else is done with. */
static struct member *find_free(struct controller *c, const char *id)
{
    for (struct member *m = c->directory.members; m; m = m->hh.next)
        if (strcmp(m->machine.advert.id, id) == 0 && m->standing.state == STANDING_ACCEPTED &&
            machine_is_there(&m->machine) && !m->at_work && !m->pending)
            return m;
    return NULL;
}

static bool is_queued(const struct state_laters *list, int64_t entry)
{
    for (size_t i = 0; i < list->count; i++)
        if (list->items[i].entry == entry)
            return true;
    return false;
}

/* What was cancelled or replaced while the pack was made is left out; machines that have gone
 * wait again. */
static size_t find_members(struct later_group *g, struct member **members)
{
    struct controller *c = g->c;
    CLEANUP(state_laters_clear) struct state_laters now = {0};
    size_t n = 0;

    if (state_later_list(c->state, &now, NULL) < 0)
        return 0; /* claimed as they are, they are tried again by the next process */
    for (size_t i = 0; i < g->entries.count; i++) {
        const struct state_later *l = &g->entries.items[i];
        struct member *m = find_free(c, l->machine);

        if (!is_queued(&now, l->entry))
            continue;
        if (!m) {
            end_entry(c, l, JOB_UNREACHABLE, true, "it left, or something else is done with it");
            continue;
        }
        m->later = l->entry;
        m->later_tries = l->tries;
        members[n++] = m;
    }
    return n;
}

static const struct state_later *entry_of(const struct later_group *g, int64_t entry)
{
    for (size_t i = 0; i < g->entries.count; i++)
        if (g->entries.items[i].entry == entry)
            return &g->entries.items[i];
    return NULL;
}

static int fill_targets(const struct later_group *g, struct member **members, size_t n,
                        struct run_target *targets, struct error *err)
{
    for (size_t i = 0; i < n; i++)
        if (later_target(entry_of(g, members[i]->later), &members[i]->machine, &targets[i].target) <
            0)
            return error_sys(err, -ENOMEM, "cannot plan the run");
    return 0;
}

static int begin_run(struct later_group *g, struct member **members, size_t n, struct error *err)
{
    struct controller *c = g->c;
    const struct state_later *first = &g->entries.items[0];
    CLEANUP_FREE struct run_target *targets = calloc(n + 1, sizeof(*targets));
    CLEANUP(later_options_clear) struct deploy_options o = {0};
    struct run_plan plan = {
        .verb = "deploy",
        .pack = g->pack,
        .wish = first->wish,
        .timeout_ms = c->settings.deploy.timeout_ms,
        .choice = &c->settings.deploy.caches,
        .queued = true,
        .targets = targets,
        .count = n,
    };
    int r = targets ? later_options(first, &c->settings.deploy, &o, err)
                    : error_sys(err, -ENOMEM, "cannot plan the run");

    if (r == 0)
        r = fill_targets(g, members, n, targets, err);
    if (r == 0) {
        plan.files = o.problems;
        plan.user = o.user;
        plan.orchestrator = o.orchestrator;
        plan.packages = deploy_options_packages(&o);
        later_add_settings(g->pack, &o, &plan.settings);
        r = actions_begin_plan(c, &plan, members, err);
    }
    text_clear(&plan.settings);
    for (size_t i = 0; targets && i < n; i++)
        target_clear(&targets[i].target);
    return r;
}

void later_on_end(struct controller *c, const struct run_event *e, struct member *m)
{
    struct state_later l = {.entry = m->later, .tries = m->later_tries};

    if (!m->later)
        return;
    m->later = 0;
    end_entry(c, &l, e->outcome, e->busy, e->text);
}

/* --- the pack ------------------------------------------------------------------------- */

static void run_packing(void *arg, int cancel_fd)
{
    struct later_group *g = arg;
    CLEANUP(caches_clear) struct caches caches = {0};

    g->r = caches_find(&g->choice, &g->paths, &caches, &g->err);
    if (g->r == 0)
        g->r = later_pack(&g->wheel, g->entries.items[0].spec, caches_index(&caches, &g->choice),
                          &g->paths, cancel_fd, &g->pack, &g->err);
}

static void fail_group(struct later_group *g, const char *why)
{
    for (size_t i = 0; i < g->entries.count; i++)
        end_entry(g->c, &g->entries.items[i], JOB_FAILED, false, why);
    controller_log(g->c, "later: %s", why);
}

static void on_packing_done(void *arg)
{
    struct later_group *g = arg;
    struct controller *c = g->c;
    CLEANUP_FREE struct member **members = calloc(g->entries.count + 1, sizeof(struct member *));
    size_t n;

    c->queue.group = NULL;
    model_clear(c);
    if (!members)
        (void)error_sys(&g->err, g->r = -ENOMEM, "cannot plan the run");
    if (g->r < 0)
        fail_group(g, g->err.text);
    else {
        n = find_members(g, members);
        if (n > 0 && begin_run(g, members, n, &g->err) < 0) {
            for (size_t i = 0; i < n; i++)
                members[i]->later = 0;
            fail_group(g, g->err.text);
        }
    }
    group_free(g);
    controller_evaluate_soon(c);
}

/* Moves the entry into the group, unless another process has taken it meanwhile. */
static int claim(struct later_group *g, struct state_later *l, struct error *err)
{
    int r = state_later_claim(g->c->state, l->entry, err);

    if (r < 0)
        return r == -ENOENT || r == -EBUSY ? 0 : r;
    g->entries.items[g->entries.count++] = *l;
    *l = (struct state_later){0};
    return 0;
}

static void start_group(struct controller *c, struct state_later **due, size_t n)
{
    struct later_group *g = calloc(1, sizeof(*g));
    struct error err = {0};
    int r;

    if (!g)
        return;
    g->c = c;
    g->paths = c->paths;
    g->entries.items = calloc(n, sizeof(*g->entries.items));
    r = g->entries.items ? state_later_wheel(c->state, due[0]->wheel, &g->wheel, &err) : -ENOMEM;
    if (r == 0)
        r = cache_choice_copy(&c->settings.deploy.caches, &g->choice);
    for (size_t i = 0; i < n && r == 0; i++)
        r = claim(g, due[i], &err);
    if (r == 0 && g->entries.count > 0) {
        c->queue.group = g;
        r = task_start(c->loop, run_packing, on_packing_done, g, &g->task, &err);
        if (r == 0)
            return;
        c->queue.group = NULL;
        fail_group(g, err.text);
    }
    group_free(g);
}

/* --- the queue ------------------------------------------------------------------------ */

/* Shown in the status; publish_status sends it when it has changed. */
static void show_queue(struct controller *c)
{
    CLEANUP_TEXT struct text words = TEXT_INIT;
    json_t *report = NULL;

    if (state_report_later_json(c->state, &words, NULL) == 0)
        report = json_loads(text_str(&words), 0, NULL);
    json_decref(c->queue.shown);
    c->queue.shown = json_incref(json_object_get(report, "later"));
    json_decref(report);
}

static void mark_waiting(struct controller *c, const struct state_later *l)
{
    for (struct member *m = c->directory.members; m; m = m->hh.next)
        if (strcmp(m->machine.advert.id, l->machine) == 0)
            m->awaited = true;
}

static int find_due(struct controller *c, struct state_laters *list,
                    const struct machine *const *machines, size_t n, struct state_later **due,
                    size_t *ret_count, struct error *err)
{
    for (size_t i = 0; i < list->count; i++) {
        struct state_later *l = &list->items[i];
        struct later_verdict verdict;
        int r = later_look(c->state, l, machines, n, &verdict, err);

        if (r < 0)
            return r;
        if (verdict.due || l->claimed || l->next_ms > clock_ms(CLOCK_REALTIME))
            mark_waiting(c, l);
        if (verdict.due && find_free(c, l->machine) && (*ret_count == 0 || later_same(due[0], l)))
            due[(*ret_count)++] = l;
    }
    return 0;
}

void later_evaluate(struct controller *c, struct member **members, size_t n)
{
    CLEANUP(state_laters_clear) struct state_laters list = {0};
    CLEANUP_FREE const struct machine **machines = calloc(n + 1, sizeof(*machines));
    CLEANUP_FREE struct state_later **due = NULL;
    struct error err = {0};
    size_t n_due = 0;

    for (size_t i = 0; i < n; i++)
        members[i]->awaited = false;
    if (!machines || state_later_list(c->state, &list, &err) < 0)
        return;
    due = calloc(list.count + 1, sizeof(struct state_later *));
    for (size_t i = 0; i < n; i++)
        machines[i] = &members[i]->machine;
    if (!due || find_due(c, &list, machines, n, due, &n_due, &err) < 0)
        return;
    if (n_due > 0 && !c->queue.group)
        start_group(c, due, n_due);
    show_queue(c);
}

void later_stop(struct controller *c)
{
    group_free(TAKE_PTR(c->queue.group));
    json_decref(TAKE_PTR(c->queue.shown));
}
