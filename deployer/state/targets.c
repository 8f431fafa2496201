/* The wish of a run, its machines, and which of them it has not finished. */
#include <errno.h>
#include <string.h>

#include "database.h"
#include "deployer/base/url.h"
#include "state.h"

int state_wish_add(struct strings *wish, const char *key, const char *value)
{
    CLEANUP_TEXT struct text entry = TEXT_INIT;

    text_addf(&entry, "%s=", key);
    url_add_without_password(&entry, value);
    return text_error(&entry) < 0 ? -ENOMEM : strings_add(wish, text_str(&entry));
}

const char *state_wish_get(const struct strings *wish, const char *key, size_t nth)
{
    size_t size = strlen(key);

    for (size_t i = 0; i < wish->count; i++) {
        const char *entry = wish->items[i];

        if (strncmp(entry, key, size) == 0 && entry[size] == '=' && nth-- == 0)
            return entry + size + 1;
    }
    return NULL;
}

static void target_clear(struct state_target *t)
{
    free(t->machine);
    free(t->host);
    free(t->agents);
    free(t->status);
}

void state_targets_clear(struct state_targets *targets)
{
    for (size_t i = 0; i < targets->count; i++)
        target_clear(&targets->items[i]);
    free(targets->items);
    *targets = (struct state_targets){0};
}

int state_run_write_plan(struct state *s, int64_t number, const struct state_run *run,
                         struct error *err)
{
    int r = 0;

    for (size_t i = 0; i < run->wish.count && r == 0; i++)
        r = state_run(s, err, "INSERT INTO run_wishes VALUES(?,?,?)", "iis", number, (int64_t)i,
                      run->wish.items[i]);
    for (size_t i = 0; i < run->targets.count && r == 0; i++) {
        const struct state_target *t = &run->targets.items[i];

        r = state_run(s, err,
                      "INSERT INTO run_targets VALUES(?,?,?,?,?) ON CONFLICT(run, machine)"
                      " DO NOTHING",
                      "iisss", number, (int64_t)i, t->machine, t->host, t->agents);
    }
    return r;
}

static int read_target(sqlite3_stmt *st, struct state_target *ret, struct error *err)
{
    bool failed = false;

    *ret = (struct state_target){
        .machine = state_column(st, 0, &failed),
        .host = state_column(st, 1, &failed),
        .agents = state_column(st, 2, &failed),
        .status = state_column(st, 3, &failed),
    };
    if (!failed)
        return 0;
    target_clear(ret);
    return error_sys(err, -ENOMEM, "cannot read the runs");
}

/* The planned machines, then any others that have a result. */
static int read_targets(struct state *s, int64_t run, bool unfinished, struct state_targets *ret,
                        struct error *err)
{
    CLEANUP_STATEMENT sqlite3_stmt *st = NULL;
    CLEANUP(state_targets_clear) struct state_targets targets = {0};
    int r = state_prepare(s,
                          "WITH planned AS (SELECT position, machine, host, agents FROM run_targets"
                          "  WHERE run=?1),"
                          " all_of_it AS (SELECT 0 AS part, * FROM planned UNION ALL"
                          "  SELECT 1, result, machine, host, agent FROM results WHERE run=?1 AND"
                          "  step='' AND machine NOT IN (SELECT machine FROM planned))"
                          "SELECT t.machine, t.host, t.agents, r.status FROM all_of_it t"
                          " LEFT JOIN results r ON r.run=?1 AND r.machine=t.machine AND r.step=''"
                          " WHERE NOT (?2 AND coalesce(r.status, '') IN ('ok', 'changed'))"
                          " ORDER BY t.part, t.position",
                          &st, err, "ii", run, (int64_t)unfinished);

    while (r == 0 && (r = state_step(s, st, err)) > 0) {
        struct state_target *items;

        items = reallocarray(targets.items, targets.count + 1, sizeof(*items));
        if (!items)
            return error_sys(err, -ENOMEM, "cannot read the runs");
        targets.items = items;
        r = read_target(st, &items[targets.count], err);
        if (r == 0)
            targets.count++;
    }
    if (r < 0)
        return r;
    state_targets_clear(ret);
    *ret = targets;
    targets = (struct state_targets){0};
    return 0;
}

int state_run_read_plan(struct state *s, struct state_run *run, struct error *err)
{
    int r = state_strings(s, &run->wish, err,
                          "SELECT wish FROM run_wishes WHERE run=? ORDER BY position", "i",
                          run->number);

    return r < 0 ? r : read_targets(s, run->number, false, &run->targets, err);
}

int state_run_unfinished(struct state *s, int64_t run, struct state_targets *ret, struct error *err)
{
    return read_targets(s, run, true, ret, err);
}

int state_run_counts(struct state *s, int64_t run, struct state_counts *ret, struct error *err)
{
    CLEANUP(state_targets_clear) struct state_targets targets = {0};
    struct state_counts counts = {0};
    const struct {
        const char *status;
        size_t *count;
    } kinds[] = {
        {"ok", &counts.ok},
        {"changed", &counts.changed},
        {"failed", &counts.failed},
        {"refused", &counts.refused},
        {"unreachable", &counts.unreachable},
    };
    int r = read_targets(s, run, false, &targets, err);

    for (size_t i = 0; i < targets.count && r == 0; i++) {
        size_t *count = &counts.left;

        for (size_t k = 0; k < ARRAY_SIZE(kinds); k++)
            if (string_equal(targets.items[i].status, kinds[k].status))
                count = kinds[k].count;
        (*count)++;
    }
    if (r == 0)
        *ret = counts;
    return r;
}
