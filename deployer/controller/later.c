/* The queue of `deploy --later`, worked off as its machines appear. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "deployer/cache/caches.h"
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
    const void **keys; /* of the members that the entries are for */
    struct pack *pack;
    int r;
    struct error err;
};

struct due {
    struct state_later *entry;
    struct member *member;
};

static void group_free(struct later_group *g)
{
    if (!g)
        return;
    task_free(g->task);
    cache_choice_clear(&g->choice);
    state_wheel_clear(&g->wheel);
    state_laters_clear(&g->entries);
    free(g->keys);
    pack_unref(g->pack);
    free(g);
}

static void end_entry(struct controller *c, const struct state_later *l, enum job_outcome outcome,
                      bool busy, const char *why)
{
    struct error err = {0};

    if (later_end(&c->queue.ends, c->state, l, outcome, busy, why, &err) < 0)
        controller_set_trouble(&c->troubles.queue, err.text);
}

/* --- the run ------------------------------------------------------------------------ */

/* Accepted, and nothing else is done with it. */
static bool is_free(const struct member *m)
{
    return m->standing.state == STANDING_ACCEPTED && machine_is_there(&m->machine) && !m->at_work &&
           !m->pending;
}

/* The member that was chosen, unless it has gone or is not free any more. */
static struct member *find_chosen(const struct controller *c, const void *key, const char *id)
{
    struct member *m;

    HASH_FIND(hh, c->directory.members, &key, sizeof(key), m);
    return m && strcmp(m->machine.advert.id, id) == 0 && is_free(m) ? m : NULL;
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
    struct error err = {0};
    size_t n = 0;

    if (state_later_list(c->state, &now, &err) < 0) {
        controller_set_trouble(&c->troubles.queue, err.text);
        return 0; /* the next evaluation releases them */
    }
    for (size_t i = 0; i < g->entries.count; i++) {
        const struct state_later *l = &g->entries.items[i];
        struct member *m = find_chosen(c, g->keys[i], l->machine);

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
static int claim(struct later_group *g, struct due *due, struct error *err)
{
    struct state_later *l = due->entry;
    int r = state_later_claim(g->c->state, l->entry, err);

    if (r < 0)
        return r == -ENOENT || r == -EBUSY ? 0 : r;
    g->keys[g->entries.count] = due->member->key;
    g->entries.items[g->entries.count++] = *l;
    *l = (struct state_later){0};
    return 0;
}

static int fill_group(struct later_group *g, struct due *due, size_t n, struct error *err)
{
    struct controller *c = g->c;
    int r;

    g->entries.items = calloc(n, sizeof(*g->entries.items));
    g->keys = calloc(n, sizeof(*g->keys));
    if (!g->entries.items || !g->keys ||
        cache_choice_copy(&c->settings.deploy.caches, &g->choice) < 0)
        return error_sys(err, -ENOMEM, "cannot plan the run");
    r = state_later_wheel(c->state, due[0].entry->wheel, &g->wheel, err);
    if (r == -ENOENT) /* they were cancelled meanwhile */
        return 0;
    for (size_t i = 0; i < n && r == 0; i++)
        r = claim(g, &due[i], err);
    return r;
}

/* What was claimed before a failure is released by the next evaluation. */
static int start_group(struct controller *c, struct due *due, size_t n, struct error *err)
{
    struct later_group *g = calloc(1, sizeof(*g));
    int r;

    if (!g)
        return error_sys(err, -ENOMEM, "cannot plan the run");
    g->c = c;
    g->paths = c->paths;
    r = fill_group(g, due, n, err);
    if (r == 0 && g->entries.count > 0) {
        c->queue.group = g;
        r = task_start(c->loop, run_packing, on_packing_done, g, &g->task, err);
        if (r == 0)
            return 0;
        c->queue.group = NULL;
    }
    group_free(g);
    return r;
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

static bool is_at_work(const struct controller *c, int64_t entry)
{
    if (c->queue.group && is_queued(&c->queue.group->entries, entry))
        return true;
    for (const struct member *m = c->directory.members; m; m = m->hh.next)
        if (m->later == entry)
            return true;
    return false;
}

/* What this process has claimed and does nothing for: its member was forgotten, or a group could
 * not begin. */
static int release_idle(const struct controller *c, struct state_laters *list, struct error *err)
{
    int r = 0;

    for (size_t i = 0; i < list->count && r == 0; i++)
        if (!is_at_work(c, list->items[i].entry))
            r = later_release(c->state, &list->items[i], err);
    return r;
}

/* Its machine is there, and a person has to do something first. */
static int tell_standing(const struct controller *c, const struct state_later *l,
                         const struct member *m, struct error *err)
{
    const char *why = m->standing.why;

    if (m->standing.state == STANDING_ACCEPTED || !why || strcmp(why, l->reason) == 0)
        return 0;
    return state_later_tell(c->state, l->entry, why, clock_ms(CLOCK_REALTIME), err);
}

static int find_due(struct controller *c, struct state_laters *list,
                    const struct machine *const *machines, size_t n, struct due *due,
                    size_t *ret_count, struct error *err)
{
    for (size_t i = 0; i < list->count; i++) {
        struct state_later *l = &list->items[i];
        struct later_verdict verdict;
        struct member *m;
        int r = later_look(c->state, l, machines, n, &verdict, err);

        if (r < 0)
            return r;
        if (verdict.due || l->claimed || later_rests(l, clock_ms(CLOCK_REALTIME)))
            mark_waiting(c, l);
        if (!verdict.due)
            continue;
        m = member_of(verdict.machine);
        r = tell_standing(c, l, m, err);
        if (r < 0)
            return r;
        if (is_free(m) && (*ret_count == 0 || later_same(due[0].entry, l)))
            due[(*ret_count)++] = (struct due){.entry = l, .member = m};
    }
    return 0;
}

static int work_off(struct controller *c, struct member **members, size_t n, struct error *err)
{
    CLEANUP(state_laters_clear) struct state_laters list = {0};
    CLEANUP_FREE const struct machine **machines = calloc(n + 1, sizeof(*machines));
    CLEANUP_FREE struct due *due = NULL;
    size_t n_due = 0;
    int r = later_catch_up(&c->queue.ends, c->state, err);

    if (r == 0)
        r = state_later_list(c->state, &list, err);
    if (r == 0)
        r = release_idle(c, &list, err);
    if (r < 0)
        return r;
    due = calloc(list.count + 1, sizeof(*due));
    if (!machines || !due)
        return error_sys(err, -ENOMEM, "cannot read the queue");
    for (size_t i = 0; i < n; i++)
        machines[i] = &members[i]->machine;
    r = find_due(c, &list, machines, n, due, &n_due, err);
    if (r == 0 && n_due > 0 && !c->queue.group && !solving_is_active(c))
        r = start_group(c, due, n_due, err);
    return r;
}

void later_evaluate(struct controller *c, struct member **members, size_t n)
{
    struct error err = {0};
    int r;

    for (size_t i = 0; i < n; i++)
        members[i]->awaited = false;
    r = work_off(c, members, n, &err);
    if (r < 0 && !string_equal(c->troubles.queue, err.text))
        controller_log(c, "later: %s", err.text);
    controller_set_trouble(&c->troubles.queue, r < 0 ? err.text : NULL);
    show_queue(c);
}

void later_stop(struct controller *c)
{
    group_free(TAKE_PTR(c->queue.group));
    later_ends_clear(&c->queue.ends);
    json_decref(TAKE_PTR(c->queue.shown));
}
