#include "later-work.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "deployer/cache/caches.h"
#include "deployer/later/later.h"
#include "deployer/progress/json.h"
#include "deployer/state/report.h"
#include "discovery/base/terminal.h"

/* A look at the network, unless --discovery-timeout says how long, and the pause after it.  It need
 * not see all: what it does not see yet, the next one does. */
enum { LOOK_MS = 1500, LOOK_AGAIN_MS = 1000 };

/* --- queuing ------------------------------------------------------------------------ */

/* "rpi-1 (a1 a2)" */
static void add_name(struct text *t, const char *host, const struct strings *agents)
{
    CLEANUP_FREE char *names = strings_join(agents, " ");

    text_add_printable(t, host);
    if (!names || !*names)
        return;
    text_adds(t, " (");
    text_add_printable(t, names);
    text_addc(t, ')');
}

static void tell_queued(const struct program *p, const struct targets *away)
{
    CLEANUP_TEXT struct text words = TEXT_INIT;

    for (size_t i = 0; i < away->count; i++) {
        const struct target *t = &away->items[i];

        text_adds(&words, "Queued: ");
        add_name(&words, t->host ? t->host : t->id, &t->agents);
        text_adds(&words, " is away.\n");
    }
    if (!p->options.wait)
        text_adds(&words, "The service deploys to what is queued when it appears, if it runs with "
                          "this state folder; so does `dcop-deploy later --wait`.\n");
    if (!p->options.quiet)
        terminal_put(stderr, &words);
}

static void write_queued(const struct targets *away)
{
    for (size_t i = 0; i < away->count; i++) {
        const struct target *t = &away->items[i];
        CLEANUP_TEXT struct text line = TEXT_INIT;
        CLEANUP_FREE char *text = NULL;
        json_t *o = json_pack("{s:i,s:s}", "version", 1, "event", "queued"), *agents = json_array();

        for (size_t k = 0; k < t->agents.count; k++)
            (void)json_array_append_new(agents, progress_json_text(t->agents.items[k]));
        progress_json_add(o, "machine", t->id);
        progress_json_add(o, "host", t->host);
        (void)json_object_set_new(o, "agents", agents);
        text = o ? json_dumps(o, JSON_COMPACT) : NULL;
        json_decref(o);
        text_addf(&line, "%s\n", text ? text : "");
        terminal_put(stdout, &line);
    }
}

int later_work_queue(struct program *p, const struct targets *away, struct strings *ids,
                     struct error *err)
{
    CLEANUP(state_wheel_clear) struct state_wheel wheel = {0};
    int r = away->count > 0 ? later_read_wheel(p->pack, &wheel, err) : 0;

    if (r < 0 || away->count == 0)
        return r;
    r = later_add(p->state, away, &p->options, p->pack, &wheel, err);
    for (size_t i = 0; i < away->count && r == 0; i++)
        r = strings_add(ids, away->items[i].id);
    if (r < 0)
        return r;
    if (p->options.json)
        write_queued(away);
    else
        tell_queued(p, away);
    return 0;
}

/* --- one group: entries that one run does --------------------------------------------- */

struct group {
    struct program *p;
    struct later_ends *ends;
    const struct state_later **entries;
    const struct machine **machines;
    bool *ended;
    size_t count;
};

static void end_entry(struct group *g, size_t i, enum job_outcome outcome, bool busy,
                      const char *why)
{
    struct error err = {0};

    g->ended[i] = true;
    if (later_end(g->ends, g->p->state, g->entries[i], outcome, busy, why, &err) < 0)
        fprintf(stderr, "dcop-deploy: %s\n", err.text);
}

static void on_event(size_t machine, const struct run_event *event, void *arg)
{
    if (event->kind == RUN_MACHINE_ENDED)
        end_entry(arg, machine, event->outcome, event->busy, event->text);
}

/* What another process has claimed meanwhile is left to it. */
static int claim_all(struct group *g, struct error *err)
{
    size_t kept = 0;

    for (size_t i = 0; i < g->count; i++) {
        int r = state_later_claim(g->p->state, g->entries[i]->entry, err);

        if (r < 0 && r != -ENOENT && r != -EBUSY)
            return r;
        if (r < 0)
            continue;
        g->entries[kept] = g->entries[i];
        g->machines[kept++] = g->machines[i];
    }
    g->count = kept;
    return 0;
}

static int pack_entry(struct program *p, const struct state_later *entry, struct pack **ret,
                      struct error *err)
{
    CLEANUP(state_wheel_clear) struct state_wheel wheel = {0};
    int r = state_later_wheel(p->state, entry->wheel, &wheel, err);

    if (r == -ENOENT) /* it was cancelled meanwhile */
        return error_set(err, r, "the wish was cancelled");
    if (r == 0)
        r = program_find_caches(p, err);
    return r < 0 ? r
                 : later_pack(&wheel, entry->spec, caches_index(&p->caches, &p->options.caches),
                              &p->paths, -1, ret, err);
}

static int act_on_group(struct group *g, struct error *err)
{
    struct program *p = g->p;
    CLEANUP(targets_clear) struct targets targets = {0};
    CLEANUP_TEXT struct text settings = TEXT_INIT;
    struct action action = {
        .mode = "deploy",
        .settings = &settings,
        .packages = deploy_options_packages(&p->options),
        .queued = true,
        .listener = on_event,
        .arg = g,
    };

    targets.items = calloc(g->count + 1, sizeof(*targets.items));
    if (!targets.items)
        return error_sys(err, -ENOMEM, "cannot plan the run");
    for (; targets.count < g->count; targets.count++)
        if (later_target(g->entries[targets.count], g->machines[targets.count],
                         &targets.items[targets.count]) < 0)
            return error_sys(err, -ENOMEM, "cannot plan the run");
    later_add_settings(p->pack, &p->options, &settings);
    return program_act(p, &targets, &action, err);
}

/* The program as the wish has it: options and pack, and no consent to new host keys. */
static int act_as_wished(struct group *g, struct error *err)
{
    struct program *p = g->p;
    const struct deploy_options options = p->options;
    const struct consent consent = p->consent;
    struct pack *pack = p->pack;
    bool absent = p->absent;
    int r;

    p->pack = NULL;
    p->absent = false;
    p->consent = (struct consent){0};
    r = later_options(g->entries[0], &options, &p->options, err);
    if (r == 0)
        r = pack_entry(p, g->entries[0], &p->pack, err);
    if (r == 0)
        r = act_on_group(g, err);
    p->pack = (pack_unref(p->pack), pack);
    later_options_clear(&p->options);
    p->options = options;
    p->consent = consent;
    p->absent = absent;
    return r;
}

/* Why a run could not begin is why its machines still wait. */
static int do_group(struct group *g, struct error *err)
{
    struct error why = {0};
    int r = claim_all(g, err);

    if (r < 0 || g->count == 0)
        return r;
    g->ended = calloc(g->count, sizeof(*g->ended));
    if (!g->ended)
        return error_sys(err, -ENOMEM, "cannot plan the run");
    r = act_as_wished(g, &why);
    for (size_t i = 0; i < g->count; i++)
        if (!g->ended[i])
            end_entry(g, i, JOB_FAILED, false, why.text);
    return 0;
}

static void group_clear(struct group *g)
{
    free(g->entries);
    free(g->machines);
    free(g->ended);
}

/* --- waiting -------------------------------------------------------------------------- */

struct waiting {
    struct program *p;
    const struct strings *only;
    struct text told;       /* last, to be told once */
    struct later_ends ends; /* to be written */
};

static void waiting_clear(struct waiting *w)
{
    text_clear(&w->told);
    later_ends_clear(&w->ends);
}

static bool concerns(const struct waiting *w, const struct state_later *l)
{
    return !w->only || strings_has(w->only, l->machine);
}

/* Nothing is at work while it is listed: what this process has claimed is what it could not
 * end. */
static int list_waiting(struct waiting *w, struct state_laters *ret, struct error *err)
{
    size_t kept = 0;
    int r = later_catch_up(&w->ends, w->p->state, err);

    if (r == 0)
        r = state_later_list(w->p->state, ret, err);
    for (size_t i = 0; i < ret->count && r == 0; i++)
        r = later_release(w->p->state, &ret->items[i], err);

    for (size_t i = 0; i < ret->count && r == 0; i++) {
        struct state_later l = ret->items[i];

        ret->items[i] = (struct state_later){0};
        if (concerns(w, &l))
            ret->items[kept++] = l;
        else
            state_later_clear(&l);
    }
    if (r == 0)
        ret->count = kept;
    return r;
}

static void tell_waiting(struct waiting *w, const struct state_laters *list)
{
    CLEANUP_TEXT struct text words = TEXT_INIT;

    for (size_t i = 0; i < list->count; i++) {
        const struct state_later *l = &list->items[i];

        text_adds(&words, "Waiting for ");
        add_name(&words, l->host ? l->host : l->machine, &l->agents);
        text_adds(&words, ": ");
        state_report_add_reason(&words, l);
        text_adds(&words, ".\n");
    }
    if (w->p->options.quiet || strcmp(text_str(&words), text_str(&w->told)) == 0)
        return;
    text_reset(&w->told);
    text_adds(&w->told, text_str(&words));
    terminal_put(stderr, &words);
}

/* Those that are due, and that the first of them shares a run with. */
static int find_due(const struct waiting *w, const struct state_laters *list,
                    const struct machine *const *machines, size_t n, struct group *g,
                    struct error *err)
{
    int r = 0;

    g->entries = calloc(list->count + 1, sizeof(*g->entries));
    g->machines = calloc(list->count + 1, sizeof(*g->machines));
    if (!g->entries || !g->machines)
        return error_sys(err, -ENOMEM, "cannot plan the run");
    for (size_t i = 0; i < list->count && r == 0; i++) {
        struct later_verdict verdict;

        r = later_look(w->p->state, &list->items[i], machines, n, &verdict, err);
        if (r < 0 || !verdict.due || (g->count > 0 && !later_same(g->entries[0], &list->items[i])))
            continue;
        g->entries[g->count] = &list->items[i];
        g->machines[g->count++] = verdict.machine;
    }
    return r;
}

/* 1: none is left. */
static int look_once(struct waiting *w, bool *ret_acted, struct error *err)
{
    CLEANUP(state_laters_clear) struct state_laters list = {0};
    CLEANUP(fleet_free_p) struct fleet *fleet = NULL;
    CLEANUP(group_clear) struct group g = {.p = w->p, .ends = &w->ends};
    const unsigned asked = w->p->options.discovery_ms;
    const struct machine *const *machines;
    size_t n;
    int r = list_waiting(w, &list, err);

    if (r < 0 || list.count == 0)
        return r < 0 ? r : 1;
    tell_waiting(w, &list);
    w->p->options.discovery_ms = asked ? asked : LOOK_MS;
    r = program_find_fleet(w->p, NULL, &fleet, err);
    w->p->options.discovery_ms = asked;
    if (r < 0)
        return r;
    machines = fleet_machines(fleet, &n);
    r = find_due(w, &list, machines, n, &g, err);
    *ret_acted = g.count > 0;
    return r == 0 && g.count > 0 ? do_group(&g, err) : r;
}

/* A person who waits wants it now, and may have brought the password that was lacking. */
static int retry_all(struct waiting *w, struct error *err)
{
    CLEANUP(state_laters_clear) struct state_laters list = {0};
    int r = list_waiting(w, &list, err);

    for (size_t i = 0; i < list.count && r == 0; i++)
        r = state_later_retry(w->p->state, list.items[i].entry, err);
    return r;
}

int later_work_run(struct program *p, const struct strings *only, struct error *err)
{
    CLEANUP(waiting_clear) struct waiting w = {.p = p, .only = only};
    const struct timespec pause = {.tv_sec = LOOK_AGAIN_MS / 1000,
                                   .tv_nsec = LOOK_AGAIN_MS % 1000 * 1000000L};
    int r = retry_all(&w, err);

    while (r == 0) {
        bool acted = false;

        r = look_once(&w, &acted, err);
        if (r == 0 && !acted)
            (void)nanosleep(&pause, NULL);
    }
    return r < 0 ? r : 0;
}
